//! A period of service that was sold, and the arithmetic of minutes and money. Nothing here reads a clock or a database.
//!
//! The periods of one installation form a chain: each begins where the one before ends. Whatever changes one of them moves those
//! after it, so that they never overlap and no minute that was paid for is lost. Of every period
//! `sold + extended - returned = end - start - paused`, in whole minutes; the table holds it to that.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use rust_decimal::{Decimal, prelude::ToPrimitive};

use crate::{
    error::{Error, FieldError, Result},
    isp::plans::{Plan, Tax},
    types::amount::{cents, half_up, of_cents},
    types::{CustomerId, InstallationId, PlanId, StaffId, SubscriptionId, Wrong},
    words::say,
};

const DAY_MINUTES: i64 = 1_440;
const MONTH_DAYS: i16 = 30;
const HALF_MONTH_DAYS: i16 = 15;
/// A sale lasts ten years at most.
const MINUTES_MAX: i64 = 3_660 * DAY_MINUTES;

/// How long a period is, and what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, poem_openapi::Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "SubscriptionKind", rename_all = "snake_case")]
pub enum Kind {
    /// The plan's own period at the plan's price.
    OnePeriod,
    /// 30 days at their share of the price.
    OneMonth,
    /// 15 days at their share of the price.
    FifteenDays,
    /// What an amount buys.
    Custom,
    /// What the unused value of another plan bought.
    Change,
    /// What was left of a period that another system had sold: it was paid for there, and costs nothing here.
    Opening,
}

impl Kind {
    /// Those that are sold; the others come about otherwise.
    pub const SOLD: [Self; 4] = [Self::OnePeriod, Self::OneMonth, Self::FifteenDays, Self::Custom];

    pub fn parse(text: &str) -> Result<Self, Wrong> {
        Self::SOLD.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            Wrong::new("not_a_choice", "This must be one of one_period, one_month, fifteen_days, custom.")
        })
    }

    pub fn from_column(text: &str) -> Self {
        match text {
            "opening" => Self::Opening,
            other => Self::parse(other).unwrap_or(Self::Change),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnePeriod => "one_period",
            Self::OneMonth => "one_month",
            Self::FifteenDays => "fifteen_days",
            Self::Custom => "custom",
            Self::Change => "change",
            Self::Opening => "opening",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::OnePeriod => say("One period"),
            Self::OneMonth => "1 month",
            Self::FifteenDays => "15 days",
            Self::Custom => say("Custom amount"),
            Self::Change => say("Plan change"),
            Self::Opening => say("Brought forward"),
        }
    }
}

/// Where a period stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, poem_openapi::Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "SubscriptionStatus", rename_all = "snake_case")]
pub enum Status {
    /// It runs, or will.
    Active,
    /// It stands still and uses up no days.
    Paused,
    Expired,
    Cancelled,
    /// Its rest was carried over to another plan.
    Changed,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Active, Self::Paused, Self::Expired, Self::Cancelled, Self::Changed];

    pub fn parse(text: &str) -> Result<Self, Wrong> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            Wrong::new("not_a_choice", "This must be one of active, paused, expired, cancelled, changed.")
        })
    }

    pub fn from_column(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self::Expired)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Changed => "changed",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Active => say("Active"),
            Self::Paused => say("Paused"),
            Self::Expired => say("Expired"),
            Self::Cancelled => say("Cancelled"),
            Self::Changed => say("Changed"),
        }
    }
}

/// What a plan costs: a price for a number of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub price: Decimal,
    pub period_days: i16,
}

impl From<&Plan> for Terms {
    fn from(plan: &Plan) -> Self {
        Self { price: plan.price(), period_days: plan.period_days() }
    }
}

/// What an amount buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bought {
    pub amount: Decimal,
    pub minutes: i64,
    /// Rounded half-up to two places, as it is shown.
    pub days: Decimal,
}

impl Terms {
    /// Whole minutes that `amount` buys: `floor(amount x days x 1440 / price)`, exactly.
    fn minutes_of(self, amount: Decimal) -> i128 {
        let price = cents(self.price);
        if price == 0 {
            return 0;
        }
        cents(amount) * i128::from(self.period_days) * i128::from(DAY_MINUTES) / price
    }

    /// What these days cost: their share of the price, half-up to the cent.
    fn cost_of(self, days: i16) -> Decimal {
        of_cents(half_up(cents(self.price) * i128::from(days), i128::from(self.period_days)))
    }

    /// So many days, for their share of the price.
    fn fixed(self, days: i16) -> Bought {
        Bought {
            amount: self.cost_of(days),
            minutes: i64::from(days) * DAY_MINUTES,
            days: Decimal::new(i64::from(days) * 100, 2),
        }
    }

    /// What so many minutes cost: their share of the price, half-up to the cent.
    fn worth_of(self, minutes: i64) -> Decimal {
        let whole = i128::from(self.period_days) * i128::from(DAY_MINUTES);
        of_cents(half_up(cents(self.price) * i128::from(minutes), whole))
    }

    /// What an amount buys. Nothing at all, or more than ten years, is no sale.
    pub fn of_amount(self, amount: Decimal) -> Result<Bought, Wrong> {
        if self.price.is_zero() {
            return Err(Wrong::new(
                "free_plan",
                "This plan costs nothing, so that an amount buys no days of it.",
            ));
        }
        let minutes = self.minutes_of(amount);
        if minutes == 0 {
            return Err(Wrong::new("too_small", "This buys less than one minute."));
        }
        let minutes = minutes.to_i64().filter(|minutes| *minutes <= MINUTES_MAX);
        let minutes = minutes.ok_or_else(|| Wrong::new("too_large", "This buys more than ten years."))?;
        let days = half_up(cents(amount) * i128::from(self.period_days) * 100, cents(self.price));
        Ok(Bought { amount, minutes, days: of_cents(days) })
    }

    /// What a sale of this kind is. The amount counts for `custom` alone.
    pub fn bought(self, kind: Kind, amount: Option<Decimal>) -> Result<Bought> {
        match kind {
            Kind::OnePeriod => Ok(self.fixed(self.period_days)),
            Kind::OneMonth => Ok(self.fixed(MONTH_DAYS)),
            Kind::FifteenDays => Ok(self.fixed(HALF_MONTH_DAYS)),
            Kind::Custom => amount
                .ok_or_else(|| Wrong::new("required", "Say how much is paid."))
                .and_then(crate::types::amount::positive)
                .and_then(|amount| self.of_amount(amount))
                .map_err(|wrong| Error::Invalid(vec![wrong.at("amount")])),
            Kind::Change | Kind::Opening => {
                Err(Error::Invalid(vec![FieldError::new("kind", "not_a_choice", "This is not sold.")]))
            }
        }
    }
}

/// A period of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub installation: InstallationId,
    pub customer: CustomerId,
    pub plan: PlanId,
    pub plan_name: String,
    pub kind: Kind,
    pub terms: Terms,
    pub tax: Tax,
    /// What it cost, what of that was taken off again, and what was paid.
    pub amount: Decimal,
    pub credited: Decimal,
    pub paid: Decimal,
    pub days: Decimal,
    pub span: Span,
    pub status: Status,
    pub paused_at: Option<DateTime<Utc>>,
    pub cancelled_at: Option<DateTime<Utc>>,
    pub cancel_reason: Option<String>,
    pub notes: Option<String>,
    pub sold_by: Option<StaffId>,
    pub sold_by_label: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// From when to when, and which minutes make it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub sold: i64,
    pub extended: i64,
    pub returned: i64,
    pub paused: i64,
}

impl Span {
    pub fn new(starts_at: DateTime<Utc>, minutes: i64) -> Self {
        Self {
            starts_at,
            ends_at: starts_at + TimeDelta::minutes(minutes),
            sold: minutes,
            extended: 0,
            returned: 0,
            paused: 0,
        }
    }

    /// What was left at `now` of a period that ends at `until`, a whole minute: it began one period of the plan before its end, or
    /// at `now` if that is earlier, and not before `earliest`. None when that leaves not even a minute.
    pub fn brought(
        until: DateTime<Utc>,
        terms: Terms,
        earliest: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let own = i64::from(terms.period_days) * DAY_MINUTES;
        let mut minutes = own.max(whole_minutes_up(now, until));
        if let Some(earliest) = earliest {
            minutes = minutes.min(whole_minutes(earliest, until));
        }
        (minutes > 0).then(|| Self::new(until - TimeDelta::minutes(minutes), minutes))
    }

    /// So many days, rounded half-up to two places, as they are shown.
    pub fn days(&self) -> Decimal {
        of_cents(half_up(i128::from(self.sold) * 100, i128::from(DAY_MINUTES)))
    }

    fn moved(&mut self, by: TimeDelta) {
        self.starts_at += by;
        self.ends_at += by;
    }

    /// Ends it `minutes` after its start, which is not after its end.
    fn cut(&mut self, minutes: i64) {
        let end = self.starts_at + TimeDelta::minutes(minutes);
        self.returned += (self.ends_at - end).num_minutes();
        self.ends_at = end;
    }
}

impl Subscription {
    /// What the customer still owes for it.
    pub fn due(&self) -> Decimal {
        self.amount - self.credited - self.paid
    }

    /// Whether service runs by it at `now`.
    pub fn runs(&self, now: DateTime<Utc>) -> bool {
        self.status == Status::Active && self.span.starts_at <= now && now < self.span.ends_at
    }

    /// What so many unused minutes are worth: their share of what the period cost, half-up to the cent. Minutes that were given
    /// on top come last and are worth nothing.
    fn value_of(&self, unused: i64) -> Decimal {
        let unused = (unused - self.span.extended).clamp(0, self.span.sold);
        of_cents(half_up(cents(self.amount) * i128::from(unused), i128::from(self.span.sold)))
    }
}

/// What becomes of the value that a cancelled period has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, poem_openapi::Enum)]
#[oai(rename = "CancelCredit", rename_all = "snake_case")]
pub enum Credit {
    /// The customer gets nothing back.
    Nothing,
    /// What the unused minutes are worth.
    Unused,
    /// The whole amount, as if it had never been sold.
    All,
}

impl Credit {
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Unused, "unused", "Credit what is unused"),
        (Self::All, "all", "Credit the whole amount"),
        (Self::Nothing, "nothing", "Credit nothing"),
    ];

    pub fn parse(text: &str) -> Result<Self, Wrong> {
        Self::ALL
            .into_iter()
            .find(|(_, name, _)| *name == text)
            .map(|(credit, ..)| credit)
            .ok_or_else(|| Wrong::new("not_a_choice", "This must be one of unused, all, nothing."))
    }
}

/// The periods of one installation that are neither over nor called off, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain(pub Vec<Subscription>);

/// A change of plan as it is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub unused_minutes: i64,
    pub unused_value: Decimal,
    /// What of that was charged here, and is taken off: nothing of a period that was brought forward.
    pub credited: Decimal,
    /// What of the new plan that buys, and from when to when.
    pub bought: Bought,
    pub span: Span,
}

/// Whole minutes between, rounded down; never less than none.
fn whole_minutes(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_minutes().max(0)
}

fn whole_minutes_up(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    let seconds = (to - from).num_seconds().max(0);
    (seconds + 59) / 60
}

/// A moment as periods begin: at a whole second.
pub fn second(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(0)
}

impl Chain {
    /// What of these active and paused periods is not over at `now`. Behind a paused one nothing goes by.
    pub fn live(mut periods: Vec<Subscription>, now: DateTime<Utc>) -> Self {
        periods.sort_by_key(|period| (period.span.starts_at, period.id));
        let first = periods.iter().position(|one| one.status == Status::Paused || one.span.ends_at > now);
        Self(periods.split_off(first.unwrap_or(periods.len())))
    }

    /// Where the next period begins: at the end of the last one, else now.
    pub fn next_start(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.0.last().map_or_else(|| second(now), |last| last.span.ends_at)
    }

    fn first(&mut self) -> Result<&mut Subscription> {
        self.0.first_mut().ok_or_else(|| Error::conflict("not_running", "No period runs here."))
    }

    fn is_running(&self, id: SubscriptionId, now: DateTime<Utc>) -> bool {
        self.0.first().is_some_and(|first| first.id == id && first.runs(now))
    }

    fn move_after(&mut self, index: usize, by: TimeDelta) {
        for later in self.0.iter_mut().skip(index + 1) {
            later.span.moved(by);
        }
    }

    /// Makes the period after `index` begin at `at`, and those behind it follow.
    fn pull_after(&mut self, index: usize, at: DateTime<Utc>) {
        if let Some(next) = self.0.get(index + 1) {
            let by = at - next.span.starts_at;
            self.move_after(index, by);
        }
    }

    /// Calls a period off. What it still had is returned and the later ones move up; answers what is taken off its amount.
    pub fn cancel(&mut self, id: SubscriptionId, credit: Credit, now: DateTime<Utc>) -> Result<Decimal> {
        let index = self.0.iter().position(|one| one.id == id);
        let Some((index, period)) = index.and_then(|index| Some((index, self.0.get_mut(index)?))) else {
            return Err(Error::conflict("over", "This period is over, or was called off before."));
        };
        // Only the first one can have begun: behind a paused one nothing goes by.
        let has_begun = index == 0 && period.span.starts_at <= now;
        let until = period.paused_at.unwrap_or(now);
        let used = if has_begun { whole_minutes(period.span.starts_at, until) } else { 0 };
        let unused = whole_minutes(period.span.starts_at + TimeDelta::minutes(used), period.span.ends_at);
        let credited = match credit {
            Credit::Nothing => Decimal::new(0, 2),
            Credit::Unused => period.value_of(unused),
            Credit::All => period.amount,
        };
        period.span.cut(used);
        period.status = Status::Cancelled;
        period.paused_at = None;
        period.credited = credited;
        let free = if has_begun { period.span.ends_at.max(second(now)) } else { period.span.starts_at };
        self.pull_after(index, free);
        Ok(credited)
    }

    /// Holds the running period where it is.
    pub fn pause(&mut self, id: SubscriptionId, now: DateTime<Utc>) -> Result<()> {
        if !self.is_running(id, now) {
            return Err(Error::conflict("not_running", "Only a period that runs can be paused."));
        }
        let first = self.first()?;
        first.status = Status::Paused;
        first.paused_at = Some(second(now));
        Ok(())
    }

    /// Lets a paused period go on: it and all later ones end later by the minutes that it stood still, rounded up.
    pub fn resume(&mut self, id: SubscriptionId, now: DateTime<Utc>) -> Result<i64> {
        let first = self.first()?;
        let (true, Some(since)) = (first.id == id, first.paused_at) else {
            return Err(Error::conflict("not_paused", "This period is not paused."));
        };
        let minutes = whole_minutes_up(since, now);
        first.status = Status::Active;
        first.paused_at = None;
        first.span.paused += minutes;
        first.span.ends_at += TimeDelta::minutes(minutes);
        self.move_after(0, TimeDelta::minutes(minutes));
        Ok(minutes)
    }

    /// Gives minutes on top of the running period. None when none runs.
    pub fn extend(&mut self, minutes: i64, now: DateTime<Utc>) -> Option<SubscriptionId> {
        let first = self.0.first_mut().filter(|first| first.runs(now))?;
        first.span.extended += minutes;
        first.span.ends_at += TimeDelta::minutes(minutes);
        let id = first.id;
        self.move_after(0, TimeDelta::minutes(minutes));
        Some(id)
    }

    /// What it would be to change the running period to other terms: the value of what is unused buys minutes of them.
    pub fn change_to(&self, id: SubscriptionId, terms: Terms, now: DateTime<Utc>) -> Result<Change> {
        let running = self.0.first().filter(|_| self.is_running(id, now)).ok_or_else(|| {
            Error::conflict("not_running", "Only a period that runs can be changed to another plan.")
        })?;
        let used = whole_minutes(running.span.starts_at, now);
        let end = running.span.starts_at + TimeDelta::minutes(used);
        let unused_minutes = whole_minutes(end, running.span.ends_at);
        let is_brought = running.kind == Kind::Opening;
        let unused_value = if is_brought {
            running.terms.worth_of(unused_minutes.min(running.span.sold))
        } else {
            running.value_of(unused_minutes)
        };
        if unused_value.is_zero() {
            return Err(Error::conflict("nothing_unused", "What is unused of this period is worth nothing."));
        }
        let mut bought =
            terms.of_amount(unused_value).map_err(|wrong| Error::Invalid(vec![wrong.at("plan_id")]))?;
        let credited = if is_brought { Decimal::new(0, 2) } else { unused_value };
        bought.amount = credited;
        let span = Span::new(end.max(second(now)), bought.minutes);
        Ok(Change { unused_minutes, unused_value, credited, bought, span })
    }

    /// Ends the running period for a change that was computed. The later ones begin when the new one ends.
    pub fn change(&mut self, change: &Change) -> Result<()> {
        let first = self.first()?;
        let kept = (first.span.ends_at - first.span.starts_at).num_minutes() - change.unused_minutes;
        first.span.cut(kept);
        first.status = Status::Changed;
        first.credited = change.credited;
        self.pull_after(0, change.span.ends_at);
        Ok(())
    }
}

/// "2 days, 3 hours"; minutes only under one day.
pub fn duration_text(minutes: i64) -> String {
    let part = |n: i64, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    let (days, hours, rest) = (minutes / DAY_MINUTES, minutes % DAY_MINUTES / 60, minutes % 60);
    let mut parts = Vec::new();
    if days > 0 {
        parts.push(part(days, "day"));
    }
    if hours > 0 {
        parts.push(part(hours, "hour"));
    }
    if days == 0 && rest > 0 {
        parts.push(part(rest, "minute"));
    }
    if parts.is_empty() { "Less than a minute".into() } else { parts.join(", ") }
}
