//! `lastmile doctor`: looks at everything that a server needs, and says what to do about each finding.

mod around;
mod certificates;
mod database;
mod providers;

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use serde::Serialize;

pub use self::database::reach;
use super::{Global, output};
use crate::{
    app::Parts,
    config::Settings,
    error::{Error, Result},
    secrets::{SecretBytes, SecretName},
    tenancy,
};

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Look at settings, database, rights, migrations, secret store, mail, providers, names, certificates, clock and disk
///
/// Exit code 1 when something keeps a server from working; warnings alone are 0.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// Ask this address for certificates, in the place of where the names lead
    #[arg(long, value_name = "ADDRESS:PORT")]
    proxy: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warning,
    Problem,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.0.push(Finding { check, state: State::Ok, detail: detail.into(), mend: None });
    }

    fn warning(&mut self, check: &'static str, detail: impl Into<String>, mend: impl Into<String>) {
        let mend = Some(mend.into());
        self.0.push(Finding { check, state: State::Warning, detail: detail.into(), mend });
    }

    fn problem(&mut self, check: &'static str, detail: impl Into<String>, mend: impl Into<String>) {
        let mend = Some(mend.into());
        self.0.push(Finding { check, state: State::Problem, detail: detail.into(), mend });
    }

    /// The first few of many alike, each with its own mending, and how many more there are.
    fn problems(&mut self, check: &'static str, all: &[(String, String)], more: &str) {
        const TOLD: usize = 5;
        for (detail, mend) in all.iter().take(TOLD) {
            self.problem(check, detail, mend);
        }
        if all.len() > TOLD {
            self.problem(check, format!("and {} more", all.len() - TOLD), more);
        }
    }
}

pub async fn run(args: DoctorArgs, global: &Global) -> Result<()> {
    let mut findings = Findings::default();
    match global.settings_for_command().await {
        Ok(settings) => {
            findings.ok("settings", "readable");
            Box::pin(examine(&mut findings, settings, args.proxy)).await;
        }
        Err(error) => {
            findings.problem("settings", error.to_string(), "Mend the file or variable that is named.");
        }
    }
    let problems = findings.0.iter().filter(|finding| finding.state == State::Problem).count();
    if args.json {
        output::json(&findings.0)?;
    } else {
        for finding in &findings.0 {
            let state = match finding.state {
                State::Ok => "ok",
                State::Warning => "WARNING",
                State::Problem => "PROBLEM",
            };
            output::line(&format!("{state:8} {:14} {}", finding.check, finding.detail))?;
            if let Some(mend) = &finding.mend {
                output::line(&format!("{:24}{mend}", ""))?;
            }
        }
    }
    if problems == 0 {
        Ok(())
    } else {
        Err(Error::conflict("unwell", format!("{problems} of {} checks found a problem.", findings.0.len())))
    }
}

async fn examine(findings: &mut Findings, settings: Settings, proxy: Option<SocketAddr>) {
    around::mail(findings, &settings).await;
    around::names(findings, &settings).await;
    around::log_folder(findings, &settings).await;
    around::acme(findings, &settings).await;
    around::disk(findings, &settings).await;
    match reach(&settings).await {
        Ok(client) => {
            if let Err(error) = database::look(findings, &client).await {
                findings.problem("database", error.to_string(), "See the server's log.");
            }
        }
        Err(error) => {
            findings.problem(
                "database",
                error.to_string(),
                "Check database.url, and that PostgreSQL lets this machine in.",
            );
            return;
        }
    }
    match Parts::open(settings).await {
        Ok(parts) => {
            secret_store(findings, &parts).await;
            database::connections(findings, &parts).await;
            if deployment(findings, &parts).await {
                database::extension(findings, &parts).await;
                database::walls(findings, &parts).await;
                providers::look(findings, &parts).await;
                certificates::look(findings, &parts, proxy).await;
            }
        }
        Err(error) => {
            findings.problem("secret store", error.to_string(), "Check secrets.kind and what belongs to it.");
        }
    }
}

async fn secret_store(findings: &mut Findings, parts: &Parts) {
    let probe = async {
        let name = SecretName::parse(&format!("doctor/probe-{}", std::process::id()))?;
        let value = SecretBytes::new(b"probe".to_vec());
        parts.store.put(&name, &value).await?;
        let read = parts.store.get(&name).await?;
        parts.store.delete(&name).await?;
        if read == Some(value) { Ok(()) } else { Err(Error::internal("what was written was not read back")) }
    };
    match probe.await {
        Ok(()) => findings.ok("secret store", format!("readable and writable: {}", parts.store.describe())),
        Err(error) => findings.problem(
            "secret store",
            format!("{}: {error}", parts.store.describe()),
            "Its credential must be allowed to create, read, change and delete below the prefix.",
        ),
    }
}

/// Whether the deployment is set up, and its schemas are current.
async fn deployment(findings: &mut Findings, parts: &Parts) -> bool {
    if !tenancy::is_set_up(&parts.db).await {
        findings.problem(
            "roles",
            "the deployment's roles are missing, or this secret store has not their passwords",
            "Run `lastmile migrate` with the secret store that the servers use.",
        );
        return false;
    }
    findings.ok(
        "roles",
        format!("{}_owner, {}_control and shards log in", parts.db.roles().prefix, parts.db.roles().prefix),
    );
    let standing = match tenancy::standing(&parts.db).await {
        Ok(standing) => standing,
        Err(error) => {
            findings.problem("migrations", error.to_string(), "Run `lastmile migrate`.");
            return false;
        }
    };
    if standing.behind + standing.failed == 0 {
        findings.ok("migrations", format!("{} schemas are current", standing.current));
    } else {
        findings.problem(
            "migrations",
            format!("{} schemas are behind, {} failed", standing.behind, standing.failed),
            "Run `lastmile migrate`; those providers are answered with 503 until then.",
        );
    }
    true
}
