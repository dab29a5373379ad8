//! Parts of an ISP's customers as the audience of a message: who belongs to each, asked for through the API.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Answer, PASSWORD, tenant, text},
    sender::{Sender, number},
};

/// An ISP with a customer for every way to belong to a part, and not to.
struct Isp {
    sender: Sender,
    area: String,
    plan: String,
    nap: String,
    left: String,
    gone: String,
}

impl Isp {
    async fn open() -> Self {
        let sender = Sender::open().await;
        let api = &sender.api;
        let area = made(&sender, "/api/v1/areas", json!({"name": "Carmen", "code": "CAR"})).await;
        let plan = json!({"name": "Fibre 50", "download_mbps": 50, "upload_mbps": 50, "price": "1200"});
        let plan = made(&sender, "/api/v1/plans", plan).await;
        let lcp = made(&sender, "/api/v1/lcps", json!({"code": "L", "name": "Cabinet"})).await;
        let splitter = json!({"lcp_id": lcp, "code": "S", "type": "1:8"});
        let splitter = made(&sender, "/api/v1/splitters", splitter).await;
        let nap = json!({"splitter_id": splitter, "splitter_output": 1, "code": "N", "name": "N"});
        let nap = made(&sender, "/api/v1/naps", nap).await;

        customer(&sender, 1, "Lives", Some(&area)).await;
        let wired = customer(&sender, 2, "Wired", None).await;
        installation(&sender, &wired, "active", "interval '30 days'").await;
        sender
            .run(&format!("UPDATE installation SET area_id = '{area}', nap_id = '{nap}', nap_port = 3"))
            .await;
        let owing = customer(&sender, 3, "Owing", None).await;
        let sold = installation(&sender, &owing, "inactive", "NULL").await;
        let period = json!({"installation_id": sold, "plan_id": plan, "kind": "one_month"});
        api.post("/api/v1/subscriptions", period).await.expect(201);
        // The tenant's midnight is where a day ends, so neither of them stands near one.
        let ending = customer(&sender, 4, "Ending", None).await;
        installation(&sender, &ending, "active", &noon_in(2)).await;
        let ended = customer(&sender, 5, "Ended", None).await;
        installation(&sender, &ended, "inactive", &noon_in(-2)).await;
        let left = customer(&sender, 6, "Left", Some(&area)).await;
        let status = json!({"status": "terminated"});
        api.post(&format!("/api/v1/customers/{left}/status"), status).await.expect(200);
        let gone = customer(&sender, 7, "Gone", Some(&area)).await;
        api.delete(&format!("/api/v1/customers/{gone}")).await.expect_status(204);
        customer(&sender, 8, "Plain", None).await;
        Self { sender, area, plan, nap, left, gone }
    }

    async fn ask(&self, segments: Value) -> Answer {
        let body = json!({"channels": ["sms"], "to": {"segments": segments}, "content": {"text": "Hi {{ first_name }}"}});
        self.sender.api.post("/api/v1/messages", body).await
    }

    /// The first names of those whom the provider was given a message for, in order.
    async fn reached(&self, segments: Value) -> String {
        let message = text(&self.ask(segments).await.expect(202), "/id");
        let state = format!(
            "SELECT status || ' ' || (SELECT count(*) FROM delivery WHERE message_id = m.id AND status = 'queued') \
             FROM message m WHERE id = '{message}'"
        );
        self.sender.until_sql(&state, "ready 0").await;
        let deliveries = self.sender.deliveries(&message).await;
        assert!(deliveries.iter().all(|one| one["status"] == "accepted"), "{deliveries:?}");
        let mut names: Vec<&str> =
            deliveries.iter().map(|one| one["name"].as_str().unwrap().split(' ').next().unwrap()).collect();
        names.sort_unstable();
        names.join(" ")
    }
}

async fn made(sender: &Sender, path: &str, body: Value) -> String {
    text(&sender.api.post(path, body).await.expect(201), "/id")
}

async fn customer(sender: &Sender, n: usize, first: &str, area: Option<&str>) -> String {
    let body = json!({"first_name": first, "last_name": "Cruz", "phone_primary": number(n), "area_id": area});
    made(sender, "/api/v1/customers", body).await
}

/// An installation that is paid until then, behind the scenes.
async fn installation(sender: &Sender, customer: &str, status: &str, until: &str) -> String {
    let id = Uuid::now_v7().to_string();
    let until = if until.starts_with("interval") { format!("now() + {until}") } else { until.to_owned() };
    sender
        .run(&format!(
            "INSERT INTO installation (id, customer_id, status, installed_on, paid_until) \
             VALUES ('{id}', '{customer}', '{status}', current_date - 90, {until})"
        ))
        .await;
    id
}

/// An outage that hits nobody, behind the scenes.
async fn outage(sender: &Sender, status: &str) -> String {
    let id = Uuid::now_v7().to_string();
    sender
        .run(&format!(
            "INSERT INTO outage (id, number, status, node_kind, node_label, started_at, opened_by) \
             VALUES ('{id}', 'OUT-2026-9999', '{status}', 'nap', 'N', now(), 'x')"
        ))
        .await;
    id
}

/// Noon of the tenant's day so many days from today.
fn noon_in(days: i32) -> String {
    format!(
        "(date_trunc('day', now() AT TIME ZONE 'Asia/Manila') + interval '{days} days 12 hours') AT TIME ZONE 'Asia/Manila'"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_the_customers_is_whom_its_name_says() {
    let isp = Isp::open().await;
    let Isp { area, plan, nap, left, .. } = &isp;
    for (segments, expected) in [
        (json!([{"kind": "customers"}]), "Ended Ending Lives Owing Plain Wired"),
        (json!([{"kind": "area", "id": area}]), "Lives Wired"),
        (json!([{"kind": "plan", "id": plan}]), "Owing"),
        (json!([{"kind": "nap", "id": nap}]), "Wired"),
        (json!([{"kind": "expiring", "days": 2}]), "Ending"),
        (json!([{"kind": "expiring", "days": 60}]), "Ending Owing Wired"),
        (json!([{"kind": "overdue"}]), "Ended Owing"),
        // Whoever is named is meant, also after they left.
        (json!([{"kind": "customer", "id": left}]), "Left"),
        // Who is in two parts is written to once.
        (
            json!([{"kind": "area", "id": area}, {"kind": "nap", "id": nap}, {"kind": "overdue"}]),
            "Ended Lives Owing Wired",
        ),
    ] {
        assert_eq!(isp.reached(segments.clone()).await, expected, "{segments}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_not_there_or_holds_nobody_is_named() {
    let isp = Isp::open().await;
    let other = Sender::bare(tenant().await).await;
    let foreign = made(&other, "/api/v1/areas", json!({"name": "Carmen", "code": "CAR"})).await;
    let (theirs, none) = (outage(&other, "down").await, outage(&isp.sender, "dismissed").await);
    for segment in [
        json!({"kind": "area", "id": foreign}),
        json!({"kind": "area", "id": Uuid::now_v7()}),
        json!({"kind": "outage", "id": theirs}),
        json!({"kind": "outage", "id": none}),
        json!({"kind": "outage", "id": Uuid::now_v7()}),
        json!({"kind": "outage"}),
        json!({"kind": "customer", "id": isp.gone}),
        json!({"kind": "area"}),
        json!({"kind": "everyone"}),
    ] {
        let refused = isp.ask(json!([{"kind": "overdue"}, segment])).await;
        assert_eq!(refused.wrong_fields(), ["to.segments[1]"], "{segment}");
    }
    assert_eq!(
        isp.ask(json!([{"kind": "expiring", "days": 366}])).await.wrong_fields(),
        ["to.segments[0].days"]
    );
    let refused = isp.ask(json!([{"kind": "expiring", "days": 0}])).await.expect(422);
    assert_eq!(refused["errors"][0]["code"], "empty_audience");
    assert_eq!(isp.sender.ask("SELECT count(*) FROM message").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_an_outage_hit_is_a_part_and_its_page_leads_there() {
    let isp = Isp::open().await;
    let down = json!({"node_kind": "nap", "node_id": isp.nap, "cause": "power"});
    let outage = made(&isp.sender, "/api/v1/outages", down).await;
    let page = format!("/outages/{outage}");
    let words = [("message", "Back by six & sorry.")];

    // Nothing goes out from the page: it leads on to where messages are written, with everything filled in.
    let mut browser = isp.sender.tenant.browser().await;
    assert!(browser.get(&page).await.text().contains("Send it to those affected"));
    let kept = browser.post(&format!("{page}/message"), &words).await;
    let compose = kept.expect_status(303).header("location").to_owned();
    let expected = format!("/messages/new?segment=outage%3A{outage}&text=Back+by+six+%26+sorry.");
    assert_eq!(compose, expected);
    let form = browser.get(&compose).await.expect_status(200).text();
    assert!(form.contains(&format!("value=\"outage:{outage}\" selected")), "{form}");
    assert!(form.contains("Back by six &amp; sorry.") && form.contains("Nothing has gone out yet"), "{form}");
    assert_eq!(isp.sender.ask("SELECT count(*) FROM message").await, "0");

    // Who may not send stays, and is told so.
    let other = isp.sender.tenant.person(&["outages.view", "outages.manage"]).await;
    let mut browser = isp.sender.tenant.browser_as(&other.email, PASSWORD).await;
    browser.get(&page).await.expect_status(200);
    let kept = browser.post(&format!("{page}/message"), &words).await;
    assert_eq!(kept.expect_status(303).header("location"), page);
    let shown = browser.get(&page).await.text();
    assert!(shown.contains("Somebody who may send messages can send it."), "{shown}");
    assert!(!shown.contains("Send it to those affected"), "{shown}");

    let hit = json!([{"kind": "outage", "id": outage}]);
    assert_eq!(isp.reached(hit.clone()).await, "Wired");
    // Also when it is over, and with whoever was written down since.
    isp.sender
        .run(&format!(
            "INSERT INTO outage_subscriber (outage_id, installation_id, customer_id, was_active) \
             SELECT '{outage}', id, customer_id, false FROM installation WHERE paid_until < now(); \
             UPDATE outage SET status = 'restored', restored_at = now() WHERE id = '{outage}'"
        ))
        .await;
    assert_eq!(isp.reached(hit).await, "Ended Wired");

    // After a month nobody is to be told any more.
    isp.sender
        .run(&format!(
            "UPDATE outage SET started_at = now() - interval '41 days', restored_at = now() - interval '40 days' \
             WHERE id = '{outage}'"
        ))
        .await;
    let mut browser = isp.sender.tenant.browser().await;
    assert!(!browser.get(&page).await.text().contains("Send it to those affected"));
    assert!(!browser.get(&compose).await.text().contains(&format!("outage:{outage}\"")));
}
