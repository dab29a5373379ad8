//! How a subscriber gets in: by a link once, by a password from then on. An unknown name and a wrong password get one answer, at
//! one price.

use poem::{FromRequest, Request, RequestBody};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{
    guard::COOKIE,
    invite::event,
    letters::Office,
    store::{self, LinkOwner, Login, Purpose},
};
use crate::{
    access::{
        Attempt, By, Charge, Credential, PASSWORD_MAX_CHARS, Rights, TokenHash, charge, check_password,
        forgive, forgive_account, hash_of, hash_password, line_up, network_of, random_token, verify_password,
    },
    audit::{Actor, ActorKind, Event},
    db::TenantTx,
    error::{Error, Result},
    tenancy::Tenant,
    types::{CustomerId, EmailAddress, Phone, SubscriberSessionId, Wrong},
    web::Origin,
};

const LABEL_MAX_CHARS: usize = 100;
/// 32 random bytes in base64.
const CODE_CHARS: usize = 43;

/// Somebody at the portal's door.
pub struct AtMyDoor {
    pub tenant: Tenant,
    pub office: Office,
    pub origin: Option<Origin>,
    /// The stay that this browser had.
    old: Option<TokenHash>,
}

impl<'a> FromRequest<'a> for AtMyDoor {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let extensions = request.extensions();
        let office = extensions.get::<Office>().cloned().ok_or_else(|| Error::internal("no office"))?;
        let tenant = extensions.get::<Tenant>().cloned().ok_or(Error::not_found("page"))?;
        let old = office.access.read_cookie(request, COOKIE).map(hash_of);
        Ok(Self { tenant, office, origin: extensions.get::<Origin>().cloned(), old })
    }
}

/// What somebody signs in with, in the one form that is kept: an e-mail address or a telephone number.
pub fn sign_in_name(text: &str, country: &str) -> Result<String, Wrong> {
    let text = text.trim();
    if text.contains('@') {
        EmailAddress::parse(text).map(|email| email.as_str().to_owned())
    } else {
        Phone::parse(text, country).map(|phone| phone.as_str().to_owned())
    }
}

/// Under which name failures of an account are counted; no e-mail address of staff looks like it.
fn counted(name: &str) -> String {
    format!("subscriber {name}")
}

fn refused() -> Error {
    Error::unauthenticated("bad_sign_in", "The name or the password is wrong.")
}

/// A caller who is this customer, or nobody that is known.
pub fn caller(tenant: &Tenant, origin: Option<Origin>, who: Option<(CustomerId, &str)>, label: &str) -> By {
    let (actor, credential) = match who {
        Some((id, name)) => {
            let actor = Actor { kind: ActorKind::Subscriber, id: Some(id.0), label: name.to_owned() };
            (actor, Credential::Subscriber(id))
        }
        None => (Actor::anonymous(label), Credential::None),
    };
    By {
        tenant: tenant.clone(),
        actor,
        origin,
        rights: Rights::default(),
        credential,
        proved_at: None,
        sign_in: None,
    }
}

/// Somebody whose password was right.
struct Proven {
    login: Login,
    better: Option<SecretString>,
    charge: Charge,
}

impl AtMyDoor {
    pub(super) fn nobody(&self, label: &str) -> By {
        let label: String = label.chars().filter(|c| !c.is_control()).take(LABEL_MAX_CHARS).collect();
        caller(&self.tenant, self.origin.clone(), None, label.trim())
    }

    /// Checks a password. A refusal is counted and written down before it is answered.
    async fn prove(&self, typed: &str, password: &str) -> Result<Proven> {
        let name = sign_in_name(typed, &self.tenant.country).ok();
        let counted = name.as_deref().map(counted);
        let address = self.origin.as_ref().map(|origin| origin.address);
        let place = line_up()?;
        let (attempt, login) = self
            .office
            .db
            .in_tenant(&self.tenant, async |tx| {
                let attempt = charge(tx, counted.as_deref(), address).await?;
                let login = match &name {
                    Some(name) => store::find_by_name(tx, name).await?,
                    None => None,
                };
                Ok((attempt, login))
            })
            .await?;
        let charge = match attempt {
            Attempt::Counted(charge) => charge,
            Attempt::TooSoon(wait) => {
                self.count_refusal(typed);
                return Err(Error::too_many(
                    wait,
                    "Too many failed sign-ins. Wait a little before the next one.",
                ));
            }
        };
        // Nobody has a longer one, and hashing a megabyte is work.
        let typed_password = if password.chars().count() <= PASSWORD_MAX_CHARS { password } else { "" };
        let stored = login.as_ref().map(|login| login.hash.expose_secret());
        let verdict = verify_password(place, typed_password, stored).await?;
        match login {
            Some(login) if verdict.matches => {
                let better = match verdict.is_outdated {
                    // Another time, if there is no room for it now.
                    true => hash_password(typed_password).await.ok().map(SecretString::from),
                    false => None,
                };
                Ok(Proven { login, better, charge })
            }
            login => {
                self.count_refusal(typed);
                self.remember_refusal(typed, login.as_ref(), &charge).await?;
                Err(refused())
            }
        }
    }

    fn count_refusal(&self, typed: &str) {
        let network = network_of(self.origin.as_ref());
        self.office.access.sign_in_refused(&self.tenant, &counted(typed), &network);
    }

    async fn remember_refusal(&self, typed: &str, login: Option<&Login>, charge: &Charge) -> Result<()> {
        let by = self.nobody(typed);
        let slowed =
            (charge.wait_seconds > 0).then(|| json!({"next_attempt_after_seconds": charge.wait_seconds}));
        self.office
            .db
            .in_tenant(&self.tenant, async |tx| {
                let told = Event {
                    action: "customer.portal_sign_in_refused",
                    object_type: "customer",
                    object_id: login.map(|login| login.customer.0),
                    object_label: login.map_or(&by.actor.label, |login| &login.name),
                    before: None,
                    after: slowed.clone(),
                };
                by.record(tx, told).await
            })
            .await
    }

    /// Signs in with a password; the cookie's value is the answer.
    pub(super) async fn sign_in(&self, name: &str, password: &str) -> Result<String> {
        let proven = self.prove(name, password).await?;
        let token = random_token();
        let login = &proven.login;
        let by = self.as_customer(login.customer, &login.name);
        self.office
            .db
            .in_tenant(&self.tenant, async |tx| {
                let better = proven.better.as_ref().map(|hash| hash.expose_secret().to_owned());
                if !store::sign_in(tx, login.id, login.hash.expose_secret(), better.as_deref()).await? {
                    return Err(refused());
                }
                forgive(tx, &proven.charge).await?;
                by.record(tx, event("customer.portal_signed_in", login.customer, &login.name)).await?;
                let (old, origin) = (self.old.as_ref(), self.origin.as_ref());
                store::begin_session(tx, login.id, &hash_of(&token), old, origin).await
            })
            .await?;
        Ok(token)
    }

    fn as_customer(&self, id: CustomerId, name: &str) -> By {
        caller(&self.tenant, self.origin.clone(), Some((id, name)), name)
    }

    /// Whom a link that still counts is for. Looking at it does not use it up.
    pub(super) async fn look(&self, code: &str, purpose: Purpose) -> Result<Option<LinkOwner>> {
        if code.len() != CODE_CHARS {
            return Ok(None);
        }
        let hash = hash_of(code);
        self.office.db.read_tenant(&self.tenant, async |tx| store::find_link(tx, &hash, purpose).await).await
    }

    /// Opens the account that an invitation leads to, and signs its customer in. None when the link does not count (any more).
    pub(super) async fn join(&self, code: &str, name: &str, password: &str) -> Result<Option<String>> {
        let Some(owner) = self.look(code, Purpose::Invitation).await? else { return Ok(None) };
        let name = sign_in_name(name, &self.tenant.country);
        let mut known = known_of(&owner, &self.tenant);
        known.extend(name.as_deref());
        let weak = check_password(password, &known);
        let wrongs = [
            name.as_ref().err().map(|wrong| wrong.clone().at("sign_in_name")),
            weak.err().map(|wrong| wrong.at("password")),
        ];
        let (Ok(name), [None, None]) = (&name, &wrongs) else {
            return Err(Error::Invalid(wrongs.into_iter().flatten().collect()));
        };
        let (hash, token) = (hash_password(password).await?, random_token());
        let by = self.as_customer(owner.customer, &owner.name);
        let joined = self
            .office
            .db
            .in_tenant(&self.tenant, async |tx| {
                if !store::use_link(tx, &hash_of(code)).await? {
                    return Err(Error::not_found("link"));
                }
                let proved = owner.mailed_to.as_deref();
                let login = store::insert_login(tx, owner.customer, name, &hash, proved).await?;
                store::forget_links(tx, owner.customer).await?;
                by.record(tx, event("customer.portal_joined", owner.customer, &owner.name)).await?;
                let (old, origin) = (self.old.as_ref(), self.origin.as_ref());
                store::begin_session(tx, login, &hash_of(&token), old, origin).await
            })
            .await;
        match joined {
            Ok(()) => Ok(Some(token)),
            Err(Error::NotFound { what: "link" }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the password that a mailed link lets its owner choose, and ends every stay. False when the link does not count.
    pub(super) async fn reset(&self, code: &str, password: &str) -> Result<bool> {
        let Some(owner) = self.look(code, Purpose::Reset).await? else { return Ok(false) };
        check_password(password, &known_of(&owner, &self.tenant))
            .map_err(|wrong| Error::Invalid(vec![wrong.at("password")]))?;
        let Some((login, name)) = &owner.login else { return Ok(false) };
        let hash = hash_password(password).await?;
        let by = self.as_customer(owner.customer, &owner.name);
        self.office
            .db
            .in_tenant(&self.tenant, async |tx| {
                if !store::use_link(tx, &hash_of(code)).await? {
                    return Ok(false);
                }
                store::set_password(tx, *login, None, &hash).await?;
                store::end_sessions(tx, *login, None).await?;
                store::forget_links(tx, owner.customer).await?;
                forgive_account(tx, &counted(name)).await?;
                by.record(tx, event("customer.portal_password_set", owner.customer, &owner.name)).await?;
                Ok(true)
            })
            .await
    }

    /// Changes one's own password, for which the current one is asked. Every other stay ends, and this one goes on under a new
    /// cookie, whose value is the answer.
    pub(super) async fn change_password(
        &self,
        session: SubscriberSessionId,
        (current, new): (&str, &str),
    ) -> Result<String> {
        let wrong =
            || Error::invalid("current_password", "wrong_password", "This is not your current password.");
        let login = self
            .office
            .db
            .read_tenant(&self.tenant, async |tx| store::find_by_session(tx, session).await)
            .await?
            .ok_or_else(refused)?;
        check_password(
            new,
            &[&login.sign_in_name, &login.name, &self.tenant.name, self.tenant.slug.as_str()],
        )
        .map_err(|weak| Error::Invalid(vec![weak.at("new_password")]))?;
        if new == current {
            return Err(Error::invalid("new_password", "unchanged", "This is the password that you have."));
        }
        let proven = match self.prove(&login.sign_in_name, current).await {
            Err(Error::Unauthenticated { .. }) => return Err(wrong()),
            proven => proven?,
        };
        let (hash, token) = (hash_password(new).await?, random_token());
        let by = self.as_customer(login.customer, &login.name);
        let seen = proven.login.hash.expose_secret();
        self.office
            .db
            .in_tenant(&self.tenant, async |tx: &TenantTx| {
                if !store::set_password(tx, login.id, Some(seen), &hash).await? {
                    return Err(wrong());
                }
                forgive(tx, &proven.charge).await?;
                store::end_sessions(tx, login.id, Some(session)).await?;
                store::forget_links(tx, login.customer).await?;
                store::rotate_session(tx, session, &hash_of(&token)).await?;
                by.record(tx, event("customer.portal_password_changed", login.customer, &login.name)).await
            })
            .await?;
        Ok(token)
    }
}

/// What is known of somebody, and so is no password.
fn known_of<'a>(owner: &'a LinkOwner, tenant: &'a Tenant) -> Vec<&'a str> {
    let more =
        [owner.email.as_deref(), owner.phone.as_deref(), owner.login.as_ref().map(|(_, name)| name.as_str())];
    [owner.name.as_str(), tenant.name.as_str(), tenant.slug.as_str()]
        .into_iter()
        .chain(more.into_iter().flatten())
        .collect()
}
