//! The ownership handed over, and colleagues signed out.

use serde_json::{Value, json};

use crate::{
    access_tokens::events,
    harness::{PASSWORD, tenant, text},
};

#[tokio::test]
async fn the_ownership_goes_to_one_person_and_leaves_the_other() {
    let acme = tenant().await;
    let (owner, admin) = (acme.api().await, acme.role("Admin").await);
    let pat = acme.person(&["customers.view"]).await;
    let path = format!("/api/v1/staff/{}/ownership", pat.id);
    let given = json!({"current_password": PASSWORD, "role_id": admin});
    let wrong = json!({"current_password": "not it at all", "role_id": admin});
    assert_eq!(owner.post(&path, wrong).await.wrong_fields(), ["current_password"]);
    for role in [acme.role("Owner").await, "01890000-0000-7000-8000-000000000000".into()] {
        let body = json!({"current_password": PASSWORD, "role_id": role});
        assert_eq!(owner.post(&path, body).await.wrong_fields(), ["role_id"]);
    }
    let boss = acme.person_with(&admin).await;
    acme.api_of(&boss).await.post(&path, given.clone()).await.refused(403, "forbidden");
    let own = format!("/api/v1/staff/{}/ownership", acme.owner_id);
    owner.post(&own, given.clone()).await.refused(409, "own_account");
    let invited = json!({"name": "I", "email": "i@i.example", "role_ids": [admin]});
    let invited = text(&owner.post("/api/v1/staff", invited).await.expect(201), "/id");
    owner
        .post(&format!("/api/v1/staff/{invited}/ownership"), given.clone())
        .await
        .refused(409, "not_accepted");
    owner.patch(&format!("/api/v1/staff/{}", boss.id), json!({"is_active": false})).await.expect(200);
    owner
        .post(&format!("/api/v1/staff/{}/ownership", boss.id), given.clone())
        .await
        .refused(409, "staff_disabled");

    let heir = owner.post(&path, given.clone()).await.expect(200);
    assert_eq!(heir["is_owner"], json!(true));
    assert_eq!(events(&acme, "staff.ownership_transferred").await, 1);
    let me = owner.get("/api/v1/me").await.expect(200);
    assert_eq!(me["is_owner"], json!(false));
    owner.post(&path, given).await.refused(403, "forbidden");
    let pat_api = acme.api_of(&pat).await;
    let former = pat_api.get(&format!("/api/v1/staff/{}", acme.owner_id)).await.expect(200);
    let roles: Vec<&Value> = former["roles"].as_array().unwrap().iter().map(|role| &role["name"]).collect();
    assert_eq!(roles, ["Admin"]);
}

#[tokio::test]
async fn of_two_hand_overs_at_once_one_is_done() {
    let acme = tenant().await;
    let (owner, admin) = (acme.api().await, acme.role("Admin").await);
    let (one, two) = (acme.person(&[]).await, acme.person(&[]).await);
    let given = json!({"current_password": PASSWORD, "role_id": admin});
    let (path_one, path_two) =
        (format!("/api/v1/staff/{}/ownership", one.id), format!("/api/v1/staff/{}/ownership", two.id));
    let (first, second) = tokio::join!(owner.post(&path_one, given.clone()), owner.post(&path_two, given));
    let mut answers = [first.status, second.status];
    answers.sort_unstable();
    assert_eq!(answers, [200, 403], "{} {}", first.text(), second.text());
}

#[tokio::test]
async fn the_portal_hands_over_and_asks_for_the_password() {
    let acme = tenant().await;
    let pat = acme.person(&["customers.view"]).await;
    let admin = acme.role("Admin").await;
    let mut browser = acme.browser().await;
    let page = browser.get(&format!("/staff/{}", pat.id)).await.text();
    let path = format!("/staff/{}/ownership", pat.id);
    assert!(page.contains(&path), "{page}");
    browser.get(&path).await.expect_status(200);
    let wrong = browser.post(&path, &[("role_id", &admin), ("current_password", "not it at all")]).await;
    wrong.expect_status(422);
    assert!(wrong.text().contains("This is not your current password."), "{}", wrong.text());
    browser.post(&path, &[("role_id", ""), ("current_password", PASSWORD)]).await.expect_status(422);
    let done = browser.post(&path, &[("role_id", &admin), ("current_password", PASSWORD)]).await;
    assert_eq!((done.status, done.header("location")), (303, "/account"));
    assert_eq!(browser.get(&path).await.status, 403, "an owner no more");
}

#[tokio::test]
async fn a_colleague_is_signed_out_everywhere() {
    let (acme, other) = (tenant().await, tenant().await);
    let owner = acme.api().await;
    let pat = acme.person(&["customers.view"]).await;
    let (mut browser, api) = (acme.browser_as(&pat.email, PASSWORD).await, acme.api_of(&pat).await);
    browser.get("/customers").await.expect_status(200);
    let path = format!("/api/v1/staff/{}/sessions", pat.id);
    let listed = owner.get(&path).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    other.api().await.get(&path).await.refused(404, "not_found");
    other.api().await.delete(&path).await.refused(404, "not_found");
    let clerk = acme.person(&["staff.view", "staff.manage"]).await;
    acme.api_of(&clerk).await.delete(&path).await.refused(403, "beyond_own_rights");
    browser.get("/customers").await.expect_status(200);
    owner.delete(&path).await.expect(204);
    assert_eq!(browser.get("/customers").await.header("location"), "/sign-in?next=%2Fcustomers");
    api.get("/api/v1/customers").await.refused(401, "bad_credential");
    owner.delete(&format!("/api/v1/staff/{}/sessions", acme.owner_id)).await.refused(409, "own_account");
    let mut desk = acme.browser().await;
    acme.browser_as(&pat.email, PASSWORD).await;
    let page = desk.get(&format!("/staff/{}", pat.id)).await.text();
    assert!(page.contains("Sign out everywhere") && page.contains("Last sign-in"), "{page}");
    desk.post(&format!("/staff/{}/sessions/end", pat.id), &[]).await.expect_status(303);
    assert_eq!(owner.get(&path).await.expect(200)["items"], json!([]));
    assert_eq!(events(&acme, "staff.sessions_ended").await, 2);
}
