//! The plant as a tree: LCP, splitters, NAPs, with how the ports stand at every node.

use std::collections::HashMap;

use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use super::{
    model::PortCounts,
    node::Node,
    rules,
    store::{
        lcps::CountedLcp,
        map,
        tree::{self as store, NapNode, SplitterNode},
    },
};
use crate::{
    db::TenantTx,
    error::Result,
    types::{LcpId, SplitterId},
};

/// How full a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[oai(rename = "PlantFill", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// Nothing hangs on it yet.
    Empty,
    /// Ports are free.
    Free,
    /// Four of five ports and more are taken.
    Tight,
    /// No port is free.
    Full,
}

impl Fill {
    pub fn of(ports: PortCounts) -> Self {
        if ports.total == 0 {
            Self::Empty
        } else if ports.free == 0 {
            Self::Full
        } else if ports.free * 5 <= ports.total {
            Self::Tight
        } else {
            Self::Free
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Free => "free",
            Self::Tight => "tight",
            Self::Full => "full",
        }
    }
}

/// A node of the tree with everything below it.
#[derive(Debug, Clone, Serialize)]
pub struct Branch {
    pub node: &'static str,
    pub id: Uuid,
    pub href: String,
    /// The output that it hangs on.
    pub output: Option<i16>,
    pub code: String,
    /// The name of an LCP or a NAP, the type of a splitter.
    pub name: String,
    pub is_active: bool,
    pub is_down: bool,
    pub ports: PortCounts,
    pub fill: Fill,
    /// Outputs of a splitter: how many something hangs on, and how many there are.
    pub outputs: Option<(usize, i16)>,
    pub below: Vec<Branch>,
}

fn sum(branches: &[Branch]) -> PortCounts {
    branches.iter().fold(PortCounts::default(), |all, one| PortCounts {
        total: all.total + one.ports.total,
        used: all.used + one.ports.used,
        free: all.free + one.ports.free,
        reserved: all.reserved + one.ports.reserved,
        faulty: all.faulty + one.ports.faulty,
    })
}

/// What hangs where, before it is put together.
struct Loose {
    splitters: HashMap<SplitterId, Vec<SplitterNode>>,
    roots: HashMap<LcpId, Vec<SplitterNode>>,
    naps: HashMap<SplitterId, Vec<NapNode>>,
    down: std::collections::HashSet<Uuid>,
}

impl Loose {
    fn branch(&mut self, splitter: SplitterNode) -> Branch {
        let children = self.splitters.remove(&splitter.id).unwrap_or_default();
        let naps = self.naps.remove(&splitter.id).unwrap_or_default();
        let mut below: Vec<Branch> = children.into_iter().map(|child| self.branch(child)).collect();
        below.extend(naps.into_iter().map(|nap| self.nap(nap)));
        below.sort_by_key(|branch| branch.output);
        let mut taken: Vec<Option<i16>> = below.iter().map(|branch| branch.output).collect();
        taken.dedup();
        let ports = sum(&below);
        Branch {
            node: "splitter",
            id: splitter.id.0,
            href: Node::Splitter(splitter.id).href(),
            output: splitter.parent.map(|(_, output)| output),
            code: splitter.code,
            name: splitter.kind,
            is_active: splitter.is_active,
            is_down: self.down.contains(&splitter.id.0),
            ports,
            fill: Fill::of(ports),
            outputs: Some((taken.len(), splitter.outputs)),
            below,
        }
    }

    fn nap(&self, nap: NapNode) -> Branch {
        Branch {
            node: "nap",
            id: nap.id.0,
            href: Node::Nap(nap.id).href(),
            output: Some(nap.output),
            code: nap.code,
            name: nap.name,
            is_active: nap.is_active,
            is_down: self.down.contains(&nap.id.0),
            ports: nap.ports,
            fill: Fill::of(nap.ports),
            outputs: None,
            below: Vec::new(),
        }
    }

    fn lcp(&mut self, counted: CountedLcp) -> Branch {
        let lcp = counted.lcp;
        let roots = self.roots.remove(&lcp.id).unwrap_or_default();
        let below: Vec<Branch> = roots.into_iter().map(|splitter| self.branch(splitter)).collect();
        let ports = sum(&below);
        Branch {
            node: "lcp",
            id: lcp.id.0,
            href: Node::Lcp(lcp.id).href(),
            output: None,
            code: lcp.draft.code,
            name: lcp.draft.name,
            is_active: lcp.draft.is_active,
            is_down: self.down.contains(&lcp.id.0),
            ports,
            fill: Fill::of(ports),
            outputs: None,
            below,
        }
    }
}

/// The trees of these LCPs, in their order.
pub async fn grow(tx: &TenantTx, lcps: Vec<CountedLcp>) -> Result<Vec<Branch>> {
    let ids: Vec<LcpId> = lcps.iter().map(|one| one.lcp.id).collect();
    let (splitters, naps, down) =
        futures_util::try_join!(store::splitters(tx, &ids), store::naps(tx, &ids), map::down(tx))?;
    let mut loose = Loose { splitters: HashMap::new(), roots: HashMap::new(), naps: HashMap::new(), down };
    for splitter in splitters {
        match splitter.parent {
            Some((parent, _)) => loose.splitters.entry(parent).or_default().push(splitter),
            None => loose.roots.entry(splitter.lcp).or_default().push(splitter),
        }
    }
    for nap in naps {
        loose.naps.entry(nap.splitter).or_default().push(nap);
    }
    Ok(lcps.into_iter().map(|lcp| loose.lcp(lcp)).collect())
}

/// A kind of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[oai(rename = "PlantNodeKind", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum Kind {
    Lcp,
    Splitter,
    Nap,
}

/// A node of the plant's tree. A list in which each node names the one above it says the same as a tree, and any program can read it.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PlantTreeNode")]
pub struct TreeNode {
    id: Uuid,
    kind: Kind,
    /// The node above it; null for the LCP.
    #[oai(nullable)]
    parent_id: Option<Uuid>,
    /// The output of the node above that it hangs on.
    #[oai(nullable)]
    output: Option<i16>,
    code: String,
    /// The name of an LCP or a NAP, the type of a splitter.
    name: String,
    is_active: bool,
    /// An outage has reached it.
    is_down: bool,
    ports_total: i64,
    ports_used: i64,
    ports_free: i64,
    fill: Fill,
}

/// The nodes of a tree, each after the one above it.
#[derive(Debug, Clone, Serialize, Object)]
pub struct PlantTree {
    items: Vec<TreeNode>,
}

fn flatten(branch: Branch, parent: Option<Uuid>, into: &mut Vec<TreeNode>) {
    let kind = match branch.node {
        "lcp" => Kind::Lcp,
        "splitter" => Kind::Splitter,
        _ => Kind::Nap,
    };
    into.push(TreeNode {
        id: branch.id,
        kind,
        parent_id: parent,
        output: branch.output,
        code: branch.code,
        name: branch.name,
        is_active: branch.is_active,
        is_down: branch.is_down,
        ports_total: branch.ports.total,
        ports_used: branch.ports.used,
        ports_free: branch.ports.free,
        fill: branch.fill,
    });
    for below in branch.below {
        flatten(below, Some(branch.id), into);
    }
}

/// The whole tree below an LCP.
pub async fn below(tx: &TenantTx, id: LcpId) -> Result<PlantTree> {
    let lcp = rules::get_lcp(tx, id).await?;
    let mut items = Vec::new();
    for branch in grow(tx, vec![lcp]).await? {
        flatten(branch, None, &mut items);
    }
    Ok(PlantTree { items })
}
