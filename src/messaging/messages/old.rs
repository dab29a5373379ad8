//! What of old messages goes: who was written to, and what. What they came to stays, by the hour and for each campaign.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::attachments::{self, Attached};
use crate::{
    db::TenantTx,
    error::{OrInternal, Result},
    types::first_id_at,
};

/// Written and due before `$2` (`$1` is the first id of then), all of it has come to an end, and there is something that can go: the
/// message of a campaign itself stays.
macro_rules! old {
    () => {
        "m.id < $1 AND coalesce(m.scheduled_at, m.created_at) < $2 AND m.status IN ('ready', 'cancelled') \
         AND NOT EXISTS (SELECT FROM delivery d JOIN delivery_queue q ON q.delivery_id = d.id WHERE d.message_id = m.id) \
         AND (EXISTS (SELECT FROM delivery d WHERE d.message_id = m.id) \
            OR NOT EXISTS (SELECT FROM campaign c WHERE c.message_id = m.id))"
    };
}

/// How many messages are older, counted to `at_most`.
pub async fn count_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<i64> {
    let sql = concat!("SELECT count(*) FROM (SELECT FROM message m WHERE ", old!(), " LIMIT $3) old");
    Ok(tx.query_one(sql, &[&first_id_at(before), &before, &at_most]).await?.get(0))
}

/// Forgets at most so many recipients of older messages, and then as many of the messages that have none left.
pub async fn forget_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<u64> {
    let first = first_id_at(before);
    let recipients = tx
        .execute(
            concat!(
                "DELETE FROM delivery WHERE id IN (SELECT r.id FROM message m CROSS JOIN LATERAL \
                 (SELECT d.id FROM delivery d WHERE d.message_id = m.id LIMIT $3) r WHERE ",
                old!(),
                " LIMIT $3)"
            ),
            &[&first, &before, &at_most],
        )
        .await?;
    if recipients > 0 {
        return Ok(recipients);
    }
    let named = forget_audiences(tx, before, at_most).await?;
    let sql = concat!(
        "DELETE FROM message WHERE id IN (SELECT m.id FROM message m WHERE ",
        old!(),
        " ORDER BY m.id LIMIT $3) RETURNING attachments"
    );
    let gone = tx.query(sql, &[&first, &before, &at_most]).await?;
    for row in &gone {
        forget_files(tx, row).await?;
    }
    Ok(named + u64::try_from(gone.len()).unwrap_or_default())
}

/// Addresses that were typed, or came from a file, for campaigns that are over.
async fn forget_audiences(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<u64> {
    let named = tx
        .execute(
            "WITH over AS (SELECT c.id, c.message_id FROM campaign c WHERE c.status IN ('done', 'cancelled') AND c.ended_at < $1
                AND c.audience ? 'addresses' LIMIT $2),
             said AS (UPDATE message m SET audience = m.audience - 'addresses' FROM over WHERE m.id = over.message_id)
             UPDATE campaign c SET audience = c.audience - 'addresses' FROM over WHERE c.id = over.id",
            &[&before, &at_most],
        )
        .await?;
    let members = tx
        .execute(
            "DELETE FROM recipient_list_member WHERE (list_id, n) IN (SELECT l.list_id, l.n FROM campaign c
                JOIN recipient_list_member l ON l.list_id = c.frozen_list_id
                WHERE c.status IN ('done', 'cancelled') AND c.ended_at < $1 LIMIT $2)",
            &[&before, &at_most],
        )
        .await?;
    Ok(named + members)
}

/// The files of a message that is gone, unless another one names them.
async fn forget_files(tx: &TenantTx, gone: &Row) -> Result<()> {
    let carried: Vec<Attached> = serde_json::from_value(gone.get("attachments")).internal()?;
    attachments::let_go(tx, &carried.iter().map(Attached::file).collect::<Vec<_>>()).await
}
