//! Reports that are made by themselves: daily, weekly or monthly, at an hour of the provider's clocks, kept as files for a while.
//!
//! Owns `report_schedule` and `report_file`. An occurrence is named by its local day, so that a clock that is set back does not make
//! it twice; after the program was away, the last occurrence that was missed is made, and none before it.

mod api;
mod job;
mod model;
mod pages;
mod rules;
mod store;

pub use api::{ReportFilesApi, ReportSchedulesApi};
pub use job::handlers;
pub use pages::pages;
pub use rules::{count_files_before, forget_files_before};
