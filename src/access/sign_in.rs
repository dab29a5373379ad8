//! Proving who one is with a password. An unknown account, a wrong password and a disabled account get one answer, at one price.

use poem::{FromRequest, Request, RequestBody};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{
    gate::Access,
    lockout::{self, Attempt, Charge},
    mfa::{self, Passed},
    passwords::{PASSWORD_MAX_CHARS, hash_password, line_up, verify_password},
    store::{self, Account},
};
use crate::{
    audit::{self, Actor, ActorKind, Event},
    db::TenantTx,
    error::{Error, Result},
    tenancy::Tenant,
    types::{EmailAddress, StaffId},
    web::Origin,
};

const LABEL_MAX_CHARS: usize = 100;

/// Somebody at a tenant's door who has shown no credential: what sign-in and refresh work with.
pub struct AtDoor {
    pub tenant: Tenant,
    pub access: Access,
    pub origin: Option<Origin>,
}

impl<'a> FromRequest<'a> for AtDoor {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let extensions = request.extensions();
        let tenant = extensions.get::<Tenant>().cloned().ok_or_else(super::extract::tenant_missing)?;
        let access = extensions.get::<Access>().cloned().ok_or_else(|| Error::internal("no access"))?;
        Ok(Self { tenant, access, origin: extensions.get::<Origin>().cloned() })
    }
}

/// Somebody whose password was right. Not signed in until [`admit`] was part of a unit that committed.
#[derive(Clone)]
pub(super) struct Proven {
    pub staff: StaffId,
    pub name: String,
    pub seen_hash: SecretString,
    better_hash: Option<SecretString>,
    pub charge: Charge,
}

impl Proven {
    /// The hash that the password was held against, and a better one when there is.
    pub(super) fn hashes(&self) -> (&str, Option<&str>) {
        (self.seen_hash.expose_secret(), self.better_hash.as_ref().map(ExposeSecret::expose_secret))
    }
}

/// The one answer to everybody who is not let in.
pub(super) fn refused() -> Error {
    Error::unauthenticated("bad_sign_in", "E-mail or password is wrong.")
}

fn too_soon(wait: std::time::Duration) -> Error {
    Error::too_many(wait, "Too many failed sign-ins. Wait a little before the next one.")
}

impl AtDoor {
    /// Checks a password. A refusal is counted and written down before it is answered.
    pub(super) async fn prove(&self, email: &str, password: &str) -> Result<Proven> {
        let parsed = EmailAddress::parse(email).ok();
        let address = self.origin.as_ref().map(|origin| origin.address);
        let place = line_up()?;
        let db = &self.access.0.db;
        let (attempt, account) = db
            .in_tenant(&self.tenant, async |tx| {
                let attempt = lockout::charge(tx, parsed.as_ref().map(EmailAddress::as_str), address).await?;
                let account = match &parsed {
                    Some(email) => store::find_account(tx, email).await?,
                    None => None,
                };
                Ok((attempt, account))
            })
            .await?;
        let charge = match attempt {
            Attempt::Counted(charge) => charge,
            Attempt::TooSoon(wait) => {
                self.count_refusal(email);
                return Err(too_soon(wait));
            }
        };
        // Nobody has a longer one, and hashing a megabyte is work.
        let typed = if password.chars().count() <= PASSWORD_MAX_CHARS { password } else { "" };
        let stored =
            account.as_ref().filter(|account| account.is_active).and_then(|account| account.hash.clone());
        let verdict = verify_password(place, typed, stored.as_ref().map(ExposeSecret::expose_secret)).await?;
        match (account, stored) {
            (Some(account), Some(seen_hash)) if verdict.matches => {
                let better_hash = match verdict.is_outdated {
                    // Another time, if there is no room for it now.
                    true => hash_password(typed).await.ok().map(SecretString::from),
                    false => None,
                };
                Ok(Proven { staff: account.id, name: account.name, seen_hash, better_hash, charge })
            }
            (account, _) => {
                self.count_refusal(email);
                self.remember_refusal(email, account.as_ref(), &charge).await?;
                Err(refused())
            }
        }
    }

    /// For the platform's people, who see what happens at many doors.
    fn count_refusal(&self, email: &str) {
        let network = lockout::network_of(self.origin.as_ref());
        self.access.sign_in_refused(&self.tenant, email, &network);
    }

    async fn remember_refusal(&self, email: &str, account: Option<&Account>, charge: &Charge) -> Result<()> {
        let label: String = email.chars().filter(|c| !c.is_control()).take(LABEL_MAX_CHARS).collect();
        let label = label.trim();
        let slowed =
            (charge.wait_seconds > 0).then(|| json!({"next_attempt_after_seconds": charge.wait_seconds}));
        self.access
            .0
            .db
            .in_tenant(&self.tenant, async |tx| {
                let event = Event {
                    action: "staff.sign_in_refused",
                    object_type: "staff",
                    object_id: account.map(|account| account.id.0),
                    object_label: label,
                    before: None,
                    after: slowed.clone(),
                };
                audit::record(tx, &Actor::anonymous(label), self.origin.as_ref(), event).await
            })
            .await
    }
}

/// Lets somebody in whose password was right a moment ago: still active, the password still the same, and the second factor
/// shown if they have one. Part of the unit that begins the stay. Every door of passwords leads through here.
pub(super) async fn admit(
    tx: &TenantTx,
    proven: &Proven,
    passed: Option<&Passed>,
    origin: Option<&Origin>,
    to: &'static str,
) -> Result<()> {
    if passed.is_none() && mfa::is_on(tx, proven.staff).await? {
        return Err(mfa::missing());
    }
    let (seen, better) = proven.hashes();
    if !store::sign_staff_in(tx, proven.staff, seen, better).await? {
        return Err(refused());
    }
    lockout::forgive(tx, &proven.charge).await?;
    record_sign_in(tx, (proven.staff, &proven.name), origin, to, passed).await
}

/// `to` says where: the portal, or the API.
pub(super) async fn record_sign_in(
    tx: &TenantTx,
    (staff, name): (StaffId, &str),
    origin: Option<&Origin>,
    to: &'static str,
    passed: Option<&Passed>,
) -> Result<()> {
    let after = match passed {
        Some(passed) => json!({"to": to, "second_factor": passed.told()}),
        None => json!({"to": to}),
    };
    let actor = Actor { kind: ActorKind::Staff, id: Some(staff.0), label: name.to_owned() };
    let event = Event {
        action: "staff.signed_in",
        object_type: "staff",
        object_id: Some(staff.0),
        object_label: name,
        before: None,
        after: Some(after),
    };
    audit::record(tx, &actor, origin, event).await
}
