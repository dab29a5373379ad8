//! Which node is down, when subscribers at one place say that they are off.

use std::collections::{HashMap, HashSet};

use crate::{isp::plant::node::Node, types::InstallationId};

/// The way from a node up to its LCP, both included.
pub type Path = Vec<Node>;

/// Somebody who is off, and where.
#[derive(Debug, Clone)]
pub struct Complaint {
    pub installation: InstallationId,
    pub path: Path,
}

/// The lowest node above `newest` with at least so many subscribers off below it. When a sibling of it is as badly off, or is
/// suspected or down already, it is rather what both hang on, and so on upwards. `current` are the ways of the nodes that are
/// suspected or down; what hangs under one of them is explained by it, and nothing more is suspected.
pub fn suspect(newest: &[Node], complaints: &[Complaint], current: &[Path], least: usize) -> Option<Node> {
    let known: HashSet<Node> = current.iter().filter_map(|path| path.first().copied()).collect();
    if newest.iter().any(|node| known.contains(node)) {
        return None;
    }
    let mut below: HashMap<Node, HashSet<InstallationId>> = HashMap::new();
    let mut parents: HashMap<Node, Node> = HashMap::new();
    for path in complaints.iter().map(|complaint| &complaint.path).chain(current) {
        for (child, parent) in path.iter().zip(path.iter().skip(1)) {
            parents.insert(*child, *parent);
        }
    }
    for complaint in complaints {
        for node in &complaint.path {
            below.entry(*node).or_default().insert(complaint.installation);
        }
    }
    let is_off = |node: &Node| known.contains(node) || below.get(node).is_some_and(|off| off.len() >= least);
    let mut climb = newest.iter().skip_while(|node| !is_off(node)).copied().peekable();
    while let Some(node) = climb.next() {
        let Some(parent) = climb.peek() else { return Some(node) };
        let sibling_is_off =
            parents.iter().any(|(child, of)| of == parent && *child != node && is_off(child));
        if !sibling_is_off {
            return Some(node);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::types::{LcpId, NapId, SplitterId};

    const LCP: Node = Node::Lcp(LcpId(Uuid::from_u128(1)));

    fn splitter(n: u128) -> Node {
        Node::Splitter(SplitterId(Uuid::from_u128(n)))
    }

    fn nap(n: u128) -> Node {
        Node::Nap(NapId(Uuid::from_u128(n)))
    }

    /// NAP 11 and 12 hang on splitter 1, NAP 21 and 22 on splitter 2; both splitters on the LCP.
    fn way(at: u128) -> Path {
        vec![nap(at), splitter(at / 10), LCP]
    }

    fn off(naps: &[u128]) -> Vec<Complaint> {
        let complaint = |(i, at): (usize, &u128)| Complaint {
            installation: InstallationId(Uuid::from_u128(i as u128 + 100)),
            path: way(*at),
        };
        naps.iter().enumerate().map(complaint).collect()
    }

    fn suspected(naps: &[u128], current: &[Path]) -> Option<Node> {
        suspect(&way(*naps.last().unwrap()), &off(naps), current, 2)
    }

    #[test]
    fn the_lowest_node_that_all_hang_on_is_suspected() {
        assert_eq!(suspected(&[11], &[]), None, "one is none");
        assert_eq!(suspected(&[11, 11], &[]), Some(nap(11)));
        assert_eq!(suspected(&[11, 12], &[]), Some(splitter(1)));
        assert_eq!(suspected(&[11, 21], &[]), Some(LCP));
        assert_eq!(suspected(&[12, 11, 11], &[]), Some(nap(11)), "its sibling has one alone");
    }

    #[test]
    fn siblings_that_are_off_too_mean_their_parent() {
        assert_eq!(suspected(&[12, 12, 11, 11], &[]), Some(splitter(1)));
        assert_eq!(suspected(&[11, 12, 21, 22], &[]), Some(LCP));
        assert_eq!(suspected(&[12, 12], &[way(11)]), Some(splitter(1)), "one is suspected already");
        assert_eq!(suspected(&[12], &[way(11)]), None, "one more alone is none");
    }

    #[test]
    fn what_is_explained_is_not_suspected_again() {
        assert_eq!(suspected(&[11, 11], &[vec![splitter(1), LCP]]), None);
        assert_eq!(suspected(&[11, 11], &[vec![LCP]]), None);
        assert_eq!(suspected(&[21, 21], &[way(11)]), Some(nap(21)), "another branch is another matter");
    }

    #[test]
    fn the_same_subscriber_twice_is_one() {
        let mut twice = off(&[11, 11]);
        twice[1].installation = twice[0].installation;
        assert_eq!(suspect(&way(11), &twice, &[], 2), None);
    }
}
