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
        sessions::{self, Begun, random_token},
        sign_in::{AtDoor, Proven, admit, record_sign_in, refused},
    },
    error::{Error, Result},
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
    /// Too late, or the password is another one by now: they begin anew.
    Gone,
}

impl AtDoor {
    /// Begins a stay for somebody whose password was right, or the second step when they have one.
    pub(in crate::access) async fn enter(&self, proven: &Proven, old: Option<&TokenHash>) -> Result<Entered> {
        let enter = async |tx: &crate::db::TenantTx| {
            let origin = self.origin.as_ref();
            if !store::is_on(tx, proven.staff).await? {
                admit(tx, proven, None, origin, "portal").await?;
                return sessions::begin(tx, proven.staff, origin, old).await.map(Entered::Begun);
            }
            let token = random_token();
            if !store::insert_step(tx, &hash_of(&token), proven.staff, proven.hashes()).await? {
                return Err(refused());
            }
            lockout::forgive(tx, &proven.charge).await?;
            Ok(Entered::SecondStep(token))
        };
        self.access.0.db.in_tenant(&self.tenant, enter).await
    }

    /// Whether this browser stands between the two steps.
    pub(in crate::access) async fn is_waiting(&self, token: &str) -> Result<bool> {
        let hash = hash_of(token);
        let found = self.access.0.db.read_tenant(&self.tenant, async |tx| store::find_step(tx, &hash).await);
        Ok(found.await?.is_some())
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
        let step = async |tx: &crate::db::TenantTx| {
            let Some(waiting) = store::find_step(tx, &hash).await? else { return Ok(Step::Gone) };
            let person = (waiting.staff, waiting.name.as_str());
            let passed = match factor::check(tx, &keys, person, typed, origin).await? {
                Shown::Passed(passed) => passed,
                Shown::Wrong => return Ok(Step::Wrong),
                Shown::TooSoon(wait) => return Ok(Step::TooSoon(wait)),
            };
            if !store::take_sign_in_step(tx, &hash).await? {
                // Nothing of this is kept: neither the code nor the step counts as used.
                return Err(Error::unauthenticated("step_gone", "This sign-in is over. Begin anew."));
            }
            record_sign_in(tx, person, origin, "portal", Some(&passed)).await?;
            sessions::begin(tx, waiting.staff, origin, old).await.map(Step::Begun)
        };
        match self.access.0.db.in_tenant(&self.tenant, step).await {
            Err(Error::Unauthenticated { code: "step_gone", .. }) => Ok(Step::Gone),
            done => done,
        }
    }
}
