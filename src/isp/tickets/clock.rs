//! The clock of a ticket's promise: it runs while the provider has to act, and stands still while the customer has to answer or
//! the ticket is resolved.

use chrono::{DateTime, Duration, Utc};

use super::choices::{Priority, Status};

/// Invariant: `due_at` is the creation, plus what the priority promises, plus what the clock stood still for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    pub created_at: DateTime<Utc>,
    pub priority: Priority,
    /// What it stood still for, without the stop that lasts.
    pub waited_seconds: i64,
    /// Since when it stands still.
    pub standing_since: Option<DateTime<Utc>>,
}

impl Clock {
    pub fn new(created_at: DateTime<Utc>, priority: Priority) -> Self {
        Self { created_at, priority, waited_seconds: 0, standing_since: None }
    }

    /// When the promise runs out, if the clock runs from now on.
    pub fn due_at(&self) -> DateTime<Utc> {
        self.created_at + self.priority.promise() + Duration::seconds(self.waited_seconds)
    }

    /// Whether the promise was missed. A clock that stands still stays on the side where it stopped.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.standing_since.unwrap_or(now) > self.due_at()
    }

    /// Stops or goes on as the new status asks.
    pub fn enter(&mut self, status: Status, now: DateTime<Utc>) {
        if let Some(since) = self.standing_since.take() {
            self.waited_seconds += (now - since).num_seconds().max(0);
        }
        if status.stops_the_clock() {
            self.standing_since = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status() -> impl Strategy<Value = Status> {
        proptest::sample::select(Status::ALL)
    }

    proptest! {
        #[test]
        fn the_promise_counts_only_the_time_in_which_the_provider_had_to_act(
            steps in proptest::collection::vec((status(), 1_i64..40_000), 1..20),
            priority in proptest::sample::select(Priority::ALL),
            changed in proptest::sample::select(Priority::ALL),
        ) {
            let start = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
            let (mut now, mut worked, mut runs) = (start, Duration::zero(), true);
            let mut clock = Clock::new(start, priority);
            for (i, (status, seconds)) in steps.iter().enumerate() {
                if i == steps.len() / 2 {
                    clock.priority = changed;
                }
                clock.enter(*status, now);
                runs = !status.stops_the_clock();
                now += Duration::seconds(*seconds);
                if runs {
                    worked += Duration::seconds(*seconds);
                }
                prop_assert_eq!(clock.is_over(now), worked > clock.priority.promise());
            }
            if runs {
                prop_assert_eq!(clock.due_at() - now, clock.priority.promise() - worked);
            }
        }
    }

    #[test]
    fn waiting_moves_the_promise_by_what_was_waited() {
        let start = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let mut clock = Clock::new(start, Priority::Urgent);
        clock.enter(Status::Waiting, start + Duration::hours(1));
        assert!(!clock.is_over(start + Duration::days(9)), "nobody is late while the customer is to answer");
        clock.enter(Status::InProgress, start + Duration::hours(11));
        assert_eq!(clock.due_at(), start + Duration::hours(14));
        // A stop of no time at all moves nothing.
        let before = clock;
        clock.enter(Status::InProgress, start + Duration::hours(12));
        assert_eq!(clock, before);
    }
}
