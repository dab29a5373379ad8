//! One message with its deliveries, and one delivery with its whole story.

use chrono::Utc;
use poem::{
    Response, handler,
    web::{Data, Path, Query},
};
use serde::Serialize;

use super::{
    DeliveryRow, PATH, Progress, channels_of, delivery_row, listing::Asked, progress_of, status_of, tone,
};
use crate::{
    access::{CheckedForm, PageUser},
    error::Error,
    messaging::{
        Channel, Messaging, Status, figures,
        messages::{
            Attached, SendMessages,
            deliveries::{self, Delivery, DeliveryFilter, Step},
            rules,
            spoken::spoken,
            view::MessageCounts,
        },
        policy,
    },
    tenancy::Tenant,
    types::{Cursor, DeliveryId, Limit, MessageId},
    web::{
        Flash, Moment,
        parts::{Pager, counted, grouped, id_of, money, shown, size_text},
    },
    words::say,
};

const PAGE: Limit = Limit::of(50);

#[derive(Serialize)]
struct MessagePage {
    id: String,
    summary: String,
    channels: String,
    status: &'static str,
    tone: &'static str,
    priority: &'static str,
    is_dry_run: bool,
    recipients: String,
    skipped: String,
    cost: String,
    recurrence: Option<String>,
    scheduled: Option<Moment>,
    created: Moment,
    by: String,
    progress: Progress,
    rows: Vec<DeliveryRow>,
    shown_status: String,
    all_href: String,
    pager: Pager,
    can_cancel: bool,
    can_pause: bool,
    is_paused: bool,
    can_retry: bool,
    failed: String,
    files: Vec<FileLine>,
}

/// A file that goes along.
#[derive(Serialize)]
struct FileLine {
    name: String,
    size: String,
    href: String,
}

#[handler]
pub async fn show_message(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let id: MessageId = id_of(&id, "message")?;
    let before = match asked.cursor.as_str() {
        "" => None,
        text => Some(Cursor::<DeliveryId>::decode(text)?.0),
    };
    let filter = DeliveryFilter {
        message: Some(id),
        status: Status::parse(&asked.status).ok(),
        ..DeliveryFilter::default()
    };
    let (message, counts, mut found) = messaging
        .db
        .read_tenant(user.tenant(), async |tx| {
            let message = rules::get(tx, id).await?;
            let counts = figures::counts(tx, &[id]).await?;
            let found = deliveries::list(tx, &filter, before, PAGE.and_one()).await?;
            Ok((message, counts, found))
        })
        .await?;
    let more = PAGE.cut(&mut found);
    let path = format!("{PATH}/{id}");
    let next_href = match found.last().filter(|_| more) {
        Some(last) => Some(asked.next_href(&path, &Cursor(last.id).encode()?)),
        None => None,
    };
    let files = message.attachments.iter().map(|file| file_line(&messaging, user.tenant(), file)).collect();
    let price = counts.values().map(|(_, price)| *price).sum();
    let counts = MessageCounts::of(&message, &counts);
    let (status, tone) = status_of(&message, &counts);
    let zone = user.tenant().time_zone.0;
    let may = user.by.require::<SendMessages>().is_ok();
    let is_open = matches!(message.status.as_str(), "waiting" | "expanding") || counts.queued > 0;
    let view = MessagePage {
        id: id.to_string(),
        channels: channels_of(&message),
        status,
        tone,
        priority: message.lane.label(),
        is_dry_run: message.is_dry_run,
        recipients: grouped(i64::from(message.recipients)),
        skipped: grouped(i64::from(message.skipped)),
        cost: money(price, &user.tenant().currency),
        recurrence: message.recurrence.clone(),
        scheduled: message.scheduled_at.map(|at| Moment::at(at, zone)),
        created: Moment::at(message.created_at, zone),
        by: message.created_by.clone(),
        progress: progress_of(&message, &counts),
        rows: found.iter().map(|delivery| delivery_row(delivery, zone)).collect(),
        shown_status: filter.status.map(|status| status.label().to_owned()).unwrap_or_default(),
        all_href: path.clone(),
        pager: Pager {
            prev_href: asked.first_href(&path),
            next_href,
            shown: shown(asked.first(), found.len()),
            total: None,
        },
        files,
        can_cancel: may && is_open,
        can_pause: may && is_open && message.paused_at.is_none(),
        is_paused: may && message.paused_at.is_some(),
        can_retry: may && message.status != "cancelled" && counts.failed + counts.expired > 0,
        failed: counted(counts.failed + counts.expired, "failed delivery", "failed deliveries"),
        summary: if message.summary.is_empty() { say("(no text)").into() } else { message.summary },
    };
    Ok(user.render("messages/detail.html", &view.summary.clone(), &view)?)
}

fn file_line(messaging: &Messaging, tenant: &Tenant, file: &Attached) -> FileLine {
    FileLine {
        name: file.name.clone(),
        size: size_text(file.size),
        href: messaging.file_links.path(tenant, file.file(), Utc::now()).unwrap_or_default(),
    }
}

#[handler]
pub async fn pause_message(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: MessageId = id_of(&id, "message")?;
    let path = format!("{PATH}/{id}");
    let paused = messaging.db.in_tenant(user.tenant(), async |tx| rules::pause(tx, &user.by, id).await).await;
    done(&user, &path, paused.map(|()| "It is paused.".to_owned()))
}

#[handler]
pub async fn resume_message(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: MessageId = id_of(&id, "message")?;
    let path = format!("{PATH}/{id}");
    let resumed =
        messaging.db.in_tenant(user.tenant(), async |tx| rules::resume(tx, &user.by, id).await).await;
    messaging.bell.notify_one();
    done(&user, &path, resumed.map(|()| "It goes on.".to_owned()))
}

#[handler]
pub async fn cancel_message(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: MessageId = id_of(&id, "message")?;
    let path = format!("{PATH}/{id}");
    let taken = messaging.db.in_tenant(user.tenant(), async |tx| rules::cancel(tx, &user.by, id).await).await;
    done(&user, &path, taken.map(|n| say!("Taken back: {}.", deliveries_text(n))))
}

#[handler]
pub async fn retry_message(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: MessageId = id_of(&id, "message")?;
    let path = format!("{PATH}/{id}");
    let with_unknown = form.has("with_unknown");
    let risen = messaging
        .db
        .in_tenant(user.tenant(), async |tx| rules::retry(tx, &user.by, id, None, with_unknown).await)
        .await;
    messaging.bell.notify_one();
    done(&user, &path, risen.map(|n| say!("Tried again: {}.", deliveries_text(n))))
}

fn deliveries_text(n: usize) -> String {
    counted(i64::try_from(n).unwrap_or(i64::MAX), "delivery", "deliveries")
}

/// Back to the page, with what was done, or why it could not be.
fn done(user: &PageUser, path: &str, result: crate::error::Result<String>) -> poem::Result<Response> {
    match result {
        Ok(text) => Ok(user.then(path, &Flash::success(text))),
        Err(Error::Conflict { detail, .. }) => Ok(user.then(path, &Flash::error(detail))),
        Err(error) => Err(error.into()),
    }
}

#[derive(Serialize)]
struct DeliveryPage {
    id: String,
    who: String,
    address: String,
    person_href: Option<String>,
    channel: &'static str,
    status: &'static str,
    tone: &'static str,
    priority: &'static str,
    account: String,
    segments: Option<i16>,
    cost: Option<String>,
    failure: Option<String>,
    failure_code: Option<String>,
    due: Option<Moment>,
    summary: String,
    message_href: String,
    subject: Option<String>,
    text: String,
    has_html: bool,
    steps: Vec<StepRow>,
    can_cancel: bool,
    can_retry: bool,
    is_unknown: bool,
}

#[derive(Serialize)]
struct StepRow {
    at: Moment,
    title: String,
    detail: String,
    tone: &'static str,
    took: Option<String>,
    provider_id: Option<String>,
}

fn step_row(step: &Step, zone: chrono_tz::Tz) -> StepRow {
    let known = Status::parse(&step.what).ok();
    let (title, tone) = match (step.kind, step.what.as_str()) {
        ("queued", _) => (say("Queued").to_owned(), "info"),
        ("attempt", "accepted") => (say("Taken by the provider").to_owned(), "brand"),
        ("attempt", "refused") => (say("Refused").to_owned(), "error"),
        ("attempt", "unknown") => (say("No answer: it may have been sent").to_owned(), "warning"),
        ("attempt", "dry_run") => (say("Dry run: nothing was sent").to_owned(), ""),
        (_, what) => match known {
            Some(status) => (status.label().to_owned(), tone(status)),
            None => (what.to_owned(), ""),
        },
    };
    let provider = step.provider.as_deref().map(|provider| format!("{provider}: ")).unwrap_or_default();
    let why = match (&step.detail, &step.code) {
        (Some(detail), Some(code)) => format!("{detail} ({code})"),
        (Some(detail), None) => detail.clone(),
        (None, Some(code)) => code.clone(),
        (None, None) => String::new(),
    };
    StepRow {
        at: Moment::at(step.at, zone),
        title,
        detail: format!("{provider}{why}").trim_end_matches(": ").to_owned(),
        tone,
        took: step.ms.map(|ms| format!("{} ms", grouped(i64::from(ms)))),
        provider_id: step.provider_message_id.clone(),
    }
}

#[handler]
pub async fn show_delivery(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: DeliveryId = id_of(&id, "delivery")?;
    let (delivery, steps, said, language) = messaging
        .db
        .read_tenant(user.tenant(), async |tx| {
            let delivery = deliveries::find(tx, id).await?.ok_or(Error::not_found("delivery"))?;
            let steps = deliveries::story(tx, &delivery).await?;
            let said = spoken(tx, &[delivery.message]).await?.remove(&delivery.message);
            Ok((delivery, steps, said, policy::get(tx).await?.default_language))
        })
        .await?;
    let zone = user.tenant().time_zone.0;
    let context =
        delivery.context.as_ref().and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
    let content = said.and_then(|said| {
        said.compose(delivery.channel, delivery.language.as_deref(), &language, &context).ok()
    });
    let may = user.by.require::<SendMessages>().is_ok();
    let row = delivery_row(&delivery, zone);
    let view = DeliveryPage {
        id: id.to_string(),
        person_href: person_href(&delivery),
        who: row.who,
        address: row.address,
        channel: delivery.channel.label(),
        status: row.status,
        tone: row.tone,
        priority: delivery.lane.label(),
        account: row.account,
        segments: delivery.segments.filter(|_| delivery.channel == Channel::Sms),
        cost: delivery.price.map(|price| money(price, &user.tenant().currency)),
        failure: delivery.failure.clone(),
        failure_code: delivery.failure_code.clone(),
        due: delivery.due_at.filter(|_| !delivery.is_sending).map(|at| Moment::at(at, zone)),
        summary: delivery.summary.clone(),
        message_href: row.message_href,
        subject: content.as_ref().and_then(|content| content.subject.clone().or(content.title.clone())),
        has_html: content.as_ref().is_some_and(|content| content.html.is_some()),
        text: content.map(|content| content.text).unwrap_or_default(),
        steps: steps.iter().map(|step| step_row(step, zone)).collect(),
        can_cancel: may && delivery.status == Status::Queued && !delivery.is_sending,
        can_retry: may && matches!(delivery.status, Status::Failed | Status::Expired | Status::Unknown),
        is_unknown: delivery.status == Status::Unknown,
    };
    Ok(user.render("messages/delivery.html", &say!("To {}", view.who), &view)?)
}

fn person_href(delivery: &Delivery) -> Option<String> {
    match (delivery.customer, delivery.contact) {
        (Some(customer), _) => Some(format!("/customers/{customer}")),
        (None, Some(contact)) => Some(format!("/contacts/{contact}")),
        (None, None) => None,
    }
}

#[handler]
pub async fn cancel_delivery(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: DeliveryId = id_of(&id, "delivery")?;
    let taken = messaging
        .db
        .in_tenant(user.tenant(), async |tx| {
            let delivery = deliveries::find(tx, id).await?.ok_or(Error::not_found("delivery"))?;
            rules::cancel_one(tx, &user.by, delivery.message, id).await
        })
        .await;
    done(&user, &format!("/deliveries/{id}"), taken.map(|()| "It was taken back.".to_owned()))
}

#[handler]
pub async fn retry_delivery(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: DeliveryId = id_of(&id, "delivery")?;
    let with_unknown = form.has("with_unknown");
    let risen = messaging
        .db
        .in_tenant(user.tenant(), async |tx| {
            let delivery = deliveries::find(tx, id).await?.ok_or(Error::not_found("delivery"))?;
            rules::retry(tx, &user.by, delivery.message, Some(id), with_unknown).await
        })
        .await;
    messaging.bell.notify_one();
    done(&user, &format!("/deliveries/{id}"), risen.map(|_| "It is being tried again.".to_owned()))
}
