//! What people show of themselves, as it is kept in `staff` and among the files.

use tokio_postgres::Row;

use super::profile::Profile;
use crate::{
    db::TenantTx,
    error::{Error, Result},
    types::{FileId, StaffId, TimeZone},
    words::Language,
};

/// What pictures of people are kept for.
pub(super) const PURPOSE: &str = "avatar";

fn profile_of(row: Option<Row>) -> Result<Profile> {
    let row = row.ok_or(Error::not_found("person"))?;
    Ok(Profile {
        name: row.get("name"),
        phone: row.get("phone"),
        avatar: row.get("avatar_file_id"),
        time_zone: zone_of(&row),
        language: language_of(&row),
    })
}

/// The zone of somebody's own; none where they have none, or one that is not known any more.
pub(super) fn zone_of(row: &Row) -> Option<TimeZone> {
    row.get::<_, Option<String>>("time_zone").and_then(|name| TimeZone::parse(&name).ok())
}

/// The language of somebody's own; none where they have none, or one that is not spoken any more.
pub(super) fn language_of(row: &Row) -> Option<Language> {
    row.get::<_, Option<String>>("language").and_then(|code| Language::of_code(&code))
}

pub(super) async fn get(tx: &TenantTx, staff: StaffId) -> Result<Profile> {
    let found = "SELECT name, phone, avatar_file_id, time_zone, language FROM staff WHERE id = $1";
    profile_of(tx.query_opt(found, &[&staff]).await?)
}

pub(super) async fn lock(tx: &TenantTx, staff: StaffId) -> Result<Profile> {
    let locked =
        "SELECT name, phone, avatar_file_id, time_zone, language FROM staff WHERE id = $1 FOR UPDATE";
    profile_of(tx.query_opt(locked, &[&staff]).await?)
}

pub(super) async fn update(tx: &TenantTx, staff: StaffId, profile: &Profile) -> Result<()> {
    let zone = profile.time_zone.map(|zone| zone.to_string());
    let language = profile.language.map(Language::code);
    tx.execute(
        "UPDATE staff SET name = $2, phone = $3, time_zone = $4, language = $5, updated_at = now() WHERE id = $1",
        &[&staff, &profile.name, &profile.phone, &zone, &language],
    )
    .await?;
    Ok(())
}

pub(super) async fn set_avatar(tx: &TenantTx, staff: StaffId, avatar: Option<FileId>) -> Result<()> {
    tx.execute("UPDATE staff SET avatar_file_id = $2, updated_at = now() WHERE id = $1", &[&staff, &avatar])
        .await?;
    Ok(())
}

pub(super) async fn find_avatar(tx: &TenantTx, staff: StaffId) -> Result<Option<FileId>> {
    let row = tx.query_opt("SELECT avatar_file_id FROM staff WHERE id = $1", &[&staff]).await?;
    Ok(row.and_then(|row| row.get("avatar_file_id")))
}
