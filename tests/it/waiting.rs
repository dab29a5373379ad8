//! Work in the background: it waits while its tenant is suspended, it is taken over from a worker that died, and files stay at home.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Server, Settings, Tenant, program, sql, tenant, tenant_on};

async fn jobs_of(tenant: &Tenant) -> i64 {
    sql(&tenant.server.database)
        .await
        .query_one(
            "SELECT count(*) FROM public.job j JOIN public.tenant t ON t.id = j.tenant_id WHERE t.slug = $1 AND j.kind = 'send_mail'",
            &[&tenant.slug],
        )
        .await
        .unwrap()
        .get(0)
}

async fn until_no_jobs(tenant: &Tenant) {
    let end = Instant::now() + Duration::from_secs(20);
    while jobs_of(tenant).await > 0 {
        assert!(Instant::now() < end, "the job was not done");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks for a letter, which is a job.
async fn ask_for_a_letter(tenant: &Tenant) {
    let mut browser = tenant.server.browser(&tenant.host);
    browser.get("/forgot").await.expect_status(200);
    let answer = browser.post("/forgot", &[("email", &tenant.owner_email)]).await;
    assert!(answer.status < 400, "{}", answer.text());
    let end = Instant::now() + Duration::from_secs(10);
    while jobs_of(tenant).await == 0 {
        assert!(Instant::now() < end, "no job was enqueued");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A server whose jobs nobody does, with schemas for two tenants.
async fn without_a_worker(name: &str) -> &'static Server {
    let mut settings = Settings::default().with("POOL__WARM_SCHEMAS", 1);
    settings.args = vec!["--role".into(), "web".into()];
    Server::own(name, settings).await
}

fn worker_beside(server: &Server) -> &'static Server {
    server.sibling(Settings::default().with("POOL__WARM_SCHEMAS", 1))
}

fn command(server: &Server, args: &[&str]) {
    let output = program(&server.database, server.folder.path()).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_suspended_tenant_wait() {
    let server = without_a_worker("waiting").await;
    let (waiting, other) = (tenant_on(server).await, tenant_on(server).await);
    ask_for_a_letter(&waiting).await;
    command(server, &["tenant", "suspend", &waiting.slug]);
    ask_for_a_letter(&other).await;
    let worker = worker_beside(server);
    // The other's job is younger, and done all the same: the worker came past the one that waits.
    until_no_jobs(&other).await;
    assert_eq!(jobs_of(&waiting).await, 1);
    command(server, &["tenant", "resume", &waiting.slug]);
    until_no_jobs(&waiting).await;
    worker.terminate();
    server.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_ran_out_is_taken_over() {
    let server = without_a_worker("leases").await;
    let (leased, other) = (tenant_on(server).await, tenant_on(server).await);
    ask_for_a_letter(&leased).await;
    // Somebody holds it, and will never say a word again.
    let admin = sql(&server.database).await;
    let held = "UPDATE public.job SET lease = gen_random_uuid(), attempts = 1, leased_until = now() + interval '1 hour'";
    assert_eq!(admin.execute(held, &[]).await.unwrap(), 1);
    ask_for_a_letter(&other).await;
    let worker = worker_beside(server);
    until_no_jobs(&other).await;
    assert_eq!(jobs_of(&leased).await, 1, "a job was taken from its holder");
    admin.execute("UPDATE public.job SET leased_until = now() - interval '1 second'", &[]).await.unwrap();
    until_no_jobs(&leased).await;
    worker.terminate();
    server.terminate();
}

#[tokio::test]
async fn a_file_is_found_by_its_own_tenant_alone() {
    let (acme, other) = (tenant().await, tenant().await);
    let (a, b) = (acme.api().await, other.api().await);
    let mut browser = acme.browser().await;
    browser.get("/customers/import").await;
    let csv = b"first_name,last_name\nAna,Cruz\n";
    let answer = browser.upload("/customers/import", &[], ("file", "customers.csv", csv)).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let imports = a.get("/api/v1/customers/imports").await.expect(200);
    let id = imports["items"][0]["id"].as_str().unwrap().to_owned();
    a.get(&format!("/api/v1/customers/imports/{id}")).await.expect(200);
    b.get(&format!("/api/v1/customers/imports/{id}")).await.refused(404, "not_found");
    assert_eq!(b.get("/api/v1/customers/imports").await.expect(200)["items"], json!([]));
    // The bytes lie in the tenant's own schema, and nowhere else.
    let admin = sql(&acme.server.database).await;
    for (tenant, wanted) in [(&acme, 1_i64), (&other, 0)] {
        let query = format!("SELECT count(*) FROM {}.file WHERE sha256 = sha256($1)", tenant.schema().await);
        let found: i64 = admin.query_one(&query, &[&csv.as_slice()]).await.unwrap().get(0);
        assert_eq!(found, wanted);
    }
}
