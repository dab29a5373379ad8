//! A caller and what it may do: handed to every rule, written down with every change.

use std::{collections::BTreeSet, sync::Arc};

use chrono::Utc;
use uuid::Uuid;

use super::{
    right::{Permission, Right},
    support::GrantId,
};
use crate::{
    audit::{self, Actor, Event},
    db::TenantTx,
    error::{Error, Result},
    tenancy::Tenant,
    types::{ApiKeyId, CustomerId, StaffId},
    web::Origin,
    words::say,
};

/// What a caller may do inside its tenant. Comes from the state of roles and keys, never from a token's claims.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    pub is_owner: bool,
    pub permissions: Arc<BTreeSet<String>>,
}

impl Rights {
    pub fn owner() -> Self {
        Self { is_owner: true, permissions: Arc::default() }
    }

    pub fn holds(&self, code: &str) -> bool {
        self.is_owner || self.permissions.contains(code)
    }

    /// Whether whoever has these may do what asks for `R`. Asked by every request: it allocates nothing.
    pub fn allow<R: Right>(&self) -> bool {
        match R::PERMISSION {
            _ if R::OWNER_ONLY => self.is_owner,
            None => true,
            Some(permission) => self.holds(permission.code),
        }
    }
}

/// How the caller proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    Staff(StaffId),
    ApiKey(ApiKeyId),
    /// A customer in the subscriber portal: holds no right of staff.
    Subscriber(CustomerId),
    /// The platform's support, under a grant of the owner's.
    Support {
        grant: GrantId,
        is_read_only: bool,
    },
    /// A program with a token of an outside issuer; the id is made of the issuer's name for it.
    Machine(Uuid),
    /// Work of the tenant's own, or of the platform.
    None,
}

/// A caller inside one tenant.
#[derive(Debug, Clone)]
pub struct By {
    pub tenant: Tenant,
    pub actor: Actor,
    /// None for work that no request asked for.
    pub origin: Option<Origin>,
    pub rights: Rights,
    pub credential: Credential,
    /// When the person last showed that it is them, in seconds since 1970. None for whoever is no person.
    pub proved_at: Option<i64>,
    /// The sign-in at the API that the caller's access token is of.
    pub sign_in: Option<Uuid>,
}

/// For so long a proof of who one is is fresh: a quarter of an hour.
pub const PROOF_SECONDS: i64 = 15 * 60;

/// The code of the refusal that a proof mends.
pub const PROOF_NEEDED: &str = "proof_needed";

/// Which objects a right reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    All,
    /// Only what is this person's own: a technician's jobs, an agent's tickets.
    Own(StaffId),
}

impl By {
    /// The tenant's own system user, as jobs run.
    pub fn system(tenant: Tenant) -> Self {
        Self {
            tenant,
            actor: Actor::system(),
            origin: None,
            rights: Rights::owner(),
            credential: Credential::None,
            proved_at: None,
            sign_in: None,
        }
    }

    /// The people who run the deployment, at the command line. They may do what an owner may, and the tenant's own trail says so.
    pub fn platform(tenant: Tenant, label: impl Into<String>) -> Self {
        Self { actor: Actor::platform(label), ..Self::system(tenant) }
    }

    /// 403 unless the caller holds `R`.
    pub fn require<R: Right>(&self) -> Result<()> {
        if self.rights.allow::<R>() { Ok(()) } else { Err(refused(R::PERMISSION)) }
    }

    /// 403 `proof_needed` unless the person signed in, or showed again that it is them, a short while ago: for what an open browser
    /// is not enough for. Keys are no persons; a key with such a right was made under a proof. Support does none of it.
    pub fn must_have_proved(&self) -> Result<()> {
        match self.credential {
            Credential::Staff(_) => {}
            Credential::Support { .. } => {
                return Err(Error::forbidden("not_for_support", "Support access is not enough for this."));
            }
            _ => return Ok(()),
        }
        let is_fresh = self.proved_at.is_some_and(|at| Utc::now().timestamp() - at < PROOF_SECONDS);
        if is_fresh { Ok(()) } else { Err(proof_needed()) }
    }

    pub fn may(&self, permission: &Permission) -> bool {
        self.rights.holds(permission.code)
    }

    /// Everything with `all`, one's own with `own`, else 403.
    pub fn reach(&self, all: &'static Permission, own: &'static Permission) -> Result<Reach> {
        reach(&self.rights, self.credential, all, own)
    }

    pub fn staff(&self) -> Option<StaffId> {
        match self.credential {
            Credential::Staff(id) => Some(id),
            _ => None,
        }
    }

    /// The grant under which the platform's support is here.
    pub fn support(&self) -> Option<GrantId> {
        match self.credential {
            Credential::Support { grant, .. } => Some(grant),
            _ => None,
        }
    }

    /// Whether it is the platform's support.
    pub fn is_support(&self) -> bool {
        self.support().is_some()
    }

    /// 403 for support that was let in to look: the one place that keeps it from every write.
    pub fn require_write(&self) -> Result<()> {
        match self.credential {
            Credential::Support { is_read_only: true, .. } => Err(Error::forbidden(
                "support_read_only",
                "This support access is read-only: nothing can be changed.",
            )),
            _ => Ok(()),
        }
    }

    /// What rate limits and idempotency keys are counted by.
    pub fn credential_id(&self) -> Uuid {
        match self.credential {
            Credential::Staff(id) => id.0,
            Credential::ApiKey(id) => id.0,
            Credential::Subscriber(id) => id.0,
            Credential::Support { grant, .. } => grant.0,
            Credential::Machine(id) => id,
            Credential::None => self.tenant.id().0,
        }
    }

    /// Writes down what this caller did, in the transaction of the change.
    pub async fn record(&self, tx: &TenantTx, event: Event<'_>) -> Result<()> {
        audit::record(tx, &self.actor, self.origin.as_ref(), event).await
    }
}

fn proof_needed() -> Error {
    Error::forbidden(
        PROOF_NEEDED,
        "Show once more that it is you: this needs a sign-in, or a proof on the account's page, of the last quarter of an hour.",
    )
}

fn reach(
    rights: &Rights,
    credential: Credential,
    all: &'static Permission,
    own: &'static Permission,
) -> Result<Reach> {
    match credential {
        _ if rights.holds(all.code) => Ok(Reach::All),
        Credential::Staff(id) if rights.holds(own.code) => Ok(Reach::Own(id)),
        _ => Err(refused(Some(all))),
    }
}

fn refused(permission: Option<&'static Permission>) -> Error {
    let detail = match permission {
        Some(permission) => say!("This needs the right \"{}\" ({}).", permission.label, permission.code),
        None => "Only the owner may do this.".to_owned(),
    };
    Error::forbidden("forbidden", detail)
}

#[cfg(test)]
mod tests {
    use super::{
        super::right::{Owner, SignedIn},
        *,
    };

    const fn permission(code: &'static str) -> Permission {
        Permission {
            code,
            category: "Jobs",
            label: code,
            description: "",
            scope: "jobs.read",
            default_roles: &[],
        }
    }

    static ALL: Permission = permission("jobs.view_all");
    static OWN: Permission = permission("jobs.view_own");

    #[test]
    fn a_right_reaches_everything_or_ones_own_or_nothing() {
        let person = StaffId(Uuid::from_u128(7));
        let reached = |codes: &[&str], credential| {
            let permissions = Arc::new(codes.iter().map(|code| (*code).to_owned()).collect());
            reach(&Rights { is_owner: false, permissions }, credential, &ALL, &OWN).ok()
        };
        let staff = Credential::Staff(person);
        assert_eq!(reached(&["jobs.view_own"], staff), Some(Reach::Own(person)));
        assert_eq!(reached(&["jobs.view_all", "jobs.view_own"], staff), Some(Reach::All));
        assert_eq!(reached(&["customers.view"], staff), None);
        let key = Credential::ApiKey(ApiKeyId(Uuid::from_u128(7)));
        assert_eq!(reached(&["jobs.view_own"], key), None, "a key has nothing of its own");
        assert_eq!(reached(&["jobs.view_all"], key), Some(Reach::All));
        assert_eq!(reach(&Rights::owner(), staff, &ALL, &OWN).ok(), Some(Reach::All));
    }

    struct SeeAllJobs;

    impl Right for SeeAllJobs {
        const PERMISSION: Option<&'static Permission> = Some(&ALL);
        const SCHEME: &'static str = "credential jobs.view_all";
    }

    #[test]
    fn asking_for_a_right_allocates_nothing() {
        let held = |codes: &[&str]| Rights {
            is_owner: false,
            permissions: Arc::new(codes.iter().map(|code| (*code).to_owned()).collect()),
        };
        let (some, others) = (held(&["customers.view", "jobs.view_all"]), held(&["customers.view"]));
        let owner = Rights::owner();
        let staff = Credential::Staff(StaffId(Uuid::from_u128(7)));
        let allocated = allocation_counter::measure(|| {
            assert!(
                some.allow::<SeeAllJobs>() && owner.allow::<SeeAllJobs>() && !others.allow::<SeeAllJobs>()
            );
            assert!(owner.allow::<Owner>() && !some.allow::<Owner>() && others.allow::<SignedIn>());
            assert_eq!(reach(&some, staff, &ALL, &OWN).ok(), Some(Reach::All));
        });
        assert_eq!(allocated.count_total, 0, "{allocated:?}");
    }
}
