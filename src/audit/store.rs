//! SQL of the trail's rows and of its seals and anchors.

use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    chain::{Link, Stored},
    erase::Traces,
};
use crate::{
    db::{ControlTx, Db, TenantTx},
    error::Result,
    tenancy::Tenant,
    types::TenantId,
};

/// Names of different actors and kinds of objects that a filter offers.
const NAMES_MAX: i64 = 200;

macro_rules! event_columns {
    () => {
        "e.id, e.occurred_at, e.actor_kind, e.actor_id, e.actor_label, e.action, e.object_type, e.object_id, e.object_label, \
         e.before::text AS before, e.after::text AS after, e.request_id, e.address, e.user_agent, e.salt, e.erased_at"
    };
}

pub(super) fn stored_of(row: &Row) -> Stored {
    Stored {
        id: row.get("id"),
        occurred_at: row.get("occurred_at"),
        actor_kind: row.get("actor_kind"),
        actor_id: row.get("actor_id"),
        actor_label: row.get("actor_label"),
        action: row.get("action"),
        object_type: row.get("object_type"),
        object_id: row.get("object_id"),
        object_label: row.get("object_label"),
        before: row.get("before"),
        after: row.get("after"),
        request_id: row.get("request_id"),
        address: row.get("address"),
        user_agent: row.get("user_agent"),
        salt: row.get("salt"),
        erased_at: row.get("erased_at"),
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

/// Events without a seal that transactions from `horizon` on wrote, in the order of their ids; and the next horizon: every
/// transaction before it had ended when this statement looked, so nothing older can appear any more.
pub(super) async fn list_unsealed(tx: &TenantTx, horizon: i64, limit: i64) -> Result<(Vec<Stored>, i64)> {
    let rows = tx
        .query(
            concat!(
                "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, ",
                event_columns!(),
                " FROM (SELECT 1) AS one LEFT JOIN LATERAL (SELECT ",
                event_columns!(),
                " FROM audit_event e WHERE e.written_by >= ($1::bigint)::text::xid8
                      AND NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.event_id = e.id)
                  ORDER BY e.id LIMIT $2) AS e ON true ORDER BY e.id"
            ),
            &[&horizon, &limit],
        )
        .await?;
    let next = rows.first().map_or(0, |row| row.get("horizon"));
    let events =
        rows.iter().filter(|row| row.get::<_, Option<Uuid>>("id").is_some()).map(stored_of).collect();
    Ok((events, next))
}

/// The last link of the chain, if there is one.
pub(super) async fn find_head(tx: &TenantTx) -> Result<Option<Link>> {
    let row = tx
        .query_opt(
            "SELECT position, event_id, payload_digest, digest, chain FROM audit_seal ORDER BY position DESC LIMIT 1",
            &[],
        )
        .await?;
    Ok(row.as_ref().map(link_of))
}

/// A link, and what it is held against.
pub(super) struct LinkRow {
    pub link: Link,
    /// None when it is gone.
    pub event: Option<Stored>,
    pub is_erasure_recorded: bool,
    /// The code that stands for what stays of it, where also who did it was erased.
    pub rest: Option<String>,
}

/// The links after a position, each with its event unless that is gone.
pub(super) async fn list_links(tx: &TenantTx, after: i64, limit: i64) -> Result<Vec<LinkRow>> {
    let rows = tx
        .query(
            concat!(
                "SELECT s.position, s.event_id, s.payload_digest, s.digest, s.chain, ",
                event_columns!(),
                ", e.erased_at IS NOT NULL AND r.records > 0 AS is_erasure_recorded, r.rest
                 FROM (SELECT position, event_id, payload_digest, digest, chain FROM audit_seal
                       WHERE position > $1 ORDER BY position LIMIT $2) s
                 LEFT JOIN audit_event e ON e.id = s.event_id
                 LEFT JOIN LATERAL (SELECT count(*) AS records, max(r.after ->> 'rest') AS rest FROM audit_event r
                     WHERE e.erased_at IS NOT NULL AND r.object_type = 'audit_event' AND r.object_id = e.id
                        AND r.action = 'audit.erased') r ON true
                 ORDER BY s.position"
            ),
            &[&after, &limit],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| LinkRow {
            link: link_of(row),
            event: row.get::<_, Option<Uuid>>("id").is_some().then(|| stored_of(row)),
            is_erasure_recorded: row.get::<_, Option<bool>>("is_erasure_recorded").unwrap_or_default(),
            rest: row.get("rest"),
        })
        .collect())
}

/// How many events have no seal, and how old the oldest of them is.
pub(super) async fn unsealed(tx: &TenantTx) -> Result<(i64, Option<f64>)> {
    let row = tx
        .query_one(
            "SELECT count(*) AS events, extract(epoch FROM now() - min(e.occurred_at))::float8 AS seconds
             FROM audit_event e WHERE NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.event_id = e.id)",
            &[],
        )
        .await?;
    Ok((row.get("events"), row.get("seconds")))
}

/// How long the tenant's oldest event has been waiting for its seal; 0 when none waits.
pub(super) async fn seal_lag_seconds(db: &Db, tenant: &Tenant) -> Result<f64> {
    let (_, seconds) = db.read_tenant(tenant, async |tx| unsealed(tx).await).await?;
    Ok(seconds.unwrap_or_default())
}

/// An anchored head: position and MAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Anchor {
    pub sealed_to: i64,
    pub mac: Vec<u8>,
}

/// A tenant's anchors, oldest first. One a day is kept, so a thousand are some years.
pub(super) async fn list_anchors(tx: &ControlTx, tenant: TenantId) -> Result<Vec<Anchor>> {
    let rows = tx
        .query(
            "SELECT sealed_to, mac FROM (
                 SELECT sealed_to, mac FROM public.audit_anchor WHERE tenant_id = $1 ORDER BY sealed_to DESC LIMIT 1000) newest
             ORDER BY sealed_to",
            &[&tenant],
        )
        .await?;
    Ok(rows.iter().map(|row| Anchor { sealed_to: row.get("sealed_to"), mac: row.get("mac") }).collect())
}

pub(super) async fn find_newest_anchor(tx: &ControlTx, tenant: TenantId) -> Result<Option<Anchor>> {
    let row = tx
        .query_opt(
            "SELECT sealed_to, mac FROM public.audit_anchor WHERE tenant_id = $1 ORDER BY sealed_to DESC LIMIT 1",
            &[&tenant],
        )
        .await?;
    Ok(row.map(|row| Anchor { sealed_to: row.get("sealed_to"), mac: row.get("mac") }))
}

/// Appends links and anchors their head, both or neither. False when another sealer came first.
pub(super) async fn insert_links(
    tx: &ControlTx,
    tenant: TenantId,
    after: i64,
    links: &[Link],
    mac: &[u8],
    is_adopted: bool,
) -> Result<bool> {
    let events: Vec<Uuid> = links.iter().map(|link| link.event).collect();
    let payloads: Vec<&[u8]> = links.iter().map(|link| link.payload_digest.as_slice()).collect();
    let digests: Vec<&[u8]> = links.iter().map(|link| link.digest.as_slice()).collect();
    let chains: Vec<&[u8]> = links.iter().map(|link| link.chain.as_slice()).collect();
    let row = tx
        .query_one(
            "SELECT public.seal_audit($1, $2, $3, $4, $5, $6, $7, $8) AS sealed",
            &[&tenant, &after, &events, &payloads, &digests, &chains, &mac, &is_adopted],
        )
        .await?;
    Ok(row.get("sealed"))
}

/// How many rows were ever inserted anywhere in this database, by PostgreSQL's own count.
pub(super) async fn count_inserts(db: &Db) -> Result<i64> {
    let sql = "SELECT tup_inserted FROM pg_stat_database WHERE datname = current_database()";
    Ok(db.ask_public(sql, &[]).await?.get(0))
}

/// How many rows were ever inserted into each open tenant's trail, by PostgreSQL's own statistics. Moves within seconds of a
/// commit, costs the writers nothing, and takes some 3 ms for 500 tenants; it may restart from 0 after a crash.
pub(super) async fn list_insert_counts(tx: &ControlTx) -> Result<Vec<(TenantId, i64)>> {
    let rows = tx
        .query(
            "SELECT t.id, pg_stat_get_tuples_inserted(c.oid) AS inserted
             FROM public.tenant t
             JOIN pg_namespace n ON n.nspname = t.schema_name
             JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'audit_event'
             WHERE t.status <> 'closed'",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get("id"), row.get("inserted"))).collect())
}

pub(super) async fn erase_payloads(tx: &ControlTx, tenant: TenantId, events: &[Uuid]) -> Result<i64> {
    let row =
        tx.query_one("SELECT public.erase_audit_payloads($1, $2) AS erased", &[&tenant, &events]).await?;
    Ok(row.get("erased"))
}

/// Payloads and who did it, of events that are sealed.
pub(super) async fn erase_people(tx: &ControlTx, tenant: TenantId, events: &[Uuid]) -> Result<i64> {
    let row = tx.query_one("SELECT public.erase_audit_people($1, $2) AS erased", &[&tenant, &events]).await?;
    Ok(row.get("erased"))
}

/// A sealed event that says something of a person.
pub(super) struct Told {
    pub event: Stored,
    /// Whether it is the person who did it.
    pub is_own: bool,
    pub payload_digest: Vec<u8>,
    pub digest: Vec<u8>,
}

/// Sealed events that say something of a person yet. Records of erasures say nothing of one.
pub(super) async fn list_of_person(tx: &TenantTx, person: &Traces<'_>, limit: i64) -> Result<Vec<Told>> {
    let rows = tx
        .query(
            concat!(
                "SELECT ",
                event_columns!(),
                ", w.is_own, s.payload_digest, s.digest FROM audit_event e JOIN audit_seal s ON s.event_id = e.id
                 CROSS JOIN LATERAL (SELECT
                    e.actor_label <> 'Erased person' AND (coalesce(e.actor_id = ANY($2), false)
                        OR EXISTS (SELECT FROM unnest($3::text[]) w WHERE position(w IN lower(e.actor_label)) > 0)) AS is_own,
                    e.erased_at IS NULL AND (coalesce(e.object_id = ANY($1), false) OR EXISTS (SELECT FROM unnest($3::text[]) w
                        WHERE position(w IN lower(concat_ws(' ', e.object_label, e.before::text, e.after::text))) > 0
                            OR position(w IN translate(concat_ws(' ', e.object_label, e.before::text, e.after::text), ' ().-', ''))
                                > 0)) AS is_about) w
                 WHERE e.object_type NOT IN ('audit_event', 'erasure') AND (w.is_own OR w.is_about) ORDER BY e.id LIMIT $4"
            ),
            &[&person.objects, &person.actors, &person.words, &limit],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Told {
            event: stored_of(row),
            is_own: row.get("is_own"),
            payload_digest: row.get("payload_digest"),
            digest: row.get("digest"),
        })
        .collect())
}

/// Everyone with an id who ever did something, by the newest name. One look into the index per actor, however long the trail;
/// ordered as that index is, so that no other serves.
pub async fn known_actors(tx: &TenantTx) -> Result<Vec<(Uuid, String)>> {
    let rows = tx
        .query(
            "WITH RECURSIVE actor (id, n) AS (
                 (SELECT actor_id, 1 FROM audit_event WHERE actor_id IS NOT NULL ORDER BY actor_id LIMIT 1)
                 UNION ALL
                 SELECT (SELECT e.actor_id FROM audit_event e WHERE e.actor_id > actor.id ORDER BY e.actor_id LIMIT 1), n + 1
                 FROM actor WHERE actor.id IS NOT NULL AND n < $1
             )
             SELECT actor.id, newest.actor_label FROM actor
             JOIN LATERAL (SELECT e.actor_label FROM audit_event e WHERE e.actor_id BETWEEN actor.id AND actor.id
                 ORDER BY e.actor_id, e.id DESC LIMIT 1) newest ON true
             WHERE actor.id IS NOT NULL
             ORDER BY lower(newest.actor_label)",
            &[&i32::try_from(NAMES_MAX).unwrap_or_default()],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get("id"), row.get("actor_label"))).collect())
}

/// The kinds of objects that something ever happened to.
pub async fn known_object_types(tx: &TenantTx) -> Result<Vec<String>> {
    let rows = tx
        .query(
            "WITH RECURSIVE kind (name, n) AS (
                 (SELECT object_type, 1 FROM audit_event ORDER BY object_type LIMIT 1)
                 UNION ALL
                 SELECT (SELECT e.object_type FROM audit_event e WHERE e.object_type > kind.name ORDER BY e.object_type LIMIT 1),
                     n + 1
                 FROM kind WHERE kind.name IS NOT NULL AND n < $1
             )
             SELECT name FROM kind WHERE name IS NOT NULL",
            &[&i32::try_from(NAMES_MAX).unwrap_or_default()],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get("name")).collect())
}
