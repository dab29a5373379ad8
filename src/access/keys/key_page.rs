//! The page of one key: what it may, from where, how often it was used, and what can be done with it.

use chrono::NaiveDate;
use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Path,
};
use serde::Serialize;

use super::{
    ManageApiKeys, ViewApiKeys,
    model::{ApiKey, DayOfUse, KeyChanges},
    pages::{end_of_day, key_id, networks_of, path_of, renamed},
};
use crate::{
    access::guard::{CheckedForm, Guarded, PageUser},
    error::{Error, Result},
    types::{ApiKeyId, amount},
    web::{
        Flash, Form, FormView, Moment, RouteTable,
        parts::{Choice, counted},
    },
    words::{locale, say},
};

/// What somebody can choose as overlap: hours, and how it is said.
const OVERLAPS: [(i32, &str); 6] = [
    (24, "for a day"),
    (1, "for an hour"),
    (8, "for 8 hours"),
    (72, "for 3 days"),
    (168, "for a week"),
    (0, "not at all"),
];

/// Mounts the pages of one key.
pub fn pages(table: &mut RouteTable) {
    table
        .page::<ViewApiKeys>(Method::GET, "/api-keys/:id", show)
        .page::<ManageApiKeys>(Method::POST, "/api-keys/:id", change)
        .page::<ManageApiKeys>(Method::POST, "/api-keys/:id/old-secret/end", end_old_secret);
}

#[derive(Serialize)]
struct KeyPage {
    key: KeyCard,
    can_change: bool,
    overlaps: Vec<Choice>,
    chart: UseChart,
    requests: String,
    refusals: String,
    form: FormView,
}

#[derive(Serialize)]
struct KeyCard {
    name: String,
    prefix: String,
    state: &'static str,
    scopes: Vec<String>,
    networks: Vec<String>,
    created: Moment,
    created_by: String,
    expires: Option<Moment>,
    last_used: Option<Moment>,
    last_used_from: Option<String>,
    old_prefix: Option<String>,
    old_until: Option<Moment>,
    rotate_action: String,
    end_old_action: String,
    revoke_action: String,
}

/// Bars of thirty days, as shapes that need no script; the same numbers stand below them as a table.
#[derive(Serialize)]
struct UseChart {
    summary: String,
    is_empty: bool,
    bars: Vec<Bar>,
    first: String,
    last: String,
    highest: String,
    rows: Vec<Row>,
}

/// In the chart's own units: 300 wide, 60 high.
#[derive(Serialize)]
struct Bar {
    x: i64,
    y: i64,
    height: i64,
    tone: &'static str,
    title: String,
}

#[derive(Serialize)]
struct Row {
    day: String,
    requests: String,
    refusals: String,
}

fn grouped(n: i64) -> String {
    amount::grouped_whole(n)
}

const BAR_STEP: i64 = 10;
const PLOT_HEIGHT: i64 = 60;

fn named(day: NaiveDate) -> String {
    day.format_localized("%-d %b", locale()).to_string()
}

/// How high a number's bar is. Whatever is not nothing is seen.
fn height_of(n: i64, highest: i64) -> i64 {
    if n == 0 { 0 } else { (n * PLOT_HEIGHT / highest.max(1)).max(2) }
}

fn chart(days: &[DayOfUse]) -> UseChart {
    let highest = days.iter().map(|one| one.requests).max().unwrap_or_default();
    let mut bars = Vec::new();
    for (at, one) in (0_i64..).zip(days) {
        let said = counted(one.requests, "request", "requests");
        let title = format!("{}: {said}, {} refused", named(one.day), grouped(one.refusals));
        for (n, tone) in [(one.requests, "tone-1"), (one.refusals, "tone-5")] {
            let height = height_of(n, highest);
            if height > 0 {
                bars.push(Bar {
                    x: at * BAR_STEP,
                    y: PLOT_HEIGHT - height,
                    height,
                    tone,
                    title: title.clone(),
                });
            }
        }
    }
    let total: i64 = days.iter().map(|one| one.requests).sum();
    let row = |one: &DayOfUse| Row {
        day: named(one.day),
        requests: grouped(one.requests),
        refusals: grouped(one.refusals),
    };
    UseChart {
        summary: say!(
            "{} in thirty days, at most {} on a day",
            counted(total, "request", "requests"),
            grouped(highest)
        ),
        is_empty: total == 0,
        bars,
        first: days.first().map(|one| named(one.day)).unwrap_or_default(),
        last: days.last().map(|one| named(one.day)).unwrap_or_default(),
        highest: grouped(highest),
        rows: days.iter().rev().filter(|one| one.requests > 0).map(row).collect(),
    }
}

fn form_of(key: &ApiKey, user: &PageUser) -> FormView {
    // The day through which it counts: its end is the beginning of the next, as a rule.
    let through = key.expires_at.map(|at| {
        let last = at - chrono::TimeDelta::seconds(1);
        last.with_timezone(&user.tenant().time_zone.0).format("%Y-%m-%d").to_string()
    });
    FormView::empty(path_of(key.id), &["name", "expires_on", "allowed_networks"])
        .with("name", &*key.name)
        .with("expires_on", through.unwrap_or_default())
        .with("allowed_networks", key.networks.texts().join("\n"))
}

async fn page(user: &PageUser, id: ApiKeyId, form: Option<FormView>) -> Result<Response> {
    let (key, days) = user.access.key_use(&user.by, id).await?;
    let zone = user.tenant().time_zone.0;
    let status = if form.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let form = form.unwrap_or_else(|| form_of(&key, user));
    let state = key.status_at(chrono::Utc::now());
    let (old_prefix, old_until) = key.old.map(|old| (old.prefix, Moment::at(old.until, zone))).unzip();
    let sum = |of: fn(&DayOfUse) -> i64| grouped(days.iter().map(of).sum::<i64>());
    let view = KeyPage {
        can_change: state == "active" && user.by.require::<ManageApiKeys>().is_ok(),
        overlaps: OVERLAPS.iter().map(|(hours, said)| Choice::new(hours, say(said))).collect(),
        chart: chart(&days),
        requests: sum(|one| one.requests),
        refusals: sum(|one| one.refusals),
        key: KeyCard {
            state,
            networks: key.networks.texts(),
            created: Moment::at(key.created_at, zone),
            created_by: key.created_by_name.unwrap_or_else(|| "a program".to_owned()),
            expires: key.expires_at.map(|at| Moment::at(at, zone)),
            last_used: key.last_used_at.map(|at| Moment::at(at, zone)),
            last_used_from: key.last_used_from,
            old_prefix,
            old_until,
            rotate_action: format!("{}/rotate", path_of(id)),
            end_old_action: format!("{}/old-secret/end", path_of(id)),
            revoke_action: format!("{}/revoke", path_of(id)),
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
        },
        form,
    };
    let title = view.key.name.clone();
    user.render_with(status, "access/api_key.html", &title, &view)
}

#[handler]
async fn show(user: PageUser, id: Path<String>) -> Result<Response> {
    page(&user, key_id(&id)?, None).await
}

/// What was typed. A day that was not touched leaves the end as it is, whatever its hour.
async fn changed(user: &PageUser, id: ApiKeyId, form: &Form) -> Result<ApiKey> {
    let was = user.access.get_key(&user.by, id).await?;
    let day = form.get("expires_on").trim();
    let shown = form_of(&was, user).values.get("expires_on").cloned().unwrap_or_default();
    let end = if day == shown { Ok(None) } else { end_of_day(day, user.tenant().time_zone.0).map(Some) };
    let changes = KeyChanges::parse(
        Some(form.get("name")),
        Some(&networks_of(form)),
        end.as_ref().ok().copied().flatten(),
    );
    let changes = match (changes, end) {
        (Err(Error::Invalid(mut wrongs)), Err(wrong)) => {
            wrongs.push(wrong.at("expires_on"));
            return Err(Error::Invalid(wrongs));
        }
        (Ok(_), Err(wrong)) => return Err(Error::Invalid(vec![wrong.at("expires_on")])),
        (changes, Ok(_)) => changes?,
        (Err(error), Err(_)) => return Err(error),
    };
    user.access.change_key(&user.by, id, &changes).await
}

#[handler]
async fn change(user: PageUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let id = key_id(&id)?;
    match changed(&user, id, &form).await {
        Ok(_) => Ok(user.then(&path_of(id), &Flash::success("Key saved."))),
        Err(error) => {
            let names = ["name", "expires_on", "allowed_networks"];
            let shown = FormView::empty(path_of(id), &names).typed(&form).failed(renamed(error))?;
            page(&user, id, Some(shown)).await
        }
    }
}

#[handler]
async fn end_old_secret(user: PageUser, id: Path<String>) -> Result<Response> {
    let id = key_id(&id)?;
    match user.access.end_old_secret(&user.by, id).await {
        Ok(()) => Ok(user.then(&path_of(id), &Flash::success("Only the new secret counts now."))),
        Err(Error::Conflict { detail, .. }) => Ok(user.then(&path_of(id), &Flash::error(detail))),
        Err(error) => Err(error),
    }
}
