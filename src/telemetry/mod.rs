//! What the program tells those who run it: log lines, metrics, traces, error reports.
//!
//! Logs carry tenant and request id; metrics never do, because whoever may read metrics need not know who the customers are.

mod exposition;
mod log;
mod metrics;
mod reports;
#[cfg(test)]
mod tests;
mod traces;

pub use exposition::{Sources, serve_metrics};
pub use log::{Telemetry, init, init_for_command};
pub use metrics::Metrics;
