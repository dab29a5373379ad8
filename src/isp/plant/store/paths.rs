//! SQL of the ways from an LCP down to its nodes.

use std::collections::HashMap;

use rust_decimal::Decimal;

use crate::{
    db::TenantTx,
    error::Result,
    isp::plant::{
        budget::OltClass,
        fibre::Stretch,
        paths::{NapPath, Step, Trunk},
    },
    types::{InstallationId, LcpId, NapId, SplitterId},
};

/// Climbs from the splitters of `start (asked, splitter, output)` to their LCPs. The rows of one asked come from the LCP down.
macro_rules! climb {
    ($start:literal) => {
        concat!(
            "WITH RECURSIVE up (asked, id, output, parent_id, parent_output, depth, code, lcp_id, fibre_m, connectors, splices) AS (",
            "SELECT a.asked, s.id, a.output, s.parent_id, s.parent_output, s.depth, s.code, s.lcp_id, s.fibre_m, s.connectors, ",
            "s.splices FROM (", $start, ") a (asked, splitter, output) JOIN splitter s ON s.id = a.splitter ",
            "UNION ALL SELECT up.asked, s.id, up.parent_output, s.parent_id, s.parent_output, s.depth, s.code, s.lcp_id, s.fibre_m, ",
            "s.connectors, s.splices FROM up JOIN splitter s ON s.id = up.parent_id) ",
            "SELECT up.asked, up.id, up.code, up.output, o.loss_db, up.fibre_m, up.connectors, up.splices, ",
            "l.id, l.code, l.name, l.olt_class, l.olt_tx_dbm, l.fibre_m, l.connectors, l.splices ",
            "FROM up JOIN lcp l ON l.id = up.lcp_id ",
            "LEFT JOIN splitter_output o ON o.splitter_id = up.id AND o.number = up.output ORDER BY up.asked, up.depth"
        )
    };
}

type Asked = uuid::Uuid;

fn trunks_of(rows: &[tokio_postgres::Row]) -> HashMap<Asked, Trunk> {
    let mut found: HashMap<Asked, Trunk> = HashMap::new();
    for row in rows {
        let trunk = found.entry(row.get(0)).or_insert_with(|| Trunk {
            lcp: row.get::<_, LcpId>(8),
            lcp_code: row.get(9),
            lcp_name: row.get(10),
            class: OltClass::from_column(row.get(11)),
            tx_dbm: row.get(12),
            stretch: Stretch { fibre_m: row.get(13), connectors: row.get(14), splices: row.get(15) },
            steps: Vec::new(),
        });
        trunk.steps.push(Step {
            splitter: row.get::<_, SplitterId>(1),
            code: row.get(2),
            output: row.get(3),
            loss_db: row.get::<_, Option<Decimal>>(4),
            stretch: Stretch { fibre_m: row.get(5), connectors: row.get(6), splices: row.get(7) },
        });
    }
    found
}

/// The ways to NAPs.
pub async fn of_naps(tx: &TenantTx, ids: &[NapId]) -> Result<HashMap<NapId, NapPath>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = climb!("SELECT id, splitter_id, splitter_output FROM nap WHERE id = ANY($1)");
    let mut trunks = trunks_of(&tx.query(sql, &[&ids]).await?);
    let naps = tx
        .query("SELECT id, code, name, fibre_m, connectors, splices FROM nap WHERE id = ANY($1)", &[&ids])
        .await?;
    Ok(naps
        .iter()
        .filter_map(|row| {
            let id: NapId = row.get(0);
            let trunk = trunks.remove(&id.0)?;
            let stretch = Stretch { fibre_m: row.get(3), connectors: row.get(4), splices: row.get(5) };
            Some((id, NapPath { trunk, nap: id, code: row.get(1), name: row.get(2), stretch }))
        })
        .collect())
}

/// The way to a splitter's output, or to its input when no output is asked for.
pub async fn of_splitter(tx: &TenantTx, id: SplitterId, output: Option<i16>) -> Result<Option<Trunk>> {
    let sql = climb!("SELECT $1::uuid, $1::uuid, $2::smallint");
    Ok(trunks_of(&tx.query(sql, &[&id, &output]).await?).remove(&id.0))
}

/// The NAP of an installation and its drop; none when it hangs on none.
pub async fn drop_of(tx: &TenantTx, id: InstallationId) -> Result<Option<(Option<NapId>, Stretch)>> {
    let row = tx
        .query_opt(
            "SELECT nap_id, coalesce(drop_m, 0), drop_connectors, drop_splices FROM installation WHERE id = $1",
            &[&id],
        )
        .await?;
    Ok(row.map(|row| {
        (row.get(0), Stretch { fibre_m: row.get(1), connectors: row.get(2), splices: row.get(3) })
    }))
}
