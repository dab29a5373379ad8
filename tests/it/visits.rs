//! Visits, the schedule, and the bell that tells of missed ones.

use serde_json::{Value, json};

use crate::{
    harness::{Answer, Browser, PASSWORD, tenant, text},
    installations::customer,
};

fn visit(customer: &str, technician: Option<&str>, from: &str, to: &str) -> Value {
    json!({
        "kind": "repair", "customer_id": customer, "technician_id": technician, "starts_at": from, "ends_at": to,
    })
}

#[tokio::test]
async fn a_clash_is_asked_about_and_not_forbidden() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let ana = customer(&api, "Ana", "Cruz").await;
    let who = Some(tenant.owner_id.as_str());
    let first = visit(&ana, who, "2026-12-01T01:00:00Z", "2026-12-01T03:00:00Z");
    let first = text(&api.post("/api/v1/visits", first).await.expect(201), "/id");
    let mut second = visit(&ana, who, "2026-12-01T02:59:00Z", "2026-12-01T04:00:00Z");
    let busy = api.post("/api/v1/visits", second.clone()).await.refused(409, "technician_busy");
    assert_eq!(busy["detail"], "Olive Owner is at Ana Cruz at this time.");
    second["allow_overlap"] = json!(true);
    api.post("/api/v1/visits", second).await.expect(201);
    // One after the other is no clash, nor is one that nobody has yet.
    api.post("/api/v1/visits", visit(&ana, who, "2026-12-01T04:00:00Z", "2026-12-01T05:00:00Z"))
        .await
        .expect(201);
    let nobodys = visit(&ana, None, "2026-12-01T01:00:00Z", "2026-12-01T03:00:00Z");
    let nobodys = text(&api.post("/api/v1/visits", nobodys).await.expect(201), "/id");
    let path = format!("/api/v1/visits/{nobodys}");
    api.patch(&path, json!({"technician_id": who})).await.refused(409, "technician_busy");
    // Moved without an end it takes as long as before, and it is not in its own way.
    let path = format!("/api/v1/visits/{first}");
    let moved = api.patch(&path, json!({"starts_at": "2026-12-01T00:30:00Z"})).await.expect(200);
    assert_eq!(moved["ends_at"], "2026-12-01T02:30:00Z");
    let wrong = visit(&ana, who, "2026-12-01T03:00:00Z", "2026-12-01T03:00:00Z");
    assert_eq!(api.post("/api/v1/visits", wrong).await.wrong_fields(), ["ends_at"]);
    let nobody = uuid::Uuid::now_v7().to_string();
    for field in ["customer_id", "installation_id", "technician_id"] {
        let mut wrong = visit(&ana, who, "2027-12-01T03:00:00Z", "2027-12-01T04:00:00Z");
        wrong[field] = json!(nobody);
        assert_eq!(api.post("/api/v1/visits", wrong).await.wrong_fields(), [field]);
    }
}

#[tokio::test]
async fn an_installation_of_another_customer_is_no_place_to_go() {
    let api = tenant().await.api().await;
    let (ana, ben) = (customer(&api, "Ana", "Cruz").await, customer(&api, "Ben", "Reyes").await);
    let of_ben =
        text(&api.post("/api/v1/installations", json!({"customer_id": ben})).await.expect(201), "/id");
    let mut wrong = visit(&ana, None, "2026-12-01T01:00:00Z", "2026-12-01T02:00:00Z");
    wrong["installation_id"] = json!(of_ben);
    let refused = api.post("/api/v1/visits", wrong).await.expect(422);
    assert_eq!(refused["errors"][0]["code"], "of_another_customer");
}

/// Sends the form of a new visit that is for a ticket.
async fn plan_for(browser: &mut Browser, customer: &str, ticket: &str, time: &str) -> Answer {
    let fields = [
        ("customer_id", customer),
        ("ticket_id", ticket),
        ("kind", "repair"),
        ("day", "2026-12-02"),
        ("time", time),
        ("minutes", "60"),
    ];
    browser.post("/visits", &fields).await
}

#[tokio::test]
async fn a_visit_that_a_ticket_asks_for_is_linked_with_it() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let (ana, ben) = (customer(&api, "Ana", "Cruz").await, customer(&api, "Ben", "Reyes").await);
    let ticket = async |customer: &str| {
        let body = json!({"customer_id": customer, "title": "No light", "category": "no_connection"});
        text(&api.post("/api/v1/tickets", body).await.expect(201), "/id")
    };
    let (of_ana, of_ben) = (ticket(&ana).await, ticket(&ben).await);
    let nobodys = uuid::Uuid::now_v7().to_string();
    let mut body = visit(&ana, None, "2026-12-01T01:00:00Z", "2026-12-01T02:00:00Z");
    for (wrong, code) in [(&of_ben, "of_another_customer"), (&nobodys, "unknown")] {
        body["ticket_id"] = json!(wrong);
        let refused = api.post("/api/v1/visits", body.clone()).await;
        assert_eq!(refused.wrong_fields(), ["ticket_id"]);
        assert_eq!(refused.expect(422)["errors"][0]["code"], code);
    }
    body["ticket_id"] = json!(of_ana);
    let planned = api.post("/api/v1/visits", body).await.expect(201);
    assert_eq!(planned["ticket_id"], json!(of_ana));
    let shown = api.get(&format!("/api/v1/visits/{}", text(&planned, "/id"))).await.expect(200);
    assert_eq!(shown["ticket_id"], json!(of_ana));

    // From the ticket's page, over a form that is refused once, and back to the ticket's page.
    let mut browser = tenant.browser().await;
    let page = browser.get(&format!("/tickets/{of_ana}")).await.expect_status(200).text();
    let link = format!("/visits/new?customer={ana}&amp;ticket={of_ana}&amp;kind=repair");
    assert!(page.contains(&link), "{page}");
    let hidden = format!("name=\"ticket_id\" value=\"{of_ana}\"");
    let form = browser.get(&link.replace("&amp;", "&")).await.expect_status(200).text();
    assert!(form.contains(&hidden), "{form}");
    let refused = plan_for(&mut browser, &ana, &of_ana, "25:00").await.expect_status(422).text();
    assert!(refused.contains(&hidden), "{refused}");
    let refused = plan_for(&mut browser, &ana, &of_ben, "09:00").await.expect_status(422).text();
    assert!(refused.contains("This ticket is another customer"), "{refused}");
    let refused = plan_for(&mut browser, &ana, &nobodys, "09:00").await.expect_status(422).text();
    assert!(refused.contains("There is no such ticket."), "{refused}");
    let planned = plan_for(&mut browser, &ana, &of_ana, "09:00").await;
    let href = planned.expect_status(303).header("location").to_owned();
    let shown = browser.get(&href).await.text();
    assert!(shown.contains(&format!("href=\"/tickets/{of_ana}\"")), "{shown}");
    assert!(browser.get(&format!("/tickets/{of_ana}")).await.text().contains(&href));
}

#[tokio::test]
async fn a_technician_sees_and_settles_only_what_is_their_own() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let ana = customer(&api, "Ana", "Cruz").await;
    let tess = tenant.person_with(&tenant.role("Technician").await).await;
    let own = visit(&ana, Some(&tess.id), "2026-12-01T01:00:00Z", "2026-12-01T02:00:00Z");
    let own = text(&api.post("/api/v1/visits", own).await.expect(201), "/id");
    let others = visit(&ana, Some(&tenant.owner_id), "2026-12-01T01:00:00Z", "2026-12-01T02:00:00Z");
    let others = text(&api.post("/api/v1/visits", others).await.expect(201), "/id");
    let hers = tenant.api_of(&tess).await;
    let seen = hers.get("/api/v1/visits").await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    assert_eq!(seen["items"][0]["id"], own);
    hers.get(&format!("/api/v1/visits?technician_id={}", tenant.owner_id)).await.refused(403, "forbidden");
    hers.get(&format!("/api/v1/visits/{others}")).await.refused(404, "not_found");
    let done = json!({"status": "done", "note": "Spliced"});
    hers.post(&format!("/api/v1/visits/{others}/status"), done.clone()).await.refused(404, "not_found");
    hers.patch(&format!("/api/v1/visits/{own}"), json!({"kind": "other"})).await.refused(403, "forbidden");
    let settled = hers.post(&format!("/api/v1/visits/{own}/status"), done).await.expect(200);
    assert_eq!((&settled["status"], &settled["note"]), (&json!("done"), &json!("Spliced")));
    let again = json!({"status": "missed"});
    hers.post(&format!("/api/v1/visits/{own}/status"), again).await.refused(409, "transition_refused");
    api.patch(&format!("/api/v1/visits/{own}"), json!({"kind": "other"})).await.refused(409, "settled");
    let mut browser = tenant.browser_as(&tess.email, PASSWORD).await;
    let week = browser.get("/schedule?week=2026-12-01").await;
    week.expect_status(200);
    assert!(week.text().contains(&own) && !week.text().contains(&others));
    browser.get(&format!("/visits/{others}")).await.expect_status(404);
    browser.get(&format!("/visits/{own}")).await.expect_status(200);
    browser.get("/visits/new").await.expect_status(403);
}

#[tokio::test]
async fn the_week_is_the_tenants_own_also_when_the_clocks_change() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    api.patch("/api/v1/company", json!({"time_zone": "Europe/Berlin"})).await.expect(200);
    let ana = customer(&api, "Ana", "Cruz").await;
    let mut browser = tenant.browser().await;
    browser.get("/visits/new").await.expect_status(200);
    let plan = |day: &'static str, time: &'static str, minutes: &'static str| {
        [
            ("customer_id", ana.clone()),
            ("kind", "repair".into()),
            ("day", day.into()),
            ("time", time.into()),
            ("minutes", minutes.into()),
        ]
    };
    let mut hrefs = Vec::new();
    // Sunday 25 October 2026 has 25 hours; Monday begins at 23:00 in Greenwich.
    for (day, time) in [("2026-10-25", "23:30"), ("2026-10-26", "00:15"), ("2026-10-25", "01:30")] {
        let fields = plan(day, time, "60");
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = browser.post("/visits", &fields).await;
        answer.expect_status(303);
        hrefs.push(answer.header("location").to_owned());
    }
    let shown = api.get(&format!("/api/v1{}", hrefs[0])).await.expect(200);
    assert_eq!(shown["starts_at"], "2026-10-25T22:30:00Z");
    let shown = api.get(&format!("/api/v1{}", hrefs[1])).await.expect(200);
    assert_eq!(shown["starts_at"], "2026-10-25T23:15:00Z");
    let shown = api.get(&format!("/api/v1{}", hrefs[2])).await.expect(200);
    assert_eq!(shown["starts_at"], "2026-10-24T23:30:00Z");
    let (before, after) = (
        browser.get("/schedule?week=2026-10-25").await.text(),
        browser.get("/schedule?week=2026-10-26").await.text(),
    );
    for (at, href) in hrefs.iter().enumerate() {
        assert_eq!((before.contains(href), after.contains(href)), (at != 1, at == 1), "{href}");
    }
    assert!(before.contains("23:30–00:30") && after.contains("00:15–01:15"));
    let fields = plan("2027-03-28", "02:30", "60");
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let skipped = browser.post("/visits", &fields).await;
    skipped.expect_status(422);
    assert!(skipped.text().contains("The clocks are put forward over this time."));
    let list = browser.get("/schedule?week=2026-10-25&view=list").await;
    list.expect_status(200);
    assert!(list.text().contains("Nobody yet") && !list.text().contains("Sat 24 Oct"));
}

#[tokio::test]
async fn the_portal_asks_before_two_visits_at_once() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let ana = customer(&api, "Ana", "Cruz").await;
    let mut browser = tenant.browser().await;
    browser.get(&format!("/visits/new?customer={ana}")).await.expect_status(200);
    let mut fields = vec![
        ("customer_id", ana.as_str()),
        ("kind", "survey"),
        ("technician_id", &tenant.owner_id),
        ("day", "2026-12-01"),
        ("time", "09:00"),
        ("minutes", "60"),
        ("note", "Bring a ladder"),
    ];
    browser.post("/visits", &fields).await.expect_status(303);
    let asked = browser.post("/visits", &fields).await;
    asked.expect_status(422);
    assert!(asked.text().contains("Plan it anyway") && asked.text().contains("Bring a ladder"));
    fields.push(("allow_overlap", "true"));
    let planned = browser.post("/visits", &fields).await;
    planned.expect_status(303);
    let href = planned.header("location").to_owned();
    browser.get(&format!("{href}/edit")).await.expect_status(200);
    browser
        .post(&format!("{href}/status"), &[("status", "missed"), ("note", "Nobody there")])
        .await
        .expect_status(303);
    assert!(browser.get(&href).await.text().contains("Missed"));
    // Moved to another time, it is planned again.
    let moved = [("kind", "survey"), ("day", "2026-12-02"), ("time", "09:00"), ("minutes", "45")];
    browser.post(&href, &moved).await.expect_status(303);
    assert_eq!(api.get(&format!("/api/v1{href}")).await.expect(200)["status"], "planned");
}

#[tokio::test]
async fn the_bell_tells_those_who_may_and_counts_what_is_unread() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let ana = customer(&api, "Ana", "Cruz").await;
    let planner = tenant.person(&["visits.plan", "visits.view"]).await;
    let cashier = tenant.person(&["customers.view"]).await;
    for n in 1..=2 {
        let body = visit(&ana, None, &format!("2026-12-0{n}T01:00:00Z"), &format!("2026-12-0{n}T02:00:00Z"));
        let id = text(&api.post("/api/v1/visits", body).await.expect(201), "/id");
        api.post(&format!("/api/v1/visits/{id}/status"), json!({"status": "missed"})).await.expect(200);
    }
    let theirs = tenant.api_of(&planner).await;
    let told = theirs.get("/api/v1/notices?limit=1").await.expect(200);
    assert_eq!((&told["unread"], &told["items"][0]["is_read"]), (&json!(2), &json!(false)));
    assert_eq!(told["items"][0]["text"], "Repair at Ana Cruz was missed: plan it again.");
    let cursor = told["next_cursor"].as_str().unwrap();
    let second = theirs.get(&format!("/api/v1/notices?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!(second["next_cursor"], json!(null));
    let nothing = tenant.api_of(&cashier).await.get("/api/v1/notices").await.expect(200);
    assert_eq!((&nothing["unread"], &nothing["items"]), (&json!(0), &json!([])));
    let mut browser = tenant.browser_as(&planner.email, PASSWORD).await;
    assert_eq!(browser.get("/notices/unread").await.text(), "2");
    let page = browser.get("/notices").await;
    let newest = text(&told["items"][0], "/id");
    assert!(page.text().contains("Mark all as read") && page.text().contains(&newest));
    browser.post("/notices/read", &[("newest", &newest)]).await.expect_status(303);
    assert_eq!(browser.get("/notices/unread").await.text(), "");
    assert!(!browser.get("/notices").await.text().contains("Mark all as read"));
    // The owner's own bell is another one.
    assert_eq!(api.get("/api/v1/notices").await.expect(200)["unread"], 2);
    let unknown = json!({"newest": uuid::Uuid::now_v7()});
    assert_eq!(api.post("/api/v1/notices/read", unknown).await.wrong_fields(), ["newest"]);
    api.post("/api/v1/notices/read", json!({"newest": newest})).await.expect(204);
    assert_eq!(api.get("/api/v1/notices").await.expect(200)["unread"], 0);
}
