//! The demo's tickets and visits, and an outage of the day before yesterday.

use chrono::{DateTime, Datelike, Duration, Utc};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SEED, Seeded};
use crate::{db::TenantTx, error::Result, types::StaffId};

/// Who answers tickets.
pub(super) struct Team {
    pub technician: Option<StaffId>,
    pub support: Option<StaffId>,
    pub support_name: String,
}

/// Category, title, what was done about it, and how often it comes, of a hundred.
const TROUBLES: [(&str, &str, &str, u32); 9] = [
    ("no_connection", "No internet since this morning", "Drop wire was cut; spliced anew.", 26),
    ("slow_connection", "Slow in the evening", "Moved to another channel.", 20),
    ("intermittent", "Connection comes and goes", "Connector cleaned, level is good again.", 16),
    ("router_issue", "Router restarts by itself", "Exchanged the power adapter.", 14),
    ("billing", "Paid but not yet credited", "Found the reference and posted it.", 9),
    ("relocation", "Moving to the next street", "Moved the drop to the new house.", 5),
    ("upgrade", "Wants a faster plan", "Changed the plan.", 5),
    ("downgrade", "Wants a cheaper plan", "Changed the plan.", 2),
    ("other", "Asks for the Wi-Fi password", "Reset it together.", 3),
];
const SOURCES: [&str; 6] = ["phone", "phone", "messenger", "messenger", "walk_in", "sms"];
const TICKETS: usize = 140;
const DAYS_BACK: i64 = 180;
/// Where the fibre was cut, and for how long.
const CUT: &str = "NAP-007";
const CUT_MINUTES: i64 = 215;
/// Who called because of it.
const CALLERS: i64 = 3;
/// Within the last days some are still open.
const FRESH_DAYS: i64 = 2;

/// Writes the tickets, oldest first, so that their numbers follow their times.
pub(super) async fn write(
    tx: &TenantTx,
    seeded: &Seeded<'_>,
    installations: &[Uuid],
    team: &Team,
) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(SEED ^ 7);
    let mut opened: Vec<DateTime<Utc>> = (0..TICKETS)
        .map(|_| seeded.now - Duration::minutes(rng.random_range(10..DAYS_BACK * 1_440)))
        .collect();
    // A morning with much to do.
    opened.extend((0..6).map(|n| seeded.now - Duration::minutes(35 + n * 70)));
    let mut opened: Vec<(DateTime<Utc>, Option<Caller>)> = opened.into_iter().map(|at| (at, None)).collect();
    let began = cut_at(seeded.now);
    let callers = callers(tx).await?.into_iter().zip(1..);
    opened.extend(callers.map(|(caller, n)| (began + Duration::minutes(9 * n), Some(caller))));
    opened.sort_unstable();
    let mut last: Option<(i32, i64)> = None;
    let mut rows = Vec::with_capacity(opened.len());
    for (at, caller) in opened {
        let year = at.with_timezone(&seeded.zone).year();
        let number = last.filter(|(of, _)| *of == year).map_or(1, |(_, number)| number + 1);
        last = Some((year, number));
        let index = rng.random_range(0..seeded.ids.len().max(1));
        let somebody = seeded.ids.get(index).copied().zip(installations.get(index).copied());
        let Some(who) = caller.or(somebody) else { continue };
        let mut row = ticket(&mut rng, seeded.now, (at, year, number), who, team);
        if caller.is_some() {
            is_of_the_cut(&mut row, began + Duration::minutes(CUT_MINUTES), team);
        }
        rows.push(row);
    }
    tx.execute(
        "INSERT INTO ticket (id, number, customer_id, installation_id, title, description, category, priority, status, source,
            nap_id, reported_by, reported_by_label, assigned_to, sla_due_at, waiting_since, resolved_at, resolution_notes,
            created_at, updated_at)
         SELECT x.id, number, x.customer_id, installation_id, title, '', category, priority, x.status, source, i.nap_id,
            staff, label, assigned_to, due_at, waiting_since, resolved_at, resolution, x.created_at, coalesce(resolved_at, x.created_at)
         FROM jsonb_to_recordset($1) AS x (id uuid, number text, customer_id uuid, installation_id uuid, title text, category text,
            priority text, status text, source text, staff uuid, label text, assigned_to uuid, due_at timestamptz,
            waiting_since timestamptz, resolved_at timestamptz, resolution text, created_at timestamptz)
         JOIN installation i ON i.id = x.installation_id",
        &[&Value::from(rows)],
    )
    .await?;
    tx.execute(
        "INSERT INTO number_series (series, last)
         SELECT left(number, 8), max(substr(number, 10)::bigint) FROM ticket GROUP BY left(number, 8)",
        &[],
    )
    .await?;
    visits(tx, seeded, team).await?;
    outage(tx, seeded.now, seeded.now.with_timezone(&seeded.zone).year()).await
}

/// A customer and the installation that a ticket is about.
type Caller = (Uuid, Uuid);

fn cut_at(now: DateTime<Utc>) -> DateTime<Utc> {
    now - Duration::days(2) - Duration::minutes(95)
}

async fn callers(tx: &TenantTx) -> Result<Vec<Caller>> {
    let rows = tx
        .query(
            "SELECT i.customer_id, i.id FROM nap n JOIN installation i ON i.nap_id = n.id
             WHERE n.code = $1 AND i.status = 'active' ORDER BY i.nap_port LIMIT $2",
            &[&CUT, &CALLERS],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Makes a ticket one that the cut explains, and that its end resolved.
fn is_of_the_cut(row: &mut Value, restored: DateTime<Utc>, team: &Team) {
    let Some(row) = row.as_object_mut() else { return };
    for (name, value) in [
        ("title", json!("No internet since last night")),
        ("category", json!("no_connection")),
        ("priority", json!("high")),
        ("status", json!("resolved")),
        ("assigned_to", json!(team.technician)),
        ("waiting_since", Value::Null),
        ("resolved_at", json!(restored)),
        ("resolution", json!("The span was spliced anew.")),
    ] {
        row.insert(name.to_owned(), value);
    }
}

/// Two visits on each working day of this week and the next, the past ones done.
async fn visits(tx: &TenantTx, seeded: &Seeded<'_>, team: &Team) -> Result<()> {
    tx.execute(
        "INSERT INTO visit (id, kind, customer_id, installation_id, technician_id, starts_at, ends_at, status, note)
         SELECT gen_random_uuid(), CASE WHEN w.n % 3 = 0 THEN 'survey' ELSE 'repair' END, w.customer_id, w.id, $3,
            w.starts_at, w.starts_at + interval '90 minutes',
            CASE WHEN w.starts_at + interval '90 minutes' < $1 THEN 'done' ELSE 'planned' END,
            CASE WHEN w.n % 3 = 0 THEN 'Look at the way for a second line.' ELSE 'Measure the level at the box, and clean the connector.' END
         FROM (SELECT i.id, i.customer_id, i.n, (date_trunc('week', $1::timestamptz AT TIME ZONE $2)
               + make_interval(days => (i.n / 2 + i.n / 12)::int, hours => CASE i.n % 2 WHEN 0 THEN 9 ELSE 14 END)) AT TIME ZONE $2 AS starts_at
            FROM (SELECT id, customer_id, row_number() OVER (ORDER BY id) - 1 AS n FROM installation
               WHERE status = 'active') i WHERE i.n < 24) w",
        &[&seeded.now, &seeded.zone.name(), &team.technician],
    )
    .await?;
    Ok(())
}

fn ticket(
    rng: &mut StdRng,
    now: DateTime<Utc>,
    (at, year, number): (DateTime<Utc>, i32, i64),
    (customer, installation): (Uuid, Uuid),
    team: &Team,
) -> Value {
    let (category, title, done, _) = trouble(rng);
    let (priority, hours) = match rng.random_range(0..100) {
        0..6 => ("urgent", 4),
        6..26 => ("high", 8),
        26..80 => ("medium", 24),
        _ => ("low", 48),
    };
    let is_fresh = at > now - Duration::days(FRESH_DAYS);
    let took = Duration::minutes(rng.random_range(40..hours * 60 * 5 / 4));
    let status = match rng.random_range(0..100) {
        0..40 if is_fresh => "pending",
        40..60 if is_fresh => "assigned",
        60..78 if is_fresh => "in_progress",
        78..85 if is_fresh => "waiting",
        0..94 if at + took <= now => "resolved",
        _ if at + took > now => "pending",
        _ => "cancelled",
    };
    let resolved = (status == "resolved").then_some(at + took);
    let needs_somebody = matches!(status, "assigned" | "in_progress" | "waiting" | "resolved");
    // Without a technician nobody could have been sent.
    let status =
        if needs_somebody && team.technician.is_none() && status != "resolved" { "pending" } else { status };
    json!({
        "id": Uuid::now_v7(), "number": format!("TKT-{year}-{number:04}"), "customer_id": customer,
        "installation_id": installation, "title": title, "category": category, "priority": priority, "status": status,
        "source": SOURCES.choose(rng), "staff": team.support, "label": team.support_name,
        "assigned_to": team.technician.filter(|_| needs_somebody), "due_at": at + Duration::hours(hours),
        "waiting_since": (status == "waiting").then_some(at + Duration::minutes(20)), "resolved_at": resolved,
        "resolution": resolved.map(|_| done), "created_at": at,
    })
}

fn trouble(rng: &mut StdRng) -> (&'static str, &'static str, &'static str, u32) {
    let mut dice = rng.random_range(0..100);
    for trouble in TROUBLES {
        if dice < trouble.3 {
            return trouble;
        }
        dice -= trouble.3;
    }
    TROUBLES[0]
}

/// A fibre was cut the day before yesterday: those who were hit got their minutes back.
async fn outage(tx: &TenantTx, now: DateTime<Utc>, year: i32) -> Result<()> {
    let id = Uuid::now_v7();
    let began = cut_at(now);
    let minutes = CUT_MINUTES;
    let ended = began + Duration::minutes(minutes);
    let number = format!("OUT-{year}-0001");
    tx.execute(
        "INSERT INTO outage (id, number, status, nap_id, node_kind, node_label, cause, note, started_at, restored_at, opened_by,
            restored_by, created_at, updated_at)
         SELECT $1, $2, 'restored', id, 'nap', code || ' ' || name, 'fibre_cut', 'A truck took the span down with it.', $3, $4,
            'Grace Tan', 'Jun Villanueva', $3, $4 FROM nap WHERE code = $5",
        &[&id, &number, &began, &ended, &CUT],
    )
    .await?;
    tx.execute(
        "INSERT INTO outage_subscriber (outage_id, installation_id, customer_id, was_active, from_at, to_at, minutes, extension,
            extended_minutes)
         SELECT $1, i.id, i.customer_id, s.id IS NOT NULL, CASE WHEN s.id IS NOT NULL THEN $2::timestamptz END,
            CASE WHEN s.id IS NOT NULL THEN $3::timestamptz END, CASE WHEN s.id IS NOT NULL THEN $4::bigint ELSE 0 END,
            CASE WHEN s.id IS NOT NULL THEN 'extended' ELSE 'none' END, CASE WHEN s.id IS NOT NULL THEN $4 ELSE 0 END
         FROM nap n JOIN installation i ON i.nap_id = n.id
         LEFT JOIN subscription s ON s.installation_id = i.id AND s.starts_at <= $2 AND s.ends_at = i.paid_until
            AND s.ends_at > now() AND i.status = 'active'
         WHERE n.code = $5",
        &[&id, &began, &ended, &minutes, &CUT],
    )
    .await?;
    tx.execute(
        "UPDATE ticket t SET outage_id = $1 FROM nap n WHERE n.id = t.nap_id AND n.code = $2
            AND t.created_at >= $3 AND t.created_at <= $4 AND t.category = 'no_connection'",
        &[&id, &CUT, &began, &ended],
    )
    .await?;
    tx.execute(
        "UPDATE subscription s SET extended_minutes = o.extended_minutes,
            ends_at = s.ends_at + make_interval(mins => o.extended_minutes::int)
         FROM outage_subscriber o JOIN installation i ON i.id = o.installation_id
         WHERE o.outage_id = $1 AND o.extension = 'extended' AND s.installation_id = i.id AND s.ends_at = i.paid_until",
        &[&id],
    )
    .await?;
    tx.execute(
        "UPDATE installation i SET paid_until = i.paid_until + make_interval(mins => o.extended_minutes::int)
         FROM outage_subscriber o WHERE o.outage_id = $1 AND o.extension = 'extended' AND i.id = o.installation_id",
        &[&id],
    )
    .await?;
    tx.execute(
        "INSERT INTO number_series (series, last) VALUES ('OUT-' || $1::text, 1)",
        &[&year.to_string()],
    )
    .await?;
    Ok(())
}
