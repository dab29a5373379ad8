//! The dashboard's pages.

use chrono::{Timelike, Utc};
use poem::{Response, handler, http::Method, web::Data};
use serde::Serialize;

use super::checklist::{Checklist, dismiss_checklist, find_checklist};
use crate::{
    access::{Guarded, PageUser, SignedIn},
    audit,
    db::{Db, TenantTx},
    error::Result,
    isp::{areas, customers, outages, reports},
    portal::audit_trail::words as audit_words,
    portal::settings::ManageSettings,
    types::Limit,
    web::{Flash, Moment, RouteTable},
    words::{locale, say},
};

const RECENT: Limit = Limit::of(8);
const AREAS: i64 = 6;

/// Mounts the dashboard.
pub fn pages(table: &mut RouteTable) {
    table
        .page::<SignedIn>(Method::GET, "/", dashboard)
        .page::<SignedIn>(Method::GET, "/dashboard/counts", show_counts)
        .page::<SignedIn>(Method::GET, "/dashboard/live/counts", show_live)
        .page::<ManageSettings>(Method::POST, "/dashboard/checklist/dismiss", put_away);
}

#[derive(Serialize)]
struct DashboardPage {
    greeting: String,
    today: String,
    area_word: String,
    counts: Vec<Count>,
    checklist: Option<Checklist>,
    recent: Vec<Recent>,
    areas: Vec<AreaBar>,
    outages: Vec<outages::Banner>,
}

#[derive(Serialize)]
struct CountsFragment {
    counts: Vec<Count>,
}

#[derive(Serialize)]
struct LiveFragment {
    cards: Vec<Count>,
}

#[derive(Serialize)]
struct Count {
    label: &'static str,
    value: String,
    note: String,
    href: &'static str,
}

#[derive(Serialize)]
struct Recent {
    /// `Customer Ana Cruz`.
    text: String,
    /// What was done to it: `Added`.
    done: String,
    href: String,
    actor: String,
    time: Moment,
}

#[derive(Serialize)]
struct AreaBar {
    name: String,
    count: String,
    percent: i64,
    href: String,
}

#[handler]
async fn dashboard(user: PageUser, db: Data<&Db>) -> Result<Response> {
    let sees_customers = user.by.rights.holds("customers.view");
    let sees_audit = user.by.rights.holds("audit.view");
    let sees_outages = user.by.rights.holds("outages.view");
    let zone = user.tenant().time_zone.0;
    let (counts, checklist, recent, areas, outages) = db
        .read_tenant(user.tenant(), async |tx| {
            let counts = if sees_customers { counts_of(tx).await? } else { Vec::new() };
            let areas = if sees_customers { areas::busiest(tx, AREAS).await? } else { Vec::new() };
            let recent = if sees_audit {
                audit::list(tx, &audit::Filter::default(), zone, None, RECENT).await?
            } else {
                Vec::new()
            };
            let outages = if sees_outages { outages::banner(tx, zone).await? } else { Vec::new() };
            Ok((counts, find_checklist(tx).await?, recent, areas, outages))
        })
        .await?;
    let most = areas.first().map_or(1, |area| area.customers.max(1));
    let now = Utc::now().with_timezone(&zone);
    let first_name = user.shell.user.name.split_whitespace().next().unwrap_or_default().to_owned();
    let view = DashboardPage {
        greeting: format!("{}, {first_name}", greeting(now.hour())),
        today: format!("{} · {zone}", now.format_localized("%A, %-d %B %Y", locale())),
        area_word: user.shell.brand.area_word.clone(),
        outages,
        counts,
        checklist: checklist.filter(|_| user.by.rights.is_owner || user.by.rights.holds("settings.manage")),
        recent: recent.into_iter().map(|entry| recent_of(entry, &user.shell.brand.area_word, zone)).collect(),
        areas: areas
            .into_iter()
            .map(|area| AreaBar {
                name: area.name,
                count: thousands(area.customers),
                percent: area.customers * 100 / most,
                href: format!("/customers?area={}", area.id),
            })
            .collect(),
    };
    user.render("portal/dashboard.html", say("Dashboard"), &view)
}

#[handler]
async fn show_counts(user: PageUser, db: Data<&Db>) -> Result<Response> {
    let counts = if user.by.rights.holds("customers.view") {
        db.read_tenant(user.tenant(), async |tx| counts_of(tx).await).await?
    } else {
        Vec::new()
    };
    user.access.pages().page("portal/_counts.html", &CountsFragment { counts })
}

/// What is asked of several rooms comes after the page, so that the page is there at once.
#[handler]
async fn show_live(user: PageUser, db: Data<&Db>) -> Result<Response> {
    let cards = db.read_tenant(user.tenant(), async |tx| reports::cards(tx, &user.by).await).await?;
    let cards = cards.into_iter().map(|card| Count {
        label: card.label,
        value: card.value,
        note: card.note,
        href: card.href,
    });
    user.access.pages().page("portal/_live.html", &LiveFragment { cards: cards.collect() })
}

#[handler]
async fn put_away(user: PageUser, db: Data<&Db>) -> Result<Response> {
    db.in_tenant(user.tenant(), async |tx| dismiss_checklist(tx, &user.by).await).await?;
    Ok(user.then("/", &Flash::success("The checklist is put away.")))
}

async fn counts_of(tx: &TenantTx) -> Result<Vec<Count>> {
    let counts = customers::count(tx, &customers::Filter::default()).await?;
    let total = counts.total();
    let share = |n: i64| if total == 0 { String::new() } else { say!("{} % of all", n * 100 / total) };
    let unlocated = total - counts.located;
    let count = |label, n, note, href| Count { label, value: thousands(n), note, href };
    Ok(vec![
        count(say("Customers"), total, String::new(), "/customers"),
        count(say("Active"), counts.active, share(counts.active), "/customers?status=active"),
        count(say("Suspended"), counts.suspended, share(counts.suspended), "/customers?status=suspended"),
        count(say("Not on the map"), unlocated, share(unlocated), "/customers?located=no"),
    ])
}

fn recent_of(entry: audit::Entry, area_word: &str, zone: chrono_tz::Tz) -> Recent {
    let kind = audit_words::object_type(&entry.object_type, area_word);
    let text = format!("{kind} {}", entry.object_label).trim_end().to_owned();
    let (done, _) = audit_words::action(&entry.action);
    let href = match (entry.object_type.as_str(), entry.object_id) {
        ("customer", Some(id)) => format!("/customers/{id}"),
        ("customer_import", Some(id)) => format!("/customers/imports/{id}"),
        ("staff", Some(id)) => format!("/staff/{id}"),
        ("role", Some(id)) => format!("/roles/{id}"),
        _ => "/audit".to_owned(),
    };
    Recent { text, done, href, actor: entry.actor_label, time: Moment::at(entry.occurred_at, zone) }
}

fn greeting(hour: u32) -> &'static str {
    match hour {
        5..12 => say("Good morning"),
        12..18 => say("Good afternoon"),
        _ => say("Good evening"),
    }
}

/// `12,304`
fn thousands(n: i64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
