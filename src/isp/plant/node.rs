//! A node of the plant: what splitters, tickets and outages are about.

use uuid::Uuid;

use crate::{
    db::TenantTx,
    error::Result,
    types::{LcpId, NapId, SplitterId, Wrong},
    web::choices::choices,
};

choices! {
    /// The kinds of plant nodes.
    NodeKind is "NodeKind":
    Lcp = "lcp", "LCP";
    Splitter = "splitter", "Splitter";
    Nap = "nap", "NAP";
}

/// A cabinet, a splitter or a box at the street.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    Lcp(LcpId),
    Splitter(SplitterId),
    Nap(NapId),
}

impl Node {
    pub fn new(kind: NodeKind, id: Uuid) -> Self {
        match kind {
            NodeKind::Lcp => Self::Lcp(LcpId(id)),
            NodeKind::Splitter => Self::Splitter(SplitterId(id)),
            NodeKind::Nap => Self::Nap(NapId(id)),
        }
    }

    /// A kind and an id as they were typed; none when both are empty.
    pub fn parse(kind: &str, id: &str) -> Result<Option<Self>, Wrong> {
        if kind.is_empty() && id.is_empty() {
            return Ok(None);
        }
        let kind = NodeKind::parse(kind)?;
        let id = id.parse().map_err(|_no_id| Wrong::new("unknown", "There is no such node."))?;
        Ok(Some(Self::new(kind, id)))
    }

    /// The one that is set of three columns.
    pub fn of_columns(lcp: Option<LcpId>, splitter: Option<SplitterId>, nap: Option<NapId>) -> Option<Self> {
        nap.map(Self::Nap).or(splitter.map(Self::Splitter)).or(lcp.map(Self::Lcp))
    }

    pub fn kind(self) -> NodeKind {
        match self {
            Self::Lcp(_) => NodeKind::Lcp,
            Self::Splitter(_) => NodeKind::Splitter,
            Self::Nap(_) => NodeKind::Nap,
        }
    }

    pub fn id(self) -> Uuid {
        match self {
            Self::Lcp(id) => id.0,
            Self::Splitter(id) => id.0,
            Self::Nap(id) => id.0,
        }
    }

    /// Its page in the portal.
    pub fn href(self) -> String {
        format!("/plant/{}s/{}", self.kind().as_str(), self.id())
    }

    pub fn lcp(self) -> Option<LcpId> {
        if let Self::Lcp(id) = self { Some(id) } else { None }
    }

    pub fn splitter(self) -> Option<SplitterId> {
        if let Self::Splitter(id) = self { Some(id) } else { None }
    }

    pub fn nap(self) -> Option<NapId> {
        if let Self::Nap(id) = self { Some(id) } else { None }
    }
}

/// What staff call a node, such as `NAP-003`; none when there is no such node.
pub async fn find_label(tx: &TenantTx, node: Node) -> Result<Option<String>> {
    let row = tx
        .query_opt(
            "SELECT code FROM lcp WHERE id = $1 UNION ALL \
             SELECT l.code || ' · ' || s.code FROM splitter s JOIN lcp l ON l.id = s.lcp_id WHERE s.id = $2 UNION ALL \
             SELECT code FROM nap WHERE id = $3",
            &[&node.lcp(), &node.splitter(), &node.nap()],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}
