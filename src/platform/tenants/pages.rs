//! The console's pages of tenants.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::{Path, Query},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    plan::{PlanCard, empty_limits, plan_card},
    rules,
    store::{self, Filter, Listed, OpenGrant},
};
use crate::{
    access::CheckedForm,
    audit::{PlatformFilter, list_platform},
    error::{Error, Result},
    platform::{
        console::{ConsoleUser, EventRow, Guarding, HOME, Look, Rule, Support},
        plans::limits_in,
    },
    tenancy::{self, Tenant},
    types::{Cursor, Limit, TenantId},
    web::{
        Flash, FormView, Moment, RouteTable,
        parts::{Pager, Tab, TimeMark, address, counted, grouped, id_of, time_mark},
        see_other,
    },
    words::say,
};

const PATH: &str = "/console/tenants";
const PAGE: Limit = Limit::of(50);
const HISTORY: i64 = 30;
const STATES: [(&str, &str); 6] = [
    ("open", "All"),
    ("active", "Active"),
    ("suspended", "Suspended"),
    ("closing", "Closing"),
    ("closed", "Closed"),
    ("attention", "Needs attention"),
];

pub fn pages(table: &mut RouteTable) {
    table
        .console::<Look>(Method::GET, HOME, home)
        .console::<Look>(Method::GET, PATH, list)
        .console::<Look>(Method::GET, "/console/tenants/:id", show)
        .console::<Support>(Method::POST, "/console/tenants/:id/suspend", suspend)
        .console::<Support>(Method::POST, "/console/tenants/:id/resume", resume)
        .console::<Rule>(Method::POST, "/console/tenants/:id/close", close)
        .console::<Rule>(Method::POST, "/console/tenants/:id/plan", give_plan)
        .console::<Rule>(Method::POST, "/console/tenants/:id/limits", set_limits)
        .console::<Support>(Method::POST, "/console/tenants/:id/support/:grant/enter", enter);
}

#[handler]
async fn home(_user: ConsoleUser) -> Response {
    see_other(PATH)
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Serialize)]
struct Health {
    tone: &'static str,
    text: String,
}

/// What there is to say of a tenant's health, the worst first.
fn health_of(tenant: &Listed, latest: i32) -> Health {
    let said = |tone, text: String| Health { tone, text };
    match tenant {
        one if one.status == "closed" => said("", say("Closed").into()),
        one if one.is_failed => said("error", say("Migration failed").into()),
        one if one.version.is_none_or(|version| version < latest) => {
            said("warning", say("Schema behind").into())
        }
        one if one.failing_jobs > 0 => {
            said("warning", counted(one.failing_jobs, "failing job", "failing jobs"))
        }
        one if one.lost_domains > 0 => {
            said("warning", counted(one.lost_domains, "lost domain", "lost domains"))
        }
        _ => said("success", say("Well").into()),
    }
}

/// Bytes as people say them.
fn size_of(bytes: i64) -> String {
    let (mut size, mut rest, mut unit) = (bytes.max(0), 0, 0);
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    while size >= 1_024 && unit + 1 < UNITS.len() {
        rest = (size % 1_024) * 10 / 1_024;
        size /= 1_024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit > 0 && size < 10 { format!("{size}.{rest} {name}") } else { format!("{size} {name}") }
}

#[derive(Serialize)]
struct Row {
    href: String,
    name: String,
    slug: String,
    plan: Option<String>,
    is_sandbox: bool,
    status: String,
    tone: &'static str,
    health: Health,
    version: String,
    size: String,
    customers: String,
    staff: String,
    dead_letters: i64,
    active: Option<Moment>,
    measured: Option<Moment>,
    created: Moment,
}

fn row_of(tenant: Listed, latest: i32) -> Row {
    let health = health_of(&tenant, latest);
    let figure = |of: fn(&store::Figures) -> String| tenant.figures.as_ref().map(of).unwrap_or_default();
    let moment = |at| Moment::at(at, chrono_tz::UTC);
    Row {
        href: format!("{PATH}/{}", tenant.id),
        tone: match tenant.status.as_str() {
            "active" => "success",
            "suspended" => "warning",
            "closing" => "error",
            _ => "",
        },
        version: tenant.version.map(|version| version.to_string()).unwrap_or_default(),
        size: figure(|figures| size_of(figures.bytes)),
        customers: figure(|figures| grouped(figures.customers)),
        staff: figure(|figures| grouped(figures.staff)),
        dead_letters: tenant.figures.as_ref().map_or(0, |figures| figures.dead_letters),
        active: tenant.figures.as_ref().and_then(|figures| figures.active_at).map(moment),
        measured: tenant.figures.as_ref().map(|figures| moment(figures.measured_at)),
        created: Moment::day(tenant.created_at, chrono_tz::UTC),
        health,
        name: tenant.name,
        slug: tenant.slug,
        plan: tenant.plan,
        is_sandbox: tenant.is_sandbox,
        status: tenant.status,
    }
}

#[derive(Serialize)]
struct ListPage {
    tabs: Vec<Tab>,
    q: String,
    state: &'static str,
    rows: Vec<Row>,
    pager: Pager,
    latest: i32,
}

#[handler]
async fn list(user: ConsoleUser, asked: Query<Asked>) -> Result<Response> {
    let latest = tenancy::latest_tenant_version();
    let state = STATES.iter().find(|(value, _)| *value == asked.state).map_or("open", |(value, _)| value);
    let q: String = asked.q.trim().chars().take(100).collect();
    let before = match asked.cursor.as_str() {
        "" => None,
        text => Some(time_mark(text)?),
    };
    let filter = Filter { text: q.to_lowercase(), state: state.into(), latest_version: latest, before };
    let mut found =
        user.console.db.read_public(async |tx| store::list(tx, &filter, PAGE.and_one()).await).await?;
    let more = PAGE.cut(&mut found);
    let next = match found.last().filter(|_| more) {
        Some(last) => Some(Cursor::<TimeMark>((last.created_at, last.id.0)).encode()?),
        None => None,
    };
    let at = |state: &str, cursor: &str| {
        let all = [("q", q.as_str()), ("state", state), ("cursor", cursor)];
        address(PATH, all.into_iter().filter(|(_, value)| !value.is_empty()))
    };
    let tabs = STATES.iter().map(|(value, label)| Tab {
        label,
        count: None,
        href: at(value, ""),
        active: *value == state,
    });
    let view = ListPage {
        tabs: tabs.collect(),
        state,
        pager: Pager {
            prev_href: before.map(|_| at(state, "")),
            next_href: next.as_deref().map(|cursor| at(state, cursor)),
            shown: grouped(i64::try_from(found.len()).unwrap_or_default()),
            total: None,
        },
        rows: found.into_iter().map(|one| row_of(one, latest)).collect(),
        latest,
        q: q.clone(),
    };
    user.render("console/tenants.html", say("Providers"), &view)
}

#[derive(Serialize)]
struct DomainRow {
    domain: String,
    status: String,
}

#[derive(Serialize)]
struct JobRow {
    kind: String,
    jobs: String,
    failing: i64,
    oldest: Moment,
}

#[derive(Serialize)]
struct GrantRow {
    is_full: bool,
    reason: String,
    opened_by: String,
    until: Moment,
    enter_action: String,
}

#[derive(Serialize)]
struct ShowPage {
    tenant: Row,
    base: String,
    id: String,
    url: String,
    region: String,
    status_reason: String,
    closes: Option<Moment>,
    schema_error: String,
    latest: i32,
    grace_days: u32,
    domains: Vec<DomainRow>,
    jobs: Vec<JobRow>,
    support_allowed: bool,
    grant: Option<GrantRow>,
    events: Vec<EventRow>,
    plan: PlanCard,
}

#[handler]
async fn show(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let id: TenantId = id_of(&id, "provider")?;
    let tenant = rules::get(&user.console, id).await?;
    let view = shown(&user, &tenant, None).await?;
    user.render("console/tenant.html", &tenant.name, &view)
}

async fn shown(user: &ConsoleUser, tenant: &Tenant, limits_form: Option<FormView>) -> Result<ShowPage> {
    let (console, id, latest) = (&user.console, tenant.id(), tenancy::latest_tenant_version());
    let account = tenancy::account_of(&console.db, tenant).await?;
    let filter = PlatformFilter { tenant: Some(id), ..PlatformFilter::default() };
    let (listed, jobs, (support_allowed, grant), events) = console
        .db
        .read_public(async |tx| {
            Ok((
                store::find(tx, id, latest).await?.ok_or(Error::not_found("provider"))?,
                store::list_jobs(tx, id).await?,
                store::find_support(tx, id).await?,
                list_platform(tx, &filter, HISTORY).await?,
            ))
        })
        .await?;
    let base = format!("{PATH}/{id}");
    let moment = |at| Moment::at(at, chrono_tz::UTC);
    let host = format!("{}.{}", tenant.slug, console.settings.base_domain);
    let grant_row = |grant: OpenGrant| GrantRow {
        is_full: grant.access == "full",
        reason: grant.reason,
        opened_by: grant.opened_by,
        until: moment(grant.expires_at),
        enter_action: format!("{base}/support/{}/enter", grant.id),
    };
    Ok(ShowPage {
        id: id.to_string(),
        url: console.settings.url_of(&host),
        region: format!("{}, {}, {}", tenant.country, tenant.currency, tenant.time_zone),
        status_reason: account.status_reason.unwrap_or_default(),
        closes: account.closes_at.map(moment),
        schema_error: account.schema_error.unwrap_or_default(),
        latest,
        grace_days: console.settings.tenants.closing_grace_days,
        domains: account
            .domains
            .into_iter()
            .map(|one| DomainRow { domain: one.domain, status: one.status })
            .collect(),
        jobs: jobs
            .into_iter()
            .map(|one| JobRow {
                kind: one.kind.replace('_', " "),
                jobs: grouped(one.jobs),
                failing: one.failing,
                oldest: moment(one.oldest_due_at),
            })
            .collect(),
        support_allowed,
        grant: grant.map(grant_row),
        events: events.into_iter().map(EventRow::from).collect(),
        plan: plan_card(user, tenant, limits_form.unwrap_or_else(|| empty_limits(&base))).await?,
        tenant: row_of(listed, latest),
        base,
    })
}

#[handler]
async fn suspend(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let id: TenantId = id_of(&id, "provider")?;
    let done = rules::suspend(&user.console, &user.operator(), id, form.get("reason")).await;
    let done = done.map(|tenant| Flash::success(say!("{} is suspended.", tenant.name)));
    user.or_said(&format!("{PATH}/{id}"), done)
}

#[handler]
async fn resume(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let id: TenantId = id_of(&id, "provider")?;
    let done = rules::resume(&user.console, &user.operator(), id).await;
    let done = done.map(|tenant| Flash::success(say!("{} is served again.", tenant.name)));
    user.or_said(&format!("{PATH}/{id}"), done)
}

#[handler]
async fn close(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let id: TenantId = id_of(&id, "provider")?;
    let typed = (form.get("reason"), form.get("slug"));
    let done = rules::close(&user.console, &user.operator(), id, typed).await;
    let done = done.map(|tenant| Flash::success(say!("{} is closing.", tenant.name)));
    user.or_said(&format!("{PATH}/{id}"), done)
}

#[handler]
async fn give_plan(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let id: TenantId = id_of(&id, "provider")?;
    let plan: Uuid = id_of(form.get("plan"), "plan")?;
    let done = rules::give_plan(&user.console, &user.operator(), id, plan).await;
    let done = done.map(|plan| Flash::success(say!("Its plan is {} now.", plan.name)));
    user.or_said(&format!("{PATH}/{id}"), done)
}

#[handler]
async fn set_limits(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let id: TenantId = id_of(&id, "provider")?;
    match rules::set_limits(&user.console, &user.operator(), id, &limits_in(&form)).await {
        Ok(()) => Ok(user.then(&format!("{PATH}/{id}"), &Flash::success("The limits are agreed."))),
        Err(error @ Error::Invalid(_)) => {
            let tenant = rules::get(&user.console, id).await?;
            let limits = empty_limits(&format!("{PATH}/{id}")).typed(&form).failed(error)?;
            let view = shown(&user, &tenant, Some(limits)).await?;
            user.render_with(StatusCode::UNPROCESSABLE_ENTITY, "console/tenant.html", &tenant.name, &view)
        }
        Err(error) => Err(error),
    }
}

/// Leads into the portal, under the grant that its owner opened.
#[handler]
async fn enter(user: ConsoleUser, Path((id, grant)): Path<(String, String)>) -> Result<Response> {
    let id: TenantId = id_of(&id, "provider")?;
    let grant: Uuid = id_of(&grant, "grant")?;
    let staff = user.session.person.id;
    match rules::enter(&user.console, &user.operator(), staff, id, grant).await {
        Ok(url) => Ok(see_other(url)),
        Err(error) => user.or_said(&format!("{PATH}/{id}"), Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_as_people_say_them() {
        assert_eq!(
            [0, 1_023, 1_024, 1_536, 20_480].map(size_of),
            ["0 B", "1023 B", "1.0 kB", "1.5 kB", "20 kB"]
        );
        assert_eq!(size_of(5 * 1_073_741_824), "5.0 GB");
    }
}
