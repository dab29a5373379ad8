//! What people do with their own second factor, and what others may do with it. Each begins with the password again: an open
//! browser is not enough to take it away.

use uuid::Uuid;

use super::{
    factor::{COLUMN, TABLE},
    recovery, store,
    totp::{self, Enrolment, SECRET_BYTES},
};
use crate::{
    access::{
        by::By,
        gate::Access,
        passkeys,
        sessions::{about, end_stays},
        staff::Member,
        store as access_store,
    },
    audit::Event,
    db::TenantTx,
    error::{Error, Result},
    types::{SessionId, StaffId},
};

/// How far somebody is with their second factor.
pub enum State {
    Off,
    /// A secret is shown, and its first code waited for.
    Begun(Enrolment),
    On {
        codes_left: i64,
    },
}

/// One's own second factor.
pub struct Own {
    pub state: State,
    /// One of one's roles asks for it.
    pub is_required: bool,
    /// It is asked for again before a change; of who has none, another proof is.
    pub has_password: bool,
}

fn person(by: &By) -> Result<StaffId> {
    by.staff().ok_or(Error::not_found("person"))
}

fn not_on() -> Error {
    Error::conflict("mfa_off", "Two-step sign-in is not on.")
}

impl Access {
    pub(in crate::access) async fn own_mfa(&self, by: &By, email: &str) -> Result<Own> {
        let (staff, keys) = (person(by)?, self.0.keys.tenants.of(by.tenant.id()).await?);
        let look = async |tx: &TenantTx| {
            let is_required = store::is_required(tx, staff).await?;
            let has_password = access_store::has_password(tx, staff).await?;
            let state = match store::find_app(tx, staff).await? {
                None => State::Off,
                Some(app) if app.is_confirmed => {
                    State::On { codes_left: store::count_recovery_codes(tx, app.id).await? }
                }
                Some(app) => {
                    let secret = keys.open(TABLE, COLUMN, app.id, &app.sealed_secret)?;
                    State::Begun(totp::enrolment(&secret, &by.tenant.name, email)?)
                }
            };
            Ok(Own { state, is_required, has_password })
        };
        self.0.db.read_tenant(&by.tenant, look).await
    }

    /// Makes a secret, which counts when its first code was typed.
    pub(in crate::access) async fn begin_mfa(&self, by: &By, email: &str, password: &str) -> Result<()> {
        let staff = person(by)?;
        self.prove_for_change(by, email, password).await?;
        let keys = self.0.keys.tenants.of(by.tenant.id()).await?;
        let (id, secret) = (Uuid::now_v7(), rand::random::<[u8; SECRET_BYTES]>());
        let begin = async |tx: &TenantTx| {
            if store::has_app(tx, staff).await? {
                return Err(Error::conflict("mfa_on", "The app is set up already."));
            }
            store::delete_app(tx, staff).await?;
            store::insert_app(tx, id, staff, &keys.seal(TABLE, COLUMN, id, &secret)?).await?;
            by.record(tx, about(by, "staff.mfa_begun", None)).await
        };
        self.0.db.in_tenant(&by.tenant, begin).await
    }

    /// Turns it on with the first code. Every other stay, which began without it, ends. The answer is the recovery codes.
    pub(in crate::access) async fn confirm_mfa(
        &self,
        by: &By,
        session: SessionId,
        typed: &str,
    ) -> Result<Vec<String>> {
        let (staff, keys) = (person(by)?, self.0.keys.tenants.of(by.tenant.id()).await?);
        let codes = recovery::fresh();
        self.change(&by.tenant, async |tx| {
            let app = store::lock_app(tx, staff).await?.filter(|app| !app.is_confirmed);
            let app = app.ok_or_else(|| {
                Error::conflict("mfa_not_begun", "This secret is too old, or in use already. Begin anew.")
            })?;
            let secret = keys.open(TABLE, COLUMN, app.id, &app.sealed_secret)?;
            let now = chrono::Utc::now().timestamp();
            let step = totp::matching_step(&secret, typed, now, app.last_step).ok_or_else(|| {
                Error::invalid("code", "wrong_code", "This is not the app's code of this moment.")
            })?;
            store::take_step(tx, app.id, step).await?;
            store::put_recovery_codes(tx, app.id, &hashes(&secret, &codes)?).await?;
            end_stays(tx, staff, Some(session)).await?;
            by.record(tx, about(by, "staff.mfa_turned_on", None)).await
        })
        .await?;
        Ok(codes)
    }

    /// Turns one's own off, unless a role asks for it.
    pub(in crate::access) async fn turn_off_mfa(&self, by: &By, email: &str, password: &str) -> Result<()> {
        let staff = person(by)?;
        self.prove_for_change(by, email, password).await?;
        self.change(&by.tenant, async |tx| {
            if store::delete_app(tx, staff).await? == 0 {
                return Err(not_on());
            }
            keep_one(tx, staff).await?;
            by.record(tx, about(by, "staff.mfa_turned_off", None)).await
        })
        .await
    }

    /// New recovery codes; the old ones count no more.
    pub(in crate::access) async fn renew_recovery_codes(
        &self,
        by: &By,
        email: &str,
        password: &str,
    ) -> Result<Vec<String>> {
        let staff = person(by)?;
        self.prove_for_change(by, email, password).await?;
        let keys = self.0.keys.tenants.of(by.tenant.id()).await?;
        let codes = recovery::fresh();
        let renew = async |tx: &TenantTx| {
            let app = store::lock_app(tx, staff).await?.filter(|app| app.is_confirmed).ok_or_else(not_on)?;
            let secret = keys.open(TABLE, COLUMN, app.id, &app.sealed_secret)?;
            store::put_recovery_codes(tx, app.id, &hashes(&secret, &codes)?).await?;
            by.record(tx, about(by, "staff.recovery_codes_made", None)).await
        };
        self.0.db.in_tenant(&by.tenant, renew).await?;
        Ok(codes)
    }
}

fn hashes(secret: &[u8], codes: &[String]) -> Result<Vec<Vec<u8>>> {
    let each = codes.iter().map(|code| recovery::hash_of(secret, code));
    each.filter_map(Result::transpose).collect()
}

/// 409 when a role asks for a second factor and none is left. Part of the unit that took one away.
pub async fn keep_one(tx: &TenantTx, staff: StaffId) -> Result<()> {
    if store::is_required(tx, staff).await? && !store::has_usable(tx, staff).await? {
        return Err(Error::conflict(
            "mfa_required",
            "Your role asks for two-step sign-in. This is the last second step that you have.",
        ));
    }
    Ok(())
}

/// Takes a colleague's second factor away, who has lost it: they are signed out, and their password is enough until they set up
/// another. Passkeys go with it. The caller has made sure that the person is within reach.
pub async fn remove_of(tx: &TenantTx, by: &By, member: &Member) -> Result<()> {
    if by.staff() == Some(member.id) {
        return Err(Error::conflict("own_account", "Turn your own off on your account's page."));
    }
    let removed = store::delete_app(tx, member.id).await? + passkeys::delete_all(tx, member.id).await?;
    if removed == 0 {
        return Err(Error::conflict("mfa_off", "This person has no two-step sign-in."));
    }
    end_stays(tx, member.id, None).await?;
    let event = Event {
        action: "staff.mfa_removed",
        object_type: "staff",
        object_id: Some(member.id.0),
        object_label: &member.name,
        before: None,
        after: None,
    };
    by.record(tx, event).await
}
