//! All SQL of machine clients.

use tokio_postgres::Row;
use uuid::Uuid;

use super::settings::{MachineIssuer, MappedRole};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::RoleId,
};

macro_rules! select_issuer {
    ($rest:literal) => {
        concat!(
            "SELECT id, is_on, issuer, jwks_url, audience, algorithms, tenant_claim, role_claim, updated_at FROM machine_issuer ",
            $rest
        )
    };
}

fn issuer_of(row: &Row, roles: Vec<MappedRole>) -> MachineIssuer {
    MachineIssuer {
        id: row.get("id"),
        is_on: row.get("is_on"),
        issuer: row.get("issuer"),
        jwks_url: row.get("jwks_url"),
        audience: row.get("audience"),
        algorithms: row.get("algorithms"),
        tenant_claim: row.get("tenant_claim"),
        role_claim: row.get("role_claim"),
        roles,
        updated_at: row.get("updated_at"),
    }
}

pub async fn find(tx: &TenantTx) -> Result<Option<MachineIssuer>> {
    let row = tx.query_opt(select_issuer!("WHERE is_only"), &[]).await?;
    Ok(match row {
        Some(row) => Some(issuer_of(&row, list_roles(tx).await?)),
        None => None,
    })
}

pub async fn lock(tx: &TenantTx) -> Result<Option<MachineIssuer>> {
    let row = tx.query_opt(select_issuer!("WHERE is_only FOR UPDATE"), &[]).await?;
    Ok(match row {
        Some(row) => Some(issuer_of(&row, list_roles(tx).await?)),
        None => None,
    })
}

async fn list_roles(tx: &TenantTx) -> Result<Vec<MappedRole>> {
    let rows = tx
        .query(
            "SELECT m.value, m.role_id, r.name FROM machine_role m JOIN role r ON r.id = m.role_id
             ORDER BY m.value, lower(r.name) LIMIT 200",
            &[],
        )
        .await?;
    let mapped = |row: &Row| MappedRole {
        value: row.get("value"),
        role: row.get("role_id"),
        role_name: row.get("name"),
    };
    Ok(rows.iter().map(mapped).collect())
}

pub async fn put(tx: &TenantTx, issuer: &MachineIssuer) -> Result<()> {
    tx.execute(
        "INSERT INTO machine_issuer (id, is_on, issuer, jwks_url, audience, algorithms, tenant_claim, role_claim)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET is_on = $2, issuer = $3, jwks_url = $4, audience = $5, algorithms = $6,
            tenant_claim = $7, role_claim = $8, updated_at = now()",
        &[
            &issuer.id,
            &issuer.is_on,
            &issuer.issuer,
            &issuer.jwks_url,
            &issuer.audience,
            &issuer.algorithms,
            &issuer.tenant_claim,
            &issuer.role_claim,
        ],
    )
    .await
    .on_constraint("machine_issuer_only_key", || {
        Error::conflict("changed_meanwhile", "Somebody else decided this a moment ago. Look again.")
    })?;
    tx.execute("DELETE FROM machine_role", &[]).await?;
    let values: Vec<&str> = issuer.roles.iter().map(|mapped| mapped.value.as_str()).collect();
    let roles: Vec<RoleId> = issuer.roles.iter().map(|mapped| mapped.role).collect();
    tx.execute(
        "INSERT INTO machine_role (value, role_id) SELECT u.value, u.role_id
         FROM unnest($1::text[], $2::uuid[]) AS u (value, role_id) ON CONFLICT DO NOTHING",
        &[&values, &roles],
    )
    .await?;
    Ok(())
}

/// A role that a machine client may be given, held until the unit ends.
pub struct Givable {
    pub name: String,
    pub is_owner: bool,
    pub is_active: bool,
    pub requires_mfa: bool,
}

pub async fn hold_role(tx: &TenantTx, role: RoleId) -> Result<Option<Givable>> {
    let row = tx
        .query_opt(
            "SELECT name, is_owner, is_active, requires_mfa FROM role WHERE id = $1 FOR SHARE",
            &[&role],
        )
        .await?;
    Ok(row.map(|row| Givable {
        name: row.get("name"),
        is_owner: row.get("is_owner"),
        is_active: row.get("is_active"),
        requires_mfa: row.get("requires_mfa"),
    }))
}

/// What the roles hold that these values stand for now: never the owner's, none that is switched off, and none that asks for a second
/// step, which no program has.
pub async fn list_permissions(tx: &TenantTx, issuer: Uuid, values: &[String]) -> Result<Vec<String>> {
    let rows = tx
        .query(
            "SELECT DISTINCT unnest(r.permissions) AS code FROM machine_role m
             JOIN machine_issuer i ON i.id = $1 AND i.is_on
             JOIN role r ON r.id = m.role_id AND r.is_active AND NOT r.is_owner AND NOT r.requires_mfa
             WHERE m.value = ANY($2) LIMIT 1000",
            &[&issuer, &values],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get("code")).collect())
}
