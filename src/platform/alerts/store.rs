//! All SQL of alerts, and of what they are judged by.

use tokio_postgres::Row;
use uuid::Uuid;

use super::model::{Alert, Kind, Named, Seen};
use crate::{
    db::{ControlTx, Db},
    error::{Error, Result},
    types::{EmailAddress, TenantId},
};

/// An address counts among the few when it tries at least so many accounts.
const ACCOUNTS_OF_ADDRESS_MIN: i64 = 3;
/// So many addresses are few.
const ADDRESSES_FEW: i64 = 5;
/// A credential that nobody knows is looked for elsewhere when it was shown so often.
const LOOKED_FOR_FROM: i64 = 3;
const LOOKED_FOR_AT_ONCE: i64 = 50;
const LIST_MAX: i64 = 200;
/// Sightings are kept for an hour, or for the window where that is longer.
const SIGHTINGS_KEPT_MINUTES: i32 = 60;
const ALERTS_KEPT_DAYS: i32 = 400;

/// What there is to be judged.
pub struct Matter {
    /// Something was seen just now, or an alert is open.
    pub is_fresh: bool,
    /// Something is kept that was seen before.
    pub is_any: bool,
}

/// Asked all the time.
pub async fn find_matter(db: &Db) -> Result<Matter> {
    let sql = "SELECT EXISTS (SELECT FROM public.sighting WHERE minute > now() - interval '2 minutes')
            OR EXISTS (SELECT FROM public.alert WHERE closed_at IS NULL) AS is_fresh,
        EXISTS (SELECT FROM public.sighting) AS is_any";
    let row = db.ask_public(sql, &[]).await?;
    Ok(Matter { is_fresh: row.get("is_fresh"), is_any: row.get("is_any") })
}

/// Nobody writes sightings until this unit ends, and nobody else judges them.
pub async fn lock_sightings(tx: &ControlTx) -> Result<()> {
    tx.execute("LOCK TABLE public.sighting IN EXCLUSIVE MODE", &[]).await.map(drop)
}

/// Everything but refused sign-ins by account, as far as the window reaches.
pub async fn list_seen(tx: &ControlTx, window: i32) -> Result<Vec<Seen>> {
    let rows = tx
        .query(
            "SELECT CASE WHEN s.found_in <> s.tenant_id THEN 'foreign_credential' ELSE s.kind END AS kind, s.tenant_id,
                coalesce(s.found_in, s.other_id) AS other_id, sum(s.amount)::bigint AS total,
                sum(s.amount - s.told)::bigint AS fresh
             FROM public.sighting s
             WHERE s.kind <> 'guess' AND s.minute > now() - make_interval(mins => $1)
             GROUP BY 1, 2, 3",
            &[&window],
        )
        .await?;
    let read = |row: &Row| {
        let fresh = row.get("fresh");
        Some(Seen {
            kind: Kind::parse(row.get("kind"))?,
            at: row.get("tenant_id"),
            of: row.get("other_id"),
            total: row.get("total"),
            fresh,
            amount: fresh,
            spread: None,
        })
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// Refused sign-ins of the few networks that try most accounts, and those networks. The tenant is known where there is only one.
pub async fn find_stuffing(tx: &ControlTx, window: i32) -> Result<Option<(Seen, Vec<Vec<u8>>)>> {
    let row = tx
        .query_one(
            "WITH near AS (SELECT source, subject, tenant_id, amount, told FROM public.sighting
                WHERE kind = 'guess' AND minute > now() - make_interval(mins => $1)),
             few AS (SELECT source FROM near GROUP BY source HAVING count(DISTINCT subject) >= $2
                ORDER BY count(DISTINCT subject) DESC, source LIMIT $3)
             SELECT count(DISTINCT subject) AS accounts, count(DISTINCT subject) FILTER (WHERE told < amount) AS fresh,
                coalesce(sum(amount - told), 0)::bigint AS amount, array_agg(DISTINCT source) AS sources,
                array_agg(DISTINCT tenant_id) AS tenants
             FROM near JOIN few USING (source)",
            &[&window, &ACCOUNTS_OF_ADDRESS_MIN, &ADDRESSES_FEW],
        )
        .await?;
    let Some(sources) = row.get::<_, Option<Vec<Vec<u8>>>>("sources") else { return Ok(None) };
    let tenants: Option<Vec<Option<TenantId>>> = row.get("tenants");
    let at = match tenants.unwrap_or_default().as_slice() {
        [one] => *one,
        _ => None,
    };
    let accounts: i64 = row.get("accounts");
    let addresses = i64::try_from(sources.len()).unwrap_or(i64::MAX);
    let seen = Seen {
        kind: Kind::Stuffing,
        at,
        of: None,
        total: accounts,
        fresh: row.get("fresh"),
        amount: row.get("amount"),
        spread: Some((accounts, addresses)),
    };
    Ok(Some((seen, sources)))
}

/// An alert has counted these.
pub async fn mark_told(tx: &ControlTx, seen: &Seen) -> Result<()> {
    tx.execute(
        "UPDATE public.sighting SET told = amount
         WHERE told < amount AND CASE WHEN found_in <> tenant_id THEN 'foreign_credential' ELSE kind END = $1
            AND tenant_id IS NOT DISTINCT FROM $2 AND coalesce(found_in, other_id) IS NOT DISTINCT FROM $3",
        &[&seen.kind.as_str(), &seen.at, &seen.of],
    )
    .await
    .map(drop)
}

pub async fn mark_guesses_told(tx: &ControlTx, sources: &[Vec<u8>]) -> Result<()> {
    tx.execute(
        "UPDATE public.sighting SET told = amount WHERE kind = 'guess' AND told < amount AND source = ANY($1)",
        &[&sources],
    )
    .await
    .map(drop)
}

/// The open alert about this, if there is one.
pub async fn find_open(tx: &ControlTx, about: &str) -> Result<Option<Uuid>> {
    let row = tx
        .query_opt("SELECT id FROM public.alert WHERE about = $1 AND closed_at IS NULL FOR UPDATE", &[&about])
        .await?;
    Ok(row.map(|row| row.get("id")))
}

pub async fn insert_alert(tx: &ControlTx, id: Uuid, seen: &Seen) -> Result<()> {
    let (accounts, addresses) = seen.spread.unzip();
    tx.execute(
        "INSERT INTO public.alert (id, kind, about, tenant_id, other_id, amount, accounts, addresses)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[&id, &seen.kind.as_str(), &seen.about(), &seen.at, &seen.of, &seen.amount, &accounts, &addresses],
    )
    .await
    .map(drop)
}

/// More of the same. Of a tenant that is not the only one any more it is not.
pub async fn update_seen(tx: &ControlTx, id: Uuid, seen: &Seen, is_over: bool) -> Result<()> {
    let (accounts, addresses) = seen.spread.unzip();
    tx.execute(
        "UPDATE public.alert SET amount = amount + $2, last_seen_at = now(),
            over_at = CASE WHEN $3 THEN now() ELSE over_at END,
            tenant_id = CASE WHEN tenant_id IS NOT DISTINCT FROM $4 THEN tenant_id END,
            accounts = greatest(accounts, $5), addresses = greatest(addresses, $6)
         WHERE id = $1",
        &[&id, &seen.amount, &is_over, &seen.at, &accounts, &addresses],
    )
    .await
    .map(drop)
}

/// Closes what was quiet for so long; how many there were.
pub async fn close_quiet(tx: &ControlTx, minutes: i32) -> Result<u64> {
    tx.execute(
        "UPDATE public.alert SET closed_at = now() WHERE closed_at IS NULL AND over_at < now() - make_interval(mins => $1)",
        &[&minutes],
    )
    .await
}

/// Alerts that are to be written about: new ones, and those that go on an hour after the last letter.
pub async fn take_untold(tx: &ControlTx) -> Result<Vec<Alert>> {
    let rows = tx
        .query(
            "WITH due AS (UPDATE public.alert SET told_at = now()
                WHERE closed_at IS NULL AND (told_at IS NULL OR (told_at < now() - interval '1 hour' AND over_at > told_at))
                RETURNING id, kind, tenant_id, other_id, amount, accounts, addresses, opened_at, last_seen_at, closed_at,
                    acknowledged_by, note)
             SELECT a.id, a.kind, a.tenant_id, t.name AS tenant, a.other_id, o.name AS other, a.amount, a.accounts, a.addresses,
                a.opened_at, a.last_seen_at, a.closed_at, a.acknowledged_by, a.note
             FROM due a LEFT JOIN public.tenant t ON t.id = a.tenant_id LEFT JOIN public.tenant o ON o.id = a.other_id
             ORDER BY a.id",
            &[],
        )
        .await?;
    rows.iter().map(alert_of).collect()
}

fn alert_of(row: &Row) -> Result<Alert> {
    let named = |id: &str, name: &str| {
        let name: Option<String> = row.get(name);
        row.get::<_, Option<TenantId>>(id)
            .map(|id| Named { id, name: name.unwrap_or_else(|| id.to_string()) })
    };
    let spread = row.get::<_, Option<i64>>("accounts").zip(row.get("addresses"));
    Ok(Alert {
        id: row.get("id"),
        kind: Kind::parse(row.get("kind")).ok_or_else(|| Error::internal("an alert of no kind"))?,
        at: named("tenant_id", "tenant"),
        of: named("other_id", "other"),
        amount: row.get("amount"),
        spread,
        opened_at: row.get("opened_at"),
        last_seen_at: row.get("last_seen_at"),
        closed_at: row.get("closed_at"),
        acknowledged_by: row.get("acknowledged_by"),
        note: row.get("note"),
    })
}

/// Open ones first, then the newest.
pub async fn list_alerts(tx: &ControlTx) -> Result<Vec<Alert>> {
    let rows = tx
        .query(
            "SELECT a.id, a.kind, a.tenant_id, t.name AS tenant, a.other_id, o.name AS other, a.amount, a.accounts, a.addresses,
                a.opened_at, a.last_seen_at, a.closed_at, a.acknowledged_by, a.note
             FROM public.alert a LEFT JOIN public.tenant t ON t.id = a.tenant_id LEFT JOIN public.tenant o ON o.id = a.other_id
             ORDER BY a.closed_at DESC NULLS FIRST, a.id DESC LIMIT $1",
            &[&LIST_MAX],
        )
        .await?;
    rows.iter().map(alert_of).collect()
}

/// The alert, held until the end of the unit.
pub async fn lock_alert(tx: &ControlTx, id: Uuid) -> Result<Alert> {
    let row = tx
        .query_opt(
            "SELECT a.id, a.kind, a.tenant_id, t.name AS tenant, a.other_id, o.name AS other, a.amount, a.accounts, a.addresses,
                a.opened_at, a.last_seen_at, a.closed_at, a.acknowledged_by, a.note
             FROM public.alert a LEFT JOIN public.tenant t ON t.id = a.tenant_id LEFT JOIN public.tenant o ON o.id = a.other_id
             WHERE a.id = $1 FOR UPDATE OF a",
            &[&id],
        )
        .await?;
    alert_of(&row.ok_or(Error::not_found("alert"))?)
}

pub async fn close_acknowledged(tx: &ControlTx, id: Uuid, by: &str, note: &str) -> Result<()> {
    tx.execute(
        "UPDATE public.alert SET closed_at = now(), acknowledged_by = $2, note = $3 WHERE id = $1",
        &[&id, &by, &note],
    )
    .await
    .map(drop)
}

pub async fn count_open(tx: &ControlTx) -> Result<i64> {
    let row = tx.query_one("SELECT count(*) AS n FROM public.alert WHERE closed_at IS NULL", &[]).await?;
    Ok(row.get("n"))
}

/// Somebody who is written to.
pub struct Reader {
    pub name: String,
    pub email: EmailAddress,
}

/// Who wants letters: as they said, else whoever is more than a looker-on.
pub async fn list_readers(tx: &ControlTx) -> Result<Vec<Reader>> {
    let rows = tx
        .query(
            "SELECT name, email FROM public.platform_staff
             WHERE is_active AND password_hash IS NOT NULL AND coalesce(alert_letters, role <> 'read_only')
             ORDER BY id LIMIT $1",
            &[&LIST_MAX],
        )
        .await?;
    let read = |row: &Row| {
        let email = EmailAddress::parse(row.get("email")).ok()?;
        Some(Reader { name: row.get("name"), email })
    };
    Ok(rows.iter().filter_map(read).collect())
}

pub async fn update_letters(tx: &ControlTx, staff: Uuid, wants: bool) -> Result<()> {
    tx.execute("UPDATE public.platform_staff SET alert_letters = $2 WHERE id = $1", &[&staff, &wants])
        .await
        .map(drop)
}

/// What was found of a credential before holds for it later, too.
pub async fn spread_found(tx: &ControlTx) -> Result<()> {
    tx.execute(
        "UPDATE public.sighting s SET looked_for = true, found_in = k.found_in
         FROM (SELECT DISTINCT ON (subject) subject, found_in FROM public.sighting
            WHERE kind = 'unknown_credential' AND looked_for ORDER BY subject, found_in NULLS LAST) k
         WHERE s.kind = 'unknown_credential' AND NOT s.looked_for AND s.subject = k.subject",
        &[],
    )
    .await
    .map(drop)
}

/// Hashes of credentials that were shown again and again where nobody knows them.
pub async fn list_unfound(tx: &ControlTx) -> Result<Vec<Vec<u8>>> {
    let rows = tx
        .query(
            "SELECT subject FROM public.sighting WHERE kind = 'unknown_credential' AND NOT looked_for
             GROUP BY subject HAVING sum(amount) >= $1::bigint ORDER BY sum(amount) DESC, subject LIMIT $2",
            &[&LOOKED_FOR_FROM, &LOOKED_FOR_AT_ONCE],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get("subject")).collect())
}

pub async fn list_active_tenants(tx: &ControlTx) -> Result<Vec<TenantId>> {
    let rows = tx.query("SELECT id FROM public.tenant WHERE status = 'active' ORDER BY id", &[]).await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

/// These were looked for; those of `found` lie in the tenant beside them. That may be where they were shown: one that counts no more.
pub async fn mark_found(tx: &ControlTx, hashes: &[Vec<u8>], found: &[(Vec<u8>, TenantId)]) -> Result<()> {
    let (theirs, tenants): (Vec<&[u8]>, Vec<TenantId>) =
        found.iter().map(|(hash, tenant)| (hash.as_slice(), *tenant)).unzip();
    tx.execute(
        "UPDATE public.sighting s SET looked_for = true, found_in = f.tenant
         FROM unnest($1::bytea[]) AS h (hash)
         LEFT JOIN (SELECT DISTINCT ON (hash) hash, tenant FROM unnest($2::bytea[], $3::uuid[]) AS x (hash, tenant)
            ORDER BY hash) f USING (hash)
         WHERE s.kind = 'unknown_credential' AND s.subject = h.hash",
        &[&hashes, &theirs, &tenants],
    )
    .await
    .map(drop)
}

/// What nobody looks back to any more.
pub async fn sweep(tx: &ControlTx, window: i32) -> Result<()> {
    tx.execute(
        "DELETE FROM public.sighting WHERE minute < now() - make_interval(mins => $1)",
        &[&window.max(SIGHTINGS_KEPT_MINUTES)],
    )
    .await?;
    tx.execute(
        "DELETE FROM public.alert WHERE closed_at < now() - make_interval(days => $1)",
        &[&ALERTS_KEPT_DAYS],
    )
    .await
    .map(drop)
}
