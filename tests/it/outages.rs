//! Outages over the API and in the portal, on a plant that is laid behind the scenes.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::harness::{Api, Tenant, mailbox::until, sql, tenant, text};

const OUTAGES: &str = "/api/v1/outages";

/// One cabinet with two splitters, and whoever is connected to them.
pub struct Field {
    pub api: Api,
    pub lcp: String,
    pub splitters: [String; 2],
    client: Client,
}

impl Field {
    pub async fn new(tenant: &Tenant) -> Self {
        let schema = tenant.schema().await;
        let client = sql(&tenant.server.database).await;
        let plan = "INSERT INTO plan (id, name, download_mbps, upload_mbps, price) VALUES (gen_random_uuid(), 'Basic', 25, 25, 900)";
        client.batch_execute(&format!("SET search_path = {schema}, ext; {plan}")).await.unwrap();
        let api = tenant.api().await;
        let lcp = api.post("/api/v1/lcps", json!({"code": "LCP-001", "name": "Main"})).await.expect(201);
        let lcp = text(&lcp, "/id");
        let mut splitters = [String::new(), String::new()];
        for (splitter, code) in splitters.iter_mut().zip(["SP-1", "SP-2"]) {
            let body = json!({"lcp_id": lcp, "code": code, "type": "1:8"});
            *splitter = text(&api.post("/api/v1/splitters", body).await.expect(201), "/id");
        }
        Self { api, lcp, splitters, client }
    }

    /// NAP 1 to 4 hang on the first splitter, 5 to 8 on the second.
    pub async fn nap(&self, n: i16) -> String {
        let body = json!({
            "splitter_id": self.splitters[usize::from(n > 4)], "splitter_output": n, "code": format!("NAP-00{n}"),
            "name": format!("Box {n}"), "port_capacity": 8, "latitude": 8.45, "longitude": 124.63,
        });
        text(&self.api.post("/api/v1/naps", body).await.expect(201), "/id")
    }

    /// A customer with a running installation since January and a period of 30 days around now: (customer, installation).
    pub async fn subscriber(&self, name: &str, nap: &str, port: i16) -> (String, String) {
        let body = json!({"first_name": name, "last_name": "Cruz", "phone_primary": "09171234567"});
        let customer = text(&self.api.post("/api/v1/customers", body).await.expect(201), "/id");
        let id = Uuid::now_v7();
        self.run(&format!(
            "INSERT INTO installation (id, customer_id, status, nap_id, nap_port, installed_on, created_at, latitude, longitude) VALUES ('{id}', '{customer}', 'active', '{nap}', {port}, '2026-01-05', '2026-01-05', 8.451, 124.631); \
             INSERT INTO subscription (id, installation_id, customer_id, plan_id, plan_name, kind, price, period_days, tax, amount, starts_at, ends_at, sold_minutes, days_added, sold_by_label) \
             SELECT gen_random_uuid(), '{id}', '{customer}', p.id, p.name, 'one_month', 900, 30, 'vatable', 900, now() - interval '15 days', now() + interval '15 days', 43200, 30, 'x' FROM plan p LIMIT 1; \
             UPDATE installation SET paid_until = (SELECT max(ends_at) FROM subscription WHERE installation_id = '{id}') WHERE id = '{id}'"
        ))
        .await;
        (customer, id.to_string())
    }

    pub async fn run(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap();
    }

    async fn ends_at(&self, installation: &str) -> DateTime<Utc> {
        let id: Uuid = installation.parse().unwrap();
        self.client
            .query_one("SELECT max(ends_at) FROM subscription WHERE installation_id = $1", &[&id])
            .await
            .unwrap()
            .get(0)
    }

    async fn ticket(&self, customer: &str, category: &str) -> Value {
        let body = json!({"customer_id": customer, "title": "No light", "category": category});
        self.api.post("/api/v1/tickets", body).await.expect(201)
    }

    /// Marks a node as down since so many minutes ago.
    async fn down(&self, kind: &str, id: &str, minutes: i64) -> String {
        let body =
            json!({"node_kind": kind, "node_id": id, "cause": "fibre_cut", "started_at": ago(minutes)});
        text(&self.api.post(OUTAGES, body).await.expect(201), "/id")
    }

    async fn restore(&self, id: &str) -> Value {
        self.api.post(&format!("{OUTAGES}/{id}/restore"), json!({})).await.expect(200)
    }

    async fn policy(&self, extension: &str) {
        self.api.patch("/api/v1/outage-policy", json!({"extension": extension})).await.expect(200);
    }

    async fn hit(&self, id: &str) -> Vec<Value> {
        let page = self.api.get(&format!("{OUTAGES}/{id}/subscribers?limit=200")).await.expect(200);
        page["items"].as_array().unwrap().clone()
    }

    async fn proposals(&self) -> Vec<Value> {
        let list = self.api.get(&format!("{OUTAGES}?status=proposed")).await.expect(200);
        list["items"].as_array().unwrap().clone()
    }
}

fn ago(minutes: i64) -> String {
    (Utc::now() - Duration::minutes(minutes)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[tokio::test]
async fn a_node_that_is_down_knows_whom_it_hits_and_explains_their_tickets() {
    let tenant = tenant().await;
    let field = Field::new(&tenant).await;
    let (near, far) = (field.nap(1).await, field.nap(5).await);
    let (ana, _) = field.subscriber("Ana", &near, 1).await;
    let (ben, _) = field.subscriber("Ben", &far, 1).await;
    let (old, new_bill) = (field.ticket(&ana, "slow_connection").await, field.ticket(&ana, "billing").await);
    let id = field.down("splitter", &field.splitters[0], 5).await;
    let outage = field.api.get(&format!("{OUTAGES}/{id}")).await.expect(200);
    assert_eq!(
        (&outage["affected"], &outage["tickets"], &outage["status"]),
        (&json!(1), &json!(1), &json!("down"))
    );
    assert!(
        outage["number"].as_str().unwrap().starts_with("OUT-")
            && outage["number"].as_str().unwrap().ends_with("-0001")
    );
    assert!(outage["message"].as_str().unwrap().contains("fibre cut"), "a message is prepared: {outage}");
    let of = async |ticket: &Value| {
        field.api.get(&format!("/api/v1/tickets/{}", text(ticket, "/id"))).await.expect(200)["outage_id"]
            .clone()
    };
    assert_eq!((of(&old).await, of(&new_bill).await), (json!(id), Value::Null));
    // A ticket that comes now belongs to it by itself; one from elsewhere does not.
    assert_eq!(field.ticket(&ana, "no_connection").await["outage_id"], json!(id));
    assert_eq!(field.ticket(&ben, "no_connection").await["outage_id"], Value::Null);
    let body = json!({"node_kind": "splitter", "node_id": field.splitters[0]});
    field.api.post(OUTAGES, body).await.refused(409, "already_down");
    let all = field.down("lcp", &field.lcp, 5).await;
    assert_eq!(field.hit(&all).await.len(), 2);
    for wrong in
        [json!({"node_kind": "nap", "node_id": Uuid::now_v7()}), json!({"node_kind": "lcp", "node_id": near})]
    {
        assert_eq!(field.api.post(OUTAGES, wrong).await.wrong_fields(), ["node_id"]);
    }
    let future = json!({"node_kind": "nap", "node_id": far, "started_at": ago(-60)});
    assert_eq!(field.api.post(OUTAGES, future).await.wrong_fields(), ["started_at"]);
}

#[tokio::test]
async fn tickets_from_one_place_propose_an_outage_at_the_lowest_common_node() {
    let tenant = tenant().await;
    let field = Field::new(&tenant).await;
    let (one, two) = (field.nap(1).await, field.nap(2).await);
    let (ana, _) = field.subscriber("Ana", &one, 1).await;
    let (ben, _) = field.subscriber("Ben", &one, 2).await;
    let (eve, _) = field.subscriber("Eve", &two, 1).await;
    let (sam, _) = field.subscriber("Sam", &two, 2).await;
    field.ticket(&ana, "no_connection").await;
    field.ticket(&ana, "no_connection").await;
    field.ticket(&ben, "billing").await;
    field.ticket(&ben, "intermittent").await;
    let proposed = until("a proposal", async || field.proposals().await.pop()).await;
    assert_eq!((&proposed["node_id"], &proposed["affected"]), (&json!(one), &json!(2)));
    assert_eq!(proposed["opened_by"], "System");
    // Its sibling is off as well: it is rather the splitter, and the first proposal is part of it.
    field.ticket(&eve, "no_connection").await;
    field.ticket(&sam, "no_connection").await;
    let larger = until("the larger proposal", async || {
        field.proposals().await.into_iter().find(|one| one["node_kind"] == "splitter")
    })
    .await;
    assert_eq!(field.proposals().await.len(), 1, "the smaller one was withdrawn");
    assert_eq!((&larger["affected"], &larger["node_label"]), (&json!(4), &json!("LCP-001 · SP-1")));
    let id = text(&larger, "/id");
    let confirmed =
        field.api.post(&format!("{OUTAGES}/{id}/confirm"), json!({"cause": "power"})).await.expect(200);
    assert_eq!((&confirmed["status"], &confirmed["cause"]), (&json!("down"), &json!("power")));
    assert!(confirmed["tickets"].as_i64().unwrap() >= 4, "{confirmed}");
    // What is explained is not proposed again.
    assert_eq!(field.ticket(&ana, "no_connection").await["outage_id"], json!(id));
    field.restore(&id).await;
    field
        .api
        .send(reqwest::Method::POST, &format!("{OUTAGES}/{id}/dismiss"), None, Vec::new())
        .await
        .refused(409, "over");
}

#[tokio::test]
async fn a_dismissed_proposal_stays_dismissed() {
    let tenant = tenant().await;
    let field = Field::new(&tenant).await;
    let nap = field.nap(1).await;
    let (ana, _) = field.subscriber("Ana", &nap, 1).await;
    let (ben, _) = field.subscriber("Ben", &nap, 2).await;
    field.ticket(&ana, "no_connection").await;
    field.ticket(&ben, "no_connection").await;
    let id = text(&until("a proposal", async || field.proposals().await.pop()).await, "/id");
    let dismiss = format!("{OUTAGES}/{id}/dismiss");
    for _ in 0..2 {
        let gone = field.api.send(reqwest::Method::POST, &dismiss, None, Vec::new()).await.expect(200);
        assert_eq!(gone["status"], "dismissed");
    }
    field.api.post(&format!("{OUTAGES}/{id}/confirm"), json!({})).await.refused(409, "not_proposed");
    field.api.post(&format!("{OUTAGES}/{id}/restore"), json!({})).await.refused(409, "not_down");
    assert_eq!(field.proposals().await.len(), 0);
}

#[tokio::test]
async fn periods_are_extended_by_what_each_lost_exactly_once() {
    let tenant = tenant().await;
    let field = Field::new(&tenant).await;
    field.policy("automatic").await;
    let nap = field.nap(1).await;
    let (_, ana) = field.subscriber("Ana", &nap, 1).await;
    let (_, late) = field.subscriber("Late", &nap, 2).await;
    let (_, idle) = field.subscriber("Idle", &nap, 3).await;
    field.run(&format!("UPDATE installation SET status = 'suspended' WHERE id = '{idle}'")).await;
    let (before, idle_before) = (field.ends_at(&ana).await, field.ends_at(&idle).await);
    let id = field.down("nap", &nap, 300).await;
    let preview = field.api.get(&format!("{OUTAGES}/{id}/preview")).await.expect(200);
    assert_eq!((&preview["gaining"], &preview["extension"]), (&json!(2), &json!("automatic")));
    // Two people at once, and once more.
    let path = format!("{OUTAGES}/{id}/restore");
    let (one, two) = futures_util::join!(field.api.post(&path, json!({})), field.api.post(&path, json!({})));
    assert_eq!(one.expect(200)["restored_at"], two.expect(200)["restored_at"]);
    field.restore(&id).await;
    let gained = field.ends_at(&ana).await - before;
    assert_eq!(gained.num_minutes(), 300);
    assert_eq!(field.ends_at(&idle).await, idle_before, "what does not run is not extended");
    let hit = field.hit(&id).await;
    let of = |installation: &str| hit.iter().find(|one| one["installation_id"] == installation).unwrap();
    assert_eq!(
        (&of(&ana)["minutes"], &of(&ana)["extended_minutes"], &of(&ana)["extension"]),
        (&json!(300), &json!(300), &json!("extended"))
    );
    assert_eq!((&of(&idle)["minutes"], &of(&idle)["extension"]), (&json!(0), &json!("none")));
    assert_eq!(of(&late)["extension"], "extended");
    // A cabinet that was down during the same hours gives nothing for them again.
    let larger = field.down("lcp", &field.lcp, 400).await;
    field.restore(&larger).await;
    let gained = (field.ends_at(&ana).await - before).num_minutes();
    // The two stretches are counted in whole minutes together.
    assert!((399..=400).contains(&gained), "{gained} minutes of 400");
}

#[tokio::test]
async fn staff_decide_of_all_or_one_by_one() {
    let tenant = tenant().await;
    let field = Field::new(&tenant).await;
    let nap = field.nap(1).await;
    let (_, ana) = field.subscriber("Ana", &nap, 1).await;
    let (_, ben) = field.subscriber("Ben", &nap, 2).await;
    let (_, eve) = field.subscriber("Eve", &nap, 3).await;
    let before = field.ends_at(&ana).await;
    let id = field.down("nap", &nap, 180).await;
    assert_eq!(field.restore(&id).await["to_decide"], 3);
    assert_eq!(field.ends_at(&ana).await, before, "nothing is given before somebody decides");
    let path = format!("{OUTAGES}/{id}/extensions");
    let done =
        field.api.post(&path, json!({"decision": "extend", "installation_ids": [ana]})).await.expect(200);
    assert_eq!((&done["extended"], &done["extended_minutes"]), (&json!(1), &json!(180)));
    let again =
        field.api.post(&path, json!({"decision": "extend", "installation_ids": [ana]})).await.expect(200);
    assert_eq!(again["decided"], 0);
    assert_eq!((field.ends_at(&ana).await - before).num_minutes(), 180);
    field.api.post(&path, json!({"decision": "decline", "installation_ids": [ben]})).await.expect(200);
    assert_eq!(field.api.post(&path, json!({"decision": "extend"})).await.expect(200)["extended"], 1);
    let hit = field.hit(&id).await;
    let of = |id: &str| hit.iter().find(|one| one["installation_id"] == id).unwrap()["extension"].clone();
    assert_eq!((of(&ana), of(&ben), of(&eve)), (json!("extended"), json!("declined"), json!("extended")));
}

#[tokio::test]
async fn short_outages_and_a_policy_that_is_off_give_nothing() {
    let tenant = tenant().await;
    let field = Field::new(&tenant).await;
    let nap = field.nap(1).await;
    let (_, ana) = field.subscriber("Ana", &nap, 1).await;
    field.policy("automatic").await;
    let before = field.ends_at(&ana).await;
    let short = field.down("nap", &nap, 30).await;
    field.restore(&short).await;
    assert_eq!(field.hit(&short).await[0]["minutes"], 30, "what was lost is written down all the same");
    field.policy("off").await;
    let long = field.down("nap", &nap, 600).await;
    field.restore(&long).await;
    assert_eq!(field.ends_at(&ana).await, before);
    for (field_name, value) in [("minimum_minutes", -1), ("propose_tickets", 1), ("propose_hours", 73)] {
        let wrong = field.api.patch("/api/v1/outage-policy", json!({field_name: value})).await;
        assert_eq!(wrong.wrong_fields(), [field_name]);
    }
}

#[tokio::test]
async fn who_left_or_came_while_it_lasted_lost_only_their_part() {
    let tenant = tenant().await;
    let field = Field::new(&tenant).await;
    let (nap, other) = (field.nap(1).await, field.nap(5).await);
    let (_, ended) = field.subscriber("Ended", &nap, 1).await;
    let (_, moved) = field.subscriber("Moved", &nap, 2).await;
    let (_, fresh) = field.subscriber("Fresh", &nap, 3).await;
    field.run(&format!("UPDATE installation SET nap_id = NULL, nap_port = NULL WHERE id = '{fresh}'")).await;
    let id = field.down("nap", &nap, 240).await;
    assert_eq!(field.hit(&id).await.len(), 2);
    // They are moved now, and it is said that it was so many minutes ago. Going to another port of the same NAP is no move.
    for (id, nap, port, minutes) in
        [(&moved, &other, 1, 90), (&fresh, &nap, 3, 30), (&fresh, &nap, 4, 5), (&moved, &other, 2, 5)]
    {
        let to = json!({"nap_id": nap, "nap_port": port});
        field.api.post(&format!("/api/v1/installations/{id}/port"), to).await.expect(200);
        field
            .run(&format!(
                "UPDATE audit_event SET occurred_at = now() - interval '{minutes} minutes' WHERE object_id = '{id}' \
                 AND action = 'installation.moved' AND occurred_at > now() - interval '1 minute'"
            ))
            .await;
    }
    field.run(&format!(
        "UPDATE installation SET status = 'terminated', terminated_at = now() - interval '60 minutes', nap_id = NULL, nap_port = NULL WHERE id = '{ended}'"
    ))
    .await;
    field.restore(&id).await;
    let hit = field.hit(&id).await;
    let of = |id: &str| {
        let one = hit.iter().find(|one| one["installation_id"] == id).unwrap();
        (one["minutes"].as_i64().unwrap(), one["extension"].as_str().unwrap())
    };
    assert_eq!(of(&ended), (180, "none"), "what was terminated cannot be extended");
    assert_eq!(of(&moved), (150, "proposed"));
    assert_eq!(of(&fresh), (30, "proposed"));
}

#[tokio::test]
async fn the_end_resolves_the_tickets_and_the_message_is_handed_over() {
    let tenant = tenant().await;
    let field = Field::new(&tenant).await;
    let nap = field.nap(1).await;
    let (ana, _) = field.subscriber("Ana", &nap, 1).await;
    let id = field.down("nap", &nap, 90).await;
    let ticket = text(&field.ticket(&ana, "no_connection").await, "/id");
    let path = format!("{OUTAGES}/{id}/message");
    assert_eq!(field.api.post(&path, json!({"message": " "})).await.wrong_fields(), ["message"]);
    field.api.post(&path, json!({"message": "Back by six."})).await.expect(200);
    let handed: Value = field
        .client
        .query_one("SELECT payload FROM event WHERE kind = 'outage.message_prepared'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!((&handed["message"], &handed["subscribers"]), (&json!("Back by six."), &json!(1)));
    let notices: i64 = field
        .client
        .query_one("SELECT count(*) FROM notice WHERE customer_id IS NOT NULL", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(notices, 1, "the subscriber was told once");
    let end = json!({"resolve_tickets_note": "Fibre spliced"});
    field.api.post(&format!("{OUTAGES}/{id}/restore"), end).await.expect(200);
    let ticket = field.api.get(&format!("/api/v1/tickets/{ticket}")).await.expect(200);
    assert_eq!(
        (&ticket["status"], &ticket["resolution_notes"]),
        (&json!("resolved"), &json!("Fibre spliced"))
    );
}

#[tokio::test]
async fn another_tenants_outage_is_not_there() {
    let (ours, theirs) = (tenant().await, tenant().await);
    let field = Field::new(&theirs).await;
    let nap = field.nap(1).await;
    let id = field.down("nap", &nap, 5).await;
    let api = ours.api().await;
    for path in ["", "/subscribers", "/preview"] {
        api.get(&format!("{OUTAGES}/{id}{path}")).await.refused(404, "not_found");
    }
    api.post(&format!("{OUTAGES}/{id}/restore"), json!({})).await.refused(404, "not_found");
    api.post(&format!("{OUTAGES}/{id}/extensions"), json!({"decision": "extend"}))
        .await
        .refused(404, "not_found");
    assert_eq!(
        api.post(OUTAGES, json!({"node_kind": "nap", "node_id": nap})).await.wrong_fields(),
        ["node_id"]
    );
}

#[tokio::test]
async fn the_portal_marks_shows_restores_and_decides() {
    let tenant = tenant().await;
    let field = Field::new(&tenant).await;
    let nap = field.nap(3).await;
    let (ana, place) = field.subscriber("Ana", &nap, 1).await;
    let mut browser = tenant.browser().await;
    let found = browser.get("/outages/new?q=nap-003").await.text();
    assert!(found.contains(&format!("/outages/new?kind=nap&amp;node={nap}")), "{found}");
    let form = browser.get(&format!("/outages/new?kind=nap&node={nap}")).await.text();
    assert!(form.contains("<b>1</b> installation hangs"), "{form}");
    let marked = browser
        .post(
            "/outages",
            &[
                ("node_kind", "nap"),
                ("node_id", &nap),
                ("cause", "power"),
                ("started_at", "2026-01-01T00:00"),
            ],
        )
        .await;
    assert!(marked.expect_status(422).text().contains("at most 31 days"));
    let page = browser.post("/outages", &[("node_kind", "nap"), ("node_id", &nap), ("cause", "power")]).await;
    let page = page.expect_status(303).header("location").to_owned();
    let shown = browser.get(&page).await.text();
    assert!(shown.contains("data-since=") && shown.contains("Ana Cruz") && shown.contains("tel:"), "{shown}");
    assert!(browser.get("/").await.text().contains("NAP-003 is down"));
    browser.get(&format!("{page}/map/data")).await.expect_status(200);
    field.run("UPDATE outage SET started_at = started_at - interval '3 hours'").await;
    field.ticket(&ana, "no_connection").await;
    let end = browser.get(&format!("{page}/restore")).await.text();
    assert!(end.contains("3 h"), "{end}");
    let wrong = browser.post(&format!("{page}/restore"), &[("restored_at", "2030-01-01T00:00")]).await;
    assert!(wrong.expect_status(422).text().contains("cannot be over in the future"));
    browser
        .post(&format!("{page}/restore"), &[("resolve", "true"), ("note", "Power is back")])
        .await
        .expect_status(303);
    let shown = browser.get(&page).await.text();
    assert!(shown.contains("wait for a decision") && shown.contains("To decide"), "{shown}");
    browser
        .post(&format!("{page}/extensions"), &[("decision", "extend"), ("ids", &place)])
        .await
        .expect_status(303);
    let shown = browser.get(&page).await.text();
    assert!(shown.contains("3 h added"), "{shown}");
    assert!(!browser.get("/").await.text().contains("NAP-003 is down"));
    for page in ["/outages", "/outages?status=restored", "/settings/outages"] {
        browser.get(page).await.expect_status(200);
    }
    let saved = browser
        .post(
            "/settings/outages",
            &[
                ("extension", "automatic"),
                ("minimum_minutes", "90"),
                ("propose_tickets", "3"),
                ("propose_hours", "6"),
            ],
        )
        .await;
    saved.expect_status(303);
    assert_eq!(field.api.get("/api/v1/outage-policy").await.expect(200)["minimum_minutes"], 90);
}
