//! Reports over the demo provider's year, against SQL written from the definitions on their pages, in three time zones.
//!
//! A report turns days into instants and asks for those; here every row is put on its local day instead.

use std::process::Command;

use chrono::{Days, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::{
    dev::{Dev, PROGRAM, Stops},
    harness::text,
};

const ZONES: [&str; 3] = ["Asia/Manila", "Europe/Berlin", "America/New_York"];

/// A report, a figure of it, and what it is by its definition. `$1` is the zone, `$2` the first day, `$3` the last.
const TOTALS: &[(&str, &str, &str)] = &[
    ("daily-collection", "collected", "SELECT sum(amount) FROM paid"),
    ("daily-collection", "payments", "SELECT count(*) FROM paid"),
    ("daily-collection", "refunded", "SELECT sum(amount) FROM given_back"),
    (
        "daily-collection",
        "net",
        "SELECT coalesce((SELECT sum(amount) FROM paid), 0) - coalesce((SELECT sum(amount) FROM given_back), 0)",
    ),
    (
        "monthly-revenue",
        "revenue",
        "SELECT coalesce((SELECT sum(amount) FROM paid), 0) - coalesce((SELECT sum(amount) FROM given_back), 0)",
    ),
    ("monthly-revenue", "payments", "SELECT count(*) FROM paid"),
    ("monthly-revenue", "customers", "SELECT count(DISTINCT customer_id) FROM paid"),
    ("monthly-revenue", "new", "SELECT sum(lies) FROM shares WHERE nth = 1"),
    ("monthly-revenue", "renewal", "SELECT sum(lies) FROM shares WHERE nth > 1"),
    (
        "monthly-revenue",
        "on_no_period",
        "SELECT coalesce((SELECT sum(amount) FROM paid), 0) - coalesce((SELECT sum(lies) FROM shares), 0)",
    ),
    (
        "finance",
        "revenue",
        "SELECT coalesce((SELECT sum(amount) FROM paid), 0) - coalesce((SELECT sum(amount) FROM given_back), 0)",
    ),
    ("payment-behaviour", "payments", "SELECT count(*) FROM paid"),
    ("payment-behaviour", "collected", "SELECT sum(amount) FROM paid"),
    ("payment-behaviour", "average", "SELECT round(avg(amount), 2) FROM paid"),
    (
        "customer-acquisition",
        "customers",
        "SELECT count(*) FROM customer, asked WHERE deleted_at IS NULL AND (created_at AT TIME ZONE zone)::date BETWEEN first AND last",
    ),
    (
        "customer-acquisition",
        "installations",
        "SELECT count(*) FROM installation, asked WHERE installed_on BETWEEN first AND last",
    ),
    ("ticket-analysis", "tickets", "SELECT count(*) FROM opened"),
    ("ticket-analysis", "resolved", "SELECT count(*) FROM opened WHERE status = 'resolved'"),
];

/// The days' rows, of which the totals are made.
const DAYS: &str = "WITH asked AS (SELECT $1::text AS zone, $2::text::date AS first, $3::text::date AS last), \
    paid AS (SELECT p.* FROM payment p, asked WHERE p.status = 'valid' AND (p.received_at AT TIME ZONE zone)::date BETWEEN first AND last), \
    given_back AS (SELECT r.* FROM refund r, asked WHERE (r.refunded_at AT TIME ZONE zone)::date BETWEEN first AND last), \
    paid_periods AS (SELECT s.id, row_number() OVER (PARTITION BY s.customer_id ORDER BY s.starts_at, s.id) AS nth FROM subscription s \
        WHERE EXISTS (SELECT FROM payment_allocation a JOIN payment p ON p.id = a.payment_id \
            WHERE a.subscription_id = s.id AND p.status = 'valid')), \
    shares AS (SELECT a.amount AS lies, s.nth FROM payment_allocation a JOIN paid p ON p.id = a.payment_id \
        JOIN paid_periods s ON s.id = a.subscription_id), \
    opened AS (SELECT t.* FROM ticket t, asked WHERE t.merged_into IS NULL AND (t.created_at AT TIME ZONE zone)::date BETWEEN first AND last) ";

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
    client.batch_execute(&format!("SET search_path = {schema}, ext")).await.unwrap();
    client
}

async fn total(client: &Client, sql: &str, zone: &str, from: &str, to: &str) -> f64 {
    let statement = format!("{DAYS} SELECT coalesce(({sql}), 0)::float8 FROM asked");
    client.query_one(&statement, &[&zone, &from, &to]).await.unwrap().get(0)
}

fn figure(report: &Value, key: &str) -> f64 {
    let found = report["figures"].as_array().unwrap().iter().find(|figure| figure["key"] == key);
    let found = found.unwrap_or_else(|| panic!("no {key} in {report}"));
    found["value"].as_str().map_or(0.0, |value| value.parse().unwrap())
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
    let back = |days| today.checked_sub_days(Days::new(days)).unwrap().to_string();
    let (mut wrong, mut money) = (Vec::new(), 0.0);
    for zone in ZONES {
        api.patch("/api/v1/company", json!({"time_zone": zone})).await.expect(200);
        for (from, to) in [(back(365), back(2)), (back(60), back(31)), (back(8), back(8))] {
            for (name, key, sql) in TOTALS {
                let report =
                    api.get(&format!("/api/v1/reports/{name}?from={from}&to={to}")).await.expect(200);
                let (said, is) = (figure(&report, key), total(&client, sql, zone, &from, &to).await);
                money += is;
                if (said - is).abs() > 0.004 {
                    wrong.push(format!(
                        "{zone} {from}..{to} {name} {key}: the report says {said}, it is {is}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(money > 100_000.0, "there was nothing to add up: {money}");
}
