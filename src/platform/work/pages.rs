//! The console's page of work across tenants, and trying a migration again.

use poem::{Response, handler, http::Method, web::Path};
use serde::Serialize;

use super::store;
use crate::{
    error::{Error, Result},
    platform::console::{ConsoleUser, Guarding, Look, Rule},
    tenancy::{self, Deed, note},
    types::TenantId,
    web::{
        Flash, Moment, RouteTable,
        parts::{grouped, id_of},
    },
    words::say,
};

const PATH: &str = "/console/work";

pub fn pages(table: &mut RouteTable) {
    table.console::<Look>(Method::GET, PATH, show).console::<Rule>(
        Method::POST,
        "/console/work/migrations/:id/retry",
        retry,
    );
}

#[derive(Serialize)]
struct KindRow {
    kind: String,
    waiting: String,
    running: String,
    failing: String,
    oldest: Option<Moment>,
}

#[derive(Serialize)]
struct TroubledRow {
    href: String,
    name: String,
    failing: String,
    dead_letters: String,
}

#[derive(Serialize)]
struct BehindRow {
    href: String,
    name: String,
    slug: String,
    version: i32,
    error: String,
    at: Option<Moment>,
    retry_action: String,
}

#[derive(Serialize)]
struct WorkPage {
    latest: i32,
    current: String,
    behind_count: String,
    failed: String,
    waves: Vec<(i32, String)>,
    kinds: Vec<KindRow>,
    troubled: Vec<TroubledRow>,
    behind: Vec<BehindRow>,
}

#[handler]
async fn show(user: ConsoleUser) -> Result<Response> {
    let (db, latest) = (&user.console.db, tenancy::latest_tenant_version());
    let standing = tenancy::standing(db).await?;
    let (kinds, troubled, waves, behind) = db
        .read_public(async |tx| {
            Ok((
                store::list_kinds(tx).await?,
                store::list_troubled(tx).await?,
                store::list_waves(tx).await?,
                store::list_behind(tx, latest).await?,
            ))
        })
        .await?;
    let moment = |at| Moment::at(at, chrono_tz::UTC);
    let href = |id: TenantId| format!("/console/tenants/{id}");
    let view = WorkPage {
        latest,
        current: grouped(standing.current),
        behind_count: grouped(standing.behind),
        failed: grouped(standing.failed),
        waves: waves.into_iter().map(|wave| (wave.version, grouped(wave.tenants))).collect(),
        kinds: kinds
            .into_iter()
            .map(|one| KindRow {
                kind: one.kind.replace('_', " "),
                waiting: grouped(one.waiting),
                running: grouped(one.running),
                failing: grouped(one.failing),
                oldest: one.oldest_due_at.map(moment),
            })
            .collect(),
        troubled: troubled
            .into_iter()
            .map(|one| TroubledRow {
                href: href(one.id),
                name: one.name,
                failing: grouped(one.failing),
                dead_letters: grouped(one.dead_letters),
            })
            .collect(),
        behind: behind
            .into_iter()
            .map(|one| BehindRow {
                href: href(one.id),
                retry_action: format!("{PATH}/migrations/{}/retry", one.id),
                name: one.name,
                slug: one.slug,
                version: one.version,
                error: one.error.unwrap_or_default(),
                at: one.updated_at.map(moment),
            })
            .collect(),
    };
    user.render("console/work.html", say("Work"), &view)
}

/// Brings one tenant's schema up to date, as `lastmile migrate --tenant` does.
#[handler]
async fn retry(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let id: TenantId = id_of(&id, "provider")?;
    let console = &user.console;
    let tenant = console.registry.find_by_id(id).await?.ok_or(Error::not_found("provider"))?;
    let outcomes = tenancy::migrate_tenants(&console.db, Some(tenant.slug.as_str()), 1, |_, _| {}).await?;
    let failure = outcomes.into_iter().find_map(|outcome| outcome.error);
    let action = if failure.is_some() { "tenant.migration_failed" } else { "tenant.migrated" };
    let who = user.operator();
    console.db.in_public(async |tx| note(tx, &who, Deed::to(&tenant, action, "")).await).await?;
    let said = match failure {
        None => Flash::success(say!("{} is up to date.", tenant.name)),
        Some(_) => Flash::error(say!("The migration of {} failed again; the page says why.", tenant.name)),
    };
    Ok(user.then(PATH, &said))
}
