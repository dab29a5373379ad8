use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::model::{Chain, Credit, Kind, Span, Status, Subscription, Terms, duration_text};
use crate::{
    error::Error,
    isp::plans::Tax,
    types::{CustomerId, InstallationId, PlanId, SubscriptionId},
};

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn terms(price: &str, period_days: i16) -> Terms {
    Terms { price: d(price), period_days }
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Days, hours and minutes.
fn dhm(minutes: i64) -> (i64, i64, i64) {
    (minutes / 1440, minutes % 1440 / 60, minutes % 60)
}

fn wrong(error: Error) -> (String, &'static str) {
    let Error::Invalid(wrongs) = error else { panic!("{error}") };
    (wrongs[0].field.to_string(), wrongs[0].code)
}

#[test]
fn the_stated_examples_come_out() {
    let month = terms("1000.00", 30);
    let one = month.bought(Kind::OneMonth, None).unwrap();
    assert_eq!((one.amount, one.minutes, one.days), (d("1000.00"), 43_200, d("30.00")));
    let half = month.bought(Kind::FifteenDays, Some(d("1.00"))).unwrap();
    assert_eq!((half.amount, half.minutes), (d("500.00"), 21_600), "an amount that was sent is ignored");
    let custom = month.bought(Kind::Custom, Some(d("150"))).unwrap();
    assert_eq!((dhm(custom.minutes), custom.days), ((4, 12, 0), d("4.50")));
    let third = terms("300.00", 30).bought(Kind::Custom, Some(d("100"))).unwrap();
    assert_eq!((dhm(third.minutes), third.days), ((10, 0, 0), d("10.00")));
    // Half of an odd price goes up.
    assert_eq!(terms("999.99", 30).bought(Kind::FifteenDays, None).unwrap().amount, d("500.00"));
    // A week's plan: its own period, and a month at its share.
    let week = terms("300.00", 7);
    assert_eq!(week.bought(Kind::OnePeriod, None).unwrap().minutes, 7 * 1440);
    assert_eq!(week.bought(Kind::OneMonth, None).unwrap().amount, d("1285.71"));
    // A plan that costs nothing is given away by the period.
    assert_eq!(terms("0.00", 3).bought(Kind::OnePeriod, None).unwrap().minutes, 3 * 1440);
}

#[test]
fn what_is_no_sale_is_refused_on_its_field() {
    let of = |price: &str, amount: Option<&str>| {
        wrong(terms(price, 30).bought(Kind::Custom, amount.map(d)).unwrap_err())
    };
    assert_eq!(of("1000.00", None), ("amount".into(), "required"));
    assert_eq!(of("1000.00", Some("0")), ("amount".into(), "not_positive"));
    assert_eq!(of("1000.00", Some("-5")), ("amount".into(), "not_positive"));
    assert_eq!(of("1000.00", Some("10.001")), ("amount".into(), "too_many_decimals"));
    assert_eq!(of("1000.00", Some("1000000000000")), ("amount".into(), "too_large"));
    assert_eq!(of("0.00", Some("10")), ("amount".into(), "free_plan"));
    // Less than a minute, and more than ten years.
    assert_eq!(of("99999999.99", Some("1")), ("amount".into(), "too_small"));
    assert_eq!(of("0.01", Some("99999999")), ("amount".into(), "too_large"));
}

fn period(span: Span, amount: Decimal, terms: Terms) -> Subscription {
    let at = instant("2026-01-01T00:00:00Z");
    Subscription {
        id: SubscriptionId::new(),
        installation: InstallationId::new(),
        customer: CustomerId::new(),
        plan: PlanId::new(),
        plan_name: "Basic".into(),
        kind: Kind::Custom,
        terms,
        tax: Tax::Vatable,
        amount,
        credited: Decimal::ZERO,
        paid: Decimal::ZERO,
        days: Decimal::ZERO,
        span,
        status: Status::Active,
        paused_at: None,
        cancelled_at: None,
        cancel_reason: None,
        notes: None,
        sold_by: None,
        sold_by_label: "Ana".into(),
        created_at: at,
        updated_at: at,
    }
}

fn adds_up(one: &Subscription) -> bool {
    let span = one.span;
    span.ends_at - span.starts_at
        == TimeDelta::minutes(span.sold + span.extended - span.returned + span.paused)
}

#[test]
fn a_cancelled_future_period_does_not_push_the_next_one() {
    let now = instant("2026-03-01T00:00:00Z");
    let month = terms("1000.00", 30);
    let mut all = Vec::new();
    for _ in 0..3 {
        let chain = Chain::live(all.clone(), now);
        all.push(period(Span::new(chain.next_start(now), 43_200), d("1000.00"), month));
    }
    let mut chain = Chain::live(all, now);
    let (second, third) = (chain.0[1].id, chain.0[2].clone());
    assert_eq!(chain.cancel(second, Credit::Unused, now).unwrap(), d("1000.00"));
    assert_eq!(chain.0[2].span.starts_at, third.span.starts_at - TimeDelta::days(30), "it moved up");
    assert!(chain.0.iter().all(adds_up));
    // The next sale begins behind what still counts.
    let left: Vec<_> = chain.0.into_iter().filter(|one| one.status == Status::Active).collect();
    assert_eq!(Chain::live(left, now).next_start(now), now + TimeDelta::days(60));
}

#[test]
fn days_that_were_given_come_last_and_are_worth_nothing() {
    let start = instant("2026-03-01T00:00:00Z");
    for (day, worth) in [(10, "666.67"), (29, "33.33"), (30, "0.00"), (32, "0.00")] {
        let mut chain = Chain(vec![period(Span::new(start, 43_200), d("1000.00"), terms("1000.00", 30))]);
        let id = chain.0[0].id;
        let now = start + TimeDelta::days(day);
        chain.extend(3 * 1_440, start + TimeDelta::days(1)).unwrap();
        assert_eq!(chain.cancel(id, Credit::Unused, now).unwrap(), d(worth), "on day {day}");
    }
}

#[test]
fn a_cancelled_running_period_gives_its_rest_back() {
    let start = instant("2026-03-01T00:00:00Z");
    let now = start + TimeDelta::days(10) + TimeDelta::seconds(30);
    let one = period(Span::new(start, 43_200), d("1000.00"), terms("1000.00", 30));
    let mut chain = Chain(vec![one.clone()]);
    assert_eq!(chain.cancel(one.id, Credit::Unused, now).unwrap(), d("666.67"));
    assert_eq!((chain.0[0].span.ends_at, chain.0[0].span.returned), (start + TimeDelta::days(10), 28_800));
    assert!(chain.cancel(SubscriptionId::new(), Credit::All, now).is_err());
    let mut again = Chain(vec![one.clone()]);
    assert_eq!(again.cancel(one.id, Credit::All, now).unwrap(), d("1000.00"));
    let mut nothing = Chain(vec![one.clone()]);
    assert_eq!(nothing.cancel(one.id, Credit::Nothing, now).unwrap(), Decimal::ZERO);
}

#[test]
fn what_is_chained_to_a_paused_period_waits_for_it() {
    let start = instant("2026-03-01T00:00:00Z");
    let month = terms("1000.00", 30);
    let first = period(Span::new(start, 43_200), d("1000.00"), month);
    let next = period(Span::new(first.span.ends_at, 43_200), d("1000.00"), month);
    let mut chain = Chain(vec![first.clone(), next.clone()]);
    chain.pause(first.id, start + TimeDelta::days(10)).unwrap();
    // Long after both would have ended, nothing went by.
    let later = start + TimeDelta::days(100);
    let mut chain = Chain::live(chain.0, later);
    assert_eq!(chain.0.len(), 2);
    // The one behind is worth all of itself still.
    assert_eq!(chain.clone().cancel(next.id, Credit::Unused, later).unwrap(), d("1000.00"));
    assert_eq!(chain.resume(first.id, later).unwrap(), 90 * 1440);
    assert_eq!(chain.0[0].span.ends_at, later + TimeDelta::days(20));
    assert_eq!(chain.0[1].span.ends_at, later + TimeDelta::days(50));
    assert!(chain.0.iter().all(adds_up));
}

#[test]
fn a_change_of_plan_carries_the_unused_value_over() {
    let start = instant("2026-03-01T00:00:00Z");
    let one = period(Span::new(start, 43_200), d("1000.00"), terms("1000.00", 30));
    let now = start + TimeDelta::days(15);
    let mut chain = Chain(vec![one.clone()]);
    let change = chain.change_to(one.id, terms("2000.00", 30), now).unwrap();
    assert_eq!((change.unused_minutes, change.unused_value), (21_600, d("500.00")));
    assert_eq!((change.bought.minutes, change.span.starts_at), (10_800, now));
    chain.change(&change).unwrap();
    assert_eq!((chain.0[0].status, chain.0[0].span.ends_at), (Status::Changed, now));
    assert!(adds_up(&chain.0[0]));
    let free = chain.change_to(one.id, terms("0.00", 30), now);
    assert!(free.is_err());
}

/// The same moment on the clocks of a zone, by its date and time.
fn on_the_clock(at: DateTime<Utc>, zone: chrono_tz::Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string()
}

#[test]
fn the_last_second_of_february_is_a_moment_like_any() {
    let manila = chrono_tz::Asia::Manila;
    let month = terms("1000.00", 30);
    // 23:59:59 in Manila on the last day of February, of a year with and of one without a 29th.
    for (now, end) in
        [("2026-02-28T15:59:59Z", "2026-03-30 23:59:59"), ("2028-02-29T15:59:59Z", "2028-03-30 23:59:59")]
    {
        let now = instant(now);
        let one = period(Span::new(Chain(vec![]).next_start(now), 43_200), d("1000.00"), month);
        assert_eq!(one.span.starts_at, now, "it begins at that second");
        assert_eq!(on_the_clock(one.span.ends_at, manila), end);
        assert!(one.runs(now) && !one.runs(now - TimeDelta::seconds(1)));
        // A second later it is March, and not one whole minute was used.
        let mut chain = Chain(vec![one.clone()]);
        assert_eq!(chain.cancel(one.id, Credit::Unused, now + TimeDelta::seconds(1)).unwrap(), d("1000.00"));
        // The next one is chained to the second.
        let chain = Chain::live(vec![one.clone()], now);
        assert_eq!(chain.next_start(now), one.span.ends_at);
        assert!(one.runs(one.span.ends_at - TimeDelta::seconds(1)) && !one.runs(one.span.ends_at));
    }
}

#[test]
fn a_change_of_clocks_neither_gives_nor_takes_an_hour() {
    let berlin = chrono_tz::Europe::Berlin;
    let month = terms("1000.00", 30);
    // Clocks go forward on 29 March 2026 at 02:00 and back on 25 October at 03:00: thirty days are 720 hours all the same.
    for (start, end, in_between) in [
        ("2026-03-28T22:59:59Z", "2026-04-28 00:59:59", "2026-03-29T01:00:00Z"),
        ("2026-10-24T21:59:59Z", "2026-11-23 22:59:59", "2026-10-25T01:00:00Z"),
    ] {
        let (start, change) = (instant(start), instant(in_between));
        let one = period(Span::new(start, 43_200), d("1000.00"), month);
        assert!(on_the_clock(start, berlin).ends_with("23:59:59"));
        assert_eq!(on_the_clock(one.span.ends_at, berlin), end);
        assert_eq!(one.span.ends_at - start, TimeDelta::hours(720));
        // Paused over the change for two real hours, it ends two real hours later.
        let mut chain = Chain(vec![one.clone()]);
        chain.pause(one.id, change - TimeDelta::hours(1)).unwrap();
        assert_eq!(chain.resume(one.id, change + TimeDelta::hours(1)).unwrap(), 120);
        assert_eq!(chain.0[0].span.ends_at, one.span.ends_at + TimeDelta::hours(2));
        // What is left is counted in hours that pass.
        let change = Chain(vec![one.clone()])
            .change_to(one.id, terms("2000.00", 30), start + TimeDelta::hours(360))
            .unwrap();
        assert_eq!((change.unused_minutes, change.unused_value), (21_600, d("500.00")));
    }
}

#[test]
fn time_left_is_told_as_people_say_it() {
    assert_eq!(duration_text(2 * 1440 + 3 * 60 + 59), "2 days, 3 hours");
    assert_eq!(duration_text(45), "45 minutes");
    assert_eq!(duration_text(61), "1 hour, 1 minute");
    assert_eq!(duration_text(0), "Less than a minute");
}

/// What may happen to the periods of one installation, with the seconds that went by before it.
#[derive(Debug, Clone)]
enum Happening {
    Sell(i64, i16, i64),
    Cancel(usize, u8),
    Pause,
    Resume,
    Extend(i64),
    Change(i64, i16),
}

fn happening() -> impl Strategy<Value = (i64, Happening)> {
    let what = prop_oneof![
        4 => (1i64..500_000, 1i16..366, 1i64..500_000).prop_map(|(price, days, amount)| Happening::Sell(price, days, amount)),
        2 => (0usize..6, 0u8..3).prop_map(|(n, credit)| Happening::Cancel(n, credit)),
        2 => Just(Happening::Pause),
        2 => Just(Happening::Resume),
        1 => (1i64..10_000).prop_map(Happening::Extend),
        2 => (1i64..500_000, 1i16..366).prop_map(|(price, days)| Happening::Change(price, days)),
    ];
    (0i64..3_000_000, what)
}

/// What another system may have sold, as a file says it.
#[derive(Debug, Clone)]
struct BroughtForward {
    /// Paid until so many minutes after the file is read, or before.
    until: i64,
    price: i64,
    days: i16,
    /// Installed so many minutes before the file is read.
    installed: Option<i64>,
}

fn brought_forward() -> impl Strategy<Value = BroughtForward> {
    let installed = proptest::option::of(0i64..1_000_000);
    (-500_000i64..1_500_000, 0i64..500_000, 1i16..366, installed)
        .prop_map(|(until, price, days, installed)| BroughtForward { until, price, days, installed })
}

/// All periods of an installation, also those that are over.
struct World {
    all: Vec<Subscription>,
    now: DateTime<Utc>,
    /// What the customer was charged for them, less what was taken off: as the account is written, entry by entry.
    account: Decimal,
}

impl World {
    /// A customer who is new, or who comes from another system with something paid.
    fn begin(brought: Option<BroughtForward>) -> Self {
        let now = instant("2026-01-01T00:00:17Z");
        let mut world = Self { all: Vec::new(), now, account: Decimal::ZERO };
        if let Some(BroughtForward { until, price, days, installed }) = brought {
            // Days of a file begin and end at whole minutes.
            let minute = instant("2026-01-01T00:00:00Z");
            let until = minute + TimeDelta::minutes(until);
            let earliest = installed.map(|minutes| minute - TimeDelta::minutes(minutes));
            let terms = Terms { price: Decimal::new(price, 2), period_days: days };
            if let Some(span) = Span::brought(until, terms, earliest, now) {
                assert_eq!((span.ends_at, span.extended, span.returned, span.paused), (until, 0, 0, 0));
                assert!(
                    earliest.is_none_or(|earliest| span.starts_at >= earliest),
                    "not before it was installed"
                );
                assert!(until <= now || span.starts_at <= now, "it is served already: {span:?}");
                let status = if until <= now { Status::Expired } else { Status::Active };
                let opening = period(span, Decimal::ZERO, terms);
                world.all.push(Subscription { kind: Kind::Opening, status, ..opening });
            } else {
                assert!(earliest.is_some_and(|earliest| earliest >= until), "only what never was is nothing");
            }
        }
        world
    }

    /// What was charged, period by period.
    fn charged(&self) -> Decimal {
        self.all.iter().map(|one| one.amount - one.credited).sum()
    }

    fn open(&self) -> Chain {
        let open = |one: &&Subscription| matches!(one.status, Status::Active | Status::Paused);
        Chain::live(self.all.iter().filter(open).cloned().collect(), self.now)
    }

    fn keep(&mut self, chain: Chain) {
        for changed in chain.0 {
            let id = changed.id;
            *self.all.iter_mut().find(|one| one.id == id).unwrap() = changed;
        }
    }

    fn live(&mut self, what: Happening) {
        let mut chain = self.open();
        let first = chain.0.first().map(|one| one.id);
        match what {
            Happening::Sell(price, days, amount) => {
                let terms = Terms { price: Decimal::new(price, 2), period_days: days };
                if let Ok(bought) = terms.of_amount(Decimal::new(amount, 2)) {
                    let span = Span::new(chain.next_start(self.now), bought.minutes);
                    self.account += bought.amount;
                    self.all.push(period(span, bought.amount, terms));
                }
                return;
            }
            Happening::Cancel(n, credit) => {
                let Some(id) = chain.0.get(n % chain.0.len().max(1)).map(|one| one.id) else { return };
                let credit = [Credit::Nothing, Credit::Unused, Credit::All][usize::from(credit)];
                self.account -= chain.cancel(id, credit, self.now).unwrap();
            }
            Happening::Pause => drop(first.map(|id| chain.pause(id, self.now))),
            Happening::Resume => drop(first.map(|id| chain.resume(id, self.now))),
            Happening::Extend(minutes) => drop(chain.extend(minutes, self.now)),
            Happening::Change(price, days) => {
                let terms = Terms { price: Decimal::new(price, 2), period_days: days };
                let Some(Ok(change)) = first.map(|id| chain.change_to(id, terms, self.now)) else { return };
                let kind = chain.0[0].kind;
                // What is carried over is what is bought: less than a minute's worth is lost.
                let cents = |amount: Decimal| i128::try_from(amount * Decimal::ONE_HUNDRED).unwrap();
                let whole = cents(change.unused_value) * i128::from(days) * 1440;
                let bought = i128::from(change.bought.minutes) * i128::from(price);
                assert!(bought <= whole && whole < bought + i128::from(price), "{change:?}");
                assert_eq!(change.credited, change.bought.amount, "a change is charged to nobody");
                chain.change(&change).unwrap();
                self.account += change.bought.amount - change.credited;
                let new = period(change.span, change.bought.amount, terms);
                let kind = if kind == Kind::Opening { kind } else { Kind::Change };
                self.all.push(Subscription { kind, ..new });
            }
        }
        self.keep(chain);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Days sold are days given: whatever happens to the periods of an installation, in whatever order, also when the first of them
    /// was sold by another system, each adds up to the minute, none overlaps another, no money comes out of nowhere, and the chain has no hole.
    #[test]
    fn days_sold_are_days_given(
        brought in proptest::option::of(brought_forward()),
        history in proptest::collection::vec(happening(), 1..60),
    ) {
        let mut world = World::begin(brought);
        for (seconds, what) in history {
            world.now += TimeDelta::seconds(seconds);
            world.live(what);
            for one in &world.all {
                prop_assert!(adds_up(one), "{one:?}");
                prop_assert!(one.span.returned >= 0 && one.span.ends_at >= one.span.starts_at);
                prop_assert!(one.credited >= Decimal::ZERO && one.credited <= one.amount);
                // What was paid elsewhere is nothing here, whatever becomes of it.
                prop_assert!(one.kind != Kind::Opening || (one.amount.is_zero() && one.credited.is_zero()));
            }
            prop_assert_eq!(world.charged(), world.account, "what the periods cost is what the account says");
            let chain = world.open();
            for pair in chain.0.windows(2) {
                prop_assert_eq!(pair[0].span.ends_at, pair[1].span.starts_at, "no hole and no overlap");
            }
            // What is over lies before what is not.
            if let Some(first) = chain.0.first() {
                let begun = first.span.starts_at <= world.now;
                for over in world.all.iter().filter(|one| chain.0.iter().all(|open| open.id != one.id)) {
                    if begun && over.status != Status::Cancelled {
                        prop_assert!(over.span.ends_at <= first.span.starts_at, "{over:?} {first:?}");
                    }
                }
            }
        }
    }

    /// The exact minutes: never more than was paid for, and less than one minute short of it.
    #[test]
    fn minutes_are_floored_exactly(price in 1i64..9_999_999_999, days in 1i16..367, amount in 1i64..9_999_999_999) {
        let terms = Terms { price: Decimal::new(price, 2), period_days: days };
        if let Ok(bought) = terms.of_amount(Decimal::new(amount, 2)) {
            let (m, p) = (i128::from(bought.minutes), i128::from(price));
            let paid = i128::from(amount) * i128::from(days) * 1440;
            prop_assert!(m * p <= paid && paid < (m + 1) * p);
        }
    }
}
