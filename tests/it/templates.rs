//! Templates over the API and in the portal.

use serde_json::{Value, json};

use crate::harness::{Api, Tenant, between, tenant, text};

const PATH: &str = "/api/v1/templates";

fn sms(words: &str) -> Value {
    json!({"sms": {"en": {"text": words}}})
}

async fn written(api: &Api, name: &str, contents: Value) -> String {
    let body = json!({"name": name, "contents": contents});
    text(&api.post(PATH, body).await.expect(201), "/id")
}

async fn approve(api: &Api, id: &str) -> i64 {
    let pending = api.post(&format!("{PATH}/{id}/submit"), json!({})).await.expect(200);
    let version = pending["latest_version"].as_i64().unwrap();
    api.post(&format!("{PATH}/{id}/approve"), json!({"version": version})).await.expect(200);
    version
}

async fn preview(api: &Api, contents: Value, channel: &str, context: Value) -> Value {
    let body = json!({"contents": contents, "channel": channel, "context": context});
    api.post("/api/v1/templates/preview", body).await.expect(200)
}

#[tokio::test]
async fn a_template_is_written_approved_and_written_on() {
    let api = tenant().await.api().await;
    let id = written(&api, "Due", sms("Hi {{ first_name }}, {{ amount }} is due.")).await;
    let path = format!("{PATH}/{id}");
    let unknown = api.post(&format!("{path}/submit"), json!({})).await;
    assert_eq!(unknown.wrong_fields(), ["variables"]);
    assert!(unknown.text().contains("amount"));
    let variables = json!([{"name": "amount", "is_required": true}]);
    api.patch(&path, json!({ "variables": variables })).await.expect(200);
    assert_eq!(api.get(&path).await.expect(200)["latest_version"], 1, "a draft changes in place");
    api.post(&format!("{path}/approve"), json!({"version": 1})).await.refused(409, "not_pending");
    api.post(&format!("{path}/submit"), json!({})).await.expect(200);
    api.patch(&path, json!({"contents": sms("Other")})).await.refused(409, "template_pending");
    api.post(&format!("{path}/approve"), json!({"version": 2})).await.refused(409, "not_pending");
    api.post(&format!("{path}/withdraw"), json!({})).await.expect(200);
    assert_eq!(approve(&api, &id).await, 1);
    // What was approved stays as it was.
    let changed =
        api.patch(&path, json!({"contents": sms("Hello {{ name }}: {{ amount }}")})).await.expect(200);
    assert_eq!(
        (&changed["latest_version"], &changed["approved_version"], &changed["state"]),
        (&json!(2), &json!(1), &json!("draft"))
    );
    let first = api.get(&format!("{path}/versions/1")).await.expect(200);
    assert_eq!(first["contents"]["sms"]["en"]["text"], "Hi {{ first_name }}, {{ amount }} is due.");
    api.post(&format!("{path}/submit"), json!({})).await.expect(200);
    let rejected = json!({"version": 2, "note": "Too short"});
    let rejected = api.post(&format!("{path}/reject"), rejected).await.expect(200);
    assert_eq!((&rejected["state"], &rejected["approved_version"]), (&json!("rejected"), &json!(1)));
    let restored = api.post(&format!("{path}/restore"), json!({"version": 1})).await.expect(200);
    assert_eq!((&restored["latest_version"], &restored["state"]), (&json!(3), &json!("draft")));
    let page = api.get(&format!("{path}/versions?limit=2")).await.expect(200);
    let cursor = text(&page, "/next_cursor");
    let rest = api.get(&format!("{path}/versions?limit=2&cursor={cursor}")).await.expect(200);
    let numbers = |page: &Value| -> Vec<i64> {
        page["items"].as_array().unwrap().iter().map(|one| one["version"].as_i64().unwrap()).collect()
    };
    assert_eq!((numbers(&page), numbers(&rest)), (vec![3, 2], vec![1]));
    assert_eq!(page["items"][1]["decision_note"], "Too short");
    let trail = api.get("/api/v1/audit-events?limit=200").await.expect(200);
    let actions: Vec<&str> =
        trail["items"].as_array().unwrap().iter().filter_map(|one| one["action"].as_str()).collect();
    for action in ["created", "updated", "submitted", "withdrawn", "approved", "rejected"] {
        assert!(actions.contains(&format!("template.{action}").as_str()), "{action}: {actions:?}");
    }
}

#[tokio::test]
async fn html_that_acts_is_refused_by_its_name_and_never_sent() {
    let api = tenant().await.api().await;
    let letter = |html: &str| json!({"email": {"en": {"subject": "Bill", "text": "Pay", "html": html}}});
    let acting = r#"<p onclick="x()">Hi</p>{% if name %}<script>x()</script>{% endif %}<a href="javascript:x()">Pay</a>"#;
    let refused = api.post(PATH, json!({"name": "Acts", "contents": letter(acting)})).await;
    refused.expect_status(422);
    assert_eq!(refused.wrong_fields(), ["contents.email.en.html"]);
    for named in ["<script>", "onclick", "href=\\\"javascript:x()\\\""] {
        assert!(refused.text().contains(named), "{named}: {}", refused.text());
    }
    // What only shows when it is filled in is left out then.
    let good = letter(
        r#"<table><tr><td {% if name %}class="a"{% endif %}><a href="{{ link }}">Pay</a></td></tr></table>"#,
    );
    for (link, html) in [
        ("https://pay.example", r#"<a href="https:&#x2f;&#x2f;pay.example">Pay</a>"#),
        ("javascript:x()", "<a>Pay</a>"),
    ] {
        let shown = preview(&api, good.clone(), "email", json!({"name": "Ana", "link": link})).await;
        assert_eq!(shown["html"], format!(r#"<table><tr><td class="a">{html}</td></tr></table>"#));
    }
}

#[tokio::test]
async fn names_defaults_and_archives() {
    let api = tenant().await.api().await;
    let id = written(&api, "Welcome", sms("Welcome {{ name }}")).await;
    api.post(PATH, json!({"name": "WELCOME", "contents": sms("x")})).await.refused(409, "name_taken");
    let default = json!({ "template_id": id });
    let unapproved =
        api.json(poem::http::Method::PUT, "/api/v1/template-defaults/sms", default.clone()).await;
    unapproved.refused(409, "template_not_approved");
    approve(&api, &id).await;
    let put = async |channel: &str, body: Value| {
        api.json(poem::http::Method::PUT, &format!("/api/v1/template-defaults/{channel}"), body).await
    };
    assert_eq!(put("email", default.clone()).await.wrong_fields(), ["template_id"]);
    put("fax", default.clone()).await.refused(404, "not_found");
    assert_eq!(put("sms", default).await.expect(200)["items"][0]["name"], "Welcome");
    api.post(&format!("{PATH}/{id}/archive"), json!({})).await.expect(200);
    assert_eq!(api.get("/api/v1/template-defaults").await.expect(200)["items"], json!([]));
    assert_eq!(api.get(PATH).await.expect(200)["items"], json!([]));
    assert_eq!(api.get(&format!("{PATH}?archived=true")).await.expect(200)["items"][0]["id"], json!(id));
    // The name is free while it is put away.
    let other = written(&api, "Welcome", sms("Hello")).await;
    api.post(&format!("{PATH}/{id}/unarchive"), json!({})).await.refused(409, "name_taken");
    assert_eq!(
        api.get(&format!("{PATH}?q=welc&channel=sms&state=draft")).await.expect(200)["items"][0]["id"],
        json!(other)
    );
}

#[tokio::test]
async fn what_a_template_may_not_do_is_said() {
    let api = tenant().await.api().await;
    let wrong = api.post(PATH, json!({"name": "", "contents": {"sms": {"en": {"text": "{{ a"}}}})).await;
    assert_eq!(wrong.wrong_fields(), ["name"]);
    for (words, code) in [
        ("{{ a.__class__ }}", "template_not_allowed"),
        ("{% set a = 1 %}", "template_not_allowed"),
        ("{{ a.upper() }}", "template_not_allowed"),
        ("{{ 'x' * 1000000000 }}", "template_not_allowed"),
        ("{{ a|nothing }}", "template_not_allowed"),
        ("{% if %}", "template_syntax"),
    ] {
        let refused = api.post(PATH, json!({"name": "Odd", "contents": sms(words)})).await.expect(422);
        assert_eq!(refused["errors"][0]["code"], code, "{words}");
        assert_eq!(refused["errors"][0]["field"], "contents.sms.en.text", "{words}");
    }
    let endless = "{% for i in range(10**9) %}x{% endfor %}";
    let body = json!({"contents": sms(endless), "channel": "sms"});
    let ended = api.post("/api/v1/templates/preview", body).await.expect(422);
    assert_eq!(ended["errors"][0]["code"], "template_too_busy");
    assert!(text(&ended, "/errors/0/detail").contains("a loop in it is too long"));
    for odd in
        [json!([]), json!("text"), json!({"fax": {}}), json!({"sms": {"en": {"colour": "red"}}}), json!(null)]
    {
        let refused = api.post(PATH, json!({"name": "Odd", "contents": odd})).await;
        assert_eq!(refused.wrong_fields(), ["contents"]);
    }
    let long = json!({"name": "Long", "contents": sms(&"x".repeat(900_000))});
    assert_eq!(api.post(PATH, long).await.wrong_fields(), ["contents.sms.en.text"]);
    let huge = json!({"name": "Huge", "contents": sms(&"x".repeat(1_100_000))});
    api.post(PATH, huge).await.expect_status(413);
}

#[tokio::test]
async fn values_come_out_right_on_each_channel() {
    let api = tenant().await.api().await;
    let contents = json!({
        "sms": {"en": {"text": "Dear {{ name }}"}},
        "email": {"en": {"subject": "For {{ name }}", "text": "Dear {{ name }}", "html": "<p>Dear {{ name }}</p>"}},
    });
    for (name, html) in
        [("<b>Ada</b>", "<p>Dear &lt;b&gt;Ada&lt;&#x2f;b&gt;</p>"), ("O'Brien", "<p>Dear O&#x27;Brien</p>")]
    {
        let short = preview(&api, contents.clone(), "sms", json!({ "name": name })).await;
        assert_eq!(short["text"], format!("Dear {name}"));
        let letter = preview(&api, contents.clone(), "email", json!({ "name": name })).await;
        assert_eq!(letter["subject"], format!("For {name}"));
        assert_eq!((&letter["text"], &letter["html"]), (&json!(format!("Dear {name}")), &json!(html)));
    }
    let sampled = preview(&api, sms("{{ name }}: {{ plan.price }}"), "sms", json!({})).await;
    assert_eq!(
        (&sampled["text"], &sampled["missing"]),
        (&json!("Ana Cruz: [plan.price]"), &json!(["plan.price"]))
    );
    let customer = json!({"first_name": "Berta", "last_name": "O'Neil"});
    let id = text(&api.post("/api/v1/customers", customer).await.expect(201), "/id");
    let body = json!({"contents": sms("Hi {{ name }}"), "channel": "sms", "customer_id": id});
    assert_eq!(api.post("/api/v1/templates/preview", body).await.expect(200)["text"], "Hi Berta O'Neil");
    let other = tenant().await.api().await;
    let body = json!({"contents": sms("Hi {{ name }}"), "channel": "sms", "customer_id": id});
    assert_eq!(other.post("/api/v1/templates/preview", body).await.wrong_fields(), ["customer_id"]);
}

#[tokio::test]
async fn text_messages_are_counted_as_networks_do() {
    let api = tenant().await.api().await;
    for (words, encoding, units, segments) in [
        ("a".repeat(160), "gsm7", 160, 1),
        ("a".repeat(161), "gsm7", 161, 2),
        ("€".repeat(80), "gsm7", 160, 1),
        ("€".repeat(81), "gsm7", 162, 2),
        (format!("{}[]", "a".repeat(157)), "gsm7", 161, 2),
        ("ñ".repeat(160), "gsm7", 160, 1),
        ("ж".repeat(70), "ucs2", 70, 1),
        ("ж".repeat(71), "ucs2", 71, 2),
        ("😀".repeat(35), "ucs2", 70, 1),
        ("“".to_owned() + &"a".repeat(70), "ucs2", 71, 2),
    ] {
        let counted = preview(&api, sms(&words), "sms", json!({})).await["sms"].clone();
        let expected = (json!(encoding), json!(units), json!(segments));
        let got = (counted["encoding"].clone(), counted["units"].clone(), counted["segments"].clone());
        assert_eq!(got, expected, "{words}");
    }
}

#[tokio::test]
async fn only_who_may_approves() {
    let tenant = tenant().await;
    let owner = tenant.api().await;
    let id = written(&owner, "Mine", sms("Hi")).await;
    let writer = tenant.person(&["templates.view", "templates.edit"]).await;
    let writer = tenant.api_of(&writer).await;
    let reader = tenant.person(&["templates.view"]).await;
    let reader = tenant.api_of(&reader).await;
    reader.get(&format!("{PATH}/{id}")).await.expect(200);
    reader.patch(&format!("{PATH}/{id}"), json!({"name": "Theirs"})).await.expect_status(403);
    reader.post(&format!("{PATH}/{id}/submit"), json!({})).await.expect_status(403);
    writer.post(&format!("{PATH}/{id}/submit"), json!({})).await.expect(200);
    writer.post(&format!("{PATH}/{id}/approve"), json!({"version": 1})).await.expect_status(403);
    writer.post(&format!("{PATH}/{id}/reject"), json!({"version": 1})).await.expect_status(403);
    owner.post(&format!("{PATH}/{id}/approve"), json!({"version": 1})).await.expect(200);
}

#[tokio::test]
async fn another_tenants_template_is_not_there() {
    let (ours, theirs) = (tenant().await.api().await, tenant().await.api().await);
    let id = written(&theirs, "Theirs", sms("Hi")).await;
    for path in [format!("{PATH}/{id}"), format!("{PATH}/{id}/versions"), format!("{PATH}/{id}/versions/1")] {
        ours.get(&path).await.refused(404, "not_found");
    }
    for action in ["submit", "withdraw", "archive"] {
        ours.post(&format!("{PATH}/{id}/{action}"), json!({})).await.refused(404, "not_found");
    }
    let body = json!({"template_id": id, "channel": "sms"});
    assert_eq!(ours.post("/api/v1/templates/preview", body).await.wrong_fields(), ["template_id"]);
    let put = json!({ "template_id": id });
    let put = ours.json(poem::http::Method::PUT, "/api/v1/template-defaults/sms", put).await;
    assert_eq!(put.wrong_fields(), ["template_id"]);
}

async fn page_of(tenant: &Tenant) -> (crate::harness::Browser, String) {
    let mut browser = tenant.browser().await;
    browser.get("/templates/new").await.expect_status(200);
    let fields = [("name", "Due"), ("channel", "sms"), ("language", "en"), ("text", "Hi {{ first_name }}")];
    let answer = browser.post("/templates", &fields).await;
    answer.expect_status(303);
    let href = answer.header("location").to_owned();
    (browser, href)
}

#[tokio::test]
async fn the_portal_writes_previews_and_approves() {
    let tenant = tenant().await;
    let (mut browser, href) = page_of(&tenant).await;
    let page = browser.get(&href).await;
    page.expect_status(200);
    assert!(page.text().contains("Hi Ana"), "{}", page.text());
    let fields = [("channel", "sms"), ("language", "en"), ("text", "Hi {{ first_name }} “now”"), ("who", "")];
    let fragment = browser.post("/templates/preview", &fields).await;
    fragment.expect_status(200);
    assert!(
        fragment.text().contains("Unicode") && fragment.text().contains("1 message"),
        "{}",
        fragment.text()
    );
    let broken = [("channel", "sms"), ("language", "en"), ("text", "Hi {{ first_name")];
    assert!(browser.post("/templates/preview", &broken).await.text().contains("Line 1"));
    let words = format!("{href}/words");
    browser.get(&format!("{words}?channel=email&language=en")).await.expect_status(200);
    let letter = [("channel", "email"), ("language", "en"), ("text", "Hi {{ name }}")];
    let refused = browser.post(&words, &letter).await;
    refused.expect_status(422);
    assert!(refused.text().contains("A letter needs a subject."));
    let letter = [letter[0], letter[1], letter[2], ("subject", "Hello"), ("html", "<b>{{ name }}</b>")];
    browser.post(&words, &letter).await.expect_status(303);
    let head = [
        ("name", "Due"),
        ("description", "Before the day"),
        ("footer", "Acme"),
        ("var_name", "amount"),
        ("var_fallback", "what is due"),
        ("var_kind", "optional"),
    ];
    browser.get(&format!("{href}/edit")).await.expect_status(200);
    browser.post(&href, &head).await.expect_status(303);
    let page = browser.get(&href).await.text();
    assert!(page.contains("what is due") && page.contains("Ana Cruz") && page.contains("Before the day"));
    browser.post(&format!("{href}/submit"), &[]).await.expect_status(303);
    let waiting = browser.get("/templates?state=pending").await.text();
    assert_eq!(between(&waiting, "class=\"row-link\" href=\"", "\"").unwrap(), href);
    let decision = [("version", "1"), ("decision", "approve"), ("note", "Good")];
    browser.post(&format!("{href}/decision"), &decision).await.expect_status(303);
    browser
        .post(&format!("{href}/default"), &[("channel", "sms"), ("is_default", "true")])
        .await
        .expect_status(303);
    let defaults = tenant.api().await.get("/api/v1/template-defaults").await.expect(200);
    assert_eq!(defaults["items"][0]["channel"], "sms");
    browser.get(&format!("{href}/versions/1")).await.expect_status(200);
    browser.get(&format!("{href}/versions/9")).await.expect_status(404);
    let gone = [("channel", "email"), ("language", "en")];
    browser.post(&format!("{words}/delete"), &gone).await.expect_status(303);
    browser.post(&format!("{href}/archive"), &[("archived", "true")]).await.expect_status(303);
    assert!(browser.get("/templates?state=archived").await.text().contains(&href));
}
