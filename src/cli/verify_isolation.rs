//! `lastmile verify-isolation`.

use std::path::Path;

use clap::Args;
use secrecy::SecretString;

use crate::{
    app::Parts,
    config::Settings,
    error::{Error, OrInternal, Result},
    tenancy::{self, Report, Visitor},
};

/// Prove that providers cannot reach each other.
///
/// Looks at every role, membership, grant, owner, function and search path of the database. With --url it also sends every
/// operation of the API with one provider's credential to another's ids, host and header; where a wall is open that writes,
/// so take two providers of your own.
#[derive(Debug, Args)]
pub struct VerifyIsolationArgs {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// A running server to walk the API of
    #[arg(long, requires_all = ["visitor", "visited"])]
    url: Option<String>,
    /// Whose credential is tried, and the file that holds it: an API key with every scope, or an owner's token
    #[arg(long, value_name = "SLUG=FILE", requires = "url")]
    visitor: Option<String>,
    /// Whose rows are tried for, and its credential
    #[arg(long, value_name = "SLUG=FILE", requires = "url")]
    visited: Option<String>,
}

pub async fn run(args: VerifyIsolationArgs, settings: Result<Settings>) -> Result<()> {
    let parts = Parts::open(settings?).await?;
    let mut report = tenancy::verify(&parts.db).await?;
    if let (Some(url), Some(visitor), Some(visited)) = (&args.url, &args.visitor, &args.visited) {
        let base = &parts.settings.base_domain;
        let (a, b) = (visitor_of(visitor, base)?, visitor_of(visited, base)?);
        let walked = tenancy::walk(url, &format!("api.{base}"), &a, &b).await?;
        report.requests = walked.requests;
        report.checks += walked.checks;
        report.findings.extend(walked.findings);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report).internal()?);
    } else {
        tell(&report);
    }
    if report.is_tight() {
        Ok(())
    } else {
        Err(Error::conflict("not_isolated", "Providers are not kept apart as they should be."))
    }
}

fn visitor_of(given: &str, base_domain: &str) -> Result<Visitor> {
    let wrong = || Error::invalid("visitor", "not_a_visitor", "Give it as SLUG=FILE.");
    let (slug, file) = given.split_once('=').ok_or_else(wrong)?;
    let credential = std::fs::read_to_string(Path::new(file))
        .map_err(|error| Error::invalid("visitor", "unreadable_file", format!("{file}: {error}")))?;
    Ok(Visitor {
        slug: slug.to_owned(),
        host: format!("{slug}.{base_domain}"),
        credential: SecretString::from(credential.trim().to_owned()),
    })
}

fn tell(report: &Report) {
    for finding in &report.findings {
        println!("{}: {} {}", finding.check, finding.object, finding.detail);
        println!("    {}", finding.mend);
    }
    println!(
        "{} schemas, {} checks, {} requests, {} findings",
        report.schemas,
        report.checks,
        report.requests,
        report.findings.len()
    );
}
