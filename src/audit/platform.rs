//! The platform's own log, sealed as the tenants' trails are: the same arithmetic, a chain of its own.
//!
//! The control role inserts and reads events and reads seals; seals are appended by a definer function, and the MAC that anchors
//! their head is made with a key that never enters the database.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    chain::{AnchorKey, GENESIS, Link, Stored, seal_after},
    store::Anchor,
    verify::{Finding, OVERDUE_SECONDS, Recorded, Report, Walk},
};
use crate::{
    db::{ControlTx, Db},
    error::{Error, Result},
    types::TenantId,
};

const BATCH: i64 = 500;
const PAGE: i64 = 1_000;
/// What stands in the place of a tenant's id in an anchor's MAC.
const NOBODY: TenantId = TenantId(Uuid::nil());

macro_rules! event_columns {
    () => {
        "e.id, e.occurred_at, e.actor_kind, e.actor_id, e.actor, e.action, e.tenant_id, e.object_label, e.reason, \
         e.detail::text AS detail, e.address, e.request_id"
    };
}

fn stored_of(row: &Row) -> Stored {
    let tenant: Option<Uuid> = row.get("tenant_id");
    let reason: String = row.get("reason");
    Stored {
        id: row.get("id"),
        occurred_at: row.get("occurred_at"),
        actor_kind: row.get("actor_kind"),
        actor_id: row.get("actor_id"),
        actor_label: row.get("actor"),
        action: row.get("action"),
        object_type: if tenant.is_some() { "tenant" } else { "platform" }.into(),
        object_id: tenant,
        object_label: row.get("object_label"),
        before: Some(reason),
        after: row.get("detail"),
        request_id: row.get("request_id"),
        address: row.get("address"),
        user_agent: None,
        salt: Vec::new(),
        erased_at: None,
    }
}

fn link_of(row: &Row) -> Link {
    Link {
        position: row.get("position"),
        event: row.get("event_id"),
        payload_digest: row.get("payload_digest"),
        digest: row.get("digest"),
        chain: row.get("chain"),
    }
}

/// Seals the platform's log. Several may run: whoever comes second starts over.
pub struct PlatformSealer {
    key: AnchorKey,
    /// Nothing written by a transaction before this one is without a seal.
    horizon: AtomicI64,
}

impl PlatformSealer {
    pub fn new(key: AnchorKey) -> Self {
        Self { key, horizon: AtomicI64::new(0) }
    }

    /// Seals what is committed and has no seal. Nothing is built on a chain whose head is not the one that was anchored.
    pub async fn round(&self, db: &Db) -> Result<()> {
        let from = self.horizon.load(Ordering::Relaxed);
        // Once the whole chain was looked at, most rounds find nothing new, and ask no more than that.
        if from > 0 {
            let (is_any, next) = is_any_unsealed(db, from).await?;
            if !is_any && next >= from {
                self.horizon.store(next, Ordering::Relaxed);
                return Ok(());
            }
        }
        loop {
            let from = self.horizon.load(Ordering::Relaxed);
            let (head, anchor, (events, next)) = db
                .read_public(async |tx| {
                    // One look at everything: seals and their anchor are committed together.
                    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", &[]).await?;
                    Ok((find_head(tx).await?, newest_anchor(tx).await?, unsealed_from(tx, from).await?))
                })
                .await?;
            if next < from {
                // Transaction numbers start over in a restored cluster.
                self.horizon.store(0, Ordering::Relaxed);
                continue;
            }
            let (position, chain) =
                head.as_ref().map_or((0, GENESIS.as_slice()), |head| (head.position, head.chain.as_slice()));
            let is_anchored = match &anchor {
                None => position == 0,
                Some(anchor) => {
                    anchor.sealed_to == position && self.key.anchors(NOBODY, position, chain, &anchor.mac)
                }
            };
            if !is_anchored {
                return Err(Error::conflict(
                    "audit_tampered",
                    "The head of the platform's log is not the one that was anchored.",
                ));
            }
            let links = seal_after(position, chain, &events);
            let is_all = links.len() < usize::try_from(BATCH).unwrap_or(usize::MAX);
            if let Some(last) = links.last() {
                let mac = self.key.mac(NOBODY, last.position, &last.chain);
                if !db.in_public(async |tx| append(tx, position, &links, &mac).await).await? {
                    return Ok(());
                }
            }
            if is_all {
                self.horizon.store(next, Ordering::Relaxed);
                return Ok(());
            }
        }
    }
}

async fn find_head(tx: &ControlTx) -> Result<Option<Link>> {
    let row = tx
        .query_opt(
            "SELECT position, event_id, payload_digest, digest, chain FROM public.platform_seal
             ORDER BY position DESC LIMIT 1",
            &[],
        )
        .await?;
    Ok(row.as_ref().map(link_of))
}

async fn newest_anchor(tx: &ControlTx) -> Result<Option<Anchor>> {
    Ok(anchors(tx).await?.pop())
}

/// The oldest first.
async fn anchors(tx: &ControlTx) -> Result<Vec<Anchor>> {
    let rows = tx
        .query("SELECT sealed_to, mac FROM public.platform_anchor ORDER BY sealed_to LIMIT 10000", &[])
        .await?;
    Ok(rows.iter().map(|row| Anchor { sealed_to: row.get("sealed_to"), mac: row.get("mac") }).collect())
}

/// Whether transactions from `horizon` on wrote an event that has no seal, and the next horizon.
async fn is_any_unsealed(db: &Db, horizon: i64) -> Result<(bool, i64)> {
    let sql =
        "SELECT EXISTS (SELECT FROM public.platform_event e WHERE e.written_by >= ($1::bigint)::text::xid8
            AND NOT EXISTS (SELECT FROM public.platform_seal s WHERE s.event_id = e.id)),
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
    let row = db.ask_public(sql, &[&horizon]).await?;
    Ok((row.get(0), row.get(1)))
}

/// Events without a seal that transactions from `horizon` on wrote, and the next horizon.
async fn unsealed_from(tx: &ControlTx, horizon: i64) -> Result<(Vec<Stored>, i64)> {
    let row =
        tx.query_one("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon", &[]).await?;
    let rows = tx
        .query(
            concat!(
                "SELECT ",
                event_columns!(),
                " FROM public.platform_event e WHERE e.written_by >= ($1::bigint)::text::xid8
                    AND NOT EXISTS (SELECT 1 FROM public.platform_seal s WHERE s.event_id = e.id)
                  ORDER BY e.id LIMIT $2"
            ),
            &[&horizon, &BATCH],
        )
        .await?;
    Ok((rows.iter().map(stored_of).collect(), row.get("horizon")))
}

async fn append(tx: &ControlTx, after: i64, links: &[Link], mac: &[u8]) -> Result<bool> {
    let events: Vec<Uuid> = links.iter().map(|link| link.event).collect();
    let payloads: Vec<&[u8]> = links.iter().map(|link| link.payload_digest.as_slice()).collect();
    let digests: Vec<&[u8]> = links.iter().map(|link| link.digest.as_slice()).collect();
    let chains: Vec<&[u8]> = links.iter().map(|link| link.chain.as_slice()).collect();
    let row = tx
        .query_one(
            "SELECT public.seal_platform($1, $2, $3, $4, $5, $6) AS sealed",
            &[&after, &events, &payloads, &digests, &chains, &mac],
        )
        .await?;
    Ok(row.get("sealed"))
}

/// Holds the platform's log against its seals and anchors. Safe beside a working sealer.
pub async fn verify_platform(db: &Db, key: &AnchorKey) -> Result<Report> {
    db.read_public(async |tx| {
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", &[]).await?;
        let anchors = anchors(tx).await?;
        let anchored_to = anchors.last().map_or(0, |anchor| anchor.sealed_to);
        let mut steps = Walk::new(&anchors, |position, chain, mac| key.anchors(NOBODY, position, chain, mac));
        let mut after = 0;
        loop {
            let page = links_after(tx, after).await?;
            for (link, event) in &page {
                steps.step(link, event.as_ref(), Recorded::Nothing);
            }
            match page.last() {
                Some((link, _)) => after = link.position,
                None => break,
            }
        }
        let (sealed, _) = steps.end();
        let mut findings = std::mem::take(&mut steps.findings);
        if sealed > anchored_to {
            findings.push(Finding::UnanchoredTail { anchored_to, sealed_to: sealed });
        }
        let row = tx
            .query_one(
                "SELECT count(*) AS events, extract(epoch FROM now() - min(e.occurred_at))::float8 AS seconds
                 FROM public.platform_event e
                 WHERE NOT EXISTS (SELECT 1 FROM public.platform_seal s WHERE s.event_id = e.id)",
                &[],
            )
            .await?;
        let (unsealed, oldest): (i64, Option<f64>) = (row.get("events"), row.get("seconds"));
        let oldest = oldest.unwrap_or_default();
        if unsealed > 0 && oldest > OVERDUE_SECONDS {
            #[expect(clippy::cast_possible_truncation, reason = "an age in whole seconds")]
            let oldest_seconds = oldest as i64;
            findings.push(Finding::UnsealedEvents { events: unsealed, oldest_seconds });
        }
        Ok(Report { tenant: "platform".into(), sealed, unsealed, anchors: anchors.len(), findings })
    })
    .await
}

async fn links_after(tx: &ControlTx, after: i64) -> Result<Vec<(Link, Option<Stored>)>> {
    let rows = tx
        .query(
            concat!(
                "SELECT s.position, s.event_id, s.payload_digest, s.digest, s.chain, ",
                event_columns!(),
                " FROM public.platform_seal s LEFT JOIN public.platform_event e ON e.id = s.event_id
                  WHERE s.position > $1 ORDER BY s.position LIMIT $2"
            ),
            &[&after, &PAGE],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            let is_there = row.get::<_, Option<Uuid>>("id").is_some();
            (link_of(row), is_there.then(|| stored_of(row)))
        })
        .collect())
}

/// An event of the platform's log, as a list shows it.
#[derive(Debug, Clone)]
pub struct PlatformEntry {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub actor_kind: String,
    pub action: String,
    pub tenant: Option<TenantId>,
    pub slug: Option<String>,
    pub object: String,
    pub reason: String,
    pub detail: Value,
    pub address: Option<String>,
    pub request_id: Option<Uuid>,
}

/// What a list of the platform's log is narrowed to. Empty texts narrow nothing.
#[derive(Debug, Clone, Default)]
pub struct PlatformFilter {
    /// In actor, object, reason or slug.
    pub text: String,
    /// How the action begins: `tenant.`, or the whole of it.
    pub action: String,
    pub tenant: Option<TenantId>,
    /// Only those older than this.
    pub before: Option<Uuid>,
}

/// Newest first.
pub async fn list_platform(
    tx: &ControlTx,
    filter: &PlatformFilter,
    limit: i64,
) -> Result<Vec<PlatformEntry>> {
    let rows = tx
        .query(
            "SELECT e.id, e.occurred_at, e.actor, e.actor_kind, e.action, e.tenant_id, t.slug, e.object_label, e.reason,
                e.detail, e.address, e.request_id
             FROM public.platform_event e LEFT JOIN public.tenant t ON t.id = e.tenant_id
             WHERE ($1 = '' OR strpos(lower(concat_ws(' ', e.actor, e.object_label, e.reason, t.slug)), lower($1)) > 0)
                AND ($2 = '' OR starts_with(e.action, $2)) AND ($3::uuid IS NULL OR e.tenant_id = $3)
                AND ($4::uuid IS NULL OR e.id < $4)
             ORDER BY e.id DESC LIMIT $5",
            &[&filter.text, &filter.action, &filter.tenant, &filter.before, &limit],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| PlatformEntry {
            id: row.get("id"),
            at: row.get("occurred_at"),
            actor: row.get("actor"),
            actor_kind: row.get("actor_kind"),
            action: row.get("action"),
            tenant: row.get("tenant_id"),
            slug: row.get("slug"),
            object: row.get("object_label"),
            reason: row.get("reason"),
            detail: row.get("detail"),
            address: row.get("address"),
            request_id: row.get("request_id"),
        })
        .collect())
}
