//! Pages of messages and deliveries.

mod audience;
mod compose;
mod detail;
mod listing;

use poem::http::Method;
use serde::Serialize;

use super::{
    SendMessages, ViewMessages,
    attachments::{self, FORM_MAX_BYTES},
    deliveries::Delivery,
    store::Message,
    view::MessageCounts,
};
use crate::{
    access::Guarded,
    messaging::{Channel, Status},
    web::{Moment, RouteTable},
    words::say,
};

pub use audience::{AudienceChoices, EstimateBox, segment_of, value_of};
pub use compose::instant;

const PATH: &str = "/messages";

/// Every page of messages.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewMessages>(Method::GET, PATH, listing::list_messages);
    table.page::<ViewMessages>(Method::GET, "/deliveries", listing::list_deliveries);
    table.page::<SendMessages>(Method::GET, "/messages/new", compose::compose);
    table.upload::<SendMessages>(PATH, FORM_MAX_BYTES, compose::send);
    table.page::<ViewMessages>(Method::GET, "/messages/:id", detail::show_message);
    table.page::<SendMessages>(Method::POST, "/messages/:id/cancel", detail::cancel_message);
    table.page::<SendMessages>(Method::POST, "/messages/:id/pause", detail::pause_message);
    table.page::<SendMessages>(Method::POST, "/messages/:id/resume", detail::resume_message);
    table.page::<SendMessages>(Method::POST, "/messages/:id/retry", detail::retry_message);
    attachments::pages(table);
    table.page::<ViewMessages>(Method::GET, "/deliveries/:id", detail::show_delivery);
    table.page::<SendMessages>(Method::POST, "/deliveries/:id/cancel", detail::cancel_delivery);
    table.page::<SendMessages>(Method::POST, "/deliveries/:id/retry", detail::retry_delivery);
}

/// The tone of a status' badge.
fn tone(status: Status) -> &'static str {
    match status {
        Status::Queued => "info",
        Status::Accepted | Status::Sent => "brand",
        Status::Delivered | Status::Read => "success",
        Status::Failed => "error",
        Status::Unknown => "warning",
        Status::Cancelled | Status::Suppressed | Status::Expired => "",
    }
}

/// A delivery's line in a list.
#[derive(Serialize)]
pub struct DeliveryRow {
    href: String,
    who: String,
    address: String,
    channel: &'static str,
    status: &'static str,
    tone: &'static str,
    note: String,
    account: String,
    summary: String,
    message_href: String,
    at: Moment,
}

pub fn delivery_row(delivery: &Delivery, zone: chrono_tz::Tz) -> DeliveryRow {
    let at = delivery
        .read_at
        .or(delivery.delivered_at)
        .or(delivery.ended_at)
        .or(delivery.accepted_at)
        .unwrap_or(delivery.created_at);
    DeliveryRow {
        href: format!("/deliveries/{}", delivery.id),
        who: if delivery.name.is_empty() { shown_address(delivery) } else { delivery.name.clone() },
        address: shown_address(delivery),
        channel: delivery.channel.label(),
        status: if delivery.is_sending { say("Sending") } else { delivery.status.label() },
        tone: tone(delivery.status),
        note: delivery.failure.clone().unwrap_or_default(),
        account: delivery.account_label.clone().unwrap_or_default(),
        summary: delivery.summary.clone(),
        message_href: format!("{PATH}/{}", delivery.message),
        at: Moment::at(at, zone),
    }
}

/// A device's token is of no use to anybody who reads it.
fn shown_address(delivery: &Delivery) -> String {
    match delivery.channel {
        Channel::Push => say!("Device …{}", tail(&delivery.address)),
        Channel::InApp => say("In the portal").to_owned(),
        _ => delivery.address.clone(),
    }
}

fn tail(text: &str) -> String {
    let skip = text.chars().count().saturating_sub(6);
    text.chars().skip(skip).collect()
}

/// What became of a message's recipients, as bars and words.
#[derive(Serialize)]
pub struct Progress {
    /// Of a hundred.
    done: i64,
    parts: Vec<ProgressPart>,
    is_moving: bool,
}

#[derive(Serialize)]
pub struct ProgressPart {
    label: &'static str,
    status: &'static str,
    tone: &'static str,
    amount: String,
    href: String,
}

pub fn progress_of(message: &Message, counts: &MessageCounts) -> Progress {
    let all = [
        (Status::Queued, counts.queued),
        (Status::Accepted, counts.accepted),
        (Status::Sent, counts.sent),
        (Status::Delivered, counts.delivered),
        (Status::Read, counts.read),
        (Status::Failed, counts.failed),
        (Status::Unknown, counts.unknown),
        (Status::Cancelled, counts.cancelled),
        (Status::Suppressed, counts.suppressed),
        (Status::Expired, counts.expired),
    ];
    let recipients = i64::from(message.recipients).max(1);
    Progress {
        done: (counts.settled() * 100 / recipients).clamp(0, 100),
        parts: all
            .into_iter()
            .filter(|(_, amount)| *amount > 0)
            .map(|(status, amount)| ProgressPart {
                label: status.label(),
                status: status.as_str(),
                tone: tone(status),
                amount: crate::web::parts::grouped(amount),
                href: format!("{PATH}/{}?status={}", message.id, status.as_str()),
            })
            .collect(),
        is_moving: message.paused_at.is_none() && (message.status == "expanding" || counts.queued > 0),
    }
}

/// A message's status as people read it.
fn status_of(message: &Message, counts: &MessageCounts) -> (&'static str, &'static str) {
    match message.status.as_str() {
        _ if message.paused_at.is_some() && message.status != "cancelled" => (say("Paused"), "warning"),
        "waiting" if message.recurrence.is_some() => (say("Recurring"), "info"),
        "waiting" => (say("Scheduled"), "info"),
        "expanding" => (say("Sending"), "brand"),
        "cancelled" => (say("Cancelled"), ""),
        _ if counts.queued > 0 => (say("Sending"), "brand"),
        _ => (say("Sent"), "success"),
    }
}

/// "SMS, then e-mail".
fn channels_of(message: &Message) -> String {
    message.channels.iter().map(|channel| channel.label()).collect::<Vec<_>>().join(", then ")
}
