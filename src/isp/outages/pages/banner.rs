//! What is down, for the dashboard.

use chrono::Utc;
use chrono_tz::Tz;
use serde::Serialize;

use super::PATH;
use crate::{
    db::TenantTx,
    error::Result,
    isp::outages::{
        model::{Status, minutes_text},
        store::{self, Filter},
    },
    web::Moment,
};

/// So many are named; the list has the others.
const SHOWN: i64 = 5;

/// One outage on the dashboard.
#[derive(Debug, Clone, Serialize)]
pub struct Banner {
    number: String,
    node: String,
    href: String,
    is_proposed: bool,
    since: Moment,
    lasted: String,
    affected: i64,
    tickets: i64,
}

/// What is down or may be, the latest first.
pub async fn banner(tx: &TenantTx, zone: Tz) -> Result<Vec<Banner>> {
    let filter = Filter { statuses: vec![Status::Proposed, Status::Down], customer: None };
    let found = store::list(tx, &filter, None, SHOWN).await?;
    let now = Utc::now();
    Ok(found
        .into_iter()
        .map(|counted| Banner {
            href: format!("{PATH}/{}", counted.outage.id),
            is_proposed: counted.outage.status == Status::Proposed,
            since: Moment::at(counted.outage.started_at, zone),
            lasted: minutes_text(counted.outage.lasted(now).num_minutes().max(0)),
            number: counted.outage.number,
            node: counted.outage.node_label,
            affected: counted.affected,
            tickets: counted.tickets,
        })
        .collect())
}
