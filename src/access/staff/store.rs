//! All SQL of `staff` and `staff_role`, and of what ends when a person is switched off.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::model::{HeldRole, Member, StaffCounts, StaffFilter, StaffMark};
use crate::{
    access::store::has_second_factor,
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::{EmailAddress, Limit, RoleId, StaffId},
};

/// At most so many roles of one page of people are read: 200 people with 200 roles each.
const HELD_MAX: i64 = 40_000;

macro_rules! select_staff {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.name, s.email, s.phone, s.avatar_file_id, s.is_active, s.password_hash IS NOT NULL AS has_password, ",
            "s.password_hash IS NOT NULL OR s.accepted_at IS NOT NULL AS has_accepted, ",
            has_second_factor!(),
            " AS has_mfa, EXISTS (SELECT 1 FROM sso_identity i WHERE i.staff_id = s.id) AS has_sso, CASE WHEN s.password_hash IS NULL AND s.accepted_at IS NULL THEN (SELECT max(l.expires_at) FROM one_time_link l WHERE l.staff_id = s.id ",
            "AND l.purpose = 'set_password' AND l.used_at IS NULL AND l.expires_at > now()) END AS invited_until, ",
            "s.last_signed_in_at, s.created_at, s.updated_at FROM staff s ",
            $rest
        )
    };
}

fn member_of(row: &Row) -> Member {
    Member {
        id: row.get("id"),
        name: row.get("name"),
        email: row.get("email"),
        phone: row.get("phone"),
        avatar: row.get("avatar_file_id"),
        is_active: row.get("is_active"),
        has_password: row.get("has_password"),
        has_accepted: row.get("has_accepted"),
        has_mfa: row.get("has_mfa"),
        has_sso: row.get("has_sso"),
        invited_until: row.get("invited_until"),
        last_signed_in_at: row.get("last_signed_in_at"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
        roles: Vec::new(),
    }
}

/// Gives people the roles that they have.
async fn with_roles(tx: &TenantTx, mut members: Vec<Member>) -> Result<Vec<Member>> {
    let ids: Vec<StaffId> = members.iter().map(|member| member.id).collect();
    let rows = tx
        .query(
            "SELECT sr.staff_id, r.id, r.name, r.permissions, r.is_owner, r.is_active, r.requires_mfa
             FROM staff_role sr JOIN role r ON r.id = sr.role_id
             WHERE sr.staff_id = ANY($1) ORDER BY r.is_owner DESC, lower(r.name) LIMIT $2",
            &[&ids, &HELD_MAX],
        )
        .await?;
    let mut held: HashMap<StaffId, Vec<HeldRole>> = HashMap::new();
    for row in &rows {
        held.entry(row.get("staff_id")).or_default().push(held_role_of(row));
    }
    for member in &mut members {
        member.roles = held.remove(&member.id).unwrap_or_default();
    }
    Ok(members)
}

fn held_role_of(row: &Row) -> HeldRole {
    HeldRole {
        id: row.get("id"),
        name: row.get("name"),
        permissions: row.get("permissions"),
        is_owner: row.get("is_owner"),
        is_active: row.get("is_active"),
        requires_mfa: row.get("requires_mfa"),
    }
}

/// One page of people, by name.
pub async fn list_members(
    tx: &TenantTx,
    filter: &StaffFilter,
    after: Option<&StaffMark>,
    limit: Limit,
) -> Result<Vec<Member>> {
    let (name, id) = (after.map(|mark| mark.name.as_str()), after.map(|mark| mark.id));
    let rows = tx
        .query(
            select_staff!(
                "WHERE ($1::text IS NULL OR s.name ILIKE $1 OR s.email ILIKE $1)
                    AND ($2::boolean IS NULL OR s.is_active = $2)
                    AND ($3::text IS NULL OR (lower(s.name), s.id) > (lower($3), $4::uuid))
                    AND ($6::boolean IS NULL OR (s.is_active AND s.password_hash IS NULL AND s.accepted_at IS NULL) = $6)
                 ORDER BY lower(s.name), s.id LIMIT $5"
            ),
            &[&filter.pattern(), &filter.is_active, &name, &id, &limit.and_one(), &filter.is_invited],
        )
        .await?;
    with_roles(tx, rows.iter().map(member_of).collect()).await
}

/// One page of people, and where the next one begins.
pub async fn list_page(
    tx: &TenantTx,
    filter: &StaffFilter,
    after: Option<&StaffMark>,
    limit: Limit,
) -> Result<(Vec<Member>, Option<StaffMark>)> {
    let mut members = list_members(tx, filter, after, limit).await?;
    let more = limit.cut(&mut members);
    let next = members.last().filter(|_| more);
    let next = next.map(|last| StaffMark { name: last.name.clone(), id: last.id });
    Ok((members, next))
}

/// How many people a filter finds.
pub async fn count_members(tx: &TenantTx, filter: &StaffFilter) -> Result<i64> {
    let row = tx
        .query_one(
            "SELECT count(*) AS n FROM staff s WHERE ($1::text IS NULL OR s.name ILIKE $1 OR s.email ILIKE $1)
                AND ($2::boolean IS NULL OR s.is_active = $2)
                AND ($3::boolean IS NULL OR (s.is_active AND s.password_hash IS NULL AND s.accepted_at IS NULL) = $3)",
            &[&filter.pattern(), &filter.is_active, &filter.is_invited],
        )
        .await?;
    Ok(row.get("n"))
}

/// How many people a search finds in each state, whichever state the filter names.
pub async fn count_by_state(tx: &TenantTx, filter: &StaffFilter) -> Result<StaffCounts> {
    let row = tx
        .query_one(
            "SELECT count(*) FILTER (WHERE s.is_active) AS active, count(*) FILTER (WHERE NOT s.is_active) AS disabled,
                count(*) FILTER (WHERE s.is_active AND s.password_hash IS NULL AND s.accepted_at IS NULL) AS invited
             FROM staff s WHERE ($1::text IS NULL OR s.name ILIKE $1 OR s.email ILIKE $1)",
            &[&filter.pattern()],
        )
        .await?;
    Ok(StaffCounts { active: row.get("active"), invited: row.get("invited"), disabled: row.get("disabled") })
}

async fn one(tx: &TenantTx, row: Option<Row>) -> Result<Option<Member>> {
    let found = row.as_ref().map(member_of).into_iter().collect();
    Ok(with_roles(tx, found).await?.pop())
}

pub async fn get_member(tx: &TenantTx, id: StaffId) -> Result<Member> {
    let row = tx.query_opt(select_staff!("WHERE s.id = $1"), &[&id]).await?;
    one(tx, row).await?.ok_or(Error::not_found("member of staff"))
}

pub(super) async fn lock_member(tx: &TenantTx, id: StaffId) -> Result<Member> {
    let row = tx.query_opt(select_staff!("WHERE s.id = $1 FOR UPDATE OF s"), &[&id]).await?;
    one(tx, row).await?.ok_or(Error::not_found("member of staff"))
}

pub async fn find_by_email(tx: &TenantTx, email: &EmailAddress) -> Result<Option<Member>> {
    let row = tx.query_opt(select_staff!("WHERE lower(s.email) = $1"), &[email]).await?;
    one(tx, row).await
}

/// Roles by id, locked so that none of them is deleted or filled with more rights meanwhile. Ids of no role are missing.
pub(super) async fn lock_roles(tx: &TenantTx, ids: &[RoleId]) -> Result<Vec<HeldRole>> {
    let rows = tx
        .query(
            "SELECT id, name, permissions, is_owner, is_active, requires_mfa FROM role
             WHERE id = ANY($1) ORDER BY id LIMIT 200 FOR SHARE",
            &[&ids],
        )
        .await?;
    Ok(rows.iter().map(held_role_of).collect())
}

fn email_taken() -> Error {
    Error::conflict("email_taken", "Someone here has this e-mail already.")
}

pub(super) async fn insert_staff(tx: &TenantTx, id: StaffId, name: &str, email: &EmailAddress) -> Result<()> {
    tx.execute("INSERT INTO staff (id, name, email) VALUES ($1, $2, $3)", &[&id, &name, email])
        .await
        .on_constraint("staff_email_key", email_taken)?;
    Ok(())
}

pub(super) async fn update_staff(tx: &TenantTx, member: &Member) -> Result<()> {
    tx.execute(
        "UPDATE staff SET name = $2, email = $3, is_active = $4, updated_at = now() WHERE id = $1",
        &[&member.id, &member.name, &member.email, &member.is_active],
    )
    .await
    .on_constraint("staff_email_key", email_taken)?;
    Ok(())
}

pub(super) async fn give_roles(tx: &TenantTx, staff: StaffId, roles: &[RoleId]) -> Result<()> {
    tx.execute(
        "INSERT INTO staff_role (staff_id, role_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING",
        &[&staff, &roles],
    )
    .await?;
    Ok(())
}

pub(super) async fn take_roles(tx: &TenantTx, staff: StaffId, roles: &[RoleId]) -> Result<()> {
    tx.execute("DELETE FROM staff_role WHERE staff_id = $1 AND role_id = ANY($2)", &[&staff, &roles]).await?;
    Ok(())
}

pub(super) async fn count_other_active_owners(tx: &TenantTx, than: StaffId) -> Result<i64> {
    let row = tx
        .query_one(
            "SELECT count(*) AS n FROM staff s JOIN staff_role sr ON sr.staff_id = s.id JOIN role r ON r.id = sr.role_id
             WHERE r.is_owner AND s.is_active AND s.id <> $1",
            &[&than],
        )
        .await?;
    Ok(row.get("n"))
}

/// How many are not switched off, invited ones too.
pub async fn count_active(tx: &TenantTx) -> Result<i64> {
    Ok(tx.query_one("SELECT count(*) AS n FROM staff WHERE is_active", &[]).await?.get("n"))
}

/// Somebody who works here, as work is given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colleague {
    pub id: StaffId,
    pub name: String,
    pub is_active: bool,
}

fn colleague_of(row: &Row) -> Colleague {
    Colleague { id: row.get(0), name: row.get(1), is_active: row.get(2) }
}

/// Those who work here now, by name, at most a thousand.
pub async fn colleagues(tx: &TenantTx) -> Result<Vec<Colleague>> {
    let rows = tx
        .query(
            "SELECT id, name, is_active FROM staff WHERE is_active ORDER BY lower(name), id LIMIT 1000",
            &[],
        )
        .await?;
    Ok(rows.iter().map(colleague_of).collect())
}

/// One of the staff of this tenant, also somebody who was switched off.
pub async fn find_colleague(tx: &TenantTx, id: StaffId) -> Result<Option<Colleague>> {
    let row = tx.query_opt("SELECT id, name, is_active FROM staff WHERE id = $1", &[&id]).await?;
    Ok(row.as_ref().map(colleague_of))
}
