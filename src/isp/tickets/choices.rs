//! What a ticket may be: its status, priority, category and source.

use chrono::Duration;

use crate::web::choices::choices;

choices! {
    /// How far a ticket is.
    Status is "TicketStatus":
    /// Nobody works on it yet.
    Pending = "pending", "Pending";
    /// Somebody is to work on it.
    Assigned = "assigned", "Assigned";
    /// Somebody works on it.
    InProgress = "in_progress", "In progress";
    /// The customer is to answer: the clock of the promise stands still.
    Waiting = "waiting", "Waiting for customer";
    /// It is done; it may be opened again.
    Resolved = "resolved", "Resolved";
    /// It was none, or was merged into another one. For good.
    Cancelled = "cancelled", "Cancelled";
}

choices! {
    /// How soon a ticket is to be resolved.
    Priority is "TicketPriority":
    /// Within 48 hours.
    Low = "low", "Low";
    /// Within 24 hours.
    Medium = "medium", "Medium";
    /// Within 8 hours.
    High = "high", "High";
    /// Within 4 hours.
    Urgent = "urgent", "Urgent";
}

choices! {
    /// What a ticket is about.
    Category is "TicketCategory":
    NoConnection = "no_connection", "No internet connection";
    SlowConnection = "slow_connection", "Slow connection";
    Intermittent = "intermittent", "Intermittent connection";
    RouterIssue = "router_issue", "Router issue";
    Billing = "billing", "Billing";
    Relocation = "relocation", "Relocation";
    Upgrade = "upgrade", "Upgrade";
    Downgrade = "downgrade", "Downgrade";
    Other = "other", "Other";
}

choices! {
    /// How a ticket came in.
    Source is "TicketSource":
    Phone = "phone", "Phone";
    Messenger = "messenger", "Messenger";
    WalkIn = "walk_in", "Walk-in";
    Email = "email", "E-mail";
    Sms = "sms", "SMS";
    Portal = "portal", "Portal";
    Other = "other", "Other";
}

impl Status {
    /// Whether somebody still has to do something.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Resolved | Self::Cancelled)
    }

    /// Whether it takes somebody who works on it.
    pub fn needs_assignee(self) -> bool {
        matches!(self, Self::Assigned | Self::InProgress)
    }

    /// Whether the clock of the promise stands still.
    pub fn stops_the_clock(self) -> bool {
        matches!(self, Self::Waiting | Self::Resolved)
    }

    /// Where it may go from here; see [`super::model::TRANSITIONS`].
    pub fn next(self) -> impl Iterator<Item = Self> {
        super::model::TRANSITIONS.iter().filter(move |(from, _)| *from == self).map(|(_, to)| *to)
    }
}

impl Priority {
    /// What the provider promises: resolved within so long.
    pub fn promise(self) -> Duration {
        Duration::hours(match self {
            Self::Urgent => 4,
            Self::High => 8,
            Self::Medium => 24,
            Self::Low => 48,
        })
    }
}

impl Category {
    /// Whether it says that somebody is off: several of them at one place mean that a node is down.
    pub fn hints_at_outage(self) -> bool {
        matches!(self, Self::NoConnection | Self::Intermittent)
    }

    /// Whether it may be the line that fails, so that an outage explains it.
    pub fn is_about_service(self) -> bool {
        matches!(
            self,
            Self::NoConnection | Self::SlowConnection | Self::Intermittent | Self::RouterIssue | Self::Other
        )
    }
}
