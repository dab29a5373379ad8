//! A browser's stay in the portal: begun by signing in, ended by signing out, by time, or by whoever may end it.

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use uuid::Uuid;

use super::{
    by::By,
    credentials::{TokenHash, hash_of},
    gate::Access,
    profile::person,
    store::{self, SESSION_MAX_SECONDS},
};
use crate::{
    audit::Event,
    db::TenantTx,
    error::{Error, Result},
    types::{SessionId, StaffId},
    web::Origin,
};

/// The cookie's name, before what `Access::cookie_name` puts in front of it.
pub(super) const COOKIE: &str = "session";

/// 256 random bits, as text.
pub fn random_token() -> String {
    BASE64URL_NOPAD.encode(&rand::random::<[u8; 32]>())
}

/// A stay, as its person sees it.
pub struct Stay {
    pub id: SessionId,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

/// A stay that has just begun.
pub(super) struct Begun {
    /// The cookie's value; only its hash is kept.
    pub token: String,
    /// The browser had another one, which is over now.
    pub replaced: bool,
}

/// Begins a stay under a fresh token and ends the one that this browser had: a token that was there before is never taken over.
pub(super) async fn begin(
    tx: &TenantTx,
    staff: StaffId,
    origin: Option<&Origin>,
    old: Option<&TokenHash>,
) -> Result<Begun> {
    let replaced = match old {
        Some(old) => store::delete_session_by_hash(tx, old).await? > 0,
        None => false,
    };
    store::sweep_sessions(tx).await?;
    let token = random_token();
    store::insert_session(tx, &hash_of(&token), staff, origin).await?;
    if replaced {
        store::tell_access_changed(tx).await?;
    }
    Ok(Begun { token, replaced })
}

/// Ends every stay of a person, in browsers and by API, but the one named. To be called inside `Access::change`.
pub async fn end_stays(tx: &TenantTx, staff: StaffId, except: Option<SessionId>) -> Result<u64> {
    end_all_but(tx, staff, (except, None)).await
}

/// The same with the stay that goes on in a browser, or by API.
async fn end_all_but(
    tx: &TenantTx,
    staff: StaffId,
    (browser, sign_in): (Option<SessionId>, Option<Uuid>),
) -> Result<u64> {
    Ok(store::delete_sessions(tx, staff, browser).await? + store::end_families(tx, staff, sign_in).await?)
}

impl Access {
    /// The cookie of a stay.
    pub(super) fn session_cookie(&self, token: &str) -> poem::web::cookie::Cookie {
        let mut cookie = self.cookie(COOKIE, token);
        cookie.set_max_age(std::time::Duration::from_secs(SESSION_MAX_SECONDS));
        cookie
    }

    /// Takes the cookie away from the browser.
    pub(super) fn forget_session(&self, response: &mut poem::Response) {
        let mut cookie = self.cookie(COOKIE, "");
        cookie.set_max_age(std::time::Duration::ZERO);
        self.set_cookie(response, &cookie);
    }

    /// Signs the caller's own browser out.
    pub(super) async fn sign_out(&self, by: &By, session: SessionId) -> Result<()> {
        self.change(&by.tenant, async |tx| {
            let Some(staff) = by.staff() else { return Ok(()) };
            store::delete_session(tx, staff, session).await?;
            by.record(tx, about(by, "staff.signed_out", Some(json!({"to": "portal"})))).await
        })
        .await
    }

    /// Where the caller is signed in by a browser, the one seen last first, at most fifty. 403 for a program.
    pub(super) async fn own_sessions(&self, by: &By) -> Result<Vec<Stay>> {
        let staff = person(by)?;
        self.0.db.read_tenant(&by.tenant, async |tx| store::list_sessions(tx, staff).await).await
    }

    /// Ends another stay of the caller's own.
    pub(super) async fn end_own_session(&self, by: &By, session: SessionId) -> Result<()> {
        let staff = person(by)?;
        self.change(&by.tenant, async |tx| {
            if store::delete_session(tx, staff, session).await? == 0 {
                return Err(Error::not_found("session"));
            }
            by.record(tx, about(by, "staff.session_ended", None)).await
        })
        .await
    }

    /// Ends every other stay of the caller's own, in browsers and by API: all but `session`, where a browser asks, and but the sign-in
    /// of the access token, where a program of theirs does.
    pub(super) async fn end_other_sessions(&self, by: &By, session: Option<SessionId>) -> Result<()> {
        let staff = person(by)?;
        self.change(&by.tenant, async |tx| {
            let ended = end_all_but(tx, staff, (session, by.sign_in)).await?;
            by.record(tx, about(by, "staff.sessions_ended", Some(json!({"ended": ended})))).await
        })
        .await
    }
}

/// An event about the caller.
pub(super) fn about<'a>(by: &'a By, action: &'static str, after: Option<serde_json::Value>) -> Event<'a> {
    Event {
        action,
        object_type: "staff",
        object_id: by.staff().map(|staff| staff.0),
        object_label: &by.actor.label,
        before: None,
        after,
    }
}
