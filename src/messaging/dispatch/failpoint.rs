//! Places where a test makes the process die, as power cuts do.

use std::sync::atomic::{AtomicU32, Ordering};

/// Where a process can be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Deliveries were claimed, and nobody knows of it yet.
    AfterClaim,
    /// The claim is committed, and nothing went out.
    BeforeSend,
    /// A provider answered.
    AfterSend,
    /// Outcomes are about to be written down.
    BeforeRecord,
    /// They were written and not committed.
    InSettle,
}

impl Point {
    fn name(self) -> &'static str {
        match self {
            Self::AfterClaim => "after_claim",
            Self::BeforeSend => "before_send",
            Self::AfterSend => "after_send",
            Self::BeforeRecord => "before_record",
            Self::InSettle => "in_settle",
        }
    }
}

/// Where this process dies: `name`, or `name:n` for the n-th time that it comes by. Set by tests alone.
#[derive(Debug, Default)]
pub struct Failpoint {
    name: Option<String>,
    left: AtomicU32,
}

impl Failpoint {
    pub fn new(setting: Option<&str>) -> Self {
        let (name, n) = match setting.map(|text| text.split_once(':').unwrap_or((text, "1"))) {
            Some((name, n)) => (Some(name.to_owned()), n.parse().unwrap_or(1)),
            None => (None, 0),
        };
        Self { name, left: AtomicU32::new(n) }
    }

    /// Dies here, if that was asked for.
    pub fn pass(&self, point: Point) {
        if self.name.as_deref() == Some(point.name()) && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            std::process::abort();
        }
    }
}
