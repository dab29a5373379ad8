//! Installations over the API and in the portal, on a plant of their own.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::{Api, Tenant, sql, tenant, text},
    routers::router,
};

/// A tenant with one NAP of eight ports and a customer.
pub struct Net {
    pub tenant: Tenant,
    pub api: Api,
    pub nap: String,
    pub lcp: String,
    pub splitter: String,
    pub customer: String,
}

pub async fn customer(api: &Api, first: &str, last: &str) -> String {
    let body = json!({"first_name": first, "last_name": last});
    text(&api.post("/api/v1/customers", body).await.expect(201), "/id")
}

pub async fn net() -> Net {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let lcp = json!({"code": "LCP-001", "name": "Poblacion"});
    let lcp = text(&api.post("/api/v1/lcps", lcp).await.expect(201), "/id");
    let splitter = json!({"lcp_id": lcp, "code": "SP-1", "type": "1:8"});
    let splitter = text(&api.post("/api/v1/splitters", splitter).await.expect(201), "/id");
    let nap = json!({
        "splitter_id": splitter, "splitter_output": 1, "code": "NAP-001", "name": "Chapel", "port_capacity": 8,
        "latitude": 8.4542, "longitude": 124.6319,
    });
    let nap = text(&api.post("/api/v1/naps", nap).await.expect(201), "/id");
    let customer = customer(&api, "Ana", "Cruz").await;
    Net { tenant, api, nap, lcp, splitter, customer }
}

impl Net {
    async fn add(&self, more: Value) -> Value {
        let mut body = json!({"customer_id": self.customer});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.api.post("/api/v1/installations", body).await.expect(201)
    }

    async fn on_port(&self, port: i64) -> Value {
        self.add(json!({"nap_id": self.nap, "nap_port": port, "installed_on": "2026-01-05"})).await
    }

    /// Sells a period behind the scenes, from and to so many hours from now.
    async fn period(&self, installation: &str, from: i32, to: i32, status: &str) {
        let schema = self.tenant.schema().await;
        let client = sql(&self.tenant.server.database).await;
        client
            .batch_execute(&format!(
                "INSERT INTO {schema}.plan (id, name, download_mbps, upload_mbps, price) \
                 SELECT gen_random_uuid(), 'Basic', 25, 25, 900 WHERE NOT EXISTS (SELECT FROM {schema}.plan);
                 INSERT INTO {schema}.subscription (id, installation_id, customer_id, plan_id, plan_name, kind, price, \
                 period_days, tax, amount, starts_at, ends_at, sold_minutes, days_added, status, cancelled_at, paused_at, \
                 sold_by_label) SELECT gen_random_uuid(), '{installation}', '{}', id, name, 'one_period', 900, 30, 'vatable', \
                 900, now() + interval '{from} hours', now() + interval '{to} hours', {}, 1, '{status}', \
                 CASE WHEN '{status}' = 'cancelled' THEN now() END, CASE WHEN '{status}' = 'paused' THEN now() END, 'test' \
                 FROM {schema}.plan LIMIT 1",
                self.customer,
                (to - from) * 60
            ))
            .await
            .unwrap();
    }
}

fn path(one: &Value) -> String {
    format!("/api/v1/installations/{}", text(one, "/id"))
}

#[tokio::test]
async fn two_technicians_on_one_port_exactly_one_wins() {
    let net = net().await;
    let tries = (0..8).map(|n| {
        let (api, nap) = (net.api.clone(), net.nap.clone());
        async move {
            let whose = customer(&api, "Ben", &format!("Reyes {n}")).await;
            let body =
                json!({"customer_id": whose, "nap_id": nap, "nap_port": 3, "installed_on": "2026-01-05"});
            api.post("/api/v1/installations", body).await
        }
    });
    let answers = join_all(tries).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((won.len(), lost.len()), (1, 7));
    let winner = text(&won[0].json(), "/customer_name");
    for answer in lost {
        let body = answer.refused(409, "port_taken");
        assert_eq!(body["detail"], format!("Port 3 is already occupied by {winner}"));
    }
}

#[tokio::test]
async fn ports_are_refused_in_the_words_of_the_trade() {
    let net = net().await;
    let wrong = |nap: Value, port: Value| {
        let api = net.api.clone();
        let customer = net.customer.clone();
        async move {
            let body = json!({"customer_id": customer, "nap_id": nap, "nap_port": port});
            let answer = api.post("/api/v1/installations", body).await;
            let body = answer.expect(422);
            (text(&body, "/errors/0/field"), text(&body, "/errors/0/detail"))
        }
    };
    let nap = json!(net.nap);
    let told = |field: &str, detail: &str| (field.to_owned(), detail.to_owned());
    assert_eq!(
        wrong(nap.clone(), json!(null)).await,
        told("nap_port", "Port number is required when NAP is selected")
    );
    assert_eq!(
        wrong(json!(null), json!(3)).await,
        told("nap_id", "NAP is required when port number is specified")
    );
    assert_eq!(wrong(nap.clone(), json!(9)).await, told("nap_port", "Port must be between 1 and 8"));
    let ports = format!("/api/v1/naps/{}/ports", net.nap);
    net.api.patch(&format!("{ports}/2"), json!({"state": "faulty"})).await.expect(200);
    assert_eq!(wrong(nap.clone(), json!(2)).await, told("nap_port", "Port 2 is faulty"));
    let other = customer(&net.api, "Ben", "Reyes").await;
    let until = (chrono::Utc::now() + chrono::Duration::days(3)).to_rfc3339();
    let kept = json!({"state": "reserved", "reserved_until": until, "reserved_for": other});
    net.api.patch(&format!("{ports}/4"), kept).await.expect(200);
    assert_eq!(wrong(nap.clone(), json!(4)).await, told("nap_port", "Port 4 is reserved for Ben Reyes"));
    // Whom it is kept for may have it, and it is kept no longer.
    let body = json!({"customer_id": other, "nap_id": net.nap, "nap_port": 4});
    net.api.post("/api/v1/installations", body).await.expect(201);
    let listed = net.api.get(&ports).await.expect(200);
    assert_eq!(
        (&listed["items"][3]["number"], &listed["items"][3]["reserved_until"]),
        (&json!(4), &json!(null))
    );
}

#[tokio::test]
async fn termination_frees_the_port_and_the_router() {
    let net = net().await;
    let first = router(&net.api, "S1", "48:a9:8a:01:02:03").await;
    let second = router(&net.api, "S2", "48:a9:8a:01:02:04").await;
    let one = net
        .add(json!({"nap_id": net.nap, "nap_port": 1, "router_id": first, "installed_on": "2026-01-05"}))
        .await;
    assert_eq!((&one["status"], &one["nap_code"]), (&json!("inactive"), &json!("NAP-001")));
    // The same router cannot be in two places, nor be deleted, nor moved by hand.
    let body = json!({"customer_id": net.customer, "router_id": first});
    let refused = net.api.post("/api/v1/installations", body).await.expect(422);
    assert_eq!(refused["errors"][0]["code"], "not_in_stock");
    let router_path = format!("/api/v1/routers/{first}");
    assert_eq!(net.api.get(&router_path).await.expect(200)["holder"]["name"], "Ana Cruz");
    let in_use = net.api.delete(&router_path).await.refused(409, "in_use");
    assert!(in_use["detail"].as_str().unwrap().contains("Ana Cruz"));
    net.api
        .post(&format!("{router_path}/state"), json!({"state": "faulty"}))
        .await
        .refused(409, "transition_refused");
    // Another router instead: the first one comes back faulty.
    let body = json!({"router_id": second, "old_router": "faulty"});
    net.api.post(&format!("{}/router", path(&one)), body).await.expect(200);
    assert_eq!(net.api.get(&router_path).await.expect(200)["state"], "faulty");
    let end = format!("{}/terminate", path(&one));
    assert_eq!(net.api.post(&end, json!({})).await.wrong_fields(), ["reason"]);
    let early = json!({"reason": "Moved away", "terminated_on": "2026-01-04"});
    assert_eq!(net.api.post(&end, early).await.wrong_fields(), ["terminated_on"]);
    let late = json!({"reason": "Moved away", "terminated_on": "2099-01-04"});
    assert_eq!(net.api.post(&end, late).await.wrong_fields(), ["terminated_on"]);
    let ended = net.api.post(&end, json!({"reason": "Moved away"})).await.expect(200);
    assert_eq!((&ended["status"], &ended["nap_id"]), (&json!("terminated"), &json!(null)));
    assert_eq!(ended["held_port"], "LCP-001 › SP-1 port 1 › NAP-001 › port 1");
    assert_eq!(ended["held_router"], "MikroTik hAP · S2");
    let back = net.api.get(&format!("/api/v1/routers/{second}")).await.expect(200);
    assert_eq!((&back["state"], &back["holder"]), (&json!("returned"), &json!(null)));
    for act in ["terminate", "suspend", "resume", "complete"] {
        let body = json!({"reason": "Again"});
        let body = if act == "complete" { json!({}) } else { body };
        net.api.post(&format!("{}/{act}", path(&one)), body).await.refused(409, "transition_refused");
    }
    let body = json!({"nap_id": net.nap, "nap_port": 2});
    net.api.post(&format!("{}/port", path(&one)), body).await.refused(409, "terminated");
    net.api.patch(&path(&one), json!({"notes": "x"})).await.refused(409, "terminated");
    // The same customer on the same port once more: nothing of the old one is in the way.
    net.on_port(1).await;
}

#[tokio::test]
async fn an_installation_moves_to_another_port_in_one_step() {
    let net = net().await;
    let (one, _other) = (net.on_port(1).await, net.on_port(2).await);
    let moving = format!("{}/port", path(&one));
    let busy =
        net.api.post(&moving, json!({"nap_id": net.nap, "nap_port": 2})).await.refused(409, "port_taken");
    assert_eq!(busy["detail"], "Port 2 is already occupied by Ana Cruz");
    let moved = net.api.post(&moving, json!({"nap_id": net.nap, "nap_port": 5})).await.expect(200);
    assert_eq!(moved["nap_port"], 5);
    net.on_port(1).await;
    let off = net.api.post(&moving, json!({})).await.expect(200);
    assert_eq!((&off["nap_id"], &off["nap_port"]), (&json!(null), &json!(null)));
    net.on_port(5).await;
    // A NAP in use stays.
    net.api.delete(&format!("/api/v1/naps/{}", net.nap)).await.refused(409, "in_use");
}

#[tokio::test]
async fn the_periods_say_whether_it_is_active_and_no_person_does() {
    let net = net().await;
    let one = net.add(json!({})).await;
    let id = text(&one, "/id");
    assert_eq!(one["status"], "scheduled");
    for body in [json!({"status": "active"}), json!({"status": "inactive"})] {
        assert_eq!(net.api.patch(&path(&one), body).await.wrong_fields(), ["status"]);
    }
    net.period(&id, -2, -1, "expired").await;
    net.period(&id, 5, 9, "active").await;
    net.period(&id, -2, 9, "cancelled").await;
    net.period(&id, -2, 9, "paused").await;
    let done = net.api.post(&format!("{}/complete", path(&one)), json!({})).await.expect(200);
    assert_eq!(done["status"], "inactive", "over, to come, cancelled, paused: none of them runs");
    let (suspend, resume) = (format!("{}/suspend", path(&one)), format!("{}/resume", path(&one)));
    let again = async || {
        net.api.post(&suspend, json!({"reason": "Unpaid"})).await.expect(200);
        net.api.post(&resume, json!({})).await.expect(200)["status"].clone()
    };
    assert_eq!(again().await, "inactive");
    // Two days of grace: the one that ended an hour ago still serves.
    let schema = net.tenant.schema().await;
    let client = sql(&net.tenant.server.database).await;
    // What is paused holds the others up: it goes first.
    let ended = format!(
        "UPDATE {schema}.subscription SET status = 'cancelled', paused_at = NULL, \
                         cancelled_at = now() WHERE status = 'paused'"
    );
    client.batch_execute(&ended).await.unwrap();
    assert_eq!(again().await, "inactive");
    let grace = format!("UPDATE {schema}.billing_policy SET grace_days = 2");
    client.batch_execute(&grace).await.unwrap();
    assert_eq!(again().await, "active");
    client.batch_execute(&grace.replace("= 2", "= 0")).await.unwrap();
    assert_eq!(again().await, "inactive");
    net.period(&id, -1, 9, "active").await;
    let held = net.api.post(&suspend, json!({"reason": "Unpaid"})).await.expect(200);
    assert_eq!(held["status"], "suspended", "whatever was paid");
    net.api.post(&suspend, json!({})).await.refused(409, "transition_refused");
    assert_eq!(net.api.post(&resume, json!({})).await.expect(200)["status"], "active");
    let events = format!(
        "SELECT count(*) FROM {schema}.event WHERE kind = 'installation.activated' AND subject_id = $1"
    );
    let told: i64 = client.query_one(&events, &[&id.parse::<uuid::Uuid>().unwrap()]).await.unwrap().get(0);
    assert_eq!(told, 2);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let net = net().await;
    let add = async |more: Value| {
        let mut body = json!({"customer_id": net.customer});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        net.api.post("/api/v1/installations", body).await
    };
    assert_eq!(add(json!({"installed_on": "2099-01-01"})).await.wrong_fields(), ["installed_on"]);
    assert_eq!(
        add(json!({"latitude": 200, "longitude": 500})).await.wrong_fields(),
        ["latitude", "longitude"]
    );
    assert_eq!(add(json!({"latitude": 8.4})).await.wrong_fields(), ["longitude"]);
    let nobody = uuid::Uuid::now_v7().to_string();
    for field in ["technician_id", "area_id", "router_id", "customer_id"] {
        assert_eq!(add(json!({field: nobody})).await.wrong_fields(), [field]);
    }
    assert_eq!(add(json!({"nap_id": nobody, "nap_port": 1})).await.wrong_fields(), ["nap_id"]);
    // People, places and things of another tenant are nobody's here.
    let theirs = self::net().await;
    let foreign_router = router(&theirs.api, "S1", "48:a9:8a:01:02:03").await;
    let area = text(&theirs.api.post("/api/v1/areas", json!({"name": "Theirs"})).await.expect(201), "/id");
    for (field, id) in [
        ("technician_id", &theirs.tenant.owner_id),
        ("area_id", &area),
        ("router_id", &foreign_router),
        ("customer_id", &theirs.customer),
    ] {
        assert_eq!(add(json!({field: id})).await.wrong_fields(), [field]);
    }
    assert_eq!(add(json!({"nap_id": theirs.nap, "nap_port": 1})).await.wrong_fields(), ["nap_id"]);
    let foreign = path(&theirs.on_port(1).await);
    net.api.get(&foreign).await.refused(404, "not_found");
    net.api.post(&format!("{foreign}/suspend"), json!({})).await.refused(404, "not_found");
    net.api.post(&format!("{foreign}/terminate"), json!({"reason": "x"})).await.refused(404, "not_found");
    for filter in ["customer_id", "area_id", "technician_id", "nap_id"] {
        let path = format!("/api/v1/installations?{filter}={}", theirs.customer);
        net.api.get(&path).await.refused(404, "not_found");
    }
    // Whoever left does no work; an area that was switched off takes nobody.
    let person = net.tenant.person(&["customers.view"]).await;
    net.api.patch(&format!("/api/v1/staff/{}", person.id), json!({"is_active": false})).await.expect(200);
    let left = add(json!({"technician_id": person.id})).await.expect(422);
    assert_eq!(left["errors"][0]["code"], "staff_inactive");
    let off = json!({"name": "Off", "is_active": false});
    let off = text(&net.api.post("/api/v1/areas", off).await.expect(201), "/id");
    assert_eq!(add(json!({"area_id": off})).await.wrong_fields(), ["area_id"]);
}

#[tokio::test]
async fn lists_search_and_filter() {
    let net = net().await;
    let id = router(&net.api, "SERIAL-77", "48:a9:8a:01:02:03").await;
    let one = net
        .add(json!({
            "nap_id": net.nap, "nap_port": 1, "router_id": id, "installed_on": "2026-01-05",
            "technician_id": net.tenant.owner_id,
        }))
        .await;
    let other = customer(&net.api, "Ben", "Reyes").await;
    net.api.post("/api/v1/installations", json!({"customer_id": other})).await.expect(201);
    let found = async |query: &str| {
        let page = net.api.get(&format!("/api/v1/installations?total=true&{query}")).await.expect(200);
        page["total"].as_i64().unwrap()
    };
    assert_eq!(found("").await, 2);
    for query in [
        "q=ana",
        "q=serial-77",
        "q=nap-001",
        "status=inactive",
        &format!("nap_id={}", net.nap),
        &format!("technician_id={}", net.tenant.owner_id),
        &format!("customer_id={}", net.customer),
    ] {
        assert_eq!(found(query).await, 1, "{query}");
    }
    assert_eq!(found("q=ana+serial-77").await, 0);
    assert_eq!(found("q=nobody").await, 0);
    let page = net.api.get("/api/v1/installations?limit=1").await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = net.api.get(&format!("/api/v1/installations?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&next["items"][0]["id"], &next["next_cursor"]), (&one["id"], &json!(null)));
    let csv = net.api.get("/api/v1/installations/export?format=csv&q=ana").await;
    csv.expect_status(200);
    assert_eq!(csv.text().lines().count(), 2);
    assert!(csv.text().contains("Ana Cruz,inactive,2026-01-05"), "{}", csv.text());
}

#[tokio::test]
async fn a_customer_with_an_installation_stays_and_a_merge_takes_it_along() {
    let net = net().await;
    let one = net.on_port(1).await;
    let whose = format!("/api/v1/customers/{}", net.customer);
    let refused = net.api.delete(&whose).await.refused(409, "has_installation");
    assert_eq!(refused["detail"], "Ana Cruz has an installation that is inactive. Terminate it first.");
    let bulk = json!({"ids": [net.customer], "action": "delete"});
    net.api.post("/api/v1/customers/bulk", bulk).await.refused(409, "has_installation");
    let visit = json!({
        "kind": "repair", "customer_id": net.customer, "starts_at": "2026-12-01T01:00:00Z",
        "ends_at": "2026-12-01T02:00:00Z",
    });
    let visit = text(&net.api.post("/api/v1/visits", visit).await.expect(201), "/id");
    let survivor = customer(&net.api, "Anna", "Cruz").await;
    let merge = json!({"from": net.customer, "fields": []});
    net.api.post(&format!("/api/v1/customers/{survivor}/merge"), merge).await.expect(200);
    assert_eq!(net.api.get(&path(&one)).await.expect(200)["customer_id"], survivor);
    assert_eq!(net.api.get(&format!("/api/v1/visits/{visit}")).await.expect(200)["customer_id"], survivor);
    net.api.post(&format!("{}/terminate", path(&one)), json!({"reason": "Gone"})).await.expect(200);
    net.api.delete(&format!("/api/v1/customers/{survivor}")).await.expect(204);
    // Nobody is connected who is not here.
    let body = json!({"customer_id": survivor});
    assert_eq!(net.api.post("/api/v1/installations", body).await.wrong_fields(), ["customer_id"]);
}

/// Tables with a customer whose rows a merge leaves where they are, and why.
const LEFT: &[(&str, &str)] = &[
    ("customer", "who was merged leads to the survivor"),
    ("customer_import_match", "which line of which file it was"),
    ("ticket_comment", "who wrote it"),
    ("subscription", "whoever has books is not merged away"),
    ("payment", "whoever has books is not merged away"),
    ("refund", "whoever has books is not merged away"),
    ("receipt", "whoever has books is not merged away"),
    ("ledger_entry", "whoever has books is not merged away"),
    ("customer_account", "whoever has books is not merged away"),
];

#[tokio::test]
async fn every_table_of_a_customer_is_known_to_the_merge() {
    let tenant = tenant().await;
    let schema = tenant.schema().await;
    let rows = sql(&tenant.server.database)
        .await
        .query(
            "SELECT DISTINCT k.conrelid::regclass::text FROM pg_constraint k \
             WHERE k.contype = 'f' AND k.confrelid = format('%I.customer', $1::text)::regclass",
            &[&schema],
        )
        .await
        .unwrap();
    let source = include_str!("../../src/isp/customers/belongings.rs");
    let unknown: Vec<String> = rows
        .iter()
        .map(|row| row.get::<_, String>(0).rsplit('.').next().unwrap().to_owned())
        .filter(|table| !LEFT.iter().any(|(left, _)| left == table))
        .filter(|table| !source.contains(&format!("(\"{table}\",")))
        .collect();
    assert!(unknown.is_empty(), "src/isp/customers/belongings.rs does not say what becomes of {unknown:?}");
}

#[tokio::test]
async fn the_portal_picks_a_port_without_scripts() {
    let net = net().await;
    router(&net.api, "S1", "48:a9:8a:01:02:03").await;
    net.on_port(2).await;
    let mut browser = net.tenant.browser().await;
    browser.get("/installations").await.expect_status(200);
    let whom = browser.get("/installations/new?q=ana").await;
    assert!(whom.text().contains(&format!("customer={}", net.customer)));
    browser.get(&format!("/installations/new?customer={}", net.customer)).await.expect_status(200);
    let mut fields = vec![("customer_id", net.customer.as_str()), ("lcp_id", &net.lcp), ("step", "ports")];
    let first = browser.post("/installations", &fields).await;
    first.expect_status(200);
    assert!(first.text().contains("SP-1 (1:8) · 7 free"), "{}", first.text());
    fields.extend([("splitter_id", net.splitter.as_str()), ("nap_id", &net.nap), ("notes", "Kept")]);
    let second = browser.post("/installations", &fields).await;
    assert!(second.text().contains("title=\"Ana Cruz\""), "the port that is taken says by whom");
    assert!(second.text().contains("Kept"));
    // Nearest, from the map's pin.
    let near = [
        ("customer_id", net.customer.as_str()),
        ("step", "nearest"),
        ("latitude", "8.4543"),
        ("longitude", "124.6319"),
    ];
    let near = browser.post("/installations", &near).await;
    assert!(near.text().contains("12 m · 7 free ports"), "{}", near.text());
    fields.retain(|(name, _)| *name != "step");
    let mut taken = fields.clone();
    taken.push(("nap_port", "2"));
    let refused = browser.post("/installations", &taken).await;
    refused.expect_status(422);
    assert!(refused.text().contains("Port 2 is already occupied by Ana Cruz"));
    fields.extend([("nap_port", "3"), ("router", "48a9.8a01.0203"), ("installed_on", "2026-01-05")]);
    let saved = browser.post("/installations", &fields).await;
    saved.expect_status(303);
    let href = saved.header("location").to_owned();
    let shown = browser.get(&href).await.text();
    assert!(shown.contains("Port 3") && shown.contains("MikroTik hAP S1"), "{shown}");
    browser.get(&format!("{href}/edit")).await.expect_status(200);
    browser.get(&format!("{href}/port")).await.expect_status(200);
    let port = [
        ("lcp_id", net.lcp.as_str()),
        ("splitter_id", &net.splitter),
        ("nap_id", &net.nap),
        ("nap_port", "7"),
    ];
    browser.post(&format!("{href}/port"), &port).await.expect_status(303);
    browser.post(&format!("{href}/suspend"), &[("reason", "Unpaid")]).await.expect_status(303);
    assert!(browser.get(&format!("{href}?tab=activity")).await.text().contains("Suspended"));
    assert!(browser.get(&format!("{href}/visits")).await.text().contains("Nobody went there yet."));
    let tab = browser.get(&format!("/customers/{}/installations", net.customer)).await;
    tab.expect_status(200);
    assert!(tab.text().contains("NAP-001 port 7"));
    browser.get("/installations/export?format=csv&q=ana").await.expect_status(200);
}
