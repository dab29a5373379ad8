//! Choosing a port: from the LCP over a splitter to a NAP, each with how many ports are free there, or from what is nearest.

use crate::{
    db::TenantTx,
    error::Result,
    isp::plant::{self, PortView},
    types::{Coordinates, CustomerId, LcpId, Limit, NapId, SplitterId},
};

/// So many of what is nearest are offered.
const NEAR: Limit = Limit::of(5);

/// Something to choose, and how many ports are free below it.
#[derive(Debug, Clone)]
pub struct Free<Id> {
    pub id: Id,
    pub label: String,
    pub free: i64,
}

/// What was chosen so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chosen {
    pub lcp: Option<LcpId>,
    pub splitter: Option<SplitterId>,
    pub nap: Option<NapId>,
}

/// A NAP that is near.
#[derive(Debug, Clone)]
pub struct Nearby {
    pub nap: NapId,
    pub label: String,
    pub metres: i32,
    pub free: i64,
}

/// What there is to choose from, as far as it was chosen.
#[derive(Debug, Default)]
pub struct Picker {
    pub chosen: Chosen,
    pub lcps: Vec<Free<LcpId>>,
    pub splitters: Vec<Free<SplitterId>>,
    pub naps: Vec<Free<NapId>>,
    pub ports: Vec<PortView>,
}

/// The free ports `p` of a NAP `n`; those kept for the customer `$1` are free for that one.
macro_rules! free_ports {
    () => {
        "(SELECT count(*) AS free FROM nap_port p WHERE p.nap_id = n.id AND NOT p.is_faulty \
         AND (p.reserved_until IS NULL OR p.reserved_until <= now() OR p.reserved_for = $1) AND NOT EXISTS (SELECT FROM \
         installation i WHERE i.nap_id = p.nap_id AND i.nap_port = p.number)) f"
    };
}

/// What there is to choose from. A NAP that was chosen says what it hangs on; what does not hang together is forgotten.
pub async fn pick(tx: &TenantTx, chosen: Chosen, wanted_by: Option<CustomerId>) -> Result<Picker> {
    let mut picker = Picker { chosen, ..Picker::default() };
    if let Some(nap) = chosen.nap {
        let way = plant::labels(tx, &[nap]).await?.remove(&nap);
        match way {
            // Another LCP or splitter was chosen since: that counts.
            Some(way) if chosen.lcp.is_none_or(|lcp| lcp == way.trunk.lcp) => {
                let above = way.trunk.steps.last().map(|step| step.splitter);
                if chosen.splitter.is_none_or(|splitter| Some(splitter) == above) {
                    picker.chosen = Chosen { lcp: Some(way.trunk.lcp), splitter: above, nap: Some(nap) };
                } else {
                    picker.chosen.nap = None;
                }
            }
            _ => picker.chosen.nap = None,
        }
    }
    picker.lcps = lcps(tx, wanted_by).await?;
    if let Some(lcp) = picker.chosen.lcp {
        picker.splitters = splitters(tx, wanted_by, lcp).await?;
    }
    if !picker.splitters.iter().any(|one| Some(one.id) == picker.chosen.splitter) {
        picker.chosen.splitter = None;
        picker.chosen.nap = None;
    }
    if let Some(splitter) = picker.chosen.splitter {
        picker.naps = naps(tx, wanted_by, splitter).await?;
    }
    if let Some(nap) = picker.chosen.nap {
        picker.ports = plant::ports(tx, nap).await?;
    }
    Ok(picker)
}

/// The NAPs with a free port that are nearest to a place, nearest first.
pub async fn nearby(tx: &TenantTx, place: Coordinates) -> Result<Vec<Nearby>> {
    let found = plant::nearest(tx, place, NEAR).await?;
    Ok(found
        .into_iter()
        .map(|(near, way, _)| Nearby {
            nap: near.id,
            label: way.label(),
            metres: near.drop_m(),
            free: near.free,
        })
        .collect())
}

async fn lcps(tx: &TenantTx, wanted_by: Option<CustomerId>) -> Result<Vec<Free<LcpId>>> {
    let sql = concat!(
        "SELECT l.id, l.code || ' – ' || l.name, coalesce(sum(f.free), 0)::bigint FROM lcp l \
         LEFT JOIN splitter s ON s.lcp_id = l.id LEFT JOIN nap n ON n.splitter_id = s.id AND n.is_active \
         LEFT JOIN LATERAL ",
        free_ports!(),
        " ON true WHERE l.is_active GROUP BY l.id ORDER BY lower(l.code), l.id LIMIT 500"
    );
    let rows = tx.query(sql, &[&wanted_by]).await?;
    Ok(rows.iter().map(|row| Free { id: row.get(0), label: row.get(1), free: row.get(2) }).collect())
}

async fn splitters(
    tx: &TenantTx,
    wanted_by: Option<CustomerId>,
    lcp: LcpId,
) -> Result<Vec<Free<SplitterId>>> {
    let sql = concat!(
        "SELECT s.id, s.code || ' (' || s.type || ')', coalesce(sum(f.free), 0)::bigint FROM splitter s \
         LEFT JOIN nap n ON n.splitter_id = s.id AND n.is_active LEFT JOIN LATERAL ",
        free_ports!(),
        " ON true WHERE s.lcp_id = $2 AND s.is_active GROUP BY s.id ORDER BY s.depth, lower(s.code), s.id LIMIT 500"
    );
    let rows = tx.query(sql, &[&wanted_by, &lcp]).await?;
    Ok(rows.iter().map(|row| Free { id: row.get(0), label: row.get(1), free: row.get(2) }).collect())
}

async fn naps(
    tx: &TenantTx,
    wanted_by: Option<CustomerId>,
    splitter: SplitterId,
) -> Result<Vec<Free<NapId>>> {
    let sql = concat!(
        "SELECT n.id, n.code || ' – ' || n.name, f.free FROM nap n CROSS JOIN LATERAL ",
        free_ports!(),
        " WHERE n.splitter_id = $2 AND n.is_active ORDER BY lower(n.code), n.id LIMIT 500"
    );
    let rows = tx.query(sql, &[&wanted_by, &splitter]).await?;
    Ok(rows.iter().map(|row| Free { id: row.get(0), label: row.get(1), free: row.get(2) }).collect())
}
