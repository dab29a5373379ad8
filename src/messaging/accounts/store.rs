//! All SQL of accounts.

use std::collections::HashMap;

use rust_decimal::Decimal;
use serde_json::Value;
use tokio_postgres::Row;

use super::{
    draft::{AccountDraft, Masked, Shown},
    model::{Account, Breaker, BreakerState},
};
use crate::{
    db::TenantTx,
    error::{Error, OrInternal, Result},
    messaging::Channel,
    types::{AccountId, SenderId},
};

macro_rules! select_account {
    ($rest:literal) => {
        concat!(
            "SELECT id, channel, kind, label, is_active, platform_sender_id, hook_id, price, per_second, breaker, ",
            "breaker_until, breaker_reason, failures, updated_at FROM provider_account ",
            $rest
        )
    };
}

pub(super) fn account_of(row: &Row) -> Result<Account> {
    let channel: &str = row.get("channel");
    Ok(Account {
        id: row.get("id"),
        channel: channel.parse().map_err(|_odd| Error::internal("an account of no channel"))?,
        kind: row.get("kind"),
        label: row.get("label"),
        is_active: row.get("is_active"),
        sender: row.get("platform_sender_id"),
        hook_id: row.get("hook_id"),
        price: row.get("price"),
        per_second: row.get("per_second"),
        breaker: Breaker {
            state: BreakerState::from_column(row.get("breaker")),
            until: row.get("breaker_until"),
            reason: row.get("breaker_reason"),
            failures: row.get("failures"),
        },
        updated_at: row.get("updated_at"),
    })
}

/// The active accounts of a channel: the primary first, then its fallbacks in their order.
pub async fn usable(tx: &TenantTx, channel: Channel) -> Result<Vec<Account>> {
    let rows = tx
        .query(
            select_account!("WHERE channel = $1 AND is_active ORDER BY position, id LIMIT 20"),
            &[&channel.as_str()],
        )
        .await?;
    rows.iter().map(account_of).collect()
}

/// What a message, or a segment of one, costs on those of these channels whose primary account is lent by the platform for money.
pub async fn prices_of_lent(tx: &TenantTx, channels: &[Channel]) -> Result<HashMap<Channel, Decimal>> {
    let names: Vec<&str> = channels.iter().map(|channel| channel.as_str()).collect();
    let rows = tx
        .query(
            "SELECT channel, price FROM (SELECT DISTINCT ON (channel) channel, price, platform_sender_id FROM provider_account
                WHERE channel = ANY($1) AND is_active ORDER BY channel, position, id) a
             WHERE platform_sender_id IS NOT NULL AND price > 0",
            &[&names],
        )
        .await?;
    let price_of = |row: &Row| {
        let channel: &str = row.get("channel");
        let channel = channel.parse().map_err(|_odd| Error::internal("an account of no channel"))?;
        Ok((channel, row.get("price")))
    };
    rows.iter().map(price_of).collect()
}

/// The active accounts of every channel.
pub async fn list_active(tx: &TenantTx) -> Result<Vec<Account>> {
    let rows =
        tx.query(select_account!("WHERE is_active ORDER BY channel, position, id LIMIT 500"), &[]).await?;
    rows.iter().map(account_of).collect()
}

pub async fn find(tx: &TenantTx, id: AccountId) -> Result<Option<Account>> {
    tx.query_opt(select_account!("WHERE id = $1"), &[&id]).await?.as_ref().map(account_of).transpose()
}

/// The account that a provider calls by this id.
pub async fn find_by_hook(tx: &TenantTx, hook_id: &str) -> Result<Option<Account>> {
    tx.query_opt(select_account!("WHERE hook_id = $1"), &[&hook_id])
        .await?
        .as_ref()
        .map(account_of)
        .transpose()
}

/// What is sealed of an account: its credential, and the one before while that still counts.
pub(super) async fn sealed(tx: &TenantTx, id: AccountId) -> Result<(Option<Vec<u8>>, Option<Vec<u8>>)> {
    let row = tx
        .query_opt(
            "SELECT sealed, CASE WHEN before_until > now() THEN sealed_before END FROM provider_account WHERE id = $1",
            &[&id],
        )
        .await?;
    Ok(row.map_or((None, None), |row| (row.get(0), row.get(1))))
}

macro_rules! select_shown {
    ($rest:literal) => {
        concat!(
            "SELECT id, channel, kind, label, is_active, platform_sender_id, hook_id, price, per_second, breaker, ",
            "breaker_until, breaker_reason, failures, updated_at, masked, checked_at, checked_ok, checked_note, ",
            "CASE WHEN before_until > now() THEN before_until END AS before_until, created_at FROM provider_account ",
            $rest
        )
    };
}

fn shown_of(row: &Row) -> Result<Shown> {
    let masked: Vec<Masked> = serde_json::from_value(row.get("masked")).internal()?;
    Ok(Shown {
        account: account_of(row)?,
        masked,
        checked_at: row.get("checked_at"),
        checked_ok: row.get("checked_ok"),
        checked_note: row.get("checked_note"),
        before_until: row.get("before_until"),
        created_at: row.get("created_at"),
    })
}

/// All accounts: by channel, the primary first. There are at most 20 of a channel.
pub(super) async fn list(tx: &TenantTx) -> Result<Vec<Shown>> {
    let rows = tx.query(select_shown!("ORDER BY channel, position, id LIMIT 200"), &[]).await?;
    rows.iter().map(shown_of).collect()
}

pub(super) async fn find_shown(tx: &TenantTx, id: AccountId) -> Result<Option<Shown>> {
    tx.query_opt(select_shown!("WHERE id = $1"), &[&id]).await?.as_ref().map(shown_of).transpose()
}

pub(super) async fn lock(tx: &TenantTx, id: AccountId) -> Result<Option<Shown>> {
    tx.query_opt(select_shown!("WHERE id = $1 FOR UPDATE"), &[&id]).await?.as_ref().map(shown_of).transpose()
}

/// A credential as it is stored: sealed, and what may be shown of it.
pub(super) struct Kept {
    pub sealed: Vec<u8>,
    pub masked: Value,
}

/// Which account it is and where it stands.
pub(super) struct Place<'a> {
    pub id: AccountId,
    pub channel: Channel,
    pub kind: &'a str,
    pub hook_id: &'a str,
}

/// How many a channel has. Whoever asks keeps others from adding one.
pub(super) async fn lock_channel(tx: &TenantTx, channel: Channel) -> Result<i64> {
    tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('provider_account ' || current_user || $1, 0))",
        &[&channel.as_str()],
    )
    .await?;
    let row = tx
        .query_one("SELECT count(*) FROM provider_account WHERE channel = $1", &[&channel.as_str()])
        .await?;
    Ok(row.get(0))
}

/// At the end of its channel's order.
pub(super) async fn insert(
    tx: &TenantTx,
    place: &Place<'_>,
    draft: &AccountDraft,
    kept: Option<&Kept>,
    sender: Option<SenderId>,
) -> Result<()> {
    let sealed = kept.map(|kept| &kept.sealed);
    let masked = kept.map_or_else(|| Value::Array(Vec::new()), |kept| kept.masked.clone());
    tx.execute(
        "INSERT INTO provider_account (id, channel, kind, label, position, is_active, sealed, masked, platform_sender_id, \
         hook_id, price, per_second) SELECT $1, $2, $3, $4, coalesce(max(position) + 1, 0)::smallint, $5, $6, $7, $8, $9, $10, \
         $11 FROM provider_account WHERE channel = $2",
        &[
            &place.id,
            &place.channel.as_str(),
            &place.kind,
            &draft.label,
            &draft.is_active,
            &sealed,
            &masked,
            &sender,
            &place.hook_id,
            &draft.price,
            &draft.per_second,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn update(tx: &TenantTx, id: AccountId, draft: &AccountDraft) -> Result<()> {
    tx.execute(
        "UPDATE provider_account SET label = $2, price = $3, per_second = $4, is_active = $5, updated_at = now() \
         WHERE id = $1",
        &[&id, &draft.label, &draft.price, &draft.per_second, &draft.is_active],
    )
    .await?;
    Ok(())
}

/// Another credential. The one before is heard for another day; the breaker closes, as what it was opened for may be mended.
pub(super) async fn rotate(tx: &TenantTx, id: AccountId, kept: &Kept) -> Result<()> {
    tx.execute(
        "UPDATE provider_account SET sealed_before = sealed, before_until = now() + interval '24 hours', sealed = $2, \
         masked = $3, breaker = 'closed', breaker_until = NULL, breaker_reason = NULL, failures = 0, checked_at = NULL, \
         checked_ok = NULL, checked_note = NULL, updated_at = now() WHERE id = $1",
        &[&id, &kept.sealed, &kept.masked],
    )
    .await?;
    Ok(())
}

/// What a check said. Leaves `updated_at`: the credential is as it was.
pub(super) async fn checked(tx: &TenantTx, id: AccountId, is_ok: bool, note: &str) -> Result<()> {
    tx.execute(
        "UPDATE provider_account SET checked_at = now(), checked_ok = $2, checked_note = left($3, 300) WHERE id = $1",
        &[&id, &is_ok, &note],
    )
    .await?;
    Ok(())
}

/// Lets the next message through as a probe. False when the account is in use.
pub(super) async fn try_again(tx: &TenantTx, id: AccountId) -> Result<bool> {
    let done = tx
        .execute(
            "UPDATE provider_account SET breaker = 'open', breaker_until = now() WHERE id = $1 AND breaker <> 'closed'",
            &[&id],
        )
        .await?;
    Ok(done > 0)
}

/// Puts a channel's accounts into this order.
pub(super) async fn order(tx: &TenantTx, ids: &[AccountId]) -> Result<()> {
    tx.execute(
        "UPDATE provider_account p SET position = (o.n - 1)::smallint \
         FROM unnest($1::uuid[]) WITH ORDINALITY AS o (id, n) WHERE p.id = o.id",
        &[&ids],
    )
    .await?;
    Ok(())
}

/// Whether deliveries wait for this account: it has them, is asked after them, or is the last that could send them.
pub(super) async fn is_waited_for(tx: &TenantTx, account: &Account) -> Result<bool> {
    let row = tx
        .query_one(
            "SELECT EXISTS (SELECT FROM delivery_poll WHERE account_id = $1) \
             OR EXISTS (SELECT FROM delivery_queue q JOIN delivery d ON d.id = q.delivery_id \
                WHERE d.account_id = $1 OR (d.channel = $2 AND NOT EXISTS \
                (SELECT FROM provider_account p WHERE p.channel = $2 AND p.is_active AND p.id <> $1)))",
            &[&account.id, &account.channel.as_str()],
        )
        .await?;
    Ok(row.get(0))
}

pub(super) async fn delete(tx: &TenantTx, id: AccountId) -> Result<()> {
    tx.execute("DELETE FROM provider_account WHERE id = $1", &[&id]).await?;
    Ok(())
}

/// The account that stands for a sender of the platform.
pub(super) async fn find_by_sender(tx: &TenantTx, sender: SenderId) -> Result<Option<Account>> {
    tx.query_opt(select_account!("WHERE platform_sender_id = $1"), &[&sender])
        .await?
        .as_ref()
        .map(account_of)
        .transpose()
}

/// What is left of the tenant's prepaid credit: available, set aside, spent. None: there never was any.
pub async fn credit(tx: &TenantTx) -> Result<Option<(Decimal, Decimal, Decimal)>> {
    let row = tx.query_opt("SELECT available, reserved, spent FROM gate.message_credit()", &[]).await?;
    Ok(row.map(|row| (row.get(0), row.get(1), row.get(2))))
}

/// The sealed credential of a sender of the platform that is assigned to this tenant and not suspended.
pub(super) async fn sender_sealed(tx: &TenantTx, sender: SenderId) -> Result<Option<Vec<u8>>> {
    let row = tx.query_one("SELECT gate.sender_credential($1)", &[&sender]).await?;
    Ok(row.get(0))
}
