//! An account at a provider.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::{
    messaging::{
        Channel,
        providers::{self, About},
    },
    types::{AccountId, SenderId},
    web::choices::choices,
};

choices! {
    /// Whether an account is in use, after what happened with it.
    BreakerState is "BreakerState":
    Closed = "closed", "In use";
    /// Not before a time: too much went wrong.
    Open = "open", "Out of use";
    /// One message probes it.
    HalfOpen = "half_open", "Being probed";
}

/// An account's breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    pub state: BreakerState,
    pub until: Option<DateTime<Utc>>,
    pub reason: Option<String>,
    /// What went wrong in a row.
    pub failures: i32,
}

/// Whether messages may go to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// One message, to see whether it works again.
    Probe,
    NotBefore(DateTime<Utc>),
}

/// An account at a provider, without its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub channel: Channel,
    /// The word of the provider's file.
    pub kind: String,
    pub label: String,
    pub is_active: bool,
    /// Set when it is a sender of the platform's own.
    pub sender: Option<SenderId>,
    pub hook_id: String,
    /// Of one segment, or one message.
    pub price: Decimal,
    pub per_second: Option<i32>,
    pub breaker: Breaker,
    /// Changes with every change of the account, and so tells opened credentials apart.
    pub updated_at: DateTime<Utc>,
}

impl Account {
    /// Its provider. None when a later version of the program brought it and this one does not know it.
    pub fn about(&self) -> Option<&'static About> {
        providers::about(&self.kind)
    }

    /// Whether files can go along.
    pub fn carries_files(&self) -> bool {
        self.about().is_some_and(|about| about.carries_files)
    }

    /// Whether messages may go to it now. It is taken for active.
    pub fn readiness(&self, now: DateTime<Utc>) -> Readiness {
        match (self.breaker.state, self.breaker.until) {
            (BreakerState::Closed, _) | (_, None) => Readiness::Ready,
            (_, Some(until)) if until <= now => Readiness::Probe,
            (_, Some(until)) => Readiness::NotBefore(until),
        }
    }

    /// What its cells are sealed for.
    pub(super) fn cell(&self) -> Uuid {
        self.id.0
    }
}
