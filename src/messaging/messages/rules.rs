//! What may be done with messages.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    attachments,
    expand::{self, Audience, Batch},
    lists,
    model::{Ask, Place, Said, Sent, To},
    recur,
    spoken::Spoken,
    store::{self, Entry, Message},
    view::MessageCounts,
};
use crate::{
    access::By,
    audit::Event,
    db::TenantTx,
    error::{Error, FieldError, Result},
    messaging::{
        Channel, Messaging, Status, contacts,
        figures::{self, Move},
        templates::{self, Composer, Words},
    },
    tenancy::Tenant,
    types::{ContactId, Country, CustomerId, DeliveryId, MessageId, TemplateId},
    words::say,
};

/// So many batches are written out before the call is answered; the rest is written out by a job.
const BATCHES_AT_ONCE: usize = 10;
/// So many dead deliveries are revived with one call.
const REVIVED_MAX: i64 = 10_000;
const SUMMARY_MAX: usize = 200;

/// What a message will say, looked up.
struct Wording {
    composer: Composer,
    version: Option<i32>,
    summary: String,
}

/// Accepts a message: writes it down with its first recipients, or for its time.
///
/// An empty audience is refused (422 `empty_audience`): nobody is never everybody.
pub async fn send(tx: &TenantTx, messaging: &Messaging, by: &By, ask: &Ask) -> Result<Sent> {
    let now = Utc::now();
    ask.check(now)?;
    let ask = &usual(tx, ask).await?;
    let wording = worded(tx, ask).await?;
    check_words(ask, &wording.composer)?;
    check_addresses(&by.tenant, ask)?;
    let ask = timed(ask, &by.tenant, now)?;
    let is_waiting = ask.scheduled_at.is_some_and(|at| at > now);
    let id = MessageId::new();
    let files = attachments::take(tx, &ask.channels, &ask.attachments).await?;
    let entry = Entry {
        version: wording.version,
        recurs_of: None,
        summary: &wording.summary,
        by: &by.actor.label,
        files: &files,
    };
    let mut sent =
        Sent { id, is_waiting, is_expanding: false, recipients: 0, skipped: 0, deliveries: Vec::new() };
    if let Some(at) = ask.scheduled_at.filter(|_| is_waiting) {
        store::insert(tx, id, &ask, &entry, None).await?;
        someone(tx, messaging, &by.tenant, &ask.to).await?;
        store::call_expansion(tx, id, at).await?;
    } else {
        let said = Spoken::asked(&ask, wording.composer, files.clone());
        let of = Audience { said: Some(&said), ..audience(&by.tenant, id, &ask, now) };
        write_out(tx, messaging, &of, (&ask, &entry), &mut sent).await?;
    }
    record(tx, by, &ask, &wording.summary, &sent).await?;
    Ok(sent)
}

async fn record(tx: &TenantTx, by: &By, ask: &Ask, summary: &str, sent: &Sent) -> Result<()> {
    let channels: Vec<&str> = ask.channels.iter().map(|channel| channel.as_str()).collect();
    let after = json!({
        "channels": channels, "priority": ask.lane.as_str(), "recipients": sent.recipients,
        "scheduled_at": ask.scheduled_at, "recurrence": ask.recurrence, "is_dry_run": ask.is_dry_run, "attachments": ask.attachments,
    });
    let event = Event {
        action: "message.accepted",
        object_type: "message",
        object_id: Some(sent.id.0),
        object_label: summary,
        before: None,
        after: Some(after),
    };
    by.record(tx, event).await
}

/// A recurring message is due at its first time, if no other was named.
fn timed(ask: &Ask, tenant: &Tenant, now: DateTime<Utc>) -> Result<Ask> {
    let mut ask = ask.clone();
    if let Some(cron) = &ask.recurrence {
        let first = recur::next(cron, tenant.time_zone, ask.scheduled_at.unwrap_or(now))?;
        ask.scheduled_at = Some(first);
    }
    Ok(ask)
}

async fn worded(tx: &TenantTx, ask: &Ask) -> Result<Wording> {
    match &ask.said {
        // It was made a template before this is asked.
        Said::Usual => Err(unsaid()),
        Said::Words(words) => {
            let words: Words = words.clone().checked()?;
            let composer = Composer::new(&words, &[], "")?;
            Ok(Wording { composer, version: None, summary: summary_of(&words) })
        }
        Said::Template(id, version) => {
            let version = template(tx, *id, *version).await?;
            let composer = version.composer()?;
            let summary = summary_of(&version.words);
            Ok(Wording { composer, version: Some(version.version), summary })
        }
    }
}

fn unsaid() -> Error {
    Error::invalid("content", "required", "Say something: content, or template_id.")
}

/// A message that names neither words nor a template takes the one that is its first channel's default.
pub async fn usual(tx: &TenantTx, ask: &Ask) -> Result<Ask> {
    let mut ask = ask.clone();
    if let (Said::Usual, Some(channel)) = (&ask.said, ask.channels.first()) {
        let version = templates::default_for(tx, *channel).await?.ok_or_else(unsaid)?;
        ask.said = Said::Template(version.template, Some(version.version));
    }
    Ok(ask)
}

/// A template's version; the newest approved one when none is named.
pub async fn template(tx: &TenantTx, id: TemplateId, version: Option<i32>) -> Result<templates::Version> {
    let found = match version {
        Some(version) => templates::version(tx, id, version).await,
        None => templates::approved(tx, id).await,
    };
    found.map_err(|error| match error {
        Error::NotFound { .. } => {
            Error::invalid("template_id", "unknown", "There is no such template, or no such version of it.")
        }
        other => other,
    })
}

/// One line of what it says.
fn summary_of(words: &Words) -> String {
    let first = words.0.values().flat_map(|variants| variants.values()).next();
    let said = first.map(|text| {
        let heading = text.subject.as_deref().or(text.title.as_deref());
        match heading {
            Some(heading) if !heading.trim().is_empty() => heading.to_owned(),
            _ => text.text.clone(),
        }
    });
    let line = said.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(SUMMARY_MAX).collect()
}

/// Every channel must have words, and every value that the words ask for must be given, or known of people.
fn check_words(ask: &Ask, composer: &Composer) -> Result<()> {
    let known = composer.channels();
    let wrong: Vec<FieldError> = ask
        .channels
        .iter()
        .filter(|channel| !known.contains(channel))
        .map(|channel| {
            let detail = say!("There are no words for {}.", channel.label());
            FieldError::new("channels", "no_words", detail)
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

fn check_addresses(tenant: &Tenant, ask: &Ask) -> Result<()> {
    if ask.to.addresses.is_empty() {
        return Ok(());
    }
    let country =
        Country::parse(&tenant.country).map_err(|_odd| Error::internal("a tenant of no country"))?;
    let wrong = expand::wrong_addresses(&ask.channels, &ask.to, &country);
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

fn nobody() -> Error {
    Error::invalid("to", "empty_audience", "There is nobody among them who can be reached on these channels.")
}

/// Contacts and customers who are not there are named.
async fn known_people(tx: &TenantTx, messaging: &Messaging, tenant: &Tenant, to: &To) -> Result<()> {
    let unknown = |part: &str, at: usize, what: &str| {
        let detail = say!("There is no such {}.", what);
        Error::Invalid(vec![FieldError::new(format!("to.{part}[{at}]"), "unknown", detail)])
    };
    let found = contacts::find(tx, &to.contacts).await?;
    let known: HashSet<ContactId> = found.iter().filter_map(|person| person.contact).collect();
    if let Some(at) = to.contacts.iter().position(|id| !known.contains(id)) {
        return Err(unknown("contacts", at, "contact"));
    }
    if to.customers.is_empty() {
        return Ok(());
    }
    let found = messaging.directory.find(tx, tenant, &to.customers).await?;
    let known: HashSet<CustomerId> = found.iter().filter_map(|person| person.customer).collect();
    match to.customers.iter().position(|id| !known.contains(id)) {
        Some(at) => Err(unknown("customers", at, "customer")),
        None => Ok(()),
    }
}

/// Everybody and every part that is not there is named.
pub async fn known_parts(tx: &TenantTx, messaging: &Messaging, tenant: &Tenant, to: &To) -> Result<()> {
    known_people(tx, messaging, tenant, to).await?;
    let unknown = |part: &str, at: usize, what: &str| {
        let detail = say!("There is no such {}.", what);
        Error::Invalid(vec![FieldError::new(format!("to.{part}[{at}]"), "unknown", detail)])
    };
    for (at, segment) in to.segments.iter().enumerate() {
        if messaging.directory.label(tx, segment).await?.is_none() {
            return Err(unknown("segments", at, "segment"));
        }
    }
    if let Some(at) = contacts::unknown_group(tx, &to.groups).await? {
        return Err(unknown("groups", at, "group"));
    }
    match lists::unknown(tx, &to.lists).await? {
        Some(at) => Err(unknown("lists", at, "list")),
        None => Ok(()),
    }
}

/// How many are named, in groups, in segments and in lists; doubles are not found out.
pub async fn count_of(tx: &TenantTx, messaging: &Messaging, tenant: &Tenant, to: &To) -> Result<i64> {
    let mut people = i64::try_from(to.named()).unwrap_or(i64::MAX);
    for group in &to.groups {
        people += contacts::count_of_group(tx, *group).await?;
    }
    for segment in &to.segments {
        people += messaging.directory.count(tx, tenant, segment).await?;
    }
    Ok(people + lists::count(tx, &to.lists).await?)
}

/// A message for later is for somebody now already: a wrong id or an empty group shows when it is asked for.
pub async fn someone(tx: &TenantTx, messaging: &Messaging, tenant: &Tenant, to: &To) -> Result<()> {
    known_parts(tx, messaging, tenant, to).await?;
    if count_of(tx, messaging, tenant, to).await? == 0 { Err(nobody()) } else { Ok(()) }
}

/// Whoever asks for a message hears of the first who is not there.
fn known(batch: Batch) -> Result<Batch> {
    match batch.unknown {
        Some(unknown) => Err(unknown),
        None => Ok(batch),
    }
}

/// Writes the message and its first recipients out, and leaves the rest to a job.
async fn write_out(
    tx: &TenantTx,
    messaging: &Messaging,
    of: &Audience<'_>,
    (ask, entry): (&Ask, &Entry<'_>),
    sent: &mut Sent,
) -> Result<()> {
    if ask.to.has_parts() {
        someone(tx, messaging, of.tenant, &ask.to).await?;
    }
    let first = known(expand::begin(tx, messaging, of, ask, entry).await?)?;
    let mut place = first.next.clone();
    count(sent, &first);
    let (written, skipped) = (sent.recipients, sent.skipped);
    // A large audience is not for a caller to wait for.
    let at_once = if ask.to.named() == 0 || ask.per_minute.is_some() { 1 } else { BATCHES_AT_ONCE };
    for _ in 1..at_once {
        let Some(at) = place.take() else { break };
        let batch = known(expand::batch(tx, messaging, of, at).await?)?;
        count(sent, &batch);
        place = batch.next;
    }
    if sent.recipients == 0 && place.is_none() {
        return Err(nobody());
    }
    if place != first.next {
        let (more, more_skipped) = (sent.recipients - written, sent.skipped - skipped);
        store::advance(tx, sent.id, more, more_skipped, place.as_ref()).await?;
    }
    sent.is_expanding = place.is_some();
    if let Some(place) = &place {
        store::call_expansion(tx, sent.id, when_next(place, of.now)).await?;
    }
    Ok(())
}

pub(super) fn audience<'a>(
    tenant: &'a Tenant,
    id: MessageId,
    ask: &'a Ask,
    now: DateTime<Utc>,
) -> Audience<'a> {
    Audience {
        tenant,
        id,
        channels: &ask.channels,
        lane: ask.lane,
        to: &ask.to,
        per_minute: ask.per_minute,
        now,
        said: None,
    }
}

fn count(sent: &mut Sent, batch: &Batch) {
    sent.recipients += i32::try_from(batch.written.len()).unwrap_or(i32::MAX);
    sent.skipped += batch.skipped;
    sent.deliveries.extend_from_slice(&batch.written);
}

/// Where recipients are spread over time, the next batch is written shortly before it is due.
pub(super) fn when_next(place: &Place, now: DateTime<Utc>) -> DateTime<Utc> {
    place.due.map_or(now, |due| (due - TimeDelta::seconds(20)).max(now))
}

/// Takes back all of a message that nobody has begun to send; how many deliveries.
pub async fn cancel(tx: &TenantTx, by: &By, id: MessageId) -> Result<usize> {
    let message = store::lock(tx, id).await?.ok_or(Error::not_found("message"))?;
    let taken = store::cancel_queued(tx, id, None).await?;
    let was_open = matches!(message.status.as_str(), "waiting" | "expanding");
    if taken.is_empty() && !was_open {
        return Err(Error::conflict("nothing_queued", "Nothing of it is waiting to be sent any more."));
    }
    store::mark_cancelled(tx, id).await?;
    settle_cancelled(tx, &message, &taken).await?;
    let after = json!({"deliveries": taken.len()});
    by.record(tx, told("message.cancelled", &message, Some(after))).await?;
    Ok(taken.len())
}

/// Stops a message until it is resumed: what is queued stays queued, no more recipients are written out.
pub async fn pause(tx: &TenantTx, by: &By, id: MessageId) -> Result<()> {
    let message = store::lock(tx, id).await?.ok_or(Error::not_found("message"))?;
    if message.paused_at.is_some() {
        return Err(Error::conflict("paused", "It is paused already."));
    }
    if !is_open(tx, &message).await? {
        return Err(Error::conflict("nothing_queued", "Nothing of it is waiting to be sent any more."));
    }
    store::pause(tx, id).await?;
    by.record(tx, told("message.paused", &message, None)).await
}

/// Whether anything of it is to be sent yet.
pub async fn is_open(tx: &TenantTx, message: &Message) -> Result<bool> {
    if matches!(message.status.as_str(), "waiting" | "expanding") {
        return Ok(true);
    }
    let counts = MessageCounts::of(message, &figures::counts(tx, &[message.id]).await?);
    Ok(counts.queued > 0)
}

/// Lets a paused message go on.
pub async fn resume(tx: &TenantTx, by: &By, id: MessageId) -> Result<()> {
    let message = store::lock(tx, id).await?.ok_or(Error::not_found("message"))?;
    if message.paused_at.is_none() {
        return Err(Error::conflict("not_paused", "It is not paused."));
    }
    let now = Utc::now();
    store::resume(tx, id).await?;
    store::call_lane(tx, message.lane, now).await?;
    if matches!(message.status.as_str(), "waiting" | "expanding") {
        store::call_expansion(tx, id, message.scheduled_at.unwrap_or(now).max(now)).await?;
    }
    by.record(tx, told("message.resumed", &message, None)).await
}

/// Takes one delivery back.
pub async fn cancel_one(tx: &TenantTx, by: &By, message: MessageId, delivery: DeliveryId) -> Result<()> {
    let message = store::lock(tx, message).await?.ok_or(Error::not_found("message"))?;
    let taken = store::cancel_queued(tx, message.id, Some(delivery)).await?;
    if taken.is_empty() {
        return Err(Error::conflict("not_queued", "It is not waiting to be sent any more."));
    }
    settle_cancelled(tx, &message, &taken).await?;
    by.record(tx, told("delivery.cancelled", &message, None)).await
}

/// Takes these deliveries back, for one who is to be forgotten. 409 `message_under_way` when one is being sent this moment.
pub async fn withdraw(tx: &TenantTx, deliveries: &[(MessageId, DeliveryId)]) -> Result<()> {
    for (message, delivery) in deliveries {
        let message = store::lock(tx, *message).await?.ok_or(Error::not_found("message"))?;
        let taken = store::cancel_queued(tx, message.id, Some(*delivery)).await?;
        if taken.is_empty() {
            let detail = "A message to this person is being sent this moment. Try again in a minute.";
            return Err(Error::conflict("message_under_way", detail));
        }
        settle_cancelled(tx, &message, &taken).await?;
    }
    Ok(())
}

async fn settle_cancelled(tx: &TenantTx, message: &Message, taken: &[store::Cancelled]) -> Result<()> {
    let now = Utc::now();
    let moves: Vec<Move> = taken
        .iter()
        .map(|one| moved(message, one.channel, Status::Queued, Status::Cancelled, one.created_at, now))
        .collect();
    figures::moved(tx, &moves).await?;
    let released: Decimal = taken.iter().map(|one| one.reserved).sum();
    if !released.is_zero() {
        tx.execute("SELECT gate.settle_credit(0, $1)", &[&released]).await?;
    }
    Ok(())
}

fn moved(
    message: &Message,
    channel: Channel,
    from: Status,
    to: Status,
    queued_at: DateTime<Utc>,
    at: DateTime<Utc>,
) -> Move {
    Move {
        message: message.id,
        template: message.template,
        channel,
        provider: String::new(),
        from,
        to,
        class: String::new(),
        segments: 0,
        price: Decimal::ZERO,
        queued_at,
        at,
    }
}

/// Tries failed deliveries again: all of a message, or one. Those of unknown fate only when they are asked for by name: they may
/// arrive twice. 409 `message_cancelled` when it was cancelled.
pub async fn retry(
    tx: &TenantTx,
    by: &By,
    id: MessageId,
    delivery: Option<DeliveryId>,
    with_unknown: bool,
) -> Result<usize> {
    let message = store::lock(tx, id).await?.ok_or(Error::not_found("message"))?;
    if message.status == "cancelled" {
        let detail = "The message was cancelled: nothing of it is sent any more.";
        return Err(Error::conflict("message_cancelled", detail));
    }
    let statuses: &[&str] =
        if with_unknown { &["failed", "expired", "unknown"] } else { &["failed", "expired"] };
    let risen = store::revive(tx, id, delivery, statuses, REVIVED_MAX).await?;
    if risen.is_empty() {
        return Err(Error::conflict("nothing_failed", "Nothing of it failed that could be tried again."));
    }
    let now = Utc::now();
    let moves: Vec<Move> = risen
        .iter()
        .map(|one| moved(&message, one.channel, one.was, Status::Queued, one.created_at, now))
        .collect();
    figures::moved(tx, &moves).await?;
    store::call_lane(tx, message.lane, now).await?;
    let after = json!({"deliveries": risen.len(), "with_unknown": with_unknown});
    by.record(tx, told("message.retried", &message, Some(after))).await?;
    Ok(risen.len())
}

fn told<'a>(action: &'static str, message: &'a Message, after: Option<Value>) -> Event<'a> {
    Event {
        action,
        object_type: "message",
        object_id: Some(message.id.0),
        object_label: &message.summary,
        before: None,
        after,
    }
}

/// Whether a message can be sent as it is asked for: its template is approved and has words for its channels, and there is somebody.
pub async fn check_ready(tx: &TenantTx, messaging: &Messaging, tenant: &Tenant, ask: &Ask) -> Result<()> {
    ask.check(Utc::now())?;
    let wording = worded(tx, ask).await?;
    check_words(ask, &wording.composer)?;
    check_addresses(tenant, ask)?;
    someone(tx, messaging, tenant, &ask.to).await
}

/// Those of these messages that are there, each with what became of its recipients and what that cost.
pub async fn find_all(tx: &TenantTx, ids: &[MessageId]) -> Result<Vec<(Message, MessageCounts, Decimal)>> {
    let found = store::find_all(tx, ids).await?;
    let counts = figures::counts(tx, ids).await?;
    let with_counts = |message: Message| {
        let of_it = counts.iter().filter(|((id, _), _)| *id == message.id);
        let price = of_it.map(|(_, (_, price))| *price).sum();
        let counts = MessageCounts::of(&message, &counts);
        (message, counts, price)
    };
    Ok(found.into_iter().map(with_counts).collect())
}

pub async fn get(tx: &TenantTx, id: MessageId) -> Result<Message> {
    store::find(tx, id).await?.ok_or(Error::not_found("message"))
}
