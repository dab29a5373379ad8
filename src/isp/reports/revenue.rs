//! Revenue: what came in, of new customers and of old ones, by plan and by area.

use rust_decimal::Decimal;

use super::{
    ViewRevenue,
    collection::per_step,
    definition::{Definition, Narrow, Shelf},
    model::{Chart, Column, Figure, Kind, Report, Series, Shape, Table, Value, average, column, share},
    range::{Asked, Usual},
    takings::{Paid, greatest_first, net, paid_for, payers, takings},
};
use crate::words::say;
use crate::{db::TenantTx, error::Result};

const AREAS: i64 = 10;

pub const DEFINITION: Definition = Definition {
    name: "monthly-revenue",
    title: "Revenue",
    shelf: Shelf::Business,
    text: "What came in, against the time before and a year ago; new customers and renewals; plans and areas.",
    terms: &[
        (
            "Revenue",
            "Payments received on these days that are not void, less what was given back on these days.",
        ),
        (
            "Compared",
            "With as many whole months before when the days are whole months, else with as many days directly before; and with the same days a year earlier.",
        ),
        ("Per paying customer", "Revenue divided by the customers who paid at least once on these days."),
        (
            "New",
            "What of these payments lies on a customer's first paid period: the earliest of the customer's periods, by its start, that anything was paid for.",
        ),
        ("Renewal", "What of these payments lies on any later period."),
        ("On no period", "What is the customer's credit, or was given back later."),
    ],
    permission: &ViewRevenue::PERMISSION,
    narrows: &[Narrow::Area],
    staff_word: "",
    usual: Usual::ThisMonth,
    make: |tx, asked| Box::pin(make(tx, asked)),
};

const BY_PLAN: &[Column] = &[
    column("plan", "Plan", Kind::Text),
    column("payments", "Times paid", Kind::Int),
    column("amount", "Amount", Kind::Money),
    column("share", "Share", Kind::Percent),
];
const BY_AREA: &[Column] = &[
    column("area", "Area", Kind::Text),
    column("customers", "Paying customers", Kind::Int),
    column("amount", "Collected", Kind::Money),
    column("share", "Share", Kind::Percent),
];

/// What lies on first periods, on later ones, and on none.
pub struct Origins {
    pub new: Decimal,
    pub renewal: Decimal,
    pub none: Decimal,
}

impl Origins {
    pub fn of(paid: &[Paid], collected: Decimal) -> Self {
        let sum = |is_first| -> Decimal {
            paid.iter().filter(|one| one.is_first == is_first).map(|one| one.sum.amount).sum()
        };
        let (new, renewal) = (sum(true), sum(false));
        Self { new, renewal, none: collected - new - renewal }
    }

    pub fn chart(&self) -> Chart {
        Chart {
            key: "origins",
            title: say("New and renewal"),
            shape: Shape::Doughnut,
            kind: Kind::Money,
            of: say("Money"),
            labels: vec![say("New").into(), say("Renewal").into(), say("On no period").into()],
            series: vec![Series::new(say("Amount"), vec![self.new, self.renewal, self.none])],
        }
    }

    pub fn figures(&self) -> [Figure; 3] {
        [
            Figure::new("new", say("New"), Value::Money(self.new)),
            Figure::new("renewal", say("Renewal"), Value::Money(self.renewal)),
            Figure::new("on_no_period", say("On no period"), Value::Money(self.none)),
        ]
    }
}

async fn make(tx: &TenantTx, asked: &Asked) -> Result<Report> {
    let taken = takings(tx, asked).await?;
    let paid = paid_for(tx, asked).await?;
    let customers = payers(tx, asked).await?;
    let (before, year) = (asked.range.before(), asked.range.year_before());
    let was = net(tx, &asked.over(before)).await?.net();
    let was_last_year = net(tx, &asked.over(year)).await?.net();
    let (revenue, collected) = (taken.all.net(), taken.all.taken.amount);
    let origins = Origins::of(&paid, collected);
    let mut figures =
        vec![
            Figure::new("revenue", say("Revenue"), Value::Money(revenue))
                .against(before, was, revenue)
                .against(year, was_last_year, revenue),
            Figure::new("payments", say("Payments"), Value::Int(taken.all.taken.count)),
            Figure::new("refunded", say("Refunded"), Value::Money(taken.all.returned.amount)),
            Figure::new("customers", say("Paying customers"), Value::Int(customers)),
            Figure::new(
                "per_customer",
                say("Per paying customer"),
                average(revenue, customers).map_or(Value::Nothing, Value::Money),
            ),
        ];
    figures.extend(origins.figures());
    let plans = greatest_first(paid.iter().map(|one| (one.plan_name.as_str(), one.sum)));
    let plans = plans.into_iter().map(|(name, sum)| {
        vec![Value::text(name), Value::Int(sum.count), Value::Money(sum.amount), share(sum.amount, collected)]
    });
    let tables = vec![
        Table::new("by_plan", say("By plan"), BY_PLAN, plans),
        Table::new("by_area", say("Top areas"), BY_AREA, by_area(tx, asked, collected).await?),
    ];
    Ok(Report { figures, charts: vec![per_step(asked, &taken), origins.chart()], tables })
}

async fn by_area(tx: &TenantTx, asked: &Asked, collected: Decimal) -> Result<Vec<Vec<Value>>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "SELECT coalesce(r.name, $5::text) AS area, count(*), sum(t.amount) FROM ( \
             SELECT p.customer_id, sum(p.amount) AS amount FROM payment p WHERE p.received_at >= $1 AND p.received_at < $2 \
             AND p.status = 'valid' GROUP BY p.customer_id) t JOIN customer c ON c.id = t.customer_id \
             LEFT JOIN area r ON r.id = c.area_id WHERE $3::uuid IS NULL OR c.area_id = $3 \
             GROUP BY r.id, r.name ORDER BY 3 DESC, 1 LIMIT $4",
            &[&start, &end, &asked.area, &AREAS, &say("No area")],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            let amount: Decimal = row.get(2);
            vec![
                Value::Text(row.get(0)),
                Value::Int(row.get(1)),
                Value::Money(amount),
                share(amount, collected),
            ]
        })
        .collect())
}
