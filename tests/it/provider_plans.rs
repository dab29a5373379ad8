//! What the platform sells to providers: limits that hold, choosing another plan, what was used, and statements to the cent.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::{Api, Server, Settings, Tenant, console::Staff, mailbox::until, sql, tenant_on, text},
    imports,
    sender::Sender,
};

/// A deployment of its own: plans are for all of its tenants.
async fn deployment(name: &str) -> (&'static Server, Staff) {
    let server = Server::own(name, Settings::default()).await;
    (server, server.staff("super_admin").await)
}

const BASE: [(&str, &str); 4] =
    [("summary", ""), ("currency", "PHP"), ("campaigns", "true"), ("is_offered", "true")];

/// Makes a plan at the console; answers its id.
async fn plan(boss: &mut Staff, server: &Server, code: &str, more: &[(&str, &str)]) -> String {
    let name = code.to_uppercase();
    let mut fields = vec![("code", code), ("name", name.as_str()), ("monthly_price", "1500")];
    fields.extend(BASE);
    fields.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    fields.extend_from_slice(more);
    boss.browser.get("/console/plans/new").await.expect_status(200);
    boss.browser.post("/console/plans", &fields).await.expect_status(303);
    let row = sql(&server.database).await;
    let row = row.query_one("SELECT id::text FROM public.plan WHERE code = $1", &[&code]).await.unwrap();
    row.get(0)
}

/// Gives a tenant a plan at the console.
async fn give(boss: &mut Staff, tenant: &Tenant, plan: &str) {
    let path = format!("/console/tenants/{}", tenant.id);
    boss.browser.get(&path).await.expect_status(200);
    boss.browser.post(&format!("{path}/plan"), &[("plan", plan)]).await.expect_status(303);
}

fn customer(n: usize) -> Value {
    json!({"first_name": "Ana", "last_name": format!("Reyes {n}")})
}

async fn standing(api: &Api) -> Value {
    api.get("/api/v1/settings/plan").await.expect(200)
}

fn used(standing: &Value, metric: &str) -> Value {
    let row = standing["usage"].as_array().unwrap().iter().find(|row| row["metric"] == metric).unwrap();
    json!([row["used"], row["max"]])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_do_not_pass_a_limit() {
    let (server, mut boss) = deployment("plan_fifty").await;
    let small = plan(&mut boss, server, "small", &[("customers", "20")]).await;
    let tenant = tenant_on(server).await;
    give(&mut boss, &tenant, &small).await;
    let api = tenant.api().await;
    let answers = join_all((0..50).map(|n| {
        let api = api.clone();
        async move { api.post("/api/v1/customers", customer(n)).await }
    }))
    .await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 20);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "plan_limit_reached");
    }
    assert_eq!(used(&standing(&api).await, "customers"), json!([20, 20]));
    // One goes, one comes; and whoever was deleted comes back only where there is room.
    let gone = api.get("/api/v1/customers?limit=1").await.expect(200);
    let gone = text(&gone, "/items/0/id");
    api.delete(&format!("/api/v1/customers/{gone}")).await.expect_status(204);
    api.post("/api/v1/customers", customer(99)).await.expect(201);
    api.post(&format!("/api/v1/customers/{gone}/restore"), json!({}))
        .await
        .refused(409, "plan_limit_reached");
}

#[tokio::test]
async fn an_owner_chooses_a_larger_plan_and_not_one_that_is_too_small() {
    let (server, mut boss) = deployment("plan_choose").await;
    let small = plan(&mut boss, server, "small", &[("staff", "2")]).await;
    plan(&mut boss, server, "large", &[("staff", "10"), ("monthly_price", "3000")]).await;
    plan(&mut boss, server, "abroad", &[("currency", "USD")]).await;
    plan(&mut boss, server, "hidden", &[("is_offered", "")]).await;
    let tenant = tenant_on(server).await;
    let api = tenant.api().await;
    assert_eq!(standing(&api).await["name"], Value::Null, "whoever has no plan is not limited");
    give(&mut boss, &tenant, &small).await;
    let role = tenant.role("Cashier").await;
    let person = |n: usize| json!({"name": "Lia", "email": format!("lia{n}@x.example"), "role_ids": [role]});
    let lia = text(&api.post("/api/v1/staff", person(1)).await.expect(201), "/id");
    let refused = api.post("/api/v1/staff", person(2)).await.refused(409, "plan_limit_reached");
    assert!(text(&refused, "/detail").starts_with("SMALL allows 2 people of staff, and 0 of them are left."));
    // A seat is free when somebody is switched off, and taken by whoever is switched on.
    api.patch(&format!("/api/v1/staff/{lia}"), json!({"is_active": false})).await.expect(200);
    api.post("/api/v1/staff", person(3)).await.expect(201);
    api.patch(&format!("/api/v1/staff/{lia}"), json!({"is_active": true}))
        .await
        .refused(409, "plan_limit_reached");

    let choose = async |code: &str| {
        api.json(poem::http::Method::PUT, "/api/v1/settings/plan", json!({"plan": code})).await
    };
    choose("small").await.refused(409, "same_plan");
    choose("abroad").await.refused(409, "other_currency");
    assert_eq!(choose("hidden").await.wrong_fields(), ["plan"]);
    let now = choose("large").await.expect(200);
    assert_eq!((&now["name"], &now["monthly_price"]), (&json!("LARGE"), &json!("3000.00")));
    api.patch(&format!("/api/v1/staff/{lia}"), json!({"is_active": true})).await.expect(200);
    choose("small").await.refused(409, "plan_limit_reached");
    // Who may look may not choose.
    let colleague = tenant.person(&["settings.manage"]).await;
    let colleague = tenant.api_of(&colleague).await;
    standing(&colleague).await;
    let answer =
        colleague.json(poem::http::Method::PUT, "/api/v1/settings/plan", json!({"plan": "small"})).await;
    answer.refused(403, "forbidden");
    let told =
        server.staff("read_only").await.browser.get(&format!("/console/tenants/{}", tenant.id)).await.text();
    assert!(told.contains("LARGE") && told.contains("plan chosen"), "the platform sees it");
}

#[tokio::test]
async fn what_was_agreed_with_one_provider_counts_before_the_plan() {
    let (server, mut boss) = deployment("plan_agreed").await;
    let small = plan(&mut boss, server, "small", &[("customers", "1"), ("is_default", "true")]).await;
    let (tenant, other) = (tenant_on(server).await, tenant_on(server).await);
    let (api, beside) = (tenant.api().await, other.api().await);
    assert_eq!(standing(&api).await["name"], "SMALL", "new ones begin with it");
    api.post("/api/v1/customers", customer(1)).await.expect(201);
    api.post("/api/v1/customers", customer(2)).await.refused(409, "plan_limit_reached");
    let path = format!("/console/tenants/{}", tenant.id);
    boss.browser.get(&path).await;
    let wrong = boss.browser.post(&format!("{path}/limits"), &[("customers", "lots")]).await;
    wrong.expect_status(422);
    assert!(wrong.text().contains("A whole number from 1"));
    boss.browser.post(&format!("{path}/limits"), &[("customers", "2")]).await.expect_status(303);
    api.post("/api/v1/customers", customer(2)).await.expect(201);
    api.post("/api/v1/customers", customer(3)).await.refused(409, "plan_limit_reached");
    boss.browser.get(&path).await;
    boss.browser.post(&format!("{path}/limits"), &[("customers", "none")]).await.expect_status(303);
    api.post("/api/v1/customers", customer(3)).await.expect(201);
    // Nobody else got anything of it; a change of the plan is everybody's at once.
    beside.post("/api/v1/customers", customer(1)).await.expect(201);
    beside.post("/api/v1/customers", customer(2)).await.refused(409, "plan_limit_reached");
    let edit = format!("/console/plans/{small}");
    boss.browser.get(&edit).await.expect_status(200);
    let fields = [
        ("name", "SMALL"),
        ("monthly_price", "1600"),
        ("currency", "PHP"),
        ("customers", "2"),
        ("is_offered", "true"),
    ];
    boss.browser.post(&edit, &fields).await.expect_status(303);
    beside.post("/api/v1/customers", customer(2)).await.expect(201);
    assert_eq!(standing(&beside).await["monthly_price"], "1500.00", "what was agreed is paid");
}

#[tokio::test]
async fn messages_files_requests_and_features_are_limited_too() {
    let (server, mut boss) = deployment("plan_rest").await;
    let limits = [("messages", "3"), ("storage", "1"), ("campaigns", ""), ("api_rate", "50")];
    let small = plan(&mut boss, server, "small", &limits).await;
    let sender = Sender::open_on(server).await;
    let (tenant, api) = (&sender.tenant, &sender.api);
    give(&mut boss, tenant, &small).await;
    let message = |numbers: &[&str]| {
        let to: Vec<Value> = numbers.iter().map(|one| json!({"address": one})).collect();
        json!({"channels": ["sms"], "content": {"text": "Hi"}, "to": {"addresses": to}})
    };
    let send = async |numbers: &[&str]| {
        let key = uuid::Uuid::new_v4().to_string();
        api.header("idempotency-key", &key).post("/api/v1/messages", message(numbers)).await
    };
    send(&["+639171234561", "+639171234562"]).await.expect_status(202);
    send(&["+639171234563", "+639171234564"]).await.refused(409, "plan_limit_reached");
    send(&["+639171234563"]).await.expect_status(202);
    send(&["+639171234564"]).await.refused(409, "plan_limit_reached");
    until("messages to be counted, whether they wait or are sent", async || {
        (used(&standing(api).await, "messages") == json!([3, 3])).then_some(())
    })
    .await;
    let draft = json!({"name": "Fiesta", "channels": ["sms"], "template_id": uuid::Uuid::now_v7()});
    api.post("/api/v1/campaigns", draft).await.refused(403, "not_in_plan");
    api.post("/api/v1/domains", json!({"domain": "portal.kagayan.example"}))
        .await
        .refused(403, "not_in_plan");
    // Half of a MiB and a little fits, another does not.
    let rows = "Ana Maria Consolacion,Reyes de la Cruz y Santos\n".repeat(12_000);
    let sheet = format!("First name,Last name\n{rows}");
    imports::upload(api, "first.csv", sheet.as_bytes()).await;
    imports::send_file(api, "second.csv", sheet.as_bytes()).await.refused(409, "plan_limit_reached");
    // More than a second's worth, and its burst, at once.
    let answers = join_all((0..400).map(|_| api.get("/api/v1/me"))).await;
    assert!(answers.iter().any(|answer| answer.status == 429), "the plan's rate is held");
}

/// Runs a tenant's daily count now, and waits until it has run.
async fn count_day(server: &Server, tenant: &Tenant) {
    let client = sql(&server.database).await;
    let of = format!("tenant_id = '{}' AND kind = 'plan.day'", tenant.id);
    until("the job to be there", async || {
        let there = client
            .query_opt(
                &format!("SELECT 1 FROM public.job WHERE {of} AND leased_until IS NULL AND due_at > now()"),
                &[],
            )
            .await;
        there.unwrap()
    })
    .await;
    client
        .batch_execute(&format!("UPDATE public.job SET due_at = now(), called = called + 1 WHERE {of}"))
        .await
        .unwrap();
    until("the job to have run", async || {
        let there = client
            .query_opt(
                &format!("SELECT 1 FROM public.job WHERE {of} AND leased_until IS NULL AND due_at > now()"),
                &[],
            )
            .await;
        there.unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_month_is_stated_once_and_for_good() {
    let (server, mut boss) = deployment("plan_stated").await;
    let small = plan(&mut boss, server, "small", &[("customers", "5")]).await;
    let tenant = tenant_on(server).await;
    give(&mut boss, &tenant, &small).await;
    let api = tenant.api().await;
    for n in 0..4 {
        api.post("/api/v1/customers", customer(n)).await.expect(201);
    }
    let client = sql(&server.database).await;
    // It had the plan since the middle of the month before last, and a dearer one for ten days of the last.
    let past = format!(
        "WITH m AS (SELECT date_trunc('month', now() AT TIME ZONE t.time_zone) AS this, t.time_zone AS z FROM public.tenant t WHERE t.id = '{0}'),
            cut AS (UPDATE public.tenant_plan p SET since = ((m.this - interval '1 month' + interval '20 days') AT TIME ZONE m.z)
                FROM m WHERE p.tenant_id = '{0}' AND p.until IS NULL)
         INSERT INTO public.tenant_plan (tenant_id, since, until, plan_id, plan_name, monthly_price, currency, chosen_by)
         SELECT '{0}'::uuid, (m.this - interval '1 month' + interval '10 days') AT TIME ZONE m.z,
            (m.this - interval '1 month' + interval '20 days') AT TIME ZONE m.z, p.id, 'Dear', 3000, 'PHP', 'test' FROM m, public.plan p
         UNION ALL
         SELECT '{0}'::uuid, (m.this - interval '2 months' + interval '14 days') AT TIME ZONE m.z,
            (m.this - interval '1 month' + interval '10 days') AT TIME ZONE m.z, p.id, 'Small', 1500, 'PHP', 'test' FROM m, public.plan p",
        tenant.id
    );
    client.batch_execute(&past).await.unwrap();
    count_day(server, &tenant).await;
    let statements = api.get("/api/v1/settings/plan/statements").await.expect(200);
    let items = statements["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{statements}");
    let (last, first) = (&items[0], &items[1]);
    let days: Vec<i64> =
        last["lines"].as_array().unwrap().iter().map(|line| line["days"].as_i64().unwrap()).collect();
    let of: i64 = days.iter().sum();
    assert_eq!(days[..2], [10, 10]);
    let cents = |value: &Value| value["total"].as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
    // 1500 a month for all but ten days, 3000 for those.
    let exact_times_days = 150_000 * (of - 10) + 300_000 * 10;
    assert!((cents(last) * of - exact_times_days).abs() <= of, "within a cent: {last}");
    assert_eq!(first["lines"].as_array().unwrap().len(), 1);
    // Again, and after a change of everything: what is stated stays.
    client.batch_execute("UPDATE public.tenant_plan SET monthly_price = 9").await.unwrap();
    count_day(server, &tenant).await;
    assert_eq!(api.get("/api/v1/settings/plan/statements").await.expect(200), statements);
    // Four of five are near: staff are told once.
    let bell = api.get("/api/v1/notices").await.expect(200).to_string();
    assert_eq!(bell.matches("80 % of the plan is used: Customers").count(), 1, "{bell}");
    let counted = client
        .query_one(
            "SELECT max(amount) FROM public.usage WHERE tenant_id = $1::text::uuid AND metric = 'customers'",
            &[&tenant.id],
        )
        .await
        .unwrap();
    assert_eq!(counted.get::<_, i64>(0), 4);
    let page = tenant.browser().await.with_cookies().get("/settings/plan").await.text();
    assert!(page.contains("Dear, 11 ") && page.contains("Nearly full"), "the page says it");
}

#[tokio::test]
async fn a_large_message_that_the_plan_has_no_room_for_waits_and_is_not_lost() {
    let (server, mut boss) = deployment("plan_large").await;
    let small = plan(&mut boss, server, "small", &[("messages", "5")]).await;
    plan(&mut boss, server, "large", &[]).await;
    let tenant = tenant_on(server).await;
    give(&mut boss, &tenant, &small).await;
    let api = tenant.api().await;
    let group = text(&api.post("/api/v1/contact-groups", json!({"name": "All"})).await.expect(201), "/id");
    for n in 0..8 {
        let contact = json!({"name": format!("C {n}"), "addresses": [{"channel": "sms", "address": format!("+63917123450{n}")}], "group_ids": [group]});
        api.post("/api/v1/contacts", contact).await.expect(201);
    }
    let at = (chrono::Utc::now() + chrono::TimeDelta::seconds(2)).to_rfc3339();
    let message = json!({"channels": ["sms"], "content": {"text": "Hi"}, "to": {"groups": [group]}, "dry_run": true, "scheduled_at": at});
    let sent = api.header("idempotency-key", "large").post("/api/v1/messages", message).await.expect(202);
    let path = format!("/api/v1/messages/{}", text(&sent, "/id"));
    until("it to be paused", async || {
        let shown = api.get(&path).await.expect(200);
        (!shown["paused_at"].is_null()).then_some(())
    })
    .await;
    let bell = api.get("/api/v1/notices").await.expect(200).to_string();
    assert!(bell.contains("messages of this month are used up"), "{bell}");
    let choice = json!({"plan": "large"});
    api.json(poem::http::Method::PUT, "/api/v1/settings/plan", choice).await.expect(200);
    api.post(&format!("{path}/resume"), json!({})).await.expect(200);
    until("all eight to be written out", async || {
        (api.get(&path).await.expect(200)["recipients"] == 8).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_runs_the_console_only_to_look_makes_no_plans() {
    let (server, mut boss) = deployment("plan_roles").await;
    let id = plan(&mut boss, server, "small", &[]).await;
    for role in ["read_only", "support_admin"] {
        let mut staff = server.staff(role).await;
        staff.browser.get("/console/plans").await.expect_status(200);
        staff.browser.get("/console/plans/new").await.expect_status(403);
        staff.browser.get(&format!("/console/plans/{id}")).await.expect_status(403);
        staff.browser.post("/console/plans", &[("code", "x")]).await.expect_status(403);
    }
    boss.browser.get("/console/plans/new").await;
    let wrong = boss
        .browser
        .post("/console/plans", &[("code", "small"), ("name", ""), ("monthly_price", "-3")])
        .await;
    wrong.expect_status(422);
    let said = wrong.text();
    assert!(said.contains("This is needed.") && said.contains("must not be negative"), "{said}");
    boss.browser.get("/console/plans/not-an-id").await.expect_status(404);
}
