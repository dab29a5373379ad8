//! Light: what arrives at NAPs and in houses, what would, and from where somebody is best connected.

use std::collections::HashMap;

use rust_decimal::Decimal;

use super::unknown_in;
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    isp::plant::{
        budget::{Budget, LightPath, OltClass, Policy, budget},
        fibre::Stretch,
        model::check_output,
        paths::{NapPath, Trunk},
        store::{
            nearest::{self as near, Near},
            paths, policy as store, splitters,
        },
    },
    types::{Coordinates, InstallationId, Limit, NapId, SplitterId},
};

/// How this tenant counts light.
pub async fn policy(tx: &TenantTx) -> Result<Policy> {
    store::find(tx).await
}

/// Changes how light is counted.
pub async fn change_policy(tx: &TenantTx, by: &By, policy: &Policy) -> Result<()> {
    let (before, after) = changes(&store::find(tx).await?.told(), &policy.told());
    if after.is_none() {
        return Ok(());
    }
    store::update(tx, policy).await?;
    let told = Event {
        action: "plant_policy.updated",
        object_type: "plant_policy",
        object_id: None,
        object_label: "Optical budget",
        before,
        after,
    };
    by.record(tx, told).await
}

/// The light at a NAP's ports.
pub async fn light_of_nap(tx: &TenantTx, id: NapId) -> Result<Budget> {
    let path = paths::of_naps(tx, &[id]).await?.remove(&id).ok_or(Error::not_found("NAP"))?;
    Ok(budget(&path.light(), &policy(tx).await?))
}

/// The light at the ports of several NAPs.
pub async fn light_of_naps(tx: &TenantTx, ids: &[NapId]) -> Result<HashMap<NapId, Budget>> {
    let policy = policy(tx).await?;
    let found = paths::of_naps(tx, ids).await?;
    Ok(found.into_iter().map(|(id, path)| (id, budget(&path.light(), &policy))).collect())
}

/// The light in the house: the NAP's, less the drop. None when the installation hangs on no NAP.
pub async fn light_of_installation(tx: &TenantTx, id: InstallationId) -> Result<Option<Budget>> {
    let (nap, drop) = paths::drop_of(tx, id).await?.ok_or(Error::not_found("installation"))?;
    let Some(nap) = nap else { return Ok(None) };
    let path: NapPath = paths::of_naps(tx, &[nap]).await?.remove(&nap).ok_or(Error::not_found("NAP"))?;
    Ok(Some(budget(&path.light().and(drop), &policy(tx).await?)))
}

/// The light at each output of a splitter, in order, with the way to it.
pub async fn light_of_splitter(tx: &TenantTx, id: SplitterId, losses: &[Decimal]) -> Result<Vec<Budget>> {
    let trunk: Trunk = paths::of_splitter(tx, id, None).await?.ok_or(Error::not_found("splitter"))?;
    let policy = policy(tx).await?;
    let to_input = trunk.light();
    Ok(losses
        .iter()
        .map(|loss| {
            let mut light = to_input.clone();
            light.splits.push(*loss);
            budget(&light, &policy)
        })
        .collect())
}

/// A way that is not built yet: what there is, and what would come after it.
#[derive(Debug, Clone)]
pub struct WhatIf {
    /// Begins at a NAP's ports.
    pub nap: Option<NapId>,
    /// Begins at a splitter's output.
    pub output: Option<(SplitterId, i16)>,
    /// Other optics than those that are there.
    pub class: Option<OltClass>,
    pub tx_dbm: Option<Decimal>,
    /// What further splitters lose.
    pub splits: Vec<Decimal>,
    pub stretch: Stretch,
}

/// The light at the end of a way that is not built yet.
pub async fn light_what_if(tx: &TenantTx, asked: WhatIf) -> Result<Budget> {
    let mut light = match (asked.nap, asked.output) {
        (Some(id), _) => {
            let path = paths::of_naps(tx, &[id]).await?.remove(&id);
            path.ok_or_else(|| unknown_in("nap_id", "NAP"))?.light()
        }
        (None, Some((id, output))) => {
            let parent = splitters::find(tx, id).await?;
            let parent = parent.ok_or_else(|| unknown_in("splitter_id", "splitter"))?;
            check_output("splitter_output", &parent.splitter.draft, output)?;
            let trunk = paths::of_splitter(tx, id, Some(output)).await?;
            trunk.ok_or_else(|| unknown_in("splitter_id", "splitter"))?.light()
        }
        (None, None) => LightPath {
            class: OltClass::BPlus,
            tx_dbm: Decimal::from(3),
            stretches: Vec::new(),
            splits: Vec::new(),
        },
    };
    light.class = asked.class.unwrap_or(light.class);
    light.tx_dbm = asked.tx_dbm.unwrap_or(light.tx_dbm);
    light.splits.extend(asked.splits);
    Ok(budget(&light.and(asked.stretch), &policy(tx).await?))
}

/// The NAPs with a free port that are nearest to a place, with the light that a straight drop would bring there.
pub async fn nearest(
    tx: &TenantTx,
    place: Coordinates,
    limit: Limit,
) -> Result<Vec<(Near, NapPath, Budget)>> {
    let found = near::nearest(tx, place, limit).await?;
    let ids: Vec<NapId> = found.iter().map(|near| near.id).collect();
    let mut ways = paths::of_naps(tx, &ids).await?;
    let policy = policy(tx).await?;
    Ok(found
        .into_iter()
        .filter_map(|near| {
            let path = ways.remove(&near.id)?;
            let drop = Stretch { fibre_m: near.drop_m(), connectors: None, splices: None };
            let light = budget(&path.light().and(drop), &policy);
            Some((near, path, light))
        })
        .collect())
}
