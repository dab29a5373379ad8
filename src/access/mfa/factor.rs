//! Whether what somebody typed is their second factor. Counted like a password: those who guess wait longer and longer.

use chrono::Utc;
use serde_json::json;

use super::{recovery, store, totp};
use crate::{
    access::lockout::{self, Attempt, Charge},
    audit::{self, Actor, Event},
    db::TenantTx,
    error::{Error, Result},
    secrets::DataKeys,
    types::StaffId,
    web::Origin,
};

pub(super) const TABLE: &str = "totp";
pub(super) const COLUMN: &str = "sealed_secret";

/// Proof that somebody showed their second factor in this unit of work. Made by [`check`], and where a passkey was judged.
#[derive(Debug, Clone)]
pub struct Passed {
    by: &'static str,
    codes_left: Option<i64>,
}

impl Passed {
    /// A passkey was shown. The device has made sure of the person, so that it is both steps.
    pub(in crate::access) fn by_passkey() -> Self {
        Self { by: "passkey", codes_left: None }
    }

    /// As the trail says it.
    pub fn told(&self) -> serde_json::Value {
        match self.codes_left {
            Some(left) => json!({"by": self.by, "codes_left": left}),
            None => json!({"by": self.by}),
        }
    }
}

/// How showing a second factor went. Whatever it was is to be committed: a refusal is remembered.
pub enum Shown {
    Passed(Passed),
    Wrong,
    TooSoon(std::time::Duration),
}

/// Checks what was typed: the app's code, or a recovery code. Neither counts twice. The attempts of a person are counted apart
/// from those at their password, so that a right or a new password does not make room for more of them.
pub async fn check(
    tx: &TenantTx,
    keys: &DataKeys,
    (staff, name): (StaffId, &str),
    typed: &str,
    origin: Option<&Origin>,
) -> Result<Shown> {
    let address = origin.map(|origin| origin.address);
    let charge = match lockout::charge(tx, Some(&format!("second-step:{staff}")), address).await? {
        Attempt::Counted(charge) => charge,
        Attempt::TooSoon(wait) => return Ok(Shown::TooSoon(wait)),
    };
    match judge(tx, keys, staff, typed).await? {
        Some(passed) => {
            lockout::forgive(tx, &charge).await?;
            Ok(Shown::Passed(passed))
        }
        None => {
            remember(tx, staff, name, origin, &charge).await?;
            Ok(Shown::Wrong)
        }
    }
}

async fn judge(tx: &TenantTx, keys: &DataKeys, staff: StaffId, typed: &str) -> Result<Option<Passed>> {
    let Some(app) = store::lock_app(tx, staff).await?.filter(|app| app.is_confirmed) else { return Ok(None) };
    let secret = keys.open(TABLE, COLUMN, app.id, &app.sealed_secret)?;
    if let Some(step) = totp::matching_step(&secret, typed, Utc::now().timestamp(), app.last_step) {
        store::take_step(tx, app.id, step).await?;
        return Ok(Some(Passed { by: "totp", codes_left: None }));
    }
    let Some(hash) = recovery::hash_of(&secret, typed)? else { return Ok(None) };
    if !store::use_recovery_code(tx, app.id, &hash).await? {
        return Ok(None);
    }
    let left = store::count_recovery_codes(tx, app.id).await?;
    Ok(Some(Passed { by: "recovery_code", codes_left: Some(left) }))
}

async fn remember(
    tx: &TenantTx,
    staff: StaffId,
    name: &str,
    origin: Option<&Origin>,
    charge: &Charge,
) -> Result<()> {
    let slowed =
        (charge.wait_seconds > 0).then(|| json!({"next_attempt_after_seconds": charge.wait_seconds}));
    let event = Event {
        action: "staff.second_step_refused",
        object_type: "staff",
        object_id: Some(staff.0),
        object_label: name,
        before: None,
        after: slowed,
    };
    audit::record(tx, &Actor::anonymous(name), origin, event).await
}

/// The answer to a program that has shown the password alone.
pub fn missing() -> Error {
    Error::unauthenticated(
        "mfa_required",
        "This account signs in with a second step: send the app's code, or a recovery code, as otp. With passkeys alone, only a browser signs in.",
    )
}

/// The answer to a wrong code.
pub fn wrong() -> Error {
    Error::unauthenticated("bad_otp", "This code is wrong, too old, or was used before.")
}

/// The answer to those who try too often.
pub fn too_soon(wait: std::time::Duration) -> Error {
    Error::too_many(wait, "Too many wrong codes. Wait a little before the next one.")
}
