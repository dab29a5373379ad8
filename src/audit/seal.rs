//! The sealer: chains committed events in batches, in the order in which they became visible, and anchors each head.
//!
//! Writers know nothing of it. It learns from PostgreSQL's own insert statistics whether there is any news, and which tenants have some
//! (one statement for all of them). It looks at every tenant from time to time all the same, and whenever the database was away, since
//! those statistics do not survive a crash.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::{
    chain::{AnchorKey, GENESIS, Link, seal_after},
    store::{self, Anchor},
};
use crate::{
    db::Db,
    error::{Error, Result},
    tenancy::{Registry, Tenant},
    types::TenantId,
};

const POLL: Duration = Duration::from_secs(2);
/// Every tenant is looked at so often, whatever the statistics say.
const ANYWAY: Duration = Duration::from_secs(3_600);
/// And the statistics of all of them so often, although nothing was inserted anywhere.
const LIST_ANYWAY: Duration = Duration::from_secs(60);
/// A tenant whose trail could not be sealed is tried again after it.
const RETRY: Duration = Duration::from_secs(15);
const BATCH: i64 = 500;
/// No table has this count: the tenant is looked at.
const NEVER_COUNTED: i64 = -1;
/// So often another sealer may come first before this one leaves the trail to it.
const RACES_MAX: u32 = 20;
const LAG_GAUGE: &str = "lastmile_audit_seal_lag_seconds";
const TAMPERED: &str = "audit_tampered";

/// What one tenant's trail came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sealed {
    events: usize,
    /// Nothing written by a transaction before this one is without a seal.
    horizon: i64,
}

/// Seals everything of a tenant's trail that is committed and has no seal. Fails with `audit_tampered` when the chain that is
/// there is not the one that was anchored: nothing is built on it.
pub async fn seal(db: &Db, key: &AnchorKey, tenant: &Tenant) -> Result<usize> {
    Ok(seal_from(db, key, tenant, 0).await?.events)
}

/// `horizon` is 0, or what an earlier call answered.
async fn seal_from(db: &Db, key: &AnchorKey, tenant: &Tenant, horizon: i64) -> Result<Sealed> {
    let mut sealed = Sealed { events: 0, horizon };
    let mut lost_races = 0;
    while lost_races < RACES_MAX {
        let anchor = db.read_public(async |tx| store::find_newest_anchor(tx, tenant.id()).await).await?;
        let from = sealed.horizon;
        let (head, (events, next)) = db
            .read_tenant(tenant, async |tx| {
                Ok((store::find_head(tx).await?, store::list_unsealed(tx, from, BATCH).await?))
            })
            .await?;
        // Transaction numbers start over in a restored cluster.
        if next < sealed.horizon {
            sealed.horizon = 0;
            continue;
        }
        let (position, chain) = head_of(head.as_ref());
        if !is_anchored(db, key, tenant, anchor.as_ref(), (position, chain)).await? {
            lost_races += 1;
            continue;
        }
        let links = seal_after(position, chain, &events);
        if let Some(last) = links.last() {
            let mac = key.mac(tenant.id(), last.position, &last.chain);
            let appended = db
                .in_public(async |tx| {
                    store::insert_links(tx, tenant.id(), position, &links, &mac, false).await
                })
                .await?;
            if !appended {
                lost_races += 1;
                continue;
            }
            sealed.events += links.len();
        }
        if links.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            sealed.horizon = next;
            return Ok(sealed);
        }
    }
    Err(Error::unavailable("busy", "Other sealers are at this audit trail."))
}

fn head_of(head: Option<&Link>) -> (i64, &[u8]) {
    head.map_or((0, GENESIS.as_slice()), |head| (head.position, head.chain.as_slice()))
}

/// Whether the head is the anchored one. False when another sealer came in between the two looks: look again.
async fn is_anchored(
    db: &Db,
    key: &AnchorKey,
    tenant: &Tenant,
    anchor: Option<&Anchor>,
    (position, chain): (i64, &[u8]),
) -> Result<bool> {
    let anchored_to = anchor.map_or(0, |anchor| anchor.sealed_to);
    // The anchor was read first, and chains only grow.
    let fits = match anchor {
        _ if position < anchored_to => false,
        Some(anchor) if position == anchored_to => key.anchors(tenant.id(), position, chain, &anchor.mac),
        None if position == 0 => true,
        _ => {
            let later = db.read_public(async |tx| store::find_newest_anchor(tx, tenant.id()).await).await?;
            if later.as_ref() != anchor {
                return Ok(false);
            }
            false
        }
    };
    if fits {
        return Ok(true);
    }
    Err(Error::conflict(TAMPERED, "The head of the audit chain is not the one that was anchored."))
}

/// Anchors a chain that came with a restored schema, after holding every link against its event. A tenant that has anchors
/// of its own is refused.
pub async fn adopt(db: &Db, key: &AnchorKey, tenant: &Tenant) -> Result<i64> {
    let head = super::verify::walk_whole(db, tenant).await?;
    let (position, chain) = head;
    if position == 0 {
        return Ok(0);
    }
    let mac = key.mac(tenant.id(), position, &chain);
    let adopted = db
        .in_public(async |tx| store::insert_links(tx, tenant.id(), position, &[], &mac, true).await)
        .await?;
    if adopted {
        Ok(position)
    } else {
        Err(Error::conflict("audit_anchored", "This provider's audit chain is anchored already."))
    }
}

/// What the sealer remembers of a tenant.
struct Known {
    inserted: i64,
    horizon: i64,
    looked_at: Instant,
    /// Since when its trail cannot be sealed.
    stuck_since: Option<DateTime<Utc>>,
}

#[expect(clippy::cast_possible_truncation, reason = "an age in whole seconds")]
fn whole_seconds(seconds: f64) -> i64 {
    seconds.max(0.0) as i64
}

/// Seals the trails of all tenants. Several may run: whoever comes second starts over.
pub struct Sealer {
    registry: Registry,
    key: AnchorKey,
    known: HashMap<TenantId, Known>,
    /// How many rows the database had ever taken when all tenants were last listed, and when that was.
    listed: Option<(i64, Instant)>,
}

impl Sealer {
    pub fn new(registry: Registry, key: AnchorKey) -> Self {
        Self { registry, key, known: HashMap::new(), listed: None }
    }

    /// Works until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.round(&stop).await {
                tracing::warn!(%error, "the audit trails cannot be sealed right now");
                self.listed = None;
                for known in self.known.values_mut() {
                    known.inserted = NEVER_COUNTED;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Looks once at every tenant that has news.
    async fn round(&mut self, stop: &CancellationToken) -> Result<()> {
        let all = store::count_inserts(self.registry.db()).await?;
        let is_stuck = self.known.values().any(|known| known.stuck_since.is_some());
        let is_new = self.listed.is_none_or(|(was, at)| was != all || at.elapsed() >= LIST_ANYWAY);
        if !is_stuck && !is_new {
            return Ok(());
        }
        let counts = self.registry.db().read_public(async |tx| store::list_insert_counts(tx).await).await?;
        let open: std::collections::HashSet<TenantId> = counts.iter().map(|(id, _)| *id).collect();
        self.known.retain(|id, _| open.contains(id));
        for (id, inserted) in counts {
            if stop.is_cancelled() {
                return Ok(());
            }
            let due = self.known.get(&id).is_none_or(|known| {
                let quiet = known.looked_at.elapsed();
                match known.stuck_since {
                    Some(_) => quiet >= RETRY,
                    None => known.inserted != inserted || quiet >= ANYWAY,
                }
            });
            if due {
                self.look_at(id, inserted).await?;
            }
        }
        self.listed = Some((all, Instant::now()));
        let now = Utc::now();
        let stuck = self.known.values().filter_map(|known| known.stuck_since).min();
        let lag = stuck.map_or(0, |since| (now - since).num_seconds().max(0));
        metrics::gauge!(LAG_GAUGE).set(f64::from(i32::try_from(lag).unwrap_or(i32::MAX)));
        Ok(())
    }

    async fn look_at(&mut self, id: TenantId, inserted: i64) -> Result<()> {
        let Some(tenant) = self.registry.find_by_id(id).await? else { return Ok(()) };
        // A schema that is behind the code is sealed once it has caught up.
        if !tenant.is_current {
            return Ok(());
        }
        let before = self.known.get(&id);
        let horizon = before.map_or(0, |known| known.horizon);
        let stuck_since = before.and_then(|known| known.stuck_since);
        let (horizon, stuck_since) = match seal_from(self.registry.db(), &self.key, &tenant, horizon).await {
            Ok(sealed) => (sealed.horizon, None),
            Err(error) => {
                tracing::error!(tenant = %tenant.slug, code = error.code(), %error, "an audit trail cannot be sealed");
                let lag = store::seal_lag_seconds(self.registry.db(), &tenant).await.unwrap_or_default();
                let since = Utc::now() - chrono::Duration::seconds(whole_seconds(lag));
                (horizon, Some(stuck_since.map_or(since, |known| known.min(since))))
            }
        };
        self.known.insert(id, Known { inserted, horizon, looked_at: Instant::now(), stuck_since });
        Ok(())
    }
}
