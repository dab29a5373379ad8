//! A small provider whose every figure, of every report, was worked out by hand; in three zones, with the same days on each clock.
//!
//! A report's figures are compared as a whole, so that a new one fails here until somebody has worked it out.

use chrono::{Duration, NaiveTime, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::text,
    reports::{Books, ZONES, at, table, tenant_in},
};

/// What a report says at its top.
fn figures(report: &Value) -> Vec<(String, String)> {
    let figures = report["figures"].as_array().unwrap();
    figures.iter().map(|figure| (text(figure, "/key"), text(figure, "/value"))).collect()
}

/// `collected 3300.00, payments 4`
fn worked_out(line: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (key, value) = part.trim().split_once(' ').unwrap_or((part.trim(), ""));
        (key.to_owned(), value.to_owned())
    };
    line.split(',').map(pair).collect()
}

impl Books<'_> {
    async fn run(&self, statement: &str) {
        self.client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }

    async fn pay(&self, customer: Uuid, (amount, allocated): (i64, i64), when: &str) -> Uuid {
        let id = Uuid::now_v7();
        self.payment(id, customer, (amount, allocated), "cash", at(self.zone, when)).await;
        id
    }

    /// Number, opened, category, priority, status, how many hours later it was resolved, seconds that it waited.
    async fn ticket(
        &self,
        customer: Uuid,
        assigned_to: Option<Uuid>,
        (number, opened, category, priority, status, hours, waited): Ticket<'_>,
    ) {
        let opened = at(self.zone, opened);
        let resolved = hours.map(|hours| opened + Duration::hours(hours));
        let waiting = (status == "waiting").then(|| opened + Duration::hours(1));
        self.client
            .execute(
                "INSERT INTO ticket (id, number, customer_id, title, category, priority, status, reported_by_label, assigned_to, \
                 sla_due_at, resolved_at, waited_seconds, waiting_since, created_at) VALUES ($1, $2, $3, 'x', $4, $5, $6, 'x', $7, \
                 $8::timestamptz + interval '4 hours', $9, $10, $11, $8)",
                &[
                    &Uuid::now_v7(), &number, &customer, &category, &priority, &status, &assigned_to, &opened, &resolved, &waited,
                    &waiting,
                ],
            )
            .await
            .unwrap();
    }
}

type Ticket<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, Option<i64>, i64);

/// The fixture, in days of the provider's zone. Everybody is connected on the day on which they come; a period is of 30 days and costs
/// 1,000, on a plan of 1,000 for 30 days.
///
/// | when                | who | what                                                                        |
/// |---------------------|-----|-----------------------------------------------------------------------------|
/// | 2024-01-10 12:00:00 | Dan | comes, first period (to 9 February, 12:00); never again; is suspended now   |
/// | 2024-01-31 23:59:59 | Ana | comes, first period (to 1 March, 23:59:59)                                  |
/// | 2024-02-01 00:00:00 | Ben | comes, first period (to 2 March); connected by Olive                        |
/// | 2024-02-10 12:00:00 | Ben | 300 on account                                                              |
/// | 2024-02-11 12:00:00 | Ben | 100 of it given back                                                        |
/// | 2024-02-15 12:00:00 | Cem | comes                                                                       |
/// | 2024-02-18 12:00:00 | Cem | first period (to 19 March), on a plan of 299 for 7 days                     |
/// | 2024-02-20 12:00:00 | Cem | 5,000, void                                                                 |
/// | 2024-02-20 12:00:00 | Eve | comes, a period that she has not paid; 250 were taken off (to 21 March)     |
/// | 2024-02-29 23:59:59 | Ana | second period, paid a day before the first one ends, and chained to it      |
///
/// Ana and Ben have two of the eight ports of the one NAP, below an LCP in the one area, North.
async fn fill(books: &Books<'_>, owner: Uuid) {
    let dan = books.customer("Dan", "2024-01-10 12:00:00").await;
    let ana = books.customer("Ana", "2024-01-31 23:59:59").await;
    let ben = books.customer("Ben", "2024-02-01 00:00:00").await;
    let cem = books.customer("Cem", "2024-02-15 12:00:00").await;
    let eve = books.customer("Eve", "2024-02-20 12:00:00").await;
    books.sale(dan, "2024-01-10 12:00:00", "cash").await;
    books.sale(ana, "2024-01-31 23:59:59", "cash").await;
    books.sale(ben, "2024-02-01 00:00:00", "gcash").await;
    books.sale(cem, "2024-02-18 12:00:00", "cash").await;
    books.sale(ana, "2024-02-29 23:59:59", "cash").await;
    let credit = books.pay(ben.0, (300, 0), "2024-02-10 12:00:00").await;
    let void = books.pay(cem.0, (5_000, 0), "2024-02-20 12:00:00").await;
    let unpaid = books.sale(eve, "2024-02-20 12:00:00", "cash").await;
    books
        .client
        .execute(
            "INSERT INTO refund (id, payment_id, customer_id, amount, method, reason, refunded_by_label, refunded_at) \
             VALUES ($1, $2, $3, 100, 'cash', 'asked', 'Cora', $4)",
            &[&Uuid::now_v7(), &credit, &ben.0, &at(books.zone, "2024-02-11 12:00:00")],
        )
        .await
        .unwrap();
    let (dan, ana, ben, cem, eve) = (dan.0, ana.0, ben.0, cem.0, eve.0);
    books
        .run(&format!(
            "UPDATE payment SET refunded_amount = 100 WHERE id = '{credit}'; \
             UPDATE payment SET status = 'void', voided_at = now(), void_reason = 'twice' WHERE id = '{void}'; \
             DELETE FROM payment_allocation WHERE payment_id = '{unpaid}'; DELETE FROM payment WHERE id = '{unpaid}'; \
             UPDATE subscription SET paid_amount = 0, credited_amount = 250 WHERE customer_id = '{eve}'; \
             UPDATE subscription SET starts_at = starts_at + interval '24 hours', ends_at = ends_at + interval '24 hours' \
                WHERE customer_id = '{ana}' AND created_at > '2024-02-15'; \
             UPDATE subscription SET price = 299, period_days = 7 WHERE customer_id = '{cem}'; \
             UPDATE customer SET status = 'suspended' WHERE id = '{dan}'; \
             INSERT INTO lcp (id, code, name, area_id) SELECT gen_random_uuid(), 'LCP-1', 'One', id FROM area; \
             INSERT INTO splitter (id, lcp_id, depth, code, type, outputs) SELECT gen_random_uuid(), id, 1, 'SP-1', '1:8', 8 FROM lcp; \
             INSERT INTO splitter_output (splitter_id, number, outputs, loss_db) SELECT id, 1, 8, 10 FROM splitter; \
             INSERT INTO nap (id, splitter_id, splitter_output, code, name, port_capacity) \
                SELECT gen_random_uuid(), id, 1, 'NAP-1', 'Corner', 8 FROM splitter; \
             INSERT INTO nap_port (nap_id, number, capacity) SELECT id, n, 8 FROM nap, generate_series(1, 8) n; \
             UPDATE installation SET (nap_id, nap_port) = (SELECT id, 1 FROM nap) WHERE customer_id = '{ana}'; \
             UPDATE installation SET (nap_id, nap_port, technician_id) = (SELECT id, 2, '{owner}'::uuid FROM nap) WHERE customer_id = '{ben}'"
        ))
        .await;
    tickets(books, ana, owner).await;
}

/// Each is promised within four hours. The one that was merged counts nowhere.
async fn tickets(books: &Books<'_>, ana: Uuid, owner: Uuid) {
    let of: [(Ticket<'_>, Option<Uuid>); 9] = [
        (("T-1", "2024-02-05 09:00:00", "billing", "urgent", "resolved", Some(10), 3_600), Some(owner)),
        (("T-2", "2024-02-06 09:00:00", "billing", "urgent", "resolved", Some(3), 0), Some(owner)),
        (("T-3", "2024-02-07 09:00:00", "billing", "high", "resolved", Some(2), 0), Some(owner)),
        (("T-4", "2024-02-08 09:00:00", "upgrade", "low", "pending", None, 0), None),
        (("T-5", "2024-02-09 09:00:00", "upgrade", "low", "assigned", None, 0), Some(owner)),
        (("T-6", "2024-02-10 09:00:00", "other", "low", "in_progress", None, 0), Some(owner)),
        (("T-7", "2024-02-11 09:00:00", "other", "low", "waiting", None, 0), Some(owner)),
        (("T-8", "2024-02-12 09:00:00", "other", "low", "cancelled", None, 0), None),
        (("T-9", "2024-02-13 09:00:00", "billing", "low", "cancelled", None, 0), None),
    ];
    for (ticket, assigned_to) in of {
        books.ticket(ana, assigned_to, ticket).await;
    }
    books.run("UPDATE ticket SET merged_into = (SELECT id FROM ticket WHERE number = 'T-1') WHERE number = 'T-9'").await;
}

/// February 2024, which has 29 days.
const FEBRUARY: &[(&str, &str)] = &[
    // Ben 1,000 and 300, Cem 1,000, Ana 1,000.
    ("daily-collection", "collected 3300.00, payments 4, refunded 100.00, net 3200.00, average 825.00"),
    // By three customers: 3,200 / 3. Ben's and Cem's first periods are new, Ana's second is a renewal, the 300 lie on none.
    (
        "monthly-revenue",
        "revenue 3200.00, payments 4, refunded 100.00, customers 3, per_customer 1066.67, new 2000.00, renewal 1000.00, on_no_period 300.00",
    ),
    // When March begins, Ana, Ben and Eve run at 1,000, and Cem at 299 x 30 / 7 = 1,281.43. Of Dan, Ana and Ben, who ran when February
    // began, Dan left. Eve owes 1,000 - 250, and 200 of Ben's 300 are held.
    (
        "finance",
        "mrr 4281.43, revenue 3200.00, refunded 100.00, per_customer 1066.67, churn 33.3, owed 750.00, credit 200.00, new 2000.00, \
         renewal 1000.00, on_no_period 300.00",
    ),
    // Ben, Cem, Eve and Ana bought; Ana alone had a period before, and bought a day before it ended.
    (
        "payment-behaviour",
        "payments 4, collected 3300.00, average 825.00, renewals 1, on_time 100.0, gap -1.0",
    ),
    // Ben, Cem and Eve: 3 x 30.4375 / 29 = 3.1 a month. Ben paid at once, Cem on the third day, Eve not yet.
    ("customer-acquisition", "customers 3, installations 3, a_month 3, to_payment 1.5"),
    // Five of which Dan is suspended; three came to the two who were there; two of eight ports.
    ("area-performance", "customers 5, active 4, new 3, growth 150.0, revenue 3200.00, tickets 8, used 25.0"),
    // Three of eight are resolved, two of those within four hours. Past the promise are T-4, T-5 and T-6: T-7 waits since it was in time.
    // The urgent ones took 10 - 1 and 3 hours. Billing and other have three each of those that count: the first of the list is told.
    (
        "ticket-analysis",
        "tickets 8, resolved 3, rate 37.5, pending 1, in_progress 2, waiting 1, cancelled 1, overdue 3, kept 66.7, urgent_hours 6.0, \
         most_common Billing",
    ),
    // Ben's installation; T-1, T-2, T-3, T-5, T-6 and T-7 are Olive's.
    (
        "technician-performance",
        "installations 1, assigned 6, resolved 3, top Olive Owner, best_rate Olive Owner, fastest Olive Owner",
    ),
];

#[tokio::test]
async fn every_figure_of_every_report_is_what_was_worked_out_by_hand() {
    for zone in ZONES {
        let (tenant, api, client) = tenant_in(zone).await;
        let books = Books::open(&client, zone.parse().unwrap()).await;
        fill(&books, tenant.owner_id.parse().unwrap()).await;
        let report = async |name: &str, days: &str| {
            api.get(&format!("/api/v1/reports/{name}?{days}")).await.expect(200)
        };
        let february = "from=2024-02-01&to=2024-02-29";
        for (name, line) in FEBRUARY {
            assert_eq!(figures(&report(name, february).await), worked_out(line), "{name} in {zone}");
        }
        let finance = report("finance", february).await;
        // Dan, Ana and Ben at 1,000 when February began: 42.7 % more.
        assert_eq!(finance["figures"][0]["changes"][0]["percent"], "42.7");
        let rows = |of: [(&str, &str); 4]| of.map(|(what, n)| json!([what, n])).to_vec();
        let served =
            [("At the beginning", "3"), ("Left", "1"), ("Came or came back", "2"), ("At the end", "4")];
        assert_eq!(table(&finance, "churn"), &rows(served));
        assert_eq!(table(&finance, "aging")[4], json!(["More than 90 days", "1", "750.00", "100.0"]));
        ends(&books).await;
        let today = Utc::now().with_timezone(&books.zone).date_naive();
        let days = format!("from={}&to={}", today - Duration::days(40), today + Duration::days(10));
        assert_eq!(
            figures(&report("subscription-expiry", &days).await),
            worked_out("ends_today 2, ends_in_3 2, ends_in_7 2, ended_yesterday 2, to_disconnect 2"),
            "{zone}"
        );
        let index = api.get("/api/v1/reports").await.expect(200);
        assert_eq!(
            index["items"].as_array().unwrap().len(),
            FEBRUARY.len() + 1,
            "a report that nobody worked out"
        );
    }
}

/// Others, whose service ends at both ends of each group of days from today, and one beside each.
async fn ends(books: &Books<'_>) {
    let zone: Tz = books.zone;
    let today = Utc::now().with_timezone(&zone).date_naive();
    let last = NaiveTime::from_hms_opt(23, 59, 59).unwrap();
    for (days, time, status) in [
        (-31, last, "inactive"),
        (-30, NaiveTime::MIN, "inactive"),
        (-2, last, "inactive"),
        (-1, NaiveTime::MIN, "inactive"),
        (-1, last, "inactive"),
        (0, NaiveTime::MIN, "inactive"),
        (0, last, "active"),
        (0, last, "suspended"),
        (1, NaiveTime::MIN, "active"),
        (3, last, "active"),
        (4, NaiveTime::MIN, "active"),
        (7, last, "active"),
        (8, NaiveTime::MIN, "active"),
    ] {
        let (_, installation) = books.customer("Flo", "2023-12-01 00:00:00").await;
        let ends = at(zone, &(today + Duration::days(days)).and_time(time).to_string());
        books
            .client
            .execute(
                "UPDATE installation SET paid_until = $2, status = $3, installed_on = '2023-12-01' WHERE id = $1",
                &[&installation, &ends, &status],
            )
            .await
            .unwrap();
    }
}
