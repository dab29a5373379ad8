//! Stretches of time, and what of one is outside others: so that nobody is given the same minute twice.

use chrono::{DateTime, Duration, Utc};

/// From an instant to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl Span {
    /// None when it is empty.
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    /// The whole minutes of it.
    pub fn minutes(self) -> i64 {
        (self.to - self.from).num_minutes()
    }

    /// The whole minutes of what lies in none of the others.
    pub fn minutes_outside(self, others: &[Self]) -> i64 {
        let mut sorted: Vec<Self> = others.to_vec();
        sorted.sort_unstable();
        let (mut outside, mut reached) = (Duration::zero(), self.from);
        for other in sorted {
            let gap = other.from.min(self.to) - reached;
            if gap > Duration::zero() {
                outside += gap;
            }
            reached = reached.max(other.to).min(self.to);
        }
        (outside + (self.to - reached)).num_minutes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap()
    }

    fn span() -> impl Strategy<Value = Span> {
        (0_i64..20_000, 1_i64..8_000)
            .prop_map(|(from, length)| Span { from: at(from), to: at(from + length) })
    }

    /// Second by second, as far as the last of them reaches: how many lie in any of these.
    fn covered(spans: &[Span]) -> i64 {
        let inside = |second| spans.iter().any(|span| span.from <= at(second) && at(second) < span.to);
        let last = spans.iter().map(|span| (span.to - at(0)).num_seconds()).max().unwrap_or(0);
        i64::try_from((0..last).filter(|second| inside(*second)).count()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_outside_is_what_the_others_do_not_cover(span in span(), others in proptest::collection::vec(span(), 0..6)) {
            let mut all = others.clone();
            all.push(span);
            prop_assert_eq!(span.minutes_outside(&others), (covered(&all) - covered(&others)) / 60);
        }

        #[test]
        fn outages_that_overlap_never_give_a_minute_twice(spans in proptest::collection::vec(span(), 1..7)) {
            let given: i64 = (0..spans.len()).map(|i| spans[i].minutes_outside(&spans[..i])).sum();
            prop_assert!(given <= covered(&spans) / 60);
            // On whole minutes nothing is lost either.
            let whole: Vec<Span> = spans
                .iter()
                .map(|span| Span { from: at((span.from - at(0)).num_minutes() * 60), to: at(((span.to - at(0)).num_minutes() + 1) * 60) })
                .collect();
            let given: i64 = (0..whole.len()).map(|i| whole[i].minutes_outside(&whole[..i])).sum();
            prop_assert_eq!(given, covered(&whole) / 60);
        }
    }
}
