//! The plant: its tree, its ports and its light, over the API; and what the database itself refuses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Api, Browser, Tenant, sql, tenant, text};

/// A tenant's plant in the making.
pub struct Plant {
    pub tenant: Tenant,
    pub api: Api,
}

impl Plant {
    pub async fn new() -> Self {
        let tenant = tenant().await;
        let api = tenant.api().await;
        Self { tenant, api }
    }

    async fn made(&self, path: &str, body: Value) -> String {
        text(&self.api.post(path, body).await.expect(201), "/id")
    }

    pub async fn lcp(&self, code: &str) -> String {
        self.made("/api/v1/lcps", json!({"code": code, "name": format!("Cabinet {code}")})).await
    }

    pub async fn splitter(&self, lcp: &str, code: &str, kind: &str) -> String {
        self.made("/api/v1/splitters", json!({"lcp_id": lcp, "code": code, "type": kind})).await
    }

    pub async fn cascade(&self, parent: &str, output: i64, code: &str) -> String {
        let body = json!({"parent_id": parent, "parent_output": output, "code": code, "type": "1:8"});
        self.made("/api/v1/splitters", body).await
    }

    pub async fn nap(&self, splitter: &str, output: i64, code: &str) -> String {
        let body = json!({"splitter_id": splitter, "splitter_output": output, "code": code, "name": code});
        self.made("/api/v1/naps", body).await
    }

    pub async fn customer(&self, last: &str) -> String {
        self.made("/api/v1/customers", json!({"first_name": "Ana", "last_name": last})).await
    }

    /// An installation on a port, behind the scenes.
    pub async fn install(&self, customer: &str, nap: &str, port: i16) -> String {
        let id = uuid::Uuid::now_v7().to_string();
        self.run(&format!(
            "INSERT INTO installation (id, customer_id, nap_id, nap_port, status, installed_on, drop_m) \
             VALUES ('{id}', '{customer}', '{nap}', {port}, 'active', '2026-01-05', 80)"
        ))
        .await
        .unwrap();
        id
    }

    /// A statement inside the tenant's schema as the database's own administrator.
    async fn run(&self, statement: &str) -> Result<u64, tokio_postgres::Error> {
        let client = sql(&self.tenant.server.database).await;
        client.batch_execute(&format!("SET search_path = {}, ext", self.tenant.schema().await)).await?;
        client.execute(statement, &[]).await
    }

    /// The constraint or the code by which the database refuses a statement.
    async fn refused(&self, statement: &str) -> String {
        let error = self.run(statement).await.expect_err(statement);
        let db = error.as_db_error().unwrap();
        db.constraint().unwrap_or(db.code().code()).to_owned()
    }

    async fn move_splitter(&self, id: &str, parent: &str, output: i64) -> crate::harness::Answer {
        let body = json!({"parent_id": parent, "parent_output": output});
        self.api.post(&format!("/api/v1/splitters/{id}/move"), body).await
    }
}

#[tokio::test]
async fn codes_and_names_are_unique_in_any_case_and_wrong_fields_are_named() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("LCP-001").await;
    plant.api.post("/api/v1/lcps", json!({"code": "lcp-001", "name": "X"})).await.refused(409, "code_taken");
    let twin = json!({"code": "LCP-002", "name": "CABINET LCP-001"});
    plant.api.post("/api/v1/lcps", twin).await.refused(409, "name_taken");
    let off = json!({"code": "L", "name": "L", "latitude": 200, "longitude": 500});
    assert_eq!(plant.api.post("/api/v1/lcps", off).await.wrong_fields(), ["latitude", "longitude"]);
    let half = json!({"code": "L", "name": "L", "latitude": 8.4});
    assert_eq!(plant.api.post("/api/v1/lcps", half).await.wrong_fields(), ["longitude"]);
    let splitter = plant.splitter(&lcp, "SP-1", "1:8").await;
    let twin = json!({"lcp_id": lcp, "code": "sp-1", "type": "1:4"});
    plant.api.post("/api/v1/splitters", twin).await.refused(409, "code_taken");
    plant.nap(&splitter, 1, "NAP-1").await;
    let twin = json!({"splitter_id": splitter, "splitter_output": 2, "code": "nap-1", "name": "N"});
    plant.api.post("/api/v1/naps", twin).await.refused(409, "code_taken");
    let bad =
        json!({"splitter_id": splitter, "splitter_output": 2, "code": "N", "name": "N", "port_capacity": -8});
    assert_eq!(plant.api.post("/api/v1/naps", bad).await.wrong_fields(), ["port_capacity"]);
    let odd =
        json!({"splitter_id": splitter, "splitter_output": 2, "code": "N", "name": "N", "port_capacity": 12});
    assert_eq!(plant.api.post("/api/v1/naps", odd).await.wrong_fields(), ["port_capacity"]);
}

#[tokio::test]
async fn an_output_must_be_one_of_the_splitters() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("L").await;
    let splitter = plant.splitter(&lcp, "S", "1:8").await;
    for output in [9, 99, 128] {
        let body = json!({"splitter_id": splitter, "splitter_output": output, "code": "N", "name": "N"});
        let refused = plant.api.post("/api/v1/naps", body).await.expect(422);
        assert_eq!(refused["detail"], "Splitter port must be between 1 and 8 for 1:8 splitter");
    }
    let nap = plant.nap(&splitter, 8, "N").await;
    // The database says the same by itself.
    assert_eq!(
        plant.refused(&format!("UPDATE nap SET splitter_output = 9 WHERE id = '{nap}'")).await,
        "nap_splitter_output_fkey"
    );
    let beyond = format!(
        "INSERT INTO splitter_output (splitter_id, number, outputs, loss_db) VALUES ('{splitter}', 9, 8, 1)"
    );
    assert_eq!(plant.refused(&beyond).await, "splitter_output_within_outputs");
    let more = format!("UPDATE splitter SET outputs = 16 WHERE id = '{splitter}'");
    assert_eq!(plant.refused(&more).await, "splitter_outputs_of_type");
    let port = format!("INSERT INTO nap_port (nap_id, number, capacity) VALUES ('{nap}', 9, 8)");
    assert_eq!(plant.refused(&port).await, "nap_port_within_capacity");
}

#[tokio::test]
async fn an_output_feeds_naps_or_one_splitter() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("L").await;
    let splitter = plant.splitter(&lcp, "S", "1:8").await;
    plant.nap(&splitter, 1, "N1").await;
    plant.nap(&splitter, 1, "N2").await;
    let on_naps = json!({"parent_id": splitter, "parent_output": 1, "code": "C", "type": "1:4"});
    plant.api.post("/api/v1/splitters", on_naps).await.refused(409, "output_taken");
    plant.cascade(&splitter, 2, "C").await;
    let second = json!({"parent_id": splitter, "parent_output": 2, "code": "D", "type": "1:4"});
    plant.api.post("/api/v1/splitters", second).await.refused(409, "output_taken");
    let nap = json!({"splitter_id": splitter, "splitter_output": 2, "code": "N3", "name": "N"});
    plant.api.post("/api/v1/naps", nap).await.refused(409, "output_taken");
    let shown = plant.api.get(&format!("/api/v1/splitters/{splitter}")).await.expect(200);
    assert_eq!((&shown["used_outputs"], &shown["naps"]), (&json!(2), &json!(2)));
    // An output is free again once its splitter is gone.
    let outputs = plant.api.get(&format!("/api/v1/splitters/{splitter}/outputs")).await.expect(200);
    let cascaded = text(&outputs, "/items/1/splitter/id");
    plant.api.delete(&format!("/api/v1/splitters/{cascaded}")).await.expect_status(204);
    plant.nap(&splitter, 2, "N3").await;
}

#[tokio::test]
async fn a_tree_is_four_deep_and_never_a_ring() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("L").await;
    let a = plant.splitter(&lcp, "A", "1:8").await;
    let b = plant.cascade(&a, 1, "B").await;
    let c = plant.cascade(&b, 1, "C").await;
    let d = plant.cascade(&c, 1, "D").await;
    let fifth = json!({"parent_id": d, "parent_output": 1, "code": "E", "type": "1:2"});
    let refused = plant.api.post("/api/v1/splitters", fifth).await.expect(422);
    assert_eq!(refused["errors"][0]["code"], "too_deep");
    for (id, parent) in [(&a, &a), (&a, &b), (&a, &d), (&b, &c)] {
        let refused = plant.move_splitter(id, parent, 8).await.expect(422);
        assert_eq!(refused["errors"][0]["code"], "cycle");
    }
    // Whatever depth is written, the database accepts no ring.
    for depth in 1..=4 {
        let ring = format!(
            "UPDATE splitter SET parent_id = '{b}', parent_output = 8, depth = {depth} WHERE id = '{a}'"
        );
        plant
            .run(&format!(
                "UPDATE splitter_output SET feeds = 'splitter' WHERE splitter_id = '{b}' AND number = 8"
            ))
            .await
            .unwrap();
        let refused = plant.refused(&ring).await;
        assert!(refused.starts_with("splitter_"), "{refused}");
    }
    let shown = plant.api.get(&format!("/api/v1/splitters/{d}")).await.expect(200);
    assert_eq!(shown["depth"], 4);
}

#[tokio::test]
async fn two_who_bend_a_tree_at_once_make_no_ring() {
    let plant = Plant::new().await;
    for round in 0..6 {
        let lcp = plant.lcp(&format!("L{round}")).await;
        let (a, b) = (plant.splitter(&lcp, "A", "1:8").await, plant.splitter(&lcp, "B", "1:8").await);
        let (one, two) = tokio::join!(plant.move_splitter(&a, &b, 1), plant.move_splitter(&b, &a, 1));
        let statuses = BTreeSet::from([one.status, two.status]);
        assert_eq!(statuses, BTreeSet::from([200, 422]), "{} {}", one.text(), two.text());
        let tree = plant.api.get(&format!("/api/v1/plant/tree?lcp_id={lcp}")).await.expect(200);
        assert_eq!(tree["items"].as_array().unwrap().len(), 3, "both hang on the LCP still: {tree}");
    }
}

#[tokio::test]
async fn a_branch_moves_whole_also_to_another_lcp() {
    let plant = Plant::new().await;
    let (one, two) = (plant.lcp("L1").await, plant.lcp("L2").await);
    let a = plant.splitter(&one, "A", "1:8").await;
    let b = plant.cascade(&a, 1, "B").await;
    let c = plant.cascade(&b, 3, "C").await;
    let nap = plant.nap(&c, 2, "N").await;
    let other = plant.splitter(&two, "O", "1:4").await;
    let moved = plant.move_splitter(&b, &other, 4).await.expect(200);
    assert_eq!((&moved["lcp_code"], &moved["depth"]), (&json!("L2"), &json!(2)));
    let shown = plant.api.get(&format!("/api/v1/naps/{nap}")).await.expect(200);
    assert_eq!(shown["lcp_code"], "L2");
    // The old output feeds whatever comes next.
    plant.nap(&a, 1, "N2").await;
    let up = plant.api.post(&format!("/api/v1/splitters/{c}/move"), json!({"lcp_id": one})).await.expect(200);
    assert_eq!((&up["depth"], &up["parent_id"]), (&json!(1), &Value::Null));
    // A code that the other LCP has already stops the whole move.
    plant.splitter(&one, "B", "1:2").await;
    plant
        .api
        .post(&format!("/api/v1/splitters/{b}/move"), json!({"lcp_id": one}))
        .await
        .refused(409, "code_taken");
    let back = plant.api.get(&format!("/api/v1/splitters/{b}")).await.expect(200);
    assert_eq!(back["lcp_code"], "L2");
    let trail =
        plant.api.get("/api/v1/audit-events?object_type=splitter&limit=50").await.expect(200).to_string();
    assert!(trail.contains("splitter.moved"), "{trail}");
}

#[tokio::test]
async fn a_splitter_keeps_the_outputs_that_are_used() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("L").await;
    let splitter = plant.splitter(&lcp, "S", "1:8").await;
    plant.nap(&splitter, 6, "N").await;
    let path = format!("/api/v1/splitters/{splitter}");
    plant.api.patch(&path, json!({"type": "1:4"})).await.refused(409, "in_use");
    let wider = plant.api.patch(&path, json!({"type": "1:16"})).await.expect(200);
    assert_eq!((wider["losses"].as_array().unwrap().len(), &wider["losses"][15]), (16, &json!(14.5)));
    let losses: Vec<f64> = (0..8).map(|n| f64::from(n) + 1.25).collect();
    let tap = plant.api.patch(&path, json!({"type": "tap", "losses": losses})).await.expect(200);
    assert_eq!((&tap["type"], &tap["losses"][7]), (&json!("tap"), &json!(8.25)));
    assert_eq!(plant.api.patch(&path, json!({"type": "tap"})).await.wrong_fields(), ["losses"]);
    let even = plant.api.patch(&path, json!({"type": "1:8"})).await.expect(200);
    assert_eq!(even["losses"], json!(vec![10.8; 8]));
}

#[tokio::test]
async fn what_is_in_use_stays_and_says_by_what() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("L").await;
    let splitter = plant.splitter(&lcp, "S", "1:8").await;
    let nap = plant.nap(&splitter, 1, "N").await;
    let customer = plant.customer("Cruz").await;
    let installation = plant.install(&customer, &nap, 7).await;
    for (path, said) in [
        (format!("/api/v1/lcps/{lcp}"), "L is in use by 1 splitter."),
        (format!("/api/v1/splitters/{splitter}"), "S is in use by 1 NAP."),
        (format!("/api/v1/naps/{nap}"), "N is in use by 1 installation."),
    ] {
        let refused = plant.api.delete(&path).await.refused(409, "in_use");
        assert_eq!(refused["detail"], said);
    }
    let smaller = json!({"port_capacity": 4});
    let refused =
        plant.api.patch(&format!("/api/v1/naps/{nap}"), smaller.clone()).await.refused(409, "in_use");
    assert!(refused["detail"].as_str().unwrap().contains("Port 7 is in use"));
    // Whoever goes behind the rules meets the database.
    let shrunk = format!("UPDATE nap SET port_capacity = 4 WHERE id = '{nap}'");
    assert_eq!(plant.refused(&shrunk).await, "nap_port_within_capacity");
    let gone = format!("DELETE FROM nap_port WHERE nap_id = '{nap}' AND number = 7");
    assert_eq!(plant.refused(&gone).await, "installation_nap_port_fkey");
    let freed = format!(
        "UPDATE installation SET status = 'terminated', terminated_at = now(), nap_id = NULL, nap_port = NULL \
         WHERE id = '{installation}'"
    );
    plant.run(&freed).await.unwrap();
    let shown = plant.api.patch(&format!("/api/v1/naps/{nap}"), smaller).await.expect(200);
    assert_eq!(shown["ports"]["total"], 4);
    for path in [
        format!("/api/v1/naps/{nap}"),
        format!("/api/v1/splitters/{splitter}"),
        format!("/api/v1/lcps/{lcp}"),
    ] {
        plant.api.delete(&path).await.expect_status(204);
        plant.api.get(&path).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn ports_are_free_reserved_used_or_faulty() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("L").await;
    let splitter = plant.splitter(&lcp, "S", "1:8").await;
    let nap = plant.nap(&splitter, 1, "N").await;
    let customer = plant.customer("Cruz").await;
    let installation = plant.install(&customer, &nap, 1).await;
    let port = |n: i64| format!("/api/v1/naps/{nap}/ports/{n}");
    let until = (chrono::Utc::now() + chrono::Duration::days(3)).to_rfc3339();
    let reserve =
        json!({"state": "reserved", "reserved_until": until, "reserved_for": customer, "note": "Moves in"});
    let kept = plant.api.patch(&port(2), reserve.clone()).await.expect(200);
    assert_eq!((&kept["state"], &kept["reserved_for"]["name"]), (&json!("reserved"), &json!("Ana Cruz")));
    let taken = plant.api.patch(&port(1), reserve).await.refused(409, "port_taken");
    assert_eq!(taken["detail"], "Port 1 is already occupied by Ana Cruz");
    plant.api.patch(&port(3), json!({"state": "faulty"})).await.expect(200);
    let faulty = json!({"state": "reserved", "reserved_until": until});
    plant.api.patch(&port(3), faulty).await.refused(409, "port_faulty");
    for wrong in [
        json!({"state": "reserved"}),
        json!({"state": "reserved", "reserved_until": "2020-01-01T00:00:00Z"}),
        json!({"state": "reserved", "reserved_until": "2999-01-01T00:00:00Z"}),
    ] {
        assert_eq!(plant.api.patch(&port(4), wrong).await.wrong_fields(), ["reserved_until"]);
    }
    plant.api.patch(&port(9), json!({"state": "free"})).await.refused(404, "not_found");
    let listed = plant.api.get(&format!("/api/v1/naps/{nap}/ports")).await.expect(200);
    let states: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|p| p["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["used", "reserved", "faulty", "free", "free", "free", "free", "free"]);
    assert_eq!(listed["items"][0]["installation_id"], installation.as_str());
    let shown = plant.api.get(&format!("/api/v1/naps/{nap}")).await.expect(200);
    assert_eq!(shown["ports"], json!({"total": 8, "used": 1, "free": 5, "reserved": 1, "faulty": 1}));
    // A reservation that ran out is none.
    plant
        .run(&format!("UPDATE nap_port SET reserved_until = now() - interval '1 minute' WHERE nap_id = '{nap}' AND number = 2"))
        .await
        .unwrap();
    let ports = plant.api.get(&format!("/api/v1/naps/{nap}/ports")).await.expect(200);
    assert_eq!(ports["items"][1]["state"], "free");
    // Who may not see customers does not learn their names from a port.
    let person = plant.tenant.person(&["plant.view"]).await;
    let blind =
        plant.tenant.api_of(&person).await.get(&format!("/api/v1/naps/{nap}/ports")).await.expect(200);
    assert!(!blind.to_string().contains("Cruz"), "{blind}");
    assert_eq!(blind["items"][0]["state"], "used");
}

#[tokio::test]
async fn light_arrives_as_it_was_worked_out() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("L").await;
    plant.api.patch(&format!("/api/v1/lcps/{lcp}"), json!({"fibre_m": 4000})).await.expect(200);
    let four = plant.splitter(&lcp, "S4", "1:4").await;
    let eight = plant.cascade(&four, 1, "S8").await;
    let nap = plant.nap(&eight, 3, "N").await;
    plant.api.patch(&format!("/api/v1/naps/{nap}"), json!({"fibre_m": 1000})).await.expect(200);
    let light = plant.api.get(&format!("/api/v1/plant/budget?nap_id={nap}")).await.expect(200);
    let said = ["loss_1310_db", "margin_db", "ont_dbm", "grade", "too_hot"].map(|name| light[name].clone());
    assert_eq!(said, [json!(21.55), json!(6.45), json!(-18.05), json!("green"), json!(false)]);
    let customer = plant.customer("Cruz").await;
    let installation = plant.install(&customer, &nap, 1).await;
    let house =
        plant.api.get(&format!("/api/v1/plant/budget?installation_id={installation}")).await.expect(200);
    assert_eq!((&house["fibre_m"], &house["loss_1310_db"]), (&json!(5080), &json!(21.58)));
    let same =
        json!({"splitters": [{"type": "1:4"}, {"type": "1:8"}], "fibre_m": 5000, "olt_class": "c_plus"});
    let planned = plant.api.post("/api/v1/plant/budget", same).await.expect(200);
    assert_eq!((&planned["loss_1310_db"], &planned["margin_db"]), (&json!(21.55), &json!(10.45)));
    let further = json!({"nap_id": nap, "splitters": [{"type": "1:8"}]});
    let red = plant.api.post("/api/v1/plant/budget", further).await.expect(200);
    assert_eq!((&red["grade"], &red["margin_db"]), (&json!("red"), &json!(-4.35)));
    let from = json!({"splitter_id": eight, "splitter_output": 9});
    let refused = plant.api.post("/api/v1/plant/budget", from).await.expect(422);
    assert_eq!(refused["detail"], "Splitter port must be between 1 and 8 for 1:8 splitter");
    plant.api.patch("/api/v1/plant/policy", json!({"green_margin_db": 7})).await.expect(200);
    let amber = plant.api.get(&format!("/api/v1/plant/budget?nap_id={nap}")).await.expect(200);
    assert_eq!(amber["grade"], "amber");
    let wrong = plant.api.patch("/api/v1/plant/policy", json!({"connector_db": 0.1234})).await;
    assert_eq!(wrong.wrong_fields(), ["connector_db"]);
    plant.api.get("/api/v1/plant/budget").await.expect_status(422);
    let outputs = plant.api.get(&format!("/api/v1/splitters/{eight}/outputs")).await.expect(200);
    assert_eq!(outputs["items"][2]["naps"][0]["id"], nap.as_str());
    assert_eq!(outputs["items"][2]["light"]["loss_1310_db"], 21.2);
}

#[tokio::test]
async fn the_nearest_nap_with_a_free_port_is_found() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("L").await;
    let splitter = plant.splitter(&lcp, "S", "1:8").await;
    let mut naps = Vec::new();
    for n in 0..4_u8 {
        let id = plant.nap(&splitter, i64::from(n) + 1, &format!("N{n}")).await;
        let place = json!({"latitude": 8.45 + 0.001 * f64::from(n), "longitude": 124.63, "port_capacity": 4});
        plant.api.patch(&format!("/api/v1/naps/{id}"), place).await.expect(200);
        naps.push(id);
    }
    // The nearest is full, and the one after it is switched off.
    let until = (chrono::Utc::now() + chrono::Duration::days(3)).to_rfc3339();
    let customer = plant.customer("Cruz").await;
    plant.install(&customer, &naps[0], 1).await;
    for (port, body) in [
        (2, json!({"state": "faulty"})),
        (3, json!({"state": "reserved", "reserved_until": until})),
        (4, json!({"state": "faulty"})),
    ] {
        plant.api.patch(&format!("/api/v1/naps/{}/ports/{port}", naps[0]), body).await.expect(200);
    }
    plant.api.patch(&format!("/api/v1/naps/{}", naps[1]), json!({"is_active": false})).await.expect(200);
    let found = plant.api.get("/api/v1/plant/nearest?lat=8.45&lng=124.63&limit=5").await.expect(200);
    let items = found["items"].as_array().unwrap();
    let codes: Vec<&str> = items.iter().map(|near| near["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["N2", "N3"]);
    let metres = items[0]["distance_m"].as_f64().unwrap();
    assert!((metres - 222.4).abs() < 0.5, "{metres}");
    assert_eq!((&items[0]["is_inside"], &items[0]["free_ports"]), (&json!(false), &json!(4)));
    assert_eq!(items[0]["path"], "L › S port 3 › N2");
    // 10.8 + 0.223 km x 0.35 + 1.2 + 0.6
    assert_eq!(items[0]["light"]["loss_1310_db"], 12.68);
    // Far away it still finds them, and across the date line too.
    let far = plant.api.get("/api/v1/plant/nearest?lat=-45&lng=-170&limit=1").await.expect(200);
    assert_eq!(far["items"].as_array().unwrap().len(), 1);
    plant.api.get("/api/v1/plant/nearest?lat=200&lng=0").await.expect_status(422);
}

#[tokio::test]
async fn another_tenants_plant_is_not_there() {
    let (ours, theirs) = (Plant::new().await, Plant::new().await);
    let lcp = theirs.lcp("L").await;
    let splitter = theirs.splitter(&lcp, "S", "1:8").await;
    let nap = theirs.nap(&splitter, 1, "N").await;
    let customer = theirs.customer("Cruz").await;
    let own = ours.lcp("Own").await;
    let own_splitter = ours.splitter(&own, "OS", "1:8").await;
    let own_nap = ours.nap(&own_splitter, 1, "ON").await;
    for path in [
        format!("/api/v1/lcps/{lcp}"),
        format!("/api/v1/splitters/{splitter}"),
        format!("/api/v1/splitters/{splitter}/outputs"),
        format!("/api/v1/splitters?lcp_id={lcp}"),
        format!("/api/v1/naps/{nap}"),
        format!("/api/v1/naps/{nap}/ports"),
        format!("/api/v1/naps?splitter_id={splitter}"),
        format!("/api/v1/naps/export?lcp_id={lcp}"),
        format!("/api/v1/plant/budget?nap_id={nap}"),
        format!("/api/v1/plant/tree?lcp_id={lcp}"),
    ] {
        ours.api.get(&path).await.refused(404, "not_found");
    }
    let body = json!({"lcp_id": lcp, "code": "X", "type": "1:2"});
    assert_eq!(ours.api.post("/api/v1/splitters", body).await.wrong_fields(), ["lcp_id"]);
    let moved = ours.move_splitter(&own_splitter, &splitter, 1).await;
    assert_eq!(moved.wrong_fields(), ["parent_id"]);
    let place = json!({"splitter_id": splitter, "splitter_output": 1});
    let moved = ours.api.post(&format!("/api/v1/naps/{own_nap}/move"), place).await;
    assert_eq!(moved.wrong_fields(), ["splitter_id"]);
    let until = (chrono::Utc::now() + chrono::Duration::days(1)).to_rfc3339();
    let reserve = json!({"state": "reserved", "reserved_until": until, "reserved_for": customer});
    let kept = ours.api.patch(&format!("/api/v1/naps/{own_nap}/ports/1"), reserve).await;
    assert_eq!(kept.wrong_fields(), ["reserved_for"]);
    assert_eq!(
        ours.api.post("/api/v1/plant/budget", json!({"nap_id": nap})).await.wrong_fields(),
        ["nap_id"]
    );
    ours.api.delete(&format!("/api/v1/lcps/{lcp}")).await.refused(404, "not_found");
    theirs.api.get(&format!("/api/v1/naps/{nap}")).await.expect(200);
}

#[tokio::test]
async fn lists_page_and_files_hold_what_is_listed() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("L").await;
    let splitter = plant.splitter(&lcp, "S", "1:8").await;
    for n in 0..7 {
        plant.nap(&splitter, 1 + n % 8, &format!("NAP-{n}")).await;
        plant.lcp(&format!("M{n}")).await;
    }
    for (list, total) in [("/api/v1/naps", 7), ("/api/v1/lcps", 8)] {
        let mut path = format!("{list}?limit=3&total=true");
        let mut codes = Vec::new();
        loop {
            let page = plant.api.get(&path).await.expect(200);
            assert_eq!(page["total"], total);
            codes.extend(page["items"].as_array().unwrap().iter().map(|one| text(one, "/code")));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{list}?limit=3&total=true&cursor={cursor}");
        }
        let mut sorted = codes.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((codes.len(), &codes), (total, &sorted));
    }
    plant.api.get("/api/v1/naps?cursor=made-up").await.refused(400, "bad_cursor");
    let full = plant.api.get("/api/v1/naps?has_free=false").await.expect(200);
    assert_eq!(full["items"], json!([]));
    let csv = plant.api.get("/api/v1/naps/export?q=NAP-3").await;
    csv.expect_status(200);
    let lines: Vec<String> = csv.text().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("code,name,lcp,splitter,splitter_port"));
    assert!(lines[1].starts_with("NAP-3,NAP-3,L,S,4,"), "{}", lines[1]);
    assert!(lines[1].contains(",yes,8,0,8,0,0,12.60,15.40,"), "{}", lines[1]);
    let sheet = plant.api.get("/api/v1/naps/export?format=xlsx").await;
    sheet.expect_status(200);
    assert!(sheet.body.starts_with(b"PK"));
}

#[tokio::test]
async fn the_map_shows_what_the_caller_may_see_and_what_is_down() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("L").await;
    let splitter = plant.splitter(&lcp, "S", "1:8").await;
    let nap = plant.nap(&splitter, 1, "N").await;
    for (path, lat) in [(format!("/api/v1/lcps/{lcp}"), 8.45), (format!("/api/v1/naps/{nap}"), 8.452)] {
        plant.api.patch(&path, json!({"latitude": lat, "longitude": 124.63})).await.expect(200);
    }
    let customer = json!({"first_name": "Ana", "last_name": "Cruz", "latitude": 8.453, "longitude": 124.631});
    let customer = text(&plant.api.post("/api/v1/customers", customer).await.expect(201), "/id");
    plant.install(&customer, &nap, 1).await;
    let box_of = "bbox=124.6,8.4,124.7,8.5";
    let all = plant.api.get(&format!("/api/v1/plant/map?{box_of}")).await.expect(200);
    let layers = |all: &Value| -> Vec<String> {
        all["features"].as_array().unwrap().iter().map(|one| text(one, "/properties/layer")).collect()
    };
    assert_eq!(layers(&all), ["lcps", "naps", "customers", "installations"]);
    // The splitter is not on the map: the NAP's line begins at its LCP, the installation's at the NAP.
    assert_eq!(all["features"][1]["properties"]["from"], json!([124.63, 8.45]));
    assert_eq!(all["features"][3]["properties"]["from"], json!([124.63, 8.452]));
    let some =
        plant.api.get(&format!("/api/v1/plant/map?{box_of}&layers=naps,customers&status=suspended")).await;
    assert_eq!(layers(&some.expect(200)), ["naps"]);
    let elsewhere = plant.api.get("/api/v1/plant/map?bbox=0,0,1,1").await.expect(200);
    assert_eq!(elsewhere["features"], json!([]));
    let person = plant.tenant.person(&["plant.view"]).await;
    let seen =
        plant.tenant.api_of(&person).await.get(&format!("/api/v1/plant/map?{box_of}")).await.expect(200);
    assert_eq!(layers(&seen), ["lcps", "naps"]);
    plant
        .run(&format!(
            "INSERT INTO outage (id, number, status, lcp_id, node_kind, node_label, started_at, opened_by) \
             VALUES (gen_random_uuid(), 'OUT-1', 'down', '{lcp}', 'lcp', 'L', now(), 'Test')"
        ))
        .await
        .unwrap();
    let all = plant.api.get(&format!("/api/v1/plant/map?{box_of}")).await.expect(200);
    let down: Vec<bool> = all["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["properties"]["is_down"].as_bool().unwrap())
        .collect();
    assert_eq!(down, [true, true, false, true]);
    let tree = plant.api.get(&format!("/api/v1/plant/tree?lcp_id={lcp}")).await.expect(200);
    assert!(tree["items"].as_array().unwrap().iter().all(|node| node["is_down"] == true), "{tree}");
    plant.api.delete(&format!("/api/v1/lcps/{lcp}")).await.refused(409, "in_use");
    for wrong in ["bbox=1,2,3", "bbox=0,0,1,1&layers=roads", "bbox=0,0,1,1&status=odd"] {
        plant.api.get(&format!("/api/v1/plant/map?{wrong}")).await.expect_status(422);
    }
}

#[tokio::test]
async fn a_crowded_map_comes_gathered_and_a_full_one_fast_and_small() {
    let plant = Plant::new().await;
    let lcp = plant.lcp("L").await;
    let splitter = plant.splitter(&lcp, "S", "1:128").await;
    plant
        .run(&format!(
            "INSERT INTO nap (id, splitter_id, splitter_output, code, name, latitude, longitude) \
             SELECT gen_random_uuid(), '{splitter}', 1 + n % 128, 'N' || n, 'NAP ' || n, 8.4 + (n % 40) * 0.002, \
             124.6 + (n / 40) * 0.002 FROM generate_series(1, 1000) n"
        ))
        .await
        .unwrap();
    plant
        .run("INSERT INTO customer (id, first_name, last_name, latitude, longitude) SELECT gen_random_uuid(), 'Ana', \
              'Cruz ' || n, 8.4 + (n % 60) * 0.001, 124.6 + (n / 60) * 0.001 FROM generate_series(1, 3000) n")
        .await
        .unwrap();
    let all = plant.api.get("/api/v1/plant/map?bbox=124.5,8.3,124.8,8.6").await.expect(200);
    assert_eq!(all["features"].as_array().unwrap().len(), 1_000, "the NAPs one by one");
    let gathered: i64 =
        all["clusters"].as_array().unwrap().iter().map(|c| c["count"].as_i64().unwrap()).sum();
    assert_eq!(gathered, 3_000, "the customers in cells");
    assert!(all["clusters"].as_array().unwrap().len() <= 16 * 12);
    let near = plant.api.get("/api/v1/plant/map?bbox=124.6,8.3,124.6165,8.6&layers=naps,customers").await;
    let near = near.expect(200);
    assert_eq!(near["clusters"], json!([]));
    assert!(
        near["features"].as_array().unwrap().len() > 1_000,
        "{}",
        near["features"].as_array().unwrap().len()
    );
}

#[tokio::test]
async fn the_pages_add_show_move_and_delete() {
    let plant = Plant::new().await;
    let mut browser = plant.tenant.browser().await;
    browser.get("/plant").await.expect_status(200);
    browser.get("/plant/lcps/new").await.expect_status(200);
    let wrong = browser.post("/plant/lcps", &[("code", "LCP-001"), ("latitude", "91")]).await;
    wrong.expect_status(422);
    assert!(
        wrong.text().contains("value=\"LCP-001\"") && wrong.text().contains("name-error"),
        "{}",
        wrong.text()
    );
    let added =
        browser.post("/plant/lcps", &[("code", "LCP-001"), ("name", "Carmen"), ("is_active", "true")]).await;
    let lcp = added.expect_status(303).header("location").to_owned();
    browser.get(&lcp).await.expect_status(200);
    let lcp_id = lcp.rsplit('/').next().unwrap().to_owned();
    browser.get(&format!("/plant/splitters/new?lcp={lcp_id}")).await.expect_status(200);
    let hang = format!("lcp:{lcp_id}");
    let form = [("hangs_on", hang.as_str()), ("code", "SP-1"), ("type", "1:8"), ("is_active", "true")];
    let splitter =
        browser.post("/plant/splitters", &form).await.expect_status(303).header("location").to_owned();
    let bad = browser.post("/plant/splitters", &[("code", "SP-2"), ("type", "1:8")]).await;
    bad.expect_status(422);
    assert!(bad.text().contains("hangs_on-error"), "{}", bad.text());
    browser.get(&splitter).await.expect_status(200);
    let splitter_id = splitter.rsplit('/').next().unwrap().to_owned();
    let far =
        [("splitter_id", splitter_id.as_str()), ("splitter_output", "99"), ("code", "N"), ("name", "N")];
    let refused = browser.post("/plant/naps", &far).await;
    refused.expect_status(422);
    assert!(refused.text().contains("Splitter port must be between 1 and 8 for 1:8 splitter"));
    let form = [
        ("splitter_id", splitter_id.as_str()),
        ("splitter_output", "2"),
        ("code", "NAP-1"),
        ("name", "Corner"),
        ("port_capacity", "8"),
        ("is_active", "true"),
        ("latitude", "8.45"),
        ("longitude", "124.63"),
    ];
    let nap = browser.post("/plant/naps", &form).await.expect_status(303).header("location").to_owned();
    ports_are_kept_and_naps_moved(&plant, &mut browser, &nap, &splitter_id).await;
    for path in [
        "/plant",
        "/plant/naps?state=free",
        "/plant/tree",
        "/plant/map",
        "/plant/nearest?latitude=8.45&longitude=124.63",
        "/settings/plant",
        "/plant/map/data?bbox=124,8,125,9",
        "/plant/map/found/data?q=nap",
        "/plant/naps/export?format=xlsx",
    ] {
        browser.get(path).await.expect_status(200);
    }
    for page in [&lcp, &splitter, &nap] {
        browser.get(&format!("{page}/edit")).await.expect_status(200);
    }
    browser.post(&format!("{lcp}/delete"), &[]).await.expect_status(303);
    assert!(browser.get(&lcp).await.text().contains("LCP-001 is in use by 1 splitter."));
    for page in [&nap, &splitter, &lcp] {
        browser.post(&format!("{page}/delete"), &[]).await.expect_status(303);
        browser.get(page).await.expect_status(404);
    }
}

async fn ports_are_kept_and_naps_moved(plant: &Plant, browser: &mut Browser, nap: &str, splitter_id: &str) {
    plant.customer("Cruz").await;
    let kept = [("state", "reserved"), ("days", "3"), ("customer", "cruz")];
    browser.post(&format!("{nap}/ports/2"), &kept).await.expect_status(303);
    let page = browser.get(&format!("{nap}?port=2")).await.text();
    assert!(page.contains("Port 2 was reserved.") && page.contains("Ana Cruz"), "{page}");
    browser
        .post(&format!("{nap}/ports/2"), &[("state", "reserved"), ("customer", "nobody")])
        .await
        .expect_status(303);
    assert!(browser.get(nap).await.text().contains("No customer is found by"));
    let moved = [("splitter_id", splitter_id), ("splitter_output", "5")];
    browser.post(&format!("{nap}/move"), &moved).await.expect_status(303);
    let moved = [("splitter_id", splitter_id), ("splitter_output", "50")];
    browser.post(&format!("{nap}/move"), &moved).await.expect_status(422);
}
