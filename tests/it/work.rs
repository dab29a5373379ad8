//! Work across tenants as the console shows it: counts, and a migration that is tried again.

use crate::harness::{Server, Settings, sql, tenant_on};

#[tokio::test]
async fn failing_jobs_are_counted_and_a_failed_migration_is_tried_again() {
    let server = Server::own("work", Settings::default()).await;
    let (acme, other) = (tenant_on(server).await, tenant_on(server).await);
    let mut boss = server.staff("super_admin").await;
    let mut reader = server.staff("read_only").await;
    let quiet = reader.browser.get("/console/work").await;
    quiet.expect_status(200);
    assert!(
        quiet.text().contains("Every provider&#x27;s schema is up to date")
            || quiet.text().contains("schema is up to date")
    );
    let client = sql(&server.database).await;
    client
        .execute(
            "INSERT INTO public.job (id, tenant_id, kind, subject_id, attempts, due_at)
             SELECT gen_random_uuid(), $1::text::uuid, 'made_up_kind', gen_random_uuid(), 7, now() + interval '1 hour'
             FROM generate_series(1, 3)",
            &[&acme.id],
        )
        .await
        .unwrap();
    let schema = acme.schema().await;
    client
        .execute(
            "UPDATE public.tenant_schema_state SET state = 'failed', error = 'a table is in the way' WHERE schema_name = $1",
            &[&schema],
        )
        .await
        .unwrap();
    let page = reader.browser.get("/console/work").await.text();
    for told in ["made up kind", "a table is in the way", &format!("Company {}", acme.slug)] {
        assert!(page.contains(told), "{told} is not in {page}");
    }
    assert!(!page.contains(&format!("Company {}", other.slug)), "who has no trouble is not named");
    let attention = reader.browser.get("/console/tenants?state=attention").await.text();
    assert!(attention.contains(&acme.slug) && !attention.contains(&other.slug));
    let path = format!("/console/work/migrations/{}/retry", acme.id);
    reader.browser.post(&path, &[]).await.expect_status(403);
    boss.browser.get("/console/work").await.expect_status(200);
    boss.browser.post(&path, &[]).await.expect_status(303);
    assert!(boss.browser.get("/console/work").await.text().contains("is up to date"));
    let row = client
        .query_one(
            "SELECT s.state, s.error IS NULL, (SELECT count(*) FROM public.platform_event e
                WHERE e.action = 'tenant.migrated' AND e.tenant_id = $2::text::uuid)
             FROM public.tenant_schema_state s WHERE s.schema_name = $1",
            &[&schema, &acme.id],
        )
        .await
        .unwrap();
    assert_eq!(
        (row.get::<_, String>(0).as_str(), row.get::<_, bool>(1), row.get::<_, i64>(2)),
        ("current", true, 1)
    );
    boss.browser.get("/console/work").await;
    boss.browser
        .post("/console/work/migrations/01890000-0000-7000-8000-000000000000/retry", &[])
        .await
        .expect_status(404);
}

#[tokio::test]
async fn a_sender_is_lent_taken_back_and_stopped_at_the_console() {
    let server = Server::own("lending", Settings::default()).await;
    let acme = tenant_on(server).await;
    let mut boss = server.staff("super_admin").await;
    let client = sql(&server.database).await;
    let row = client
        .query_one(
            "INSERT INTO public.platform_sender (id, name, channel, kind, sealed, price)
             VALUES (gen_random_uuid(), 'Pool one', 'sms', 'hubtel', '\\x00', 0.05) RETURNING id::text",
            &[],
        )
        .await
        .unwrap();
    let base = format!("/console/senders/{}", row.get::<_, String>(0));
    assert!(boss.browser.get("/console/senders").await.text().contains("Pool one"));
    for (act, fields, told) in [
        ("assign", vec![("slug", "nobody-here")], "There is no provider nobody-here"),
        ("assign", vec![("slug", acme.slug.as_str())], "has Pool one."),
        ("assign", vec![("slug", acme.slug.as_str())], "has it already"),
        ("suspend", vec![], "Pool one is suspended"),
        ("resume", vec![], "Pool one is lent again"),
        ("unassign", vec![("slug", acme.slug.as_str())], "has Pool one no more"),
        ("unassign", vec![("slug", acme.slug.as_str())], "does not have it"),
    ] {
        boss.browser.post(&format!("{base}/{act}"), &fields).await.expect_status(303);
        let page = boss.browser.get("/console/senders").await.text();
        assert!(page.contains(told), "{act}: {told}");
    }
    let told: i64 = client
        .query_one(
            "SELECT count(*) FROM public.platform_event WHERE action LIKE 'sender.%' AND actor_kind = 'staff'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(told, 4);
    boss.browser
        .post("/console/senders/01890000-0000-7000-8000-000000000000/suspend", &[])
        .await
        .expect_status(404);
}
