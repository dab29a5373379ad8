//! What outages read of the plant's tree: the way up from a node, and whom a node serves.

use std::collections::HashMap;

use super::infer::Path;
use crate::{
    db::TenantTx,
    error::Result,
    isp::plant::node::Node,
    types::{CustomerId, InstallationId, LcpId, NapId, SplitterId},
};

/// One node serves at most so many.
const SERVED_MAX: i64 = 50_000;

/// The ways from these NAPs up to their LCPs.
pub async fn ways_up(tx: &TenantTx, naps: &[NapId]) -> Result<HashMap<NapId, Path>> {
    let rows = tx
        .query(
            "WITH RECURSIVE up (nap_id, id, parent_id, lcp_id, depth) AS (\
             SELECT n.id, s.id, s.parent_id, s.lcp_id, s.depth FROM nap n JOIN splitter s ON s.id = n.splitter_id \
             WHERE n.id = ANY($1) UNION ALL \
             SELECT up.nap_id, s.id, s.parent_id, s.lcp_id, s.depth FROM up JOIN splitter s ON s.id = up.parent_id) \
             SELECT nap_id, id, lcp_id FROM up ORDER BY nap_id, depth DESC",
            &[&naps],
        )
        .await?;
    let mut ways: HashMap<NapId, Path> = HashMap::new();
    let mut tops: HashMap<NapId, LcpId> = HashMap::new();
    for row in &rows {
        let nap: NapId = row.get(0);
        ways.entry(nap).or_insert_with(|| vec![Node::Nap(nap)]).push(Node::Splitter(row.get(1)));
        tops.insert(nap, row.get(2));
    }
    for (nap, lcp) in tops {
        ways.entry(nap).or_default().push(Node::Lcp(lcp));
    }
    Ok(ways)
}

/// The way from a node up to its LCP, both included.
pub async fn way_up(tx: &TenantTx, node: Node) -> Result<Path> {
    match node {
        Node::Nap(nap) => Ok(ways_up(tx, &[nap]).await?.remove(&nap).unwrap_or_else(|| vec![node])),
        Node::Splitter(id) => way_up_from_splitter(tx, id).await,
        Node::Lcp(_) => Ok(vec![node]),
    }
}

async fn way_up_from_splitter(tx: &TenantTx, id: SplitterId) -> Result<Path> {
    let rows = tx
        .query(
            "WITH RECURSIVE up (id, parent_id, lcp_id, depth) AS (\
             SELECT s.id, s.parent_id, s.lcp_id, s.depth FROM splitter s WHERE s.id = $1 UNION ALL \
             SELECT s.id, s.parent_id, s.lcp_id, s.depth FROM up JOIN splitter s ON s.id = up.parent_id) \
             SELECT id, lcp_id FROM up ORDER BY depth DESC",
            &[&id],
        )
        .await?;
    let mut way: Path = rows.iter().map(|row| Node::Splitter(row.get(0))).collect();
    way.extend(rows.last().map(|row| Node::Lcp(row.get(1))));
    Ok(way)
}

/// An installation that a node serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    pub installation: InstallationId,
    pub customer: CustomerId,
    /// Whether service runs.
    pub is_active: bool,
}

/// Every installation under a node that is not terminated, in the order of their ids.
pub async fn served_by(tx: &TenantTx, node: Node) -> Result<Vec<Served>> {
    let rows = tx
        .query(
            "WITH RECURSIVE below (id) AS (\
             SELECT s.id FROM splitter s WHERE s.lcp_id = $1 OR s.id = $2 UNION \
             SELECT s.id FROM below JOIN splitter s ON s.parent_id = below.id) \
             SELECT i.id, i.customer_id, i.status = 'active' FROM installation i WHERE i.status <> 'terminated' \
             AND i.nap_id IN (SELECT n.id FROM nap n WHERE n.id = $3 UNION ALL \
             SELECT n.id FROM nap n WHERE n.splitter_id IN (SELECT id FROM below)) ORDER BY i.id LIMIT $4",
            &[&node.lcp(), &node.splitter(), &node.nap(), &SERVED_MAX],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Served { installation: row.get(0), customer: row.get(1), is_active: row.get(2) })
        .collect())
}

/// A node as a search finds it.
#[derive(Debug, Clone)]
pub struct FoundNode {
    pub node: Node,
    pub label: String,
    pub hint: String,
}

/// The first nodes in whose code or name the text is found; all in their order when there is none.
pub async fn find_nodes(tx: &TenantTx, q: &str, rows: i64) -> Result<Vec<FoundNode>> {
    let pattern = crate::types::search::containing(q.trim());
    let found = tx
        .query(
            "SELECT kind, id, label, hint FROM (\
             (SELECT 1 AS kind, id, code AS label, name AS hint, lower(code) AS place FROM lcp \
             WHERE lower(code) LIKE lower($1) OR lower(name) LIKE lower($1) ORDER BY lower(code), id LIMIT $2) UNION ALL \
             (SELECT 2, s.id, l.code || ' · ' || s.code, s.type, lower(s.code) FROM splitter s JOIN lcp l ON l.id = s.lcp_id \
             WHERE lower(s.code) LIKE lower($1) OR lower(l.code) LIKE lower($1) ORDER BY lower(s.code), s.id LIMIT $2) UNION ALL \
             (SELECT 3, id, code, name, lower(code) FROM nap \
             WHERE lower(code) LIKE lower($1) OR lower(name) LIKE lower($1) ORDER BY lower(code), id LIMIT $2)) found \
             ORDER BY kind, place, id LIMIT $2",
            &[&pattern, &rows],
        )
        .await?;
    Ok(found
        .iter()
        .map(|row| {
            let node = match row.get::<_, i32>(0) {
                1 => Node::Lcp(row.get(1)),
                2 => Node::Splitter(row.get(1)),
                _ => Node::Nap(row.get(1)),
            };
            FoundNode { node, label: row.get(2), hint: row.get(3) }
        })
        .collect())
}

/// Where a node stands, if anybody wrote it down.
pub async fn find_place(tx: &TenantTx, node: Node) -> Result<Option<(f64, f64)>> {
    let row = tx
        .query_opt(
            "SELECT latitude::float8, longitude::float8 FROM lcp WHERE id = $1 AND latitude IS NOT NULL UNION ALL \
             SELECT latitude::float8, longitude::float8 FROM splitter WHERE id = $2 AND latitude IS NOT NULL UNION ALL \
             SELECT latitude::float8, longitude::float8 FROM nap WHERE id = $3 AND latitude IS NOT NULL",
            &[&node.lcp(), &node.splitter(), &node.nap()],
        )
        .await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}
