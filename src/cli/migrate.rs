//! `lastmile migrate`.

use clap::Args;
use serde::Serialize;

use super::{Global, output, tenant_of};
use crate::{
    app::Parts,
    error::{Error, Result},
    tenancy::{self, Outcome},
};

/// Set the database up, and bring the control plane and every provider's schema up to date
///
/// May be interrupted and run again, and beside running servers. One provider's failure does not stop the others.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Only look: exit code 1 when anything is behind
    #[arg(long)]
    check: bool,
    /// Only this provider's schema
    #[arg(long, value_name = "SLUG", conflicts_with = "check")]
    tenant: Option<String>,
    /// How many schemas at a time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=32))]
    parallel: u16,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Migrated {
    migrated: usize,
    failed: Vec<Outcome>,
}

pub async fn run(args: MigrateArgs, global: &Global) -> Result<()> {
    if args.check {
        return check(args.json, global).await;
    }
    let parts = Parts::open(global.settings_for_command().await?).await?;
    super::doctor::reach(&parts.settings).await?;
    parts.prepare().await?;
    if let Some(slug) = &args.tenant {
        tenant_of(&parts, slug).await?;
    }
    let bar = output::bar("migrating");
    let outcomes = tenancy::migrate_tenants(
        &parts.db,
        args.tenant.as_deref(),
        usize::from(args.parallel),
        |done, total| {
            output::advance(&bar, done, total);
        },
    )
    .await?;
    bar.finish_and_clear();
    let all = outcomes.len();
    let failed: Vec<Outcome> = outcomes.into_iter().filter(|outcome| outcome.error.is_some()).collect();
    let done = Migrated { migrated: all - failed.len(), failed };
    if args.json {
        output::json(&done)?;
    } else {
        output::line(&format!("{} schemas migrated, {} failed", done.migrated, done.failed.len()))?;
        for outcome in &done.failed {
            let whose = outcome.slug.as_deref().unwrap_or("a schema made ahead");
            output::line(&format!(
                "{whose} ({}): {}",
                outcome.schema,
                outcome.error.as_deref().unwrap_or_default()
            ))?;
        }
    }
    if done.failed.is_empty() {
        Ok(())
    } else {
        Err(Error::conflict(
            "migration_failed",
            "Not every schema could be migrated; those providers get 503.",
        ))
    }
}

async fn check(json: bool, global: &Global) -> Result<()> {
    let parts = global.parts().await?;
    let standing = tenancy::standing(&parts.db).await?;
    if json {
        output::json(&standing)?;
    } else {
        let (current, behind, failed) = (standing.current, standing.behind, standing.failed);
        output::line(&format!("{current} current, {behind} behind, {failed} failed"))?;
    }
    if standing.behind + standing.failed == 0 {
        Ok(())
    } else {
        Err(Error::conflict("behind", "Some schemas are not up to date: run `lastmile migrate`."))
    }
}
