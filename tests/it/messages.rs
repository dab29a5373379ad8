//! Messages through the API: whom they reach, what providers answer, and what becomes of each delivery.

use serde_json::{Value, json};

use crate::{
    fake_providers::Fault,
    harness::{Tenant, tenant, text},
    sender::{Sender, number},
};

const ANA: &str = "+639171234567";
const BEN: &str = "+639171234568";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_sent_once_to_each_and_its_story_is_told() {
    let sender = Sender::open().await;
    let numbers: Vec<String> = (0..5).map(number).collect();
    let to: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let message = sender.send(&to, "Hello {{ name | default('you') }}").await;
    sender.until(&message, "accepted", 5).await;
    let mut reached: Vec<String> = sender.taken().into_iter().map(|taken| taken.to).collect();
    reached.sort();
    assert_eq!(reached, numbers, "five recipients are five calls, not twenty-five");
    let delivery = &sender.deliveries(&message).await[0];
    assert_eq!((delivery["segments"].as_i64(), delivery["price"].as_str()), (Some(1), Some("0.5000")));
    let story = sender.api.get(&format!("/api/v1/deliveries/{}", text(delivery, "/id"))).await.expect(200);
    let kinds: Vec<&str> =
        story["steps"].as_array().unwrap().iter().map(|s| s["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["queued", "attempt"]);
    assert_eq!(story["steps"][1]["what"], "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_never_everybody() {
    let sender = Sender::open().await;
    let group =
        text(&sender.api.post("/api/v1/contact-groups", json!({"name": "Empty"})).await.expect(201), "/id");
    for to in [
        json!({}),
        json!({"addresses": []}),
        json!({"groups": [group]}),
        json!({"segments": [{"kind": "customers"}]}),
    ] {
        let body = json!({"channels": ["sms"], "to": to, "content": {"text": "Hi"}});
        let refused = sender.api.post("/api/v1/messages", body).await.expect(422);
        assert_eq!(refused["errors"][0]["code"], "empty_audience", "{to}");
    }
    let later = json!({"channels": ["sms"], "to": {"groups": [group]}, "content": {"text": "Hi"}, "scheduled_at": "2027-01-01T00:00:00Z"});
    sender.api.post("/api/v1/messages", later).await.expect(422);
    assert_eq!(sender.ask("SELECT count(*) FROM message").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_parts_are_named() {
    let sender = Sender::open().await;
    let cases = [
        (
            json!({"channels": ["sms"], "to": {"addresses": [{"address": ANA}, {"address": "0"}]}, "content": {"text": "Hi"}}),
            "to.addresses[1].address",
        ),
        (
            json!({"channels": ["pigeon"], "to": {"addresses": [{"address": ANA}]}, "content": {"text": "Hi"}}),
            "channels[0]",
        ),
        (json!({"channels": ["sms"], "to": {"addresses": [{"address": ANA}]}}), "content"),
        (
            json!({"channels": ["sms"], "to": {"addresses": [{"address": ANA}]}, "content": {"text": "{{ x "}}),
            "contents.sms.en.text",
        ),
        (
            json!({"channels": ["sms"], "to": {"contacts": [uuid::Uuid::now_v7()]}, "content": {"text": "Hi"}}),
            "to.contacts[0]",
        ),
        (
            json!({"channels": ["sms"], "to": {"customers": [uuid::Uuid::now_v7()]}, "content": {"text": "Hi"}}),
            "to.customers[0]",
        ),
        (
            json!({"channels": ["sms"], "to": {"addresses": [{"address": ANA}]}, "content": {"text": "Hi"}, "recurrence": "* * * * *"}),
            "recurrence",
        ),
        (
            json!({"channels": ["sms"], "to": {"addresses": [{"address": ANA}]}, "content": {"text": "Hi"}, "scheduled_at": "2099-01-01T00:00:00Z"}),
            "scheduled_at",
        ),
    ];
    for (body, field) in cases {
        let refused = sender.api.post("/api/v1/messages", body.clone()).await.expect(422);
        assert_eq!(refused["errors"][0]["field"], field, "{body}: {refused}");
    }
    let many: Vec<Value> = (0..10_001).map(|n| json!({"address": number(n)})).collect();
    let body = json!({"channels": ["sms"], "to": {"addresses": many}, "content": {"text": "Hi"}});
    sender.api.post("/api/v1/messages", body).await.expect(422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_written_to_once_and_a_request_is_done_once() {
    let sender = Sender::open().await;
    let body = json!({
        "channels": ["sms"], "content": {"text": "Hi {{ name }}"},
        "to": {"addresses": [{"address": "0917 123 4567", "name": "Ana"}, {"address": ANA, "name": "Again"}, {"address": BEN, "name": "Ben"}]},
    });
    let keyed = sender.api.header("idempotency-key", "once");
    let first = keyed.post("/api/v1/messages", body.clone()).await.expect(202);
    let second = keyed.post("/api/v1/messages", body).await.expect(202);
    assert_eq!(first, second);
    assert_eq!((first["recipients"].as_i64(), first["skipped"].as_i64()), (Some(2), Some(1)));
    sender.until(&text(&first, "/id"), "accepted", 2).await;
    let mut said: Vec<String> = sender.taken().into_iter().map(|taken| taken.text).collect();
    said.sort();
    assert_eq!(said, ["Hi Ana", "Hi Ben"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_are_named_in_one_call() {
    let sender = Sender::open().await;
    let many: Vec<Value> = (0..3_000).map(|n| json!({"address": number(n)})).collect();
    let body = json!({"channels": ["sms"], "to": {"addresses": many}, "content": {"text": "Hi"}, "priority": "bulk"});
    let sent = sender.api.post("/api/v1/messages", body).await.expect(202);
    assert_eq!(
        (sent["recipients"].as_i64(), sent["deliveries"].as_array().unwrap().len()),
        (Some(3_000), 3_000)
    );
    sender.until(&text(&sent, "/id"), "accepted", 3_000).await;
    let mut reached: Vec<String> = sender.taken().into_iter().map(|taken| taken.to).collect();
    reached.sort();
    reached.dedup();
    assert_eq!((reached.len(), sender.taken().len()), (3_000, 3_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_success_with_an_error_inside_is_no_success() {
    let sender = Sender::open().await;
    sender.fake.fail_next("generic", 1, Fault::ErrorBody);
    let message = sender.send(&[ANA], "Hi").await;
    sender.until_sql("SELECT count(*) FROM delivery_attempt WHERE outcome = 'refused'", "1").await;
    assert!(sender.taken().is_empty());
    assert_eq!(sender.count(&message, "accepted").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_go_now_waits_longer_each_time_and_then_is_dead() {
    let sender = Sender::open().await;
    sender.fake.fail_next("generic", 4, Fault::Status { status: 500, retry_after: None });
    let message = sender.send(&[ANA], "Hi").await;
    for (tries, least) in [(1, 59), (2, 119), (3, 239)] {
        sender.until_sql("SELECT count(*) FROM delivery_attempt", &tries.to_string()).await;
        let wait = "SELECT floor(extract(epoch FROM due_at - now())) FROM delivery_queue";
        let wait: i64 = sender.ask(wait).await.parse().unwrap();
        assert!((least - 2..=least * 3 / 2 + 1).contains(&wait), "try {tries} waits {wait} s");
        sender.pass_time().await;
    }
    sender.until(&message, "failed", 1).await;
    assert_eq!(sender.ask("SELECT status FROM dead_letter").await, "failed");
    assert_eq!(sender.fake.calls("generic"), 4, "once, and three times more");
    // Tried again by hand, it goes through.
    let again = sender.api.post(&format!("/api/v1/messages/{message}/retry"), json!({})).await.expect(200);
    assert_eq!(again["deliveries"], 1);
    sender.until(&message, "accepted", 1).await;
    assert_eq!(sender.ask("SELECT count(*) FROM dead_letter").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_leaves_those_alone_who_got_it() {
    let sender = Sender::open().await;
    sender.fake.refuse("generic", BEN, "content");
    let message = sender.send(&[ANA, BEN, "+639171234569"], "Hi").await;
    sender.until(&message, "accepted", 2).await;
    sender.until(&message, "failed", 1).await;
    for _ in 0..3 {
        sender.api.post(&format!("/api/v1/messages/{message}/retry"), json!({})).await.expect(200);
        sender.until_sql("SELECT count(*) FROM delivery_queue", "0").await;
        sender.until(&message, "failed", 1).await;
    }
    assert_eq!(sender.taken().len(), 2, "nobody gets it five times");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_provider_says_how_long_to_wait() {
    let sender = Sender::open().await;
    sender.fake.fail_next("generic", 1, Fault::Status { status: 429, retry_after: Some(900) });
    let message = sender.send(&[ANA], "Hi").await;
    sender.until_sql("SELECT count(*) FROM delivery_attempt", "1").await;
    let wait: i64 = sender
        .ask("SELECT floor(extract(epoch FROM due_at - now())) FROM delivery_queue")
        .await
        .parse()
        .unwrap();
    assert!((890..=900).contains(&wait), "{wait}");
    sender.pass_time().await;
    sender.until(&message, "accepted", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_been_sent_is_marked_and_never_sent_again_by_itself() {
    for fault in [Fault::Cut, Fault::Garbage, Fault::Huge] {
        let sender = Sender::open().await;
        sender.fake.fail_next("generic", 1, fault.clone());
        let message = sender.send(&[ANA], "Hi").await;
        sender.until(&message, "unknown", 1).await;
        sender.pass_time().await;
        sender.api.post(&format!("/api/v1/messages/{message}/retry"), json!({})).await.expect(409);
        assert_eq!(sender.taken().len(), 1, "{fault:?}");
        // Who knows what that means may.
        let body = json!({"with_unknown": true});
        sender.api.post(&format!("/api/v1/messages/{message}/retry"), body).await.expect(200);
        sender.until(&message, "accepted", 1).await;
        assert_eq!(sender.taken().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_not_followed() {
    let sender = Sender::open().await;
    sender.fake.fail_next("generic", 1, Fault::Redirect);
    sender.send(&[ANA], "Hi").await;
    sender.until_sql("SELECT count(*) FROM delivery_attempt WHERE outcome <> 'accepted'", "1").await;
    assert!(sender.taken().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fallback_takes_over_the_breaker_opens_and_closes_again() {
    let sender = Sender::bare(tenant().await).await;
    let primary = sender.connect("generic").await;
    sender.connect("clicksend").await;
    sender.fake.fail_next("generic", 5, Fault::Status { status: 503, retry_after: None });
    let numbers: Vec<String> = (0..8).map(number).collect();
    let to: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let message = sender.send(&to, "Hi").await;
    sender.until(&message, "accepted", 8).await;
    assert_eq!(sender.taken().len() + sender.fake.taken("clicksend").len(), 8);
    assert!(sender.fake.taken("clicksend").len() >= 5);
    let breaker = format!("SELECT breaker FROM provider_account WHERE id = '{primary}'");
    sender.fake.fail_next("generic", 20, Fault::Status { status: 503, retry_after: None });
    let more = sender.send(&to, "Again").await;
    sender.until(&more, "accepted", 8).await;
    sender.until_sql(&breaker, "open").await;
    let before = sender.fake.calls("generic");
    let quiet = sender.send(&to, "Third").await;
    sender.until(&quiet, "accepted", 8).await;
    assert_eq!(sender.fake.calls("generic"), before, "an open breaker lets nothing through");
    // One probe, then all.
    sender.fake.fail_next("generic", 0, Fault::Cut);
    while sender.ask(&breaker).await != "closed" {
        sender.run(&format!("UPDATE provider_account SET breaker_until = now() WHERE id = '{primary}' AND breaker <> 'closed'")).await;
        let probe = sender.send(&[ANA], "Probe").await;
        sender.until(&probe, "accepted", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_credential_stops_the_account_and_loses_nothing() {
    let sender = Sender::open().await;
    sender.fake.revoke("generic");
    let message = sender.send(&[ANA, BEN], "Hi").await;
    sender.until_sql("SELECT breaker FROM provider_account", "open").await;
    // Both calls have come back, so that none of them opens the breaker anew after it was mended.
    sender.until_sql("SELECT count(*) FROM delivery_queue WHERE lease IS NULL", "2").await;
    assert_eq!(sender.count(&message, "queued").await, 2);
    assert!(
        sender
            .ask("SELECT text FROM notice WHERE permission = 'channels.manage'")
            .await
            .contains("out of use")
    );
    sender.fake.restore("generic");
    sender.run("UPDATE provider_account SET breaker_until = now()").await;
    sender.pass_time().await;
    sender.until_sql("SELECT breaker FROM provider_account", "closed").await;
    sender.pass_time().await;
    sender.until(&message, "accepted", 2).await;
    assert_eq!(sender.taken().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_probed_also_by_who_never_opened_its_credential() {
    let sender = Sender::open().await;
    sender.run("UPDATE provider_account SET breaker = 'open', breaker_until = now(), failures = 5").await;
    let message = sender.send(&[ANA], "Hi").await;
    sender.until(&message, "accepted", 1).await;
    assert_eq!(sender.ask("SELECT breaker FROM provider_account").await, "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_cancelled_is_not_tried_again() {
    let sender = Sender::open().await;
    sender.fake.refuse("generic", ANA, "content");
    let to = json!({"addresses": [{"address": ANA}, {"address": BEN}]});
    let body = json!({"channels": ["sms"], "to": to, "content": {"text": "Hi"}, "per_minute": 1});
    let message = text(&sender.api.post("/api/v1/messages", body).await.expect(202), "/id");
    sender.until(&message, "failed", 1).await;
    let path = format!("/api/v1/messages/{message}");
    sender.api.post(&format!("{path}/cancel"), json!({})).await.expect(200);
    sender.api.post(&format!("{path}/retry"), json!({})).await.refused(409, "message_cancelled");
    assert_eq!(sender.count(&message, "failed").await, 1);
    assert_eq!(sender.ask("SELECT count(*) FROM delivery_queue").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_address_is_suppressed_and_not_tried_again() {
    let sender = Sender::open().await;
    sender.fake.refuse("generic", ANA, "recipient");
    let first = sender.send(&[ANA], "Hi").await;
    sender.until(&first, "failed", 1).await;
    let calls = sender.fake.calls("generic");
    let second = sender.send(&[ANA, BEN], "Hi").await;
    sender.until(&second, "suppressed", 1).await;
    sender.until(&second, "accepted", 1).await;
    assert_eq!(sender.fake.calls("generic"), calls + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_waits_for_its_time_and_can_be_taken_back() {
    let sender = Sender::open().await;
    let later = |text: &str| json!({"channels": ["sms"], "to": {"addresses": [{"address": ANA}]}, "content": {"text": text}, "scheduled_at": "2027-01-01T00:00:00Z"});
    let sent = sender.api.post("/api/v1/messages", later("Later")).await.expect(202);
    assert_eq!(sent["status"], "waiting");
    let dropped = sender.api.post("/api/v1/messages", later("Dropped")).await.expect(202);
    let path = format!("/api/v1/messages/{}/cancel", text(&dropped, "/id"));
    sender.api.post(&path, json!({})).await.expect(200);
    sender.api.post(&path, json!({})).await.expect(409);
    sender
        .run(&format!(
            "UPDATE public.job SET due_at = now() WHERE tenant_id = '{}' AND kind = 'expand_message'",
            sender.tenant.id
        ))
        .await;
    sender.until(&text(&sent, "/id"), "accepted", 1).await;
    assert_eq!(sender.taken().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_gone_when_a_message_is_due_is_left_out_and_the_others_are_not() {
    let sender = Sender::open().await;
    let mut people = Vec::new();
    for n in 0..2 {
        let addresses = json!([{"channel": "sms", "address": number(n)}]);
        let new = json!({"name": format!("Person {n}"), "addresses": addresses});
        people.push(text(&sender.api.post("/api/v1/contacts", new).await.expect(201), "/id"));
    }
    let later = |when: &str, value: &str| json!({"channels": ["sms"], "to": {"contacts": people}, "content": {"text": "Hi"}, when: value});
    sender.api.post("/api/v1/messages", later("scheduled_at", "2027-01-01T00:00:00Z")).await.expect(202);
    sender.api.post("/api/v1/messages", later("recurrence", "0 9 * * 1")).await.expect(202);
    sender.api.delete(&format!("/api/v1/contacts/{}", people[0])).await.expect_status(204);
    // Whoever asks for it now is told.
    let now = json!({"channels": ["sms"], "to": {"contacts": people}, "content": {"text": "Hi"}});
    assert_eq!(sender.api.post("/api/v1/messages", now).await.wrong_fields(), ["to.contacts[0]"]);
    sender.run("UPDATE message SET scheduled_at = now()").await;
    sender
        .run(&format!(
            "UPDATE public.job SET due_at = now() WHERE tenant_id = '{}' AND kind = 'expand_message'",
            sender.tenant.id
        ))
        .await;
    sender.until_sql("SELECT count(*) FROM delivery WHERE status = 'accepted'", "2").await;
    let reached: Vec<String> = sender.taken().into_iter().map(|taken| taken.to).collect();
    assert_eq!(reached, [number(1), number(1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recurring_message_makes_one_of_its_own_each_time() {
    let sender = Sender::open().await;
    let body = json!({"channels": ["sms"], "to": {"addresses": [{"address": ANA}]}, "content": {"text": "Weekly"}, "recurrence": "0 9 * * 1"});
    let sent = sender.api.post("/api/v1/messages", body).await.expect(202);
    for n in 1..=2 {
        sender.run("UPDATE message SET scheduled_at = now() WHERE recurrence IS NOT NULL").await;
        sender
            .run(&format!(
                "UPDATE public.job SET due_at = now() WHERE tenant_id = '{}' AND kind = 'expand_message'",
                sender.tenant.id
            ))
            .await;
        sender.until_sql("SELECT count(*) FROM delivery WHERE status = 'accepted'", &n.to_string()).await;
    }
    let next = sender.api.get(&format!("/api/v1/messages/{}", text(&sent, "/id"))).await.expect(200);
    assert_eq!((next["status"].as_str(), next["recipients"].as_i64()), (Some("waiting"), Some(0)));
    assert_eq!(sender.taken().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_does_everything_but_send() {
    let sender = Sender::open().await;
    let calls = sender.fake.calls("generic");
    let body = json!({"channels": ["sms"], "to": {"addresses": [{"address": ANA}]}, "content": {"text": "Hi"}, "dry_run": true});
    let sent = sender.api.post("/api/v1/messages", body).await.expect(202);
    sender.until(&text(&sent, "/id"), "accepted", 1).await;
    assert_eq!(sender.fake.calls("generic"), calls);
    assert_eq!(sender.ask("SELECT outcome FROM delivery_attempt").await, "dry_run");
    assert_eq!(sender.ask("SELECT price FROM delivery").await, "0.0000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_keeps_quiet_at_night_and_codes_do_not() {
    let sender = Sender::open().await;
    // Quiet from an hour ago until an hour from now, in the tenant's own time.
    let zone =
        sender.ask(&format!("SELECT time_zone FROM public.tenant WHERE id = '{}'", sender.tenant.id)).await;
    sender.run(&format!("UPDATE messaging_policy SET quiet_from = (now() AT TIME ZONE '{zone}' - interval '1 hour')::time, quiet_to = (now() AT TIME ZONE '{zone}' + interval '1 hour')::time")).await;
    let bulk = json!({"channels": ["sms"], "to": {"addresses": [{"address": ANA}]}, "content": {"text": "News"}, "priority": "bulk"});
    let bulk = text(&sender.api.post("/api/v1/messages", bulk).await.expect(202), "/id");
    let code = sender.send(&[BEN], "Code 1234").await;
    sender.until(&code, "accepted", 1).await;
    sender.until_sql("SELECT due_at BETWEEN now() + interval '55 minutes' AND now() + interval '61 minutes' FROM delivery_queue", "true").await;
    assert_eq!(sender.count(&bulk, "queued").await, 1);
    assert_eq!(sender.taken().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limit_delays_and_fails_nothing() {
    let sender = Sender::open().await;
    sender.run("UPDATE provider_account SET per_second = 10").await;
    let numbers: Vec<String> = (0..25).map(number).collect();
    let to: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let message = sender.send(&to, "Hi").await;
    sender.until(&message, "accepted", 25).await;
    assert_eq!(sender.taken().len(), 25);
    let span = "SELECT extract(epoch FROM max(started_at) - min(started_at)) >= 2 FROM delivery_attempt";
    assert_eq!(sender.ask(span).await, "true", "25 at 10 a second take more than two seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_tenant_sends_nothing_until_it_is_back() {
    let sender = Sender::open().await;
    sender.fake.fail_next("generic", 1, Fault::Status { status: 500, retry_after: None });
    let message = sender.send(&[ANA], "Hi").await;
    sender.until_sql("SELECT count(*) FROM delivery_attempt", "1").await;
    let status = |word: &str| {
        format!(
            "UPDATE public.tenant SET status = '{word}' WHERE id = '{}'; SELECT pg_notify('lastmile_news', 'tenant:{}')",
            sender.tenant.id, sender.tenant.id
        )
    };
    sender.run(&status("suspended")).await;
    sender.pass_time().await;
    let other = Sender::open().await;
    let theirs = other.send(&[ANA], "Hi").await;
    other.until(&theirs, "accepted", 1).await;
    assert_eq!(sender.ask("SELECT count(*) FROM delivery_attempt").await, "1");
    sender.run(&status("active")).await;
    sender.until(&message, "accepted", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenants_messages_are_not_there() {
    let sender = Sender::open().await;
    let message = sender.send(&[ANA], "Hi").await;
    sender.until(&message, "accepted", 1).await;
    let delivery = text(&sender.deliveries(&message).await[0], "/id");
    let other: Tenant = tenant().await;
    let api = other.api().await;
    for path in [
        format!("/api/v1/messages/{message}"),
        format!("/api/v1/deliveries/{delivery}"),
        format!("/api/v1/deliveries?message_id={message}"),
    ] {
        api.get(&path).await.expect(404);
    }
    for path in [format!("/api/v1/messages/{message}/cancel"), format!("/api/v1/deliveries/{delivery}/retry")]
    {
        api.post(&path, json!({})).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_says_what_it_costs_and_sends_nothing() {
    let sender = Sender::open().await;
    let body = json!({
        "channels": ["sms"], "to": {"addresses": [{"address": ANA, "name": "Ana Cruz"}, {"address": BEN}]},
        "content": {"text": format!("Hi {{{{ first_name }}}} {}", "x".repeat(160))}, "context": {"first_name": "friend"},
    });
    let found = sender.api.post("/api/v1/messages/estimate", body).await.expect(200);
    assert_eq!(
        (found["people"].as_i64(), found["segments"].as_i64(), found["cost"].as_str()),
        (Some(2), Some(2), Some("2.0000"))
    );
    assert!(found["sample_text"].as_str().unwrap().starts_with("Hi Ana "));
    assert_eq!(sender.ask("SELECT count(*) FROM message").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_channel_is_for_who_has_none_on_the_first() {
    let sender = Sender::open().await;
    sender.connect("telegram").await;
    let body = json!({
        "channels": ["sms", "telegram"], "content": {"text": "Hi"},
        "to": {"addresses": [{"address": ANA}, {"channel": "telegram", "address": "123456"}]},
    });
    let sent = sender.api.post("/api/v1/messages", body).await.expect(202);
    sender
        .until_sql("SELECT count(*) FROM delivery WHERE status IN ('accepted', 'sent', 'delivered')", "2")
        .await;
    let deliveries = sender.deliveries(&text(&sent, "/id")).await;
    let mut channels: Vec<&str> = deliveries.iter().map(|d| d["channel"].as_str().unwrap()).collect();
    channels.sort_unstable();
    assert_eq!(channels, ["sms", "telegram"]);
}
