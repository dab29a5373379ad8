//! Invitations: one link, once, for seven days; sent again, revoked, and of one provider alone.

use serde_json::{Value, json};

use crate::{
    access_tokens::events,
    harness::{
        Answer, Api, PASSWORD, Tenant,
        mailbox::{letter_to, letters_to},
        sql, tenant, text,
    },
};

/// Somebody who is invited: their id, their address and the code of their link.
async fn invited(acme: &Tenant, name: &str) -> (String, String, String) {
    let email = format!("{name}@{}.example", acme.slug);
    let new = json!({"name": name, "email": email, "role_ids": [acme.role("Viewer").await]});
    let id = text(&acme.api().await.post("/api/v1/staff", new).await.expect(201), "/id");
    let code = letter_to(acme.server, &email, 1).await.code();
    (id, email, code)
}

fn path(id: &str) -> String {
    format!("/api/v1/staff/{id}/invitation")
}

async fn open_ones(api: &Api) -> Vec<String> {
    let list = api.get("/api/v1/staff?is_invited=true&total=true").await.expect(200);
    let names: Vec<String> =
        list["items"].as_array().unwrap().iter().map(|person| text(person, "/name")).collect();
    assert_eq!(list["total"], json!(names.len()));
    names
}

/// Opens a link at a provider's door, and accepts it whatever the page says.
async fn accept_at(acme: &Tenant, code: &str) -> (Answer, Answer) {
    let mut browser = acme.server.browser(&acme.host);
    let page = browser.get(&format!("/reset?code={code}")).await;
    (page, browser.post("/reset", &[("token", code), ("password", PASSWORD)]).await)
}

async fn is_dead(acme: &Tenant, code: &str) {
    let (page, accepted) = accept_at(acme, code).await;
    assert_eq!((page.status, accepted.status), (410, 410), "{}", accepted.text());
}

#[tokio::test]
async fn an_invitation_is_listed_until_it_is_accepted_and_counts_for_a_week() {
    let acme = tenant().await;
    let api = acme.api().await;
    let (ina, email, code) = invited(&acme, "ina").await;
    let (_, _, _) = invited(&acme, "ian").await;
    assert_eq!(open_ones(&api).await, ["ian", "ina"]);
    let seen = api.get(&format!("/api/v1/staff/{ina}")).await.expect(200);
    let until: chrono::DateTime<chrono::Utc> = text(&seen, "/invited_until").parse().unwrap();
    let days = (until - chrono::Utc::now()).num_minutes();
    assert!((7 * 1_440 - 5..=7 * 1_440).contains(&days), "{until}");
    assert!(letters_to(acme.server, &email)[0].text.contains("7 days"));
    let token = json!({"email": email, "password": PASSWORD});
    acme.anonymous().post("/api/v1/auth/token", token).await.refused(401, "bad_sign_in");
    let (page, accepted) = accept_at(&acme, &code).await;
    assert_eq!((page.status, accepted.status), (200, 303));
    acme.api_as(&email, PASSWORD).await;
    assert_eq!(open_ones(&api).await, ["ian"]);
    let seen = api.get(&format!("/api/v1/staff/{ina}")).await.expect(200);
    assert_eq!((&seen["invited_until"], &seen["roles"][0]["name"]), (&Value::Null, &json!("Viewer")));
    is_dead(&acme, &code).await;
    // What was accepted can be neither sent again nor taken back.
    api.post(&path(&ina), json!({})).await.refused(409, "already_accepted");
    api.delete(&path(&ina)).await.refused(409, "already_accepted");
}

#[tokio::test]
async fn of_two_who_accept_at_once_one_does() {
    let acme = tenant().await;
    let (_, _, code) = invited(&acme, "ina").await;
    let (one, two) = tokio::join!(accept_at(&acme, &code), accept_at(&acme, &code));
    let mut answers = [one.1.status, two.1.status];
    answers.sort_unstable();
    assert_eq!(answers, [303, 410]);
}

#[tokio::test]
async fn an_invitation_that_is_too_old_is_sent_again_by_those_who_manage_staff_alone() {
    let acme = tenant().await;
    let api = acme.api().await;
    let (ina, email, code) = invited(&acme, "ina").await;
    let old =
        format!("UPDATE {}.one_time_link SET expires_at = now() - interval '1 second'", acme.schema().await);
    sql(&acme.server.database).await.batch_execute(&old).await.unwrap();
    is_dead(&acme, &code).await;
    let seen = api.get(&format!("/api/v1/staff/{ina}")).await.expect(200);
    assert_eq!(seen["invited_until"], Value::Null);
    assert_eq!(open_ones(&api).await, ["ina"]);
    // Whoever never had a password has forgotten none.
    let mut browser = acme.server.browser(&acme.host);
    browser.get("/forgot").await;
    browser.post("/forgot", &[("email", &email)]).await.expect_status(200);
    let sent = api.post(&path(&ina), json!({})).await.expect(201);
    assert_eq!((&sent["was_mailed"], &sent["link"]), (&json!(true), &Value::Null));
    let letter = letter_to(acme.server, &email, 2).await;
    assert!(
        letter.header("Subject").starts_with("Welcome to"),
        "the forgotten password was not mailed: {letter:?}"
    );
    let second = letter.code();
    // Sent once more, the link before leads nowhere.
    let third = api.post(&path(&ina), json!({"send_mail": false})).await.expect(201);
    is_dead(&acme, &second).await;
    let third = text(&third, "/link").split("code=").nth(1).unwrap().to_owned();
    acme.choose_password(&third, PASSWORD).await;
    acme.api_as(&email, PASSWORD).await;
}

#[tokio::test]
async fn a_revoked_invitation_leads_nowhere_for_good() {
    let acme = tenant().await;
    let api = acme.api().await;
    let (ina, email, code) = invited(&acme, "ina").await;
    api.delete(&path(&ina)).await.expect(204);
    is_dead(&acme, &code).await;
    assert_eq!(open_ones(&api).await, [] as [&str; 0]);
    assert_eq!(events(&acme, "staff.invitation_revoked").await, 1);
    api.delete(&path(&ina)).await.refused(409, "staff_disabled");
    api.post(&path(&ina), json!({})).await.refused(409, "staff_disabled");
    // Switched on again, the person is invited anew, and the old link stays what it is.
    api.patch(&format!("/api/v1/staff/{ina}"), json!({"is_active": true})).await.expect(200);
    is_dead(&acme, &code).await;
    api.post(&path(&ina), json!({})).await.expect(201);
    acme.choose_password(&letter_to(acme.server, &email, 2).await.code(), PASSWORD).await;
    acme.api_as(&email, PASSWORD).await;
}

#[tokio::test]
async fn an_invitation_of_one_provider_opens_nothing_at_another() {
    let (acme, other) = (tenant().await, tenant().await);
    let (ina, email, code) = invited(&acme, "ina").await;
    is_dead(&other, &code).await;
    let elsewhere = other.api().await;
    elsewhere.post(&path(&ina), json!({})).await.refused(404, "not_found");
    elsewhere.delete(&path(&ina)).await.refused(404, "not_found");
    let token = json!({"email": email, "password": PASSWORD});
    other.anonymous().post("/api/v1/auth/token", token).await.refused(401, "bad_sign_in");
    // At home it counts all the same.
    acme.choose_password(&code, PASSWORD).await;
    acme.api_as(&email, PASSWORD).await;
}

#[tokio::test]
async fn nobody_invites_sends_or_revokes_beyond_their_own_rights() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let clerk = acme.person(&["staff.view", "staff.manage"]).await;
    let api = acme.api_of(&clerk).await;
    let new = |role: &str| json!({"name": "N", "email": "n@n.example", "role_ids": [role]});
    api.post("/api/v1/staff", new(&acme.role("Admin").await)).await.refused(403, "beyond_own_rights");
    api.post("/api/v1/staff", new(&acme.role("Owner").await)).await.refused(403, "owner_only");
    let mut boss = new(&acme.role("Admin").await);
    boss["email"] = json!("boss@n.example");
    let boss = text(&owner.post("/api/v1/staff", boss).await.expect(201), "/id");
    api.post(&path(&boss), json!({"send_mail": false})).await.refused(403, "beyond_own_rights");
    api.delete(&path(&boss)).await.refused(403, "beyond_own_rights");
    assert_eq!(letters_to(acme.server, "n@n.example").len(), 0);
}

#[tokio::test]
async fn the_portal_lists_sends_and_revokes() {
    let acme = tenant().await;
    let (ina, email, code) = invited(&acme, "ina").await;
    let mut browser = acme.browser().await;
    let list = browser.get("/staff?state=invited").await.text();
    assert!(list.contains("ina") && !list.contains("Olive Owner@"), "{list}");
    let page = browser.get(&format!("/staff/{ina}")).await.text();
    for shown in ["Send the invitation again", "Revoke the invitation", "The link works until"] {
        assert!(page.contains(shown), "{shown} in {page}");
    }
    let sent = browser.post(&format!("/staff/{ina}/invitation"), &[]).await;
    sent.expect_status(200);
    assert!(sent.text().contains("It works once, for 7 days"), "{}", sent.text());
    letter_to(acme.server, &email, 2).await;
    is_dead(&acme, &code).await;
    browser.get("/staff").await;
    let revoked = browser.post(&format!("/staff/{ina}/invitation/revoke"), &[]).await;
    assert_eq!((revoked.status, revoked.header("location")), (303, "/staff?state=invited"));
    assert!(browser.get("/staff").await.text().contains("The invitation of ina was revoked."));
    let again = browser.post(&format!("/staff/{ina}/invitation/revoke"), &[]).await;
    assert_eq!(again.header("location"), format!("/staff/{ina}"));
}

#[tokio::test]
async fn whoever_is_invited_into_a_role_with_a_second_step_sets_it_up_first() {
    let acme = tenant().await;
    let api = acme.api().await;
    let role = json!({"name": "Till", "permissions": ["customers.view"], "requires_mfa": true});
    let role = text(&api.post("/api/v1/roles", role).await.expect(201), "/id");
    let person = acme.person_with(&role).await;
    let mut browser = acme.browser_as(&person.email, PASSWORD).await;
    assert_eq!(browser.get("/customers").await.header("location"), "/account/mfa");
    browser.set_up_mfa(&acme).await;
    browser.get("/customers").await.expect_status(200);
}
