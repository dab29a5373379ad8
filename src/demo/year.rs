//! A year of the demo provider's business: which plans it sells, and what each customer bought and paid, when and how.

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{DemoCustomer, DemoStatus};

/// A plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoPlan {
    pub name: &'static str,
    pub description: &'static str,
    pub mbps: i32,
    /// Pesos, for so many days.
    pub price: i64,
    pub days: i16,
    pub is_active: bool,
    /// How many of a hundred customers are on it.
    weight: u32,
}

/// One period that was sold, and the money for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoSale {
    /// Index into the customers, and into [`PLANS`].
    pub customer: usize,
    pub plan: usize,
    /// Pesos. Other than the plan's price where the customer paid what there was.
    pub amount: i64,
    pub minutes: i64,
    pub starts_at: DateTime<Utc>,
    pub sold_at: DateTime<Utc>,
    /// None where it is still owed.
    pub paid_by: Option<Paid>,
}

/// How it was paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    pub method: &'static str,
    /// The reference of what is not cash; no two are alike.
    pub reference: Option<i64>,
}

impl DemoSale {
    pub fn ends_at(&self) -> DateTime<Utc> {
        self.starts_at + Duration::minutes(self.minutes)
    }
}

/// What it sells.
pub const PLANS: [DemoPlan; 13] = [
    plan("Daily Basic", "A day at a time", 25, 50, 1, 0),
    plan("3-Day Promo", "A long weekend", 50, 150, 3, 0),
    plan("Weekly Standard", "Week by week", 50, 300, 7, 6),
    plan("Quincenal Basic", "From payday to payday", 25, 500, 15, 10),
    plan("Quincenal Standard", "From payday to payday", 50, 700, 15, 7),
    plan("Quincenal Premium", "From payday to payday", 100, 1_000, 15, 3),
    plan("Monthly Basic", "Messages, lessons, films", 25, 900, 30, 26),
    plan("Monthly Standard", "A household of four", 50, 1_300, 30, 25),
    plan("Monthly Premium", "Games and work from home", 100, 1_800, 30, 13),
    plan("Monthly Ultra", "Many at once", 200, 2_500, 30, 4),
    plan("Student Weekly", "With a school's card", 30, 200, 7, 3),
    plan("Business", "Shops and offices", 300, 5_000, 30, 3),
    DemoPlan { is_active: false, ..plan("Trial", "Three days to look", 20, 99, 3, 0) },
];

const fn plan(
    name: &'static str,
    description: &'static str,
    mbps: i32,
    price: i64,
    days: i16,
    weight: u32,
) -> DemoPlan {
    DemoPlan { name, description, mbps, price, days, is_active: true, weight }
}

const MINUTES_A_DAY: i64 = 1_440;
/// So far back the books go.
const DAYS_BACK: i64 = 365;

/// What everybody bought since a year ago, in the order in which it was sold. The same for the same arguments, but for `now`.
pub fn year(seed: u64, customers: &[DemoCustomer], zone: Tz, now: DateTime<Utc>) -> Vec<DemoSale> {
    let mut sales: Vec<DemoSale> = customers
        .iter()
        .enumerate()
        .flat_map(|(index, customer)| {
            // Each customer has numbers of his own, so that one more does not change the others.
            let mut rng = StdRng::seed_from_u64(seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            history(&mut rng, index, customer, zone, now)
        })
        .collect();
    sales.sort_by_key(|sale| (sale.sold_at, sale.customer));
    sales
}

/// From the first period to the last one that was bought.
fn history(
    rng: &mut StdRng,
    index: usize,
    customer: &DemoCustomer,
    zone: Tz,
    now: DateTime<Utc>,
) -> Vec<DemoSale> {
    let today = now.with_timezone(&zone).date_naive();
    let left = today - Duration::days(days_since_left(rng, customer.status));
    let first = customer.joined_on.max(today - Duration::days(DAYS_BACK));
    let plan = pick_plan(rng);
    let mut sales = Vec::new();
    let mut sold_at = counter_hours(rng, first, zone).min(now - Duration::minutes(5));
    let mut runs_until = sold_at;
    while sold_at <= now && sold_at.with_timezone(&zone).date_naive() <= left {
        let (amount, minutes) = bought(rng, plan);
        let starts_at = runs_until.max(sold_at);
        let paid_by = Some(pay(rng, index, sales.len()));
        sales.push(DemoSale { customer: index, plan, amount, minutes, starts_at, sold_at, paid_by });
        runs_until = starts_at + Duration::minutes(minutes);
        sold_at = next_visit(rng, runs_until, zone).max(sold_at + Duration::minutes(1));
    }
    owe(rng, customer.status, &mut sales);
    sales
}

/// Those who are active and up to date never left; some of the active ones are late these days.
fn days_since_left(rng: &mut StdRng, status: DemoStatus) -> i64 {
    match status {
        DemoStatus::Active if rng.random_bool(0.05) => rng.random_range(25..40),
        DemoStatus::Active => -1,
        DemoStatus::Suspended => rng.random_range(30..60),
        DemoStatus::Inactive => rng.random_range(45..200),
        DemoStatus::Terminated => rng.random_range(60..300),
    }
}

/// A few got their last period on trust.
fn owe(rng: &mut StdRng, status: DemoStatus, sales: &mut [DemoSale]) {
    if status == DemoStatus::Active
        && rng.random_bool(0.04)
        && let Some(last) = sales.last_mut()
    {
        last.paid_by = None;
    }
}

fn pick_plan(rng: &mut StdRng) -> usize {
    let total: u32 = PLANS.iter().map(|plan| plan.weight).sum();
    let mut ticket = rng.random_range(0..total);
    for (index, plan) in PLANS.iter().enumerate() {
        if ticket < plan.weight {
            return index;
        }
        ticket -= plan.weight;
    }
    0
}

/// Mostly the plan's own period; now and then what somebody could spare, in hundreds, and the minutes that it buys.
fn bought(rng: &mut StdRng, plan: usize) -> (i64, i64) {
    let Some(plan) = PLANS.get(plan) else { return (0, 0) };
    let whole = i64::from(plan.days) * MINUTES_A_DAY;
    if plan.price < 500 || !rng.random_bool(0.05) {
        return (plan.price, whole);
    }
    let amount = rng.random_range(1..plan.price / 100) * 100;
    (amount, amount * whole / plan.price)
}

/// Some pay before the end, most around it, some a week late; more of them late when school begins and after Christmas.
fn next_visit(rng: &mut StdRng, runs_until: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let month = runs_until.with_timezone(&zone).month();
    let late = if matches!(month, 1 | 6 | 7) { 0.34 } else { 0.16 };
    let days = match rng.random::<f64>() {
        dice if dice < late => rng.random_range(1..9),
        dice if dice < late + 0.3 => 0,
        _ => -rng.random_range(1..4),
    };
    counter_hours(rng, (runs_until + Duration::days(days)).with_timezone(&zone).date_naive(), zone)
}

/// Between eight and six, to the minute.
fn counter_hours(rng: &mut StdRng, day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let minute = rng.random_range(8 * 60..18 * 60);
    let time = NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0).unwrap_or_default();
    zone.from_local_datetime(&day.and_time(time)).earliest().map_or_else(Utc::now, |at| at.to_utc())
}

fn pay(rng: &mut StdRng, customer: usize, nth: usize) -> Paid {
    let method = match rng.random_range(0..100) {
        0..58 => "cash",
        58..85 => "gcash",
        85..91 => "maya",
        91..98 => "bank",
        _ => "card",
    };
    let number = i64::try_from(customer * 1_000 + nth).unwrap_or_default();
    // Thirteen digits, as wallets print them: some of the customer and the payment, the rest of chance.
    let reference =
        (method != "cash").then(|| 1_000_000_000_000 + number * 1_000_000 + rng.random_range(0..1_000_000));
    Paid { method, reference }
}
