//! Reports over the demo provider's year, against SQL written from the definitions on their pages, in three time zones.
//!
//! A report turns days into instants and asks for those; here every row is put on its local day instead.

use std::{collections::BTreeSet, process::Command};

use chrono::{Duration, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, types::ToSql};

use crate::{
    dev::{Dev, PROGRAM, Stops},
    harness::text,
};

const ZONES: [&str; 3] = ["Asia/Manila", "Europe/Berlin", "America/New_York"];

/// A report, a figure of it, and what it is by its definition: one text, as the report writes it. Several names between bars are
/// equally right.
const FIGURES: &[(&str, &str, &str)] = &[
    ("daily-collection", "collected", "SELECT pg_temp.money(taken) FROM sums"),
    ("daily-collection", "payments", "SELECT payments::text FROM sums"),
    ("daily-collection", "refunded", "SELECT pg_temp.money(returned) FROM sums"),
    ("daily-collection", "net", "SELECT pg_temp.money(taken - returned) FROM sums"),
    ("daily-collection", "average", "SELECT round(avg(amount), 2)::text FROM paid"),
    ("subscription-expiry", "ends_today", "SELECT count(*)::text FROM ending, asked WHERE on_day = today"),
    (
        "subscription-expiry",
        "ends_in_3",
        "SELECT count(*)::text FROM ending, asked WHERE on_day - today IN (1, 2, 3)",
    ),
    (
        "subscription-expiry",
        "ends_in_7",
        "SELECT count(*)::text FROM ending, asked WHERE on_day - today IN (4, 5, 6, 7)",
    ),
    (
        "subscription-expiry",
        "ended_yesterday",
        "SELECT count(*)::text FROM ending, asked WHERE on_day + 1 = today",
    ),
    (
        "subscription-expiry",
        "to_disconnect",
        "SELECT count(*)::text FROM ending, asked WHERE today - on_day BETWEEN 2 AND 30",
    ),
    ("ticket-analysis", "tickets", "SELECT count(*)::text FROM opened"),
    ("ticket-analysis", "resolved", "SELECT count(*)::text FROM opened WHERE is_done"),
    ("ticket-analysis", "rate", "SELECT pg_temp.percent(sum(is_done::int), count(*)) FROM opened"),
    ("ticket-analysis", "pending", "SELECT count(*)::text FROM opened WHERE status = 'pending'"),
    (
        "ticket-analysis",
        "in_progress",
        "SELECT count(*)::text FROM opened WHERE status IN ('assigned', 'in_progress')",
    ),
    ("ticket-analysis", "waiting", "SELECT count(*)::text FROM opened WHERE status = 'waiting'"),
    ("ticket-analysis", "cancelled", "SELECT count(*)::text FROM opened WHERE status = 'cancelled'"),
    ("ticket-analysis", "overdue", "SELECT count(*)::text FROM opened WHERE is_late"),
    ("ticket-analysis", "kept", "SELECT pg_temp.percent(sum(is_kept::int), sum(is_done::int)) FROM opened"),
    (
        "ticket-analysis",
        "urgent_hours",
        "SELECT round(avg(hours), 1)::text FROM opened WHERE priority = 'urgent'",
    ),
    (
        "ticket-analysis",
        "most_common",
        "SELECT string_agg(label, '|') FROM (SELECT label, rank() OVER (ORDER BY count(*) DESC) AS r FROM opened \
         JOIN categories USING (category) GROUP BY label) ranked WHERE r = 1",
    ),
    ("technician-performance", "installations", "SELECT sum(installed)::text FROM people"),
    ("technician-performance", "assigned", "SELECT sum(given)::text FROM people"),
    ("technician-performance", "resolved", "SELECT sum(solved)::text FROM people"),
    (
        "technician-performance",
        "top",
        "SELECT string_agg(name, '|') FROM people WHERE installed + solved = (SELECT max(installed + solved) FROM people)",
    ),
    (
        "technician-performance",
        "best_rate",
        "SELECT string_agg(name, '|') FROM (SELECT name, rank() OVER (ORDER BY done::numeric / given DESC) AS r FROM people \
         WHERE solved >= 3 AND given >= 3) ranked WHERE r = 1",
    ),
    (
        "technician-performance",
        "fastest",
        "SELECT string_agg(name, '|') FROM (SELECT name, rank() OVER (ORDER BY pace) AS r FROM people WHERE solved >= 3) ranked \
         WHERE r = 1",
    ),
    ("monthly-revenue", "revenue", "SELECT pg_temp.money(taken - returned) FROM sums"),
    ("monthly-revenue", "payments", "SELECT payments::text FROM sums"),
    ("monthly-revenue", "refunded", "SELECT pg_temp.money(returned) FROM sums"),
    ("monthly-revenue", "customers", "SELECT payers::text FROM sums"),
    (
        "monthly-revenue",
        "per_customer",
        "SELECT round((taken - returned) / nullif(payers, 0), 2)::text FROM sums",
    ),
    ("monthly-revenue", "new", "SELECT pg_temp.money(sum(lies)) FROM shares WHERE nth = 1"),
    ("monthly-revenue", "renewal", "SELECT pg_temp.money(sum(lies)) FROM shares WHERE nth > 1"),
    (
        "monthly-revenue",
        "on_no_period",
        "SELECT pg_temp.money(taken - coalesce((SELECT sum(lies) FROM shares), 0)) FROM sums",
    ),
    (
        "finance",
        "mrr",
        "SELECT pg_temp.money(sum(round(price * 30 / period_days, 2))) FROM served WHERE at_end",
    ),
    ("finance", "revenue", "SELECT pg_temp.money(taken - returned) FROM sums"),
    ("finance", "refunded", "SELECT pg_temp.money(returned) FROM sums"),
    ("finance", "per_customer", "SELECT round((taken - returned) / nullif(payers, 0), 2)::text FROM sums"),
    (
        "finance",
        "churn",
        "SELECT pg_temp.percent(count(*) FILTER (WHERE NOT stayed), count(*)) FROM had WHERE was",
    ),
    ("finance", "owed", "SELECT pg_temp.money(sum(due)) FROM debts"),
    (
        "finance",
        "credit",
        "SELECT pg_temp.money(sum(p.amount) - coalesce((SELECT sum(a.amount) FROM payment_allocation a JOIN payment q ON q.id = a.payment_id \
         WHERE q.status = 'valid'), 0) - coalesce((SELECT sum(r.amount) FROM refund r JOIN payment q ON q.id = r.payment_id \
         WHERE q.status = 'valid'), 0)) FROM payment p WHERE p.status = 'valid'",
    ),
    ("finance", "new", "SELECT pg_temp.money(sum(lies)) FROM shares WHERE nth = 1"),
    ("finance", "renewal", "SELECT pg_temp.money(sum(lies)) FROM shares WHERE nth > 1"),
    (
        "finance",
        "on_no_period",
        "SELECT pg_temp.money(taken - coalesce((SELECT sum(lies) FROM shares), 0)) FROM sums",
    ),
    ("payment-behaviour", "payments", "SELECT payments::text FROM sums"),
    ("payment-behaviour", "collected", "SELECT pg_temp.money(taken) FROM sums"),
    ("payment-behaviour", "average", "SELECT round(avg(amount), 2)::text FROM paid"),
    ("payment-behaviour", "renewals", "SELECT count(gap)::text FROM sold"),
    (
        "payment-behaviour",
        "on_time",
        "SELECT pg_temp.percent(count(*) FILTER (WHERE gap <= 1), count(gap)) FROM sold",
    ),
    ("payment-behaviour", "gap", "SELECT round(avg(gap), 1)::text FROM sold"),
    ("customer-acquisition", "customers", "SELECT count(*)::text FROM came"),
    (
        "customer-acquisition",
        "installations",
        "SELECT count(*)::text FROM installation, asked WHERE installed_on BETWEEN first AND last",
    ),
    (
        "customer-acquisition",
        "a_month",
        "SELECT round((SELECT count(*) FROM came) * 365.25 / 12 / (last - first + 1))::text FROM asked",
    ),
    (
        "customer-acquisition",
        "to_payment",
        "SELECT round(avg(greatest(0, (f.at AT TIME ZONE zone)::date - i.installed_on)), 1)::text FROM asked, installation i \
         JOIN (SELECT customer_id, min(received_at) AS at FROM payment WHERE status = 'valid' GROUP BY 1) f USING (customer_id) \
         WHERE i.installed_on BETWEEN first AND last",
    ),
    ("area-performance", "customers", "SELECT count(*)::text FROM known"),
    ("area-performance", "active", "SELECT count(*)::text FROM known WHERE status = 'active'"),
    ("area-performance", "new", "SELECT count(*)::text FROM came"),
    (
        "area-performance",
        "growth",
        "SELECT pg_temp.percent((SELECT count(*) FROM came), (SELECT count(*) FROM known WHERE id NOT IN (SELECT id FROM came))) FROM asked",
    ),
    ("area-performance", "revenue", "SELECT pg_temp.money(taken - returned) FROM sums"),
    ("area-performance", "tickets", "SELECT count(*)::text FROM opened"),
    (
        "area-performance",
        "used",
        "SELECT pg_temp.percent(count(i.id), count(*)) FROM sockets LEFT JOIN installation i USING (nap_id, nap_port)",
    ),
];

/// A report, a table of it, and its rows by their definition, in any order.
const TABLES: &[(&str, &str, &str)] = &[
    ("daily-collection", "by_method", BY_METHOD),
    (
        "daily-collection",
        "by_cashier",
        "SELECT ARRAY[name, sum(n)::text, pg_temp.money(sum(taken)), pg_temp.money(sum(returned)), pg_temp.money(sum(taken - returned))] FROM ( \
         SELECT p.received_by AS who, 1 AS n, p.amount AS taken, 0 AS returned FROM paid p UNION ALL \
         SELECT g.refunded_by, 0, 0, g.amount FROM given_back g) flows JOIN staff s ON s.id = who GROUP BY s.id",
    ),
    (
        "daily-collection",
        "by_plan",
        "SELECT ARRAY[name, count(*)::text, pg_temp.money(sum(lies))] FROM shares JOIN plan ON plan.id = plan_id GROUP BY name UNION ALL \
         SELECT ARRAY['On no period', '', pg_temp.money(taken - lies)] FROM sums, (SELECT coalesce(sum(lies), 0) AS lies FROM shares) l \
         WHERE taken <> lies",
    ),
    (
        "daily-collection",
        "by_kind",
        "SELECT ARRAY[label, count(*)::text, pg_temp.money(sum(lies))] FROM shares JOIN kinds USING (kind) GROUP BY label UNION ALL \
         SELECT ARRAY['On no period', '', pg_temp.money(taken - lies)] FROM sums, (SELECT coalesce(sum(lies), 0) AS lies FROM shares) l \
         WHERE taken <> lies",
    ),
    (
        "ticket-analysis",
        "by_category",
        "SELECT ARRAY[label, count(*)::text, pg_temp.percent(count(*), (SELECT count(*) FROM opened)), pg_temp.percent(sum(is_done::int), count(*))] \
         FROM opened JOIN categories USING (category) GROUP BY label",
    ),
    (
        "ticket-analysis",
        "by_priority",
        "SELECT ARRAY[initcap(priority), count(*)::text, pg_temp.percent(sum(is_done::int), count(*)), \
         coalesce(round(avg(hours), 1)::text, ''), pg_temp.percent(sum(is_kept::int), sum(is_done::int))] FROM opened GROUP BY priority",
    ),
    (
        "ticket-analysis",
        "by_person",
        "SELECT ARRAY[coalesce(s.name, 'Nobody'), count(*)::text, sum(is_done::int)::text, \
         count(*) FILTER (WHERE status NOT IN ('resolved', 'cancelled'))::text, pg_temp.percent(sum(is_done::int), count(*))] \
         FROM opened LEFT JOIN staff s ON s.id = assigned_to GROUP BY assigned_to, s.name",
    ),
    (
        "technician-performance",
        "technicians",
        "SELECT ARRAY[name, (installed + solved)::text, installed::text, given::text, solved::text, still::text, pg_temp.percent(done, given), \
         coalesce(round(pace, 1)::text, ''), places] FROM people WHERE installed + given + solved > 0",
    ),
    (
        "monthly-revenue",
        "by_plan",
        "SELECT ARRAY[name, count(*)::text, pg_temp.money(sum(lies)), pg_temp.percent(sum(lies), (SELECT taken FROM sums))] FROM shares \
         JOIN plan ON plan.id = plan_id GROUP BY name",
    ),
    (
        "finance",
        "aging",
        "SELECT ARRAY[label, count(DISTINCT customer_id)::text, pg_temp.money(sum(due)), pg_temp.percent(coalesce(sum(due), 0), \
         (SELECT sum(due) FROM debts))] FROM (VALUES ('Not due yet', -100000, -1), ('Up to 30 days', 0, 30), ('31–60 days', 31, 60), \
         ('61–90 days', 61, 90), ('More than 90 days', 91, 100000)) ages (label, least, most) \
         LEFT JOIN debts ON age BETWEEN least AND most GROUP BY label",
    ),
    ("finance", "by_method", BY_METHOD),
    (
        "finance",
        "churn",
        "SELECT ARRAY[what, n::text] FROM (SELECT count(*) FILTER (WHERE was) AS a, count(*) FILTER (WHERE was AND NOT stayed) AS b, \
         count(*) FILTER (WHERE stayed AND NOT was) AS c, count(*) FILTER (WHERE stayed) AS d FROM had) n CROSS JOIN LATERAL \
         (VALUES ('At the beginning', a), ('Left', b), ('Came or came back', c), ('At the end', d)) rows (what, n)",
    ),
    (
        "payment-behaviour",
        "by_weekday",
        "SELECT ARRAY[day, count(p.id)::text, pg_temp.percent(count(p.id), (SELECT payments FROM sums)), pg_temp.money(sum(p.amount))] \
         FROM asked, unnest(ARRAY['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']) WITH ORDINALITY week (day, n) \
         LEFT JOIN (SELECT p.*, extract(isodow FROM p.received_at AT TIME ZONE zone) AS n FROM paid p, asked) p USING (n) GROUP BY day",
    ),
    (
        "payment-behaviour",
        "by_kind",
        "SELECT ARRAY[label, count(*)::text, pg_temp.percent(count(*), (SELECT count(*) FROM sold)), pg_temp.money(sum(amount)), pg_temp.money(min(amount)), \
         pg_temp.money(round(avg(amount), 2)), pg_temp.money(max(amount))] FROM sold JOIN kinds USING (kind) GROUP BY label",
    ),
    (
        "payment-behaviour",
        "renewals",
        "SELECT ARRAY[label, count(gap)::text, pg_temp.percent(count(gap), (SELECT count(gap) FROM sold))] FROM (VALUES ('Early', -1e9, -1.0), \
         ('On time', -1.0, 1.0), ('Late', 1.0, 1e9)) kinds (label, least, most) LEFT JOIN sold ON CASE label WHEN 'On time' \
         THEN gap BETWEEN least AND most ELSE gap > least AND gap < most END GROUP BY label",
    ),
    ("payment-behaviour", "by_method", BY_METHOD),
    (
        "customer-acquisition",
        "by_plan",
        "SELECT ARRAY[coalesce(name, 'None yet'), count(*)::text, pg_temp.percent(count(*), (SELECT count(*) FROM came))] FROM (SELECT id, \
         (SELECT (array_agg(plan_id ORDER BY starts_at, s.id))[1] FROM subscription s WHERE s.customer_id = came.id) AS chosen FROM came) c \
         LEFT JOIN plan ON plan.id = chosen GROUP BY name",
    ),
    (
        "area-performance",
        "areas",
        "SELECT ARRAY[name, people::text, active::text, new::text, pg_temp.percent(new, people - new), pg_temp.money(earned), asked_for::text, used::text, \
         ports::text, pg_temp.percent(used, ports)] FROM (SELECT a.id, a.name, \
         (SELECT count(*) FROM known k WHERE k.area_id IS NOT DISTINCT FROM a.id) AS people, \
         (SELECT count(*) FROM known k WHERE k.area_id IS NOT DISTINCT FROM a.id AND k.status = 'active') AS active, \
         (SELECT count(*) FROM came k WHERE k.area_id IS NOT DISTINCT FROM a.id) AS new, \
         coalesce((SELECT sum(p.amount) FROM paid p JOIN customer c ON c.id = p.customer_id WHERE c.area_id IS NOT DISTINCT FROM a.id), 0) \
         - coalesce((SELECT sum(g.amount) FROM given_back g JOIN customer c ON c.id = g.customer_id \
         WHERE c.area_id IS NOT DISTINCT FROM a.id), 0) AS earned, \
         (SELECT count(*) FROM opened o JOIN customer c ON c.id = o.customer_id WHERE c.area_id IS NOT DISTINCT FROM a.id) AS asked_for, \
         (SELECT count(*) FROM sockets k WHERE k.area_id IS NOT DISTINCT FROM a.id) AS ports, \
         (SELECT count(*) FROM sockets k JOIN installation i USING (nap_id, nap_port) WHERE k.area_id IS NOT DISTINCT FROM a.id) AS used \
         FROM (SELECT id, name FROM area UNION ALL SELECT NULL, 'No area') a) areas \
         WHERE id IS NOT NULL OR people + asked_for + ports > 0 OR earned <> 0",
    ),
];

const BY_METHOD: &str = "SELECT ARRAY[label, sum(n)::text, pg_temp.money(sum(taken)), pg_temp.money(sum(returned)), pg_temp.money(sum(taken - returned))] FROM ( \
    SELECT method, 1 AS n, amount AS taken, 0 AS returned FROM paid UNION ALL SELECT method, 0, 0, amount FROM given_back) flows \
    JOIN (VALUES ('cash', 'Cash'), ('gcash', 'GCash'), ('maya', 'Maya'), ('bank', 'Bank'), ('card', 'Card'), ('other', 'Other')) \
    methods (method, label) USING (method) GROUP BY label";

/// Tables that list rows one by one, or are cut at the ten greatest; their figures are compared.
const LISTS: &[&str] =
    &["payments", "ending", "ended", "repeated", "overdue", "by_area", "by_period", "by_band"];

/// How a report writes an amount, and a share.
const WRITTEN: &str = "CREATE FUNCTION pg_temp.money(numeric) RETURNS text LANGUAGE sql AS $$ SELECT round(coalesce($1, 0), 2)::text $$; \
    CREATE FUNCTION pg_temp.percent(numeric, numeric) RETURNS text LANGUAGE sql AS \
    $$ SELECT coalesce(round(100 * $1 / nullif($2, 0), 1)::text, '') $$";

/// The days' rows, of which the figures are made. `$1` is the zone, `$2` the first day, `$3` the last.
const DAYS: &str = "WITH asked AS (SELECT $1::text AS zone, $2::text::date AS first, $3::text::date AS last, \
        (now() AT TIME ZONE $1)::date AS today, $2::text::date::timestamp AT TIME ZONE $1 AS opens, \
        least(($3::text::date + 1)::timestamp AT TIME ZONE $1, now()) AS closes), \
    paid AS (SELECT p.* FROM payment p, asked WHERE p.status = 'valid' AND (p.received_at AT TIME ZONE zone)::date BETWEEN first AND last), \
    given_back AS (SELECT r.* FROM refund r, asked WHERE (r.refunded_at AT TIME ZONE zone)::date BETWEEN first AND last), \
    sums AS (SELECT coalesce(sum(amount), 0) AS taken, count(*) AS payments, count(DISTINCT customer_id) AS payers, \
        coalesce((SELECT sum(amount) FROM given_back), 0) AS returned FROM paid), \
    paid_periods AS (SELECT s.id, s.plan_id, s.kind, row_number() OVER (PARTITION BY s.customer_id ORDER BY s.starts_at, s.id) AS nth \
        FROM subscription s WHERE EXISTS (SELECT FROM payment_allocation a JOIN payment p ON p.id = a.payment_id \
            WHERE a.subscription_id = s.id AND p.status = 'valid')), \
    shares AS (SELECT a.amount AS lies, s.nth, s.plan_id, s.kind FROM payment_allocation a JOIN paid p ON p.id = a.payment_id \
        JOIN paid_periods s ON s.id = a.subscription_id), \
    ending AS (SELECT (until AT TIME ZONE zone)::date AS on_day FROM asked, (SELECT i.status, \
        (SELECT max(s.ends_at) FROM subscription s WHERE s.installation_id = i.id AND s.status <> 'cancelled') AS until \
        FROM installation i) i WHERE i.status IN ('active', 'inactive') AND (until AT TIME ZONE zone)::date BETWEEN first AND last), \
    opened AS (SELECT t.*, t.status = 'resolved' AS is_done, t.status = 'resolved' AND t.resolved_at <= t.sla_due_at AS is_kept, \
        CASE WHEN t.status IN ('resolved', 'cancelled') THEN false WHEN t.waiting_since IS NULL THEN now() > t.sla_due_at \
            ELSE t.waiting_since > t.sla_due_at END AS is_late, \
        CASE t.status WHEN 'resolved' THEN (extract(epoch FROM t.resolved_at) - extract(epoch FROM t.created_at) - t.waited_seconds) / 3600 END \
            AS hours FROM ticket t, asked WHERE t.merged_into IS NULL AND (t.created_at AT TIME ZONE zone)::date BETWEEN first AND last), \
    categories (category, label) AS (VALUES ('no_connection', 'No internet connection'), ('slow_connection', 'Slow connection'), \
        ('intermittent', 'Intermittent connection'), ('router_issue', 'Router issue'), ('billing', 'Billing'), ('relocation', 'Relocation'), \
        ('upgrade', 'Upgrade'), ('downgrade', 'Downgrade'), ('other', 'Other')), \
    kinds (kind, label) AS (VALUES ('one_period', 'Plan''s own period'), ('one_month', '1 month'), ('fifteen_days', '15 days'), \
        ('custom', 'Custom amount'), ('change', 'Change of plan'), ('opening', 'Brought forward')), \
    solved AS (SELECT t.*, (extract(epoch FROM t.resolved_at) - extract(epoch FROM t.created_at) - t.waited_seconds) / 3600 AS hours \
        FROM ticket t, asked WHERE t.merged_into IS NULL AND (t.resolved_at AT TIME ZONE zone)::date BETWEEN first AND last), \
    connected AS (SELECT i.*, coalesce(i.area_id, c.area_id) AS place FROM installation i JOIN customer c ON c.id = i.customer_id, asked \
        WHERE i.installed_on BETWEEN first AND last), \
    people AS (SELECT s.name, (SELECT count(*) FROM connected i WHERE i.technician_id = s.id) AS installed, \
        (SELECT count(*) FROM opened o WHERE o.assigned_to = s.id) AS given, \
        (SELECT count(*) FROM opened o WHERE o.assigned_to = s.id AND o.is_done) AS done, \
        (SELECT count(*) FROM opened o WHERE o.assigned_to = s.id AND o.status NOT IN ('resolved', 'cancelled')) AS still, \
        (SELECT count(*) FROM solved o WHERE o.assigned_to = s.id) AS solved, \
        (SELECT avg(hours) FROM solved o WHERE o.assigned_to = s.id) AS pace, \
        coalesce((SELECT string_agg(a.name, ', ' ORDER BY a.name) FROM area a WHERE a.id IN ( \
            SELECT place FROM connected i WHERE i.technician_id = s.id UNION SELECT c.area_id FROM solved o \
            JOIN customer c ON c.id = o.customer_id WHERE o.assigned_to = s.id)), '') AS places FROM staff s), \
    served AS (SELECT s.*, s.starts_at <= opens AND s.ends_at > opens AS at_start, \
        s.starts_at < closes AND s.ends_at >= closes AND s.status <> 'paused' AS at_end FROM subscription s, asked), \
    had AS (SELECT c.id, EXISTS (SELECT FROM served s WHERE s.customer_id = c.id AND s.at_start) AS was, \
        EXISTS (SELECT FROM served s WHERE s.customer_id = c.id AND s.at_end) AS stayed FROM customer c), \
    debts AS (SELECT s.customer_id, s.amount - s.credited_amount - coalesce(p.paid, 0) AS due, \
        CASE WHEN s.starts_at > now() THEN -1 ELSE today - (s.starts_at AT TIME ZONE zone)::date END AS age FROM asked, subscription s \
        LEFT JOIN (SELECT subscription_id, sum(amount) AS paid FROM payment_allocation GROUP BY 1) p ON p.subscription_id = s.id \
        WHERE s.amount - s.credited_amount - coalesce(p.paid, 0) > 0), \
    sold AS (SELECT s.*, extract(epoch FROM s.created_at - (SELECT max(b.ends_at) FROM subscription b WHERE b.installation_id = s.installation_id \
        AND b.starts_at < s.starts_at AND b.status <> 'cancelled')) / 86400 AS gap FROM subscription s, asked \
        WHERE s.kind NOT IN ('change', 'opening') AND (s.created_at AT TIME ZONE zone)::date BETWEEN first AND last), \
    known AS (SELECT c.* FROM customer c, asked WHERE c.deleted_at IS NULL AND (c.created_at AT TIME ZONE zone)::date <= last), \
    came AS (SELECT k.* FROM known k, asked WHERE (k.created_at AT TIME ZONE zone)::date >= first), \
    trunk AS (SELECT s.id, l.area_id FROM splitter s JOIN lcp l ON l.id = s.lcp_id), \
    sockets AS (SELECT p.nap_id, p.number AS nap_port, t.area_id FROM nap_port p JOIN nap n ON n.id = p.nap_id AND n.is_active \
        JOIN trunk t ON t.id = n.splitter_id) ";

async fn books_of(folder: &TempDir) -> Client {
    let output = Command::new(PROGRAM)
        .args(["postgres", "--dir", ".lastmile/pg", "--database", "lastmile"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let url = String::from_utf8(output.stdout).unwrap();
    let (client, connection) = tokio_postgres::connect(url.trim(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let schema: String = client
        .query_one("SELECT schema_name FROM public.tenant WHERE slug = 'cdeo'", &[])
        .await
        .unwrap()
        .get(0);
    client.batch_execute(&format!("SET search_path = {schema}, ext; {WRITTEN}")).await.unwrap();
    client
}

/// What a figure's statement comes to; nothing is an empty text.
async fn figure_of(client: &Client, sql: &str, days: &[&(dyn ToSql + Sync); 3]) -> String {
    let statement = format!("{DAYS} SELECT ({sql}) FROM asked");
    let row = client.query_one(&statement, days).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    row.get::<_, Option<String>>(0).unwrap_or_default()
}

/// The rows of a table's statement, sorted.
async fn rows_of(client: &Client, sql: &str, days: &[&(dyn ToSql + Sync); 3]) -> Vec<Vec<String>> {
    let found = client.query(&format!("{DAYS} {sql}"), days).await;
    let found = found.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let mut rows: Vec<Vec<String>> = found.iter().map(|row| row.get(0)).collect();
    rows.sort();
    rows
}

fn strings(row: &Value) -> Vec<String> {
    row.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap().to_owned()).collect()
}

/// What a report says that is not so, figure by figure and table by table. A figure or a table of which nothing is known fails.
async fn wrong_in(report: &Value, client: &Client, days: &[&(dyn ToSql + Sync); 3]) -> Vec<String> {
    let name = text(report, "/name");
    let mut wrong = Vec::new();
    for figure in report["figures"].as_array().unwrap() {
        let (key, said) = (text(figure, "/key"), text(figure, "/value"));
        let known = FIGURES.iter().find(|(of, what, _)| *of == name && *what == key);
        let sql = known.unwrap_or_else(|| panic!("what is {key} of {name} by its definition?")).2;
        let is = figure_of(client, sql, days).await;
        if !is.split('|').any(|one| one == said) {
            wrong.push(format!("{name} {key}: the report says {said:?}, it is {is:?}"));
        }
    }
    for table in report["tables"].as_array().unwrap() {
        let key = text(table, "/key");
        let Some((.., sql)) = TABLES.iter().find(|(of, what, _)| *of == name && *what == key) else {
            assert!(LISTS.contains(&key.as_str()), "what is in {key} of {name} by its definition?");
            continue;
        };
        let mut said: Vec<Vec<String>> = table["rows"].as_array().unwrap().iter().map(strings).collect();
        said.sort();
        let is = rows_of(client, sql, days).await;
        if said != is {
            wrong.push(format!("{name} {key}: the report says {said:?}, it is {is:?}"));
        }
    }
    wrong
}

#[tokio::test]
async fn every_total_is_what_its_definition_comes_to_over_a_year_of_business() {
    let folder = TempDir::new().unwrap();
    let _stops = Stops(folder.path());
    let dev = Dev::start(folder.path());
    let owner = "owner@cdeo.example";
    let asked = json!({"email": owner, "password": dev.password(owner)});
    let token = dev.api().post("/api/v1/auth/token", asked).await.expect(200);
    let api = dev.api().bearer(&text(&token, "/access_token"));
    let client = books_of(&folder).await;
    let today = Utc::now().date_naive();
    let day = |back: i64| (today - Duration::days(back)).to_string();
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    let mut money = 0.0;
    for zone in ZONES {
        api.patch("/api/v1/company", json!({"time_zone": zone})).await.expect(200);
        // A year, a month, a day, and days that are not over.
        for (from, to) in [(day(365), day(2)), (day(60), day(31)), (day(8), day(8)), (day(30), day(-7))] {
            let index = api.get("/api/v1/reports").await.expect(200);
            for item in index["items"].as_array().unwrap() {
                let name = text(item, "/name");
                let report =
                    api.get(&format!("/api/v1/reports/{name}?from={from}&to={to}")).await.expect(200);
                let found = wrong_in(&report, &client, &[&zone, &from, &to]).await;
                wrong.extend(found.into_iter().map(|what| format!("{zone} {from}..{to} {what}")));
                for figure in report["figures"].as_array().unwrap() {
                    let value = text(figure, "/value");
                    if !value.is_empty() && value != "0" && value != "0.00" {
                        seen.insert(format!("{name} {}", text(figure, "/key")));
                    }
                    if figure["kind"] == "money" {
                        money += value.parse::<f64>().unwrap_or(0.0);
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(money > 100_000.0, "there was nothing to add up: {money}");
    let idle: Vec<_> = FIGURES
        .iter()
        .map(|(name, key, _)| format!("{name} {key}"))
        .filter(|one| !seen.contains(one))
        .collect();
    assert!(idle.len() < 8, "nothing was ever there to count: {idle:?}");
}
