//! What a tenant decides about single sign-on, and who decides it: owners, with a fresh proof. Whoever chooses the issuer chooses who
//! may say to be whom.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::store;
use crate::{
    access::{by::By, gate::Access, staff::Member},
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    secrets::DataKeys,
    tenancy::plans::Feature,
    types::{Check, RoleId, Wrong, line},
    words::say,
};

pub const TABLE: &str = "sso";
pub const COLUMN: &str = "sealed_secret";
const GOOGLE: &str = "https://accounts.google.com";
const MICROSOFT: &str = "https://login.microsoftonline.com";
const CLIENT_MAX_CHARS: usize = 255;
const SECRET_MAX_CHARS: usize = 1_000;
const ISSUER_MAX_CHARS: usize = 255;
const DOMAINS_MAX: usize = 20;

/// An issuer that many have, or any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    Google,
    Microsoft,
    Other,
}

impl Preset {
    pub const ALL: [Self; 3] = [Self::Google, Self::Microsoft, Self::Other];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Microsoft => "microsoft",
            Self::Other => "other",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Google => say("Google"),
            Self::Microsoft => say("Microsoft"),
            Self::Other => say("Another issuer"),
        }
    }

    pub fn parse(text: &str) -> std::result::Result<Self, Wrong> {
        let found = Self::ALL.into_iter().find(|preset| preset.as_str() == text);
        found.ok_or_else(|| Wrong::new("unknown_preset", "This is google, microsoft or other."))
    }

    /// The issuer's own name for itself. Of Microsoft it is that of one directory: whoever has an account of any kind would be
    /// believed otherwise.
    fn issuer(self, typed: &str) -> std::result::Result<String, Wrong> {
        let typed = typed.trim();
        match self {
            Self::Google => Ok(GOOGLE.to_owned()),
            Self::Microsoft => {
                let below = typed.strip_prefix(MICROSOFT).map(|rest| rest.trim_matches('/'));
                let bare = below.map_or(typed, |rest| rest.trim_end_matches("/v2.0"));
                match bare.parse::<Uuid>() {
                    Ok(directory) => Ok(format!("{MICROSOFT}/{directory}/v2.0")),
                    Err(_no_id) => Err(Wrong::new(
                        "no_directory",
                        "This is the directory (tenant) ID of Microsoft Entra.",
                    )),
                }
            }
            Self::Other => issuer_address(typed),
        }
    }
}

/// An issuer's address as its own document writes it: with a host, and without a query, a part or a name in it.
pub fn issuer_address(typed: &str) -> std::result::Result<String, Wrong> {
    let url = Url::parse(typed).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    let plain = url.filter(|url| {
        url.has_host() && url.query().is_none() && url.fragment().is_none() && url.username().is_empty()
    });
    match plain {
        Some(_) if typed.chars().count() <= ISSUER_MAX_CHARS => Ok(typed.to_owned()),
        _ => {
            Err(Wrong::new("no_issuer", "This is the issuer's https address, as its own document writes it."))
        }
    }
}

/// What is decided.
#[derive(Debug, Clone)]
pub struct Sso {
    pub id: Uuid,
    pub preset: Preset,
    pub issuer: String,
    pub client_id: String,
    pub sealed_secret: Option<Vec<u8>>,
    pub domains: Vec<String>,
    pub default_role: Option<RoleId>,
    pub is_on: bool,
    pub is_required: bool,
    pub updated_at: DateTime<Utc>,
}

impl Sso {
    /// Whether an address is of one of the domains that are believed.
    pub fn believes(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
        domain.is_some_and(|domain| self.domains.contains(&domain))
    }

    pub fn secret(&self, keys: &DataKeys) -> Result<Option<SecretString>> {
        let open = |sealed: &Vec<u8>| keys.open(TABLE, COLUMN, self.id, sealed);
        let plain = self.sealed_secret.as_ref().map(open).transpose()?;
        Ok(plain.map(|plain| SecretString::from(String::from_utf8_lossy(&plain).into_owned())))
    }

    fn told(&self) -> serde_json::Value {
        json!({
            "issuer": self.issuer, "client_id": self.client_id, "domains": self.domains,
            "default_role": self.default_role, "is_on": self.is_on, "is_required": self.is_required,
        })
    }
}

/// What the page of signing in shows of it.
#[derive(Debug, Clone)]
pub struct Offer {
    /// On the button.
    pub label: &'static str,
    /// Nobody but owners comes in otherwise.
    pub is_required: bool,
}

/// What somebody typed.
#[derive(Debug, Default)]
pub struct Typed<'a> {
    pub preset: &'a str,
    /// The address, or Microsoft's directory.
    pub issuer: &'a str,
    pub client_id: &'a str,
    /// Empty keeps the one that is there.
    pub secret: &'a str,
    pub domains: Vec<String>,
    pub default_role: Option<RoleId>,
    pub is_on: bool,
    pub is_required: bool,
}

/// What is to be, checked.
pub struct NewSso {
    preset: Preset,
    issuer: String,
    client_id: String,
    secret: Option<String>,
    domains: Vec<String>,
    default_role: Option<RoleId>,
    is_on: bool,
    is_required: bool,
}

impl NewSso {
    pub fn parse(typed: &Typed<'_>) -> Result<Self> {
        let mut check = Check::new();
        let preset = check.field("preset", Preset::parse(typed.preset));
        let issuer = preset.and_then(|preset| check.field("issuer", preset.issuer(typed.issuer)));
        let client_id = check.field("client_id", line(typed.client_id, CLIENT_MAX_CHARS));
        let secret = typed.secret.trim();
        if secret.chars().count() > SECRET_MAX_CHARS {
            check.wrong("client_secret", "too_long", say!("At most {} characters.", SECRET_MAX_CHARS));
        }
        let domains = check.field("domains", domains(&typed.domains));
        if typed.is_required && !typed.is_on {
            check.wrong("is_required", "not_on", "Only what is on can be the only way in.");
        }
        let secret = (!secret.is_empty()).then(|| secret.to_owned());
        let whole = (|| {
            Some(Self {
                preset: preset?,
                issuer: issuer?,
                client_id: client_id?,
                secret,
                domains: domains?,
                default_role: typed.default_role,
                is_on: typed.is_on,
                is_required: typed.is_required,
            })
        })();
        check.finish(whole)
    }
}

fn domains(typed: &[String]) -> std::result::Result<Vec<String>, Wrong> {
    let mut all: Vec<String> =
        typed.iter().map(|one| one.trim().trim_start_matches('@').to_ascii_lowercase()).collect();
    all.retain(|one| !one.is_empty());
    all.sort_unstable();
    all.dedup();
    let is_domain = |one: &String| {
        let labels = one.split('.').all(|label| {
            let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            plain && !label.is_empty() && label.len() <= 63
        });
        labels && one.contains('.') && one.len() <= 253
    };
    match all.iter().find(|one| !is_domain(one)) {
        Some(odd) => Err(Wrong::new("no_domain", say!("{} is no domain.", odd))),
        None if all.is_empty() => Err(Wrong::new("required", "Name the domains of your staff's addresses.")),
        None if all.len() > DOMAINS_MAX => {
            Err(Wrong::new("too_many", say!("At most {} domains.", DOMAINS_MAX)))
        }
        None => Ok(all),
    }
}

async fn giveable(tx: &TenantTx, role: Option<RoleId>) -> Result<()> {
    match role {
        Some(role) if !store::is_giveable(tx, role).await? => {
            Err(Error::invalid("default_role_id", "unknown_role", "There is no such role."))
        }
        _ => Ok(()),
    }
}

/// 403 unless the caller is an owner.
pub fn owners_only(by: &By) -> Result<()> {
    if by.rights.is_owner {
        Ok(())
    } else {
        Err(Error::forbidden("owner_only", "Only an owner decides this."))
    }
}

impl Access {
    pub(in crate::access) async fn sso(&self, by: &By) -> Result<Option<Sso>> {
        owners_only(by)?;
        self.0.db.read_tenant(&by.tenant, async |tx| store::find(tx).await).await
    }

    /// Decides it. What is to be on is asked first whether it is there. When it becomes the only way in, whoever came in by
    /// another and is no owner is signed out.
    pub(in crate::access) async fn decide_sso(&self, by: &By, new: &NewSso) -> Result<Sso> {
        owners_only(by)?;
        by.must_have_proved()?;
        if new.is_on {
            by.tenant.entitlements.require(Feature::SingleSignOn)?;
        }
        self.0.db.in_tenant(&by.tenant, async |tx| giveable(tx, new.default_role).await).await?;
        if new.is_on {
            let found = self.0.issuers.get(&new.issuer).await;
            found.map_err(|told| Error::invalid("issuer", "issuer_unreachable", told))?;
        }
        let keys = self.0.keys.tenants.of(by.tenant.id()).await?;
        self.change(&by.tenant, async |tx| self.store_sso(tx, by, &keys, new).await).await
    }

    async fn store_sso(&self, tx: &TenantTx, by: &By, keys: &DataKeys, new: &NewSso) -> Result<Sso> {
        let was = store::lock(tx).await?;
        giveable(tx, new.default_role).await?;
        let id = was.as_ref().map_or_else(Uuid::now_v7, |was| was.id);
        // A secret is one client's at one issuer: another one needs its own.
        let same = was.as_ref().filter(|was| was.issuer == new.issuer && was.client_id == new.client_id);
        let sealed_secret = match &new.secret {
            Some(secret) => Some(keys.seal(TABLE, COLUMN, id, secret.as_bytes())?),
            None => same.and_then(|was| was.sealed_secret.clone()),
        };
        let sso = Sso {
            id,
            preset: new.preset,
            issuer: new.issuer.clone(),
            client_id: new.client_id.clone(),
            sealed_secret,
            domains: new.domains.clone(),
            default_role: new.default_role,
            is_on: new.is_on,
            is_required: new.is_required,
            updated_at: Utc::now(),
        };
        store::put(tx, &sso).await?;
        if sso.is_required && !was.as_ref().is_some_and(|was| was.is_required) {
            store::end_stays_but_owners(tx).await?;
        }
        let before = was.as_ref().map_or(serde_json::Value::Null, Sso::told);
        let (before, after) = changes(&before, &sso.told());
        let event = Event {
            action: "sso.changed",
            object_type: "sso",
            object_id: Some(id),
            object_label: &sso.issuer,
            before,
            after,
        };
        by.record(tx, event).await?;
        store::find(tx).await?.ok_or_else(|| Error::internal("what was decided is not there"))
    }
}

/// The answer to whoever comes by a door that the tenant closed.
pub fn only() -> Error {
    Error::unauthenticated("sso_only", "Here everybody but an owner signs in by single sign-on.")
}

/// Forgets who a colleague is to the issuer: the next time their address introduces them anew. The caller has made sure that they
/// are within reach.
pub async fn forget_identity(tx: &TenantTx, by: &By, member: &Member) -> Result<()> {
    let Some(issuer) = store::delete_identity(tx, member.id).await? else {
        return Err(Error::conflict("no_sso_identity", "This person has not come by single sign-on."));
    };
    let event = Event {
        action: "staff.sso_forgotten",
        object_type: "staff",
        object_id: Some(member.id.0),
        object_label: &member.name,
        before: Some(json!({"issuer": issuer})),
        after: None,
    };
    by.record(tx, event).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_named_as_it_names_itself() {
        assert_eq!(Preset::Google.issuer("whatever").unwrap(), GOOGLE);
        let id = "72f988bf-86f1-41af-91ab-2d7cd011db47";
        let named = format!("{MICROSOFT}/{id}/v2.0");
        for typed in [id, &named, &format!(" {named}/ "), &id.to_uppercase()] {
            assert_eq!(Preset::Microsoft.issuer(typed).unwrap(), named, "{typed}");
        }
        for typed in
            ["common", "organizations", "consumers", "", "https://login.microsoftonline.com/common/v2.0"]
        {
            assert!(Preset::Microsoft.issuer(typed).is_err(), "{typed}");
        }
        for typed in ["https://id.example", "https://id.example/realms/x/"] {
            assert_eq!(Preset::Other.issuer(typed).unwrap(), typed);
        }
        for typed in [
            "",
            "id.example",
            "ftp://id.example",
            "https://id.example/?a=b",
            "https://a@id.example",
            "https://id.example/#x",
        ] {
            assert!(Preset::Other.issuer(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn domains_are_compared_whole() {
        let all = domains(&["@Acme.Example".into(), " acme.example ".into(), String::new()]).unwrap();
        assert_eq!(all, ["acme.example"]);
        for odd in ["acme", "a..example", "acme.example/x", "*.example", "-"] {
            assert!(domains(&[odd.to_owned()]).is_err(), "{odd}");
        }
        assert!(domains(&[]).is_err());
    }
}
