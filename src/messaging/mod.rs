//! Messages on every channel: what is said, to whom, by which provider, and what became of it.
//!
//! A message is a row first. Its recipients are written out as deliveries; the dispatcher claims a delivery once, renders it, hands it to
//! one of the tenant's accounts and writes down what came of it; receipts move it on. `providers/` is the wire: it turns one
//! delivery into one provider's request, and the provider's answers, receipts and incoming messages into our words. It owns no table
//! and knows no tenant.
//!
//! What may not know messaging, and whom messaging may not know (an internet provider's customers), comes in through
//! [`audience::Directory`].

pub mod accounts;
mod address;
pub mod audience;
pub mod campaigns;
mod channel;
pub mod contacts;
pub mod dispatch;
pub mod figures;
pub mod hooks;
pub mod live;
pub mod messages;
pub mod policy;
mod providers;
mod sealed_links;
mod segments;
mod status;
pub mod suppression;
pub mod templates;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::Notify;

pub use address::Address;
pub use channel::Channel;
pub use status::Status;

use self::{
    accounts::{Opener, senders::SenderKey},
    audience::Directory,
};
use crate::{db::Db, outbound::Outbound, secrets::TenantKeys, tenancy::Resolver};

/// What every room of messaging works with. Cheap to clone.
#[derive(Clone)]
pub struct Messaging {
    pub db: Db,
    pub keys: TenantKeys,
    pub resolver: Resolver,
    pub outbound: Outbound,
    pub accounts: Opener,
    pub directory: Arc<dyn Directory>,
    pub links: suppression::Links,
    pub file_links: messages::FileLinks,
    /// Rings when something was queued in this process, so that nobody waits for the next look.
    pub bell: Arc<Notify>,
}

impl Messaging {
    #[expect(clippy::too_many_arguments, reason = "one argument per part, at one place")]
    pub fn new(
        db: Db,
        keys: TenantKeys,
        resolver: Resolver,
        outbound: Outbound,
        directory: Arc<dyn Directory>,
        (links, file_links): (suppression::Links, messages::FileLinks),
        senders: SenderKey,
    ) -> Self {
        let accounts = Opener::new(db.clone(), keys.clone(), senders);
        let bell = Arc::new(Notify::new());
        Self { db, keys, resolver, outbound, accounts, directory, links, file_links, bell }
    }
}
