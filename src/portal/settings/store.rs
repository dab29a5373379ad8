//! SQL of `company`.

use crate::{db::TenantTx, error::Result, types::FileId};

use super::model::{Profile, Region};

macro_rules! profile_columns {
    () => {
        "SELECT legal_name, street_address, phone, email, website, tax_number, area_word, accent, logo_file_id, cors_origins, \
         version, updated_at FROM company"
    };
}

fn profile_of(row: &tokio_postgres::Row) -> Profile {
    Profile {
        legal_name: row.get("legal_name"),
        street_address: row.get("street_address"),
        phone: row.get("phone"),
        email: row.get("email"),
        website: row.get("website"),
        tax_number: row.get("tax_number"),
        area_word: row.get("area_word"),
        accent: row.get("accent"),
        logo: row.get("logo_file_id"),
        cors_origins: row.get("cors_origins"),
        version: row.get("version"),
        updated_at: row.get("updated_at"),
    }
}

pub async fn get_profile(tx: &TenantTx) -> Result<Profile> {
    Ok(profile_of(&tx.query_one(profile_columns!(), &[]).await?))
}

pub async fn lock_profile(tx: &TenantTx) -> Result<Profile> {
    Ok(profile_of(&tx.query_one(concat!(profile_columns!(), " FOR UPDATE"), &[]).await?))
}

pub async fn update_profile(tx: &TenantTx, profile: &Profile) -> Result<()> {
    tx.execute(
        "UPDATE company SET legal_name = $1, street_address = $2, phone = $3, email = $4, website = $5, tax_number = $6,
            area_word = $7, cors_origins = $8, version = version + 1, updated_at = now()",
        &[
            &profile.legal_name,
            &profile.street_address,
            &profile.phone,
            &profile.email,
            &profile.website,
            &profile.tax_number,
            &profile.area_word,
            &profile.cors_origins,
        ],
    )
    .await?;
    Ok(())
}

pub async fn update_accent(tx: &TenantTx, accent: &str) -> Result<()> {
    tx.execute("UPDATE company SET accent = $1, version = version + 1, updated_at = now()", &[&accent])
        .await?;
    Ok(())
}

pub async fn update_logo(tx: &TenantTx, logo: Option<FileId>) -> Result<()> {
    tx.execute("UPDATE company SET logo_file_id = $1, version = version + 1, updated_at = now()", &[&logo])
        .await?;
    Ok(())
}

/// What the registry says of the entered tenant, changed where `now` differs from `before`.
pub async fn update_region(tx: &TenantTx, before: &Region, now: &Region) -> Result<()> {
    fn new<'a>(before: &str, now: &'a str) -> Option<&'a str> {
        (before != now).then_some(now)
    }
    tx.execute(
        "SELECT gate.set_company($1, $2, $3, $4)",
        &[
            &new(&before.name, &now.name),
            &new(&before.time_zone, &now.time_zone),
            &new(&before.currency, &now.currency),
            &new(&before.country, &now.country),
        ],
    )
    .await?;
    Ok(())
}

/// The logo as it is served. Its bytes are left out when the caller has those of `known` already.
pub struct ServedLogo {
    pub version: i32,
    pub sha256: Vec<u8>,
    pub content: Option<Vec<u8>>,
}

pub async fn find_logo(tx: &TenantTx, known: Option<&[u8]>) -> Result<Option<ServedLogo>> {
    let row = tx
        .query_opt(
            "SELECT c.version, f.sha256, CASE WHEN f.sha256 = $1 THEN NULL ELSE f.content END AS content
             FROM company c JOIN file f ON f.id = c.logo_file_id",
            &[&known],
        )
        .await?;
    Ok(row.map(|row| ServedLogo {
        version: row.get("version"),
        sha256: row.get("sha256"),
        content: row.get("content"),
    }))
}
