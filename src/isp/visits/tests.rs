use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::{
    model::{STEPS, Span, Status},
    week::{Week, first_instant},
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

const BERLIN: Tz = chrono_tz::Europe::Berlin;

#[test]
fn a_week_with_a_change_of_the_clocks_has_its_own_length() {
    let hours = |text: &str| {
        let (from, until) = Week::of(day(text), BERLIN).bounds();
        (until - from).num_hours()
    };
    assert_eq!(hours("2026-10-25"), 169, "put back on Sunday");
    assert_eq!(hours("2026-03-29"), 167, "put forward on Sunday");
    assert_eq!(hours("2026-06-10"), 168);
    let (from, _) = Week::of(day("2026-10-25"), BERLIN).bounds();
    assert_eq!(from, at("2026-10-18T22:00:00Z"));
    let (from, _) = Week::of(day("2026-10-26"), BERLIN).bounds();
    assert_eq!(from, at("2026-10-25T23:00:00Z"));
}

#[test]
fn a_day_without_a_midnight_begins_after_it() {
    let cairo = chrono_tz::Africa::Cairo;
    assert_eq!(first_instant(day("2026-04-24"), cairo), at("2026-04-23T22:00:00Z"), "at 01:00 local");
}

#[test]
fn a_time_that_the_clocks_leave_out_is_refused_and_one_that_comes_twice_is_the_first() {
    let now = at("2026-01-01T00:00:00Z");
    let error = Span::local("2026-03-29", "02:30", "60", BERLIN, now).unwrap_err();
    let crate::error::Error::Invalid(wrong) = error else { panic!() };
    assert_eq!((wrong[0].field.as_ref(), wrong[0].code), ("time", "no_such_time"));
    let span = Span::local("2026-10-25", "02:30", "60", BERLIN, now).unwrap();
    assert_eq!(span.starts_at, at("2026-10-25T00:30:00Z"), "the summer's half past two");
    // An hour is an hour, whatever the clocks show.
    let span = Span::local("2026-10-25", "01:30", "120", BERLIN, now).unwrap();
    assert_eq!((span.ends_at - span.starts_at).num_minutes(), 120);
}

#[test]
fn every_wrong_part_of_a_time_is_named() {
    let error = Span::local("tomorrow", "25:00", "0", BERLIN, Utc::now()).unwrap_err();
    let crate::error::Error::Invalid(wrong) = error else { panic!() };
    let named: Vec<&str> = wrong.iter().map(|w| w.field.as_ref()).collect();
    assert_eq!(named, ["day", "time", "minutes"]);
    let now = at("2026-11-21T00:00:00Z");
    let code = |from: &str, to: &str| match Span::parse(at(from), at(to), now).unwrap_err() {
        crate::error::Error::Invalid(wrong) => wrong[0].code,
        _ => panic!(),
    };
    assert_eq!(code("2026-11-21T08:00:00Z", "2026-11-21T08:00:00Z"), "not_after_start");
    assert_eq!(code("2026-11-21T08:00:00Z", "2026-11-22T08:01:00Z"), "too_long");
    assert_eq!(code("2040-11-21T08:00:00Z", "2040-11-21T09:00:00Z"), "out_of_range");
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL)
}

proptest! {
    #[test]
    fn what_is_done_or_cancelled_stays_so(steps in prop::collection::vec(status(), 0..30)) {
        let mut is = Status::Planned;
        for to in steps {
            let next = is.step(to);
            prop_assert_eq!(next.is_ok(), STEPS.contains(&(is, to)));
            if !is.is_open() {
                prop_assert!(next.is_err());
            }
            is = next.unwrap_or(is);
        }
    }

    /// Over all the year, in zones with and without changes of the clocks: the weeks follow each other without a gap, and each
    /// instant of a week is on one of its days.
    #[test]
    fn weeks_leave_no_instant_out(
        days in 0i64..2_000, seconds in 0i64..700_000,
        zone in prop::sample::select(vec![BERLIN, chrono_tz::Asia::Manila, chrono_tz::America::Sao_Paulo, chrono_tz::Africa::Cairo])
    ) {
        let week = Week::of(day("2024-01-01") + TimeDelta::days(days), zone);
        let (from, until) = week.bounds();
        prop_assert_eq!(until, week.after().bounds().0);
        prop_assert_eq!(week.after().before(), week);
        let instant = from + TimeDelta::seconds(seconds);
        if instant < until {
            let local = instant.with_timezone(&zone).date_naive();
            prop_assert!(week.days().any(|day| day == local), "{} is in no day of {:?}", instant, week);
        }
    }
}
