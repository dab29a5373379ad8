//! kill -9 at any moment of a sign-up, with the warm pool used up, leaves whole tenants and nothing else.

use std::time::{Duration, Instant};

use rand::Rng;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, Server, Settings, database, program, sql};

fn settings() -> Settings {
    // Fewer than are taken at once: most sign-ups wait for a schema that is being made.
    Settings::default().with("POOL__WARM_SCHEMAS", 1)
}

/// Whatever is neither a tenant whole nor a schema of the pool.
const HALVES: &str = "
    SELECT 'tenant without schema: ' || t.slug AS half FROM public.tenant t
    WHERE t.status <> 'closed' AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = t.schema_name)
    UNION ALL
    SELECT 'tenant without role: ' || t.slug FROM public.tenant t
    WHERE t.status <> 'closed' AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = t.schema_name)
    UNION ALL
    SELECT 'tenant without key: ' || t.slug FROM public.tenant t
    WHERE NOT EXISTS (SELECT FROM public.tenant_key k WHERE k.tenant_id = t.id)
    UNION ALL
    SELECT 'tenant that is not current: ' || t.slug FROM public.tenant t LEFT JOIN public.tenant_schema_state s USING (schema_name)
    WHERE s.state IS DISTINCT FROM 'current'
    UNION ALL
    SELECT 'key of nobody' FROM public.tenant_key k WHERE NOT EXISTS (SELECT FROM public.tenant t WHERE t.id = k.tenant_id)
    UNION ALL
    SELECT 'schema of nobody: ' || n.nspname FROM pg_namespace n
    WHERE n.nspname ~ '^t_[a-z2-7]{12}$'
        AND NOT EXISTS (SELECT FROM public.tenant t WHERE t.schema_name = n.nspname)
        AND NOT EXISTS (SELECT FROM public.schema_pool p WHERE p.schema_name = n.nspname AND p.state = 'ready')
    UNION ALL
    SELECT 'unfinished: ' || p.schema_name FROM public.schema_pool p WHERE p.state = 'making'
    UNION ALL
    SELECT 'state of nobody: ' || s.schema_name FROM public.tenant_schema_state s
    WHERE NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = s.schema_name)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_in_the_middle_of_sign_ups_leaves_no_half_tenant() {
    let url = database("crashes").await;
    let mut folder = None;
    let mut promised = Vec::new();
    for round in 0..5 {
        let server = Server::start(&url, folder.clone(), settings());
        folder = Some(server.folder.clone());
        let asked: Vec<_> = (0..5)
            .map(|n| {
                let platform = server.platform();
                let slug = format!("crash-{round}-{n}");
                tokio::spawn(async move {
                    let body = json!({
                        "company_name": "Crash", "slug": slug,
                        "owner": {"name": "Ada", "email": "ada@crash.example", "password": PASSWORD},
                    });
                    let answer = platform.try_post("/api/platform/v1/signups", body).await;
                    (slug, answer)
                })
            })
            .collect();
        let patience = Duration::from_millis(rand::rng().random_range(200..1_500));
        tokio::time::sleep(patience).await;
        server.kill();
        for one in asked {
            let (slug, status) = one.await.unwrap();
            assert!(!matches!(status, Some(500)), "{slug} answered 500");
            if status == Some(201) {
                promised.push(slug);
            }
        }
    }
    let admin = sql(&url).await;
    let last = Server::start(&url, folder, settings());
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let rows = admin.query(HALVES, &[]).await.unwrap();
        if rows.is_empty() {
            break;
        }
        let halves: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(Instant::now() < end, "never swept: {halves:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What was promised is there, and whatever is there has its owner.
    let tenants = admin.query("SELECT slug, schema_name FROM public.tenant", &[]).await.unwrap();
    let slugs: Vec<String> = tenants.iter().map(|row| row.get("slug")).collect();
    for slug in &promised {
        assert!(slugs.contains(slug), "{slug} was answered with 201 and is gone");
    }
    for row in &tenants {
        let schema: String = row.get("schema_name");
        let owners: i64 = admin
            .query_one(
                &format!(
                    "SELECT count(*) FROM {schema}.staff s JOIN {schema}.staff_role m ON m.staff_id = s.id
                     JOIN {schema}.role r ON r.id = m.role_id WHERE r.is_owner"
                ),
                &[],
            )
            .await
            .unwrap()
            .get(0);
        assert_eq!(owners, 1, "{schema} has no owner");
    }
    assert!(last.terminate());
    let output = program(&url, last.folder.path()).args(["verify-isolation", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"], json!([]), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_processes_set_an_empty_database_up_at_once() {
    let url = database("five").await;
    let first = std::sync::Arc::new(tempfile::TempDir::new().unwrap());
    let starting: Vec<_> = (0..5)
        .map(|_| {
            let (url, folder) = (url.clone(), first.clone());
            std::thread::spawn(move || Server::start(&url, Some(folder), settings()))
        })
        .collect();
    let servers: Vec<Server> = starting.into_iter().map(|one| one.join().unwrap()).collect();
    for (n, server) in servers.iter().enumerate() {
        let body = json!({
            "company_name": "Five", "slug": format!("five-{n}"),
            "owner": {"name": "Ada", "email": "ada@five.example", "password": PASSWORD},
        });
        server.platform().post("/api/platform/v1/signups", body).await.expect(201);
    }
    for server in &servers {
        assert!(server.terminate());
    }
    let output = program(&url, first.path()).args(["verify-isolation", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"], json!([]), "{report:#}");
}
