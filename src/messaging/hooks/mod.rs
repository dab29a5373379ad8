//! What providers tell us: receipts of messages, and what people wrote.
//!
//! A call is stored whole before anything is made of it, then proved on its raw bytes and answered; a standing job reads it and
//! can read it again. Receipts are kept beside what they are about, and a delivery's state is worked out from all of them: so it
//! does not matter in which order, or how often, they come, or whether they come before our own record of the sending. Providers
//! that nobody can believe on their word, or that never call, are asked.
//!
//! Owns `hook_call`, `delivery_receipt`, `inbound_message` and `delivery_poll`; moves `delivery` and `dead_letter` on.

mod api;
mod apply;
mod hearing;
mod inbound;
mod intake;
mod model;
mod pages;
mod polling;
mod receipts;
mod rules;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::FutureExt;
use url::Url;

use super::{Messaging, accounts::Account};
use crate::{
    access::{NavItem, rights},
    error::{Error, Result},
    jobs::Runner,
    tenancy::{Resolver, Tenant},
};

pub use api::HooksApi;
pub use inbound::last_heard;
pub use intake::mount;
pub use pages::pages;
pub use polling::watch;
pub use receipts::meet;
pub use store::{count_calls, count_inbound, delete_calls, delete_inbound};

rights! { "Messages", PERMISSIONS:
    ViewHooks = "hooks.view", "hooks.read", "View what comes in", "See what people wrote, and what providers told about messages.", for [Support];
    ReplayHooks = "hooks.replay", "hooks.write", "Hear calls again", "Read a provider's call again, after what was in its way is mended.", for [Support];
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Messages",
    label: "Inbound",
    href: "/messages/inbound",
    icon: "inbox",
    permission: Some("hooks.view"),
}];

/// The standing job that reads what was stored.
const HEAR: &str = "hear_hooks";
/// The standing job that asks providers.
const POLL: &str = "poll_deliveries";

/// The address that the provider of this account calls.
pub fn url_of(resolver: &Resolver, tenant: &Tenant, account: &Account) -> Result<Url> {
    let text = format!("{}/hooks/{}/{}", resolver.url_of(tenant), account.kind, account.hook_id);
    Url::parse(&text).map_err(Error::internal)
}

/// The jobs of this room.
pub fn handlers(runner: &mut Runner, messaging: &Messaging) {
    let hearing = messaging.clone();
    runner.stand(
        HEAR,
        Arc::new(move |tenant, _job| {
            let messaging = hearing.clone();
            async move { hearing::hear_stored(&messaging, &tenant).await }.boxed()
        }),
    );
    let polling = messaging.clone();
    runner.stand(
        POLL,
        Arc::new(move |tenant, _job| {
            let messaging = polling.clone();
            async move { polling::poll_due(&messaging, &tenant).await }.boxed()
        }),
    );
}
