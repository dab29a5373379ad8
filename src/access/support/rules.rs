//! What the owner decides of support access, and what support may do under it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::store;
use crate::{
    access::{
        by::{By, Rights},
        credentials::hash_of,
        gate::Access,
        right::Catalogue,
        sessions::random_token,
        sign_in::AtDoor,
    },
    audit::{self, Actor, ActorKind, Event},
    error::{Error, Result},
    tenancy::Tenant,
    types::{Check, Wrong, line},
    web::Moment,
    words::say,
};

/// What the cookie of a stay under a grant begins with: it is looked up elsewhere than those of staff.
pub const PREFIX: &str = "support.";
/// How long a grant may last.
pub const HOURS_MAX: i32 = 72;
const REASON_MAX_CHARS: usize = 300;
/// Rights by which access would outlast its grant: whoever makes people, roles or keys comes back by them.
const LASTING: [&str; 3] = ["staff.", "roles.", "api_keys."];

/// An open door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantId(pub Uuid);

/// What support may do under a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Look, and change nothing.
    Read,
    /// What an administrator may, but for people, roles and keys.
    Full,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Full => "full",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Read => say("Read-only"),
            Self::Full => say("Full"),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Full].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A grant that is open.
#[derive(Debug, Clone)]
pub struct Grant {
    pub id: GrantId,
    pub kind: Kind,
    pub reason: String,
    pub opened_by: String,
    pub opened_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// A grant with what became of it.
#[derive(Debug, Clone)]
pub struct Visit {
    pub grant: Grant,
    pub ended_at: Option<DateTime<Utc>>,
    pub ended_by: Option<String>,
    /// Who came in under it.
    pub visitors: Vec<String>,
}

/// How a tenant stands with support access.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    pub is_allowed: bool,
    pub open: Option<Grant>,
}

/// What every page of the portal shows while a grant is open, in the template as `shell.support`.
#[derive(Debug, Clone, Serialize)]
pub struct Banner {
    is_full: bool,
    reason: String,
    until: Moment,
    opened_by: String,
    /// Where the owner ends it; none for others.
    end_action: Option<String>,
    /// The one who looks at the page came in under it.
    is_visitor: bool,
}

impl Banner {
    /// None when the grant has run out meanwhile.
    pub fn of(grant: &Grant, by: &By) -> Option<Self> {
        (grant.expires_at > Utc::now()).then(|| Self {
            is_full: grant.kind == Kind::Full,
            reason: grant.reason.clone(),
            until: Moment::at(grant.expires_at, by.tenant.time_zone.0),
            opened_by: grant.opened_by.clone(),
            end_action: by.rights.is_owner.then(|| format!("/settings/support/{}/end", grant.id.0)),
            is_visitor: by.is_support(),
        })
    }
}

/// What a visitor holds: of the permissions, those to look or all, without those by which access would outlast the grant.
pub fn rights_of(catalogue: &Catalogue, kind: Kind) -> Rights {
    let lasts = |code: &str| LASTING.iter().any(|area| code.starts_with(area)) && !code.ends_with(".view");
    let reads = |scope: &str| kind == Kind::Full || scope.ends_with(".read");
    let held = catalogue.all().iter().filter(|one| reads(one.scope) && !lasts(one.code));
    Rights { is_owner: false, permissions: Arc::new(held.map(|one| one.code.to_owned()).collect()) }
}

/// A grant that the owner is about to open.
#[derive(Debug, Clone)]
pub struct NewGrant {
    pub(super) kind: Kind,
    pub(super) hours: i32,
    pub(super) reason: String,
}

impl NewGrant {
    /// Every wrong field at once.
    pub fn parse(kind: &str, hours: &str, reason: &str) -> Result<Self> {
        let mut check = Check::new();
        let kind =
            Kind::parse(kind).ok_or_else(|| Wrong::new("unknown_kind", "Choose read-only or full access."));
        let hours = hours.trim().parse().ok().filter(|hours| (1..=HOURS_MAX).contains(hours));
        let hours =
            hours.ok_or_else(|| Wrong::new("out_of_range", say!("Between 1 and {} whole hours.", HOURS_MAX)));
        let kind = check.field("kind", kind);
        let hours = check.field("hours", hours);
        let reason = check.field("reason", line(reason, REASON_MAX_CHARS));
        let whole = (|| Some(Self { kind: kind?, hours: hours?, reason: reason? }))();
        check.finish(whole)
    }
}

fn event<'a>(action: &'static str, id: Option<GrantId>, label: &'a str) -> Event<'a> {
    Event {
        action,
        object_type: "support_grant",
        object_id: id.map(|id| id.0),
        object_label: label,
        before: None,
        after: None,
    }
}

impl Access {
    /// How the tenant stands with support access, read afresh.
    pub async fn support_standing(&self, tenant: &Tenant) -> Result<Standing> {
        self.0.db.read_tenant(tenant, async |tx| store::standing(tx).await).await
    }

    /// The grants that were opened, the newest first.
    pub async fn support_visits(&self, tenant: &Tenant) -> Result<Vec<Visit>> {
        self.0.db.read_tenant(tenant, async |tx| store::list_grants(tx).await).await
    }

    /// Lets support be let in, or not. What is open ends with it.
    pub async fn allow_support(&self, by: &By, is_allowed: bool) -> Result<()> {
        let action = if is_allowed { "support.allowed" } else { "support.forbidden" };
        self.change(&by.tenant, async |tx| {
            store::allow(tx, is_allowed, &by.actor.label).await?;
            by.record(tx, event(action, None, "Support access")).await
        })
        .await
    }

    /// Opens the door for a while.
    pub async fn open_support(&self, by: &By, new: &NewGrant) -> Result<()> {
        let id = GrantId(Uuid::now_v7());
        self.change(&by.tenant, async |tx| {
            match store::open(tx, id, new, &by.actor.label).await?.as_str() {
                "opened" => {}
                "off" => {
                    return Err(Error::conflict("support_off", "Support access is off. Turn it on first."));
                }
                _ => {
                    return Err(Error::conflict(
                        "support_open",
                        "Support is let in already. End that first.",
                    ));
                }
            }
            let after = json!({"access": new.kind.as_str(), "hours": new.hours, "reason": new.reason});
            let opened = Event { after: Some(after), ..event("support.opened", Some(id), &new.reason) };
            by.record(tx, opened).await
        })
        .await
    }

    /// Closes it: whoever is in is out, here at once and elsewhere within a second.
    pub async fn end_support(&self, by: &By, id: GrantId) -> Result<()> {
        self.change(&by.tenant, async |tx| {
            if store::end(tx, id, &by.actor.label).await? == 0 {
                return Err(Error::not_found("grant"));
            }
            by.record(tx, event("support.ended", Some(id), "Support access")).await
        })
        .await
    }

    /// A visitor goes of their own accord.
    pub(super) async fn leave_support(&self, by: &By, session: Uuid) -> Result<()> {
        self.change(&by.tenant, async |tx| {
            store::leave(tx, session).await?;
            by.record(tx, event("support.left", by.support(), &by.actor.label)).await
        })
        .await
    }
}

impl AtDoor {
    /// Begins a stay under a grant, for a code of the console's: the cookie's value. None when the code does not count here.
    pub(super) async fn enter_for_support(&self, code: &str) -> Result<Option<String>> {
        let token = format!("{PREFIX}{}", random_token());
        let (code, hash, session) = (hash_of(code), hash_of(&token), Uuid::now_v7());
        let enter = async |tx: &crate::db::TenantTx| {
            let Some((grant, name)) = store::enter(tx, &code, session, &hash).await? else {
                return Ok(false);
            };
            let actor = Actor { kind: ActorKind::Support, id: Some(grant.0), label: name.clone() };
            let entered = event("support.entered", Some(grant), &name);
            audit::record(tx, &actor, self.origin.as_ref(), entered).await?;
            Ok(true)
        };
        Ok(self.access.0.db.in_tenant(&self.tenant, enter).await?.then_some(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(kind: &str, hours: &str, reason: &str) -> Vec<String> {
        match NewGrant::parse(kind, hours, reason) {
            Err(Error::Invalid(wrongs)) => wrongs.iter().map(|wrong| wrong.field.to_string()).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_grant_lasts_one_to_seventy_two_hours_and_has_a_reason() {
        assert!(wrong("read", "1", "a receipt is missing").is_empty());
        assert!(wrong("full", "72", "x").is_empty());
        assert_eq!(wrong("read", "0", "x"), ["hours"]);
        assert_eq!(wrong("read", "73", "x"), ["hours"]);
        assert_eq!(wrong("owner", "1.5", " "), ["kind", "hours", "reason"]);
    }
}
