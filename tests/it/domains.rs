//! Custom domains: added, proved by a TXT record of a name server of the test's own, activated, served, lost and removed.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use serde_json::json;
use tokio::net::UdpSocket;

use crate::harness::{Server, Settings, between, tenant_on, text};

/// A name server that knows TXT records and addresses, and says of every other name that it does not exist.
#[derive(Clone, Default)]
pub struct Zone {
    proofs: Arc<Mutex<BTreeMap<String, String>>>,
    addresses: Arc<Mutex<BTreeMap<String, Ipv4Addr>>>,
}

impl Zone {
    pub fn set(&self, name: &str, value: &str) {
        self.proofs.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    /// Leads a name to an address.
    pub fn point(&self, name: &str, address: Ipv4Addr) {
        self.addresses.lock().unwrap().insert(name.to_owned(), address);
    }

    /// Forgets every proof.
    pub fn clear(&self) {
        self.proofs.lock().unwrap().clear();
    }

    /// Answers for as long as the test process lives.
    pub async fn serve(&self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = self.clone();
        // Outlives the test's own runtime: the server under test may ask later.
        let socket = socket.into_std().unwrap();
        std::thread::spawn(move || {
            socket.set_nonblocking(false).unwrap();
            let mut buffer = [0; 1500];
            while let Ok((size, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&zone.answer(&buffer[..size]), from);
            }
        });
        address
    }

    /// RFC 1035 by hand: the header, the question as it came, and one record where there is one.
    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let (mut at, mut labels) = (12, Vec::new());
        while query[at] != 0 {
            let size = usize::from(query[at]);
            labels.push(String::from_utf8_lossy(&query[at + 1..at + 1 + size]).to_lowercase());
            at += size + 1;
        }
        let (question, kind) = (&query[12..at + 5], query[at + 2]);
        let name = labels.join(".");
        let proof = self.proofs.lock().unwrap().get(&name).cloned();
        let address = self.addresses.lock().unwrap().get(&name).copied();
        let is_known = proof.is_some() || address.is_some();
        let data = match kind {
            TXT => proof.map(|value| [&[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat()),
            A => address.map(|address| address.octets().to_vec()),
            _ => None,
        };
        let code = if is_known { 0 } else { 3 };
        let mut answer =
            vec![query[0], query[1], 0x85, 0x80 | code, 0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0];
        answer.extend_from_slice(question);
        if let Some(data) = data {
            let size = u8::try_from(data.len()).unwrap();
            answer.extend_from_slice(&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, size]);
            answer.extend_from_slice(&data);
        }
        answer
    }
}

const A: u8 = 1;
const TXT: u8 = 16;

pub async fn server(name: &str) -> (&'static Server, Zone) {
    server_with(name, Settings::default()).await
}

/// The same with more settings.
pub async fn server_with(name: &str, settings: Settings) -> (&'static Server, Zone) {
    let zone = Zone::default();
    let address = zone.serve().await;
    (Server::own(name, settings.with("TENANTS__DNS_SERVER", address)).await, zone)
}

#[tokio::test]
async fn a_domain_is_served_once_it_is_proved_and_activated() {
    let (server, zone) = server("domains").await;
    let (tenant, rival) = (tenant_on(server).await, tenant_on(server).await);
    let api = tenant.api().await;
    let added = api.post("/api/v1/domains", json!({ "domain": "Portal.Kagayan.example" })).await.expect(201);
    assert_eq!(text(&added, "/domain"), "portal.kagayan.example");
    assert_eq!(text(&added, "/status"), "pending");
    let (id, name, value) = (text(&added, "/id"), text(&added, "/proof_name"), text(&added, "/proof_value"));
    let check = format!("/api/v1/domains/{id}/check");
    let activate = format!("/api/v1/domains/{id}/activate");

    // Neither served nor active before the proof is there, and a wrong proof is none.
    server.at("portal.kagayan.example").get("/sign-in").await.expect_status(404);
    assert_eq!(text(&api.post(&check, json!({})).await.expect(200), "/status"), "pending");
    let refused = api.post(&activate, json!({})).await.expect(409);
    assert_eq!(text(&refused, "/code"), "not_proved");
    zone.set(&name, "lastmile-proof=of-somebody-else");
    assert_eq!(text(&api.post(&check, json!({})).await.expect(200), "/status"), "pending");

    zone.set(&name, &value);
    assert_eq!(text(&api.post(&check, json!({})).await.expect(200), "/status"), "proved");
    server.at("portal.kagayan.example").get("/sign-in").await.expect_status(404);
    assert_eq!(text(&api.post(&activate, json!({})).await.expect(200), "/status"), "active");
    server.at("portal.kagayan.example").get("/sign-in").await.expect_status(200);

    // Another tenant may add the name, but its proof is another.
    let theirs = rival
        .api()
        .await
        .post("/api/v1/domains", json!({ "domain": "portal.kagayan.example" }))
        .await
        .expect(201);
    let theirs = format!("/api/v1/domains/{}/activate", text(&theirs, "/id"));
    rival.api().await.post(&theirs, json!({})).await.expect_status(409);
    rival.api().await.post(&check, json!({})).await.expect_status(404);
    rival.api().await.delete(&format!("/api/v1/domains/{id}")).await.expect_status(404);

    // The record goes: at the next look the domain is lost, and nobody is served there any more.
    zone.clear();
    assert_eq!(text(&api.post(&check, json!({})).await.expect(200), "/status"), "lost");
    server.at("portal.kagayan.example").get("/sign-in").await.expect_status(404);
    zone.set(&name, &value);
    assert_eq!(text(&api.post(&activate, json!({})).await.expect(200), "/status"), "active");
    server.at("portal.kagayan.example").get("/sign-in").await.expect_status(200);
    api.delete(&format!("/api/v1/domains/{id}")).await.expect_status(204);
    server.at("portal.kagayan.example").get("/sign-in").await.expect_status(404);
    api.delete(&format!("/api/v1/domains/{id}")).await.expect_status(404);

    let trail = api.get("/api/v1/audit-events?object_type=domain").await.expect(200);
    let actions: Vec<String> =
        trail["items"].as_array().unwrap().iter().map(|event| text(event, "/action")).collect();
    let expected = ["deleted", "activated", "proved", "lost", "activated", "proved", "created"];
    assert_eq!(actions, expected.map(|verb| format!("domain.{verb}")));
}

#[tokio::test]
async fn names_that_cannot_be_a_tenants_own_are_refused() {
    let (server, _zone) = server("domain_names").await;
    let tenant = tenant_on(server).await;
    let api = tenant.api().await;
    for name in
        ["isp.test", "other.isp.test", "no-dots", "10.0.0.1", "a b.example", "-x.example", "exa_mple.com"]
    {
        let refused = api.post("/api/v1/domains", json!({ "domain": name })).await.expect(422);
        assert_eq!(text(&refused, "/errors/0/field"), "domain", "{name}");
    }
    api.post("/api/v1/domains", json!({ "domain": "desk.example.com" })).await.expect(201);
    let twice = api.post("/api/v1/domains", json!({ "domain": "DESK.example.com." })).await.expect(409);
    assert_eq!(text(&twice, "/code"), "domain_taken");
}

#[tokio::test]
async fn the_page_leads_from_the_name_to_the_active_domain() {
    let (server, zone) = server("domain_pages").await;
    let tenant = tenant_on(server).await;
    let mut browser = tenant.browser().await;
    browser.get("/settings/domains").await.expect_status(200);
    let refused = browser.post("/settings/domains", &[("host", "other.isp.test")]).await;
    refused.expect_status(422);
    assert!(refused.text().contains("value=\"other.isp.test\""));
    browser.post("/settings/domains", &[("host", "desk.example.com")]).await.expect_status(303);
    let page = browser.get("/settings/domains").await.text();
    assert!(page.contains("Waiting for proof") && page.contains("_lastmile.desk.example.com"));
    let check = format!(
        "/settings/domains/{}/check",
        between(&page, "action=\"/settings/domains/", "/remove\"").unwrap()
    );
    browser.post(&check, &[]).await.expect_status(303);
    assert!(
        browser.get("/settings/domains").await.text().contains("No TXT record with this value was found.")
    );
    let proof = tenant.api().await.get("/api/v1/domains").await.expect(200);
    zone.set(&text(&proof, "/items/0/proof_name"), &text(&proof, "/items/0/proof_value"));
    browser.post(&check, &[]).await.expect_status(303);
    assert!(browser.get("/settings/domains").await.text().contains("Proved"));
    browser.post(&check.replace("/check", "/activate"), &[]).await.expect_status(303);
    assert!(browser.get("/settings/domains").await.text().contains("Visitors reach the portal here."));
    browser.post(&check.replace("/check", "/remove"), &[]).await.expect_status(303);
    assert!(browser.get("/settings/domains").await.text().contains("No domain of your own"));
}
