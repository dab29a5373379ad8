//! A whole provider out of one file: customers with their ports, plans and what is paid of them.

use std::time::Instant;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::{
    harness::{Server, Settings, Tenant, mailbox::until, sql, tenant_on, text},
    imports::{IMPORTS, counts, end_of, errors_of, import, start, upload},
    isolation_http::rows_of,
    shop::Shop,
};

const HEADER: &str = "Account No,First name,Last name,NAP,Port,Installed on,Plan,Paid until\n";

/// Everything that an import could have left behind.
const ALL_ROWS: &str = "SELECT (SELECT count(*) FROM customer) || ' ' || (SELECT count(*) FROM installation) || ' ' || \
    (SELECT count(*) FROM subscription) || ' ' || (SELECT count(*) FROM ledger_entry) || ' ' || (SELECT count(*) FROM payment) \
    || ' ' || (SELECT count(*) FROM event) || ' ' || (SELECT count(*) FROM audit_event WHERE object_type <> 'customer_import')";

async fn shop_of(tenant: Tenant) -> Shop {
    let (api, schema) = (tenant.api().await, tenant.schema().await);
    let db = std::sync::Arc::new(sql(&tenant.server.database).await);
    Shop { tenant, api, db, schema }
}

/// So many NAPs of 32 ports below one splitter, NAP-0001 and on, and one plan.
async fn build(shop: &Shop, naps: usize) {
    shop.run(&format!(
        "INSERT INTO lcp (id, code, name) VALUES (gen_random_uuid(), 'LCP-1', 'One'); \
         INSERT INTO splitter (id, lcp_id, depth, code, type, outputs) SELECT gen_random_uuid(), id, 1, 'SP-1', '1:128', 128 FROM lcp; \
         INSERT INTO splitter_output (splitter_id, number, outputs, loss_db) SELECT id, n, 128, 21 FROM splitter, generate_series(1, 128) n; \
         INSERT INTO nap (id, splitter_id, splitter_output, code, name, port_capacity) SELECT gen_random_uuid(), s.id, (n - 1) % 128 + 1, \
            'NAP-' || lpad(n::text, 4, '0'), 'Box ' || n, 32 FROM splitter s, generate_series(1, {naps}) n; \
         INSERT INTO nap_port (nap_id, number, capacity) SELECT id, n, 32 FROM nap, generate_series(1, 32) n"
    ))
    .await;
    plan(shop, "Fiber 50", "900.00").await;
}

async fn plan(shop: &Shop, name: &str, price: &str) -> String {
    let body = json!({"name": name, "download_mbps": 50, "upload_mbps": 50, "price": price});
    text(&shop.api.post("/api/v1/plans", body).await.expect(201), "/id")
}

/// The tenant's own day, so many days from now.
async fn day(shop: &Shop, days: i64) -> NaiveDate {
    let today: NaiveDate =
        shop.ask(&format!("(now() AT TIME ZONE '{}')::date", zone(shop).await)).await.parse().unwrap();
    match u64::try_from(days) {
        Ok(days) => today + Days::new(days),
        Err(_) => today - Days::new(days.unsigned_abs()),
    }
}

async fn zone(shop: &Shop) -> String {
    shop.ask(&format!("SELECT time_zone FROM public.tenant WHERE id = '{}'", shop.tenant.id)).await
}

/// What an import did beside the customers: (installations, periods).
fn brought(import: &Value) -> (i64, i64) {
    (import["rows_connected"].as_i64().unwrap(), import["rows_brought"].as_i64().unwrap())
}

/// (line, field, code) of every error of an import.
async fn errors(shop: &Shop, import: &Value) -> Vec<(i64, String, String)> {
    errors_of(&shop.api, &text(import, "/id")).await
}

fn named(expected: &[(i64, &str, &str)]) -> Vec<(i64, String, String)> {
    expected.iter().map(|(line, field, code)| (*line, (*field).into(), (*code).into())).collect()
}

/// The installation of a customer, with its subscription.
async fn service(shop: &Shop, reference: &str) -> (Value, Value) {
    let id = shop
        .ask(&format!(
            "SELECT i.id FROM installation i JOIN customer c ON c.id = i.customer_id WHERE c.reference = '{reference}'"
        ))
        .await;
    let installation = shop.api.get(&format!("/api/v1/installations/{id}")).await.expect(200);
    let list = shop.api.get(&format!("/api/v1/subscriptions?installation_id={id}")).await.expect(200);
    (installation, list["items"][0]["subscription"].clone())
}

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn one_sheet_brings_a_whole_provider_and_again_nothing() {
    let shop = Shop::open().await;
    build(&shop, 3).await;
    let (soon, past, ahead, since) =
        (day(&shop, 20).await, day(&shop, -100).await, day(&shop, 200).await, day(&shop, -300).await);
    let file = format!(
        "{HEADER}A-1,Ana,Cruz,NAP-0001,1,{since},Fiber 50,{soon}\n\
         A-2,Ben,Cruz,nap-0001,P2,{since},fiber 50,{past}\n\
         A-3,Cara,Cruz,LCP-1/SP-1/NAP-0002,3,,,\n\
         A-4,Dan,Cruz,,,,,\n\
         A-5,Eve,Cruz,,,,Fiber 50,{soon}\n\
         A-6,Fay,Cruz,SP-1/NAP-0002,4,{since},Fiber 50,{ahead} 10:30\n"
    );
    let uploaded = upload(&shop.api, "isp.csv", file.as_bytes()).await;
    for row in uploaded["preview"].as_array().unwrap() {
        assert_eq!(row["problems"], json!([]), "{row}");
    }
    assert_eq!((&uploaded["mapping"]["nap"], &uploaded["mapping"]["paid_until"]), (&json!(3), &json!(7)));
    let id = text(&uploaded, "/id");
    let before = shop.ask(ALL_ROWS).await;
    start(&shop.api, &id, json!({"dry_run": true})).await;
    let tried = end_of(&shop.api, &id).await;
    assert_eq!((counts(&tried), brought(&tried)), ((6, 0, 0, 0), (5, 4)), "{tried}");
    assert_eq!(shop.ask(ALL_ROWS).await, before, "a trial leaves nothing");

    start(&shop.api, &id, json!({})).await;
    let done = end_of(&shop.api, &id).await;
    assert_eq!((counts(&done), brought(&done)), ((6, 0, 0, 0), (5, 4)), "{done}");

    let (ana, period) = service(&shop, "A-1").await;
    assert_eq!((&ana["status"], &ana["installed_on"]), (&json!("active"), &json!(since.to_string())));
    assert_eq!((&period["kind"], &period["amount"]), (&json!("opening"), &json!("0.00")), "{period}");
    let midnight =
        shop.ask(&format!("(('{soon}'::date + 1)::timestamp AT TIME ZONE '{}')", zone(&shop).await)).await;
    let at_midnight = format!(
        "SELECT (SELECT paid_until FROM installation WHERE id = '{}') = '{midnight}'",
        text(&ana, "/id")
    );
    assert_eq!(shop.ask(&at_midnight).await, "true", "the whole day is paid");
    assert!(instant(&period["starts_at"]) <= Utc::now());
    assert_eq!(period["days_added"], "30.00", "a month of which some is left: {period}");
    let (ben, over) = service(&shop, "A-2").await;
    assert_eq!((&ben["status"], &over["status"]), (&json!("inactive"), &json!("expired")));
    assert_eq!(service(&shop, "A-3").await.0["status"], "scheduled");
    assert_eq!(service(&shop, "A-5").await.0["status"], "active");
    let (_, long) = service(&shop, "A-6").await;
    assert!(instant(&long["starts_at"]) <= Utc::now() && long["status"] == "active", "{long}");

    // No money was made up: nothing is owed, nothing was paid, and the books are even.
    assert_eq!(
        shop.ask("SELECT (SELECT count(*) FROM payment) + (SELECT count(*) FROM ledger_entry)").await,
        "0"
    );
    shop.adds_up().await;
    assert_eq!(shop.ledger(&text(&ana, "/customer_id")).await["balance"], "0.00");
    // What is sold next begins where it ends, and is owed.
    let plan = text(&period, "/plan_id");
    let next = shop.sell(&text(&ana, "/id"), &plan).await;
    assert_eq!(next["starts_at"], period["ends_at"]);
    assert_eq!(shop.ledger(&text(&ana, "/customer_id")).await["balance"], "900.00");
    shop.adds_up().await;

    let before = shop.ask(ALL_ROWS).await;
    let again = import(&shop.api, "isp.csv", file.as_bytes(), json!({})).await;
    assert_eq!((counts(&again), brought(&again)), ((0, 0, 6, 0), (0, 0)), "{again}");
    assert_eq!(shop.ask(ALL_ROWS).await, before);
}

/// Ports, NAPs and plans that nobody can have.
async fn spoil(shop: &Shop) {
    let old = plan(shop, "Old 10", "500.00").await;
    shop.api.patch(&format!("/api/v1/plans/{old}"), json!({"is_active": false})).await.expect(200);
    let (holder, _) = shop.installation().await;
    shop.run(&format!(
        "UPDATE nap_port SET is_faulty = true WHERE number = 2; \
         UPDATE nap_port SET reserved_until = now() + interval '1 day', reserved_for = '{holder}' WHERE number = 3; \
         UPDATE installation SET (nap_id, nap_port) = (SELECT id, 4 FROM nap WHERE code = 'NAP-0001'); \
         UPDATE nap SET is_active = false WHERE code = 'NAP-0003'; \
         INSERT INTO splitter (id, lcp_id, depth, code, type, outputs) SELECT gen_random_uuid(), id, 1, 'SP-2', '1:2', 2 FROM lcp; \
         INSERT INTO splitter_output (splitter_id, number, outputs, loss_db) SELECT id, 1, 2, 4 FROM splitter WHERE code = 'SP-2'; \
         INSERT INTO nap (id, splitter_id, splitter_output, code, name) SELECT gen_random_uuid(), id, 1, 'NAP-0002', 'Twin' \
            FROM splitter WHERE code = 'SP-2'; \
         INSERT INTO nap_port (nap_id, number, capacity) SELECT id, n, 8 FROM nap, generate_series(1, 8) n WHERE name = 'Twin'"
    ))
    .await;
}

#[tokio::test]
async fn each_bad_cell_names_its_row_and_column() {
    let shop = Shop::open().await;
    build(&shop, 3).await;
    spoil(&shop).await;
    let soon = day(&shop, 5).await;
    let tomorrow = day(&shop, 1).await;
    let today = day(&shop, 0).await;
    let yesterday = day(&shop, -1).await;
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("NAP-9999,1,,,", &[("nap", "unknown_nap")]),
        ("NAP-0002,1,,,", &[("nap", "ambiguous_nap")]),
        ("NAP-0003,1,,,", &[("nap", "inactive_nap")]),
        ("SP-2/NAP-0002,9,,,", &[("nap_port", "out_of_range")]),
        ("NAP-0001,33,,,", &[("nap_port", "out_of_range")]),
        ("NAP-0001,x,,,", &[("nap_port", "not_a_number")]),
        ("NAP-0001,2,,,", &[("nap_port", "port_faulty")]),
        ("NAP-0001,3,,,", &[("nap_port", "port_reserved")]),
        ("NAP-0001,4,,,", &[("nap_port", "port_taken")]),
        ("NAP-0001,,,,", &[("nap_port", "needed_too")]),
        (",7,,,", &[("nap", "needed_too")]),
        ("NAP-0001,5,,,", &[]),
        ("LCP-1/SP-1/NAP-0001,5,,,", &[("nap_port", "duplicate_in_file")]),
        (",,,Fiber 99,SOON", &[("plan", "unknown_plan")]),
        (",,,Old 10,SOON", &[("plan", "plan_inactive")]),
        (",,,Fiber 50,", &[("paid_until", "needed_too")]),
        (",,,,SOON", &[("plan", "needed_too")]),
        (",,,Fiber 50,soon", &[("paid_until", "not_a_day")]),
        (",,,Fiber 50,03/04/2026", &[("paid_until", "not_a_day")]),
        (",,,Fiber 50,9999-12-31", &[("paid_until", "too_far")]),
        (",,,Fiber 50,1990-01-01", &[("paid_until", "too_early")]),
        (",,TODAY,Fiber 50,YESTERDAY", &[("paid_until", "before_installation")]),
        (",,TODAY,Fiber 50,TODAY", &[]),
        (",,TOMORROW,,", &[("installed_on", "in_future")]),
        (",,30.2.2026,,", &[("installed_on", "not_a_day")]),
        ("NAP-9999,1,,Fiber 99,SOON", &[("nap", "unknown_nap"), ("plan", "unknown_plan")]),
    ];
    let mut file = HEADER.to_owned();
    let mut expected = Vec::new();
    for (line, (cells, wrong)) in (2_i64..).zip(rows) {
        file.push_str(&format!("B-{line},Row{line},Cruz,{cells}\n"));
        expected.extend(wrong.iter().map(|(field, code)| (line, *field, *code)));
    }
    for (word, day) in [("SOON", soon), ("TODAY", today), ("YESTERDAY", yesterday), ("TOMORROW", tomorrow)] {
        file = file.replace(word, &day.to_string());
    }
    let good = i64::try_from(rows.iter().filter(|(_, wrong)| wrong.is_empty()).count()).unwrap();
    let bad = i64::try_from(rows.len()).unwrap() - good;
    let id = text(&upload(&shop.api, "bad.csv", file.as_bytes()).await, "/id");
    start(&shop.api, &id, json!({"dry_run": true})).await;
    let tried = end_of(&shop.api, &id).await;
    assert_eq!((counts(&tried), brought(&tried)), ((good, 0, 0, bad), (2, 1)), "{tried}");
    assert_eq!(errors(&shop, &tried).await, named(&expected));
    start(&shop.api, &id, json!({})).await;
    let done = end_of(&shop.api, &id).await;
    assert_eq!((counts(&done), brought(&done)), ((good, 0, 0, bad), (2, 1)), "{done}");
    assert_eq!(errors(&shop, &done).await, named(&expected), "the trial told what the run tells");
    let csv = shop.api.get(&format!("{IMPORTS}/{id}/errors.csv")).await.text();
    assert!(csv.contains("NAP port: Port 4 is already occupied by Ana Cruz"), "{csv}");
    assert!(csv.contains("NAP: There is no NAP “NAP-9999”. Plan: There is no plan “Fiber 99”."), "{csv}");
}

#[tokio::test]
async fn a_column_without_the_one_that_it_needs_is_no_column() {
    let shop = Shop::open().await;
    let half = upload(&shop.api, "half.csv", b"Account No,Name,Plan\nC-1,Ana Cruz,Fiber 50\n").await;
    assert_eq!(half["mapping"]["plan"], Value::Null);
    let body = json!({"mapping": {"reference": 0, "full_name": 1, "plan": 2}});
    let refused = shop.api.post(&format!("{IMPORTS}/{}/start", text(&half, "/id")), body).await;
    assert_eq!(refused.wrong_fields(), ["mapping[2]"]);
}

#[tokio::test]
async fn what_is_here_stays_as_it_is() {
    let shop = Shop::open().await;
    build(&shop, 1).await;
    let soon = day(&shop, 20).await;
    let line = |who: &str, rest: &str| format!("{HEADER}{who},{rest}\n");
    let run = async |who: &str, rest: &str| {
        let done = import(&shop.api, "one.csv", line(who, rest).as_bytes(), json!({})).await;
        let wrong = errors(&shop, &done).await.into_iter().map(|(_, field, code)| format!("{field} {code}"));
        (brought(&done), wrong.collect::<Vec<_>>())
    };
    // Of a customer who is here and was never connected, and on a port that is kept for her.
    shop.api
        .post("/api/v1/customers", json!({"first_name": "Ana", "last_name": "Cruz", "reference": "A-1"}))
        .await
        .expect(201);
    shop.run(
        "UPDATE nap_port SET reserved_until = now() + interval '1 day', reserved_for = (SELECT id FROM customer) WHERE number = 1",
    )
    .await;
    let skip = import(
        &shop.api,
        "s.csv",
        line("A-1,Ana,Cruz", "NAP-0001,1,,,").as_bytes(),
        json!({"on_match": "skip"}),
    )
    .await;
    assert_eq!((counts(&skip), brought(&skip)), ((0, 0, 1, 0), (0, 0)), "{skip}");
    let first = import(&shop.api, "f.csv", line("A-1,Ana,Cruz", "NAP-0001,1,,,").as_bytes(), json!({})).await;
    assert_eq!((counts(&first), brought(&first)), ((0, 1, 0, 0), (1, 0)), "{first}");
    assert_eq!(shop.ask("SELECT count(*) FROM nap_port WHERE reserved_until IS NOT NULL").await, "0");
    // The period comes later; nothing else of it can be said twice.
    assert_eq!(run("A-1,Ana,Cruz", &format!(",,,Fiber 50,{soon}")).await, ((0, 1), vec![]));
    assert_eq!(run("A-1,Ana,Cruz", &format!("NAP-0001,1,,Fiber 50,{soon}")).await, ((0, 0), vec![]));
    assert_eq!(
        run("A-1,Ana,Cruz", "NAP-0001,2,,,").await,
        ((0, 0), vec!["nap_port connected_already".into()])
    );
    let other = run("A-1,Ana,Cruz", &format!(",,,Fiber 50,{}", day(&shop, 21).await)).await;
    assert_eq!(other, ((0, 0), vec!["paid_until brought_already".into()]));

    let (customer, installation) = shop.installation().await;
    shop.run(&format!("UPDATE customer SET reference = 'S-1', first_name = 'Sol' WHERE id = '{customer}'"))
        .await;
    shop.sell(&installation, &shop.plan("500.00").await).await;
    let sold = run("S-1,Sol,Cruz", &format!(",,,Fiber 50,{soon}")).await;
    assert_eq!(sold, ((0, 0), vec!["paid_until sold_already".into()]));
    shop.another(&customer, "inactive").await;
    let several = run("S-1,Sol,Cruz", &format!(",,,Fiber 50,{soon}")).await;
    assert_eq!(several.1[0], "plan several_installations");

    let gone = shop.customer("Tom").await;
    shop.run(&format!("UPDATE customer SET reference = 'T-1' WHERE id = '{gone}'")).await;
    shop.another(&gone, "terminated").await;
    let ended = run("T-1,Tom,Cruz", "NAP-0001,7,,,").await;
    assert_eq!(ended, ((0, 0), vec!["nap_port terminated".into()]));
    shop.adds_up().await;
}

#[tokio::test]
async fn what_was_brought_forward_lives_on_like_any_period() {
    let shop = Shop::open().await;
    build(&shop, 1).await;
    let fast = plan(&shop, "Fiber 100", "1800.00").await;
    let soon = day(&shop, 10).await;
    let file = format!(
        "{HEADER}A-1,Ana,Cruz,NAP-0001,1,,Fiber 50,{soon}\nA-2,Ben,Cruz,NAP-0001,2,,Fiber 50,{soon}\n"
    );
    import(&shop.api, "two.csv", file.as_bytes(), json!({})).await;
    let (ana, period) = service(&shop, "A-1").await;
    let path = |what: &str| format!("/api/v1/subscriptions/{}/{what}", text(&period, "/id"));
    // Half as long on a plan twice as dear, and no money in it.
    let left = instant(&period["ends_at"]) - Utc::now();
    let changed = shop.api.post(&path("change"), json!({"plan_id": fast})).await.expect(200);
    let after = instant(&changed["ends_at"]) - instant(&changed["starts_at"]);
    assert!((after * 2 - left).num_minutes().abs() <= 3, "{left} became {after}");
    assert_eq!((&changed["amount"], &changed["kind"]), (&json!("0.00"), &json!("opening")), "{changed}");
    shop.adds_up().await;
    assert_eq!(shop.ledger(&text(&ana, "/customer_id")).await["items"], json!([]));

    let (ben, period) = service(&shop, "A-2").await;
    let path = format!("/api/v1/subscriptions/{}/cancel", text(&period, "/id"));
    let cancelled =
        shop.api.post(&path, json!({"reason": "Moved away", "credit": "unused"})).await.expect(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(shop.ledger(&text(&ben, "/customer_id")).await["balance"], "0.00", "nothing was paid here");
    shop.adds_up().await;
    // Re-reading the file does not bring a cancelled period back.
    let again = import(&shop.api, "two.csv", file.as_bytes(), json!({})).await;
    assert_eq!((counts(&again), brought(&again)), ((0, 0, 2, 0), (0, 0)), "{again}");
}

/// What a column of the file may name.
enum Names {
    /// Nothing that is in the books: the cell is a value of the customer's own.
    Nothing,
    /// Something that must be here: what each of these statements finds at another provider is refused with this code.
    Something(&'static str, &'static [&'static str]),
    /// Perhaps a customer who is here: what each of these finds at another provider finds nobody, and the row is a new customer.
    Somebody(&'static [&'static str]),
}

/// Every column of the file. One that is missing here fails the test until it is said what it may name.
const COLUMNS: &[(&str, Names)] = &[
    ("first_name", Names::Nothing),
    ("last_name", Names::Nothing),
    ("full_name", Names::Nothing),
    ("email", Names::Somebody(&["email"])),
    ("phone_primary", Names::Somebody(&["phone_primary"])),
    ("street_address", Names::Nothing),
    (
        "area",
        Names::Something(
            "unknown_area",
            &["SELECT name FROM area", "SELECT code FROM area", "SELECT id FROM area"],
        ),
    ),
    ("status", Names::Nothing),
    ("notes", Names::Nothing),
    ("latitude", Names::Nothing),
    ("longitude", Names::Nothing),
    ("reference", Names::Somebody(&["reference", "id"])),
    (
        "nap",
        Names::Something(
            "unknown_nap",
            &[
                "SELECT code FROM nap WHERE code = 'NAP-0002'",
                "SELECT 'SP-1/' || code FROM nap WHERE code = 'NAP-0002'",
                "SELECT 'LCP-1/SP-1/' || code FROM nap WHERE code = 'NAP-0002'",
                "SELECT name FROM nap WHERE code = 'NAP-0002'",
                "SELECT id FROM nap WHERE code = 'NAP-0002'",
                "SELECT id FROM nap WHERE code = 'NAP-0001'",
            ],
        ),
    ),
    // Both have a NAP of this code, and the other's has a port more.
    ("nap_port", Names::Something("out_of_range", &["SELECT max(number) FROM nap_port"])),
    ("installed_on", Names::Nothing),
    (
        "plan",
        Names::Something(
            "unknown_plan",
            &[
                "SELECT name FROM plan WHERE name LIKE 'Secret%'",
                "SELECT id FROM plan WHERE name LIKE 'Secret%'",
                "SELECT id FROM plan WHERE name = 'Fiber 50'",
            ],
        ),
    ),
    ("paid_until", Names::Nothing),
];

/// The columns that the program knows, as its document lists them.
async fn columns(shop: &Shop) -> Vec<String> {
    let document = shop.api.get("/api/openapi.json").await.expect(200);
    let mapping = document.pointer("/components/schemas/ImportMapping/properties").unwrap();
    mapping.as_object().unwrap().keys().cloned().collect()
}

/// A row that is right, column by column, of somebody of this name and on the port of this number.
fn right(column: &str, (first_name, last_name): (&str, &str), n: usize, soon: NaiveDate) -> String {
    match column {
        "first_name" => first_name.into(),
        "last_name" => last_name.into(),
        "email" => format!("ana{n}@walk.example"),
        "phone_primary" => format!("+63917123{n:04}"),
        "street_address" => format!("{n} Rizal St."),
        "area" => "Carmen".into(),
        "reference" => format!("A-{n:04}"),
        "nap" => "NAP-0001".into(),
        "nap_port" => n.to_string(),
        "plan" => "Fiber 50".into(),
        "paid_until" => soon.to_string(),
        _ => String::new(),
    }
}

/// A file of rows that are right but for one cell each, and its mapping.
fn file_of(
    columns: &[String],
    name: (&str, &str),
    wrong: &[(&str, String)],
    soon: NaiveDate,
) -> (String, Value) {
    let mut mapping = serde_json::Map::new();
    let shown: Vec<&String> = columns.iter().filter(|column| *column != "full_name").collect();
    for (at, column) in shown.iter().enumerate() {
        mapping.insert((*column).clone(), json!(at));
    }
    let mut file: Vec<String> = vec![shown.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(",")];
    for (n, (field, value)) in (1..).zip(wrong) {
        let cell =
            |column: &&String| if column == field { value.clone() } else { right(column, name, n, soon) };
        file.push(shown.iter().map(cell).collect::<Vec<_>>().join(","));
    }
    (file.join("\n") + "\n", Value::Object(mapping))
}

/// Two providers: the other one has a NAP, a plan and an area more, and a customer.
async fn neighbours() -> (Shop, Shop) {
    let (shop, other) = (Shop::open().await, Shop::open().await);
    build(&shop, 1).await;
    build(&other, 2).await;
    plan(&other, "Secret 1000", "100.00").await;
    shop.api.post("/api/v1/areas", json!({"name": "Carmen"})).await.expect(201);
    other.api.post("/api/v1/areas", json!({"name": "Bulua", "code": "BUL"})).await.expect(201);
    let theirs = json!({"first_name": "Zoe", "last_name": "Lim", "reference": "Z-1", "email": "zoe@theirs.example",
        "phone_primary": "+639179990000"});
    other.api.post("/api/v1/customers", theirs).await.expect(201);
    shop.run("DELETE FROM nap_port WHERE number > 24; UPDATE nap SET port_capacity = 24").await;
    (shop, other)
}

#[tokio::test]
async fn a_cell_that_names_what_another_provider_has_names_nothing() {
    let (shop, other) = neighbours().await;
    let soon = day(&shop, 5).await;
    let all = columns(&shop).await;
    let mut wrong: Vec<(&str, String)> = Vec::new();
    let mut expected = Vec::new();
    let mut persons: Vec<(&str, String)> = Vec::new();
    for column in &all {
        let known = COLUMNS.iter().find(|(name, _)| name == column);
        match &known.unwrap_or_else(|| panic!("what may {column} name of another provider?")).1 {
            Names::Nothing => {}
            Names::Something(code, found) => {
                for statement in *found {
                    wrong.push((column, other.ask(statement).await));
                    expected.push((i64::try_from(wrong.len()).unwrap() + 1, column.as_str(), *code));
                }
            }
            Names::Somebody(found) => {
                for what in *found {
                    let theirs =
                        other.ask(&format!("SELECT {what} FROM customer WHERE reference = 'Z-1'")).await;
                    persons.push((column, theirs));
                }
            }
        }
    }
    assert!(wrong.len() > 10 && persons.len() == 4, "{wrong:?} {persons:?}");

    let (own, theirs) = (shop.ask(ALL_ROWS).await, rows_of(&other.tenant).await);
    let (file, mapping) = file_of(&all, ("Ana", "Cruz"), &wrong, soon);
    for dry_run in [true, false] {
        let choices = json!({"mapping": mapping, "create_areas": false, "dry_run": dry_run});
        let done = import(&shop.api, "foreign.csv", file.as_bytes(), choices).await;
        assert_eq!(counts(&done), (0, 0, 0, i64::try_from(wrong.len()).unwrap()), "{file}\n{done}");
        assert_eq!(errors(&shop, &done).await, named(&expected), "{file}");
        assert_eq!(shop.ask(ALL_ROWS).await, own);
    }
    // Whoever is known to another provider alone is new here, however rows are matched.
    let (file, mapping) = file_of(&all, ("Zoe", "Lim"), &persons, soon);
    for match_by in ["any", "reference", "email", "phone_name"] {
        let choices =
            json!({"mapping": mapping, "dry_run": true, "match_by": match_by, "on_match": "update"});
        let done = import(&shop.api, "persons.csv", file.as_bytes(), choices).await;
        assert_eq!(counts(&done), (4, 0, 0, 0), "{match_by}: {file}\n{done}");
    }
    let done = import(&shop.api, "persons.csv", file.as_bytes(), json!({"mapping": mapping})).await;
    assert_eq!(
        (counts(&done), brought(&done)),
        ((4, 0, 0, 0), (4, 4)),
        "the rows are right but for what they name: {done}"
    );
    assert_eq!(rows_of(&other.tenant).await, theirs, "the other provider's rows changed");
}

#[tokio::test]
async fn ports_and_plans_are_rights_of_their_own() {
    let shop = Shop::open().await;
    build(&shop, 1).await;
    let file = format!("{HEADER}A-1,Ana,Cruz,NAP-0001,1,,Fiber 50,{}\n", day(&shop, 5).await);
    let id = text(&upload(&shop.api, "x.csv", file.as_bytes()).await, "/id");
    let path = format!("{IMPORTS}/{id}/start");
    for rights in [&["customers.import"][..], &["customers.import", "installations.create"]] {
        let person = shop.tenant.person(rights).await;
        let api = shop.tenant.api_of(&person).await;
        api.post(&path, json!({})).await.refused(403, "forbidden");
    }
    let person =
        shop.tenant.person(&["customers.import", "installations.create", "subscriptions.sell"]).await;
    shop.tenant.api_of(&person).await.post(&path, json!({})).await.expect(200);
    assert_eq!(brought(&end_of(&shop.api, &id).await), (1, 1));
}

/// A file of so many customers, each on a port of her own and paid for.
fn many(rows: usize, until: NaiveDate) -> Vec<u8> {
    let mut csv = HEADER.to_owned();
    for n in 0..rows {
        let (nap, port) = (n / 32 + 1, n % 32 + 1);
        csv.push_str(&format!("A-{n:06},Ana{n},Cruz,NAP-{nap:04},{port},2026-01-15,Fiber 50,{until}\n"));
    }
    csv.into_bytes()
}

#[tokio::test]
async fn five_thousand_rows_in_one_go() {
    const ROWS: usize = 5_000;
    let shop = Shop::open().await;
    build(&shop, ROWS / 32 + 1).await;
    let file = many(ROWS, day(&shop, 12).await);
    let rows = i64::try_from(ROWS).unwrap();
    let id = text(&upload(&shop.api, "isp.csv", &file).await, "/id");
    let begun = Instant::now();
    start(&shop.api, &id, json!({"dry_run": true})).await;
    let tried = end_of(&shop.api, &id).await;
    let trial = begun.elapsed();
    assert_eq!((counts(&tried), brought(&tried)), ((rows, 0, 0, 0), (rows, rows)), "{tried}");
    let begun = Instant::now();
    start(&shop.api, &id, json!({})).await;
    let done = end_of(&shop.api, &id).await;
    let run = begun.elapsed();
    assert_eq!((counts(&done), brought(&done)), ((rows, 0, 0, 0), (rows, rows)), "{done}");
    assert_eq!(shop.ask("SELECT count(*) FROM installation WHERE status = 'active'").await, ROWS.to_string());
    shop.adds_up().await;
    let begun = Instant::now();
    let again = import(&shop.api, "isp.csv", &file, json!({})).await;
    assert_eq!((counts(&again), brought(&again)), ((0, 0, rows, 0), (0, 0)), "{again}");
    println!("5,000 rows: trial {trial:?}, run {run:?}, again with the upload {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_killed_import_connects_nobody_twice() {
    const ROWS: usize = 5_000;
    let server = Server::own("imports_whole_killed", Settings::default()).await;
    let shop = shop_of(tenant_on(server).await).await;
    build(&shop, ROWS / 32 + 1).await;
    let id = text(&upload(&shop.api, "isp.csv", &many(ROWS, day(&shop, 12).await)).await, "/id");
    start(&shop.api, &id, json!({})).await;
    until("the first rows", async || {
        let import = shop.api.get(&format!("{IMPORTS}/{id}")).await.expect(200);
        (import["rows_done"].as_i64().unwrap() >= 500).then_some(())
    })
    .await;
    server.kill();
    let done: usize = shop.ask("SELECT rows_done FROM customer_import").await.parse().unwrap();
    assert!((500..ROWS).contains(&done), "killed at {done}: not in the middle");
    let made = "SELECT (SELECT count(*) FROM customer) || ' ' || (SELECT count(*) FROM installation) || ' ' || \
        (SELECT count(*) FROM subscription)";
    assert_eq!(shop.ask(made).await, format!("{done} {done} {done}"), "rows and progress are one");

    // The dead worker's lease runs out.
    shop.run("UPDATE public.job SET leased_until = now() WHERE lease IS NOT NULL").await;
    let heir = server.sibling(Settings::default());
    let shop = shop_of(Tenant { server: heir, ..shop.tenant }).await;
    let ended = end_of(&shop.api, &id).await;
    let rows = i64::try_from(ROWS).unwrap();
    assert_eq!((counts(&ended), brought(&ended)), ((rows, 0, 0, 0), (rows, rows)), "{ended}");
    assert_eq!(shop.ask(made).await, format!("{ROWS} {ROWS} {ROWS}"));
    assert_eq!(shop.ask("SELECT count(DISTINCT installation_id) FROM subscription").await, ROWS.to_string());
    shop.adds_up().await;
    assert!(heir.terminate());
}

#[tokio::test]
async fn the_wizard_offers_installations_and_plans() {
    let shop = Shop::open().await;
    build(&shop, 1).await;
    let template = shop.api.get(&format!("{IMPORTS}/template")).await.text();
    assert!(template.contains("LCP-1/SP-1/NAP-0001,1,") && template.contains("Fiber 50"), "{template}");
    let done = import(&shop.api, "template.csv", template.as_bytes(), json!({})).await;
    assert_eq!((counts(&done), brought(&done)), ((1, 0, 0, 0), (1, 1)), "{done}");

    let mut browser = shop.tenant.browser().await;
    browser.get("/customers/import").await.expect_status(200);
    let file = format!("{HEADER}A-9,Ana,Cruz,NAP-0001,1,,Fiber 50,{}\n", day(&shop, 5).await);
    let taken = browser.upload("/customers/import", &[], ("file", "isp.csv", file.as_bytes())).await;
    let path = taken.expect_status(303).header("location").to_owned();
    let page = browser.get(&path).await.text();
    for mark in [
        "<optgroup label=\"Installation\">",
        "<optgroup label=\"What is paid\">",
        "Port 1 is already occupied by Juan dela Cruz",
    ] {
        assert!(page.contains(mark), "{mark} is not on {page}");
    }
}
