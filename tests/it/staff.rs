//! Staff: added, changed, switched off; and what those with few rights cannot do with them.

use serde_json::{Value, json};

use crate::harness::{Api, PASSWORD, Tenant, between, mailbox::letter_to, sql, tenant, text};

async fn add(api: &Api, email: &str, role_ids: &[&str]) -> Value {
    let new = json!({"name": "Nina New", "email": email, "role_ids": role_ids, "send_mail": false});
    api.post("/api/v1/staff", new).await.expect(201)
}

fn role_names(staff: &Value) -> Vec<&str> {
    staff["roles"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect()
}

/// The last event of this action: (actor, before, after).
async fn last_event(tenant: &Tenant, action: &str) -> (String, Value, Value) {
    let sql = sql(&tenant.server.database).await;
    let query = format!(
        "SELECT actor_label, before, after FROM {}.audit_event WHERE action = $1 ORDER BY id DESC LIMIT 1",
        tenant.schema().await
    );
    let row = sql.query_one(&query, &[&action]).await.unwrap();
    let json = |column| row.get::<_, Option<Value>>(column).unwrap_or(Value::Null);
    (row.get("actor_label"), json("before"), json("after"))
}

#[tokio::test]
async fn an_invited_person_chooses_a_password_and_signs_in() {
    let acme = tenant().await;
    let api = acme.api().await;
    let viewer = acme.role("Viewer").await;
    let email = format!("Nina@{}.example", acme.slug);
    let answer =
        api.post("/api/v1/staff", json!({"name": "  Nina New ", "email": email, "role_ids": [viewer]})).await;
    let made = answer.expect(201);
    let email = email.to_lowercase();
    assert_eq!((&made["name"], &made["email"]), (&json!("Nina New"), &json!(email)));
    assert_eq!((&made["has_password"], &made["is_active"]), (&json!(false), &json!(true)));
    assert!(!answer.text().contains("reset"), "no link in {}", answer.text());

    let letter = letter_to(acme.server, &email, 1).await;
    assert_eq!(letter.header("Subject"), format!("Welcome to Company {}", acme.slug));
    assert!(letter.link().starts_with(&format!("https://{}/reset?code=", acme.host)), "{}", letter.link());
    assert!(letter.html.contains(&letter.link()) && letter.text.contains("Olive Owner"), "{letter:?}");
    acme.choose_password(&letter.code(), PASSWORD).await;

    let nina = acme.api_as(&email, PASSWORD).await;
    nina.get("/api/v1/staff").await.refused(403, "forbidden");
    let read = api.get(&format!("/api/v1/staff/{}", text(&made, "/id"))).await.expect(200);
    assert_eq!(read["has_password"], json!(true));
    assert!(read["last_signed_in_at"].is_string(), "{read}");
    let (actor, before, after) = last_event(&acme, "staff.created").await;
    assert_eq!((actor.as_str(), before), ("Olive Owner", Value::Null));
    assert_eq!(after, json!({"name": "Nina New", "email": email, "is_active": true, "roles": ["Viewer"]}));
}

#[tokio::test]
async fn a_list_is_searched_filtered_counted_and_paged() {
    let acme = tenant().await;
    let (api, viewer) = (acme.api().await, acme.role("Viewer").await);
    for (name, email) in
        [("Ana 100%", "ana@a.example"), ("Ben", "ben_b@a.example"), ("ana two", "x@a.example")]
    {
        let new = json!({"name": name, "email": email, "role_ids": [viewer], "send_mail": false});
        api.post("/api/v1/staff", new).await.expect(201);
    }
    let names = |list: &Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|staff| text(staff, "/name")).collect()
    };
    let mut found = Vec::new();
    let mut path = "/api/v1/staff?limit=3&total=true".to_owned();
    loop {
        let list = api.get(&path).await.expect(200);
        assert_eq!(list["total"], json!(4));
        found.extend(names(&list));
        let Some(cursor) = list["next_cursor"].as_str() else { break };
        path = format!("/api/v1/staff?limit=3&total=true&cursor={cursor}");
    }
    assert_eq!(found, ["Ana 100%", "ana two", "Ben", "Olive Owner"]);
    let searched = async |query: &str| names(&api.get(&format!("/api/v1/staff?{query}")).await.expect(200));
    assert_eq!(searched("search=ANA").await, ["Ana 100%", "ana two"]);
    assert_eq!(searched("search=100%25").await, ["Ana 100%"]);
    assert_eq!(searched("search=ben_b").await, ["Ben"]);
    assert_eq!(searched("search=n_b").await, ["Ben"]);
    assert_eq!(searched("search=e_b").await, [] as [&str; 0]);
    assert_eq!(searched("is_active=false").await, [] as [&str; 0]);
    api.get("/api/v1/staff?cursor=made-up").await.refused(400, "bad_cursor");
    for wrong in ["limit=0", "limit=201", "limit=x", "is_active=maybe"] {
        assert_eq!(api.get(&format!("/api/v1/staff?{wrong}")).await.wrong_fields().len(), 1, "{wrong}");
    }
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let acme = tenant().await;
    let api = acme.api().await;
    let answer =
        api.post("/api/v1/staff", json!({"name": "", "email": "nobody", "role_ids": [], "colour": 1})).await;
    assert_eq!(answer.wrong_fields(), ["colour", "name", "role_ids"]);
    let viewer = acme.role("Viewer").await;
    let answer = api
        .post(
            "/api/v1/staff",
            json!({"name": "A\r\nBcc: b@b.example", "email": "a@b.example\r\nX: y", "role_ids": [viewer]}),
        )
        .await;
    assert_eq!(answer.wrong_fields(), ["email", "name"]);
}

#[tokio::test]
async fn an_address_is_one_persons_here_and_may_be_anothers_elsewhere() {
    let (acme, globex) = (tenant().await, tenant().await);
    let (api, viewer) = (acme.api().await, acme.role("Viewer").await);
    let made = add(&api, "twin@twins.example", &[&viewer]).await;
    let again = json!({"name": "Other", "email": "TWIN@twins.example", "role_ids": [viewer]});
    api.post("/api/v1/staff", again).await.refused(409, "email_taken");
    let owner = format!("/api/v1/staff/{}", acme.owner_id);
    api.patch(&owner, json!({"email": "twin@twins.example"})).await.refused(409, "email_taken");
    let elsewhere = globex.api().await;
    add(&elsewhere, "twin@twins.example", &[&globex.role("Viewer").await]).await;
    // The other tenant's ids are nobody's here.
    let foreign = format!("/api/v1/staff/{}", text(&made, "/id"));
    elsewhere.get(&foreign).await.refused(404, "not_found");
    elsewhere.patch(&foreign, json!({"name": "Mine"})).await.refused(404, "not_found");
    elsewhere.post(&format!("{foreign}/reset-link"), json!({})).await.refused(404, "not_found");
    let with_foreign_role = json!({"name": "N", "email": "n@n.example", "role_ids": [viewer]});
    assert_eq!(elsewhere.post("/api/v1/staff", with_foreign_role).await.wrong_fields(), ["role_ids"]);
    elsewhere.get("/api/v1/staff/not-an-id").await.refused(404, "not_found");
}

#[tokio::test]
async fn there_is_always_an_active_owner() {
    let acme = tenant().await;
    let api = acme.api().await;
    let (owner_role, viewer) = (acme.role("Owner").await, acme.role("Viewer").await);
    let olive = format!("/api/v1/staff/{}", acme.owner_id);
    api.patch(&olive, json!({"is_active": false})).await.refused(409, "own_account");
    api.patch(&olive, json!({"role_ids": [viewer]})).await.refused(409, "last_owner");
    assert_eq!(api.patch(&olive, json!({"role_ids": []})).await.wrong_fields(), ["role_ids"]);
    let second = add(&api, "second@a.example", &[&owner_role]).await;
    assert_eq!(second["is_owner"], json!(true));
    // A second owner who is switched off is none.
    let second = format!("/api/v1/staff/{}", text(&second, "/id"));
    api.patch(&second, json!({"is_active": false})).await.expect(200);
    api.patch(&olive, json!({"role_ids": [viewer]})).await.refused(409, "last_owner");
    api.patch(&second, json!({"is_active": true})).await.expect(200);
    let olive_now = api.patch(&olive, json!({"role_ids": [viewer]})).await.expect(200);
    assert_eq!(olive_now["is_owner"], json!(false));
    api.get("/api/v1/staff").await.refused(403, "forbidden");
}

#[tokio::test]
async fn two_owners_cannot_switch_each_other_off_at_once() {
    let acme = tenant().await;
    let owner_role = acme.role("Owner").await;
    for _ in 0..5 {
        let other = acme.person_with(&owner_role).await;
        let (one, two) = (acme.api().await, acme.api_of(&other).await);
        let (a, b) = (format!("/api/v1/staff/{}", other.id), format!("/api/v1/staff/{}", acme.owner_id));
        let (first, second) = tokio::join!(
            one.patch(&a, json!({"is_active": false})),
            two.patch(&b, json!({"is_active": false}))
        );
        let sql = sql(&acme.server.database).await;
        let schema = acme.schema().await;
        let query = format!(
            "SELECT count(*) FROM {schema}.staff s JOIN {schema}.staff_role sr ON sr.staff_id = s.id
             JOIN {schema}.role r ON r.id = sr.role_id WHERE r.is_owner AND s.is_active"
        );
        let left: i64 = sql.query_one(&query, &[]).await.unwrap().get(0);
        assert_eq!(left, 1, "{} {}", first.text(), second.text());
        sql.execute(
            &format!("UPDATE {schema}.staff SET is_active = (id = $1)"),
            &[&acme.owner_id.parse::<uuid::Uuid>().unwrap()],
        )
        .await
        .unwrap();
        sql.batch_execute("SELECT pg_notify('lastmile_news', 'tenant:all')").await.unwrap();
    }
}

#[tokio::test]
async fn nobody_gives_a_role_beyond_their_own_rights() {
    let acme = tenant().await;
    let clerk = acme.person(&["staff.view", "staff.manage"]).await;
    let api = acme.api_of(&clerk).await;
    let (owner_role, admin) = (acme.role("Owner").await, acme.role("Admin").await);
    let new = |role: &str| json!({"name": "N", "email": "n@n.example", "role_ids": [role]});
    api.post("/api/v1/staff", new(&owner_role)).await.refused(403, "owner_only");
    api.post("/api/v1/staff", new(&admin)).await.refused(403, "beyond_own_rights");
    let me = format!("/api/v1/staff/{}", clerk.id);
    for role in [&owner_role, &admin] {
        assert_eq!(api.patch(&me, json!({"role_ids": [clerk.role_id, role]})).await.status, 403);
    }
    let mine = api.get(&me).await.expect(200);
    assert_eq!((mine["roles"].as_array().unwrap().len(), &mine["is_owner"]), (1, &json!(false)));
    // What one has, one may give.
    let peer = api.post("/api/v1/staff", new(&clerk.role_id)).await.expect(201);
    assert_eq!(text(&peer, "/roles/0/id"), clerk.role_id);
}

#[tokio::test]
async fn nobody_takes_over_a_person_with_more_rights() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let clerk = acme.person(&["staff.view", "staff.manage"]).await;
    let (admin, viewer) = (acme.role("Admin").await, acme.role("Viewer").await);
    let boss = add(&owner, "boss@a.example", &[&admin]).await;
    let boss = format!("/api/v1/staff/{}", text(&boss, "/id"));
    let olive = format!("/api/v1/staff/{}", acme.owner_id);
    let api = acme.api_of(&clerk).await;
    for change in [json!({"email": "mine@evil.example"}), json!({"is_active": false})] {
        api.patch(&olive, change.clone()).await.refused(403, "owner_only");
        api.patch(&boss, change).await.refused(403, "beyond_own_rights");
    }
    for who in [&olive, &boss] {
        let link = api.post(&format!("{who}/reset-link"), json!({"send_mail": false})).await;
        link.refused(403, "beyond_own_rights");
    }
    // A role that is switched off can be switched on again: it still counts.
    owner.patch(&format!("/api/v1/roles/{admin}"), json!({"is_active": false})).await.expect(200);
    api.post(&format!("{boss}/reset-link"), json!({"send_mail": false}))
        .await
        .refused(403, "beyond_own_rights");
    // The name may be mended, and roles that the clerk cannot give or take stay whatever list is sent.
    let _ = viewer;
    let named = api.patch(&boss, json!({"name": "The Boss", "role_ids": [clerk.role_id]})).await.expect(200);
    let mut roles = role_names(&named);
    roles.sort_unstable();
    assert_eq!(roles.len(), 2, "{named}");
    assert!(roles.contains(&"Admin"), "{named}");
    let fewer = api.patch(&boss, json!({"role_ids": []})).await.expect(200);
    assert_eq!(role_names(&fewer), ["Admin"]);
}

#[tokio::test]
async fn a_person_who_is_switched_off_is_out_at_once_and_for_good() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let pat = acme.person(&["staff.view"]).await;
    let api = acme.api_of(&pat).await;
    api.get("/api/v1/staff").await.expect(200);
    let path = format!("/api/v1/staff/{}", pat.id);
    owner.patch(&path, json!({"is_active": false})).await.expect(200);
    assert_eq!(api.get("/api/v1/staff").await.status, 401);
    let signed_in =
        acme.anonymous().post("/api/v1/auth/token", json!({"email": pat.email, "password": PASSWORD})).await;
    assert_eq!(signed_in.status, 401);
    owner.post(&format!("{path}/reset-link"), json!({})).await.refused(409, "staff_disabled");
    let (actor, before, after) = last_event(&acme, "staff.disabled").await;
    assert_eq!(actor, "Olive Owner");
    assert_eq!((before, after), (json!({"is_active": true}), json!({"is_active": false})));
    owner.patch(&path, json!({"is_active": true})).await.expect(200);
    assert_eq!(api.get("/api/v1/staff").await.status, 401, "what ended stays ended");
    acme.api_of(&pat).await.get("/api/v1/staff").await.expect(200);
}

#[tokio::test]
async fn a_link_is_made_by_hand_or_mailed_and_never_both() {
    let acme = tenant().await;
    let api = acme.api().await;
    let made = add(&api, "hand@a.example", &[&acme.role("Viewer").await]).await;
    let path = format!("/api/v1/staff/{}/reset-link", text(&made, "/id"));
    let by_hand = api.post(&path, json!({"send_mail": false})).await.expect(201);
    let code = text(&by_hand, "/link").split("code=").nth(1).unwrap().to_owned();
    acme.choose_password(&code, PASSWORD).await;
    acme.api_as("hand@a.example", PASSWORD).await;
    let email = format!("hand@{}.example", acme.slug);
    api.patch(&format!("/api/v1/staff/{}", text(&made, "/id")), json!({"email": email})).await.expect(200);
    let mailed = api.post(&path, json!({})).await.expect(201);
    assert_eq!((&mailed["link"], &mailed["was_mailed"]), (&Value::Null, &json!(true)));
    let letter = letter_to(acme.server, &email, 1).await;
    assert!(letter.text.contains("10 minutes"), "{}", letter.text);
}

#[tokio::test]
async fn the_portal_adds_changes_and_switches_off() {
    let acme = tenant().await;
    let mut browser = acme.browser().await;
    browser.get("/staff").await.expect_status(200);
    let form = browser.get("/staff/new").await;
    let viewer = acme.role("Viewer").await;
    assert!(form.text().contains(&viewer), "{}", form.text());
    let wrong =
        browser.post("/staff", &[("name", "Kim <Keen>"), ("email", "no"), ("send_mail", "true")]).await;
    wrong.expect_status(422);
    for shown in ["Kim &lt;Keen&gt;", "This is not an e-mail address.", "Choose at least one role."] {
        assert!(wrong.text().contains(shown), "{shown} in {}", wrong.text());
    }
    let fields = [("name", "Kim Keen"), ("email", "kim@a.example"), ("roles", viewer.as_str())];
    let added = browser.post("/staff", &fields).await;
    added.expect_status(200);
    let link =
        between(&added.text(), "Sign-in link\" tabindex=\"0\" role=\"textbox\" aria-readonly=\"true\">", "<")
            .unwrap();
    let link = link.replace("&#x2F;", "/").replace("&amp;", "&");
    assert!(link.starts_with(&format!("https://{}/reset?code=", acme.host)), "{link}");
    acme.choose_password(link.split("code=").nth(1).unwrap(), PASSWORD).await;
    let mut kim = acme.browser_as("kim@a.example", PASSWORD).await;
    assert_eq!(kim.get("/staff").await.status, 403);

    let taken = browser.post("/staff", &fields).await;
    taken.expect_status(422);
    assert!(taken.text().contains("Someone here has this e-mail already."), "{}", taken.text());
    let list = browser.get("/staff?q=kim&state=active").await.text();
    let id = between(&list, "href=\"/staff/", "\"").filter(|id| id != "new");
    let id = id.or_else(|| {
        list.split("href=\"/staff/")
            .map(|rest| rest[..36.min(rest.len())].to_owned())
            .find(|id| id.parse::<uuid::Uuid>().is_ok())
    });
    let id = id.unwrap_or_else(|| panic!("nobody in {list}"));
    let page = browser.get(&format!("/staff/{id}")).await;
    assert!(page.text().contains("kim@a.example"), "{}", page.text());
    let saved = browser
        .post(
            &format!("/staff/{id}"),
            &[("name", "Kim Kind"), ("email", "kim@a.example"), ("roles", &viewer)],
        )
        .await;
    saved.expect_status(303);
    let off = browser.post(&format!("/staff/{id}/disable"), &[]).await;
    assert_eq!((off.status, off.header("location")), (303, "/staff"));
    assert_eq!(kim.get("/").await.header("location"), "/sign-in");
    let list = browser.get("/staff?state=disabled").await.text();
    assert!(list.contains("Kim Kind") && list.contains(&format!("/staff/{id}/enable")), "an undo in {list}");
    let own = browser.post(&format!("/staff/{}/disable", acme.owner_id), &[]).await;
    assert_eq!(own.header("location"), format!("/staff/{}", acme.owner_id));
    let told = browser.get(&format!("/staff/{}", acme.owner_id)).await.text();
    assert!(told.contains("You cannot switch yourself off."), "{told}");
}
