//! The two steps of signing in: a browser waits between them under a cookie of its own, which opens nothing else.

use std::time::Duration;

use super::{
    factor::{self, Shown},
    store,
};
use crate::{
    access::{
        credentials::{TokenHash, hash_of},
        lockout,
        passkeys::{self, Answer, Asked, Judged, Purpose, RelyingParty},
        sessions::{self, Begun, random_token},
        sign_in::{AtDoor, Proven, admit, record_sign_in, refused},
        sso,
    },
    db::TenantTx,
    error::{Error, Result},
    types::StaffId,
};

/// What a right password leads to.
pub enum Entered {
    /// They are in.
    Begun(Begun),
    /// The code is asked for next; this is the cookie of those who wait for that.
    SecondStep(String),
}

/// What a typed code leads to.
pub enum Step {
    Begun(Begun),
    Wrong,
    TooSoon(Duration),
    /// A passkey that does not count.
    Refused(Error),
    /// Too late, or the password is another one by now: they begin anew.
    Gone,
}

/// With what the second step can be taken.
pub struct Offers {
    pub has_app: bool,
    /// There is a passkey of this host.
    pub has_passkey: bool,
    /// Hosts at which there are passkeys, when there is none of this one.
    pub elsewhere: Vec<String>,
}

impl AtDoor {
    /// Begins a stay for somebody whose password was right, or the second step when they have one.
    pub(in crate::access) async fn enter(&self, proven: &Proven, old: Option<&TokenHash>) -> Result<Entered> {
        let enter = async |tx: &TenantTx| {
            let origin = self.origin.as_ref();
            if sso::is_closed_to(tx, proven.staff).await? {
                // The password was right, so that it counts as no failure.
                lockout::forgive(tx, &proven.charge).await?;
                return Ok(Err(sso::only()));
            }
            if !store::is_on(tx, proven.staff).await? {
                admit(tx, proven, None, origin, "portal").await?;
                return sessions::begin(tx, proven.staff, origin, old)
                    .await
                    .map(|stay| Ok(Entered::Begun(stay)));
            }
            let token = random_token();
            if !store::insert_step(tx, &hash_of(&token), proven.staff, proven.hashes()).await? {
                return Err(refused());
            }
            lockout::forgive(tx, &proven.charge).await?;
            Ok(Ok(Entered::SecondStep(token)))
        };
        self.access.0.db.in_tenant(&self.tenant, enter).await?
    }

    /// What the page of the second step offers whoever stands there; None when nobody does.
    pub(in crate::access) async fn step_offers(&self, token: &str, host: &str) -> Result<Option<Offers>> {
        let hash = hash_of(token);
        let look = async |tx: &TenantTx| {
            let Some(waiting) = store::find_step(tx, &hash).await? else { return Ok(None) };
            let has_app = store::has_app(tx, waiting.staff).await?;
            let hosts = passkeys::hosts_of(tx, waiting.staff).await?;
            let here = hosts.iter().any(|known| known == host);
            Ok(Some(Offers { has_app, has_passkey: here, elsewhere: if here { Vec::new() } else { hosts } }))
        };
        self.access.0.db.read_tenant(&self.tenant, look).await
    }

    /// Asks whoever stands between the steps for one of their passkeys.
    pub(in crate::access) async fn ask_for_step(&self, token: &str, party: &RelyingParty) -> Result<Asked> {
        let hash = hash_of(token);
        let ask = async |tx: &TenantTx| {
            let waiting = store::find_step(tx, &hash).await?.ok_or_else(gone)?;
            passkeys::ask(tx, party, Purpose::SecondStep, waiting.staff).await
        };
        self.access.0.db.in_tenant(&self.tenant, ask).await
    }

    /// The second step. A wrong code is counted and written down before it is answered.
    pub(in crate::access) async fn take_step(
        &self,
        token: &str,
        typed: &str,
        old: Option<&TokenHash>,
    ) -> Result<Step> {
        let keys = self.access.0.keys.tenants.of(self.tenant.id()).await?;
        let (hash, origin) = (hash_of(token), self.origin.as_ref());
        let step = async |tx: &TenantTx| {
            let Some(waiting) = store::find_step(tx, &hash).await? else { return Ok(Step::Gone) };
            let person = (waiting.staff, waiting.name.as_str());
            match factor::check(tx, &keys, person, typed, origin).await? {
                Shown::Passed(passed) => self.finish_step(tx, &hash, &waiting, &passed, old).await,
                Shown::Wrong => Ok(Step::Wrong),
                Shown::TooSoon(wait) => Ok(Step::TooSoon(wait)),
            }
        };
        settled(self.access.0.db.in_tenant(&self.tenant, step).await)
    }

    /// The second step with a passkey. A refusal is written down before it is answered.
    pub(in crate::access) async fn take_step_by_passkey(
        &self,
        token: &str,
        party: &RelyingParty,
        answer: Answer<'_>,
        old: Option<&TokenHash>,
    ) -> Result<Step> {
        let (hash, origin) = (hash_of(token), self.origin.as_ref());
        let step = async |tx: &TenantTx| {
            let Some(waiting) = store::find_step(tx, &hash).await? else { return Ok(Step::Gone) };
            let whose = (Purpose::SecondStep, Some(waiting.staff));
            match passkeys::judge(tx, party, answer, whose, origin).await? {
                Judged::Passed(shown) => self.finish_step(tx, &hash, &waiting, &shown.passed, old).await,
                Judged::Refused(refusal) => Ok(Step::Refused(refusal)),
            }
        };
        settled(self.access.0.db.in_tenant(&self.tenant, step).await)
    }

    async fn finish_step(
        &self,
        tx: &TenantTx,
        hash: &TokenHash,
        waiting: &store::Waiting,
        passed: &factor::Passed,
        old: Option<&TokenHash>,
    ) -> Result<Step> {
        if !store::take_sign_in_step(tx, hash).await? {
            // Nothing of this is kept: neither the code nor the step counts as used.
            return Err(gone());
        }
        let origin = self.origin.as_ref();
        record_sign_in(tx, (waiting.staff, &waiting.name), origin, "portal", Some(passed)).await?;
        sessions::begin(tx, waiting.staff, origin, old).await.map(Step::Begun)
    }
}

/// Lets somebody whom an issuer vouched for wait for their second step; the answer is their cookie.
pub async fn wait_for_step(tx: &TenantTx, staff: StaffId) -> Result<String> {
    let token = random_token();
    store::insert_vouched_step(tx, &hash_of(&token), staff).await?;
    Ok(token)
}

fn settled(done: Result<Step>) -> Result<Step> {
    match done {
        Err(Error::Unauthenticated { code: "step_gone", .. }) => Ok(Step::Gone),
        done => done,
    }
}

fn gone() -> Error {
    Error::unauthenticated("step_gone", "This sign-in is over. Begin anew.")
}
