//! `lastmile doctor`: looks at everything that a server needs, and says what to do about each finding.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use serde::Serialize;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::{Global, output};
use crate::{
    app::Parts,
    config::{MailKind, Settings},
    db::Server,
    error::{Error, OrInternal, Result},
    mail::Post,
    secrets::{SecretBytes, SecretName},
    tenancy,
};

const PATIENCE: Duration = Duration::from_secs(5);
/// PostgreSQL 15, as `server_version_num` has it.
const OLDEST_POSTGRES: i32 = 150_000;
const SKEW_MAX_SECONDS: f64 = 5.0;
const LOG_SPACE_MIN_KIB: u64 = 512 * 1024;

/// Look at settings, database, rights, migrations, secret store, mail, names, clock and disk
///
/// Exit code 1 when something keeps a server from working; warnings alone are 0.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
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
    mend: Option<&'static str>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.0.push(Finding { check, state: State::Ok, detail: detail.into(), mend: None });
    }

    fn warning(&mut self, check: &'static str, detail: impl Into<String>, mend: &'static str) {
        self.0.push(Finding { check, state: State::Warning, detail: detail.into(), mend: Some(mend) });
    }

    fn problem(&mut self, check: &'static str, detail: impl Into<String>, mend: &'static str) {
        self.0.push(Finding { check, state: State::Problem, detail: detail.into(), mend: Some(mend) });
    }
}

pub async fn run(args: DoctorArgs, global: &Global) -> Result<()> {
    let mut findings = Findings::default();
    match global.settings_for_command().await {
        Ok(settings) => {
            findings.ok("settings", "readable");
            examine(&mut findings, settings).await;
        }
        Err(error) => {
            findings.problem("settings", error.to_string(), "Mend the file or variable that is named.")
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
            if let Some(mend) = finding.mend {
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

async fn examine(findings: &mut Findings, settings: Settings) {
    mail(findings, &settings).await;
    names(findings, &settings).await;
    log_folder(findings, &settings).await;
    match reach(&settings).await {
        Ok(client) => {
            if let Err(error) = database(findings, &client).await {
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
            connections(findings, &parts).await;
            deployment(findings, &parts).await;
        }
        Err(error) => {
            findings.problem("secret store", error.to_string(), "Check secrets.kind and what belongs to it.");
        }
    }
}

/// Connects with the operator's URL; a failure names the reason, never the password.
pub async fn reach(settings: &Settings) -> Result<Client> {
    let server = Server::of(settings)?;
    let connected = timeout(PATIENCE, server.connect(server.config())).await;
    let reason = match connected {
        Ok(Ok((client, connection))) => {
            tokio::spawn(async move { drop(connection.await) });
            return Ok(client);
        }
        Ok(Err(error)) => match error.as_db_error() {
            Some(told) => told.message().to_owned(),
            None => std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
        },
        Err(_slow) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    Err(Error::unavailable("database_unavailable", format!("The database cannot be reached: {reason}.")))
}

async fn database(findings: &mut Findings, client: &Client) -> Result<()> {
    let before = epoch();
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::int4 AS number, current_setting('server_version') AS version,
                    extract(epoch FROM clock_timestamp())::float8 AS now,
                    has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE')
                    OR has_language_privilege('public', 'plpgsql', 'USAGE')
                    OR has_function_privilege('public', 'pg_catalog.lo_creat(integer)', 'EXECUTE') AS is_loose",
            &[],
        )
        .await
        .internal()?;
    let after = epoch();
    let version: String = row.get("version");
    if row.get::<_, i32>("number") >= OLDEST_POSTGRES {
        findings.ok("database", format!("PostgreSQL {version}"));
    } else {
        findings.problem("database", format!("PostgreSQL {version}"), "Version 15 or later is needed.");
    }
    let skew = (row.get::<_, f64>("now") - f64::midpoint(before, after)).abs() - (after - before) / 2.0;
    if skew <= SKEW_MAX_SECONDS {
        findings.ok("clock", "agrees with the database's");
    } else {
        findings.problem(
            "clock",
            format!("{skew:.0} s apart from the database's"),
            "Let both machines keep time by NTP.",
        );
    }
    if row.get("is_loose") {
        findings.warning(
            "rights",
            "everybody may use set_config, plpgsql or large objects",
            "A superuser runs the three statements of infra/docker/postgres/10-lastmile.sh.",
        );
    } else {
        findings.ok("rights", "set_config, plpgsql and large objects are not everybody's");
    }
    Ok(())
}

/// Whether PostgreSQL lets in as many connections as the pools of one process may open.
async fn connections(findings: &mut Findings, parts: &Parts) {
    const CHECK: &str = "connections";
    let wanted = &parts.settings.database;
    let counted = parts
        .db
        .read_public(async |tx| {
            let row = tx
                .query_one(
                    "SELECT current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8 AS room,
                            (SELECT count(DISTINCT shard) FROM public.tenant WHERE status <> 'closed') AS shards",
                    &[],
                )
                .await?;
            Ok((row.get::<_, i64>("room"), row.get::<_, i64>("shards").max(1)))
        })
        .await;
    let Ok((room, shards)) = counted else {
        return findings.warning(
            CHECK,
            "not counted: the deployment is not set up yet",
            "Run `lastmile migrate`.",
        );
    };
    let pooled = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    let most = pooled(wanted.control_connections)
        .saturating_add(pooled(wanted.owner_connections))
        .saturating_add(pooled(wanted.shard_connections).saturating_mul(shards))
        // One listens for news.
        .saturating_add(1);
    let detail = format!("a process opens at most {most}, PostgreSQL lets {room} in");
    if most <= room {
        findings.ok(CHECK, detail);
    } else {
        findings.warning(CHECK, detail, "Raise max_connections, or lower database.shard_connections.");
    }
}

fn epoch() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
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

async fn deployment(findings: &mut Findings, parts: &Parts) {
    if !tenancy::is_set_up(&parts.db).await {
        findings.problem(
            "roles",
            "the deployment's roles are missing, or this secret store has not their passwords",
            "Run `lastmile migrate` with the secret store that the servers use.",
        );
        return;
    }
    findings.ok(
        "roles",
        format!("{}_owner, {}_control and shards log in", parts.db.roles().prefix, parts.db.roles().prefix),
    );
    match tenancy::standing(&parts.db).await {
        Ok(standing) if standing.behind + standing.failed == 0 => {
            findings.ok("migrations", format!("{} schemas are current", standing.current));
        }
        Ok(standing) => findings.problem(
            "migrations",
            format!("{} schemas are behind, {} failed", standing.behind, standing.failed),
            "Run `lastmile migrate`; those providers are answered with 503 until then.",
        ),
        Err(error) => findings.problem("migrations", error.to_string(), "Run `lastmile migrate`."),
    }
}

async fn mail(findings: &mut Findings, settings: &Settings) {
    let smtp = "mail.url must be smtps://user:password@host:465 or smtp://user:password@host:587.";
    let post = match Post::open(&settings.mail) {
        Ok(post) => post,
        Err(error) => return findings.problem("mail", error.to_string(), smtp),
    };
    if settings.mail.kind == MailKind::Folder && settings.environment == "production" {
        return findings.warning(
            "mail",
            "letters are written into a folder",
            "Set mail.kind to smtp, and mail.url.",
        );
    }
    let place = post.describe();
    match timeout(PATIENCE, post.check()).await {
        Ok(Ok(())) => findings.ok("mail", format!("letters go to {place}")),
        Ok(Err(error)) => findings.problem("mail", error.to_string(), smtp),
        Err(_late) => findings.problem("mail", format!("{place} does not answer"), smtp),
    }
}

async fn names(findings: &mut Findings, settings: &Settings) {
    let base = &settings.base_domain;
    let mut silent = Vec::new();
    for name in [base.clone(), format!("api.{base}"), format!("any-provider.{base}")] {
        let has_address = match timeout(PATIENCE, tokio::net::lookup_host((name.as_str(), 443))).await {
            Ok(Ok(mut addresses)) => addresses.next().is_some(),
            _ => false,
        };
        if !has_address {
            silent.push(name);
        }
    }
    if silent.is_empty() {
        findings.ok("names", format!("{base} and names below it resolve"));
    } else {
        findings.warning(
            "names",
            format!("no address for {}", silent.join(", ")),
            "Point base_domain and *.base_domain at the proxy.",
        );
    }
}

async fn log_folder(findings: &mut Findings, settings: &Settings) {
    let Some(dir) = &settings.log.dir else { return };
    let probe = dir.join(format!(".doctor-{}", std::process::id()));
    let written = tokio::fs::write(&probe, b"").await;
    if let Err(error) = written {
        let detail = format!("{} cannot be written to: {error}", dir.display());
        findings.problem("log folder", detail, "Make it, and let this user write into it.");
        return;
    }
    // It was just made; that it stays behind does no harm.
    drop(tokio::fs::remove_file(&probe).await);
    match free_kib(dir).await {
        Some(free) if free < LOG_SPACE_MIN_KIB => findings.warning(
            "log folder",
            format!("{} MiB are free in {}", free / 1024, dir.display()),
            "Make room, or keep fewer files (log.keep_files).",
        ),
        _ => findings.ok("log folder", format!("{} is writable", dir.display())),
    }
}

/// What df says; None where it says nothing that can be read.
async fn free_kib(dir: &Path) -> Option<u64> {
    let told = tokio::process::Command::new("df").arg("-Pk").arg(dir).output().await.ok()?;
    let text = String::from_utf8(told.stdout).ok()?;
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}
