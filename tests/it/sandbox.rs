//! A copy with made-up people: whole, without anybody true in it, and without a way out.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::{
    backup::{LEFT_BEHIND, contents, schema_of},
    cli::expect,
    fake_providers::{Fake, SECRET},
    foreign_ids::furnished,
    harness::{Api, PASSWORD, Server, Settings, Tenant, mailbox::until, sql, tenant, tenant_on, text},
};

const PATH: &str = "/api/v1/sandbox";

async fn made(api: &Api) -> Value {
    api.send(poem::http::Method::POST, PATH, None, Vec::new()).await.expect_status(200);
    until("the sandbox", async || {
        let sandbox = api.get(PATH).await.expect(200);
        (sandbox["state"] == "ready").then_some(sandbox)
    })
    .await
}

async fn inside(tenant: &Tenant, slug: &str) -> Api {
    let at = tenant.server.at(&format!("{slug}.isp.test"));
    let body = json!({"email": tenant.owner_email, "password": PASSWORD});
    at.bearer(&text(&at.post("/api/v1/auth/token", body).await.expect(200), "/access_token"))
}

/// What would give somebody away: numbers, addresses, words about people.
async fn true_words(client: &Client, schema: &str) -> BTreeSet<String> {
    let sql = format!(
        "SELECT phone_primary FROM {schema}.customer UNION SELECT email FROM {schema}.customer
         UNION SELECT street_address FROM {schema}.customer UNION SELECT notes FROM {schema}.customer
         UNION SELECT address FROM {schema}.contact_address UNION SELECT name FROM {schema}.contact
         UNION SELECT address FROM {schema}.delivery UNION SELECT comment FROM {schema}.ticket_comment
         UNION SELECT description FROM {schema}.ticket UNION SELECT reference FROM {schema}.payment
         UNION SELECT first_name || ' ' || last_name FROM {schema}.customer
         UNION SELECT verification_code FROM {schema}.receipt UNION SELECT mac_address FROM {schema}.router"
    );
    let rows = client.query(&sql, &[]).await.unwrap();
    rows.iter().filter_map(|row| row.get::<_, Option<String>>(0)).filter(|word| word.len() > 5).collect()
}

#[tokio::test]
async fn nobody_true_is_in_a_sandbox_and_nothing_leaves_it() {
    let (tenant, api) = furnished().await;
    let fake = Fake::start().await;
    let account = json!({"kind": "hubtel", "label": "Hubtel", "credential": fake.values("hubtel")});
    api.post("/api/v1/message-accounts", account).await.expect(201);
    let person = tenant.person(&["customers.view"]).await;
    let later = json!({"channels": ["sms"], "to": {"addresses": [{"address": "+639171234567"}]},
        "content": {"text": "Hello true person"}, "scheduled_at": (chrono::Utc::now() + chrono::TimeDelta::days(1)).to_rfc3339()});
    api.post("/api/v1/messages", later).await.expect(202);
    let sandbox = made(&api).await;
    let slug = text(&sandbox, "/slug");
    assert_eq!(slug, format!("{}-sandbox", tenant.slug));
    let copy = inside(&tenant, &slug).await;
    // As much of everything as there is here.
    for path in ["customers", "installations", "payments", "tickets", "lcps", "naps", "subscriptions"] {
        let path = format!("/api/v1/{path}?total=true");
        let (ours, theirs) = (api.get(&path).await.expect(200), copy.get(&path).await.expect(200));
        assert_eq!(ours["total"], theirs["total"], "{path}");
        assert!(ours["total"].as_u64().unwrap() > 0, "{path}");
    }
    let client = sql(&tenant.server.database).await;
    let (ours, theirs) = (tenant.schema().await, schema_of(&client, &slug).await);
    let words = true_words(&client, &ours).await;
    assert!(words.len() > 10, "{words:?}");
    let there = contents(&client, &theirs).await;
    for (table, rows) in &there {
        for word in words.iter().map(String::as_str).chain(["Hello true person", SECRET, &person.email]) {
            assert!(!rows.contains(word), "{word} in {table}");
        }
    }
    // The same person is the same made-up person everywhere.
    let same = format!(
        "SELECT count(*) FROM {theirs}.contact_address a JOIN {ours}.contact_address o USING (id)
         JOIN {ours}.customer c ON o.channel = 'sms' AND c.phone_primary = o.address
         JOIN {theirs}.customer m ON m.id = c.id WHERE m.phone_primary <> a.address"
    );
    assert_eq!(client.query_one(&same, &[]).await.unwrap().get::<_, i64>(0), 0);
    let waits = format!(
        "SELECT (SELECT count(*) FROM {theirs}.delivery_queue) + (SELECT count(*) FROM {theirs}.message WHERE status = 'waiting')
            + (SELECT count(*) FROM {theirs}.provider_account WHERE is_active) + (SELECT count(*) FROM {theirs}.audit_event WHERE action <> 'auth.signed_in' AND actor_kind = 'staff' AND occurred_at < now() - interval '1 hour')"
    );
    assert_eq!(client.query_one(&waits, &[]).await.unwrap().get::<_, i64>(0), 0, "nothing waits to be sent");
    // A colleague cannot come in; the owner sees where they are.
    let at = tenant.server.at(&format!("{slug}.isp.test"));
    let body = json!({"email": person.email, "password": PASSWORD});
    at.post("/api/v1/auth/token", body).await.expect_status(401);
    let mut browser = tenant.server.browser(&format!("{slug}.isp.test"));
    browser.get("/sign-in").await;
    browser
        .post("/sign-in", &[("email", &tenant.owner_email), ("password", PASSWORD)])
        .await
        .expect_status(303);
    assert!(browser.get("/customers").await.text().contains("This is a sandbox"));
    copy.send(poem::http::Method::POST, PATH, None, Vec::new()).await.refused(409, "is_sandbox");
}

#[tokio::test]
async fn there_is_one_sandbox_and_it_goes_without_a_trace() {
    let (one, other) = (tenant().await, tenant().await);
    let (api, theirs) = (one.api().await, other.api().await);
    api.delete(PATH).await.refused(404, "not_found");
    let slug = text(&made(&api).await, "/slug");
    api.send(poem::http::Method::POST, PATH, None, Vec::new()).await.refused(409, "sandbox_exists");
    assert_eq!(theirs.get(PATH).await.expect(200)["state"], "none");
    theirs.delete(PATH).await.refused(404, "not_found");
    let mut browser = one.browser().await;
    let page = browser.get("/settings/sandbox").await.text();
    assert!(page.contains(&format!("{slug}.isp.test/sign-in")), "{page}");
    browser.post("/settings/sandbox/remove", &[]).await.expect_status(303);
    assert_eq!(api.get(PATH).await.expect(200)["state"], "none");
    assert_eq!(one.server.at(&format!("{slug}.isp.test")).get("/sign-in").await.status, 404);
    // Again, and at another address: the first one is its former owner's.
    let again = text(&made(&api).await, "/slug");
    assert!(again.starts_with(&slug), "{again}");
    let trail = api.get("/api/v1/audit-events?limit=200").await.text();
    for action in ["sandbox.asked", "sandbox.made", "sandbox.removed"] {
        assert!(trail.contains(action), "{action}");
    }
}

#[tokio::test]
async fn the_command_line_makes_one_whose_walls_and_trail_hold() {
    let server = Server::own("sandbox_cli", Settings::default()).await;
    let tenant = tenant_on(server).await;
    let cli = |args: &[&str], code| expect(&server.database, server.folder.path(), args, code);
    cli(&["tenant", "sandbox", &tenant.slug, "--as", "No good"], 1);
    let told: Value =
        serde_json::from_str(&cli(&["tenant", "sandbox", &tenant.slug, "--as", "try-out", "--json"], 0))
            .unwrap();
    assert_eq!(told["slug"], "try-out");
    cli(&["tenant", "sandbox", &tenant.slug], 1);
    cli(&["tenant", "sandbox", "try-out"], 1);
    let copy = inside(&tenant, "try-out").await;
    copy.post("/api/v1/areas", json!({"name": "Here alone"})).await.expect(201);
    cli(&["tenant", "verify-audit", "try-out"], 0);
    cli(&["tenant", "delete", "try-out", "--yes", "--now"], 0);
    cli(&["tenant", "verify-erased", "try-out"], 0);
    cli(&["tenant", "verify-audit", &tenant.slug], 0);
    // One goes with the provider that it was made of.
    cli(&["tenant", "sandbox", &tenant.slug, "--as", "orphan"], 0);
    cli(&["tenant", "delete", &tenant.slug, "--yes", "--now"], 0);
    cli(&["tenant", "verify-erased", &tenant.slug], 0);
    cli(&["tenant", "verify-erased", "orphan"], 0);
    assert!(server.terminate());
}

/// Table and column of what the reviewed list says is plain.
fn plain() -> BTreeSet<(String, String)> {
    let list = include_str!("../plain_columns.txt");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(table, columns)| {
            columns.split(' ').map(|column| (table.to_owned(), column.to_owned())).collect::<Vec<_>>()
        })
        .collect()
}

/// The tables of which nothing comes along, and table and column of what is masked: as the source has them.
fn masks() -> (BTreeSet<String>, BTreeSet<(String, String)>) {
    let source = include_str!("../../src/backup/sandbox/masks.rs");
    let (_, emptied) = source.split_once("pub const EMPTIED").unwrap();
    let (emptied, rest) = emptied.split_once("];").unwrap();
    let (_, tables) = rest.split_once("pub const MASKED").unwrap();
    let (tables, _) = tables.split_once("const FIRST").unwrap();
    let word = Regex::new(r#""([a-z_]+)""#).unwrap();
    let emptied = word.captures_iter(emptied).map(|found| found[1].to_owned()).collect();
    let entry = Regex::new(r#"\(\s*"([a-z_]+)",\s*(EVERYTHING|NOT_OWNER|IS_PICTURE)?"#).unwrap();
    let (mut table, mut masked) = (String::new(), BTreeSet::new());
    for found in entry.captures_iter(tables) {
        match found.get(2) {
            Some(_) => table = found[1].to_owned(),
            None => drop(masked.insert((table.clone(), found[1].to_owned()))),
        }
    }
    (emptied, masked)
}

#[tokio::test]
async fn every_column_that_could_name_somebody_was_thought_of() {
    let (emptied, masked) = masks();
    let tenant = tenant().await;
    let client = sql(&tenant.server.database).await;
    let columns = "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = to_regnamespace($1)::oid AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attgenerated = '' AND (a.attname IN ('latitude', 'longitude') OR format_type(a.atttypid, NULL)
                ~ '^(text|jsonb?|bytea|inet|cidr|character varying)')";
    let schema = tenant.schema().await;
    let there: BTreeSet<(String, String)> =
        client.query(columns, &[&schema]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let plain = plain();
    let unknown: Vec<_> = there
        .iter()
        .filter(|(table, _)| !emptied.contains(table) && !LEFT_BEHIND.contains(&table.as_str()))
        .filter(|column| !masked.contains(*column) && !plain.contains(*column))
        .collect();
    assert!(unknown.is_empty(), "mask them, or list them as plain: {unknown:?}");
    let gone: Vec<_> = plain.iter().filter(|column| !there.contains(*column)).collect();
    assert!(gone.is_empty(), "listed and not there: {gone:?}");
    let both: Vec<_> = plain.intersection(&masked).collect();
    assert!(both.is_empty(), "masked and listed: {both:?}");
}
