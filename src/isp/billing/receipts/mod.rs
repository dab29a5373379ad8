//! Receipts: issued with the payment, numbered without a gap, printed the same for ever.

mod api;
mod model;
mod pdf;
mod rules;
mod store;

pub use api::{ReceiptsApi, paper};
pub use model::{Printed, initials};
pub use pdf::Paper;
pub use rules::{get, issue, verify};
