//! How far a delivery has come, and which way it may go on.

use super::providers::State;
use crate::web::choices::choices;

choices! {
    /// How far a delivery has come.
    Status is "DeliveryStatus":
    /// It waits for its turn, is being sent, or waits for another try.
    Queued = "queued", "Queued";
    /// A provider took it.
    Accepted = "accepted", "Accepted";
    /// The provider has passed it on.
    Sent = "sent", "Sent";
    Delivered = "delivered", "Delivered";
    Read = "read", "Read";
    /// It will not arrive.
    Failed = "failed", "Failed";
    /// It may have been sent, or not: nobody sends it again by itself.
    Unknown = "unknown", "Unknown";
    Cancelled = "cancelled", "Cancelled";
    /// The address does not want it, or does not exist.
    Suppressed = "suppressed", "Suppressed";
    /// It was of no use any more when its turn came.
    Expired = "expired", "Expired";
}

impl Status {
    /// The status after a provider's word came in. Receipts come late, doubled and out of order: a status never goes back, and
    /// what was never handed over is not moved by them.
    pub fn after(self, told: State) -> Self {
        let reached = match self {
            // Whoever hears of a message of unknown fate knows now; a receipt may also come before our own record of the sending.
            Self::Queued | Self::Unknown | Self::Accepted => State::Queued,
            Self::Sent => State::Sent,
            Self::Failed => State::Failed,
            Self::Delivered => State::Delivered,
            Self::Read => State::Read,
            Self::Cancelled | Self::Suppressed | Self::Expired => return self,
        };
        match reached.and(told) {
            State::Queued if self == Self::Queued => Self::Queued,
            State::Queued => Self::Accepted,
            State::Sent => Self::Sent,
            State::Failed => Self::Failed,
            State::Delivered => Self::Delivered,
            State::Read => Self::Read,
        }
    }
}
