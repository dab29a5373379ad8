//! Splitters. Every change holds the LCP, or both when a branch goes from one to another, so that two people never bend one tree
//! at once.

use serde_json::{Value, json};

use super::{event, refuse_in_use, unknown_in};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    isp::plant::{
        model::{Hang, Splitter, SplitterDraft, check_output, moved},
        store::{
            lcps, naps,
            splitters::{self, CountedSplitter, Spot},
        },
    },
    types::{LcpId, SplitterId},
    words::say,
};

const OBJECT: &str = "splitter";

pub async fn get_splitter(tx: &TenantTx, id: SplitterId) -> Result<CountedSplitter> {
    splitters::find(tx, id).await?.ok_or(Error::not_found("splitter"))
}

/// The LCP that a place in the tree belongs to, before anything is held.
async fn lcp_of(tx: &TenantTx, hang: Hang) -> Result<LcpId> {
    match hang {
        Hang::Lcp { lcp_id } => Ok(lcp_id),
        Hang::Output { parent_id, .. } => {
            let parent = splitters::find(tx, parent_id).await?;
            parent.map(|parent| parent.splitter.lcp_id).ok_or_else(|| unknown_in("parent_id", "splitter"))
        }
    }
}

/// A place in a tree that is held: which LCP it is in, and below what.
async fn spot_of(tx: &TenantTx, held: &[LcpId], hang: Hang) -> Result<(Spot, Option<(SplitterId, i16)>)> {
    let (lcp, onto) = match hang {
        Hang::Lcp { lcp_id } => (lcp_id, None),
        Hang::Output { parent_id, parent_output } => {
            let parent = splitters::find(tx, parent_id).await?;
            let parent = parent.ok_or_else(|| unknown_in("parent_id", "splitter"))?.splitter;
            check_output("parent_output", &parent.draft, parent_output)?;
            (parent.lcp_id, Some((parent_id, parent.depth)))
        }
    };
    if !held.contains(&lcp) {
        return Err(moved_meanwhile());
    }
    Ok((Spot { lcp, hang, depth: onto.map_or(0, |(_, depth)| depth) + 1 }, onto))
}

/// Somebody hung it below another LCP between our look and our hold.
fn moved_meanwhile() -> Error {
    Error::conflict("moved_meanwhile", "Somebody moved this meanwhile. Look again, and try once more.")
}

/// Holds LCPs; the field that named one that is not here is told.
async fn hold(tx: &TenantTx, wanted: &[LcpId]) -> Result<Vec<LcpId>> {
    let held: Vec<LcpId> = lcps::lock(tx, wanted).await?.iter().map(|lcp| lcp.id).collect();
    if wanted.iter().all(|id| held.contains(id)) { Ok(held) } else { Err(unknown_in("lcp_id", "LCP")) }
}

fn told(draft: &SplitterDraft, hang: Hang) -> Value {
    let mut told = draft.told();
    if let Value::Object(members) = &mut told {
        members.insert("hangs_on".into(), json!(hang));
    }
    told
}

fn hang_of(splitter: &Splitter) -> Hang {
    match splitter.parent {
        Some((parent_id, parent_output)) => Hang::Output { parent_id, parent_output },
        None => Hang::Lcp { lcp_id: splitter.lcp_id },
    }
}

/// Adds a splitter.
pub async fn create_splitter(
    tx: &TenantTx,
    by: &By,
    hang: Hang,
    draft: &SplitterDraft,
) -> Result<SplitterId> {
    let held = hold(tx, &[lcp_of(tx, hang).await?]).await?;
    let (spot, onto) = spot_of(tx, &held, hang).await?;
    let id = SplitterId::new();
    moved(&[(id, 1)], onto).map_err(|wrong| Error::Invalid(vec![wrong.at("parent_id")]))?;
    splitters::insert(tx, id, &spot, draft).await?;
    let after = Some(told(draft, hang));
    by.record(tx, Event { after, ..event("splitter.created", OBJECT, id.0, &draft.code) }).await?;
    Ok(id)
}

/// The splitter with its LCP held.
async fn held_splitter(
    tx: &TenantTx,
    id: SplitterId,
    beside: Option<LcpId>,
) -> Result<(Splitter, Vec<LcpId>)> {
    let seen = get_splitter(tx, id).await?.splitter.lcp_id;
    let mut wanted = vec![seen];
    wanted.extend(beside);
    let held = hold(tx, &wanted).await?;
    let splitter = get_splitter(tx, id).await?.splitter;
    if splitter.lcp_id == seen { Ok((splitter, held)) } else { Err(moved_meanwhile()) }
}

/// Changes a splitter where it hangs; what stays the same is not written. Outputs that something hangs on cannot go.
pub async fn change_splitter(
    tx: &TenantTx,
    by: &By,
    id: SplitterId,
    wanted: impl FnOnce(&SplitterDraft) -> Result<SplitterDraft>,
) -> Result<()> {
    let (splitter, _) = held_splitter(tx, id, None).await?;
    let was = splitter.draft;
    let draft = wanted(&was)?;
    let (before, after) = changes(&was.told(), &draft.told());
    if after.is_none() {
        return Ok(());
    }
    if draft.outputs() < was.outputs() {
        let used = splitters::highest_used(tx, id).await?;
        if used > draft.outputs() {
            let detail = say!(
                "Splitter port {} is in use, and {} has {}.",
                used,
                draft.kind.as_str(),
                draft.outputs()
            );
            return Err(Error::conflict("in_use", detail));
        }
    }
    splitters::update(tx, id, &draft).await?;
    by.record(tx, Event { before, after, ..event("splitter.updated", OBJECT, id.0, &draft.code) }).await
}

/// Hangs a splitter, with everything below it, on another output or on an LCP.
pub async fn move_splitter(tx: &TenantTx, by: &By, id: SplitterId, hang: Hang) -> Result<()> {
    let target = lcp_of(tx, hang).await?;
    let (splitter, held) = held_splitter(tx, id, Some(target)).await?;
    let was = hang_of(&splitter);
    if was == hang {
        return Ok(());
    }
    let (spot, onto) = spot_of(tx, &held, hang).await?;
    let branch = splitters::branch(tx, id).await?;
    moved(&branch, onto).map_err(|wrong| Error::Invalid(vec![wrong.at("parent_id")]))?;
    let ids: Vec<SplitterId> = branch.iter().map(|(id, _)| *id).collect();
    splitters::rehang(tx, &splitter, &ids, &spot).await?;
    let (before, after) = (Some(json!({ "hangs_on": was })), Some(json!({ "hangs_on": hang })));
    by.record(tx, Event { before, after, ..event("splitter.moved", OBJECT, id.0, &splitter.draft.code) })
        .await
}

/// Deletes a splitter that nothing hangs on; answers where it hung and its code.
pub async fn delete_splitter(tx: &TenantTx, by: &By, id: SplitterId) -> Result<(LcpId, String)> {
    let (splitter, _) = held_splitter(tx, id, None).await?;
    let code = &splitter.draft.code;
    refuse_in_use(code, naps::burden(tx, None, Some(id), None).await?)?;
    splitters::delete(tx, &splitter).await?;
    let before = Some(told(&splitter.draft, hang_of(&splitter)));
    by.record(tx, Event { before, ..event("splitter.deleted", OBJECT, id.0, code) }).await?;
    Ok((splitter.lcp_id, splitter.draft.code))
}
