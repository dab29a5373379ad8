//! `lastmile demo`.

use clap::Args;
use serde_json::json;

use super::{ACTOR, Global, dev::seed, output, tenant_of};
use crate::{app::App, error::Result};

/// Fill a provider that has nothing yet with a demo: customers, plant, plans, a year of business, tickets, an outage
///
/// All of it or nothing: a provider that has customers, areas, a plant, plans or routers of its own is refused.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The provider
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// How many customers it gets
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    customers: u32,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: DemoArgs, global: &Global) -> Result<()> {
    let parts = global.parts().await?;
    let tenant = tenant_of(&parts, &args.tenant).await?;
    let app = App::build(parts).await?;
    let bar = output::bar("filling");
    let told = |step| output::advance(&bar, step, seed::STEPS);
    told(0);
    let filled = seed::fill(&app, &tenant, args.customers as usize, ACTOR, &told).await;
    bar.finish_and_clear();
    let filled = filled?;
    if args.json {
        return output::json(&json!({
            "tenant": tenant.slug.as_str(), "areas": filled.areas, "customers": filled.customers, "periods": filled.periods,
        }));
    }
    output::line(&format!(
        "{} has {} customers in {} areas and {} periods that were sold to them",
        tenant.slug.as_str(),
        filled.customers,
        filled.areas,
        filled.periods
    ))
}
