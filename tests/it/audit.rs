//! The audit trail: filters and paging, export, the sealed chain, and what tampering with it comes to.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{self, Api, Tenant, program, sql, tenant, text};

/// Makes `n` events: the company's legal name changes so often.
async fn change_company(api: &Api, n: usize) {
    for i in 0..n {
        api.patch("/api/v1/company", json!({ "legal_name": format!("Legal {i} {}", uuid::Uuid::new_v4()) }))
            .await
            .expect(200);
    }
}

/// Waits until every event of the tenant has its seal.
async fn sealed(tenant: &Tenant) {
    let (client, schema) = (sql(&tenant.server.database).await, tenant.schema().await);
    let unsealed = format!(
        "SELECT count(*) FROM {schema}.audit_event e WHERE NOT EXISTS (SELECT 1 FROM {schema}.audit_seal s WHERE s.event_id = e.id)"
    );
    let began = Instant::now();
    loop {
        let left: i64 = client.query_one(&unsealed, &[]).await.unwrap().get(0);
        if left == 0 {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{left} events of {schema} are not sealed:\n{}",
            tenant.server.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// `lastmile tenant verify-audit`: whether it is content, and its report.
fn verified(tenant: &Tenant) -> (bool, Value) {
    let output = program(&tenant.server.database, tenant.server.folder.path())
        .args(["tenant", "verify-audit", &tenant.slug, "--json"])
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), report)
}

fn kinds(report: &Value) -> Vec<String> {
    report["findings"].as_array().unwrap().iter().map(|finding| text(finding, "/kind")).collect()
}

fn actions(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|event| text(event, "/action")).collect()
}

#[tokio::test]
async fn the_trail_is_paged_newest_first_and_narrowed() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    change_company(&api, 5).await;

    let mut seen = Vec::new();
    let mut path = "/api/v1/audit-events?limit=2&action=company.updated&total=true".to_owned();
    loop {
        let page = api.get(&path).await.expect(200);
        assert_eq!(page["total"], 5);
        seen.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(cursor) => {
                path =
                    format!("/api/v1/audit-events?limit=2&action=company.updated&total=true&cursor={cursor}")
            }
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    let labels: Vec<String> = seen.iter().map(|event| text(event, "/after/legal_name")).collect();
    assert!(labels[0].starts_with("Legal 4") && labels[4].starts_with("Legal 0"), "{labels:?}");
    assert_eq!(text(&seen[0], "/before/legal_name"), labels[1]);
    assert_eq!(text(&seen[0], "/actor_id"), tenant.owner_id);
    assert_eq!(text(&seen[0], "/actor_label"), "Olive Owner");

    let one = api.get(&format!("/api/v1/audit-events/{}", text(&seen[2], "/id"))).await.expect(200);
    assert_eq!(one["after"], seen[2]["after"]);

    let found = |query: &str| {
        let (api, path) = (api.clone(), format!("/api/v1/audit-events?{query}"));
        async move { actions(&api.get(&path).await.expect(200)) }
    };
    assert_eq!(found("action=updated&object_type=company").await.len(), 5);
    assert!(found("object_type=nothing").await.is_empty());
    assert!(found(&format!("actor={}", uuid::Uuid::new_v4())).await.is_empty());
    assert!(found(&format!("actor={}", tenant.owner_id)).await.len() >= 5);
    assert_eq!(found(&format!("q={}", text(&seen[2], "/request_id"))).await, ["company.updated"]);
    assert!(found("q=Olive").await.len() >= 5);
    assert!(found("q=%25").await.is_empty(), "a percent sign is a percent sign");

    // A day is the tenant's: its zone is east of Greenwich by 14 hours, so its tomorrow has begun when ours has not.
    api.patch("/api/v1/company", json!({ "time_zone": "Pacific/Kiritimati" })).await.expect(200);
    let today = (chrono::Utc::now() + chrono::Duration::hours(14)).date_naive();
    let (before, after) = (today.pred_opt().unwrap(), today.succ_opt().unwrap());
    assert!(found(&format!("from={before}&to={today}&action=updated")).await.len() >= 6);
    assert!(found(&format!("from={after}")).await.is_empty());
    assert!(found(&format!("to={}", before.pred_opt().unwrap())).await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    api.get("/api/v1/audit-events?cursor=made-up").await.expect_status(400);
    for query in ["limit=0", "limit=201", "limit=x", "actor=x", "from=yesterday", "total=x"] {
        api.get(&format!("/api/v1/audit-events?{query}")).await.expect_status(422);
    }
    api.get("/api/v1/audit-events/export?format=pdf").await.expect_status(422);
    api.get("/api/v1/audit-events/not-an-id").await.expect_status(404);
    let stranger = harness::tenant().await;
    let theirs = stranger.api().await.get("/api/v1/audit-events").await.expect(200);
    let foreign = text(&theirs, "/items/0/id");
    api.get(&format!("/api/v1/audit-events/{foreign}")).await.expect_status(404);
    api.post(&format!("/api/v1/audit-events/{foreign}/erase"), json!({"reason": "x"}))
        .await
        .expect_status(404);
    tenant.anonymous().get("/api/v1/audit-events").await.expect_status(401);
}

#[tokio::test]
async fn an_export_holds_what_the_filter_shows_and_is_an_event() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    api.patch("/api/v1/company", json!({ "legal_name": "=HYPERLINK(\"http://evil.example\")" }))
        .await
        .expect(200);
    change_company(&api, 3).await;
    let file = api.get("/api/v1/audit-events/export?action=company.updated").await;
    file.expect_status(200);
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    assert!(file.header("content-disposition").contains(".csv"), "{}", file.header("content-disposition"));
    let body = file.text();
    let mut lines = csv::Reader::from_reader(body.trim_start_matches('\u{feff}').as_bytes());
    let rows: Vec<csv::StringRecord> = lines.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| &row[3] == "company.updated"));

    let workbook = api.get("/api/v1/audit-events/export?format=xlsx").await;
    workbook.expect_status(200);
    assert!(workbook.body.starts_with(b"PK"));

    let told = api.get("/api/v1/audit-events?action=audit.exported").await.expect(200);
    assert_eq!(told["items"][0]["after"]["format"], "xlsx");
    assert_eq!(told["items"][1]["after"]["rows"], 4);
    assert_eq!(told["items"][1]["after"]["filters"]["action"], "company.updated");
}

#[tokio::test]
async fn the_page_shows_what_changed() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    api.patch("/api/v1/company", json!({ "legal_name": "Before <b>" })).await.expect(200);
    api.patch("/api/v1/company", json!({ "legal_name": "After <i>" })).await.expect(200);
    let mut browser = tenant.browser().await;
    let page = browser.get("/audit?object=company").await;
    page.expect_status(200);
    let html = page.text();
    for part in [
        "Before &lt;b&gt;",
        "After &lt;i&gt;",
        "Legal name",
        "Olive Owner",
        "Changed",
        "/audit/export?object=company",
    ] {
        assert!(html.contains(part), "no {part} in {html}");
    }
    assert!(browser.get("/audit?object=nothing&from=nonsense").await.text().contains("Nothing in the trail"));
    browser.get("/audit?cursor=made-up").await.expect_status(400);
    let file = browser.get("/audit/export?format=csv&object=company").await;
    file.expect_status(200);
    assert!(file.text().contains("After <i>"));
    // Nobody sees it without signing in.
    tenant.server.browser(&tenant.host).get("/audit").await.expect_status(303);
}

#[tokio::test]
async fn committed_events_are_sealed_in_order_and_verified() {
    let tenant = tenant().await;
    change_company(&tenant.api().await, 12).await;
    sealed(&tenant).await;
    let (whole, report) = verified(&tenant);
    assert!(whole, "{report}");
    assert!(report["sealed"].as_i64().unwrap() >= 12);
    assert_eq!(report["unsealed"], 0);
    let shown = tenant.api().await.get("/api/v1/audit-events?action=company.updated").await.expect(200);
    let positions: Vec<i64> =
        shown["items"].as_array().unwrap().iter().map(|event| event["position"].as_i64().unwrap()).collect();
    assert!(positions.windows(2).all(|pair| pair[0] > pair[1]), "{positions:?}");
}

/// A transaction that commits after later ones were sealed is sealed behind them: never passed over.
#[tokio::test]
async fn a_late_commit_is_sealed_when_it_becomes_visible() {
    let tenant = tenant().await;
    let schema = tenant.schema().await;
    let mut late = sql(&tenant.server.database).await;
    let open = late.transaction().await.unwrap();
    let id = uuid::Uuid::now_v7();
    let insert = format!(
        "INSERT INTO {schema}.audit_event (id, actor_kind, actor_label, action, object_type, salt)
         VALUES ($1, 'system', 'late', 'test.late', 'test', '\\x01')"
    );
    open.execute(&insert, &[&id]).await.unwrap();
    change_company(&tenant.api().await, 3).await;
    sealed(&tenant).await;
    let client = sql(&tenant.server.database).await;
    let head = format!("SELECT max(position) FROM {schema}.audit_seal");
    let before: i64 = client.query_one(&head, &[]).await.unwrap().get(0);
    open.commit().await.unwrap();
    drop(late);
    sealed(&tenant).await;
    let position: i64 = client
        .query_one(&format!("SELECT position FROM {schema}.audit_seal WHERE event_id = $1"), &[&id])
        .await
        .unwrap()
        .get(0);
    assert_eq!(position, before + 1);
    assert!(verified(&tenant).0);
}

/// What somebody with SQL in the tenant's own role can reach.
#[tokio::test]
async fn the_tenants_role_cannot_rewrite_the_trail() {
    let tenant = tenant().await;
    sealed(&tenant).await;
    let schema = tenant.schema().await;
    let client = sql(&tenant.server.database).await;
    let tries = [
        "UPDATE audit_event SET actor_label = 'x'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "DROP TABLE audit_event",
        "UPDATE audit_seal SET digest = '\\x00'",
        "DELETE FROM audit_seal",
        "INSERT INTO audit_seal (position, event_id, payload_digest, digest, chain) VALUES (1000, gen_random_uuid(), '', '', '')",
        "DELETE FROM public.audit_anchor",
        "INSERT INTO public.audit_anchor (tenant_id, sealed_to, mac) VALUES (gen_random_uuid(), 1, '')",
        "SELECT public.seal_audit(gen_random_uuid(), 0, '{}', '{}', '{}', '{}', '', true)",
        "SELECT public.erase_audit_payloads(gen_random_uuid(), '{}')",
    ];
    for statement in tries {
        client
            .batch_execute(&format!("BEGIN; SET LOCAL ROLE {schema}; SET LOCAL search_path = {schema}"))
            .await
            .unwrap();
        let refused = client.batch_execute(statement).await.unwrap_err();
        let code = refused.code().unwrap().code();
        assert_eq!(code, "42501", "{statement}: {refused:?}");
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// Everything a superuser may do to the tenant's schema shows, each alone.
#[tokio::test]
async fn tampering_shows() {
    let tenant = tenant().await;
    change_company(&tenant.api().await, 6).await;
    sealed(&tenant).await;
    let schema = tenant.schema().await;
    let client = sql(&tenant.server.database).await;
    client.batch_execute(&format!("SET search_path = {schema}")).await.unwrap();
    client
        .batch_execute(
            "CREATE TABLE kept_event AS TABLE audit_event; CREATE TABLE kept_seal AS TABLE audit_seal",
        )
        .await
        .unwrap();
    let cases = [
        ("UPDATE audit_event SET actor_label = 'Nobody' WHERE id = (SELECT event_id FROM audit_seal WHERE position = 2)", "changed_event"),
        ("UPDATE audit_event SET occurred_at = occurred_at - interval '1 day' WHERE action = 'company.updated'", "changed_event"),
        ("UPDATE audit_event SET after = '{}' WHERE id = (SELECT event_id FROM audit_seal WHERE position = 3)", "changed_payload"),
        ("UPDATE audit_event SET before = NULL, after = NULL, object_label = '', salt = '', erased_at = now()
          WHERE id = (SELECT event_id FROM audit_seal WHERE position = 3)", "unrecorded_erasure"),
        ("DELETE FROM audit_event WHERE id = (SELECT event_id FROM audit_seal WHERE position = 3)", "missing_event"),
        ("DELETE FROM audit_seal WHERE position = 2", "missing_seals"),
        ("WITH cut AS (DELETE FROM audit_seal WHERE position > 3 RETURNING event_id)
          DELETE FROM audit_event USING cut WHERE id = event_id", "cut_tail"),
        ("UPDATE audit_seal SET position = -position WHERE position IN (2, 3);
          UPDATE audit_seal SET position = 5 + position WHERE position < 0", "broken_link"),
        ("UPDATE audit_seal SET chain = sha256(chain) WHERE position = (SELECT max(position) FROM audit_seal)", "foreign_chain"),
        ("INSERT INTO audit_seal SELECT max(position) + 1, gen_random_uuid(), '', '', '' FROM audit_seal", "unanchored_tail"),
        ("INSERT INTO audit_event (id, occurred_at, actor_kind, actor_label, action, object_type, salt, written_by)
          VALUES (gen_random_uuid(), now() - interval '1 hour', 'system', '', 'x.y', 'x', '', '3')", "unsealed_events"),
    ];
    for (statement, expected) in cases {
        client.batch_execute(statement).await.unwrap();
        let (whole, report) = verified(&tenant);
        assert!(!whole && kinds(&report).contains(&expected.to_owned()), "{statement}: {report}");
        client
            .batch_execute("DELETE FROM audit_event; DELETE FROM audit_seal; INSERT INTO audit_event TABLE kept_event; INSERT INTO audit_seal TABLE kept_seal")
            .await
            .unwrap();
    }
    let (whole, report) = verified(&tenant);
    assert!(whole, "{report}");
}

#[tokio::test]
async fn nothing_is_built_on_a_chain_that_was_tampered_with() {
    let tenant = tenant().await;
    change_company(&tenant.api().await, 2).await;
    sealed(&tenant).await;
    let (client, schema) = (sql(&tenant.server.database).await, tenant.schema().await);
    client
        .batch_execute(&format!(
            "UPDATE {schema}.audit_seal SET chain = sha256(chain) WHERE position = (SELECT max(position) FROM {schema}.audit_seal)"
        ))
        .await
        .unwrap();
    let head = format!("SELECT max(position) FROM {schema}.audit_seal");
    let before: i64 = client.query_one(&head, &[]).await.unwrap().get(0);
    change_company(&tenant.api().await, 2).await;
    let began = Instant::now();
    while !tenant.server.log().contains("an audit trail cannot be sealed") {
        assert!(began.elapsed() < Duration::from_secs(60), "the sealer said nothing");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let after: i64 = client.query_one(&head, &[]).await.unwrap().get(0);
    assert_eq!(before, after);
}

#[tokio::test]
async fn an_erased_payload_leaves_the_chain_whole() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    api.patch("/api/v1/company", json!({ "legal_name": "Somebody Private" })).await.expect(200);
    let list = api.get("/api/v1/audit-events?action=company.updated").await.expect(200);
    let path = format!("/api/v1/audit-events/{}/erase", text(&list, "/items/0/id"));
    api.post(&path, json!({})).await.expect_status(422);
    let erased = api.post(&path, json!({"reason": "Asked for on paper"})).await.expect(200);
    assert!(erased["after"].is_null() && erased["before"].is_null() && erased["object_label"] == "");
    assert!(erased["erased_at"].is_string() && erased["position"].is_i64());
    // Again without harm, and it is told each time.
    api.post(&path, json!({"reason": "Again"})).await.expect(200);
    let told = api.get("/api/v1/audit-events?action=audit.erased").await.expect(200);
    assert_eq!(told["items"].as_array().unwrap().len(), 2);
    let own = format!("/api/v1/audit-events/{}/erase", text(&told, "/items/0/id"));
    api.post(&own, json!({"reason": "No trace"})).await.expect_status(409);
    sealed(&tenant).await;
    let (whole, report) = verified(&tenant);
    assert!(whole, "{report}");
    let (client, schema) = (sql(&tenant.server.database).await, tenant.schema().await);
    let left: i64 = client
        .query_one(
            &format!("SELECT count(*) FROM {schema}.audit_event WHERE after::text LIKE '%Somebody Private%'"),
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
}

/// Two processes seal the same trails: every event has one seal, and the chain is one.
#[tokio::test]
async fn two_sealers_make_one_chain() {
    let server = harness::Server::own("two_sealers", harness::Settings::default()).await;
    server.sibling(harness::Settings::default());
    let tenant = harness::tenant_on(server).await;
    let api = tenant.api().await;
    let many = (0..8).map(|_| change_company(&api, 10));
    futures_util::future::join_all(many).await;
    sealed(&tenant).await;
    let (whole, report) = verified(&tenant);
    assert!(whole && report["sealed"].as_i64().unwrap() >= 80, "{report}");
}
