//! Nodes of any kind: what they are called, and what is below them.

use std::collections::HashMap;

use crate::{
    db::TenantTx,
    error::{Error, Result},
    isp::plant::{
        node::Node,
        paths::{NapPath, NodePath},
        store::{lcps, paths},
    },
    types::NapId,
};

/// The ways to NAPs, from their LCPs down. Unknown ones are left out.
pub async fn labels(tx: &TenantTx, ids: &[NapId]) -> Result<HashMap<NapId, NapPath>> {
    paths::of_naps(tx, ids).await
}

/// The way to a node; 404 when it is not here.
pub async fn node_path(tx: &TenantTx, node: Node) -> Result<NodePath> {
    match node {
        Node::Lcp(id) => {
            let lcp = lcps::find(tx, id).await?.ok_or(Error::not_found("LCP"))?;
            Ok(NodePath::of_lcp(id, lcp.lcp.draft.code))
        }
        Node::Splitter(id) => {
            let trunk = paths::of_splitter(tx, id, None).await?.ok_or(Error::not_found("splitter"))?;
            Ok(NodePath::of_splitter(id, &trunk))
        }
        Node::Nap(id) => {
            let path = labels(tx, &[id]).await?.remove(&id).ok_or(Error::not_found("NAP"))?;
            Ok(NodePath::from(&path))
        }
    }
}
