//! The lists of messages and of deliveries.

use poem::{
    Response, handler,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{DeliveryRow, PATH, channels_of, delivery_row, status_of};
use crate::{
    access::PageUser,
    messaging::{
        Channel, Messaging, Status, figures,
        messages::{
            SendMessages,
            deliveries::{self, DeliveryFilter},
            store::{self, MessageFilter},
            view::MessageCounts,
        },
        suppression::channels,
    },
    types::{Cursor, DeliveryId, Limit, MessageId, search::plain},
    web::{
        Moment,
        parts::{Choice, Pager, Tab, address, grouped, shown},
    },
    words::say,
};

const PAGE: Limit = Limit::of(50);
const Q_MAX: usize = 100;
const DELIVERIES_PATH: &str = "/deliveries";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub q: String,
    pub status: String,
    pub channel: String,
    pub cursor: String,
    pub from: i64,
}

impl Asked {
    pub fn first(&self) -> i64 {
        if self.cursor.is_empty() { 1 } else { self.from.max(1) }
    }

    /// Where the next page is, for a list at `path`.
    pub fn next_href(&self, path: &str, cursor: &str) -> String {
        let from = (self.first() + PAGE.get()).to_string();
        self.href(path, &self.status, &[("cursor", cursor), ("from", &from)])
    }

    /// Where the list begins, with the same filter; none where it does.
    pub fn first_href(&self, path: &str) -> Option<String> {
        (!self.cursor.is_empty()).then(|| self.href(path, &self.status, &[]))
    }

    /// The list at `path` of this status, with the rest of the filter, and something more.
    fn href(&self, path: &str, status: &str, more: &[(&str, &str)]) -> String {
        let own = [("q", self.q.as_str()), ("status", status), ("channel", self.channel.as_str())];
        address(path, own.into_iter().chain(more.iter().copied()).filter(|(_, value)| !value.is_empty()))
    }
}

#[derive(Serialize)]
struct MessagesPage {
    tabs: Vec<Tab>,
    q: String,
    status: String,
    channel: String,
    channels: Vec<Choice>,
    rows: Vec<MessageRow>,
    pager: Pager,
    filtered: bool,
    can_send: bool,
}

#[derive(Serialize)]
struct MessageRow {
    href: String,
    summary: String,
    channels: String,
    status: &'static str,
    tone: &'static str,
    is_dry_run: bool,
    recipients: String,
    delivered: String,
    failed: String,
    by: String,
    at: Moment,
}

fn tabs(asked: &Asked) -> Vec<Tab> {
    [
        (say("All"), ""),
        (say("Scheduled"), "waiting"),
        (say("Being written out"), "expanding"),
        (say("Cancelled"), "cancelled"),
    ]
    .into_iter()
    .map(|(label, status)| Tab {
        label,
        count: None,
        href: asked.href(PATH, status, &[]),
        active: asked.status == status,
    })
    .collect()
}

#[handler]
pub async fn list_messages(
    user: PageUser,
    messaging: Data<&Messaging>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let before = match asked.cursor.as_str() {
        "" => None,
        text => Some(Cursor::<MessageId>::decode(text)?.0),
    };
    let filter = MessageFilter {
        q: plain(&asked.q).map(|q| q.chars().take(Q_MAX).collect()),
        status: Some(asked.status.clone()).filter(|status| !status.is_empty()),
        channel: asked.channel.parse().ok(),
        ..MessageFilter::default()
    };
    let (mut found, counts) = messaging
        .db
        .read_tenant(user.tenant(), async |tx| {
            let found = store::list(tx, &filter, before, PAGE.and_one()).await?;
            let ids: Vec<MessageId> = found.iter().map(|message| message.id).collect();
            Ok((found, figures::counts(tx, &ids).await?))
        })
        .await?;
    let more = PAGE.cut(&mut found);
    let next_href = match found.last().filter(|_| more) {
        Some(last) => Some(asked.next_href(PATH, &Cursor(last.id).encode()?)),
        None => None,
    };
    let zone = user.tenant().time_zone.0;
    let rows: Vec<MessageRow> = found
        .iter()
        .map(|message| {
            let counts = MessageCounts::of(message, &counts);
            let (status, tone) = status_of(message, &counts);
            MessageRow {
                href: format!("{PATH}/{}", message.id),
                summary: if message.summary.is_empty() {
                    say("(no text)").into()
                } else {
                    message.summary.clone()
                },
                channels: channels_of(message),
                status,
                tone,
                is_dry_run: message.is_dry_run,
                recipients: grouped(i64::from(message.recipients)),
                delivered: grouped(counts.accepted + counts.sent + counts.delivered + counts.read),
                failed: grouped(counts.failed + counts.unknown),
                by: message.created_by.clone(),
                at: Moment::at(message.scheduled_at.unwrap_or(message.created_at), zone),
            }
        })
        .collect();
    let view = MessagesPage {
        tabs: tabs(&asked),
        filtered: !asked.q.is_empty() || !asked.status.is_empty() || !asked.channel.is_empty(),
        channels: channels(),
        pager: Pager {
            prev_href: asked.first_href(PATH),
            next_href,
            shown: shown(asked.first(), rows.len()),
            total: None,
        },
        can_send: user.by.require::<SendMessages>().is_ok(),
        rows,
        q: asked.q,
        status: asked.status,
        channel: asked.channel,
    };
    Ok(user.render("messages/list.html", say("Messages"), &view)?)
}

#[derive(Serialize)]
struct DeliveriesPage {
    q: String,
    status: String,
    channel: String,
    channels: Vec<Choice>,
    statuses: Vec<Choice>,
    rows: Vec<DeliveryRow>,
    pager: Pager,
    filtered: bool,
}

#[handler]
pub async fn list_deliveries(
    user: PageUser,
    messaging: Data<&Messaging>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let before = match asked.cursor.as_str() {
        "" => None,
        text => Some(Cursor::<DeliveryId>::decode(text)?.0),
    };
    let filter = DeliveryFilter {
        message: None,
        status: Status::parse(&asked.status).ok(),
        channel: asked.channel.parse::<Channel>().ok(),
        address: plain(&asked.q).map(|q| q.chars().take(4_096).collect()),
    };
    let mut found = messaging
        .db
        .read_tenant(user.tenant(), async |tx| deliveries::list(tx, &filter, before, PAGE.and_one()).await)
        .await?;
    let more = PAGE.cut(&mut found);
    let next_href = match found.last().filter(|_| more) {
        Some(last) => Some(asked.next_href(DELIVERIES_PATH, &Cursor(last.id).encode()?)),
        None => None,
    };
    let zone = user.tenant().time_zone.0;
    let view = DeliveriesPage {
        channels: channels(),
        statuses: Status::options(),
        filtered: !asked.q.is_empty() || !asked.status.is_empty() || !asked.channel.is_empty(),
        pager: Pager {
            prev_href: asked.first_href(DELIVERIES_PATH),
            next_href,
            shown: shown(asked.first(), found.len()),
            total: None,
        },
        rows: found.iter().map(|delivery| delivery_row(delivery, zone)).collect(),
        q: asked.q,
        status: asked.status,
        channel: asked.channel,
    };
    Ok(user.render("messages/deliveries.html", say("Deliveries"), &view)?)
}
