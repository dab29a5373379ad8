//! The cashier's drawer: opened with a float, counted at the end.

mod api;
mod rules;
mod store;

pub use api::{NOTE_MAX, ShiftsApi};
pub use rules::{close, get, list, open, open_one};
pub use store::Shift;
