//! All SQL of `campaign`.

use serde_json::{Value, json};
use tokio_postgres::Row;

use super::model::{Campaign, Draft, State};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, OrInternal, Result},
    messaging::{
        Channel,
        messages::{Attached, Place},
    },
    types::{CampaignId, MessageId, RecipientListId},
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.name, CASE WHEN c.status = 'running' AND m.paused_at IS NOT NULL THEN 'paused' ELSE c.status END ",
            "AS state, c.channels, c.template_id, t.name AS template_name, c.context, c.audience, c.is_frozen, ",
            "c.frozen_list_id, c.freezing, c.per_minute, c.is_dry_run, c.starts_at, c.attachments, c.message_id, c.failure, c.created_by, ",
            "c.created_at, c.updated_at, c.started_at, c.ended_at FROM campaign c ",
            "JOIN message_template t ON t.id = c.template_id LEFT JOIN message m ON m.id = c.message_id ",
            $rest
        )
    };
}

fn campaign_of(row: &Row) -> Result<Campaign> {
    let channels: Vec<&str> = row.get("channels");
    let channels: std::result::Result<Vec<Channel>, _> = channels.iter().map(|text| text.parse()).collect();
    let context: Value = row.get("context");
    let freezing: Option<Value> = row.get("freezing");
    let files: Vec<Attached> = serde_json::from_value(row.get("attachments")).internal()?;
    Ok(Campaign {
        id: row.get("id"),
        draft: Draft {
            name: row.get("name"),
            channels: channels.map_err(|_odd| Error::internal("a campaign of no channel"))?,
            template: row.get("template_id"),
            context: context.as_object().cloned().unwrap_or_default(),
            to: serde_json::from_value(row.get("audience")).internal()?,
            is_frozen: row.get("is_frozen"),
            per_minute: row.get("per_minute"),
            is_dry_run: row.get("is_dry_run"),
            starts_at: row.get("starts_at"),
            attachments: files.iter().map(Attached::file).collect(),
        },
        state: State::from_column(row.get("state")),
        template_name: row.get("template_name"),
        frozen_list: row.get("frozen_list_id"),
        freezing: freezing.map(serde_json::from_value::<Place>).transpose().internal()?,
        message: row.get("message_id"),
        failure: row.get("failure"),
        created_by: row.get("created_by"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
        started_at: row.get("started_at"),
        ended_at: row.get("ended_at"),
        files,
    })
}

pub async fn find(tx: &TenantTx, id: CampaignId) -> Result<Option<Campaign>> {
    tx.query_opt(select!("WHERE c.id = $1"), &[&id]).await?.as_ref().map(campaign_of).transpose()
}

/// The campaign, held until the unit ends.
pub async fn lock(tx: &TenantTx, id: CampaignId) -> Result<Option<Campaign>> {
    let row = tx.query_opt(select!("WHERE c.id = $1 FOR NO KEY UPDATE OF c"), &[&id]).await?;
    row.as_ref().map(campaign_of).transpose()
}

/// Newest first.
pub async fn list(
    tx: &TenantTx,
    q: Option<&str>,
    state: Option<State>,
    before: Option<CampaignId>,
    limit: i64,
) -> Result<Vec<Campaign>> {
    let pattern = q.map(crate::types::search::containing);
    let rows = tx
        .query(
            select!(
                "WHERE ($1::text IS NULL OR lower(c.name) LIKE lower($1)) AND ($2::text IS NULL
                    OR CASE WHEN c.status = 'running' AND m.paused_at IS NOT NULL THEN 'paused' ELSE c.status END = $2)
                 AND ($3::uuid IS NULL OR c.id < $3) ORDER BY c.id DESC LIMIT $4"
            ),
            &[&pattern, &state.map(State::as_str), &before, &limit],
        )
        .await?;
    rows.iter().map(campaign_of).collect()
}

fn named<T>(answer: Result<T>) -> Result<T> {
    answer.on_constraint("campaign_name_key", || {
        Error::conflict("name_taken", "There is a campaign of this name already.")
    })
}

struct Columns {
    channels: Vec<&'static str>,
    context: Value,
    audience: Value,
}

fn columns(draft: &Draft) -> Result<Columns> {
    Ok(Columns {
        channels: draft.channels.iter().map(|channel| channel.as_str()).collect(),
        context: json!(draft.context),
        audience: serde_json::to_value(&draft.to).internal()?,
    })
}

pub async fn insert(
    tx: &TenantTx,
    id: CampaignId,
    draft: &Draft,
    files: &[Attached],
    by: &str,
) -> Result<()> {
    let of = columns(draft)?;
    let done = tx
        .execute(
            "INSERT INTO campaign (id, name, status, channels, template_id, context, audience, is_frozen, per_minute,
                is_dry_run, starts_at, attachments, created_by)
             VALUES ($1, $2, 'draft', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            &[
                &id,
                &draft.name,
                &of.channels,
                &draft.template,
                &of.context,
                &of.audience,
                &draft.is_frozen,
                &draft.per_minute,
                &draft.is_dry_run,
                &draft.starts_at,
                &json!(files),
                &by,
            ],
        )
        .await;
    named(done).map(drop)
}

/// Writes what is prepared. What could not be started is a draft again.
pub async fn update(tx: &TenantTx, id: CampaignId, draft: &Draft, files: &[Attached]) -> Result<()> {
    let of = columns(draft)?;
    let done = tx
        .execute(
            "UPDATE campaign SET name = $2, channels = $3, template_id = $4, context = $5, audience = $6, is_frozen = $7,
                per_minute = $8, is_dry_run = $9, starts_at = $10, attachments = $11, status = 'draft', failure = NULL,
                updated_at = now()
             WHERE id = $1",
            &[
                &id,
                &draft.name,
                &of.channels,
                &draft.template,
                &of.context,
                &of.audience,
                &draft.is_frozen,
                &draft.per_minute,
                &draft.is_dry_run,
                &draft.starts_at,
                &json!(files),
            ],
        )
        .await;
    named(done).map(drop)
}

pub async fn delete(tx: &TenantTx, id: CampaignId) -> Result<()> {
    tx.execute("DELETE FROM campaign WHERE id = $1", &[&id]).await.map(drop)
}

/// It waits for its time. With a list, its audience is being settled into it.
pub async fn schedule(tx: &TenantTx, id: CampaignId, frozen: Option<RecipientListId>) -> Result<()> {
    let place = frozen.map(|_| serde_json::to_value(Place::default())).transpose().internal()?;
    tx.execute(
        "UPDATE campaign SET status = 'scheduled', frozen_list_id = $2, freezing = $3, failure = NULL, updated_at = now()
         WHERE id = $1",
        &[&id, &frozen, &place],
    )
    .await
    .map(drop)
}

/// How far the settling of the audience has come; None: to its end.
pub async fn set_freezing(tx: &TenantTx, id: CampaignId, place: Option<&Place>) -> Result<()> {
    let place = place.map(serde_json::to_value).transpose().internal()?;
    tx.execute("UPDATE campaign SET freezing = $2 WHERE id = $1", &[&id, &place]).await.map(drop)
}

pub async fn run(tx: &TenantTx, id: CampaignId, message: MessageId) -> Result<()> {
    tx.execute(
        "UPDATE campaign SET status = 'running', message_id = $2, started_at = now(), failure = NULL, updated_at = now()
         WHERE id = $1",
        &[&id, &message],
    )
    .await
    .map(drop)
}

/// It has come to an end: done, cancelled, or failed for a reason.
pub async fn end(tx: &TenantTx, id: CampaignId, state: State, failure: Option<&str>) -> Result<()> {
    tx.execute(
        "UPDATE campaign SET status = $2, failure = left($3, 500), frozen_list_id = NULL, freezing = NULL,
            ended_at = CASE WHEN $2 = 'failed' THEN NULL ELSE now() END, updated_at = now() WHERE id = $1",
        &[&id, &state.as_str(), &failure],
    )
    .await
    .map(drop)
}
