//! Payments: their own records, apart from the periods that they pay.

mod api;
mod export;
mod list;
mod model;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod view;

pub use api::PaymentsApi;
pub use export::export;
pub use list::{Filter, cashiers, page, totals};

pub use model::{Method, NewPayment, Payment, Refund, Typed, nested};
pub use rules::{
    check_filter, credit, get, move_to, owed, record, refund, refunds, release, use_credit, void,
};
pub(super) use store::covered_by;
pub use view::{PaymentBody, PaymentView, refund_of};
