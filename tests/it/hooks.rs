//! What providers tell: stored, proved, read, and made to count, whatever comes in which order.

use std::collections::BTreeMap;

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    fake_providers::{Fake, calls::Call},
    harness::{Answer, Server, Settings, Tenant, mailbox::until, sql, tenant, tenant_on, text},
};

/// The deployment's master key and the tenant's data key, as they lie on the disk and in the registry.
async fn data_key(tenant: &Tenant, client: &Client) -> (i32, Vec<u8>) {
    let stored = std::fs::read(tenant.server.folder.path().join("secrets/master-keys")).unwrap();
    let masters: Value = serde_json::from_slice(&stored).unwrap();
    let id: Uuid = tenant.id.parse().unwrap();
    let row = client
        .query_one(
            "SELECT version, master_version, wrapped FROM public.tenant_key WHERE tenant_id = $1 ORDER BY version DESC LIMIT 1",
            &[&id],
        )
        .await
        .unwrap();
    let (version, master, wrapped): (i32, i32, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
    let key = STANDARD.decode(masters["keys"][master.to_string()].as_str().unwrap()).unwrap();
    let mut aad = b"lastmile:data-key:v1:".to_vec();
    aad.extend_from_slice(id.as_bytes());
    aad.extend_from_slice(&version.to_be_bytes());
    aad.extend_from_slice(&master.to_be_bytes());
    let nonce: [u8; 12] = wrapped[..12].try_into().unwrap();
    let plain = Aes256Gcm::new_from_slice(&key)
        .unwrap()
        .decrypt(&Nonce::from(nonce), Payload { msg: &wrapped[12..], aad: &aad })
        .unwrap();
    (version, plain)
}

/// Seals a credential into its cell, as the program does.
async fn seal(tenant: &Tenant, client: &Client, row: Uuid, values: &BTreeMap<String, String>) -> Vec<u8> {
    let (version, key) = data_key(tenant, client).await;
    let mut sealed = vec![1_u8];
    sealed.extend_from_slice(&version.to_be_bytes());
    let mut aad = b"lastmile:cell:".to_vec();
    aad.extend_from_slice(&sealed);
    aad.extend_from_slice(tenant.id.parse::<Uuid>().unwrap().as_bytes());
    for text in ["provider_account", "sealed"] {
        aad.extend_from_slice(&(text.len() as u64).to_be_bytes());
        aad.extend_from_slice(text.as_bytes());
    }
    aad.extend_from_slice(row.as_bytes());
    let nonce: [u8; 12] = rand::random();
    sealed.extend_from_slice(&nonce);
    let plain = serde_json::to_vec(values).unwrap();
    let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
    sealed.extend(cipher.encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: &aad }).unwrap());
    sealed
}

/// A tenant with one account, and what looks behind the scenes.
struct Scene {
    tenant: Tenant,
    client: Client,
    schema: String,
    kind: &'static str,
    account: Uuid,
    hook_id: String,
    channel: &'static str,
}

impl Scene {
    async fn new(fake: &Fake, kind: &'static str) -> Self {
        Self::of(tenant().await, fake, kind).await
    }

    async fn of(tenant: Tenant, fake: &Fake, kind: &'static str) -> Self {
        let client = sql(&tenant.server.database).await;
        let schema = tenant.schema().await;
        let account = Uuid::now_v7();
        let hook_id = Uuid::new_v4().simple().to_string();
        let channel = if kind == "whatsapp_cloud" { "whatsapp" } else { "sms" };
        let sealed = seal(&tenant, &client, account, &fake.values(kind)).await;
        client
            .execute(
                &format!(
                    "INSERT INTO {schema}.provider_account (id, channel, kind, label, sealed, hook_id) \
                     VALUES ($1, $2, $3, 'Test account', $4, $5)"
                ),
                &[&account, &channel, &kind, &sealed, &hook_id],
            )
            .await
            .unwrap();
        Self { tenant, client, schema, kind, account, hook_id, channel }
    }

    fn path(&self) -> String {
        format!("/hooks/{}/{}", self.kind, self.hook_id)
    }

    /// The address as the provider knows it.
    fn url(&self) -> String {
        format!("https://{}{}", self.tenant.host, self.path())
    }

    /// Makes a call to the server's own address, under the tenant's name.
    async fn call(&self, call: &Call) -> Answer {
        self.call_at(self.tenant.server, call).await
    }

    async fn call_at(&self, server: &Server, call: &Call) -> Answer {
        let mut api = self.tenant.anonymous().to(server.address);
        let mut content_type = "application/json".to_owned();
        for (name, value) in &call.headers {
            if name == "content-type" {
                content_type.clone_from(value);
            } else {
                api = api.header(name, value);
            }
        }
        let path = call.url.split_once(&self.tenant.host).map_or(self.path(), |(_, path)| path.to_owned());
        api.send(reqwest::Method::POST, &path, Some(&content_type), call.body.clone()).await
    }

    async fn execute(&self, text: &str, params: &[&(dyn tokio_postgres::types::ToSql + Sync)]) {
        self.client.execute(&text.replace("$S", &self.schema), params).await.unwrap();
    }

    async fn count(&self, of: &str) -> i64 {
        let text = format!("SELECT count(*) FROM {}.{of}", self.schema);
        self.client.query_one(&text, &[]).await.unwrap().get(0)
    }

    async fn delivery(&self, status: &str) -> Uuid {
        let (message, delivery) = (Uuid::now_v7(), Uuid::now_v7());
        self.execute(
            "INSERT INTO $S.message (id, channels, lane, content, status) VALUES ($1, ARRAY[$2::text], 0, '{}', 'ready')",
            &[&message, &self.channel],
        )
        .await;
        self.execute(
            "INSERT INTO $S.delivery (id, message_id, channel, address, lane, status, account_id, attempts, accepted_at) \
             VALUES ($1, $2, $3, $4, 0, $5, $6, 1, now())",
            &[&delivery, &message, &self.channel, &format!("+2332{:08}", rand::random::<u32>() % 100_000_000), &status, &self.account],
        )
        .await;
        delivery
    }

    /// Our own record of the sending.
    async fn tried(&self, delivery: Uuid, message_id: &str) {
        self.execute(
            "INSERT INTO $S.delivery_attempt (delivery_id, n, account_id, provider, provider_message_id, started_at, ms, outcome) \
             VALUES ($1, 1, $2, $3, $4, now(), 5, 'accepted')",
            &[&delivery, &self.account, &self.kind, &message_id],
        )
        .await;
    }

    /// What is known of a delivery, without the instants.
    async fn known(&self, delivery: Uuid) -> (String, bool, bool, Option<String>, i64) {
        let text = format!(
            "SELECT status, delivered_at IS NOT NULL, read_at IS NOT NULL, failure_code, \
             (SELECT count(*) FROM {0}.dead_letter l WHERE l.delivery_id = d.id) FROM {0}.delivery d WHERE id = $1",
            self.schema
        );
        let row = self.client.query_one(&text, &[&delivery]).await.unwrap();
        (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4))
    }

    /// Waits until every call that was stored is read.
    async fn read(&self) {
        until("calls to be read", async || {
            (self.count("hook_call WHERE status IN ('stored', 'failed')").await == 0).then_some(())
        })
        .await;
    }

    async fn becomes(&self, delivery: Uuid, status: &str) {
        until(&format!("a delivery to be {status}"), async || {
            (self.known(delivery).await.0 == status).then_some(())
        })
        .await;
    }
}

/// The sets of words that a provider may say of one message.
const SETS: [&[(&str, &str)]; 5] = [
    &[("queued", ""), ("sent", ""), ("delivered", "")],
    &[("sent", ""), ("delivered", ""), ("read", "")],
    &[("sent", ""), ("undelivered", "30003")],
    &[("sent", ""), ("failed", "30005"), ("delivered", "")],
    &[("read", ""), ("undelivered", "30008"), ("sent", "")],
];

#[tokio::test]
async fn receipts_in_any_order_end_the_same() {
    let fake = Fake::start().await;
    let scene = Scene::new(&fake, "twilio").await;
    let other = scene.tenant.server.sibling(Settings::default());
    let mut deliveries: Vec<Vec<Uuid>> = Vec::new();
    let mut calls = Vec::new();
    let mut late = Vec::new();
    for (set, words) in SETS.iter().enumerate() {
        let mut of_set = Vec::new();
        for n in 0..6 {
            let (delivery, id) = (scene.delivery("accepted").await, format!("SM{set}x{n}"));
            // Half of them are written down only after everything was told.
            if n % 2 == 0 {
                scene.tried(delivery, &id).await
            } else {
                late.push((delivery, id.clone()))
            }
            for (word, code) in *words {
                let call = fake.receipt("twilio", &scene.url(), &id, word, code);
                calls.extend([call.clone(), call.clone(), call]);
            }
            of_set.push(delivery);
        }
        deliveries.push(of_set);
    }
    calls.shuffle(&mut rand::rng());
    // Two servers take them at the same time, and both read what was stored.
    for (n, four) in calls.chunks(4).enumerate() {
        let server = if n % 2 == 0 { scene.tenant.server } else { other };
        let answers =
            futures_util::future::join_all(four.iter().map(|call| scene.call_at(server, call))).await;
        for answer in answers {
            answer.expect_status(200);
        }
    }
    scene.read().await;
    for (delivery, id) in &late {
        scene.tried(*delivery, id).await;
    }
    for (set, end) in ["delivered", "read", "failed", "delivered", "read"].iter().enumerate() {
        for delivery in &deliveries[set] {
            scene.becomes(*delivery, end).await;
        }
        let first = scene.known(deliveries[set][0]).await;
        for delivery in &deliveries[set] {
            assert_eq!(scene.known(*delivery).await, first, "set {set}");
        }
    }
    let told = SETS.iter().map(|set| i64::try_from(set.len()).unwrap()).sum::<i64>() * 6;
    assert_eq!(scene.count("delivery_receipt").await, told, "each event is kept once");
    assert_eq!(scene.count("delivery_receipt WHERE delivery_id IS NULL").await, 0);
    assert_eq!(scene.count("hook_call WHERE status = 'done'").await, told * 3);
    // What was counted is what is there, however often it was told.
    let counted = scene
        .client
        .query(
            &format!(
                "SELECT status, sum(amount)::bigint FROM {}.message_count WHERE status <> 'accepted' GROUP BY status HAVING sum(amount) <> 0 ORDER BY status",
                scene.schema
            ),
            &[],
        )
        .await
        .unwrap();
    let counted: Vec<(String, i64)> = counted.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(counted, [("delivered".to_owned(), 12), ("failed".to_owned(), 6), ("read".to_owned(), 12)]);
    other.terminate();
}

#[tokio::test]
async fn only_what_is_proved_counts() {
    let fake = Fake::start().await;
    let scene = Scene::new(&fake, "twilio").await;
    let delivery = scene.delivery("accepted").await;
    scene.tried(delivery, "SM1").await;
    let good = fake.receipt("twilio", &scene.url(), "SM1", "delivered", "");
    let mut forged = good.clone();
    forged.body = String::from_utf8(forged.body).unwrap().replace("delivered", "read").into_bytes();
    let answer = scene.call(&forged).await;
    answer.refused(403, "signature_wrong");
    let mut bare = good.clone();
    bare.headers.remove("x-twilio-signature");
    scene.call(&bare).await.refused(403, "signature_missing");
    // The same call under another address, or to another tenant, is not the same call.
    let mut elsewhere = good.clone();
    elsewhere.url.push_str("?x=1");
    scene.call(&elsewhere).await.refused(403, "signature_wrong");
    let stranger = tenant().await;
    let answer = stranger
        .anonymous()
        .send(
            reqwest::Method::POST,
            &scene.path(),
            Some("application/x-www-form-urlencoded"),
            good.body.clone(),
        )
        .await;
    answer.refused(404, "not_found");
    let wrong_kind = scene.path().replace("twilio", "hubtel");
    scene.tenant.anonymous().post(&wrong_kind, json!({})).await.refused(404, "not_found");
    scene.read().await;
    assert_eq!(scene.known(delivery).await.0, "accepted");
    assert_eq!(scene.count("hook_call WHERE status = 'refused'").await, 3);
    assert_eq!(scene.count("delivery_receipt").await, 0);
    scene.call(&good).await.expect_status(200);
    scene.becomes(delivery, "delivered").await;
    // Kept once again by somebody and sent anew, it changes nothing.
    scene.call(&good).await.expect_status(200);
    scene.read().await;
    assert_eq!(scene.count("delivery_receipt").await, 1);
}

#[tokio::test]
async fn odd_calls_are_borne() {
    let fake = Fake::start().await;
    let scene = Scene::new(&fake, "generic").await;
    // Ten megabytes are announced, and no more is taken of them than may be.
    let mut stream = tokio::net::TcpStream::connect(scene.tenant.server.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 10485760\r\n\r\n",
        scene.path(),
        scene.tenant.host
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; (1 << 20) + 1]).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert_eq!(scene.count("hook_call").await, 0);
    // A word that nobody knows here is kept, and changes nothing.
    let delivery = scene.delivery("accepted").await;
    scene.tried(delivery, "gw-1").await;
    let odd = fake.receipt("generic", &scene.url(), "gw-1", "teleported", "");
    scene.call(&odd).await.expect_status(200);
    scene.read().await;
    assert_eq!(scene.known(delivery).await.0, "accepted");
    assert_eq!(
        scene
            .count("delivery_receipt WHERE word = 'teleported' AND state IS NULL AND delivery_id IS NOT NULL")
            .await,
        1
    );
    // What it is about is not known here: it is kept and shown.
    let lost = fake.receipt("generic", &scene.url(), "gw-unknown", "delivered", "");
    scene.call(&lost).await.expect_status(200);
    scene.read().await;
    let api = scene.tenant.api().await;
    let listed = api.get("/api/v1/unmatched-receipts").await.expect(200);
    assert_eq!(listed["items"][0]["provider_message_id"], "gw-unknown");
    let mut browser = scene.tenant.browser().await;
    assert!(browser.get("/messages/hooks/unmatched").await.text().contains("gw-unknown"));
    // Batches of many entries are read whole.
    let meta = Scene::new(&fake, "whatsapp_cloud").await;
    let delivery = meta.delivery("accepted").await;
    meta.tried(delivery, "wamid.1").await;
    let challenge =
        format!("{}?hub.mode=subscribe&hub.verify_token=fake-verify-token&hub.challenge=7715", meta.path());
    let answer = meta.tenant.anonymous().get(&challenge).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "7715"));
    meta.tenant.anonymous().get(&challenge.replace("verify-token", "other")).await.expect_status(403);
    meta.call(&fake.receipt("whatsapp_cloud", &meta.url(), "wamid.1", "read", "")).await.expect_status(200);
    meta.becomes(delivery, "read").await;
    let shown = meta.tenant.api().await.get("/api/v1/hook-calls").await.expect(200).to_string();
    assert!(!shown.contains("fake-verify-token"), "a secret is shown: {shown}");
}

#[tokio::test]
async fn who_writes_stop_is_left_alone() {
    let fake = Fake::start().await;
    let scene = Scene::new(&fake, "twilio").await;
    let from = "+233244000111";
    let stop = fake.inbound("twilio", &scene.url(), from, " Stop. ");
    for _ in 0..3 {
        scene.call(&stop).await.expect_status(200);
    }
    let suppressed =
        async |scene: &Scene| scene.count(&format!("suppression WHERE address = '{from}'")).await;
    until("a suppression", async || (suppressed(&scene).await == 1).then_some(())).await;
    scene.read().await;
    assert_eq!(scene.count("inbound_message").await, 1);
    scene.call(&fake.inbound("twilio", &scene.url(), from, "please do not stop it")).await.expect_status(200);
    scene.read().await;
    assert_eq!(
        (scene.count("inbound_message WHERE keyword IS NULL").await, suppressed(&scene).await),
        (1, 1)
    );
    scene.call(&fake.inbound("twilio", &scene.url(), from, "START")).await.expect_status(200);
    until("a lifted suppression", async || (suppressed(&scene).await == 0).then_some(())).await;
    // What a provider knows of an address is not lifted by a word.
    let delivery = scene.delivery("accepted").await;
    scene.execute("UPDATE $S.delivery SET address = $2 WHERE id = $1", &[&delivery, &from]).await;
    scene.tried(delivery, "SMbad").await;
    scene.call(&fake.receipt("twilio", &scene.url(), "SMbad", "failed", "21614")).await.expect_status(200);
    scene.becomes(delivery, "failed").await;
    scene.call(&fake.inbound("twilio", &scene.url(), from, "start")).await.expect_status(200);
    scene.read().await;
    assert_eq!(suppressed(&scene).await, 1);
    let api = scene.tenant.api().await;
    let listed = api.get("/api/v1/inbound-messages?keyword=stop").await.expect(200);
    assert_eq!(
        (listed["items"].as_array().unwrap().len(), &listed["items"][0]["address"]),
        (1, &json!(from))
    );
    api.get("/api/v1/inbound-messages?channel=pigeon").await.expect_status(422);
    let id = text(&listed, "/items/0/id");
    assert_eq!(api.get(&format!("/api/v1/inbound-messages/{id}")).await.expect(200)["keyword"], "stop");
    assert!(scene.tenant.browser().await.get("/messages/inbound?keyword=stop").await.text().contains(from));
}

#[tokio::test]
async fn a_call_is_read_again() {
    let fake = Fake::start().await;
    let scene = Scene::new(&fake, "twilio").await;
    let delivery = scene.delivery("accepted").await;
    scene.tried(delivery, "SM1").await;
    // The credential was wrong when it came.
    let right: Vec<u8> = {
        let text = format!("SELECT sealed FROM {}.provider_account", scene.schema);
        scene.client.query_one(&text, &[]).await.unwrap().get(0)
    };
    let mut values = fake.values("twilio");
    values.insert("auth_token".into(), "another-token-0000000000".into());
    let wrong = seal(&scene.tenant, &scene.client, scene.account, &values).await;
    let put = "UPDATE $S.provider_account SET sealed = $1, updated_at = clock_timestamp()";
    scene.execute(put, &[&wrong]).await;
    scene
        .call(&fake.receipt("twilio", &scene.url(), "SM1", "delivered", ""))
        .await
        .refused(403, "signature_wrong");
    scene.execute(put, &[&right]).await;
    let api = scene.tenant.api().await;
    let listed = api.get("/api/v1/hook-calls?status=refused").await.expect(200);
    let id = text(&listed, "/items/0/id");
    let whole = api.get(&format!("/api/v1/hook-calls/{id}")).await.expect(200);
    assert!(text(&whole, "/body").contains("MessageStatus=delivered"));
    let mut browser = scene.tenant.browser().await;
    assert!(browser.get(&format!("/messages/hooks/{id}")).await.text().contains("not this account"));
    browser.post(&format!("/messages/hooks/{id}/replay"), &[]).await.expect_status(303);
    scene.becomes(delivery, "delivered").await;
    scene.read().await;
    api.post(&format!("/api/v1/hook-calls/{id}/replay"), json!({})).await.expect(200);
    scene.read().await;
    assert_eq!(scene.count("delivery_receipt").await, 1);
    assert_eq!(scene.count("audit_event WHERE action = 'hook_call.replayed'").await, 2);
    let clerk = scene.tenant.person(&["areas.view"]).await;
    let clerk = scene.tenant.api_of(&clerk).await;
    clerk.post(&format!("/api/v1/hook-calls/{id}/replay"), json!({})).await.refused(403, "forbidden");
}

#[tokio::test]
async fn what_was_stored_outlives_the_server() {
    let fake = Fake::start().await;
    let server = Server::own(
        "hooks_killed",
        Settings { args: vec!["--role".into(), "web".into()], ..Settings::default() },
    )
    .await;
    let scene = Scene::of(tenant_on(server).await, &fake, "twilio").await;
    let delivery = scene.delivery("unknown").await;
    scene.tried(delivery, "SM1").await;
    scene
        .execute("INSERT INTO $S.dead_letter (delivery_id, status) VALUES ($1, 'unknown')", &[&delivery])
        .await;
    scene.call(&fake.receipt("twilio", &scene.url(), "SM1", "delivered", "")).await.expect_status(200);
    server.kill();
    assert_eq!(scene.count("hook_call WHERE status = 'stored'").await, 1);
    let workers: Vec<_> = (0..2)
        .map(|_| {
            server.sibling(Settings { args: vec!["--role".into(), "worker".into()], ..Settings::default() })
        })
        .collect();
    scene.becomes(delivery, "delivered").await;
    let known = scene.known(delivery).await;
    assert_eq!((known.1, known.4), (true, 0), "what was of unknown fate is known, and no dead letter");
    for worker in workers {
        worker.terminate();
    }
}

#[tokio::test]
async fn unsigned_words_are_asked_after() {
    let fake = Fake::start().await;
    let settings = Settings::default().with("OUTBOUND__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]");
    let server = Server::own("hooks_polled", settings).await;
    let scene = Scene::of(tenant_on(server).await, &fake, "hubtel").await;
    let [lied, told] = [scene.delivery("accepted").await, scene.delivery("accepted").await];
    for (delivery, word) in [(lied, "Sent"), (told, "Delivered")] {
        let sent = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(format!("{}/hubtel/v1/messages/send", fake.url))
            .basic_auth("fake-client", Some("fake-secret-7Qk2v9"))
            .json(&json!({"From": "Acme", "To": "233244000111", "Content": "Hello"}))
            .send()
            .await
            .unwrap();
        let sent: Value = serde_json::from_slice(&sent.bytes().await.unwrap()).unwrap();
        let id = text(&sent, "/messageId");
        scene.tried(delivery, &id).await;
        fake.becomes(&id, word);
        scene.call(&fake.receipt("hubtel", &scene.url(), &id, "Delivered", "")).await.expect_status(200);
    }
    scene.becomes(told, "delivered").await;
    until("the other one to be asked after", async || {
        (scene.count("delivery_receipt WHERE NOT is_hint").await == 2).then_some(())
    })
    .await;
    assert_ne!(scene.known(lied).await.0, "delivered", "nobody signed that");
}

#[tokio::test]
async fn figures_are_what_took_place() {
    let fake = Fake::start().await;
    let scene = Scene::new(&fake, "twilio").await;
    for (n, words) in
        [vec!["sent", "delivered"], vec!["delivered", "read"], vec!["undelivered"]].into_iter().enumerate()
    {
        let (delivery, id) = (scene.delivery("accepted").await, format!("SM{n}"));
        scene.tried(delivery, &id).await;
        for word in words {
            let code = if word == "undelivered" { "30003" } else { "" };
            scene.call(&fake.receipt("twilio", &scene.url(), &id, word, code)).await.expect_status(200);
        }
    }
    scene.read().await;
    let api = scene.tenant.api().await;
    let figures = api.get("/api/v1/message-figures?cut=provider&channel=sms").await.expect(200);
    let total = &figures["total"];
    assert_eq!((&total["delivered"], &total["read"], &total["failed"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!((&figures["items"][0]["key"], &total["success_rate"]), (&json!("twilio"), &json!(66.7)));
    assert_eq!(figures["to_deliver"]["count"], 2);
    let none = api.get("/api/v1/message-figures?channel=email").await.expect(200);
    assert_eq!((&none["total"]["delivered"], &none["items"]), (&json!(0), &json!([])));
    let by_class = api.get("/api/v1/message-figures?cut=class").await.expect(200);
    assert_eq!(by_class["items"][0]["sums"]["failed"], 1);
    assert_eq!(
        api.get("/api/v1/message-figures?from=2026-02-02&to=2026-01-01").await.wrong_fields(),
        ["from"]
    );
    assert_eq!(api.get("/api/v1/message-figures?from=1990-01-01").await.wrong_fields(), ["from"]);
    let file = api.get("/api/v1/message-figures/export?cut=day").await;
    file.expect_status(200);
    assert!(file.text().starts_with("key,label,sent,delivered"), "{}", file.text());
    assert_eq!(file.text().lines().count(), 2);
    let mut browser = scene.tenant.browser().await;
    for cut in ["channel", "provider", "template", "class", "day"] {
        let page = browser.get(&format!("/messages/figures?by={cut}")).await;
        page.expect_status(200);
        assert!(page.text().contains("66.7 %"), "{cut}");
    }
    browser.get("/messages/figures/export?by=channel").await.expect_status(200);
}
