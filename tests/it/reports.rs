//! Reports: figures that were worked out by hand, in three zones, against SQL that is written otherwise; rights, files, schedules.

use chrono::{NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::harness::{Api, Tenant, sql, tenant, text};

const NAMES: [&str; 9] = [
    "daily-collection",
    "subscription-expiry",
    "ticket-analysis",
    "technician-performance",
    "monthly-revenue",
    "finance",
    "payment-behaviour",
    "customer-acquisition",
    "area-performance",
];

/// A tenant in a zone, and a superuser inside its schema.
pub async fn tenant_in(zone: &str) -> (Tenant, Api, Client) {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let client = sql(&tenant.server.database).await;
    api.patch("/api/v1/company", json!({"time_zone": zone})).await.expect(200);
    let schema = tenant.schema().await;
    client.batch_execute(&format!("SET search_path = {schema}, ext")).await.unwrap();
    (tenant, api, client)
}

/// `2028-02-28 23:59:59` on the clocks of a zone; of an hour that comes twice the first.
pub fn at(zone: Tz, text: &str) -> chrono::DateTime<Utc> {
    let local = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap();
    zone.from_local_datetime(&local).earliest().unwrap().to_utc()
}

pub struct Books<'a> {
    pub client: &'a Client,
    pub zone: Tz,
    area: Uuid,
    plan: Uuid,
}

impl<'a> Books<'a> {
    pub async fn open(client: &'a Client, zone: Tz) -> Self {
        let (area, plan) = (Uuid::now_v7(), Uuid::now_v7());
        client.execute("INSERT INTO area (id, name) VALUES ($1, 'North')", &[&area]).await.unwrap();
        client
            .execute(
                "INSERT INTO plan (id, name, download_mbps, upload_mbps, price) VALUES ($1, 'Home', 50, 50, 1000)",
                &[&plan],
            )
            .await
            .unwrap();
        Self { client, zone, area, plan }
    }

    pub async fn customer(&self, name: &str, created: &str) -> (Uuid, Uuid) {
        let (customer, installation) = (Uuid::now_v7(), Uuid::now_v7());
        let created = at(self.zone, created);
        self.client
            .execute(
                "INSERT INTO customer (id, first_name, last_name, area_id, created_at) VALUES ($1, $2, 'X', $3, $4)",
                &[&customer, &name, &self.area, &created],
            )
            .await
            .unwrap();
        let day = created.with_timezone(&self.zone).date_naive();
        self.client
            .execute(
                "INSERT INTO installation (id, customer_id, status, installed_on) VALUES ($1, $2, 'active', $3)",
                &[&installation, &customer, &day],
            )
            .await
            .unwrap();
        (customer, installation)
    }

    /// A paid period of 30 days: sold, begun and paid at once.
    pub async fn sale(&self, (customer, installation): (Uuid, Uuid), when: &str, method: &str) -> Uuid {
        let (period, payment, when) = (Uuid::now_v7(), Uuid::now_v7(), at(self.zone, when));
        self.client
            .execute(
                "INSERT INTO subscription (id, installation_id, customer_id, plan_id, plan_name, kind, price, period_days, tax, \
                 amount, paid_amount, starts_at, ends_at, sold_minutes, days_added, status, sold_by_label, created_at) \
                 VALUES ($1, $2, $3, $4, 'Home', 'one_month', 1000, 30, 'vatable', 1000, 1000, $5::timestamptz, $5::timestamptz + interval '720 hours', \
                 43200, 30, 'expired', 'test', $5)",
                &[&period, &installation, &customer, &self.plan, &when],
            )
            .await
            .unwrap();
        self.payment(payment, customer, (1_000, 1_000), method, when).await;
        self.client
            .execute(
                "INSERT INTO payment_allocation (id, payment_id, subscription_id, amount) VALUES ($1, $2, $3, 1000)",
                &[&Uuid::now_v7(), &payment, &period],
            )
            .await
            .unwrap();
        self.client
            .execute(
                "INSERT INTO customer_account (customer_id, first_paid_id) VALUES ($1, $2) ON CONFLICT (customer_id) DO UPDATE \
                 SET first_paid_id = (SELECT id FROM subscription WHERE customer_id = $1 AND paid_amount > 0 \
                 ORDER BY starts_at, id LIMIT 1)",
                &[&customer, &period],
            )
            .await
            .unwrap();
        payment
    }

    /// What was paid, and how much of it lies on periods.
    pub async fn payment(
        &self,
        id: Uuid,
        customer: Uuid,
        (amount, allocated): (i64, i64),
        method: &str,
        when: chrono::DateTime<Utc>,
    ) {
        self.client
            .execute(
                "INSERT INTO payment (id, customer_id, amount, allocated_amount, method, received_by_label, received_at) \
                 VALUES ($1, $2, $3::bigint, $4::bigint, $5, 'Cora', $6)",
                &[&id, &customer, &amount, &allocated, &method, &when],
            )
            .await
            .unwrap();
    }
}

fn figure<'a>(report: &'a Value, key: &str) -> &'a str {
    let figures = report["figures"].as_array().unwrap();
    let found = figures.iter().find(|figure| figure["key"] == key);
    found.unwrap_or_else(|| panic!("no {key} in {report}"))["value"].as_str().unwrap()
}

pub fn table<'a>(report: &'a Value, key: &str) -> &'a Vec<Value> {
    let tables = report["tables"].as_array().unwrap();
    tables.iter().find(|table| table["key"] == key).unwrap()["rows"].as_array().unwrap()
}

/// The zones: one without summer time, and two in which clocks change within the fixture's months.
pub const ZONES: [&str; 3] = ["Asia/Manila", "Europe/Berlin", "America/New_York"];

/// The fixture, in days of the tenant's zone:
///
/// | when                | who | what                                           |
/// |---------------------|-----|------------------------------------------------|
/// | 2028-02-28 23:59:59 | Ana | first period, 1,000, cash                      |
/// | 2028-02-29 00:00:00 | Ben | first period, 1,000, gcash                     |
/// | 2028-02-29 23:59:59 | Ben | 300 on account (credit), cash                  |
/// | 2028-03-01 00:00:00 | Cem | first period, 1,000, cash                      |
/// | 2028-03-26 23:30:00 | Ana | second period, 1,000, cash (clocks changed in Berlin that day) |
/// | 2028-02-29 12:00:00 | Cem | 5,000, void                                    |
/// | 2028-03-01 10:00:00 | Ben | 100 of the credit given back, cash             |
async fn fill(books: &Books<'_>) {
    let ana = books.customer("Ana", "2028-02-28 23:59:59").await;
    let ben = books.customer("Ben", "2028-02-29 00:00:00").await;
    let cem = books.customer("Cem", "2028-03-01 00:00:00").await;
    books.sale(ana, "2028-02-28 23:59:59", "cash").await;
    books.sale(ben, "2028-02-29 00:00:00", "gcash").await;
    let credit = Uuid::now_v7();
    books.payment(credit, ben.0, (300, 0), "cash", at(books.zone, "2028-02-29 23:59:59")).await;
    books.sale(cem, "2028-03-01 00:00:00", "cash").await;
    books.sale(ana, "2028-03-26 23:30:00", "cash").await;
    let (void, noon) = (Uuid::now_v7(), at(books.zone, "2028-02-29 12:00:00"));
    books.payment(void, cem.0, (5_000, 0), "cash", noon).await;
    let said = "UPDATE payment SET status = 'void', voided_at = now(), void_reason = 'twice' WHERE id = $1";
    books.client.execute(said, &[&void]).await.unwrap();
    books
        .client
        .execute(
            "INSERT INTO refund (id, payment_id, customer_id, amount, method, reason, refunded_by_label, refunded_at) \
             VALUES ($1, $2, $3, 100, 'cash', 'asked', 'Cora', $4)",
            &[&Uuid::now_v7(), &credit, &ben.0, &at(books.zone, "2028-03-01 10:00:00")],
        )
        .await
        .unwrap();
    let given = "UPDATE payment SET refunded_amount = 100 WHERE id = $1";
    books.client.execute(given, &[&credit]).await.unwrap();
}

#[tokio::test]
async fn a_day_is_the_tenants_own_in_every_zone() {
    for name in ZONES {
        let (_tenant, api, client) = tenant_in(name).await;
        let zone: Tz = name.parse().unwrap();
        fill(&Books::open(&client, zone).await).await;
        let day = async |report: &str, from: &str, to: &str| {
            api.get(&format!("/api/v1/reports/{report}?from={from}&to={to}")).await.expect(200)
        };
        // (day, collected, payments, refunded, net), by hand from the table above.
        for (from, to, collected, payments, refunded, net) in [
            ("2028-02-27", "2028-02-27", "0.00", "0", "0.00", "0.00"),
            ("2028-02-28", "2028-02-28", "1000.00", "1", "0.00", "1000.00"),
            ("2028-02-29", "2028-02-29", "1300.00", "2", "0.00", "1300.00"),
            ("2028-03-01", "2028-03-01", "1000.00", "1", "100.00", "900.00"),
            ("2028-03-26", "2028-03-26", "1000.00", "1", "0.00", "1000.00"),
            ("2028-02-01", "2028-02-29", "2300.00", "3", "0.00", "2300.00"),
            ("2028-02-01", "2028-03-31", "4300.00", "5", "100.00", "4200.00"),
            ("2024-01-01", "2028-12-31", "4300.00", "5", "100.00", "4200.00"),
        ] {
            let report = day("daily-collection", from, to).await;
            let found = ["collected", "payments", "refunded", "net"].map(|key| figure(&report, key));
            assert_eq!(found, [collected, payments, refunded, net], "{name} {from} {to}");
            // The same, by the calendar of PostgreSQL.
            let row = client
                .query_one(
                    "SELECT coalesce(sum(amount), 0)::text, count(*)::text FROM payment WHERE status <> 'void' \
                     AND (received_at AT TIME ZONE $1::text)::date BETWEEN $2 AND $3",
                    &[&name, &from.parse::<NaiveDate>().unwrap(), &to.parse::<NaiveDate>().unwrap()],
                )
                .await
                .unwrap();
            let other: (String, String) = (row.get(0), row.get(1));
            assert_eq!(collected.parse::<f64>().unwrap(), other.0.parse::<f64>().unwrap(), "{name} {from}");
            assert_eq!(payments, other.1);
        }
        // The line has each day's money under its day.
        let month = day("daily-collection", "2028-02-28", "2028-03-01").await;
        assert_eq!(
            month["charts"][0]["series"][0]["values"],
            json!(["1000.00", "1300.00", "1000.00"]),
            "{name}"
        );
        assert_eq!(month["charts"][0]["labels"], json!(["28 Feb 2028", "29 Feb 2028", "1 Mar 2028"]));
    }
}

#[tokio::test]
async fn revenue_tells_new_from_renewal_and_compares_whole_months() {
    for name in ZONES {
        let (_tenant, api, client) = tenant_in(name).await;
        fill(&Books::open(&client, name.parse().unwrap()).await).await;
        let report = async |from: &str, to: &str| {
            api.get(&format!("/api/v1/reports/monthly-revenue?from={from}&to={to}")).await.expect(200)
        };
        // February: Ana's and Ben's first periods; 300 of Ben lie on no period.
        let february = report("2028-02-01", "2028-02-29").await;
        let keys = ["revenue", "new", "renewal", "on_no_period", "customers", "per_customer"];
        assert_eq!(
            keys.map(|key| figure(&february, key)),
            ["2300.00", "2000.00", "0.00", "300.00", "2", "1150.00"],
            "{name}"
        );
        assert_eq!(
            february["figures"][0]["changes"][0],
            json!({"against": "1 Jan – 31 Jan 2028", "percent": null})
        );
        // March: 1,000 of Cem is new, 1,000 of Ana a renewal, less 100: 1,900; 17.4 % less than 2,300.
        let march = report("2028-03-01", "2028-03-31").await;
        assert_eq!(
            keys.map(|key| figure(&march, key)),
            ["1900.00", "1000.00", "1000.00", "0.00", "2", "950.00"],
            "{name}"
        );
        assert_eq!(
            march["figures"][0]["changes"][0],
            json!({"against": "1 Feb – 29 Feb 2028", "percent": "-17.4"})
        );
        assert_eq!(table(&march, "by_plan"), &vec![json!(["Home", "2", "2000.00", "100.0"])]);
        assert_eq!(table(&march, "by_area"), &vec![json!(["North", "2", "2000.00", "100.0"])]);
        // Independently: each customer's first period by a window, joined to what was paid.
        let row = client
            .query_one(
                "SELECT coalesce(sum(a.amount) FILTER (WHERE n = 1), 0)::text, coalesce(sum(a.amount) FILTER (WHERE n > 1), 0)::text \
                 FROM (SELECT id, row_number() OVER (PARTITION BY customer_id ORDER BY starts_at) AS n FROM subscription) s \
                 JOIN payment_allocation a ON a.subscription_id = s.id JOIN payment p ON p.id = a.payment_id \
                 WHERE p.status = 'valid' AND to_char(p.received_at AT TIME ZONE $1::text, 'YYYY-MM') = '2028-03'",
                &[&name],
            )
            .await
            .unwrap();
        assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("1000.00", "1000.00"));
    }
}

#[tokio::test]
async fn customers_renewals_money_and_areas_are_counted_by_hand() {
    let (_tenant, api, client) = tenant_in("Asia/Manila").await;
    let books = Books::open(&client, chrono_tz::Asia::Manila).await;
    fill(&books).await;
    let report = async |name: &str, question: &str| {
        api.get(&format!("/api/v1/reports/{name}?from=2028-02-01&to=2028-03-31{question}")).await.expect(200)
    };
    // Ana and Ben came in February, Cem in March; all were connected and paid on their first day.
    let came = report("customer-acquisition", "").await;
    let keys = ["customers", "installations", "to_payment"];
    assert_eq!(keys.map(|key| figure(&came, key)), ["3", "3", "0.0"]);
    assert_eq!(table(&came, "by_area"), &vec![json!(["North", "3", "100.0"])]);
    assert_eq!(table(&came, "by_plan"), &vec![json!(["Home", "3", "100.0"])]);
    // One renewal: Ana's period of 28 February, 23:59:59, ends 29 March, 23:59:59; she renewed on the 26th at 23:30: 3.02 days early.
    let paid = report("payment-behaviour", "").await;
    let keys = ["payments", "collected", "average", "renewals", "on_time", "gap"];
    assert_eq!(keys.map(|key| figure(&paid, key)), ["5", "4300.00", "860.00", "1", "100.0", "-3.0"]);
    // Half of 860 is 430: a step of 500. 300 lies in the first band, 1,000 in the third.
    let bands = table(&paid, "by_band");
    assert_eq!(bands[0], json!(["0 to under 500", "1", "20.0", "300.00"]));
    assert_eq!(bands[2], json!(["1,000 to under 1,500", "4", "80.0", "4000.00"]));
    // 28 February 2028 is a Monday, the 29th a Tuesday, 1 March a Wednesday, 26 March a Sunday.
    let week: Vec<&str> = table(&paid, "by_weekday").iter().map(|row| row[1].as_str().unwrap()).collect();
    assert_eq!(week, ["1", "2", "1", "0", "0", "0", "1"]);
    let areas = report("area-performance", &format!("&area_id={}", books.area)).await;
    let row = json!(["North", "3", "3", "3", "", "4200.00", "0", "0", "0", ""]);
    assert_eq!(table(&areas, "areas"), &vec![row]);
    let finance = report("finance", "").await;
    let keys = ["revenue", "refunded", "new", "renewal", "on_no_period", "owed", "credit"];
    assert_eq!(
        keys.map(|key| figure(&finance, key)),
        ["4200.00", "100.00", "3000.00", "1000.00", "300.00", "0.00", "200.00"]
    );
}

#[tokio::test]
async fn tickets_are_counted_by_hand() {
    let (tenant, api, client) = tenant_in("Europe/Berlin").await;
    let books = Books::open(&client, chrono_tz::Europe::Berlin).await;
    let (ana, _) = books.customer("Ana", "2026-03-01 00:00:00").await;
    let owner: Uuid = tenant.owner_id.parse().unwrap();
    // (number, opened, resolved, waited, priority): on 29 March 2026 clocks in Berlin skip an hour.
    for (number, opened, resolved, waited, priority) in [
        ("T-1", "2026-03-29 00:00:00", Some("2026-03-29 10:00:00"), 3_600i64, "urgent"),
        ("T-2", "2026-03-29 23:59:59", None, 0, "low"),
        ("T-3", "2026-03-30 00:00:00", Some("2026-03-30 02:00:00"), 0, "urgent"),
    ] {
        let opened = at(books.zone, opened);
        let resolved = resolved.map(|text| at(books.zone, text));
        let status = if resolved.is_some() { "resolved" } else { "pending" };
        client
            .execute(
                "INSERT INTO ticket (id, number, customer_id, title, category, priority, status, reported_by_label, assigned_to, \
                 sla_due_at, resolved_at, waited_seconds, created_at) VALUES ($1, $2, $3, 'x', 'billing', $4, $5, 'x', $6, \
                 $7::timestamptz + interval '4 hours', $8, $9, $7)",
                &[&Uuid::now_v7(), &number, &ana, &priority, &status, &owner, &opened, &resolved, &waited],
            )
            .await
            .unwrap();
    }
    let report = async |name: &str, to: &str| {
        api.get(&format!("/api/v1/reports/{name}?from=2026-03-29&to={to}")).await.expect(200)
    };
    // The 29th has 23 hours: T-1 took ten on the clock, nine in truth, eight without the wait; it was promised in four.
    let one = report("ticket-analysis", "2026-03-29").await;
    let keys = ["tickets", "resolved", "rate", "pending", "overdue", "kept", "urgent_hours", "most_common"];
    assert_eq!(keys.map(|key| figure(&one, key)), ["2", "1", "50.0", "1", "1", "0.0", "8.0", "Billing"]);
    // With T-3: (8 + 2) / 2 hours, one of two kept.
    let two = report("ticket-analysis", "2026-03-30").await;
    assert_eq!(keys.map(|key| figure(&two, key)), ["3", "2", "66.7", "1", "1", "50.0", "5.0", "Billing"]);
    assert_eq!(table(&two, "repeated")[0][2], "3");
    assert_eq!(two["charts"][0]["series"][1]["values"], json!(["1", "1"]));
    let people = report("technician-performance", "2026-03-30").await;
    let row = json!(["Olive Owner", "2", "0", "3", "2", "1", "66.7", "5.0", "North"]);
    assert_eq!(table(&people, "technicians"), &vec![row]);
}

#[tokio::test]
async fn bad_questions_are_refused_and_foreign_ids_are_unknown() {
    let (ours, theirs) = (tenant().await.api().await, tenant().await.api().await);
    let foreign = text(&theirs.post("/api/v1/areas", json!({"name": "Theirs"})).await.expect(201), "/id");
    let wrong = async |question: &str| {
        ours.get(&format!("/api/v1/reports/daily-collection?{question}")).await.wrong_fields()
    };
    assert_eq!(wrong("from=2026-03-02&to=2026-03-01").await, ["to"]);
    assert_eq!(wrong("from=2020-01-01&to=2026-03-01").await, ["from"]);
    assert_eq!(wrong("from=1999-12-31&to=2200-01-01").await, ["from", "to"]);
    assert_eq!(wrong(&format!("area_id={foreign}")).await, ["area_id"]);
    assert_eq!(wrong(&format!("plan_id={foreign}")).await, ["plan_id"]);
    assert_eq!(wrong(&format!("staff_id={foreign}")).await, ["staff_id"]);
    for odd in ["from=2026-13-01", "from=2027-02-29", "to=soon", "area_id=7"] {
        ours.get(&format!("/api/v1/reports/monthly-revenue?{odd}")).await.expect_status(422);
    }
    ours.get("/api/v1/reports/nothing").await.refused(404, "not_found");
    // 29 February of a leap year is a day, and five years with two of them are a range.
    ours.get("/api/v1/reports/monthly-revenue?from=2024-02-29&to=2024-02-29").await.expect(200);
    ours.get("/api/v1/reports/monthly-revenue?from=2024-01-01&to=2028-12-31").await.expect(200);
    for name in NAMES {
        let report = ours.get(&format!("/api/v1/reports/{name}")).await.expect(200);
        for table in report["tables"].as_array().unwrap() {
            let width = table["columns"].as_array().unwrap().len();
            assert!(
                table["rows"].as_array().unwrap().iter().all(|row| row.as_array().unwrap().len() == width)
            );
        }
    }
    ours.get("/api/v1/dashboard/user-signups?days=0").await.expect_status(422);
    let days = ours.get("/api/v1/dashboard/user-signups?days=3").await.expect(200);
    assert_eq!(days.as_array().unwrap().len(), 3);
    assert_eq!((&days[2]["staff"], &days[2]["count"]), (&json!(1), &json!(1)), "the owner joined today");
}

#[tokio::test]
async fn each_report_needs_its_own_right() {
    let tenant = tenant().await;
    let seen = async |role: &str| {
        let person = tenant.person_with(&tenant.role(role).await).await;
        let api = tenant.api_of(&person).await;
        let index = api.get("/api/v1/reports").await.expect(200);
        let seen: Vec<String> =
            index["items"].as_array().unwrap().iter().map(|item| text(item, "/name")).collect();
        for name in NAMES {
            let status = if seen.iter().any(|one| one == name) { 200 } else { 403 };
            api.get(&format!("/api/v1/reports/{name}")).await.expect_status(status);
        }
        api.get("/api/v1/reports/daily-collection/export?format=csv")
            .await
            .expect_status(if role == "Manager" { 200 } else { 403 });
        let mut browser = tenant.browser_as(&person.email, crate::harness::PASSWORD).await;
        let page = browser.get("/reports").await;
        assert_eq!(
            page.text().contains("/reports/finance"),
            seen.iter().any(|one| one == "finance"),
            "{role}"
        );
        let status = if seen.iter().any(|one| one == "monthly-revenue") { 200 } else { 403 };
        browser.get("/reports/monthly-revenue").await.expect_status(status);
        seen
    };
    assert_eq!(seen("Cashier").await, ["daily-collection", "subscription-expiry"]);
    assert_eq!(seen("Technician").await, ["technician-performance"]);
    assert_eq!(seen("Support").await, Vec::<String>::new());
    assert_eq!(seen("Viewer").await, NAMES.into_iter().filter(|name| *name != "finance").collect::<Vec<_>>());
    assert_eq!(seen("Manager").await, NAMES);
}

#[tokio::test]
async fn a_file_says_exactly_what_the_report_says() {
    let (tenant, api, client) = tenant_in("America/New_York").await;
    fill(&Books::open(&client, chrono_tz::America::New_York).await).await;
    let question = "from=2028-02-01&to=2028-03-31";
    for name in NAMES {
        let report = api.get(&format!("/api/v1/reports/{name}?{question}")).await.expect(200);
        let csv = api.get(&format!("/api/v1/reports/{name}/export?format=csv&{question}")).await;
        csv.expect_status(200);
        let lines: Vec<Vec<String>> = csv::ReaderBuilder::new()
            .flexible(true)
            .has_headers(false)
            .from_reader(csv.body.as_slice())
            .records()
            .map(|record| record.unwrap().iter().map(str::to_owned).collect())
            .collect();
        for figure in report["figures"].as_array().unwrap() {
            let wanted = [text(figure, "/label"), text(figure, "/value")];
            assert!(lines.iter().any(|line| line.starts_with(&wanted)), "{name}: {wanted:?}");
        }
        for table in report["tables"].as_array().unwrap() {
            let kinds: Vec<String> =
                table["columns"].as_array().unwrap().iter().map(|column| text(column, "/kind")).collect();
            for row in table["rows"].as_array().unwrap() {
                let row: Vec<&str> =
                    row.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap()).collect();
                let fits = |line: &Vec<String>| {
                    line.len() == row.len()
                        && line
                            .iter()
                            .zip(&row)
                            .zip(&kinds)
                            .all(|((is, was), kind)| kind == "time" || is == was)
                };
                assert!(lines.iter().any(fits), "{name}: {row:?} is not in the file");
            }
        }
        let xlsx = api.get(&format!("/api/v1/reports/{name}/export?format=xlsx&{question}")).await;
        assert!(xlsx.expect_status(200).body.starts_with(b"PK"), "{name}");
        let mut browser = tenant.browser().await;
        let page = browser.get(&format!("/reports/{name}?{question}")).await;
        page.expect_status(200);
        assert!(page.text().contains("What the words mean"));
    }
    let trail = api.get("/api/v1/audit-events?action=report.exported&limit=50").await;
    if trail.status == 200 {
        assert_eq!(trail.json()["items"].as_array().unwrap().len(), 2 * NAMES.len());
    }
}

#[tokio::test]
async fn a_schedule_is_made_once_per_occurrence_and_only_the_last_that_was_missed() {
    let (tenant, api, client) = tenant_in("Asia/Manila").await;
    let body = json!({"report": "daily-collection", "format": "csv", "every": "day", "at_hour": 0});
    let made = api.post("/api/v1/report-schedules", body.clone()).await.expect(201);
    let id = text(&made, "/id");
    assert_eq!(api.get("/api/v1/report-files").await.expect(200)["items"], json!([]), "nothing is due yet");
    // As if it had stood for ten days while the program was away.
    let wake = async || {
        client
            .execute(
                "UPDATE public.job SET due_at = now() WHERE kind = 'reports.schedule' AND tenant_id = $1::text::uuid",
                &[&tenant.id],
            )
            .await
            .unwrap();
    };
    client
        .execute("UPDATE report_schedule SET stands_since = now() - interval '10 days'", &[])
        .await
        .unwrap();
    let files = async |wanted: usize| {
        for _ in 0..200 {
            wake().await;
            let list = api.get("/api/v1/report-files").await.expect(200);
            if list["items"].as_array().unwrap().len() >= wanted {
                return list["items"].as_array().unwrap().clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the file was not made");
    };
    let first = files(1).await;
    let yesterday = Utc::now().with_timezone(&chrono_tz::Asia::Manila).date_naive().pred_opt().unwrap();
    assert_eq!(
        (&first[0]["from"], &first[0]["to"]),
        (&json!(yesterday.to_string()), &json!(yesterday.to_string()))
    );
    let content = api.get(&format!("/api/v1/report-files/{}/content", text(&first[0], "/id"))).await;
    assert!(content.expect_status(200).text().contains("Daily collection"));
    // Woken again, it has nothing to do: another schedule shows that it ran.
    let weekly =
        json!({"report": "finance", "format": "xlsx", "every": "month", "at_hour": 0, "month_day": 1});
    api.post("/api/v1/report-schedules", weekly).await.expect(201);
    client
        .execute("UPDATE report_schedule SET stands_since = now() - interval '70 days'", &[])
        .await
        .unwrap();
    let both = files(2).await;
    assert_eq!(both.len(), 2, "one of each: {both:?}");
    // Who may not see a report sees neither its schedule nor its file.
    let person = tenant.person(&["reports.export", "reports.schedule", "reports.collection"]).await;
    let theirs = tenant.api_of(&person).await;
    let list = theirs.get("/api/v1/report-files").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        theirs.get("/api/v1/report-schedules").await.expect(200)["items"].as_array().unwrap().len(),
        1
    );
    let finance = json!({"report": "finance", "format": "csv", "every": "day", "at_hour": 6});
    theirs.post("/api/v1/report-schedules", finance).await.refused(403, "forbidden");
    // What is wrong is named.
    let weekly = json!({"report": "nothing", "format": "csv", "every": "week", "at_hour": 6, "area_id": Uuid::now_v7()});
    assert_eq!(api.post("/api/v1/report-schedules", weekly).await.wrong_fields(), ["report", "weekday"]);
    let patch = json!({"is_active": false});
    let changed = api.patch(&format!("/api/v1/report-schedules/{id}"), patch).await.expect(200);
    assert_eq!((&changed["is_active"], &changed["next_at"]), (&json!(false), &Value::Null));
    api.delete(&format!("/api/v1/report-schedules/{id}")).await.expect_status(204);
    api.get(&format!("/api/v1/report-schedules/{id}")).await.refused(404, "not_found");
}

#[tokio::test]
async fn the_dashboard_has_cards_of_what_one_may_see() {
    let (tenant, _api, client) = tenant_in("Asia/Manila").await;
    let books = Books::open(&client, chrono_tz::Asia::Manila).await;
    let now = Utc::now().with_timezone(&chrono_tz::Asia::Manila).format("%Y-%m-%d %H:%M:%S").to_string();
    let ana = books.customer("Ana", &now).await;
    books.sale(ana, &now, "cash").await;
    let mut owner = tenant.browser().await;
    assert!(owner.get("/").await.text().contains("hx-get=\"/dashboard/live/counts\""));
    let cards = owner.get("/dashboard/live/counts").await.text();
    for label in ["Active installations", "Expiring soon", "1,000.00", "Open tickets", "Free ports"] {
        assert!(cards.contains(label), "no {label} in {cards}");
    }
    let person = tenant.person(&["tickets.view"]).await;
    let mut browser = tenant.browser_as(&person.email, crate::harness::PASSWORD).await;
    let cards = browser.get("/dashboard/live/counts").await.text();
    assert!(cards.contains("Open tickets") && !cards.contains("Collected today"), "{cards}");
}
