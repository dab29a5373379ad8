//! The console's door: a password, then the second step, which nobody passes around.
//!
//! Between the two a browser holds a session that is not whole and opens nothing but that step. Becoming whole is a new token.

use std::{net::IpAddr, sync::Arc};

use chrono::Utc;
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::{
    lockout::{self, Attempt, Charge},
    model::Person,
    store::{self, Session},
};
use crate::{
    access::{
        PASSWORD_MAX_CHARS, check_password, hash_of, hash_password, line_up, network_of, random_token,
        recovery, totp, verify_password,
    },
    db::{ControlTx, Db},
    error::{Error, Result},
    secrets::{Aad, DataKey, SecretStore, deployment_key, open, seal},
    tenancy::{Deed, Operator, Sightings, note},
    types::EmailAddress,
    web::Origin,
};

const PURPOSE: &str = "platform-staff";
const TABLE: &str = "platform_totp";
const COLUMN: &str = "sealed_secret";
/// What authenticator apps show beside the code.
const ISSUER: &str = "Lastmile console";
const LABEL_MAX_CHARS: usize = 100;

/// Lets people of the platform in. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    pub(super) db: Db,
    key: Arc<DataKey>,
    sightings: Sightings,
}

/// A stay that has just begun, or become whole: the cookie's value.
pub struct Begun {
    pub token: String,
    /// What comes next has to be set up before it can be shown.
    pub must_enrol: bool,
}

/// What a typed code led to.
pub enum Step {
    Whole(String),
    Wrong,
    TooSoon(std::time::Duration),
}

fn refused() -> Error {
    Error::unauthenticated("bad_sign_in", "E-mail or password is wrong.")
}

fn too_soon(wait: std::time::Duration) -> Error {
    Error::too_many(wait, "Too many failed sign-ins. Wait a little before the next one.")
}

pub(super) fn wrong_code() -> Error {
    Error::invalid("code", "wrong_code", "This is not the app's code of this moment.")
}

fn address_of(origin: Option<&Origin>) -> Option<IpAddr> {
    origin.map(|origin| origin.address)
}

impl Door {
    /// With the deployment's own key for the secrets of second steps.
    pub async fn new(db: Db, secrets: &dyn SecretStore, sightings: Sightings) -> Result<Self> {
        let key = DataKey::of_deployment(deployment_key(secrets, PURPOSE).await?);
        Ok(Self { db, key: Arc::new(key), sightings })
    }

    fn cell(staff: Uuid) -> Aad<'static> {
        Aad { tenant: Uuid::nil(), table: TABLE, column: COLUMN, row: staff }
    }

    /// The stay behind a cookie, if it still counts. Asked anew at every request: whoever is switched off is out at once.
    pub async fn session(&self, cookie: &str) -> Result<Option<Session>> {
        let hash = hash_of(cookie);
        let found = self.db.read_public(async |tx| store::find_session(tx, &hash).await).await?;
        if let Some(session) = found.as_ref().filter(|session| session.is_stale()) {
            let id = session.id;
            self.db.in_public(async |tx| store::touch_session(tx, id).await).await?;
        }
        Ok(found)
    }

    /// Checks a password. A refusal is counted and written down before it is answered; an unknown account costs as much.
    pub async fn sign_in(
        &self,
        (email, password): (&str, &str),
        old: Option<&str>,
        origin: Option<&Origin>,
    ) -> Result<Begun> {
        let parsed = EmailAddress::parse(email).ok();
        let label: String = email.chars().filter(|c| !c.is_control()).take(LABEL_MAX_CHARS).collect();
        let name = parsed.as_ref().map_or(label.as_str(), EmailAddress::as_str);
        let place = line_up()?;
        let (attempt, account) = self
            .db
            .in_public(async |tx| {
                let attempt = lockout::charge(tx, name, address_of(origin)).await?;
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
                self.sightings.sign_in_refused(None, name, &network_of(origin));
                return Err(too_soon(wait));
            }
        };
        // Nobody has a longer one, and hashing a megabyte is work.
        let typed = if password.chars().count() <= PASSWORD_MAX_CHARS { password } else { "" };
        let stored = account.as_ref().and_then(|account| account.hash.as_ref());
        let verdict = verify_password(place, typed, stored.map(ExposeSecret::expose_secret)).await?;
        match (&account, stored) {
            (Some(account), Some(hash)) if verdict.matches => {
                self.begin_halfway((account.id, hash.expose_secret()), &charge, old, origin).await
            }
            _ => {
                self.sightings.sign_in_refused(None, name, &network_of(origin));
                self.remember_refusal("console.sign_in_refused", &label, origin).await?;
                Err(refused())
            }
        }
    }

    async fn begin_halfway(
        &self,
        (staff, seen_hash): (Uuid, &str),
        charge: &Charge,
        old: Option<&str>,
        origin: Option<&Origin>,
    ) -> Result<Begun> {
        let pending = self.fresh_secret(staff)?;
        let (token, old) = (random_token(), old.map(hash_of));
        let begun = async |tx: &ControlTx| {
            if !store::is_still(tx, staff, seen_hash).await? {
                return Err(refused());
            }
            lockout::forgive(tx, charge).await?;
            self.halfway(tx, staff, &pending, (&token, old.as_ref()), origin).await
        };
        let must_enrol = self.db.in_public(begun).await?;
        Ok(Begun { token, must_enrol })
    }

    /// A stay that opens the second step alone; whether that has to be set up first.
    async fn halfway(
        &self,
        tx: &ControlTx,
        staff: Uuid,
        pending: &[u8],
        (token, old): (&str, Option<&[u8; 32]>),
        origin: Option<&Origin>,
    ) -> Result<bool> {
        let is_on = store::lock_app(tx, staff).await?.is_some_and(|app| app.is_confirmed);
        if !is_on {
            store::put_pending_app(tx, staff, pending).await?;
        }
        store::insert_session(tx, &hash_of(token), old, staff, false, origin).await?;
        Ok(!is_on)
    }

    /// A new secret, sealed.
    fn fresh_secret(&self, staff: Uuid) -> Result<Vec<u8>> {
        seal(&self.key, &Self::cell(staff), &rand::random::<[u8; totp::SECRET_BYTES]>())
    }

    async fn remember_refusal(&self, action: &str, label: &str, origin: Option<&Origin>) -> Result<()> {
        let who = Operator::anonymous(label.trim()).by(origin);
        self.db.in_public(async |tx| note(tx, &who, Deed::on(action, label.trim())).await).await
    }

    /// The second step: the app's code, or a recovery code. Neither counts twice, and those who guess wait.
    pub async fn take_code(
        &self,
        session: &Session,
        cookie: &str,
        typed: &str,
        origin: Option<&Origin>,
    ) -> Result<Step> {
        let person = &session.person;
        let account = format!("second-step:{}", person.id);
        let attempt =
            self.db.in_public(async |tx| lockout::charge(tx, &account, address_of(origin)).await).await?;
        let charge = match attempt {
            Attempt::Counted(charge) => charge,
            Attempt::TooSoon(wait) => return Ok(Step::TooSoon(wait)),
        };
        let (token, old) = (random_token(), hash_of(cookie));
        let step = async |tx: &ControlTx| {
            let Some(shown) = self.judge(tx, person.id, typed).await? else { return Ok(false) };
            lockout::forgive(tx, &charge).await?;
            let who = Operator::staff(person.id, &person.name).by(origin);
            let detail = serde_json::json!({"second_step": shown});
            let deed = Deed { detail: Some(detail), ..Deed::on("console.signed_in", &person.email) };
            note(tx, &who, deed).await?;
            store::mark_signed_in(tx, person.id).await?;
            store::insert_session(tx, &hash_of(&token), Some(&old), person.id, true, origin).await?;
            Ok(true)
        };
        if self.db.in_public(step).await? {
            return Ok(Step::Whole(token));
        }
        self.remember_refusal("console.second_step_refused", &person.email, origin).await?;
        Ok(Step::Wrong)
    }

    async fn judge(&self, tx: &ControlTx, staff: Uuid, typed: &str) -> Result<Option<&'static str>> {
        let Some(app) = store::lock_app(tx, staff).await?.filter(|app| app.is_confirmed) else {
            return Ok(None);
        };
        let secret = open(&self.key, &Self::cell(staff), &app.sealed_secret)?;
        if let Some(step) = totp::matching_step(&secret, typed, Utc::now().timestamp(), app.last_step) {
            store::take_step(tx, staff, step).await?;
            return Ok(Some("app"));
        }
        let Some(hash) = recovery::hash_of(&secret, typed)? else { return Ok(None) };
        Ok(store::use_recovery_code(tx, staff, &hash).await?.then_some("recovery code"))
    }

    /// The secret that waits for its first code.
    pub async fn enrolment(&self, person: &Person) -> Result<Option<totp::Enrolment>> {
        let app = self.db.read_public(async |tx| store::find_app(tx, person.id).await).await?;
        let Some(app) = app.filter(|app| !app.is_confirmed) else { return Ok(None) };
        let secret = open(&self.key, &Self::cell(person.id), &app.sealed_secret)?;
        totp::enrolment(&secret, ISSUER, &person.email).map(Some)
    }

    /// Sets the second step up with its first code: the new cookie, and the recovery codes.
    pub async fn confirm(
        &self,
        session: &Session,
        cookie: &str,
        typed: &str,
        origin: Option<&Origin>,
    ) -> Result<(String, Vec<String>)> {
        let (person, codes) = (&session.person, recovery::fresh());
        let (token, old) = (random_token(), hash_of(cookie));
        let confirm = async |tx: &ControlTx| {
            let app = store::lock_app(tx, person.id).await?.filter(|app| !app.is_confirmed);
            let app =
                app.ok_or_else(|| Error::conflict("second_step_on", "It is set up already. Sign in again."))?;
            let secret = open(&self.key, &Self::cell(person.id), &app.sealed_secret)?;
            let now = Utc::now().timestamp();
            let step = totp::matching_step(&secret, typed, now, app.last_step).ok_or_else(wrong_code)?;
            store::take_step(tx, person.id, step).await?;
            store::put_recovery_codes(tx, person.id, &hashes(&secret, &codes)?).await?;
            store::delete_sessions(tx, person.id, Some(session.id)).await?;
            store::mark_signed_in(tx, person.id).await?;
            store::insert_session(tx, &hash_of(&token), Some(&old), person.id, true, origin).await?;
            let who = Operator::staff(person.id, &person.name).by(origin);
            note(tx, &who, Deed::on("console.second_step_set_up", &person.email)).await
        };
        self.db.in_public(confirm).await?;
        Ok((token, codes))
    }

    /// New recovery codes; the old ones count no more. The password is asked for again.
    pub async fn renew_codes(&self, person: &Person, password: &str, who: &Operator) -> Result<Vec<String>> {
        self.prove_self(person, password, who).await?;
        let codes = recovery::fresh();
        let renew = async |tx: &ControlTx| {
            let app = store::lock_app(tx, person.id).await?.filter(|app| app.is_confirmed);
            let app = app.ok_or_else(|| Error::conflict("second_step_off", "There is no second step."))?;
            let secret = open(&self.key, &Self::cell(person.id), &app.sealed_secret)?;
            store::put_recovery_codes(tx, person.id, &hashes(&secret, &codes)?).await?;
            note(tx, who, Deed::on("console.recovery_codes_made", &person.email)).await
        };
        self.db.in_public(renew).await?;
        Ok(codes)
    }

    /// Whether it is really the person: an open browser is not enough to change how they sign in.
    pub(super) async fn prove_self(&self, person: &Person, password: &str, who: &Operator) -> Result<()> {
        let email = EmailAddress::parse(&person.email)
            .map_err(|_odd| Error::internal("a person of the platform with an odd address"))?;
        let place = line_up()?;
        let (attempt, account) = self
            .db
            .in_public(async |tx| {
                let attempt = lockout::charge(tx, email.as_str(), None).await?;
                Ok((attempt, store::find_account(tx, &email).await?))
            })
            .await?;
        let charge = match attempt {
            Attempt::Counted(charge) => charge,
            Attempt::TooSoon(wait) => return Err(too_soon(wait)),
        };
        let typed = if password.chars().count() <= PASSWORD_MAX_CHARS { password } else { "" };
        let stored = account.as_ref().and_then(|account| account.hash.as_ref());
        if verify_password(place, typed, stored.map(ExposeSecret::expose_secret)).await?.matches {
            return self.db.in_public(async |tx| lockout::forgive(tx, &charge).await).await;
        }
        let refused = Deed::on("console.password_refused", &person.email);
        self.db.in_public(async |tx| note(tx, who, refused.clone()).await).await?;
        Err(Error::invalid("current_password", "wrong_password", "This is not your password."))
    }

    /// Whom a link is for, if it still counts.
    pub async fn link_owner(&self, code: &str) -> Result<Option<Person>> {
        let hash = hash_of(code);
        self.db.read_public(async |tx| store::find_link(tx, &hash).await).await
    }

    /// Redeems a link with a password: every other stay ends, and the second step comes next.
    pub async fn join(
        &self,
        code: &str,
        password: &str,
        old: Option<&str>,
        origin: Option<&Origin>,
    ) -> Result<Begun> {
        let gone = || Error::conflict("link_gone", "This link was used, or is too old. Ask for another.");
        let person = self.link_owner(code).await?.ok_or_else(gone)?;
        check_password(password, &[&person.email, &person.name])
            .map_err(|wrong| Error::Invalid(vec![wrong.at("password")]))?;
        let hash = hash_password(password).await?;
        let pending = self.fresh_secret(person.id)?;
        let (code, token, old) = (hash_of(code), random_token(), old.map(hash_of));
        let join = async |tx: &ControlTx| {
            let staff = store::use_link(tx, &code).await?.ok_or_else(gone)?;
            store::update_password(tx, staff, &hash).await?;
            store::delete_sessions(tx, staff, None).await?;
            let who = Operator::staff(staff, &person.name).by(origin);
            note(tx, &who, Deed::on("console.password_chosen", &person.email)).await?;
            self.halfway(tx, staff, &pending, (&token, old.as_ref()), origin).await
        };
        let must_enrol = self.db.in_public(join).await?;
        Ok(Begun { token, must_enrol })
    }
}

fn hashes(secret: &[u8], codes: &[String]) -> Result<Vec<Vec<u8>>> {
    let each = codes.iter().map(|code| recovery::hash_of(secret, code));
    each.filter_map(Result::transpose).collect()
}
