//! Customers over the API.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Api, sql, tenant, text};

async fn add(api: &Api, body: Value) -> String {
    text(&api.post("/api/v1/customers", body).await.expect(201), "/id")
}

async fn named(api: &Api, first: &str, last: &str) -> String {
    add(api, json!({"first_name": first, "last_name": last})).await
}

fn path(id: &str) -> String {
    format!("/api/v1/customers/{id}")
}

#[tokio::test]
async fn a_customer_is_kept_as_it_was_sent() {
    let api = tenant().await.api().await;
    let area = text(&api.post("/api/v1/areas", json!({"name": "Carmen"})).await.expect(201), "/id");
    let id = add(
        &api,
        json!({
            "first_name": " Ana ", "last_name": "Cruz", "email": "Ana@X.example", "phone_primary": "+63 917 555 0101",
            "street_address": "5 Corrales", "area_id": area, "reference": "R-1", "notes": "Dog.\r\nGate.",
            "latitude": 8.4772, "longitude": 124.6459, "location_accuracy": "exact", "location_notes": "Green gate",
        }),
    )
    .await;
    let kept = api.get(&path(&id)).await.expect(200);
    let expected = [
        ("first_name", json!("Ana")),
        ("email", json!("ana@x.example")),
        ("phone_primary", json!("+639175550101")),
        ("area_id", json!(area)),
        ("status", json!("active")),
        ("notes", json!("Dog.\nGate.")),
        ("latitude", json!(8.4772)),
        ("longitude", json!(124.6459)),
        ("location_accuracy", json!("exact")),
    ];
    for (field, value) in expected {
        assert_eq!(kept[field], value, "{field}");
    }
}

#[tokio::test]
async fn every_wrong_field_is_named_and_half_a_place_is_wrong() {
    let api = tenant().await.api().await;
    let bad =
        json!({"first_name": "", "email": "x", "status": "dead", "latitude": 200, "longitude": 500, "x": 1});
    let wrong = api.post("/api/v1/customers", bad).await.wrong_fields();
    assert_eq!(wrong, ["first_name", "last_name", "latitude", "longitude", "status", "x"]);
    let half =
        json!({"first_name": "A", "last_name": "B", "latitude": 8.4, "email": "x", "phone_primary": "call"});
    assert_eq!(
        api.post("/api/v1/customers", half).await.wrong_fields(),
        ["email", "longitude", "phone_primary"]
    );
}

#[tokio::test]
async fn addresses_and_account_numbers_are_unique_among_those_who_are_here() {
    let api = tenant().await.api().await;
    let body = json!({"first_name": "A", "last_name": "B", "email": "a@x.example", "reference": "R-1"});
    let first = add(&api, body).await;
    let same_mail = json!({"first_name": "C", "last_name": "D", "email": "A@X.example"});
    api.post("/api/v1/customers", same_mail.clone()).await.refused(409, "email_taken");
    let same_number = json!({"first_name": "C", "last_name": "D", "reference": "r-1"});
    api.post("/api/v1/customers", same_number).await.refused(409, "reference_taken");
    api.delete(&path(&first)).await.expect(204);
    add(&api, same_mail).await;
    api.post(&format!("{}/restore", path(&first)), json!({})).await.refused(409, "email_taken");
}

#[tokio::test]
async fn a_change_keeps_what_is_absent_and_takes_away_what_is_null() {
    let api = tenant().await.api().await;
    let id = add(
        &api,
        json!({"first_name": "A", "last_name": "B", "email": "a@x.example", "notes": "n", "latitude": 1.5, "longitude": 2.5}),
    )
    .await;
    let changed =
        api.patch(&path(&id), json!({"email": null, "last_name": "C", "latitude": 3})).await.expect(200);
    assert_eq!(
        (
            &changed["email"],
            &changed["last_name"],
            &changed["notes"],
            &changed["latitude"],
            &changed["longitude"]
        ),
        (&json!(null), &json!("C"), &json!("n"), &json!(3.0), &json!(2.5))
    );
    assert_eq!(api.patch(&path(&id), json!({"longitude": null})).await.wrong_fields(), ["longitude"]);
    let trail = api.get("/api/v1/audit-events?limit=1").await.expect(200);
    let event = &trail["items"][0];
    assert_eq!(event["action"], "customer.updated");
    assert_eq!(event["before"], json!({"email": "a@x.example", "last_name": "B", "latitude": "1.5"}));
    assert_eq!(event["after"], json!({"email": null, "last_name": "C", "latitude": "3"}));
}

#[tokio::test]
async fn the_list_pages_without_gaps_in_every_order_and_filter() {
    let api = tenant().await.api().await;
    let area = text(&api.post("/api/v1/areas", json!({"name": "Carmen"})).await.expect(201), "/id");
    for n in 0..23 {
        let mut body = json!({"first_name": format!("Ana{}", n % 5), "last_name": format!("Cruz{}", n % 3)});
        if n % 2 == 0 {
            body["area_id"] = json!(area);
            body["latitude"] = json!(8.4);
            body["longitude"] = json!(124.6);
            body["status"] = json!(if n % 4 == 0 { "suspended" } else { "inactive" });
        }
        add(&api, body).await;
    }
    let filters = [
        (String::new(), 23),
        ("&status=suspended".into(), 6),
        ("&status=suspended&status=inactive".into(), 12),
        ("&status=suspended,active".into(), 17),
        (format!("&area_id={area}"), 12),
        ("&located=false".into(), 11),
        ("&q=ana1%20cruz".into(), 5),
    ];
    for sort in ["created", "-created", "name", "-name", "updated", "-updated"] {
        for (filter, expected) in &filters {
            let first = format!("/api/v1/customers?limit=4&total=true&sort={sort}{filter}");
            let (mut seen, mut rows, mut next) = (BTreeSet::new(), 0, first.clone());
            loop {
                let page = api.get(&next).await.expect(200);
                assert_eq!(page["total"], *expected, "{first}");
                for customer in page["items"].as_array().unwrap() {
                    rows += 1;
                    seen.insert(text(customer, "/id"));
                }
                let Some(cursor) = page["next_cursor"].as_str() else { break };
                next = format!("{first}&cursor={cursor}");
            }
            assert_eq!((seen.len(), rows), (*expected, *expected), "{first}");
        }
    }
    let cursor = text(&api.get("/api/v1/customers?limit=1&sort=name").await.expect(200), "/next_cursor");
    api.get(&format!("/api/v1/customers?sort=-name&cursor={cursor}")).await.refused(400, "bad_cursor");
}

#[tokio::test]
async fn a_search_takes_words_literally_and_numbers_as_they_are_dialled() {
    let api = tenant().await.api().await;
    let id = add(
        &api,
        json!({"first_name": "María_José", "last_name": "Ñáñez", "phone_primary": "+639175550101"}),
    )
    .await;
    named(&api, "Ben", "Reyes").await;
    let found = async |q: &str| {
        let page = api.get(&format!("/api/v1/customers?q={q}")).await.expect(200);
        page["items"].as_array().unwrap().iter().map(|one| text(one, "/id")).collect::<Vec<_>>()
    };
    for q in [
        "_",
        "MAR%C3%8DA",
        "%C3%91%C3%A1%C3%B1ez+maria_jos%C3%A9".replace("maria", "mar%C3%ADa").as_str(),
        "0917+555+0101",
        "9175550101",
    ] {
        assert_eq!(found(q).await, [id.as_str()], "{q}");
    }
    for q in ["%25", "ana+ben", "%5C"] {
        assert!(found(q).await.is_empty(), "{q}");
    }
    assert_eq!(found("%00").await.len(), 2);
}

#[tokio::test]
async fn a_change_of_status_is_told_with_its_reason() {
    let api = tenant().await.api().await;
    let id = named(&api, "Ana", "Cruz").await;
    let to = format!("{}/status", path(&id));
    for status in ["suspended", "terminated", "active", "inactive"] {
        let body = json!({"status": status, "reason": "Because"});
        assert_eq!(api.post(&to, body).await.expect(200)["status"], status);
    }
    let event = &api.get("/api/v1/audit-events?limit=1").await.expect(200)["items"][0];
    assert_eq!(event["action"], "customer.deactivated");
    assert_eq!(event["after"], json!({"status": "inactive", "reason": "Because"}));
    assert_eq!(api.post(&to, json!({"status": "gone"})).await.wrong_fields(), ["status"]);
}

#[tokio::test]
async fn those_who_look_alike_are_found_and_merged() {
    let api = tenant().await.api().await;
    let one =
        add(&api, json!({"first_name": "Lourdes", "last_name": "Bautista", "phone_primary": "09175550100"}))
            .await;
    let twin = json!({"first_name": "Lourdes G.", "last_name": "Bautista", "phone_primary": "0917-555-0100", "email": "l@x.example", "notes": "Twin"});
    api.post("/api/v1/customers?refuse_duplicates=true", twin.clone())
        .await
        .refused(409, "possible_duplicate");
    let two = add(&api, twin).await;
    named(&api, "Somebody", "Else").await;
    let alike = api.get(&format!("{}/duplicates", path(&one))).await.expect(200);
    assert_eq!(alike["items"].as_array().unwrap().len(), 1);
    assert_eq!(alike["items"][0]["customer"]["id"], json!(two));
    assert_eq!(alike["items"][0]["reasons"], json!(["same_phone", "similar_name"]));
    let merge = format!("{}/merge", path(&one));
    assert_eq!(api.post(&merge, json!({"from": one, "fields": []})).await.wrong_fields(), ["from"]);
    let whole = api.post(&merge, json!({"from": two, "fields": ["email"]})).await.expect(200);
    assert_eq!((&whole["email"], &whole["notes"]), (&json!("l@x.example"), &json!(null)));
    api.get(&path(&two)).await.refused(404, "not_found");
    api.post(&format!("{}/restore", path(&two)), json!({})).await.refused(409, "merged");
}

#[tokio::test]
async fn many_change_together_or_not_at_all() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let area = text(&api.post("/api/v1/areas", json!({"name": "Carmen"})).await.expect(201), "/id");
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(named(&api, &format!("Ana{n}"), "Cruz").await);
    }
    named(&api, "Ben", "Reyes").await;
    let bulk = async |body: Value| api.post("/api/v1/customers/bulk", body).await;
    let all = json!({"filter": {"q": "cruz"}, "action": "set_status", "value": "suspended"});
    assert_eq!(bulk(all.clone()).await.expect(200), json!({"matched": 5, "changed": 5}));
    assert_eq!(bulk(all).await.expect(200), json!({"matched": 5, "changed": 0}));
    let counts = api.get("/api/v1/customers/counts").await.expect(200);
    assert_eq!(
        (&counts["suspended"], &counts["active"], &counts["total"]),
        (&json!(5), &json!(1), &json!(6))
    );
    let unknown = json!({"ids": [ids[0], uuid::Uuid::new_v4()], "action": "set_area", "value": area});
    assert_eq!(bulk(unknown).await.wrong_fields(), ["ids[1]"]);
    assert_eq!(api.get(&path(&ids[0])).await.expect(200)["area_id"], json!(null), "a part was done");
    let moved = json!({"ids": ids, "action": "set_area", "value": area});
    assert_eq!(bulk(moved).await.expect(200)["changed"], 5);
    assert_eq!(bulk(json!({"ids": ids, "action": "delete"})).await.expect(200)["changed"], 5);
    assert_eq!(bulk(json!({"ids": ids, "action": "restore"})).await.expect(200)["changed"], 5);
    let client = sql(&tenant.server.database).await;
    let told = format!(
        "SELECT count(*) FROM {}.audit_event WHERE action IN ('customer.suspended', 'customer.deleted', 'customer.restored')",
        tenant.schema().await
    );
    let events: i64 = client.query_one(&told, &[]).await.unwrap().get(0);
    assert_eq!(events, 15, "one event per customer and change");
    for body in [
        json!({"action": "delete"}),
        json!({"ids": [], "action": "delete"}),
        json!({"filter": {}, "action": "restore"}),
    ] {
        bulk(body).await.expect_status(422);
    }
}

#[tokio::test]
async fn the_map_has_who_lies_in_the_box() {
    let api = tenant().await.api().await;
    for (n, longitude) in [-179.5, 0.5, 179.5].into_iter().enumerate() {
        add(
            &api,
            json!({"first_name": format!("A{n}"), "last_name": "B", "latitude": 1.0, "longitude": longitude}),
        )
        .await;
    }
    named(&api, "No", "Where").await;
    let within = async |bbox: &str| {
        let found = api.get(&format!("/api/v1/customers/coordinates{bbox}")).await.expect(200);
        assert_eq!((&found["type"], &found["truncated"]), (&json!("FeatureCollection"), &json!(false)));
        found["features"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["geometry"]["coordinates"][0].as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(within("").await.len(), 3);
    assert_eq!(within("?bbox=0,0,1,2").await, [0.5]);
    assert_eq!(within("?bbox=179,0,-179,2").await, [179.5, -179.5], "across the date line");
    assert_eq!(api.get("/api/v1/customers/coordinates?bbox=1,2").await.wrong_fields(), ["bbox"]);
}

#[tokio::test]
async fn an_export_is_exactly_the_list() {
    let api = tenant().await.api().await;
    for n in 0..3 {
        named(&api, &format!("=Ana{n}"), "Cruz").await;
    }
    named(&api, "Ben", "Reyes").await;
    let csv = api.get("/api/v1/customers/export?format=csv&q=cruz&sort=name").await;
    csv.expect_status(200);
    assert_eq!(csv.header("content-type"), "text/csv");
    let text = csv.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("reference,first_name,last_name,email"));
    assert!(lines[1].starts_with(",'=Ana0,Cruz,"), "{}", lines[1]);
    let xlsx = api.get("/api/v1/customers/export?format=xlsx").await;
    assert!(xlsx.expect_status(200).body.starts_with(b"PK"));
    api.get("/api/v1/customers/export?format=pdf").await.expect_status(422);
    let event = &api.get("/api/v1/audit-events?limit=1").await.expect(200)["items"][0];
    assert_eq!(event["action"], "customer.exported");
}

#[tokio::test]
async fn the_same_key_adds_one_customer() {
    let api = tenant().await.api().await.header("idempotency-key", "one");
    let body = json!({"first_name": "Ana", "last_name": "Cruz"});
    let first = api.post("/api/v1/customers", body.clone()).await.expect(201);
    assert_eq!(api.post("/api/v1/customers", body).await.expect(201), first);
    api.post("/api/v1/customers", json!({"first_name": "Ben", "last_name": "Cruz"})).await.expect_status(422);
    assert_eq!(api.get("/api/v1/customers?total=true").await.expect(200)["total"], 1);
}

#[tokio::test]
async fn another_tenants_customer_is_not_there_on_any_verb() {
    let (ours, theirs) = (tenant().await.api().await, tenant().await.api().await);
    let id = named(&theirs, "Theirs", "Only").await;
    let area = text(&theirs.post("/api/v1/areas", json!({"name": "Theirs"})).await.expect(201), "/id");
    let own = named(&ours, "Ours", "Only").await;
    ours.get(&path(&id)).await.refused(404, "not_found");
    ours.patch(&path(&id), json!({"notes": "x"})).await.refused(404, "not_found");
    ours.delete(&path(&id)).await.refused(404, "not_found");
    ours.get(&format!("{}/duplicates", path(&id))).await.refused(404, "not_found");
    ours.post(&format!("{}/restore", path(&id)), json!({})).await.refused(404, "not_found");
    ours.post(&format!("{}/status", path(&id)), json!({"status": "active"})).await.refused(404, "not_found");
    ours.post(&format!("{}/merge", path(&id)), json!({"from": own})).await.refused(404, "not_found");
    // In a body it is a wrong field.
    assert_eq!(
        ours.post(&format!("{}/merge", path(&own)), json!({"from": id})).await.wrong_fields(),
        ["from"]
    );
    let there = json!({"first_name": "A", "last_name": "B", "area_id": area});
    assert_eq!(ours.post("/api/v1/customers", there).await.wrong_fields(), ["area_id"]);
    assert_eq!(ours.patch(&path(&own), json!({"area_id": area})).await.wrong_fields(), ["area_id"]);
    let bulk = json!({"ids": [id], "action": "delete"});
    assert_eq!(ours.post("/api/v1/customers/bulk", bulk).await.wrong_fields(), ["ids[0]"]);
    assert_eq!(theirs.get(&path(&id)).await.expect(200)["notes"], json!(null));
}

/// A customer and the line in the trail are sent together: when the first is refused, the second only says that something was, and
/// nobody hears that instead.
#[tokio::test]
async fn of_statements_sent_together_the_one_that_failed_is_heard() {
    let api = tenant().await.api().await;
    let new = json!({"first_name": "A", "last_name": "B", "area_id": uuid::Uuid::new_v4()});
    for _ in 0..40 {
        let all = (0..16).map(|_| api.post("/api/v1/customers", new.clone()));
        for answer in futures_util::future::join_all(all).await {
            answer.expect_status(422);
            assert_eq!(answer.wrong_fields(), ["area_id"]);
        }
    }
}
