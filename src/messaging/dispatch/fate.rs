//! What becomes of a delivery after a try: decided from what is known, without asking anybody.

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use crate::{
    messaging::{
        Status,
        accounts::breaker::Note,
        providers::{Class, Outcome, Reason, Refusal, State},
    },
    types::AccountId,
};

/// The wait before the first retry; each later one is twice as long.
const FIRST_WAIT_SECONDS: i64 = 60;
/// No wait is longer.
const LONGEST_WAIT_SECONDS: i64 = 6 * 60 * 60;
/// A message waits so long for an account to be mended before it is given up.
const MENDING_HOURS: i64 = 72;

/// Why a delivery did not go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub class: &'static str,
    pub code: String,
    pub detail: String,
}

impl Failure {
    pub fn new(class: &'static str, code: &str, detail: impl Into<String>) -> Self {
        Self { class, code: code.to_owned(), detail: detail.into() }
    }
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        Self {
            class: refusal.class.as_str(),
            code: refusal.code.chars().take(100).collect(),
            detail: refusal.detail.clone(),
        }
    }
}

/// What becomes of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// A provider took it.
    Accepted { state: State, price: Option<Decimal> },
    /// It is tried again.
    Again {
        due: DateTime<Utc>,
        /// This account is left out from now on; None: all may be tried anew.
        without: Option<AccountId>,
        /// Whether it counts towards the limit of retries.
        counts: bool,
        failure: Failure,
    },
    /// It came to an end: failed, unknown, expired, suppressed.
    Ended { status: Status, failure: Failure, suppress: Option<Reason> },
}

impl Fate {
    /// It will never arrive, and nobody wanted that.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Ended { status: Status::Failed | Status::Expired, .. })
    }
}

/// What is known of a delivery when a try has ended.
#[derive(Debug, Clone)]
pub struct Known {
    pub account: AccountId,
    /// Whether another account of the channel has not refused it yet.
    pub has_fallback: bool,
    pub retries: i16,
    pub retries_max: i16,
    pub queued_at: DateTime<Utc>,
    pub now: DateTime<Utc>,
    /// 0.0 to 1.0: those that failed together do not come back together.
    pub jitter: f64,
}

/// What becomes of it.
pub fn decide(outcome: &Outcome, known: &Known) -> Fate {
    match outcome {
        Outcome::Accepted(accepted) => {
            Fate::Accepted { state: accepted.state, price: accepted.price.as_ref().map(|price| price.amount) }
        }
        Outcome::Unknown { detail } => Fate::Ended {
            status: Status::Unknown,
            failure: Failure::new("unknown", "unanswered", detail.clone()),
            suppress: None,
        },
        Outcome::Refused(refusal) => refused(refusal, known),
    }
}

fn refused(refusal: &Refusal, known: &Known) -> Fate {
    let failure = Failure::from(refusal);
    match &refusal.class {
        Class::Recipient(reason) => {
            Fate::Ended { status: Status::Failed, failure, suppress: Some(reason.clone()) }
        }
        Class::Content | Class::Window => Fate::Ended { status: Status::Failed, failure, suppress: None },
        // Another account may do what this one cannot; surely nothing was sent.
        Class::Account | Class::Transient if known.has_fallback => {
            Fate::Again { due: known.now, without: Some(known.account), counts: false, failure }
        }
        // Somebody has to mend the account: that is no fault of the message, which waits. Its breaker says when to look.
        Class::Account if known.now - known.queued_at < TimeDelta::hours(MENDING_HOURS) => Fate::Again {
            due: known.now + TimeDelta::seconds(FIRST_WAIT_SECONDS),
            without: None,
            counts: false,
            failure,
        },
        Class::Rate | Class::Transient if known.retries < known.retries_max => {
            Fate::Again { due: known.now + wait(refusal, known), without: None, counts: true, failure }
        }
        Class::Account | Class::Rate | Class::Transient => {
            Fate::Ended { status: Status::Failed, failure, suppress: None }
        }
    }
}

/// 60 s x 2^n and up to half as much again; never before the provider said.
fn wait(refusal: &Refusal, known: &Known) -> TimeDelta {
    let doubled = FIRST_WAIT_SECONDS << u32::try_from(known.retries.clamp(0, 16)).unwrap_or_default();
    let seconds = doubled.min(LONGEST_WAIT_SECONDS);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "seconds, at most hours"
    )]
    let jittered = TimeDelta::milliseconds((seconds as f64 * 1_000.0 * (1.0 + known.jitter / 2.0)) as i64);
    let asked = refusal.retry_after.and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or_default();
    jittered.max(asked)
}

/// What a try says of the account, if it says anything.
pub fn note(outcome: &Outcome) -> Option<Note> {
    match outcome {
        Outcome::Accepted(_) => Some(Note::Works),
        Outcome::Unknown { detail } => Some(Note::Trouble(detail.clone())),
        Outcome::Refused(refusal) => match refusal.class {
            Class::Account => Some(Note::Refuses(refusal.detail.clone())),
            Class::Transient => Some(Note::Trouble(refusal.detail.clone())),
            Class::Recipient(_) | Class::Content | Class::Window => Some(Note::Works),
            Class::Rate => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn known(retries: i16, has_fallback: bool, jitter: f64) -> Known {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Known {
            account: AccountId(Uuid::from_u128(1)),
            has_fallback,
            retries,
            retries_max: 3,
            queued_at: now - TimeDelta::minutes(1),
            now,
            jitter,
        }
    }

    fn refusal(class: Class, retry_after: Option<u64>) -> Outcome {
        Outcome::Refused(Refusal {
            class,
            code: "x".into(),
            detail: "No.".into(),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    fn due_in(fate: &Fate, known: &Known) -> i64 {
        match fate {
            Fate::Again { due, .. } => (*due - known.now).num_seconds(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waits_double_and_obey_the_provider() {
        for (retries, wait) in [(0, 60), (1, 120), (2, 240)] {
            let known = known(retries, false, 0.0);
            assert_eq!(due_in(&decide(&refusal(Class::Transient, None), &known), &known), wait);
        }
        let known = known(0, false, 1.0);
        assert_eq!(due_in(&decide(&refusal(Class::Rate, None), &known), &known), 90);
        assert_eq!(due_in(&decide(&refusal(Class::Rate, Some(600)), &known), &known), 600);
    }

    #[test]
    fn retries_end_and_accounts_fall_back() {
        let spent = known(3, false, 0.0);
        let ended = |fate: Fate| matches!(fate, Fate::Ended { status: Status::Failed, .. });
        assert!(ended(decide(&refusal(Class::Transient, None), &spent)));
        assert!(ended(decide(&refusal(Class::Rate, None), &spent)));
        let other = known(3, true, 0.0);
        for class in [Class::Transient, Class::Account] {
            let Fate::Again { due, without, counts, .. } = decide(&refusal(class, None), &other) else {
                panic!("it falls back");
            };
            assert_eq!((due, without, counts), (other.now, Some(other.account), false));
        }
    }

    #[test]
    fn an_account_that_refuses_keeps_its_messages_for_days() {
        let mut known = known(3, false, 0.0);
        assert_eq!(due_in(&decide(&refusal(Class::Account, None), &known), &known), 60);
        known.queued_at = known.now - TimeDelta::hours(MENDING_HOURS);
        assert!(matches!(decide(&refusal(Class::Account, None), &known), Fate::Ended { .. }));
    }

    fn any_class() -> impl Strategy<Value = Class> {
        prop_oneof![
            Just(Class::Recipient(Reason::Invalid)),
            Just(Class::Content),
            Just(Class::Account),
            Just(Class::Rate),
            Just(Class::Transient),
            Just(Class::Window),
        ]
    }

    proptest! {
        /// What may have been sent is never tried again, whatever else is known.
        #[test]
        fn an_unknown_outcome_is_never_tried_again(retries in 0_i16..10, fallback: bool, jitter in 0.0..1.0) {
            let fate = decide(&Outcome::Unknown { detail: "gone".into() }, &known(retries, fallback, jitter));
            let is_unknown = matches!(fate, Fate::Ended { status: Status::Unknown, .. });
            prop_assert!(is_unknown);
        }

        #[test]
        fn nothing_is_tried_for_ever(class in any_class(), jitter in 0.0..1.0) {
            let mut known = known(0, false, jitter);
            for _ in 0..10_000 {
                match decide(&refusal(class.clone(), None), &known) {
                    Fate::Again { due, counts, .. } => {
                        prop_assert!(due > known.now);
                        known.retries += i16::from(counts);
                        known.now = due;
                    }
                    _ => return Ok(()),
                }
            }
            prop_assert!(false, "it never ended");
        }
    }
}
