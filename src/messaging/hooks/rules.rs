//! What staff may do with calls.

use chrono::Utc;
use serde_json::json;

use super::{
    HEAR,
    model::{CallStatus, HookCall, Letter},
    store,
};
use crate::{
    access::By,
    audit::Event,
    db::TenantTx,
    error::{Error, Result},
    jobs,
    types::{AccountId, HookCallId, Limit},
};

/// One page of calls, newest first, and whether there are more.
pub async fn list(
    tx: &TenantTx,
    status: Option<CallStatus>,
    account: Option<AccountId>,
    before: Option<HookCallId>,
    limit: Limit,
) -> Result<(Vec<HookCall>, bool)> {
    let mut items = store::list(tx, status, account, before, limit.and_one()).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

pub async fn get(tx: &TenantTx, id: HookCallId) -> Result<(HookCall, Letter)> {
    store::find(tx, id).await?.ok_or(Error::not_found("hook call"))
}

/// Has a call read again. What it told before is known and counts once.
pub async fn replay(tx: &TenantTx, by: &By, id: HookCallId) -> Result<HookCall> {
    let (call, _) = get(tx, id).await?;
    store::replay(tx, id).await?;
    let label = call.label.clone().unwrap_or_default();
    by.record(
        tx,
        Event {
            action: "hook_call.replayed",
            object_type: "hook_call",
            object_id: Some(id.0),
            object_label: &label,
            before: Some(json!({ "status": call.status.as_str() })),
            after: Some(json!({ "status": CallStatus::Stored.as_str() })),
        },
    )
    .await?;
    jobs::call_at(tx, HEAR, Utc::now()).await?;
    Ok(HookCall { status: CallStatus::Stored, replays: call.replays + 1, detail: None, ..call })
}
