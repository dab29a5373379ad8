//! SQL of whole trees below LCPs.

use super::{counts_of, held_ports, port_counts};
use crate::{
    db::TenantTx,
    error::Result,
    isp::plant::model::PortCounts,
    types::{LcpId, NapId, SplitterId},
};

/// A page holds so many nodes of a kind.
pub const NODES_MAX: i64 = 5_000;

/// A splitter in a tree.
#[derive(Debug, Clone)]
pub struct SplitterNode {
    pub id: SplitterId,
    pub lcp: LcpId,
    pub parent: Option<(SplitterId, i16)>,
    pub code: String,
    pub kind: String,
    pub outputs: i16,
    pub is_active: bool,
}

/// A NAP in a tree.
#[derive(Debug, Clone)]
pub struct NapNode {
    pub id: NapId,
    pub splitter: SplitterId,
    pub output: i16,
    pub code: String,
    pub name: String,
    pub is_active: bool,
    pub ports: PortCounts,
}

/// The splitters below these LCPs.
pub async fn splitters(tx: &TenantTx, lcps: &[LcpId]) -> Result<Vec<SplitterNode>> {
    let rows = tx
        .query(
            "SELECT id, lcp_id, parent_id, parent_output, code, type, outputs, is_active FROM splitter \
             WHERE lcp_id = ANY($1) ORDER BY depth, parent_output, lower(code), id LIMIT $2",
            &[&lcps, &NODES_MAX],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| SplitterNode {
            id: row.get(0),
            lcp: row.get(1),
            parent: row.get::<_, Option<SplitterId>>(2).zip(row.get::<_, Option<i16>>(3)),
            code: row.get(4),
            kind: row.get(5),
            outputs: row.get(6),
            is_active: row.get(7),
        })
        .collect())
}

/// The NAPs below these LCPs, with the counts of their ports.
pub async fn naps(tx: &TenantTx, lcps: &[LcpId]) -> Result<Vec<NapNode>> {
    let sql = concat!(
        "SELECT n.id, n.splitter_id, n.splitter_output, n.code, n.name, n.is_active, ",
        port_counts!(),
        " FROM splitter s JOIN nap n ON n.splitter_id = s.id JOIN ",
        held_ports!(),
        " ON p.nap_id = n.id ",
        "WHERE s.lcp_id = ANY($1) GROUP BY n.id ORDER BY n.splitter_output, lower(n.code), n.id LIMIT $2"
    );
    let rows = tx.query(sql, &[&lcps, &NODES_MAX]).await?;
    Ok(rows
        .iter()
        .map(|row| NapNode {
            id: row.get(0),
            splitter: row.get(1),
            output: row.get(2),
            code: row.get(3),
            name: row.get(4),
            is_active: row.get(5),
            ports: counts_of(row, 6),
        })
        .collect())
}
