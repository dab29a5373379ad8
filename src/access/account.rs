//! What people do with their own account: show once more that it is them, change their password.

use secrecy::ExposeSecret;

use super::{
    by::By,
    credentials::hash_of,
    gate::Access,
    links::forget_links,
    lockout,
    passwords::{check_password, hash_password},
    sessions::{about, end_stays, random_token},
    sign_in::{AtDoor, Proven},
    store,
};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    types::SessionId,
};

fn not_the_current() -> Error {
    Error::invalid("current_password", "wrong_password", "This is not your current password.")
}

impl Access {
    /// Asks for the caller's password once more, before what an open browser is not enough for.
    pub(super) async fn prove_self(&self, by: &By, email: &str, current: &str) -> Result<Proven> {
        // A form that was sent empty is no guess.
        if current.is_empty() {
            return Err(not_the_current());
        }
        let door = AtDoor { tenant: by.tenant.clone(), access: self.clone(), origin: by.origin.clone() };
        let proven = match door.prove(email, current).await {
            Err(Error::Unauthenticated { .. }) => return Err(not_the_current()),
            proven => proven?,
        };
        if Some(proven.staff) != by.staff() {
            return Err(not_the_current());
        }
        let forgive = async |tx: &TenantTx| lockout::forgive(tx, &proven.charge).await;
        self.0.db.in_tenant(&by.tenant, forgive).await?;
        Ok(proven)
    }

    /// The password once more, or, of somebody who has none, a proof of the last quarter of an hour.
    pub(super) async fn prove_for_change(&self, by: &By, email: &str, current: &str) -> Result<()> {
        let staff = by.staff().ok_or(Error::not_found("person"))?;
        let look = async |tx: &TenantTx| store::has_password(tx, staff).await;
        if self.0.db.read_tenant(&by.tenant, look).await? {
            return self.prove_self(by, email, current).await.map(drop);
        }
        by.must_have_proved()
    }

    /// Changes one's own password, for which the current one is asked. Every other stay ends, and this one goes on under a new
    /// cookie, whose value is the answer.
    pub(super) async fn change_own_password(
        &self,
        by: &By,
        session: SessionId,
        email: &str,
        (current, new): (&str, &str),
    ) -> Result<String> {
        let staff = by.staff().ok_or(Error::not_found("person"))?;
        let known_of_them = [email, &by.actor.label, &by.tenant.name, by.tenant.slug.as_str()];
        check_password(new, &known_of_them)
            .map_err(|wrong| Error::Invalid(vec![wrong.at("new_password")]))?;
        if new == current {
            return Err(Error::invalid("new_password", "unchanged", "This is the password that you have."));
        }
        let proven = self.prove_self(by, email, current).await?;
        let new_hash = hash_password(new).await?;
        let token = random_token();
        self.change(&by.tenant, async |tx| {
            if !store::set_own_password(tx, staff, proven.seen_hash.expose_secret(), &new_hash).await? {
                return Err(not_the_current());
            }
            end_stays(tx, staff, Some(session)).await?;
            forget_links(tx, staff).await?;
            store::rotate_session(tx, session, &hash_of(&token)).await?;
            by.record(tx, about(by, "staff.password_changed", None)).await
        })
        .await?;
        Ok(token)
    }
}
