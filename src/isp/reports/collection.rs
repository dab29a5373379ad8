//! Daily collection: what was taken, by whom, how and for what.

use rust_decimal::Decimal;

use super::{
    ViewCollection,
    definition::{Definition, Narrow, Shelf},
    model::{Chart, Column, Figure, Kind, Line, Report, Series, Shape, Table, Value, average, column},
    range::{Asked, Usual},
    takings::{InOut, Paid, Sum, Takings, greatest_first, kind_label, method_label, net, paid_for, takings},
};
use crate::words::say;
use crate::{db::TenantTx, error::Result, types::CustomerId};

/// The payments that are listed one by one.
const LISTED: i64 = 500;

pub const DEFINITION: Definition = Definition {
    name: "daily-collection",
    title: "Daily collection",
    shelf: Shelf::Operations,
    text: "What was taken and given back: by method, cashier, plan and kind of period, and payment by payment.",
    terms: &[
        ("Collected", "The amounts of payments received on these days. Void payments never count."),
        ("Refunded", "Money given back on these days, whenever it had been paid."),
        ("Net", "Collected less refunded."),
        (
            "By plan and by kind",
            "How often money of these payments was put on such periods, and how much of it lies there now. What lies on no period is the customer's credit, or was given back.",
        ),
    ],
    permission: &ViewCollection::PERMISSION,
    narrows: &[Narrow::Area, Narrow::Staff],
    staff_word: "Cashier",
    usual: Usual::Today,
    make: |tx, asked| Box::pin(make(tx, asked)),
};

const BY_METHOD: &[Column] = &[
    column("method", "Method", Kind::Text),
    column("payments", "Payments", Kind::Int),
    column("collected", "Collected", Kind::Money),
    column("refunded", "Refunded", Kind::Money),
    column("net", "Net", Kind::Money),
];
const BY_CASHIER: &[Column] = &[
    column("cashier", "Cashier", Kind::Text),
    column("payments", "Payments", Kind::Int),
    column("collected", "Collected", Kind::Money),
    column("refunded", "Refunded", Kind::Money),
    column("net", "Net", Kind::Money),
];
const BY_PLAN: &[Column] = &[
    column("plan", "Plan", Kind::Text),
    column("payments", "Times paid", Kind::Int),
    column("amount", "Amount", Kind::Money),
];
const BY_KIND: &[Column] = &[
    column("kind", "Kind of period", Kind::Text),
    column("payments", "Times paid", Kind::Int),
    column("amount", "Amount", Kind::Money),
];
const PAYMENTS: &[Column] = &[
    column("received_at", "Time", Kind::Time),
    column("customer", "Customer", Kind::Text),
    column("phone", "Phone", Kind::Text),
    column("area", "Area", Kind::Text),
    column("nap", "NAP", Kind::Text),
    column("plan", "Plan", Kind::Text),
    column("kind", "Kind of period", Kind::Text),
    column("method", "Method", Kind::Text),
    column("reference", "Reference", Kind::Text),
    column("amount", "Amount", Kind::Money),
    column("received_by", "Received by", Kind::Text),
];

async fn make(tx: &TenantTx, asked: &Asked) -> Result<Report> {
    let taken = takings(tx, asked).await?;
    let paid = paid_for(tx, asked).await?;
    let before = asked.range.before();
    let was = net(tx, &asked.over(before)).await?;
    let mut collected = Figure::new("collected", say("Collected"), Value::Money(taken.all.taken.amount))
        .against(before, was.taken.amount, taken.all.taken.amount);
    if asked.range.days() == 1 {
        let week = asked.range.week_before();
        let was = net(tx, &asked.over(week)).await?;
        collected = collected.against(week, was.taken.amount, taken.all.taken.amount);
    }
    let count = taken.all.taken.count;
    let figures = vec![
        collected,
        Figure::new("payments", say("Payments"), Value::Int(count)),
        Figure::new("refunded", say("Refunded"), Value::Money(taken.all.returned.amount)),
        Figure::new("net", say("Net"), Value::Money(taken.all.net())),
        Figure::new(
            "average",
            say("Average payment"),
            average(taken.all.taken.amount, count).map_or(Value::Nothing, Value::Money),
        ),
    ];
    let (plans, kinds) = by_period(&paid, taken.all.taken.amount);
    let tables = vec![
        Table::new("by_method", say("By method"), BY_METHOD, by_method(&taken)),
        Table::new("by_cashier", say("By cashier"), BY_CASHIER, by_cashier(&taken)),
        Table::new("by_plan", say("By plan"), BY_PLAN, plans),
        Table::new("by_kind", say("By kind of period"), BY_KIND, kinds),
        Table::new("payments", say("Payments"), PAYMENTS, payments(tx, asked).await?).cut_at(LISTED, count),
    ];
    Ok(Report { figures, charts: charts(asked, &taken), tables })
}

fn in_out(name: &str, sums: &InOut) -> Vec<Value> {
    vec![
        Value::text(name),
        Value::Int(sums.taken.count),
        Value::Money(sums.taken.amount),
        Value::Money(sums.returned.amount),
        Value::Money(sums.net()),
    ]
}

/// By method, the greatest first.
pub fn by_method(taken: &Takings) -> Vec<Vec<Value>> {
    let mut methods: Vec<_> = taken.methods.iter().collect();
    methods.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.taken.amount));
    methods.into_iter().map(|(method, sums)| in_out(method_label(method), sums)).collect()
}

fn by_cashier(taken: &Takings) -> Vec<Vec<Value>> {
    let mut cashiers: Vec<_> = taken.cashiers.iter().collect();
    cashiers.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.taken.amount));
    cashiers.into_iter().map(|((name, _), sums)| in_out(name, sums)).collect()
}

/// By plan and by kind of period, with what lies on none.
fn by_period(paid: &[Paid], collected: Decimal) -> (Vec<Vec<Value>>, Vec<Vec<Value>>) {
    let rest = collected - paid.iter().map(|one| one.sum.amount).sum::<Decimal>();
    let rows = |sums: Vec<(&str, Sum)>| {
        let mut rows: Vec<Vec<Value>> = sums
            .into_iter()
            .map(|(name, sum)| vec![Value::text(name), Value::Int(sum.count), Value::Money(sum.amount)])
            .collect();
        if !rest.is_zero() {
            rows.push(vec![Value::text(say("On no period")), Value::Nothing, Value::Money(rest)]);
        }
        rows
    };
    let plans = rows(greatest_first(paid.iter().map(|one| (one.plan_name.as_str(), one.sum))));
    let kinds = rows(greatest_first(paid.iter().map(|one| (kind_label(&one.kind), one.sum))));
    (plans, kinds)
}

fn charts(asked: &Asked, taken: &Takings) -> Vec<Chart> {
    let mut charts = Vec::new();
    if asked.range.days() > 1 {
        charts.push(per_step(asked, taken));
    }
    if taken.methods.len() > 1 {
        let methods: Vec<_> = taken.methods.iter().collect();
        charts.push(Chart {
            key: "methods",
            title: say("Collected by method"),
            shape: Shape::Doughnut,
            kind: Kind::Money,
            of: say("Method"),
            labels: methods.iter().map(|(method, _)| method_label(method).to_owned()).collect(),
            series: vec![Series::new(
                say("Collected"),
                methods.iter().map(|(_, sums)| sums.taken.amount).collect(),
            )],
        });
    }
    charts
}

/// What was collected along the range.
pub fn per_step(asked: &Asked, taken: &Takings) -> Chart {
    let steps = asked.steps();
    let collected = steps.add_up(taken.days.iter().map(|(day, sums)| (*day, sums.taken.amount)));
    Chart {
        key: "collected",
        title: say("Collected"),
        shape: Shape::Line,
        kind: Kind::Money,
        of: steps.of_what(),
        labels: steps.labels(),
        series: vec![Series::new(say("Collected"), collected)],
    }
}

async fn payments(tx: &TenantTx, asked: &Asked) -> Result<Vec<Line>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "SELECT p.customer_id, p.received_at, c.first_name || ' ' || c.last_name AS customer, c.phone_primary, \
             r.name AS area, f.naps, f.plans, f.kinds, p.method, p.reference, p.amount, p.received_by_label FROM ( \
             SELECT id, customer_id, received_at, method, reference, amount, received_by_label FROM payment \
             WHERE received_at >= $1 AND received_at < $2 AND status = 'valid' \
             AND ($3::uuid IS NULL OR customer_id IN (SELECT id FROM customer WHERE area_id = $3)) \
             AND ($4::uuid IS NULL OR received_by = $4) ORDER BY received_at DESC, id DESC LIMIT $5) p \
             JOIN customer c ON c.id = p.customer_id LEFT JOIN area r ON r.id = c.area_id \
             CROSS JOIN LATERAL (SELECT string_agg(DISTINCT s.plan_name, ', ') AS plans, array_agg(DISTINCT s.kind) AS kinds, \
             string_agg(DISTINCT n.code || ' port ' || i.nap_port, ', ') AS naps FROM payment_allocation a \
             JOIN subscription s ON s.id = a.subscription_id JOIN installation i ON i.id = s.installation_id \
             LEFT JOIN nap n ON n.id = i.nap_id WHERE a.payment_id = p.id) f ORDER BY p.received_at DESC, p.id DESC",
            &[&start, &end, &asked.area, &asked.staff, &LISTED],
        )
        .await?;
    let text = |text: Option<String>| Value::Text(text.unwrap_or_default());
    Ok(rows
        .iter()
        .map(|row| {
            let kinds: Option<Vec<String>> = row.get("kinds");
            let kinds: Vec<&str> = kinds.iter().flatten().map(|kind| kind_label(kind)).collect();
            Line {
                href: Some(format!("/customers/{}", row.get::<_, CustomerId>("customer_id"))),
                cells: vec![
                    Value::Time(row.get("received_at")),
                    Value::Text(row.get("customer")),
                    text(row.get("phone_primary")),
                    text(row.get("area")),
                    text(row.get("naps")),
                    text(row.get("plans")),
                    Value::Text(kinds.join(", ")),
                    Value::text(method_label(row.get("method"))),
                    text(row.get("reference")),
                    Value::Money(row.get("amount")),
                    Value::Text(row.get("received_by_label")),
                ],
            }
        })
        .collect())
}
