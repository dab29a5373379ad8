//! The database: that it answers, its version and clock, rights, walls between providers, room for connections.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::timeout;
use tokio_postgres::Client;

use super::{Findings, PATIENCE};
use crate::{
    app::Parts,
    config::Settings,
    db::Server,
    error::{Error, OrInternal, Result},
    tenancy::{self, Weight},
};

/// PostgreSQL 15, as `server_version_num` has it.
const OLDEST_POSTGRES: i32 = 150_000;
const SKEW_MAX_SECONDS: f64 = 5.0;

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

/// What there is to know without the deployment's own roles.
pub(super) async fn look(findings: &mut Findings, client: &Client) -> Result<()> {
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
pub(super) async fn connections(findings: &mut Findings, parts: &Parts) {
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

/// Search by parts of words needs it, where every provider's role reaches it.
pub(super) async fn extension(findings: &mut Findings, parts: &Parts) {
    const CHECK: &str = "extension";
    let found = parts
        .db
        .read_public(async |tx| {
            tx.query_opt(
                "SELECT n.nspname::text AS place FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                 WHERE e.extname = 'pg_trgm'",
                &[],
            )
            .await
        })
        .await;
    match found.map(|row| row.map(|row| row.get::<_, String>("place"))) {
        Ok(Some(place)) if place == "ext" => findings.ok(CHECK, "pg_trgm is where everybody reaches it"),
        Ok(Some(place)) => findings.problem(
            CHECK,
            format!("pg_trgm lies in schema {place}, where providers do not reach it"),
            "ALTER EXTENSION pg_trgm SET SCHEMA ext",
        ),
        Ok(None) => findings.problem(
            CHECK,
            "pg_trgm is missing: searches fail",
            "Install PostgreSQL's contrib package, then CREATE EXTENSION pg_trgm SCHEMA ext",
        ),
        Err(error) => findings.problem(CHECK, error.to_string(), "See the server's log."),
    }
}

/// Roles, memberships, grants, owners, functions and search paths, as `lastmile verify-isolation` sees them.
pub(super) async fn walls(findings: &mut Findings, parts: &Parts) {
    const CHECK: &str = "walls";
    const ALL: &str = "Run `lastmile verify-isolation`.";
    let report = match tenancy::verify(&parts.db).await {
        Ok(report) => report,
        Err(error) => return findings.problem(CHECK, error.to_string(), ALL),
    };
    let holes: Vec<(String, String)> = report
        .findings
        .into_iter()
        .filter(|found| found.weight == Weight::Hole)
        .map(|found| (format!("{}: {}", found.object, found.detail), found.mend))
        .collect();
    if holes.is_empty() {
        let detail = format!(
            "{} checks of roles, rights and search paths over {} schemas",
            report.checks, report.schemas
        );
        findings.ok(CHECK, detail);
    }
    findings.problems(CHECK, &holes, ALL);
}
