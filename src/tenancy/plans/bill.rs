//! What a month comes to. Pure arithmetic: a day belongs to the plan that a tenant had when it ended.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use chrono_tz::Tz;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::store::Had;

/// What is charged for a stretch of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub text: String,
    pub days: i64,
    pub amount: Decimal,
}

/// The first day of a day's month.
pub fn month_of(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

/// The first day of the month after.
pub fn next_month(month: NaiveDate) -> NaiveDate {
    month.checked_add_months(Months::new(1)).unwrap_or(month)
}

/// Lines of one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    pub currency: String,
    pub lines: Vec<Line>,
}

impl Bill {
    pub fn total(&self) -> Decimal {
        self.lines.iter().map(|line| line.amount).sum()
    }
}

/// The price of the days from `from` to `to` (counted from 0) of a month of `of` days. What is rounded off one stretch is in the
/// next, so that stretches that make up a month of one price come to that price exactly.
fn share(price: Decimal, (from, to): (i64, i64), of: i64) -> Decimal {
    let up_to = |days: i64| {
        (price * Decimal::from(days) / Decimal::from(of.max(1)))
            .round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
    };
    up_to(to) - up_to(from)
}

/// How many days of a month had ended by an instant: 0 to all of them.
fn days_ended(at: DateTime<Utc>, month: NaiveDate, of: i64, zone: Tz) -> i64 {
    (at.with_timezone(&zone).date_naive() - month).num_days().clamp(0, of)
}

/// What the month that begins on `month` comes to, by currency, in the tenant's own days. `had` is in the order of time.
pub fn bills(had: &[Had], month: NaiveDate, zone: Tz) -> Vec<Bill> {
    let of = (next_month(month) - month).num_days();
    let mut bills: Vec<Bill> = Vec::new();
    for one in had {
        let from = days_ended(one.since, month, of, zone);
        let to = one.until.map_or(of, |until| days_ended(until, month, of, zone));
        if to <= from {
            continue;
        }
        let last = month + Days::new(u64::try_from(to - 1).unwrap_or_default());
        let first = month + Days::new(u64::try_from(from).unwrap_or_default());
        let line = Line {
            text: format!("{}, {} to {}", one.plan_name, first.format("%-d %b"), last.format("%-d %b %Y")),
            days: to - from,
            amount: share(one.monthly_price, (from, to), of),
        };
        match bills.iter_mut().find(|bill| bill.currency == one.currency) {
            Some(bill) => bill.lines.push(line),
            None => bills.push(Bill { currency: one.currency.clone(), lines: vec![line] }),
        }
    }
    bills
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn had(since: &str, until: Option<&str>, price: &str) -> Had {
        Had {
            plan_id: uuid::Uuid::nil(),
            plan_name: "Starter".into(),
            monthly_price: price.parse().unwrap(),
            currency: "PHP".into(),
            since: since.parse().unwrap(),
            until: until.map(|text| text.parse().unwrap()),
            chosen_by: String::new(),
        }
    }

    const MANILA: Tz = chrono_tz::Asia::Manila;

    #[test]
    fn a_whole_month_costs_its_price() {
        let all = [had("2026-01-03T00:00:00Z", None, "999.99")];
        let bill = &bills(&all, day("2026-02-01"), MANILA)[0];
        assert_eq!((bill.total(), bill.lines[0].days), ("999.99".parse().unwrap(), 28));
        assert_eq!(bill.lines[0].text, "Starter, 1 Feb to 28 Feb 2026");
        assert!(bills(&all, day("2025-12-01"), MANILA).is_empty(), "before it had any");
    }

    #[test]
    fn a_day_belongs_to_the_plan_at_its_end_where_the_tenant_is() {
        // 20:00 UTC on the 10th is the 11th in Manila: the new plan has the 11th.
        let all = [
            had("2026-01-01T00:00:00Z", Some("2026-04-10T20:00:00Z"), "300"),
            had("2026-04-10T20:00:00Z", None, "600"),
        ];
        let bill = &bills(&all, day("2026-04-01"), MANILA)[0];
        assert_eq!(bill.lines.iter().map(|line| line.days).collect::<Vec<_>>(), [10, 20]);
        assert_eq!(bill.total(), "500".parse().unwrap());
        // Changed and changed back within a day: nothing of the one in between.
        let back = [
            had("2026-01-01T00:00:00Z", Some("2026-04-10T01:00:00Z"), "300"),
            had("2026-04-10T01:00:00Z", Some("2026-04-10T02:00:00Z"), "9000"),
            had("2026-04-10T02:00:00Z", None, "300"),
        ];
        assert_eq!(bills(&back, day("2026-04-01"), MANILA)[0].total(), "300".parse().unwrap());
    }

    proptest! {
        #[test]
        fn stretches_of_one_price_come_to_it_exactly(
            cents in 0_i64..10_000_000, cuts in proptest::collection::btree_set(1_i64..31, 0..8), month in 1_u32..13,
        ) {
            let first = NaiveDate::from_ymd_opt(2026, month, 1).unwrap();
            let start = first.and_hms_opt(0, 0, 0).unwrap().and_utc();
            let mut edges = vec![start - chrono::TimeDelta::days(40)];
            edges.extend(cuts.iter().map(|cut| start + chrono::TimeDelta::days(*cut)));
            let all: Vec<Had> = edges.iter().enumerate().map(|(at, since)| Had {
                since: *since,
                until: edges.get(at + 1).copied(),
                monthly_price: Decimal::new(cents, 2),
                ..had("2026-01-01T00:00:00Z", None, "0")
            }).collect();
            let bill = &bills(&all, first, chrono_tz::UTC)[0];
            prop_assert_eq!(bill.total(), Decimal::new(cents, 2));
            prop_assert_eq!(bill.lines.iter().map(|line| line.days).sum::<i64>(), (next_month(first) - first).num_days());
            prop_assert!(bill.lines.iter().all(|line| line.amount >= Decimal::ZERO));
        }
    }
}
