//! The walk through the provider's daily work: plant, installations, money, tickets, outages, reports.

use serde_json::{Value, json};
use tokio_postgres::Client;

use super::walk::Walk;
use crate::harness::{mailbox::until, text};

const PDF: &[u8] = b"%PDF-1.7\n";

/// What the rooms that come later stand on.
struct Site {
    nap: String,
    customer: String,
    installation: String,
}

impl Walk {
    pub async fn isp(&mut self, client: &Client, schema: &str) {
        client.batch_execute(&format!("SET search_path = {schema}, ext")).await.unwrap();
        let nap = self.plant().await;
        let router = self.routers().await;
        let site = self.installations(nap, &router).await;
        self.visits(&site).await;
        let plan = self.plans().await;
        self.periods(&site, &plan).await;
        self.shifts_and_payments(&site.customer).await;
        self.tickets(&site).await;
        self.outages(&site).await;
        self.reports(client).await;
    }

    async fn plant(&mut self) -> String {
        let place = json!({"code": "LCP-001", "name": "Main", "latitude": 8.45, "longitude": 124.63, "olt_class": "b_plus", "fibre_m": 900});
        let lcp = self.make("POST /lcps", place).await;
        let spare = self.make("POST /lcps", json!({"code": "LCP-009", "name": "Spare"})).await;
        self.call("PATCH /lcps/{id}", &spare, json!({"notes": "By the chapel"})).await;
        self.see("GET /lcps/{id}", &lcp).await;
        let splitter = json!({"lcp_id": lcp, "code": "SP-1", "type": "1:8"});
        let splitter = self.make("POST /splitters", splitter).await;
        let moved = json!({"lcp_id": spare, "code": "SP-2", "type": "1:4"});
        let moved = self.make("POST /splitters", moved).await;
        self.call("PATCH /splitters/{id}", &moved, json!({"type": "1:8"})).await;
        self.call("POST /splitters/{id}/move", &moved, json!({"lcp_id": lcp})).await;
        self.see("GET /splitters/{id}", &splitter).await;
        self.see("GET /splitters/{id}/outputs", &splitter).await;
        let nap = json!({"splitter_id": splitter, "splitter_output": 1, "code": "NAP-001", "name": "Corner", "port_capacity": 8,
            "latitude": 8.451, "longitude": 124.631, "fibre_m": 300});
        let nap = self.make("POST /naps", nap).await;
        let other =
            json!({"splitter_id": splitter, "splitter_output": 2, "code": "NAP-002", "name": "Chapel"});
        let other = self.make("POST /naps", other).await;
        self.call("PATCH /naps/{id}", &other, json!({"notes": "On the pole"})).await;
        let place = json!({"splitter_id": moved, "splitter_output": 3});
        self.call("POST /naps/{id}/move", &other, place).await;
        self.see("GET /naps/{id}", &nap).await;
        self.see("GET /naps/{id}/ports", &nap).await;
        let port = [("id", nap.as_str()), ("number", "8")];
        self.at("PATCH /naps/{id}/ports/{number}", &port, "", json!({"state": "faulty"})).await;
        self.light(&nap, &lcp).await;
        self.see("DELETE /naps/{id}", &other).await;
        self.see("DELETE /splitters/{id}", &moved).await;
        self.see("DELETE /lcps/{id}", &spare).await;
        nap
    }

    async fn light(&mut self, nap: &str, lcp: &str) {
        let query = format!("?nap_id={nap}");
        self.at("GET /plant/budget", &[], &query, Value::Null).await;
        self.call("POST /plant/budget", "", json!({"nap_id": nap, "fibre_m": 150})).await;
        self.at("GET /plant/map", &[], "?bbox=124.5,8.3,124.8,8.6", Value::Null).await;
        self.at("GET /plant/nearest", &[], "?lat=8.45&lng=124.63", Value::Null).await;
        self.at("GET /plant/tree", &[], &format!("?lcp_id={lcp}"), Value::Null).await;
        self.call("PATCH /plant/policy", "", json!({"green_margin_db": 4})).await;
    }

    /// One in stock.
    async fn routers(&mut self) -> String {
        let brand =
            |serial: &str, mac: &str| json!({"brand": "ZTE", "serial_number": serial, "mac_address": mac});
        let router = self.make("POST /routers", brand("S1", "48:a9:8a:01:02:03")).await;
        let spare = self.make("POST /routers", brand("S2", "48:a9:8a:01:02:04")).await;
        self.call("PATCH /routers/{id}", &router, json!({"model": "F670L"})).await;
        self.call("POST /routers/{id}/state", &spare, json!({"state": "faulty", "note": "No light"})).await;
        self.see("GET /routers/{id}", &router).await;
        self.see("GET /routers/{id}/moves", &spare).await;
        let file = b"Brand,Serial number,MAC address\nZTE,S3,48:a9:8a:01:02:05\n";
        self.send_file("POST /routers/import", "", "routers.csv", file).await;
        self.see("DELETE /routers/{id}", &spare).await;
        router
    }

    async fn installations(&mut self, nap: String, router: &str) -> Site {
        let customer = self.make("POST /customers", json!({"first_name": "Ina", "last_name": "Reyes"})).await;
        let new = json!({"customer_id": customer, "nap_id": nap, "nap_port": 1, "latitude": 8.4511, "longitude": 124.6312});
        let installation = self.make("POST /installations", new).await;
        let id = installation.as_str();
        self.call("PATCH /installations/{id}", id, json!({"drop_m": 80})).await;
        self.call("POST /installations/{id}/router", id, json!({"router_id": router})).await;
        self.call("POST /installations/{id}/port", id, json!({"nap_id": nap, "nap_port": 2})).await;
        self.call("POST /installations/{id}/complete", id, json!({})).await;
        self.call("POST /installations/{id}/suspend", id, json!({"reason": "Asked for"})).await;
        self.call("POST /installations/{id}/resume", id, json!({})).await;
        self.see("GET /installations/{id}", id).await;
        let over = self.make("POST /installations", json!({"customer_id": customer})).await;
        self.call("POST /installations/{id}/terminate", &over, json!({"reason": "Moved away"})).await;
        Site { nap, customer, installation }
    }

    async fn visits(&mut self, site: &Site) {
        let mut new = json!({"kind": "repair", "customer_id": site.customer, "technician_id": self.owner,
            "starts_at": "2030-12-01T01:00:00Z", "ends_at": "2030-12-01T02:00:00Z"});
        let visit = self.make("POST /visits", new.clone()).await;
        self.call("PATCH /visits/{id}", &visit, json!({"note": "Bring a ladder"})).await;
        self.see("GET /visits/{id}", &visit).await;
        self.call("POST /visits/{id}/status", &visit, json!({"status": "cancelled", "note": "Rain"})).await;
        new["starts_at"] = json!("2030-12-02T01:00:00Z");
        new["ends_at"] = json!("2030-12-02T02:00:00Z");
        self.make("POST /visits", new).await;
    }

    async fn plans(&mut self) -> [String; 2] {
        let plan = |name: &str, price: &str| json!({"name": name, "download_mbps": 50, "upload_mbps": 50, "price": price});
        let home = self.make("POST /plans", plan("Home", "1000")).await;
        let more = self.make("POST /plans", plan("More", "1500")).await;
        let spare = self.make("POST /plans", plan("Spare", "1")).await;
        self.call("PATCH /plans/{id}", &home, json!({"description": "For one house", "price": "1100"})).await;
        self.see("GET /plans/{id}", &home).await;
        self.see("GET /plans/{id}/prices", &home).await;
        self.see("DELETE /plans/{id}", &spare).await;
        [home, more]
    }

    async fn periods(&mut self, site: &Site, [home, more]: &[String; 2]) {
        let new = json!({"installation_id": site.installation, "plan_id": home, "kind": "one_month"});
        self.call("POST /subscriptions/preview", "", new.clone()).await;
        let sold = text(&self.call("POST /subscriptions", "", new.clone()).await, "/subscription/id");
        let id = sold.as_str();
        self.see("GET /subscriptions/{id}", id).await;
        self.call("POST /subscriptions/{id}/pause", id, json!({"reason": "Away"})).await;
        self.see("POST /subscriptions/{id}/resume", id).await;
        self.call("POST /subscriptions/{id}/extend", id, json!({"minutes": 60, "reason": "Sorry"})).await;
        self.call("POST /subscriptions/{id}/change/preview", id, json!({"plan_id": more})).await;
        self.call("POST /subscriptions/{id}/change", id, json!({"plan_id": more})).await;
        let next = text(&self.call("POST /subscriptions", "", new).await, "/subscription/id");
        let cancel = json!({"credit": "nothing", "reason": "Too much"});
        self.call("POST /subscriptions/{id}/cancel", &next, cancel).await;
    }

    async fn shifts_and_payments(&mut self, customer: &str) {
        let shift = self.make("POST /shifts", json!({"opening_cash": "500"})).await;
        self.see("GET /shifts/{id}", &shift).await;
        let pay = "POST /customers/{id}/payments";
        let payment = self.call(pay, customer, json!({"amount": "9000", "method": "cash"})).await;
        let void = text(&self.call(pay, customer, json!({"amount": "5", "method": "cash"})).await, "/id");
        self.call("POST /payments/{id}/void", &void, json!({"reason": "Typed twice"})).await;
        let id = text(&payment, "/id");
        self.see("GET /payments/{id}", &id).await;
        let refund = json!({"amount": "100", "method": "cash", "reason": "Asked for"});
        self.call("POST /payments/{id}/refunds", &id, refund).await;
        self.see("POST /customers/{id}/credit/use", customer).await;
        self.see("GET /customers/{id}/ledger", customer).await;
        let receipt = text(&payment, "/receipt_id");
        self.see("GET /receipts/{id}", &receipt).await;
        self.see("GET /receipts/{id}/pdf", &receipt).await;
        self.call("POST /shifts/{id}/close", &shift, json!({"counted_cash": "9400"})).await;
        self.call("PATCH /settings/billing", "", json!({"receipt_prefix": "K"})).await;
    }

    async fn tickets(&mut self, site: &Site) {
        let new = json!({"customer_id": site.customer, "installation_id": site.installation, "title": "No light",
            "category": "no_connection"});
        let ticket = self.make("POST /tickets", new.clone()).await;
        let id = ticket.as_str();
        self.call("PATCH /tickets/{id}", id, json!({"priority": "high"})).await;
        self.call("POST /tickets/{id}/assign", id, json!({"assigned_to": self.owner})).await;
        self.call("POST /tickets/{id}/status", id, json!({"status": "in_progress"})).await;
        self.call("POST /tickets/{id}/comments", id, json!({"comment": "On the way"})).await;
        self.see("GET /tickets/{id}", id).await;
        self.see("GET /tickets/{id}/comments", id).await;
        let kept = text(&self.send_file("POST /tickets/{id}/attachments", id, "bill.pdf", PDF).await, "/id");
        self.send_file("POST /tickets/{id}/attachments", id, "other.pdf", PDF).await;
        self.see("GET /tickets/{id}/attachments", id).await;
        let file = [("id", id), ("attachment_id", kept.as_str())];
        self.at("GET /tickets/{id}/attachments/{attachment_id}", &file, "", Value::Null).await;
        self.at("DELETE /tickets/{id}/attachments/{attachment_id}", &file, "", Value::Null).await;
        let double = self.make("POST /tickets", new).await;
        self.call("POST /tickets/{id}/merge", id, json!({"from": double})).await;
        for (title, goes) in [("Restart", false), ("Spare", true)] {
            let reply = json!({"title": title, "text": "Please restart it."});
            let reply = self.make("POST /canned-replies", reply).await;
            self.call("PATCH /canned-replies/{id}", &reply, json!({"text": "Restart it, please."})).await;
            if goes {
                self.see("DELETE /canned-replies/{id}", &reply).await;
            }
        }
    }

    async fn outages(&mut self, site: &Site) {
        self.call("PATCH /outage-policy", "", json!({"extension": "propose", "minimum_minutes": 0})).await;
        let down = json!({"node_kind": "nap", "node_id": site.nap, "cause": "power"});
        let outage = self.make("POST /outages", down).await;
        let id = outage.as_str();
        self.call("PATCH /outages/{id}", id, json!({"note": "A lorry"})).await;
        self.call("POST /outages/{id}/message", id, json!({"message": "Back by six."})).await;
        for shown in ["GET /outages/{id}", "GET /outages/{id}/subscribers", "GET /outages/{id}/preview"] {
            self.see(shown, id).await;
        }
        self.call("POST /outages/{id}/restore", id, json!({"resolve_tickets_note": "Power is back"})).await;
        let decided = json!({"decision": "decline"});
        self.call("POST /outages/{id}/extensions", id, decided).await;
        for (code, operation, body) in [
            ("LCP-101", "POST /outages/{id}/dismiss", Value::Null),
            ("LCP-102", "POST /outages/{id}/confirm", json!({"cause": "power"})),
        ] {
            let proposed = self.proposal(code).await;
            self.call(operation, &proposed, body).await;
        }
        let told = self.see("GET /notices", "").await;
        self.call("POST /notices/read", "", json!({"newest": text(&told, "/items/0/id")})).await;
    }

    /// Two customers of one NAP have no light: an outage is proposed. The cabinet is new, so that nothing is known of it.
    async fn proposal(&mut self, code: &str) -> String {
        let lcp = self.make("POST /lcps", json!({"code": code, "name": code})).await;
        let splitter = json!({"lcp_id": lcp, "code": "SP-1", "type": "1:8"});
        let splitter = self.make("POST /splitters", splitter).await;
        let nap = json!({"splitter_id": splitter, "splitter_output": 1, "code": "NAP-001", "name": "Corner"});
        let nap = self.make("POST /naps", nap).await;
        for port in [1, 2] {
            let who = self.make("POST /customers", json!({"first_name": "Dan", "last_name": "Lim"})).await;
            let new = json!({"customer_id": who, "nap_id": nap, "nap_port": port});
            let place = self.make("POST /installations", new).await;
            self.call("POST /installations/{id}/complete", &place, json!({})).await;
            let ticket = json!({"customer_id": who, "installation_id": place, "title": "Dark", "category": "no_connection"});
            self.make("POST /tickets", ticket).await;
        }
        let api = self.api.clone();
        until("a proposal", async || {
            let list = api.get("/api/v1/outages?status=proposed").await.expect(200);
            list.pointer("/items/0/id").and_then(Value::as_str).map(str::to_owned)
        })
        .await
    }

    async fn reports(&mut self, client: &Client) {
        let new = json!({"report": "daily-collection", "format": "csv", "every": "day", "at_hour": 0});
        let schedule = self.make("POST /report-schedules", new.clone()).await;
        let spare = self.make("POST /report-schedules", new).await;
        self.call("PATCH /report-schedules/{id}", &spare, json!({"is_active": false})).await;
        self.see("GET /report-schedules/{id}", &schedule).await;
        self.see("DELETE /report-schedules/{id}", &spare).await;
        let stands = "UPDATE report_schedule SET stands_since = now() - interval '3 days'";
        client.batch_execute(stands).await.unwrap();
        let api = self.api.clone();
        let file = until("a report's file", async || {
            let due = "UPDATE public.job SET due_at = now() WHERE kind = 'reports.schedule' AND tenant_id = \
                       (SELECT id FROM public.tenant WHERE schema_name = current_schema())";
            client.batch_execute(due).await.unwrap();
            let list = api.get("/api/v1/report-files").await.expect(200);
            list.pointer("/items/0/id").and_then(Value::as_str).map(str::to_owned)
        })
        .await;
        self.see("GET /report-files/{id}/content", &file).await;
        self.at("GET /reports/{name}", &[("name", "finance")], "", Value::Null).await;
        self.at("GET /reports/{name}/export", &[("name", "finance")], "?format=csv", Value::Null).await;
    }
}
