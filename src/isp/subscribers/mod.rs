//! The subscriber portal: a customer signs in at `/my` of their provider's host, by an account that the provider's invitation opened.
//!
//! Owns `subscriber_login`, `subscriber_session`, `subscriber_link`. Reads `customer` (whose account it is), `installation` with the
//! running `subscription` (what the start tells), `outage` with `outage_subscriber`, and `notice`; everything else by the rules of
//! its room. Neither a session nor a link of staff counts here, and the other way round: other tables, other cookies.

mod api;
mod door;
mod guard;
mod invite;
mod letters;
mod overview;
mod own;
mod pages;
mod store;

use crate::access::rights;

pub use api::SubscribersApi;
pub use letters::Office;
pub use pages::pages;

rights! { "Customers", PERMISSIONS:
    InviteSubscribers = "subscribers.invite", "subscribers.write", "Invite to the portal", "Give customers access to the subscriber portal, and end it.", for [Support];
}

/// Where the portal lies on a tenant's host.
const HOME: &str = "/my";
