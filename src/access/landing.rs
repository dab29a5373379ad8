//! Landing: a link that signs the owner of a new tenant in on its own host, once.
//!
//! The code stands in a URL, so it lives for minutes, counts once, is kept as a hash only, and is redeemed by a POST: a program
//! that looks at links ahead of a person does not use it up.

use super::{
    credentials::{TokenHash, hash_of},
    sessions::{self, Begun, random_token},
    sign_in::{AtDoor, record_sign_in},
    store,
};
use crate::{db::TenantTx, error::Result, types::StaffId};

const PURPOSE: &str = "landing";
const MINUTES: i32 = 5;

/// A code that signs this person in on the tenant's `/landing?code=`, once, within five minutes.
pub async fn issue_landing(tx: &TenantTx, staff: StaffId) -> Result<String> {
    let code = random_token();
    tx.execute(
        "INSERT INTO one_time_link (token_hash, purpose, staff_id, expires_at)
         VALUES ($1, $2, $3, now() + $4::integer * interval '1 minute')",
        &[&hash_of(&code).as_slice(), &PURPOSE, &staff, &MINUTES],
    )
    .await?;
    Ok(code)
}

impl AtDoor {
    /// Begins a stay for whom the code was made; None when it does not count (any more).
    pub(super) async fn land(&self, code: &str, old: Option<&TokenHash>) -> Result<Option<Begun>> {
        let hash = hash_of(code);
        let begun = self
            .access
            .0
            .db
            .in_tenant(&self.tenant, async |tx| {
                let Some((staff, name)) = store::redeem_landing(tx, &hash).await? else { return Ok(None) };
                let origin = self.origin.as_ref();
                let to = "portal, by the link after signing up";
                record_sign_in(tx, (staff, &name), origin, to, None).await?;
                sessions::begin(tx, staff, origin, old).await.map(Some)
            })
            .await?;
        if begun.as_ref().is_some_and(|begun| begun.replaced) {
            self.access.0.news.access_changed(self.tenant.id());
        }
        Ok(begun)
    }
}
