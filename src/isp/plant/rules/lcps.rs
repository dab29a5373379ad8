//! LCPs.

use super::{check_area, event, refuse_in_use};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    isp::plant::{
        model::{Lcp, LcpDraft},
        store::{
            lcps::{self, CountedLcp},
            naps,
        },
    },
    types::LcpId,
};

const OBJECT: &str = "lcp";

pub async fn get_lcp(tx: &TenantTx, id: LcpId) -> Result<CountedLcp> {
    lcps::find(tx, id).await?.ok_or(Error::not_found("LCP"))
}

async fn hold(tx: &TenantTx, id: LcpId) -> Result<Lcp> {
    lcps::lock(tx, &[id]).await?.pop().ok_or(Error::not_found("LCP"))
}

/// Adds an LCP.
pub async fn create_lcp(tx: &TenantTx, by: &By, draft: &LcpDraft) -> Result<LcpId> {
    check_area(tx, draft.area_id, None).await?;
    let id = LcpId::new();
    lcps::insert(tx, id, draft).await?;
    let told = Event { after: Some(draft.told()), ..event("lcp.created", OBJECT, id.0, &draft.code) };
    by.record(tx, told).await?;
    Ok(id)
}

/// Changes an LCP; what stays the same is not written.
pub async fn change_lcp(
    tx: &TenantTx,
    by: &By,
    id: LcpId,
    wanted: impl FnOnce(&LcpDraft) -> Result<LcpDraft>,
) -> Result<()> {
    let was = hold(tx, id).await?.draft;
    let draft = wanted(&was)?;
    check_area(tx, draft.area_id, was.area_id).await?;
    let (before, after) = changes(&was.told(), &draft.told());
    if after.is_none() {
        return Ok(());
    }
    lcps::update(tx, id, &draft).await?;
    by.record(tx, Event { before, after, ..event("lcp.updated", OBJECT, id.0, &draft.code) }).await
}

/// Deletes an LCP that nothing hangs on; answers its code.
pub async fn delete_lcp(tx: &TenantTx, by: &By, id: LcpId) -> Result<String> {
    let was = hold(tx, id).await?.draft;
    refuse_in_use(&was.code, naps::burden(tx, Some(id), None, None).await?)?;
    lcps::delete(tx, id).await?;
    let told = Event { before: Some(was.told()), ..event("lcp.deleted", OBJECT, id.0, &was.code) };
    by.record(tx, told).await?;
    Ok(was.code)
}
