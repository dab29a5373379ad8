//! The job of a message: begins it when its time has come, writes its next recipients out, and makes the next one of those that recur.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::{
    attachments::Attached,
    expand::{self, Audience, Batch},
    model::{Ask, Place, Said},
    recur,
    rules::{audience, when_next},
    spoken::spoken,
    store::{self, Entry, First, Message},
    view::MessageCounts,
};
use crate::{
    db::TenantTx,
    error::{Error, OrInternal, Result},
    events,
    jobs::Next,
    messaging::{Messaging, figures},
    tenancy::Tenant,
    types::MessageId,
};

/// The job writes so many batches with one transaction.
const BATCHES_OF_JOB: usize = 5;
/// A message of which more is queued waits with its next recipients.
const QUEUED_MAX: i64 = 20_000;
const WINDOW_WAIT: TimeDelta = TimeDelta::milliseconds(500);

/// The job: starts a message whose time has come, or writes its next recipients out. Run twice it does no harm: how far it is stands
/// in the message's row.
pub async fn go_on(tx: &TenantTx, messaging: &Messaging, tenant: &Tenant, id: MessageId) -> Result<Next> {
    let now = Utc::now();
    let Some(message) = store::lock(tx, id).await? else { return Ok(Next::Done) };
    match message.status.as_str() {
        // Whoever resumes it calls this job again.
        _ if message.paused_at.is_some() => Ok(Next::Done),
        "waiting" if message.recurrence.is_some() => recur_now(tx, messaging, tenant, message, now).await,
        "waiting" | "expanding" => write_on(tx, messaging, tenant, &message, now).await,
        _ => Ok(Next::Done),
    }
}

/// Writes the next recipients out: some batches at once, but no more than are sent before long. So a large message is begun at once,
/// and little has to be taken back when it is cancelled.
async fn write_on(
    tx: &TenantTx,
    messaging: &Messaging,
    tenant: &Tenant,
    message: &Message,
    now: DateTime<Utc>,
) -> Result<Next> {
    let counts = MessageCounts::of(message, &figures::counts(tx, &[message.id]).await?);
    if counts.queued > QUEUED_MAX {
        return Ok(Next::Again(now + WINDOW_WAIT));
    }
    let of = Audience {
        tenant,
        id: message.id,
        channels: &message.channels,
        lane: message.lane,
        to: &message.to,
        per_minute: message.per_minute,
        now,
        said: None,
    };
    let mut place = Some(message.expansion.clone().unwrap_or_default());
    let (mut written, mut skipped) = (0, 0);
    for _ in 0..BATCHES_OF_JOB {
        let Some(at) = place.take() else { break };
        let Some(batch) = within_plan(expand::batch(tx, messaging, &of, at.clone()).await)? else {
            store::advance(tx, message.id, written, skipped, Some(&at)).await?;
            return stop_for_plan(tx, message).await;
        };
        written += i32::try_from(batch.written.len()).unwrap_or(i32::MAX);
        skipped += batch.skipped;
        place = batch.next;
        if message.per_minute.is_some() {
            break;
        }
    }
    store::advance(tx, message.id, written, skipped, place.as_ref()).await?;
    Ok(match &place {
        Some(place) => Next::Again(when_next(place, now)),
        None => Next::Done,
    })
}

/// What was written; None where the plan has no room for it.
fn within_plan(batch: Result<Batch>) -> Result<Option<Batch>> {
    match batch {
        Err(Error::Conflict { code: "plan_limit_reached", .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// Pauses a message that the plan has no room for. What was not written out yet waits for somebody who resumes it: nothing is lost.
async fn stop_for_plan(tx: &TenantTx, message: &Message) -> Result<Next> {
    store::pause(tx, message.id).await?;
    let text = format!("The plan's messages of this month are used up. Paused: {}", message.summary);
    events::tell_staff(tx, "messages.send", &text, &format!("/messages/{}", message.id)).await?;
    Ok(Next::Done)
}

/// Each time makes a message of its own.
async fn recur_now(
    tx: &TenantTx,
    messaging: &Messaging,
    tenant: &Tenant,
    message: Message,
    now: DateTime<Utc>,
) -> Result<Next> {
    let due = message.scheduled_at.unwrap_or(now);
    if due > now {
        return Ok(Next::Again(due));
    }
    let cron = message.recurrence.clone().unwrap_or_default();
    let next = recur::next(&cron, tenant.time_zone, now)?;
    store::set_next(tx, message.id, next).await?;
    let ask = ask_of(&message)?;
    let id = MessageId::new();
    let entry = Entry {
        version: message.template_version,
        recurs_of: Some(message.id),
        summary: &message.summary,
        by: &message.created_by,
        files: &message.attachments,
    };
    // It says what the one says that it recurs of.
    let said = spoken(tx, &[message.id]).await?.remove(&message.id);
    let of = Audience { said: said.as_ref(), ..audience(tenant, id, &ask, now) };
    let Some(batch) = within_plan(expand::begin(tx, messaging, &of, &ask, &entry).await)? else {
        let first = First { next: Some(&Place::default()), ..First::default() };
        store::insert(tx, id, &ask, &entry, Some(first)).await?;
        let made = store::lock(tx, id).await?.ok_or(Error::not_found("message"))?;
        stop_for_plan(tx, &made).await?;
        return Ok(Next::Again(next));
    };
    if batch.next.is_some() {
        store::call_expansion(tx, id, now).await?;
    }
    Ok(Next::Again(next))
}

fn ask_of(message: &Message) -> Result<Ask> {
    let said = match (&message.content, message.template) {
        (Some(words), _) => Said::Words(serde_json::from_value(words.clone()).internal()?),
        (None, Some(template)) => Said::Template(template, message.template_version),
        (None, None) => return Err(Error::internal("a message that says nothing")),
    };
    let context: Map<String, Value> = message.context.as_object().cloned().unwrap_or_default();
    Ok(Ask {
        channels: message.channels.clone(),
        said,
        context,
        to: message.to.clone(),
        lane: message.lane,
        scheduled_at: None,
        recurrence: None,
        expires_at: None,
        is_dry_run: message.is_dry_run,
        per_minute: message.per_minute,
        attachments: message.attachments.iter().map(Attached::file).collect(),
    })
}
