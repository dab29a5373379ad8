//! Settings of traces.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where spans go, and how many.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpSettings {
    /// gRPC endpoint of a collector; no traces without one.
    pub endpoint: Option<String>,
    /// The share of traces that is collected, 0 to 1. What goes on with a trace is collected if its beginning was.
    pub sample: f64,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        Self { endpoint: None, sample: 1.0 }
    }
}

impl OtlpSettings {
    pub(super) fn check(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.sample) {
            return Ok(());
        }
        Err(Error::invalid("otlp.sample", "out_of_range", "otlp.sample must be between 0 and 1."))
    }
}
