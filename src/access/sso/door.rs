//! To the issuer and back: a browser is sent with a secret of its own, and comes back with a code that is exchanged for a token.
//! Three steps: what was asked is taken, the issuer is called with no transaction open, and what it says is settled.

use chrono::Utc;
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    id_token::{self, Claims, Expected, Person},
    issuer::{Exchange, Issuer},
    settings::Sso,
    store::{self, Attempt, Known, Mark},
};
use crate::{
    access::{
        by::By,
        credentials::{TokenHash, hash_of},
        key_sets::Told,
        mfa::{self, Entered},
        sessions::{self, random_token},
        sign_in::{AtDoor, record_sign_in},
        staff::{NewStaff, create_staff},
        store as access_store,
    },
    audit::{self, Actor, ActorKind, Event},
    db::TenantTx,
    error::{Error, Result},
    types::{EmailAddress, StaffId},
    words::say,
};

const NAME_MAX_CHARS: usize = 100;
const REASON_MAX_CHARS: usize = 300;

/// A browser that is to go to the issuer.
pub struct Sent {
    pub to: Url,
    /// The cookie that it comes back with.
    pub cookie: String,
}

/// What a browser comes back with.
#[derive(Debug, Clone, Copy)]
pub struct Back<'a> {
    pub state: &'a str,
    pub code: &'a str,
    /// The issuer's own name, where it says it (RFC 9207).
    pub iss: &'a str,
    pub cookie: &'a str,
    pub host: &'a str,
    pub redirect_uri: &'a str,
}

/// Somebody who is in, or has a second step to take, and the page that they asked for.
pub struct Came {
    pub entered: Entered,
    pub next: String,
}

fn refused(why: impl Into<String>) -> Error {
    Error::unauthenticated("sso_refused", why)
}

fn off() -> Error {
    refused("Single sign-on is not set up here.")
}

impl AtDoor {
    /// Sends a browser to the issuer.
    pub(super) async fn send_to_issuer(&self, host: &str, redirect_uri: &str, next: &str) -> Result<Sent> {
        let db = &self.access.0.db;
        let sso = db.read_tenant(&self.tenant, async |tx| store::find(tx).await).await?;
        let sso = sso.filter(|sso| sso.is_on).ok_or_else(off)?;
        let issuer = self.access.0.issuers.get(&sso.issuer).await.map_err(refused)?;
        let (state, cookie, nonce, verifier) =
            (random_token(), random_token(), random_token(), random_token());
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
        let to = issuer.authorization(&[
            ("response_type", "code"),
            ("client_id", &sso.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", "openid email profile"),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let attempt = Attempt { issuer: sso.issuer, nonce, verifier, next: next.to_owned() };
        let (state, browser) = (hash_of(&state), hash_of(&cookie));
        let mark = Mark { state: &state, browser: &browser, host };
        db.in_tenant(&self.tenant, async |tx| store::insert_attempt(tx, mark, &attempt).await).await?;
        Ok(Sent { to, cookie })
    }

    /// Lets in whom the issuer says it is. A refusal is written down before it is answered.
    pub(super) async fn come_from_issuer(&self, back: Back<'_>, old: Option<&TokenHash>) -> Result<Came> {
        let (state, browser) = (hash_of(back.state), hash_of(back.cookie));
        let mark = Mark { state: &state, browser: &browser, host: back.host };
        let take = async |tx: &TenantTx| Ok((store::take_attempt(tx, mark).await?, store::find(tx).await?));
        let (attempt, sso) = self.access.0.db.in_tenant(&self.tenant, take).await?;
        let Some(attempt) = attempt else {
            return self.refuse("", "This sign-in was begun elsewhere, or too long ago. Begin anew.").await;
        };
        let Some(sso) = sso.filter(|sso| sso.is_on && sso.issuer == attempt.issuer) else {
            return self.refuse("", "Single sign-on was changed meanwhile. Begin anew.").await;
        };
        let claims = match self.believed_claims(&sso, &attempt, back).await? {
            Ok(claims) => claims,
            Err(why) => return self.refuse("", &say!("The issuer's answer does not count: {}", why)).await,
        };
        let settle = async |tx: &TenantTx| self.settle(tx, &sso, &claims, old).await;
        // A new person, or one whose stays are known to caches.
        match self.access.change(&self.tenant, settle).await? {
            Ok(entered) => Ok(Came { entered, next: attempt.next }),
            Err(why) => self.refuse(claims.person.email.as_deref().unwrap_or_default(), &why).await,
        }
    }

    async fn believed_claims(&self, sso: &Sso, attempt: &Attempt, back: Back<'_>) -> Result<Told<Claims>> {
        let keys = self.access.0.keys.tenants.of(self.tenant.id()).await?;
        let secret = sso.secret(&keys)?;
        if !back.iss.is_empty() && back.iss != sso.issuer {
            return Ok(Err("it is of another issuer.".to_owned()));
        }
        let exchange = Exchange {
            client_id: &sso.client_id,
            secret: secret.as_ref(),
            code: back.code,
            redirect_uri: back.redirect_uri,
            verifier: &attempt.verifier,
        };
        Ok(self.ask(sso, attempt, &exchange).await)
    }

    async fn ask(&self, sso: &Sso, attempt: &Attempt, exchange: &Exchange<'_>) -> Told<Claims> {
        let issuers = &self.access.0.issuers;
        let issuer: &Issuer = &*issuers.get(&sso.issuer).await?;
        let tokens = issuers.exchange(issuer, exchange).await?;
        let kid = id_token::kid_of(&tokens.id_token).ok_or("it cannot be read.")?;
        let key = issuers.key(issuer, kid.as_deref()).await?;
        let expected = Expected { issuer: &sso.issuer, client_id: &sso.client_id, nonce: &attempt.nonce };
        let now = Utc::now().timestamp();
        let mut claims =
            id_token::believed(&tokens.id_token, &key, expected, now).map_err(|why| format!("{why}."))?;
        if claims.person.email.is_none()
            && let Some(person) = issuers.person(issuer, &tokens, &claims.sub).await?
        {
            claims.person = Person { name: person.name.clone().or(claims.person.name), ..person };
        }
        Ok(claims)
    }

    /// Whom the issuer means, and whether they may come in.
    async fn settle(
        &self,
        tx: &TenantTx,
        sso: &Sso,
        claims: &Claims,
        old: Option<&TokenHash>,
    ) -> Result<Told<Entered>> {
        let known = match store::find_by_identity(tx, &sso.issuer, &claims.sub).await? {
            Some(known) => known,
            None => match self.introduced(tx, sso, claims).await? {
                Ok(known) => known,
                Err(why) => return Ok(Err(why)),
            },
        };
        if !known.is_active {
            return Ok(Err("You are switched off here. Ask whoever manages staff.".to_owned()));
        }
        self.let_in(tx, &known, old).await.map(Ok)
    }

    /// Somebody whom the issuer has not named before: their address introduces them, when it is proved and of a domain that is
    /// believed, and nobody else is known by it.
    async fn introduced(&self, tx: &TenantTx, sso: &Sso, claims: &Claims) -> Result<Told<Known>> {
        let person = &claims.person;
        let email = person.email.as_deref().and_then(|email| EmailAddress::parse(email).ok());
        let Some(email) = email else {
            return Ok(Err("The issuer told no e-mail address of yours.".to_owned()));
        };
        // A directory of Microsoft's says nothing of it: whoever runs the directory gives the addresses.
        let is_proved = match sso.preset {
            super::settings::Preset::Microsoft => person.email_verified != Some(false),
            _ => person.email_verified == Some(true),
        };
        if !is_proved {
            return Ok(Err("The issuer does not say that your e-mail address is proved.".to_owned()));
        }
        if !sso.believes(email.as_str()) {
            return Ok(Err("Addresses of your domain do not sign in here.".to_owned()));
        }
        let known = match store::lock_by_email(tx, &email).await? {
            Some((_, true)) => {
                let why = "Your address is known here by another account. Ask whoever manages staff.";
                return Ok(Err(why.to_owned()));
            }
            Some((known, false)) => known,
            None => match self.join(tx, sso, &email, person.name.as_deref()).await? {
                Some(known) => known,
                None => return Ok(Err("Nobody here has your address. Ask to be invited.".to_owned())),
            },
        };
        store::insert_identity(tx, known.staff, &sso.issuer, &claims.sub).await?;
        access_store::accept(tx, known.staff).await?;
        let told = json!({"issuer": sso.issuer});
        self.tell(tx, "staff.sso_linked", (Some(known.staff), &known.name), told).await?;
        Ok(Ok(known))
    }

    /// Somebody new, where the settings say what they become.
    async fn join(
        &self,
        tx: &TenantTx,
        sso: &Sso,
        email: &EmailAddress,
        name: Option<&str>,
    ) -> Result<Option<Known>> {
        let Some(role) = sso.default_role else { return Ok(None) };
        if !store::is_giveable(tx, role).await? {
            return Ok(None);
        }
        let said: String = name.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
        let said = said.trim();
        let shown = if said.is_empty() { email.as_str() } else { said };
        let shown: String = shown.chars().take(NAME_MAX_CHARS).collect();
        let new = NewStaff::parse(shown.trim(), email.as_str(), &[role.0])?;
        let by = By { origin: self.origin.clone(), ..By::system(self.tenant.clone()) };
        let member = create_staff(tx, &by, self.access.catalogue(), &new).await?;
        Ok(Some(Known { staff: member.id, name: member.name, is_active: true }))
    }

    /// As after a password: a second step for whoever has one.
    async fn let_in(&self, tx: &TenantTx, known: &Known, old: Option<&TokenHash>) -> Result<Entered> {
        if mfa::is_on(tx, known.staff).await? {
            return mfa::wait_for_step(tx, known.staff).await.map(Entered::SecondStep);
        }
        let origin = self.origin.as_ref();
        access_store::note_sign_in(tx, known.staff).await?;
        let to = "portal, by single sign-on";
        record_sign_in(tx, (known.staff, &known.name), origin, to, None).await?;
        sessions::begin(tx, known.staff, origin, old).await.map(Entered::Begun)
    }

    /// Written down, then answered.
    async fn refuse<T>(&self, label: &str, why: &str) -> Result<T> {
        let label: String = label.chars().filter(|c| !c.is_control()).take(NAME_MAX_CHARS).collect();
        let why: String = why.chars().take(REASON_MAX_CHARS).collect();
        let told = json!({"why": why});
        let record =
            async |tx: &TenantTx| self.tell(tx, "staff.sso_refused", (None, &label), told.clone()).await;
        self.access.0.db.in_tenant(&self.tenant, record).await?;
        Err(refused(why))
    }

    async fn tell(
        &self,
        tx: &TenantTx,
        action: &'static str,
        (staff, name): (Option<StaffId>, &str),
        after: serde_json::Value,
    ) -> Result<()> {
        let actor = match staff {
            Some(staff) => Actor { kind: ActorKind::Staff, id: Some(staff.0), label: name.to_owned() },
            None => Actor::anonymous(name),
        };
        let event = Event {
            action,
            object_type: "staff",
            object_id: staff.map(|staff| staff.0),
            object_label: name,
            before: None,
            after: Some(after),
        };
        audit::record(tx, &actor, self.origin.as_ref(), event).await
    }
}
