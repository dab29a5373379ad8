//! Ways through the plant: from the OLT over an LCP and its splitters to a NAP.

use rust_decimal::Decimal;

use super::{
    budget::{LightPath, OltClass},
    fibre::Stretch,
    node::Node,
};
use crate::types::{LcpId, NapId, SplitterId};

/// A splitter on the way, and the output that the way leaves it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub splitter: SplitterId,
    pub code: String,
    /// None where the way ends at the splitter itself.
    pub output: Option<i16>,
    pub loss_db: Option<Decimal>,
    /// The fibre that leads to the splitter.
    pub stretch: Stretch,
}

/// The way from the OLT down to a splitter's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    pub lcp: LcpId,
    pub lcp_code: String,
    pub lcp_name: String,
    pub class: OltClass,
    pub tx_dbm: Decimal,
    pub stretch: Stretch,
    pub steps: Vec<Step>,
}

impl Trunk {
    /// The way of the light.
    pub fn light(&self) -> LightPath {
        let below = self.steps.iter().map(|step| step.stretch);
        LightPath {
            class: self.class,
            tx_dbm: self.tx_dbm,
            stretches: std::iter::once(self.stretch).chain(below).collect(),
            splits: self.steps.iter().filter_map(|step| step.loss_db).collect(),
        }
    }

    /// Every node of the way with what it is called: `LCP-001`, `SP-1 port 3`.
    fn nodes(&self) -> Vec<(Node, String)> {
        let splitters = self.steps.iter().map(|step| {
            let name = match step.output {
                Some(output) => format!("{} port {output}", step.code),
                None => step.code.clone(),
            };
            (Node::Splitter(step.splitter), name)
        });
        std::iter::once((Node::Lcp(self.lcp), self.lcp_code.clone())).chain(splitters).collect()
    }
}

/// The way to a NAP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NapPath {
    pub trunk: Trunk,
    pub nap: NapId,
    pub code: String,
    pub name: String,
    /// The fibre that leads to the NAP.
    pub stretch: Stretch,
}

impl NapPath {
    /// The way of the light to the NAP's ports.
    pub fn light(&self) -> LightPath {
        self.trunk.light().and(self.stretch)
    }

    /// `LCP-001 › SP-1 port 3 › NAP-003`.
    pub fn label(&self) -> String {
        NodePath::from(self).label()
    }
}

/// The way to any node, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePath {
    pub node: Node,
    /// From the LCP down to the node itself.
    pub steps: Vec<(Node, String)>,
}

impl NodePath {
    /// `LCP-001 › SP-1 port 3 › NAP-003`.
    pub fn label(&self) -> String {
        self.steps.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" › ")
    }

    /// The LCP that the way begins at.
    pub fn of_lcp(id: LcpId, code: String) -> Self {
        Self { node: Node::Lcp(id), steps: vec![(Node::Lcp(id), code)] }
    }

    /// The way to a splitter.
    pub fn of_splitter(id: SplitterId, trunk: &Trunk) -> Self {
        Self { node: Node::Splitter(id), steps: trunk.nodes() }
    }
}

impl From<&NapPath> for NodePath {
    fn from(path: &NapPath) -> Self {
        let node = Node::Nap(path.nap);
        let mut steps = path.trunk.nodes();
        steps.push((node, path.code.clone()));
        Self { node, steps }
    }
}
