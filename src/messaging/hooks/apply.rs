//! What all receipts of a delivery come to. A pure function of them, so that neither their order nor their number matters.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::model::happened_at;
use crate::{
    messaging::{Status, providers::State},
    types::AccountId,
};

/// A delivery as it is known before.
#[derive(Debug, Clone)]
pub struct Known {
    pub status: Status,
    /// Its last try: by whom, what the provider called it, when it began.
    pub last: Option<LastTry>,
    pub accepted_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub read_at: Option<DateTime<Utc>>,
    pub price: Option<Decimal>,
}

#[derive(Debug, Clone)]
pub struct LastTry {
    pub account: Option<AccountId>,
    pub message_id: Option<String>,
    pub started_at: DateTime<Utc>,
}

/// One receipt of it that somebody answers for.
#[derive(Debug, Clone)]
pub struct Said {
    pub account: AccountId,
    pub message_id: String,
    pub state: State,
    pub class: Option<String>,
    pub code: Option<String>,
    pub detail: Option<String>,
    pub price: Option<Decimal>,
    pub said_at: Option<DateTime<Utc>>,
    pub received_at: DateTime<Utc>,
}

impl Said {
    fn at(&self) -> DateTime<Utc> {
        happened_at(self.said_at, self.received_at)
    }

    /// In the order of time; texts decide between two of one instant.
    fn order(&self) -> (DateTime<Utc>, &Option<String>, &Option<String>, &Option<String>) {
        (self.at(), &self.class, &self.code, &self.detail)
    }

    fn is_of(&self, last: Option<&LastTry>) -> bool {
        last.is_none_or(|last| {
            last.account == Some(self.account)
                && last.message_id.as_ref().is_none_or(|id| super::model::message_key(id) == self.message_id)
        })
    }
}

/// What is known of it after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub status: Status,
    pub accepted_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub read_at: Option<DateTime<Utc>>,
    /// When it came to an end without having arrived.
    pub failed_at: Option<DateTime<Utc>>,
    pub class: Option<String>,
    pub code: Option<String>,
    pub detail: Option<String>,
    pub price: Option<Decimal>,
}

/// None when the receipts leave the delivery as it is.
pub fn verdict(known: &Known, said: &[Said]) -> Option<Verdict> {
    let counts = |one: &&Said| match (known.status, one.state) {
        // It waits for another try: only what says that it arrived can mean an earlier one.
        (Status::Queued, state) => matches!(state, State::Delivered | State::Read),
        // What became of a try that another one followed is history, unless it arrived.
        (_, State::Failed) => one.is_of(known.last.as_ref()),
        _ => true,
    };
    let said: Vec<&Said> = said.iter().filter(counts).collect();
    let told = said.iter().map(|one| one.state).max()?;
    let status = known.status.after(told);
    if matches!(known.status, Status::Cancelled | Status::Suppressed | Status::Expired) {
        return None;
    }
    let first = |state: State| said.iter().filter(|one| one.state == state).map(|one| one.at()).min();
    let (delivered, read) = (first(State::Delivered), first(State::Read));
    let is_there = matches!(status, Status::Delivered | Status::Read);
    let failure = said
        .iter()
        .filter(|one| one.state == State::Failed && status == Status::Failed)
        .max_by(|a, b| a.order().cmp(&b.order()));
    let priced = said
        .iter()
        .filter(|one| one.price.is_some())
        .max_by(|a, b| (a.at(), a.price).cmp(&(b.at(), b.price)))
        .and_then(|one| one.price);
    let began = known.last.as_ref().map(|last| last.started_at);
    Some(Verdict {
        status,
        accepted_at: known.accepted_at.or(began).or_else(|| said.iter().map(|one| one.at()).min()),
        delivered_at: if is_there { delivered.or(read).or(known.delivered_at) } else { None },
        read_at: read.or(known.read_at),
        failed_at: failure.map(|one| one.at()),
        class: failure.map(|one| one.class.clone().unwrap_or_else(|| "transient".into())),
        code: failure.and_then(|one| one.code.clone()),
        detail: failure
            .map(|one| one.detail.clone().unwrap_or_else(|| "The provider gives no reason.".into())),
        price: priced.or(known.price),
    })
}
