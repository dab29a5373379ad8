//! All SQL of API keys.

use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::Row;

use super::{
    model::{ApiKey, DayOfUse, NewKey, OldSecret},
    networks::Networks,
};
use crate::{
    access::credentials::TokenHash,
    db::TenantTx,
    error::Result,
    types::{ApiKeyId, Limit, StaffId},
};

/// The key of a secret that counts now; `counts_until` is the end of a secret that was replaced.
pub async fn find_live_key(tx: &TenantTx, hash: &TokenHash) -> Result<Option<Row>> {
    tx.query_opt(
        "SELECT id, name, scopes, networks, least(expires_at, CASE WHEN key_hash <> $1 THEN old_until END) AS counts_until
         FROM api_key
         WHERE (key_hash = $1 OR (old_key_hash = $1 AND old_until > now()))
            AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
        &[&hash.as_slice()],
    )
    .await
}

pub async fn find_scopes(tx: &TenantTx, key: ApiKeyId) -> Result<Option<Vec<String>>> {
    Ok(tx.query_opt("SELECT scopes FROM api_key WHERE id = $1", &[&key]).await?.map(|row| row.get("scopes")))
}

macro_rules! select_key {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.name, k.prefix, k.scopes, k.networks, k.created_by, s.name AS created_by_name, k.created_at, ",
            "k.expires_at, k.last_used_at, k.last_used_from, k.revoked_at, k.old_prefix, ",
            "CASE WHEN k.old_until > now() AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) ",
            "THEN least(k.old_until, k.expires_at) END AS old_until ",
            "FROM api_key k LEFT JOIN staff s ON s.id = k.created_by ",
            $rest
        )
    };
}

fn key_of(row: &Row) -> Result<ApiKey> {
    let old_until: Option<DateTime<Utc>> = row.get("old_until");
    let old_prefix: Option<String> = row.get("old_prefix");
    Ok(ApiKey {
        id: row.get("id"),
        name: row.get("name"),
        prefix: row.get("prefix"),
        scopes: row.get("scopes"),
        networks: Networks::kept(&row.get::<_, Vec<String>>("networks"))?,
        created_by: row.get("created_by"),
        created_by_name: row.get("created_by_name"),
        created_at: row.get("created_at"),
        expires_at: row.get("expires_at"),
        last_used_at: row.get("last_used_at"),
        last_used_from: row.get("last_used_from"),
        revoked_at: row.get("revoked_at"),
        old: old_prefix.zip(old_until).map(|(prefix, until)| OldSecret { prefix, until }),
    })
}

/// The newest first.
pub async fn list_keys(tx: &TenantTx, after: Option<ApiKeyId>, limit: Limit) -> Result<Vec<ApiKey>> {
    let rows = tx
        .query(
            select_key!("WHERE $1::uuid IS NULL OR k.id < $1 ORDER BY k.id DESC LIMIT $2"),
            &[&after, &limit.and_one()],
        )
        .await?;
    rows.iter().map(key_of).collect()
}

/// The keys that a person made, the newest first, at most fifty.
pub async fn list_keys_of(tx: &TenantTx, staff: StaffId) -> Result<Vec<ApiKey>> {
    let rows =
        tx.query(select_key!("WHERE k.created_by = $1 ORDER BY k.id DESC LIMIT 50"), &[&staff]).await?;
    rows.iter().map(key_of).collect()
}

pub async fn count_keys(tx: &TenantTx) -> Result<i64> {
    Ok(tx.query_one("SELECT count(*) AS n FROM api_key", &[]).await?.get("n"))
}

pub async fn find_key(tx: &TenantTx, id: ApiKeyId) -> Result<Option<ApiKey>> {
    tx.query_opt(select_key!("WHERE k.id = $1"), &[&id]).await?.as_ref().map(key_of).transpose()
}

pub async fn lock_key(tx: &TenantTx, id: ApiKeyId) -> Result<Option<ApiKey>> {
    let row = tx.query_opt(select_key!("WHERE k.id = $1 FOR UPDATE OF k"), &[&id]).await?;
    row.as_ref().map(key_of).transpose()
}

/// A secret as it is kept: its hash, and its first characters to recognise it by.
pub struct KeptSecret {
    pub hash: TokenHash,
    pub prefix: String,
}

pub async fn insert_key(
    tx: &TenantTx,
    id: ApiKeyId,
    new: &NewKey,
    secret: &KeptSecret,
    created_by: Option<StaffId>,
) -> Result<()> {
    tx.execute(
        "INSERT INTO api_key (id, name, prefix, key_hash, scopes, networks, created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            &id,
            &new.name,
            &secret.prefix,
            &secret.hash.as_slice(),
            &new.scopes,
            &new.networks.texts(),
            &created_by,
            &new.expires_at,
        ],
    )
    .await?;
    Ok(())
}

pub async fn update_key(tx: &TenantTx, key: &ApiKey) -> Result<()> {
    tx.execute(
        "UPDATE api_key SET name = $2, networks = $3, expires_at = $4 WHERE id = $1",
        &[&key.id, &key.name, &key.networks.texts(), &key.expires_at],
    )
    .await?;
    Ok(())
}

/// A new secret. The one before counts until then, and one before that no more; None: only the new one counts.
pub async fn set_key_secret(
    tx: &TenantTx,
    id: ApiKeyId,
    secret: &KeptSecret,
    old_until: Option<DateTime<Utc>>,
) -> Result<()> {
    tx.execute(
        "UPDATE api_key SET prefix = $2, key_hash = $3, old_until = $4::timestamptz,
            old_prefix = CASE WHEN $4::timestamptz IS NOT NULL THEN prefix END,
            old_key_hash = CASE WHEN $4::timestamptz IS NOT NULL THEN key_hash END
         WHERE id = $1",
        &[&id, &secret.prefix, &secret.hash.as_slice(), &old_until],
    )
    .await?;
    Ok(())
}

pub async fn end_old_secret(tx: &TenantTx, id: ApiKeyId) -> Result<()> {
    tx.execute(
        "UPDATE api_key SET old_until = NULL, old_prefix = NULL, old_key_hash = NULL WHERE id = $1",
        &[&id],
    )
    .await?;
    Ok(())
}

pub async fn revoke_key(tx: &TenantTx, id: ApiKeyId) -> Result<()> {
    tx.execute("UPDATE api_key SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", &[&id]).await?;
    Ok(())
}

/// What a key was used for since a day.
pub async fn list_use(tx: &TenantTx, key: ApiKeyId, since: NaiveDate) -> Result<Vec<DayOfUse>> {
    let rows = tx
        .query(
            "SELECT day, requests, refusals FROM api_key_day WHERE key_id = $1 AND day >= $2 ORDER BY day LIMIT 100",
            &[&key, &since],
        )
        .await?;
    let day = |row: &Row| DayOfUse {
        day: row.get("day"),
        requests: row.get("requests"),
        refusals: row.get("refusals"),
    };
    Ok(rows.iter().map(day).collect())
}

/// When and from where a key was used last.
pub struct LastUse {
    pub key: ApiKeyId,
    pub at: DateTime<Utc>,
    pub from: Option<String>,
}

/// Notes last uses. The keys are locked in their order, so that two processes that note the same ones do not wait for each other.
pub async fn note_last_uses(tx: &TenantTx, uses: &[LastUse]) -> Result<()> {
    let ids: Vec<ApiKeyId> = uses.iter().map(|one| one.key).collect();
    let at: Vec<DateTime<Utc>> = uses.iter().map(|one| one.at).collect();
    let from: Vec<Option<&str>> = uses.iter().map(|one| one.from.as_deref()).collect();
    tx.query("SELECT id FROM api_key WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", &[&ids]).await?;
    tx.execute(
        "UPDATE api_key k SET last_used_at = u.at, last_used_from = u.origin
         FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS u (id, at, origin)
         WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at)",
        &[&ids, &at, &from],
    )
    .await?;
    Ok(())
}

/// Adds to the days of keys, which [`note_last_uses`] has locked.
pub async fn add_use(tx: &TenantTx, days: &[(ApiKeyId, DayOfUse)]) -> Result<()> {
    let ids: Vec<ApiKeyId> = days.iter().map(|(key, _)| *key).collect();
    let on: Vec<NaiveDate> = days.iter().map(|(_, one)| one.day).collect();
    let requests: Vec<i64> = days.iter().map(|(_, one)| one.requests).collect();
    let refusals: Vec<i64> = days.iter().map(|(_, one)| one.refusals).collect();
    tx.execute(
        "INSERT INTO api_key_day AS d (key_id, day, requests, refusals)
         SELECT u.key_id, u.day, u.requests, u.refusals
         FROM unnest($1::uuid[], $2::date[], $3::bigint[], $4::bigint[]) AS u (key_id, day, requests, refusals)
         JOIN api_key k ON k.id = u.key_id ORDER BY u.key_id, u.day
         ON CONFLICT (key_id, day) DO UPDATE SET requests = d.requests + excluded.requests,
            refusals = d.refusals + excluded.refusals",
        &[&ids, &on, &requests, &refusals],
    )
    .await?;
    Ok(())
}

/// Days that nobody is shown any more go, a few at a time.
pub async fn sweep_use(tx: &TenantTx, before: NaiveDate) -> Result<()> {
    tx.execute(
        "DELETE FROM api_key_day d USING (
            SELECT key_id, day FROM api_key_day WHERE day < $1 LIMIT 1000 FOR UPDATE SKIP LOCKED) AS old
         WHERE d.key_id = old.key_id AND d.day = old.day",
        &[&before],
    )
    .await?;
    Ok(())
}

/// Whether it is a minute since it was written down that the key came from elsewhere; from now on it is not.
pub async fn may_tell_of_network(tx: &TenantTx, key: ApiKeyId) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE api_key SET network_refused_at = now()
             WHERE id = $1 AND (network_refused_at IS NULL OR network_refused_at <= now() - interval '1 minute')",
            &[&key],
        )
        .await?;
    Ok(touched == 1)
}

/// Locks keys whose end is near, or was within the last week, and which nobody was warned of as near as this. The sooner first.
pub async fn list_ending(tx: &TenantTx, now: DateTime<Utc>, limit: i64) -> Result<Vec<(ApiKey, i16)>> {
    let rows = tx
        .query(
            select_key!(
                "CROSS JOIN LATERAL (SELECT CASE WHEN k.expires_at <= $1 THEN 0::smallint
                    WHEN k.expires_at <= $1 + interval '3 days' THEN 3::smallint ELSE 14::smallint END AS days) stage
                 WHERE k.revoked_at IS NULL AND k.expires_at > $1 - interval '7 days'
                    AND k.expires_at <= $1 + interval '14 days'
                    AND k.created_at <= k.expires_at - make_interval(days => stage.days)
                    AND NOT EXISTS (SELECT FROM api_key_warning w
                        WHERE w.key_id = k.id AND w.expires_at = k.expires_at AND w.days_before <= stage.days)
                 ORDER BY k.expires_at, k.id LIMIT $2 FOR UPDATE OF k"
            ),
            &[&now, &limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let key = key_of(row)?;
            let days = match key.expires_at {
                Some(at) if at <= now => 0,
                Some(at) if at <= now + chrono::TimeDelta::days(3) => 3,
                _ => 14,
            };
            Ok((key, days))
        })
        .collect()
}

pub async fn insert_warning(
    tx: &TenantTx,
    key: ApiKeyId,
    expires_at: DateTime<Utc>,
    days: i16,
) -> Result<()> {
    tx.execute(
        "INSERT INTO api_key_warning (key_id, expires_at, days_before) VALUES ($1, $2, $3)",
        &[&key, &expires_at, &days],
    )
    .await?;
    Ok(())
}

/// The next instant at which a warning falls due, after `now`.
pub async fn next_warning(tx: &TenantTx, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let row = tx
        .query_one(
            "SELECT min(k.expires_at - make_interval(days => d.days)) AS due
             FROM api_key k CROSS JOIN (VALUES (14), (3), (0)) AS d (days)
             WHERE k.revoked_at IS NULL AND k.expires_at > $1
                AND k.expires_at - make_interval(days => d.days) > $1",
            &[&now],
        )
        .await?;
    Ok(row.get("due"))
}

/// Somebody who is told of a key's end: every owner who is switched on, and who made it.
pub struct Warned {
    pub id: StaffId,
    pub name: String,
    pub email: String,
}

pub async fn list_warned(tx: &TenantTx, created_by: Option<StaffId>) -> Result<Vec<Warned>> {
    let rows = tx
        .query(
            "SELECT s.id, s.name, s.email FROM staff s
             WHERE s.is_active AND (s.id = $1 OR EXISTS (SELECT FROM staff_role sr JOIN role r ON r.id = sr.role_id
                WHERE sr.staff_id = s.id AND r.is_owner))
             ORDER BY s.id LIMIT 50",
            &[&created_by],
        )
        .await?;
    let one = |row: &Row| Warned { id: row.get("id"), name: row.get("name"), email: row.get("email") };
    Ok(rows.iter().map(one).collect())
}
