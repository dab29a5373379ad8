//! Messages: what was said to whom, and what became of each delivery.
//!
//! Owns `message`, `delivery`, `delivery_queue`, `delivery_attempt` and `dead_letter` (the dispatcher writes them, too), and reads
//! `provider_account` (labels) and `delivery_receipt` (stories). Its job writes recipients out.

mod api;
pub mod attachments;
mod body;
mod credit;
mod deliveries;
mod estimate;
mod expand;
mod job;
mod lane;
pub mod lists;
mod model;
mod old;
mod pages;
mod recur;
mod rules;
mod spoken;
mod store;
mod view;

use std::sync::Arc;

use chrono::{TimeDelta, Utc};

use crate::{
    access::{NavItem, rights},
    error::Error,
    jobs::{Next, Runner},
    messaging::Messaging,
    types::MessageId,
};

pub use api::MessagesApi;
pub use attachments::{Attached, AttachmentsApi, FileLinks};
pub use body::ToBody;
pub use deliveries::{Delivery, DeliveryFilter, list as list_deliveries};
pub use estimate::{Estimate, estimate};
pub use expand::people;
pub use lane::{Lane, PARKED};
pub use lists::ListsApi;
pub use model::{Ask, Given, Place, Said, To};
pub use old::{count_before, forget_before};
pub use pages::{
    AudienceChoices, DeliveryRow, EstimateBox, Progress, delivery_row, instant, pages, progress_of,
    segment_of, value_of,
};
pub use rules::{cancel, check_ready, find_all, known_parts, pause, resume, send, withdraw};
pub use spoken::{Spoken, spoken};
pub use store::{Hold, Message, call_lane, held};
pub use view::{EstimateView, MessageCounts};

rights! { "Messages", PERMISSIONS:
    ViewMessages = "messages.view", "messages.read", "View messages", "See messages, deliveries and what became of them.", for [Support, Viewer];
    SendMessages = "messages.send", "messages.write", "Send messages", "Send messages, cancel them, and try failed ones again.", for [Support];
}

/// A message that wants for credit is looked at again after so long.
const CREDIT_WAIT: TimeDelta = TimeDelta::minutes(10);

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Messages",
    label: "Messages",
    href: "/messages",
    icon: "send",
    permission: Some("messages.view"),
}];

/// Gives the runner the job that writes recipients out.
pub fn handlers(runner: &mut Runner, messaging: &Messaging) {
    attachments::handlers(runner, messaging);
    let messaging = messaging.clone();
    runner.on(
        store::EXPAND,
        Arc::new(move |tenant, job| {
            let messaging = messaging.clone();
            Box::pin(async move {
                let id = MessageId(job.subject);
                let next = messaging
                    .db
                    .in_tenant(&tenant, async |tx| job::go_on(tx, &messaging, &tenant, id).await)
                    .await;
                messaging.bell.notify_one();
                match next {
                    // The rest waits for credit, or to be cancelled.
                    Err(Error::Conflict { code: credit::TOO_LOW, .. }) => {
                        Ok(Next::Again(Utc::now() + CREDIT_WAIT))
                    }
                    other => other,
                }
            })
        }),
    );
}
