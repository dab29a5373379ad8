//! Periods of service: sold, chained, paused, changed, called off.

mod api;
mod brought;
mod model;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod view;

pub use api::SubscriptionsApi;

pub use brought::{Opening, Served, bring_forward, opening_span, served};
pub use model::{Credit, Kind, Span, Status, Subscription, duration_text};
pub(super) use rules::catch_up;
pub use rules::{
    Changed, Order, Preview, cancel, change_plan, extend, get, pause, preview, preview_change, resume,
    running, sell,
};
pub(super) use store::{
    Filter, Listed, Pause, Sellable, find_place, find_sellable, list, open_until, pauses,
};
