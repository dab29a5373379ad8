//! How long what is kept: what is older than its rule goes at night, and nothing else.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use poem::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Api, Tenant, mailbox::until, sql, tenant, text},
    installations::customer,
};

const PATH: &str = "/api/v1/retention";

fn ago(days: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(days)
}

/// An id of that day.
fn id_of(days: i64) -> Uuid {
    let millis = u64::try_from(ago(days).timestamp_millis()).unwrap();
    uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid()
}

/// Lets a night begin and waits for its end.
pub async fn night(tenant: &Tenant) {
    let client = sql(&tenant.server.database).await;
    let begin = format!(
        "INSERT INTO public.job (id, tenant_id, kind, subject_id, is_standing)
         VALUES (gen_random_uuid(), '{id}', 'retention.night', '{id}', true)
         ON CONFLICT (tenant_id, kind) WHERE is_standing DO UPDATE SET due_at = now(), called = job.called + 1",
        id = tenant.id
    );
    client.batch_execute(&begin).await.unwrap();
    let begun = format!(
        "SELECT count(*) FROM public.job WHERE tenant_id = '{}' AND kind = 'retention.night' AND due_at <= now()",
        tenant.id
    );
    until("the end of the night", async || {
        let due: i64 = client.query_one(&begun, &[]).await.unwrap().get(0);
        (due == 0).then_some(())
    })
    .await;
}

async fn count(tenant: &Tenant, of: &str) -> i64 {
    let schema = tenant.schema().await;
    let sql_of = format!("SELECT count(*) FROM {schema}.{of}");
    sql(&tenant.server.database).await.query_one(&sql_of, &[]).await.unwrap().get(0)
}

/// What all nights let go, by kind.
async fn let_go(api: &Api) -> BTreeMap<String, u64> {
    let nights = api.get("/api/v1/audit-events?action=retention.applied").await.expect(200);
    let mut all = BTreeMap::new();
    for night in nights["items"].as_array().unwrap() {
        let night = api.get(&format!("/api/v1/audit-events/{}", text(night, "/id"))).await.expect(200);
        for (kind, amount) in night["after"].as_object().unwrap() {
            *all.entry(kind.clone()).or_default() += amount.as_u64().unwrap();
        }
    }
    all
}

/// Rows of one kind on both sides of their usual time.
async fn usual_rows(tenant: &Tenant) {
    let schema = tenant.schema().await;
    let client = sql(&tenant.server.database).await;
    for days in [85, 89, 91, 95] {
        let (id, file, at) = (id_of(days), Uuid::now_v7(), ago(days));
        let rows = format!(
            "INSERT INTO {schema}.notice (id, permission, text, created_at) VALUES ('{id}', 'visits.plan', 'Old', '{at}');
             INSERT INTO {schema}.mail (id, recipient, subject, status, created_at, send_before)
             VALUES ('{id}', 'a@x.example', 'Old', 'sent', '{at}', '{at}');
             INSERT INTO {schema}.file (id, purpose, name, media_type, size_bytes, sha256, content)
             VALUES ('{file}', 'report', 'r.csv', 'text/csv', 1, '\\x00', '\\x00');
             INSERT INTO {schema}.report_file (id, due_on, report, from_on, to_on, file_id, file_name, size_bytes, made_at)
             VALUES ('{id}', '{at}', 'revenue', '{at}', '{at}', '{file}', 'r.csv', 1, '{at}')"
        );
        client.batch_execute(&rows).await.unwrap();
    }
    for (days, status) in [(29, "done"), (31, "done"), (31, "failed"), (31, "refused")] {
        let (id, at) = (id_of(days), ago(days));
        let row = format!(
            "INSERT INTO {schema}.hook_call (id, account_id, received_at, url, headers, body, status, due_at)
             VALUES ('{id}', gen_random_uuid(), '{at}', '/', '{{}}', '\\x00', '{status}', 'infinity')"
        );
        client.batch_execute(&row).await.unwrap();
    }
}

#[tokio::test]
async fn what_nobody_asked_to_keep_goes_in_its_usual_time() {
    let (tenant, other) = (tenant().await, tenant().await);
    other.api().await.patch(PATH, json!({"letters": 730})).await.expect(200);
    usual_rows(&tenant).await;
    usual_rows(&other).await;
    let api = tenant.api().await;
    night(&tenant).await;
    let usual = [("hook_calls", 2), ("letters", 2), ("notices", 2), ("report_files", 2)];
    assert_eq!(let_go(&api).await, usual.map(|(kind, amount)| (kind.to_owned(), amount)).into());
    assert_eq!(count(&tenant, "notice WHERE text = 'Old'").await, 2);
    assert_eq!(count(&tenant, "mail WHERE subject = 'Old'").await, 2);
    assert_eq!(count(&tenant, "report_file").await, 2);
    assert_eq!(count(&tenant, "file WHERE purpose = 'report'").await, 2);
    // What failed is still to be heard.
    assert_eq!(count(&tenant, "hook_call").await, 2);
    assert_eq!(count(&tenant, "hook_call WHERE status = 'failed'").await, 1);
    assert_eq!(count(&other, "mail WHERE subject = 'Old'").await, 4, "nobody else's");
    // Once more: there is nothing to do, and nothing is said.
    night(&tenant).await;
    assert_eq!(let_go(&api).await.values().sum::<u64>(), 8);
}

/// A message of that day with so many recipients. Its id.
async fn message(tenant: &Tenant, days: i64, recipients: i64, more: &str) -> Uuid {
    let (schema, id, at) = (tenant.schema().await, id_of(days), ago(days));
    let file = json!([{"id": Uuid::now_v7(), "name": "a.pdf", "media_type": "application/pdf", "size": 1}]);
    let rows = format!(
        "INSERT INTO {schema}.file (id, purpose, name, media_type, size_bytes, sha256, content)
         VALUES ('{}', 'message_attachment', 'a.pdf', 'application/pdf', 1, '\\x00', '\\x00');
         INSERT INTO {schema}.message (id, channels, lane, content, status, recipients, created_at, attachments)
         VALUES ('{id}', '{{sms}}', 0, '{{\"text\": \"Old\"}}', 'ready', {recipients}, '{at}', '{file}');
         INSERT INTO {schema}.message_count (message_id, status, shard, amount) VALUES ('{id}', 'accepted', 0, {recipients});
         INSERT INTO {schema}.delivery (id, message_id, channel, address, lane, status, created_at)
         SELECT gen_random_uuid(), '{id}', 'sms', '+63917000' || n, 0, 'accepted', '{at}' FROM generate_series(1, {recipients}) n;
         {more}",
        text(&file, "/0/id"),
        more = more.replace("{schema}", &schema).replace("{id}", &id.to_string())
    );
    sql(&tenant.server.database).await.batch_execute(&rows).await.unwrap();
    id
}

#[tokio::test]
async fn old_messages_go_with_their_recipients_but_not_what_waits_nor_what_campaigns_came_to() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let old = message(&tenant, 31, 1_203, "").await;
    let young = message(&tenant, 29, 2, "").await;
    let waits = "INSERT INTO {schema}.delivery_queue (delivery_id, lane, due_at)
        SELECT id, 0, 'infinity' FROM {schema}.delivery WHERE message_id = '{id}' LIMIT 1";
    let waiting = message(&tenant, 40, 3, waits).await;
    let later = "UPDATE {schema}.message SET scheduled_at = now() - interval '2 days' WHERE id = '{id}'";
    let planned = message(&tenant, 50, 1, later).await;
    let of_a_campaign = "INSERT INTO {schema}.message_template (id, name) VALUES ('{id}', 'T');
        INSERT INTO {schema}.campaign (id, name, status, channels, template_id, audience, message_id, ended_at)
        VALUES ('{id}', 'C', 'done', '{sms}', '{id}', '{\"addresses\": [{\"address\": \"+639170001\"}], \"groups\": []}', '{id}',
            now() - interval '40 days')";
    let sent = message(&tenant, 41, 5, of_a_campaign).await;
    let heard = |days| {
        format!(
            "INSERT INTO {{schema}}.inbound_message (id, account_id, channel, address, text, provider_message_id, received_at)
             VALUES ('{}', gen_random_uuid(), 'sms', '+639170001', 'Old', '{days}', '{}')",
            id_of(days),
            ago(days)
        )
    };
    message(&tenant, 1, 1, &heard(31)).await;
    message(&tenant, 1, 1, &heard(29)).await;
    night(&tenant).await;
    assert_eq!(count(&tenant, "delivery").await, 1_216, "kept until somebody says otherwise");

    let shown = api.patch(PATH, json!({"messages": 30, "inbound": 30})).await.expect(200);
    let older = |kind: &str| {
        let rules = shown["rules"].as_array().unwrap();
        rules.iter().find(|rule| rule["kind"] == kind).unwrap()["older"].clone()
    };
    assert_eq!((older("messages"), older("inbound")), (json!(2), json!(1)));
    assert_eq!(count(&tenant, "delivery").await, 1_216, "nothing goes before the night");
    night(&tenant).await;
    let of = |id: Uuid| format!("delivery WHERE message_id = '{id}'");
    for (id, left) in [(old, 0), (young, 2), (waiting, 3), (planned, 1), (sent, 0)] {
        assert_eq!(count(&tenant, &of(id)).await, left, "{id}");
    }
    assert_eq!(count(&tenant, &format!("message WHERE id = '{old}'")).await, 0);
    // The old one's file is gone with it, the campaign's message keeps its own.
    assert_eq!(count(&tenant, "file WHERE purpose = 'message_attachment'").await, 6);
    assert_eq!(count(&tenant, &format!("message_count WHERE message_id = '{sent}' AND amount = 5")).await, 1);
    assert_eq!(count(&tenant, "campaign WHERE audience = '{\"groups\": []}'").await, 1);
    assert_eq!(count(&tenant, "inbound_message").await, 1);
    // Recipients, the message that had them, and the list of the campaign.
    assert_eq!(let_go(&api).await, [("inbound".to_owned(), 1), ("messages".to_owned(), 1_210)].into());
    api.get(&format!("/api/v1/messages/{sent}")).await.expect_status(200);
}

#[tokio::test]
async fn old_tickets_are_emptied_and_people_who_left_are_erased() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let stays = customer(&api, "Ana", "Stays").await;
    let (gone, owes) = (customer(&api, "Ben", "Leftlong").await, customer(&api, "Cora", "Owes").await);
    let mut tickets = Vec::new();
    for title in ["Old words", "Young words", "Open words"] {
        let body =
            json!({"customer_id": stays, "title": title, "description": "Long story", "category": "billing"});
        let id = text(&api.post("/api/v1/tickets", body).await.expect(201), "/id");
        api.post(&format!("/api/v1/tickets/{id}/comments"), json!({"comment": "Said a lot"}))
            .await
            .expect(201);
        tickets.push(id);
    }
    let schema = tenant.schema().await;
    let client = sql(&tenant.server.database).await;
    let aged = format!(
        "UPDATE {schema}.ticket SET status = 'resolved', resolved_at = now() - interval '91 days' WHERE title = 'Old words';
         UPDATE {schema}.ticket SET status = 'resolved', resolved_at = now() - interval '89 days' WHERE title = 'Young words';
         UPDATE {schema}.ticket SET updated_at = now() - interval '200 days' WHERE title = 'Open words';
         UPDATE {schema}.customer SET status = 'terminated', updated_at = now() - interval '91 days' WHERE id <> '{stays}';
         INSERT INTO {schema}.customer_account (customer_id, balance) VALUES ('{owes}', -5)
            ON CONFLICT (customer_id) DO UPDATE SET balance = -5"
    );
    client.batch_execute(&aged).await.unwrap();
    api.patch(PATH, json!({"tickets": 90, "former_customers": 90})).await.expect(200);
    night(&tenant).await;
    let ticket = async |n: usize| api.get(&format!("/api/v1/tickets/{}", tickets[n])).await.expect(200);
    let old = ticket(0).await;
    assert_eq!((&old["title"], &old["description"]), (&json!("Removed"), &json!("")));
    assert!(old["number"].as_str().unwrap().starts_with("TKT-") && old["category"] == "billing");
    assert_eq!(
        (ticket(1).await["title"].clone(), ticket(2).await["title"].clone()),
        (json!("Young words"), json!("Open words"))
    );
    assert_eq!(count(&tenant, "ticket_comment WHERE comment = 'Said a lot'").await, 2);
    let erased = api.get("/api/v1/erasures").await.expect(200);
    assert_eq!(erased["items"].as_array().unwrap().len(), 1, "{erased}");
    assert_eq!(erased["items"][0]["reason"], "Left longer ago than customers are kept (retention).");
    assert!(!api.get(&format!("/api/v1/customers/{gone}")).await.text().contains("Leftlong"));
    assert!(api.get(&format!("/api/v1/customers/{owes}")).await.text().contains("Cora"));
    assert!(api.get(&format!("/api/v1/customers/{stays}")).await.text().contains("Ana"));
    night(&tenant).await;
    let all = let_go(&api).await;
    assert_eq!(all, [("former_customers".to_owned(), 1), ("tickets".to_owned(), 1)].into());
}

#[tokio::test]
async fn rules_are_the_owners_and_what_they_would_do_is_shown_first() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    for (field, days) in [("messages", json!(29)), ("letters", json!(731)), ("notices", json!(null))] {
        assert_eq!(api.patch(PATH, json!({ field: days })).await.wrong_fields(), [field]);
    }
    let person = tenant.person(&["settings.manage"]).await;
    let theirs = tenant.api_as(&person.email, crate::harness::PASSWORD).await;
    theirs.get(PATH).await.refused(403, "forbidden");
    theirs
        .send(Method::PATCH, PATH, Some("application/json"), b"{}".to_vec())
        .await
        .refused(403, "forbidden");
    usual_rows(&tenant).await;
    let mut browser = tenant.browser().await;
    let page = browser.get("/settings/retention").await.text();
    assert!(page.contains("What goes tonight"), "{page}");
    let mut fields: Vec<(&str, &str)> = [
        ("messages", ""),
        ("inbound", ""),
        ("tickets", ""),
        ("former_customers", ""),
        ("report_files", "90"),
        ("import_files", "30"),
        ("letters", "86"),
        ("notices", "90"),
        ("hook_calls", "x"),
    ]
    .into();
    let refused = browser.post("/settings/retention", &fields).await;
    refused.expect_status(422);
    assert!(refused.text().contains("This must be a whole number."));
    fields[8].1 = "30";
    let asks = browser.post("/settings/retention", &fields).await;
    asks.expect_status(200);
    assert!(asks.text().contains("This would go tonight, for good"), "{}", asks.text());
    let letters = async || -> Value {
        let shown = api.get(PATH).await.expect(200);
        shown["rules"].as_array().unwrap().iter().find(|rule| rule["kind"] == "letters").unwrap()["days"]
            .clone()
    };
    assert_eq!(letters().await, 90, "not before somebody agreed");
    fields.push(("confirmed", "yes"));
    browser.post("/settings/retention", &fields).await.expect_status(303);
    assert_eq!(letters().await, 86);
    assert_eq!(count(&tenant, "retention").await, 1, "the others go on as the program has them");
    let trail = api.get("/api/v1/audit-events?action=retention.changed").await.expect(200);
    assert_eq!(trail["items"].as_array().unwrap().len(), 1);
    night(&tenant).await;
    assert_eq!(count(&tenant, "mail WHERE subject = 'Old'").await, 1);
}
