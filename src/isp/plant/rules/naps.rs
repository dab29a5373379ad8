//! NAPs.

use serde_json::{Value, json};

use super::{event, refuse_in_use, unknown_in};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    isp::plant::{
        model::{Nap, NapDraft, check_output},
        store::{
            naps::{self, CountedNap},
            ports, splitters,
        },
    },
    types::{NapId, SplitterId},
    words::say,
};

const OBJECT: &str = "nap";

pub async fn get_nap(tx: &TenantTx, id: NapId) -> Result<CountedNap> {
    naps::find(tx, id).await?.ok_or(Error::not_found("NAP"))
}

async fn hold(tx: &TenantTx, id: NapId) -> Result<Nap> {
    naps::lock(tx, id).await?.ok_or(Error::not_found("NAP"))
}

/// Refuses a splitter that is not here and an output that it does not have.
async fn check_place(tx: &TenantTx, (splitter, output): (SplitterId, i16)) -> Result<()> {
    let found = splitters::find(tx, splitter).await?.ok_or_else(|| unknown_in("splitter_id", "splitter"))?;
    check_output("splitter_output", &found.splitter.draft, output)
}

fn told(draft: &NapDraft, (splitter, output): (SplitterId, i16)) -> Value {
    let mut told = draft.told();
    if let Value::Object(members) = &mut told {
        members.insert("splitter_id".into(), json!(splitter));
        members.insert("splitter_output".into(), json!(output));
    }
    told
}

/// Adds a NAP to an output of a splitter. Several may share one.
pub async fn create_nap(tx: &TenantTx, by: &By, place: (SplitterId, i16), draft: &NapDraft) -> Result<NapId> {
    check_place(tx, place).await?;
    let id = NapId::new();
    naps::insert(tx, id, place, draft).await?;
    let after = Some(told(draft, place));
    by.record(tx, Event { after, ..event("nap.created", OBJECT, id.0, &draft.code) }).await?;
    Ok(id)
}

/// Changes a NAP where it hangs; what stays the same is not written. It cannot get smaller than its highest used port.
pub async fn change_nap(
    tx: &TenantTx,
    by: &By,
    id: NapId,
    wanted: impl FnOnce(&NapDraft) -> Result<NapDraft>,
) -> Result<()> {
    let was = hold(tx, id).await?.draft;
    let draft = wanted(&was)?;
    let (before, after) = changes(&was.told(), &draft.told());
    if after.is_none() {
        return Ok(());
    }
    if draft.port_capacity < was.port_capacity {
        let used = ports::highest_used(tx, id).await?;
        if used > draft.port_capacity {
            let detail = say!("Port {} is in use: {} needs at least as many ports.", used, was.code);
            return Err(Error::conflict("in_use", detail));
        }
    }
    naps::update(tx, id, &draft).await?;
    by.record(tx, Event { before, after, ..event("nap.updated", OBJECT, id.0, &draft.code) }).await
}

/// Hangs a NAP, with everybody on it, on another output.
pub async fn move_nap(tx: &TenantTx, by: &By, id: NapId, place: (SplitterId, i16)) -> Result<()> {
    let nap = hold(tx, id).await?;
    let was = (nap.splitter_id, nap.splitter_output);
    if was == place {
        return Ok(());
    }
    check_place(tx, place).await?;
    naps::rehang(tx, id, place).await?;
    let shown = |(splitter, output)| Some(json!({ "splitter_id": splitter, "splitter_output": output }));
    let moved = event("nap.moved", OBJECT, id.0, &nap.draft.code);
    by.record(tx, Event { before: shown(was), after: shown(place), ..moved }).await
}

/// Deletes a NAP that nobody is on; answers the splitter it hung on and its code.
pub async fn delete_nap(tx: &TenantTx, by: &By, id: NapId) -> Result<(SplitterId, String)> {
    let nap = hold(tx, id).await?;
    refuse_in_use(&nap.draft.code, naps::burden(tx, None, None, Some(id)).await?)?;
    naps::delete(tx, id).await?;
    let before = Some(told(&nap.draft, (nap.splitter_id, nap.splitter_output)));
    by.record(tx, Event { before, ..event("nap.deleted", OBJECT, id.0, &nap.draft.code) }).await?;
    Ok((nap.splitter_id, nap.draft.code))
}
