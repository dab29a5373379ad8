//! All SQL of templates.

use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    super::Channel,
    model::{Draft, Filter, State, Template, TemplateChoice, Version, Written},
};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, OrInternal, Result},
    types::search::containing,
    types::{Limit, TemplateId},
};

macro_rules! select_template {
    ($rest:literal) => {
        concat!(
            "SELECT t.id, t.name, t.description, t.latest, t.approved, t.is_archived, t.created_at, t.updated_at, v.state, ",
            "ARRAY(SELECT jsonb_object_keys(v.contents)) AS channels ",
            "FROM message_template t JOIN template_version v ON v.template_id = t.id AND v.version = t.latest ",
            $rest
        )
    };
}

macro_rules! select_version {
    ($rest:literal) => {
        concat!(
            "SELECT template_id, version, state, contents, variables, footer, written_by, decided_by, decided_at, ",
            "decision_note, created_at, updated_at FROM template_version ",
            $rest
        )
    };
}

fn template_of(row: &Row) -> Template {
    let channels: Vec<String> = row.get("channels");
    let mut channels: Vec<Channel> = channels.iter().filter_map(|word| word.parse().ok()).collect();
    channels.sort_unstable();
    Template {
        id: row.get("id"),
        name: row.get("name"),
        description: row.get("description"),
        latest: row.get("latest"),
        approved: row.get("approved"),
        is_archived: row.get("is_archived"),
        state: State::from_column(row.get("state")),
        channels,
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    }
}

fn written_of(row: &Row) -> Result<Written> {
    Ok(Written {
        version: Version {
            template: row.get("template_id"),
            version: row.get("version"),
            words: serde_json::from_value(row.get("contents")).internal()?,
            variables: serde_json::from_value(row.get("variables")).internal()?,
            footer: row.get("footer"),
        },
        state: State::from_column(row.get("state")),
        written_by: row.get("written_by"),
        decided_by: row.get("decided_by"),
        decided_at: row.get("decided_at"),
        decision_note: row.get("decision_note"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    })
}

fn named<T>(answer: Result<T>) -> Result<T> {
    answer.on_constraint("message_template_name_key", || {
        Error::conflict("name_taken", "There is a template of this name already.")
    })
}

/// One page, the newest first.
pub async fn list(
    tx: &TenantTx,
    filter: &Filter,
    after: Option<Uuid>,
    limit: Limit,
) -> Result<Vec<Template>> {
    let q = filter.q.as_deref().map(containing);
    let state = filter.state.map(State::as_str);
    let channel = filter.channel.map(Channel::as_str);
    let rows = tx
        .query(
            select_template!(
                "WHERE ($1::text IS NULL OR lower(t.name) LIKE lower($1) OR lower(t.description) LIKE lower($1)) \
                 AND ($2::text IS NULL OR v.state = $2) AND ($3::text IS NULL OR v.contents ? $3) \
                 AND t.is_archived = $4 AND ($5::uuid IS NULL OR t.id < $5) ORDER BY t.id DESC LIMIT $6"
            ),
            &[&q, &state, &channel, &filter.is_archived, &after, &limit.and_one()],
        )
        .await?;
    Ok(rows.iter().map(template_of).collect())
}

/// How many there are: in use, waiting for a decision, archived.
pub async fn count(tx: &TenantTx) -> Result<(i64, i64, i64)> {
    let row = tx
        .query_one(
            "SELECT count(*) FILTER (WHERE NOT t.is_archived), \
             count(*) FILTER (WHERE v.state = 'pending' AND NOT t.is_archived), \
             count(*) FILTER (WHERE t.is_archived) FROM message_template t \
             JOIN template_version v ON v.template_id = t.id AND v.version = t.latest",
            &[],
        )
        .await?;
    Ok((row.get(0), row.get(1), row.get(2)))
}

pub async fn find(tx: &TenantTx, id: TemplateId) -> Result<Option<Template>> {
    Ok(tx.query_opt(select_template!("WHERE t.id = $1"), &[&id]).await?.as_ref().map(template_of))
}

pub async fn lock(tx: &TenantTx, id: TemplateId) -> Result<Option<Template>> {
    Ok(tx
        .query_opt(select_template!("WHERE t.id = $1 FOR UPDATE OF t"), &[&id])
        .await?
        .as_ref()
        .map(template_of))
}

pub async fn find_version(tx: &TenantTx, id: TemplateId, version: i32) -> Result<Option<Written>> {
    tx.query_opt(select_version!("WHERE template_id = $1 AND version = $2"), &[&id, &version])
        .await?
        .as_ref()
        .map(written_of)
        .transpose()
}

/// The versions, the newest first.
pub async fn list_versions(
    tx: &TenantTx,
    id: TemplateId,
    before: Option<i32>,
    limit: Limit,
) -> Result<Vec<Written>> {
    let sql = select_version!(
        "WHERE template_id = $1 AND ($2::integer IS NULL OR version < $2) ORDER BY version DESC LIMIT $3"
    );
    tx.query(sql, &[&id, &before, &limit.and_one()]).await?.iter().map(written_of).collect()
}

/// Whether a template in use has this name.
pub async fn is_named(tx: &TenantTx, name: &str) -> Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT FROM message_template WHERE lower(name) = lower($1) AND NOT is_archived)";
    Ok(tx.query_one(sql, &[&name]).await?.get(0))
}

pub async fn insert(tx: &TenantTx, id: TemplateId, name: &str, description: &str) -> Result<()> {
    let done = tx
        .execute(
            "INSERT INTO message_template (id, name, description, latest) VALUES ($1, $2, $3, 1)",
            &[&id, &name, &description],
        )
        .await;
    named(done).map(|_one| ())
}

pub async fn update(tx: &TenantTx, template: &Template) -> Result<()> {
    let done = tx
        .execute(
            "UPDATE message_template SET name = $2, description = $3, latest = $4, approved = $5, is_archived = $6, \
             updated_at = now() WHERE id = $1",
            &[
                &template.id,
                &template.name,
                &template.description,
                &template.latest,
                &template.approved,
                &template.is_archived,
            ],
        )
        .await;
    named(done).map(|_one| ())
}

fn as_json(draft: &Draft) -> Result<(Value, Value)> {
    Ok((serde_json::to_value(&draft.words).internal()?, serde_json::to_value(&draft.variables).internal()?))
}

pub async fn insert_version(
    tx: &TenantTx,
    id: TemplateId,
    version: i32,
    draft: &Draft,
    written_by: &str,
) -> Result<()> {
    let (contents, variables) = as_json(draft)?;
    tx.execute(
        "INSERT INTO template_version (template_id, version, state, contents, variables, footer, written_by) \
         VALUES ($1, $2, 'draft', $3, $4, $5, $6)",
        &[&id, &version, &contents, &variables, &draft.footer, &written_by],
    )
    .await?;
    Ok(())
}

/// Only a draft changes.
pub async fn update_draft(
    tx: &TenantTx,
    id: TemplateId,
    version: i32,
    draft: &Draft,
    written_by: &str,
) -> Result<()> {
    let (contents, variables) = as_json(draft)?;
    tx.execute(
        "UPDATE template_version SET contents = $3, variables = $4, footer = $5, written_by = $6, updated_at = now() \
         WHERE template_id = $1 AND version = $2 AND state = 'draft'",
        &[&id, &version, &contents, &variables, &draft.footer, &written_by],
    )
    .await?;
    Ok(())
}

/// A version's state, and who decided on it.
pub async fn set_state(
    tx: &TenantTx,
    id: TemplateId,
    version: i32,
    state: State,
    decided: Option<(&str, Option<&str>)>,
) -> Result<()> {
    let (by, note) = decided.map_or((None, None), |(by, note)| (Some(by), note));
    tx.execute(
        "UPDATE template_version SET state = $3, decided_by = $4, decision_note = $5, \
         decided_at = CASE WHEN $4::text IS NULL THEN NULL ELSE now() END, updated_at = now() \
         WHERE template_id = $1 AND version = $2",
        &[&id, &version, &state.as_str(), &by, &note],
    )
    .await?;
    Ok(())
}

/// The channels' defaults: channel, template, its name.
pub async fn defaults(tx: &TenantTx) -> Result<Vec<(Channel, TemplateId, String)>> {
    let rows = tx
        .query(
            "SELECT d.channel, d.template_id, t.name FROM template_default d \
             JOIN message_template t ON t.id = d.template_id ORDER BY d.channel LIMIT 7",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let channel: &str = row.get(0);
            let channel = channel.parse().map_err(|_odd| Error::internal("a default of no channel"))?;
            Ok((channel, row.get(1), row.get(2)))
        })
        .collect()
}

pub async fn set_default(tx: &TenantTx, channel: Channel, id: TemplateId) -> Result<()> {
    tx.execute(
        "INSERT INTO template_default (channel, template_id) VALUES ($1, $2) \
         ON CONFLICT (channel) DO UPDATE SET template_id = excluded.template_id",
        &[&channel.as_str(), &id],
    )
    .await?;
    Ok(())
}

pub async fn clear_default(tx: &TenantTx, channel: Channel) -> Result<()> {
    tx.execute("DELETE FROM template_default WHERE channel = $1", &[&channel.as_str()]).await?;
    Ok(())
}

/// The defaults that this template is, taken away.
pub async fn clear_defaults_of(tx: &TenantTx, id: TemplateId) -> Result<u64> {
    tx.execute("DELETE FROM template_default WHERE template_id = $1", &[&id]).await
}

/// The approved ones by name, at most 500, for select boxes.
pub async fn choices(tx: &TenantTx, channel: Option<Channel>) -> Result<Vec<TemplateChoice>> {
    let channel = channel.map(Channel::as_str);
    let rows = tx
        .query(
            "SELECT t.id, t.name, t.approved FROM message_template t \
             JOIN template_version v ON v.template_id = t.id AND v.version = t.approved \
             WHERE NOT t.is_archived AND ($1::text IS NULL OR v.contents ? $1) ORDER BY lower(t.name) LIMIT 500",
            &[&channel],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| TemplateChoice { id: row.get(0), name: row.get(1), version: row.get(2) })
        .collect())
}

/// Whether there is such a template, and it was not put away.
pub async fn exists(tx: &TenantTx, id: TemplateId) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM message_template WHERE id = $1 AND NOT is_archived)";
    Ok(tx.query_one(sql, &[&id]).await?.get(0))
}
