//! Routers over the API and in the portal.

use serde_json::{Value, json};

use crate::harness::{Api, tenant, text};

/// Adds a router and answers its id.
pub async fn router(api: &Api, serial: &str, mac: &str) -> String {
    let body = json!({"brand": "MikroTik", "model": "hAP", "serial_number": serial, "mac_address": mac});
    text(&api.post("/api/v1/routers", body).await.expect(201), "/id")
}

#[tokio::test]
async fn a_mac_address_is_the_same_in_every_spelling() {
    let api = tenant().await.api().await;
    let id = router(&api, "S1", "48:a9:8a:01:02:03").await;
    let shown = api.get(&format!("/api/v1/routers/{id}")).await.expect(200);
    assert_eq!((&shown["mac_address"], &shown["state"]), (&json!("48:A9:8A:01:02:03"), &json!("in_stock")));
    for (at, spelled) in ["48-A9-8A-01-02-03", "48a9.8a01.0203", "48A98A010203"].into_iter().enumerate() {
        let body = json!({"brand": "ZTE", "serial_number": format!("T{at}"), "mac_address": spelled});
        api.post("/api/v1/routers", body).await.refused(409, "mac_address_taken");
    }
    let body = json!({"brand": "ZTE", "serial_number": "s1", "mac_address": "48:a9:8a:01:02:04"});
    api.post("/api/v1/routers", body).await.refused(409, "serial_number_taken");
    let body = json!({"brand": "", "serial_number": "", "mac_address": "00:00:00:00:00:00", "colour": "red"});
    assert_eq!(api.post("/api/v1/routers", body).await.wrong_fields(), ["brand", "colour", "serial_number"]);
    let body = json!({"brand": "ZTE", "serial_number": "Z", "mac_address": "00:00:00:00:00:00"});
    assert_eq!(api.post("/api/v1/routers", body).await.wrong_fields(), ["mac_address"]);
    for q in ["48-a9-8a-01", "8a010203", "98a.01", "s1", "hap mikro"] {
        let found = api.get(&format!("/api/v1/routers?q={q}&total=true")).await.expect(200);
        assert_eq!(found["total"], 1, "{q}");
    }
    assert_eq!(api.get("/api/v1/routers?q=48a98affff&total=true").await.expect(200)["total"], 0);
}

#[tokio::test]
async fn states_follow_each_other_and_leave_a_trace() {
    let api = tenant().await.api().await;
    let id = router(&api, "S1", "48:a9:8a:01:02:03").await;
    let state = format!("/api/v1/routers/{id}/state");
    api.post(&state, json!({"state": "assigned"})).await.refused(409, "transition_refused");
    api.post(&state, json!({"state": "returned"})).await.refused(409, "transition_refused");
    assert_eq!(api.post(&state, json!({"state": "lost"})).await.wrong_fields(), ["state"]);
    api.post(&state, json!({"state": "faulty", "note": "No light"})).await.expect(200);
    api.post(&state, json!({"state": "faulty"})).await.expect(200);
    api.post(&state, json!({"state": "in_stock"})).await.expect(200);
    let moves = api.get(&format!("/api/v1/routers/{id}/moves")).await.expect(200);
    let steps: Vec<(&Value, &Value, &Value)> = moves["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (&step["from"], &step["to"], &step["note"]))
        .collect();
    assert_eq!(
        steps,
        [
            (&json!("faulty"), &json!("in_stock"), &json!(null)),
            (&json!("in_stock"), &json!("faulty"), &json!("No light")),
            (&json!(null), &json!("in_stock"), &json!(null)),
        ]
    );
    let path = format!("/api/v1/routers/{id}");
    let changed = api.patch(&path, json!({"model": null, "notes": "Shelf 3"})).await.expect(200);
    assert_eq!((&changed["model"], &changed["notes"]), (&json!(null), &json!("Shelf 3")));
    api.delete(&path).await.expect(204);
    api.get(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn the_list_pages_without_a_gap() {
    let api = tenant().await.api().await;
    for n in 0..7 {
        router(&api, &format!("S{n}"), &format!("48:a9:8a:00:00:{n:02x}")).await;
    }
    let mut path = "/api/v1/routers?limit=3".to_owned();
    let mut serials = Vec::new();
    loop {
        let page = api.get(&path).await.expect(200);
        serials.extend(page["items"].as_array().unwrap().iter().map(|one| text(one, "/serial_number")));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/routers?limit=3&cursor={cursor}");
    }
    assert_eq!(serials, ["S6", "S5", "S4", "S3", "S2", "S1", "S0"]);
    api.get("/api/v1/routers?cursor=made-up").await.refused(400, "bad_cursor");
    // A forged cursor far beyond what the database can say.
    let far = data_encoding::BASE64URL_NOPAD
        .encode(br#"["+262000-01-01T00:00:00Z","00000000-0000-0000-0000-000000000000"]"#);
    api.get(&format!("/api/v1/routers?cursor={far}")).await.refused(400, "bad_cursor");
}

const FILE: &str = "Make,Model,Serial No.,MAC,Remarks\n\
    MikroTik,hAP,A1,48:a9:8a:00:00:01,new\n\
    MikroTik,hAP,A2,48-A9-8A-00-00-01,the same address\n\
    MikroTik,hAP,a1,48:a9:8a:00:00:03,the same number\n\
    ,hAP,A4,nonsense,\n\
    ZTE,,A5,48a98a000005,\n\
    ZTE,,KNOWN,48a98a000006,taken\n";

#[tokio::test]
async fn a_file_is_tried_then_added_and_its_wrong_rows_are_told() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    router(&api, "known", "48:a9:8a:ff:ff:01").await;
    let mut browser = tenant.browser().await;
    browser.get("/routers/import").await.expect_status(200);
    let file = ("file", "routers.csv", FILE.as_bytes());
    let tried = browser.upload("/routers/import", &[("dry_run", "true")], file).await;
    tried.expect_status(200);
    assert!(tried.text().contains("2 of 6 rows are right, 4 are not."), "{}", tried.text());
    assert_eq!(api.get("/api/v1/routers?total=true").await.expect(200)["total"], 1, "nothing was added");
    let added = browser.upload("/routers/import", &[], file).await;
    added.expect_status(200);
    for told in [
        "Line 2 has the same.",
        "brand: This is needed.",
        "There is a router with this serial number already.",
    ] {
        assert!(added.text().contains(told), "{told}");
    }
    let listed = api.get("/api/v1/routers?total=true").await.expect(200);
    assert_eq!(listed["total"], 3);
    // The same file again adds nothing.
    let again = browser.upload("/routers/import", &[], file).await;
    assert!(again.text().contains("0 of 6 routers were added"), "{}", again.text());
    let odd = browser.upload("/routers/import", &[], ("file", "x.csv", b"a,b\n1,2\n")).await;
    odd.expect_status(422);
    assert!(odd.text().contains("no column brand"));
    let many = format!("brand,serial,mac\n{}", "x,y,z\n".repeat(5_001));
    browser.upload("/routers/import", &[], ("file", "x.csv", many.as_bytes())).await.expect_status(422);
    let csv = api.get("/api/v1/routers/export?format=csv&q=zte").await;
    csv.expect_status(200);
    assert!(csv.text().contains("ZTE,,A5,48:A9:8A:00:00:05,in_stock"), "{}", csv.text());
    assert_eq!(csv.text().lines().count(), 2);
    assert!(api.get("/api/v1/routers/export?format=xlsx").await.body.starts_with(b"PK"));
}

#[tokio::test]
async fn another_tenants_router_is_not_there() {
    let (ours, theirs) = (tenant().await.api().await, tenant().await.api().await);
    let path = format!("/api/v1/routers/{}", router(&theirs, "S1", "48:a9:8a:01:02:03").await);
    ours.get(&path).await.refused(404, "not_found");
    ours.patch(&path, json!({"brand": "Ours"})).await.refused(404, "not_found");
    ours.delete(&path).await.refused(404, "not_found");
    ours.post(&format!("{path}/state"), json!({"state": "faulty"})).await.refused(404, "not_found");
    ours.get(&format!("{path}/moves")).await.refused(404, "not_found");
    // Serial numbers and addresses of others do not matter here.
    router(&ours, "S1", "48:a9:8a:01:02:03").await;
}
