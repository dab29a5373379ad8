//! How a tenant shows itself, and which other sites may call its API.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    gate::Access,
    shell::{Brand, initials},
    store,
    support::{self, Grant},
};
use crate::{
    db::TenantTx,
    error::Result,
    tenancy::{Epoch, Tenant},
    words::say,
};

/// What is remembered of the tenant's `company` row.
pub(super) struct Company {
    pub epoch: Option<Epoch>,
    pub accent: String,
    pub area_word: String,
    pub logo: Option<Uuid>,
    pub version: i32,
    pub cors_origins: Vec<String>,
    /// The door that is open for support.
    pub support: Option<Grant>,
}

/// Under what name the tenant is registered, as far as it said so.
#[derive(Debug, Clone)]
pub struct Registered {
    pub legal_name: Option<String>,
    pub address: Option<String>,
    pub tax_number: Option<String>,
}

pub async fn registered(tx: &TenantTx) -> Result<Registered> {
    let row = tx
        .query_one(
            "SELECT nullif(btrim(legal_name), '') AS legal_name, nullif(btrim(street_address), '') AS address,
                nullif(btrim(tax_number), '') AS tax_number FROM company",
            &[],
        )
        .await?;
    Ok(Registered {
        legal_name: row.get("legal_name"),
        address: row.get("address"),
        tax_number: row.get("tax_number"),
    })
}

/// Somebody to write to.
#[derive(Debug, Clone)]
pub struct Addressee {
    pub name: String,
    pub email: String,
}

/// The owners who are switched on.
pub async fn list_owners(tx: &TenantTx) -> Result<Vec<Addressee>> {
    let rows = tx
        .query(
            "SELECT s.name, s.email FROM staff s WHERE s.is_active AND EXISTS (SELECT FROM staff_role sr
                JOIN role r ON r.id = sr.role_id WHERE sr.staff_id = s.id AND r.is_owner)
             ORDER BY s.id LIMIT 20",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| Addressee { name: row.get("name"), email: row.get("email") }).collect())
}

/// As `V1` has it.
const USUAL_AREA_WORD: &str = "Area";

impl Access {
    async fn company(&self, tenant: &Tenant) -> Result<Arc<Company>> {
        let epoch = self.0.news.access_epoch(tenant.id());
        if epoch.is_some()
            && let Some(known) = self.0.companies.get(&tenant.id()).await
            && known.epoch == epoch
        {
            return Ok(known);
        }
        let read = async |tx: &TenantTx| {
            let company = store::get_company(tx).await?;
            Ok(Company { support: support::standing(tx).await?.open, ..company })
        };
        let mut company = self.0.db.read_tenant(tenant, read).await?;
        company.epoch = epoch;
        let company = Arc::new(company);
        if epoch.is_some() {
            self.0.companies.insert(tenant.id(), company.clone()).await;
        }
        Ok(company)
    }

    /// How the tenant shows itself.
    pub async fn brand(&self, tenant: &Tenant) -> Result<Brand> {
        let company = self.company(tenant).await?;
        Ok(Brand {
            name: tenant.name.clone(),
            slug: tenant.slug.to_string(),
            logo_url: company.logo.map(|_| format!("/logo?v={}", company.version)),
            initials: initials(&tenant.name),
            version: company.version,
            accent: company.accent.clone(),
            area_word: own_word(&company.area_word),
        })
    }

    /// The grant that is open for the platform's support; it may have run out since.
    pub(super) async fn open_grant(&self, tenant: &Tenant) -> Result<Option<Grant>> {
        Ok(self.company(tenant).await?.support.clone())
    }

    /// Whether pages of `origin` may call this tenant's API. Off until the tenant names origins.
    pub async fn cors_allows(&self, tenant: &Tenant, origin: &str) -> Result<bool> {
        Ok(self.company(tenant).await?.cors_origins.iter().any(|allowed| allowed == origin))
    }
}

/// What a tenant calls an area; one that has chosen no word has the program's, in the reader's language.
fn own_word(word: &str) -> String {
    if word == USUAL_AREA_WORD { say("Area").to_owned() } else { word.to_owned() }
}
