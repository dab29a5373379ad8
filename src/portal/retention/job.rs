//! Every night what is older than its days goes, so much at a time that nobody waits for it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    kinds::{Kind, Way},
    rules,
};
use crate::{
    audit::{self, Actor, Event},
    error::Result,
    isp::erasure::{Eraser, erase_before},
    jobs::{Next, Runner},
    tenancy::Tenant,
};

const KIND: &str = "retention.night";
const AT_ONCE: i64 = 500;
const AT_MOST: Duration = Duration::from_secs(60);
/// When it goes: so long after midnight, spread over two hours, not every tenant at once.
const AFTER_MIDNIGHT: TimeDelta = TimeDelta::hours(2);
const SPREAD_MINUTES: u8 = 120;

/// Gives the worker the standing job.
pub fn handlers(runner: &mut Runner, eraser: &Eraser) {
    let eraser = eraser.clone();
    runner.stand(
        KIND,
        Arc::new(move |tenant, _| {
            let eraser = eraser.clone();
            Box::pin(async move { night(&eraser, &tenant, Utc::now()).await })
        }),
    );
}

async fn night(eraser: &Eraser, tenant: &Tenant, now: DateTime<Utc>) -> Result<Next> {
    let policy = eraser.db.in_tenant(tenant, async |tx| rules::get(tx).await).await?;
    let mut gone = Map::new();
    let mut failed = None;
    for (kind, before) in policy.due(now) {
        match let_go(eraser, tenant, kind, before).await {
            Ok(0) => {}
            Ok(amount) => drop(gone.insert(kind.name.to_owned(), json!(amount))),
            // The other kinds go all the same.
            Err(error) => {
                tracing::warn!(tenant = %tenant.id(), kind = kind.name, %error, "what is old could not go");
                failed = Some(error);
            }
        }
    }
    if !gone.is_empty() {
        eraser.db.in_tenant(tenant, async |tx| tell(tx, Value::Object(gone.clone())).await).await?;
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(crate::portal::night::next(tenant, now, AFTER_MIDNIGHT, SPREAD_MINUTES)),
    }
}

async fn let_go(eraser: &Eraser, tenant: &Tenant, kind: &Kind, before: DateTime<Utc>) -> Result<u64> {
    let forget = match kind.way {
        Way::People => return erase_before(eraser, tenant, before).await,
        Way::Rows(forget) => forget,
    };
    let mut all = 0;
    loop {
        let some =
            eraser.db.in_tenant_for(tenant, AT_MOST, async |tx| forget(tx, before, AT_ONCE).await).await?;
        if some == 0 {
            return Ok(all);
        }
        all += some;
    }
}

async fn tell(tx: &crate::db::TenantTx, gone: Value) -> Result<()> {
    let event = Event {
        action: "retention.applied",
        object_type: "settings",
        object_id: None,
        object_label: "Retention",
        before: None,
        after: Some(gone),
    };
    audit::record(tx, &Actor::system(), None, event).await
}
