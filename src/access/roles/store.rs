//! All SQL of `role`.

use tokio_postgres::Row;

use super::model::{NewRole, Role};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::{Cursor, Limit, RoleId, StaffId},
};

/// More roles than this nobody can tell apart.
pub(super) const ROLES_MAX: i64 = 200;

macro_rules! select_role {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.name, r.description, r.permissions, r.is_active, r.is_default, r.is_owner, r.requires_mfa, ",
            "(SELECT count(*) FROM staff_role sr WHERE sr.role_id = r.id) AS staff_count, r.created_at, r.updated_at ",
            "FROM role r ",
            $rest
        )
    };
}

fn role_of(row: &Row) -> Role {
    Role {
        id: row.get("id"),
        name: row.get("name"),
        description: row.get("description"),
        permissions: row.get("permissions"),
        is_active: row.get("is_active"),
        is_default: row.get("is_default"),
        is_owner: row.get("is_owner"),
        requires_mfa: row.get("requires_mfa"),
        staff_count: row.get("staff_count"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    }
}

/// Where a list of roles goes on: after this name.
pub(super) type After = Cursor<String>;

pub(super) async fn list_roles(tx: &TenantTx, after: Option<&After>, limit: Limit) -> Result<Vec<Role>> {
    let after = after.map(|cursor| cursor.0.as_str());
    let rows = tx
        .query(
            select_role!(
                "WHERE ($1::text IS NULL OR lower(r.name) > lower($1)) ORDER BY lower(r.name) LIMIT $2"
            ),
            &[&after, &limit.and_one()],
        )
        .await?;
    Ok(rows.iter().map(role_of).collect())
}

/// Every role, the owner's first and then the default ones, as pages show them.
pub async fn list_all(tx: &TenantTx) -> Result<Vec<Role>> {
    let rows = tx
        .query(
            select_role!("ORDER BY r.is_owner DESC, r.is_default DESC, r.created_at, r.id LIMIT $1"),
            &[&ROLES_MAX],
        )
        .await?;
    Ok(rows.iter().map(role_of).collect())
}

pub(super) async fn count_roles(tx: &TenantTx) -> Result<i64> {
    Ok(tx.query_one("SELECT count(*) AS n FROM role", &[]).await?.get("n"))
}

pub async fn get_role(tx: &TenantTx, id: RoleId) -> Result<Role> {
    let row = tx.query_opt(select_role!("WHERE r.id = $1"), &[&id]).await?;
    row.as_ref().map(role_of).ok_or(Error::not_found("role"))
}

pub(super) async fn lock_role(tx: &TenantTx, id: RoleId) -> Result<Role> {
    let row = tx.query_opt(select_role!("WHERE r.id = $1 FOR UPDATE OF r"), &[&id]).await?;
    row.as_ref().map(role_of).ok_or(Error::not_found("role"))
}

/// Two changes that could each take the last owner away wait for each other here.
pub async fn lock_owner_role(tx: &TenantTx) -> Result<()> {
    tx.execute("SELECT 1 FROM role WHERE is_owner FOR UPDATE", &[]).await?;
    Ok(())
}

fn name_taken() -> Error {
    Error::conflict("name_taken", "There is a role of this name already.")
}

pub(super) async fn insert_role(tx: &TenantTx, id: RoleId, new: &NewRole) -> Result<()> {
    tx.execute(
        "INSERT INTO role (id, name, description, permissions, requires_mfa) VALUES ($1, $2, $3, $4, $5)",
        &[&id, &new.name, &new.description, &new.permissions, &new.requires_mfa],
    )
    .await
    .on_constraint("role_name_key", name_taken)?;
    Ok(())
}

pub(super) async fn update_role(tx: &TenantTx, role: &Role) -> Result<()> {
    tx.execute(
        "UPDATE role SET name = $2, description = $3, permissions = $4, is_active = $5, requires_mfa = $6, updated_at = now()
         WHERE id = $1",
        &[&role.id, &role.name, &role.description, &role.permissions, &role.is_active, &role.requires_mfa],
    )
    .await
    .on_constraint("role_name_key", name_taken)?;
    Ok(())
}

pub(super) async fn delete_role(tx: &TenantTx, id: RoleId) -> Result<()> {
    tx.execute("DELETE FROM role WHERE id = $1", &[&id])
        .await
        .on_constraint("staff_role_role_id_fkey", in_use)?;
    Ok(())
}

/// Whether this person has the role.
pub(super) async fn has_role(tx: &TenantTx, staff: StaffId, role: RoleId) -> Result<bool> {
    let row = tx
        .query_opt("SELECT 1 FROM staff_role WHERE staff_id = $1 AND role_id = $2", &[&staff, &role])
        .await?;
    Ok(row.is_some())
}

pub(super) fn in_use() -> Error {
    Error::conflict("role_in_use", "Staff have this role. Take it from them first, or switch it off.")
}

/// A name for a copy that no role has yet.
pub(super) async fn free_copy_name(tx: &TenantTx, name: &str, max_chars: usize) -> Result<String> {
    let stem: String = format!("Copy of {name}").chars().take(max_chars - 4).collect();
    let row = tx
        .query_opt(
            "SELECT candidate FROM (
                SELECT n, CASE WHEN n = 1 THEN $1 ELSE $1 || ' ' || n END AS candidate FROM generate_series(1, 250) AS n
             ) AS c WHERE NOT EXISTS (SELECT 1 FROM role r WHERE lower(r.name) = lower(c.candidate))
             ORDER BY n LIMIT 1",
            &[&stem.trim()],
        )
        .await?;
    row.map(|row| row.get("candidate")).ok_or_else(name_taken)
}
