//! What an archive says of itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    secrets::TravelParams,
};

pub const FORMAT: u32 = 1;

/// The first lines of every manifest, whatever the rest looks like.
#[derive(Debug, Deserialize)]
pub struct Heading {
    pub format: u32,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Tenant,
    ControlPlane,
}

/// One table of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub table: String,
    pub columns: Vec<String>,
    pub rows: u64,
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

impl Part {
    /// The name of its entry in the archive.
    pub fn entry(&self) -> String {
        format!("tables/{}.copy", self.table)
    }
}

/// The manifest of one tenant's archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantManifest {
    pub format: u32,
    pub kind: Kind,
    /// The program that wrote it.
    pub lastmile: String,
    pub exported_at: DateTime<Utc>,
    pub tenant: TenantPart,
    pub schema_version: i32,
    pub parts: Vec<Part>,
    /// How many values are sealed with the tenant's data keys.
    pub sealed_values: u64,
    pub keys: Vec<KeyPart>,
    /// Set when a passphrase opens the keys.
    pub passphrase: Option<TravelParams>,
    pub domains: Vec<DomainPart>,
    pub usage: Vec<UsagePart>,
    /// The plan that it has, if it has one; found again by its code, where there is one.
    #[serde(default)]
    pub plan: Option<PlanPart>,
    pub audit_anchors: Vec<AnchorPart>,
}

/// A tenant's plan, and what was agreed with it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanPart {
    pub code: String,
    /// Limits of its own, by metric; null: none.
    pub limits: BTreeMap<String, Option<i64>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantPart {
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    pub status: String,
    pub time_zone: String,
    pub currency: String,
    pub country: String,
    pub created_at: DateTime<Utc>,
    /// The tenant that it is a copy of, with made-up people.
    #[serde(default)]
    pub sandbox_of: Option<Uuid>,
}

/// A data key: wrapped by the deployment's master key, and by the passphrase's where there is one. In base64.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPart {
    pub version: i32,
    pub master_version: i32,
    pub wrapped: String,
    pub travelling: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainPart {
    pub domain: String,
    pub status: String,
    pub proof_token: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsagePart {
    pub used_on: chrono::NaiveDate,
    pub metric: String,
    pub amount: i64,
}

/// In base64: the proof, kept outside the tenant's schema, of how far its audit trail went.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorPart {
    pub sealed_to: i64,
    pub mac: String,
    pub anchored_at: DateTime<Utc>,
}

/// The manifest of the control plane's archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlManifest {
    pub format: u32,
    pub kind: Kind,
    pub lastmile: String,
    pub exported_at: DateTime<Utc>,
    pub schema_version: i32,
    pub parts: Vec<Part>,
    /// Closed tenants, whose names are not given out again.
    pub tombstones: Vec<TombstonePart>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TombstonePart {
    pub tenant: TenantPart,
    pub schema_name: String,
    pub shard: i16,
    pub closes_at: DateTime<Utc>,
}

/// Reads a manifest of the expected kind.
pub fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], expected: Kind) -> Result<T> {
    let heading: Heading = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
    if heading.format != FORMAT {
        return Err(Error::conflict(
            "archive_format",
            format!("The archive is of format {}, this program reads {FORMAT}.", heading.format),
        ));
    }
    if heading.kind != expected {
        return Err(Error::conflict(
            "archive_kind",
            format!("This is an archive of another kind: {:?}.", heading.kind),
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::conflict("archive_damaged", format!("The archive's manifest cannot be read: {error}."))
}
