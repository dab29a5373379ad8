//! Which messages go first.

use crate::web::choices::choices;

choices! {
    /// Which messages go first: codes and receipts before answers, and those before newsletters.
    Lane is "MessagePriority":
    Transactional = "transactional", "Transactional";
    Conversation = "conversation", "Conversation";
    Bulk = "bulk", "Bulk";
}

/// What is added to the lane of a queued delivery whose message is paused: no turn looks there.
pub const PARKED: i16 = 10;

impl Lane {
    /// As tables have it.
    pub fn number(self) -> i16 {
        match self {
            Self::Transactional => 0,
            Self::Conversation => 1,
            Self::Bulk => 2,
        }
    }

    pub fn from_number(number: i16) -> Self {
        match number {
            0 => Self::Transactional,
            1 => Self::Conversation,
            _ => Self::Bulk,
        }
    }
}
