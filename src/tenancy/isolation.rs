//! Proves that tenants cannot reach each other: what the catalogue grants is held against what the design allows.
//!
//! Everything is read in one snapshot by a few statements over the whole catalogue, so that it is quick with many tenants and
//! quiet while others are being made. What is not expected is a finding; each names its object and how to mend it.

mod catalogue;
mod sample;
mod walk;

use serde::Serialize;

pub use walk::{Visitor, walk};

use super::{migrations::latest_tenant_version, rights::TABLE_RIGHTS};
use crate::{
    db::{ControlTx, Db},
    error::Result,
};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// A wall is open, or a tenant cannot be served as designed.
    Hole,
    /// Only a superuser can close it, and only injected SQL could use it.
    Advice,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub weight: Weight,
    /// The role, table, function or operation.
    pub object: String,
    /// What is wrong with it.
    pub detail: String,
    /// A statement or a sentence that puts it right.
    pub mend: String,
}

/// What was looked at and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Schemas of tenants and of the warm pool.
    pub schemas: usize,
    pub checks: usize,
    /// Requests that the walk over HTTP made.
    pub requests: usize,
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether there is nothing but advice.
    pub fn is_tight(&self) -> bool {
        self.findings.iter().all(|finding| finding.weight == Weight::Advice)
    }
}

/// Schemas of this deployment and what their roles should be, as parameters of every check.
struct Expected {
    prefix: String,
    schemas: Vec<String>,
    apps: Vec<String>,
    is_complete: Vec<bool>,
    tables: Vec<&'static str>,
    privileges: Vec<&'static str>,
}

/// Walks roles, memberships, settings, grants, owners, functions, types and default privileges of this database.
pub async fn verify(db: &Db) -> Result<Report> {
    db.read_public(async |tx| {
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", &[]).await?;
        let expected = load(tx, db).await?;
        let mut report =
            Report { schemas: expected.schemas.len(), checks: catalogue::CHECKS.len(), ..Report::default() };
        for check in catalogue::CHECKS {
            let rows = tx
                .query(
                    check.sql,
                    &[
                        &expected.prefix,
                        &expected.schemas,
                        &expected.apps,
                        &expected.is_complete,
                        &expected.tables,
                        &expected.privileges,
                    ],
                )
                .await?;
            report.findings.extend(rows.iter().map(|row| Finding {
                check: check.name,
                weight: check.weight,
                object: row.get("object"),
                detail: row.get("detail"),
                mend: row.get("mend"),
            }));
        }
        Ok(report)
    })
    .await
}

async fn load(tx: &ControlTx, db: &Db) -> Result<Expected> {
    let rows = tx
        .query(
            "SELECT r.schema_name, r.shard, coalesce(r.is_made AND s.state = 'current' AND s.version >= $1, false) AS is_complete
             FROM (SELECT schema_name, shard, true AS is_made FROM public.tenant WHERE status <> 'closed'
                   UNION ALL SELECT schema_name, shard, state = 'ready' FROM public.schema_pool) r
             LEFT JOIN public.tenant_schema_state s USING (schema_name)",
            &[&latest_tenant_version()],
        )
        .await?;
    let (tables, privileges) = TABLE_RIGHTS
        .iter()
        .flat_map(|(table, rights)| rights.split(", ").map(move |right| (*table, right)))
        .unzip();
    Ok(Expected {
        prefix: db.roles().prefix.clone(),
        schemas: rows.iter().map(|row| row.get("schema_name")).collect(),
        apps: rows.iter().map(|row| db.roles().app(row.get("shard"))).collect(),
        is_complete: rows.iter().map(|row| row.get("is_complete")).collect(),
        tables,
        privileges,
    })
}
