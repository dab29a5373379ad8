//! `lastmile verify-isolation --url`: every operation of the API as one tenant against another, which stays as it was to the byte.

use serde_json::{Value, json};

use crate::harness::{PASSWORD, Tenant, program, sql, tenant, text};

/// Every row of a tenant's schema as text, but for what looking at it changes.
pub async fn rows_of(tenant: &Tenant) -> Vec<(String, String)> {
    let admin = sql(&tenant.server.database).await;
    let schema = tenant.schema().await;
    let tables = admin
        .query("SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1", &[&schema])
        .await
        .unwrap();
    let mut all = Vec::new();
    for table in tables {
        let table: String = table.get(0);
        // What is written by asking alone: uses of credentials, and attempts at the password where it is asked for again.
        let by_asking = ["audit_seal", "portal_session", "refresh_token", "api_key", "sign_in_failure"];
        if by_asking.contains(&table.as_str()) {
            continue;
        }
        let rows =
            admin.query(&format!("SELECT r::text FROM {schema}.{table} r ORDER BY 1"), &[]).await.unwrap();
        all.extend(rows.iter().map(|row| (table.clone(), row.get::<_, String>(0))));
    }
    all
}

async fn furnish(tenant: &Tenant) {
    let api = tenant.api().await;
    let area = api.post("/api/v1/areas", json!({"name": "Carmen"})).await.expect(201);
    for n in 0..3 {
        let new = json!({"first_name": "Ana", "last_name": format!("Cruz {n}"), "area_id": area["id"]});
        api.post("/api/v1/customers", new).await.expect(201);
    }
    let lcp = api.post("/api/v1/lcps", json!({"code": "LCP-001", "name": "Carmen"})).await.expect(201);
    let splitter = json!({"lcp_id": lcp["id"], "code": "SP-1", "type": "1:8"});
    let splitter = api.post("/api/v1/splitters", splitter).await.expect(201);
    let nap =
        json!({"splitter_id": splitter["id"], "splitter_output": 1, "code": "NAP-001", "name": "Corner"});
    api.post("/api/v1/naps", nap).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walk_finds_no_way_from_one_tenant_to_another() {
    let (a, b) = (tenant().await, tenant().await);
    let mut args = vec![
        "verify-isolation".to_owned(),
        "--json".into(),
        "--url".into(),
        format!("http://{}", a.server.address),
    ];
    let folder = tempfile::TempDir::new().unwrap();
    for (name, tenant) in [("--visitor", &a), ("--visited", &b)] {
        furnish(tenant).await;
        let asked = json!({"email": tenant.owner_email, "password": PASSWORD});
        let token =
            text(&tenant.anonymous().post("/api/v1/auth/token", asked).await.expect(200), "/access_token");
        let file = folder.path().join(&tenant.slug);
        std::fs::write(&file, token).unwrap();
        args.extend([name.to_owned(), format!("{}={}", tenant.slug, file.display())]);
    }
    let before = rows_of(&b).await;
    assert!(before.len() > 10, "nothing to lose");
    let output = tokio::task::block_in_place(|| {
        program(&a.server.database, a.server.folder.path()).args(&args).output().unwrap()
    });
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    // Others' tests open holes and make tenants on this database meanwhile: only the walk's findings count here.
    let walked = [
        "foreign_host",
        "foreign_header",
        "two_names",
        "foreign_id",
        "foreign_id_in_body",
        "leaked",
        "changed",
    ];
    let findings: Vec<&Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| walked.contains(&finding["check"].as_str().unwrap()))
        .collect();
    assert!(findings.is_empty(), "{findings:#?}");
    assert!(report["requests"].as_u64().unwrap() > 150, "the walk was short: {}", report["requests"]);
    assert_eq!(rows_of(&b).await, before, "the other tenant's rows changed");
}
