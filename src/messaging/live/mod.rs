//! What happens now, told to those who are watching: lines of the bell, and which lists changed. By WebSocket, or by server-sent
//! events where that does not come through.
//!
//! PostgreSQL tells every process that something changed in a tenant, and where; each process reads what that means for each of
//! its watchers with the watcher's own rights. So nothing of a tenant travels between processes, and nobody is told of what they
//! may not see. Owns no table: lines of the bell are `events`'.

mod feed;
mod hub;
mod socket;
mod stream;

use std::collections::BTreeSet;

use crate::{
    db::TenantTx,
    error::Result,
    events,
    types::{CustomerId, DeliveryId, MessageId, StaffId},
};

pub use hub::Hub;
pub use socket::mount;

/// More messages than this at once are not told of one by one.
const TOLD_MAX: usize = 20;

/// Deliveries of these messages of the entered tenant moved: whoever watches one of them (`message:<id>`) or a list (`deliveries`) is told.
pub async fn moved(tx: &TenantTx, messages: &BTreeSet<MessageId>) -> Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let each = messages.iter().take(TOLD_MAX).map(|message| format!("message:{message}"));
    let topics: Vec<String> = std::iter::once("deliveries".to_owned()).chain(each).collect();
    events::tell_live(tx, &topics).await
}

/// Whose bell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bell {
    Staff(StaffId),
    Customer(CustomerId),
}

/// Delivers a message inside the product: a line in the bell of the person whom it is for.
pub async fn in_app(
    tx: &TenantTx,
    bell: Bell,
    text: &str,
    href: Option<&str>,
    delivery: DeliveryId,
) -> Result<()> {
    match bell {
        Bell::Staff(staff) => events::tell_person(tx, staff, text, href, Some(delivery)).await,
        Bell::Customer(customer) => events::tell_subscriber(tx, customer, text, href.unwrap_or("/my")).await,
    }
}
