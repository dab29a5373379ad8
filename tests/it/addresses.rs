//! Web addresses that change, and tenants that are gone: what was an address stays its owner's, and nothing else stays.

use futures_util::future::join_all;
use poem::http::Method;
use serde_json::{Value, json};

use crate::{
    foreign_ids::furnished,
    harness::{Answer, Api, PASSWORD, Tenant, program, sql, tenant, text},
};

fn fresh() -> String {
    format!("m{}", uuid::Uuid::new_v4().simple().to_string().split_at(12).0)
}

async fn moved(api: &Api, slug: &str) -> Answer {
    api.json(Method::PUT, "/api/v1/settings/address", json!({ "slug": slug })).await
}

async fn signed_up(tenant: &Tenant, slug: &str) -> Answer {
    let owner = json!({"name": "Eve", "email": format!("eve@{slug}.example"), "password": PASSWORD});
    let body = json!({"company_name": "Eve Net", "slug": slug, "owner": owner});
    tenant.server.platform().post("/api/platform/v1/signups", body).await
}

#[tokio::test]
async fn an_old_address_leads_to_the_new_one_and_is_nobody_elses() {
    let (one, other) = (tenant().await, tenant().await);
    let (api, beside) = (one.api().await, other.api().await);
    let (old, new) = (one.slug.clone(), fresh());
    let answer = moved(&api, &new).await.expect(200);
    assert_eq!(answer["host"], format!("{new}.isp.test"));
    let at = |slug: &str| one.server.at(&format!("{slug}.isp.test"));
    // People are led on, with the way they asked for.
    let led = at(&old).get("/customers?q=cruz&status=active").await;
    led.expect_status(302);
    assert_eq!(led.header("location"), format!("https://{new}.isp.test/customers?q=cruz&status=active"));
    assert_eq!(led.header("cache-control"), "no-store", "it may come back");
    // Programs go on, at either.
    api.get("/api/v1/company").await.expect_status(200);
    let signed_in = json!({"email": one.owner_email, "password": PASSWORD});
    let at_new = at(&new).post("/api/v1/auth/token", signed_in).await.expect(200);
    let at_new = at(&new).bearer(&text(&at_new, "/access_token"));
    at_new.get("/api/v1/company").await.expect_status(200);
    let by_header = one.server.api_host().header("x-tenant-id", &old);
    by_header.get("/api/v1/version").await.expect_status(200);
    let token = text(
        &at_new.get("/api/v1/audit-events?action=company.address_changed").await.expect(200),
        "/items/0/id",
    );
    assert!(!token.is_empty());
    // The old one is still its owner's: for sign-ups, for others, and for whoever only looks.
    signed_up(&one, &old).await.refused(409, "slug_taken");
    moved(&beside, &old).await.refused(409, "slug_taken");
    let state = one.server.platform().get(&format!("/api/platform/v1/slugs/{old}")).await.expect(200);
    assert_eq!(state["available"], false, "{state}");
    moved(&beside, &new).await.refused(409, "slug_taken");
    moved(&at_new, &new).await.refused(409, "same_address");
    for wrong in ["a", "Not a slug", "api", "xn--abc"] {
        let answer = moved(&at_new, wrong).await;
        assert_eq!(answer.wrong_fields(), ["slug"], "{wrong}");
    }
    // And back again: then it is the other way round.
    moved(&at_new, &old).await.expect(200);
    at(&old).get("/sign-in").await.expect_status(200);
    assert_eq!(at(&new).get("/sign-in").await.header("location"), format!("https://{old}.isp.test/sign-in"));
    // Through the page, and not by a colleague.
    let mut browser = one.browser().await;
    browser.get("/settings/address").await.expect_status(200);
    browser.post("/settings/address", &[("slug", &other.slug)]).await.expect_status(422);
    let third = fresh();
    let page = browser.post("/settings/address", &[("slug", &third)]).await;
    page.expect_status(200);
    assert!(page.text().contains(&format!("https://{third}.isp.test/sign-in")));
    let told = at(&third).get("/sign-in").await;
    told.expect_status(200);
}

#[tokio::test]
async fn an_address_has_an_end_of_changes() {
    let one = tenant().await;
    let api = one.api().await;
    for _ in 0..10 {
        moved(&api, &fresh()).await.expect(200);
    }
    moved(&api, &fresh()).await.refused(409, "too_many_addresses");
    // Back to one of them is not a new one.
    moved(&api, &one.slug).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_an_address_one_has_it() {
    let tenants = join_all((0..4).map(|_| tenant())).await;
    let apis: Vec<Api> = join_all(tenants.iter().map(Tenant::api)).await;
    for _ in 0..5 {
        let wanted = fresh();
        let sign_up = signed_up(&tenants[0], &wanted);
        let (answers, signed) = tokio::join!(join_all(apis.iter().map(|api| moved(api, &wanted))), sign_up);
        let got =
            answers.iter().filter(|answer| answer.status == 200).count() + usize::from(signed.status == 201);
        assert_eq!(got, 1);
    }
    // Given up in the moment in which somebody wants it: it stays whose it was.
    let (giver, api) = (&tenants[0], &apis[0]);
    for _ in 0..10 {
        let had = fresh();
        let one = fresh();
        moved(api, &had).await.expect(200);
        let (_, wanted, signed) =
            tokio::join!(moved(api, &one), moved(&apis[1], &had), signed_up(giver, &had));
        wanted.refused(409, "slug_taken");
        signed.refused(409, "slug_taken");
        let client = sql(&giver.server.database).await;
        // Its former ones are no use to this test.
        let forget = format!(
            "DELETE FROM public.tenant_slug WHERE tenant_id = '{}' AND slug NOT IN ('{had}', '{one}', '{}')",
            giver.id, giver.slug
        );
        client.batch_execute(&forget).await.unwrap();
    }
}

fn erased(tenant: &Tenant) -> (bool, Value, String) {
    let output = program(&tenant.server.database, tenant.server.folder.path())
        .args(["tenant", "verify-erased", &tenant.id, "--json"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

#[tokio::test]
async fn of_a_tenant_that_is_closed_nothing_is_left() {
    let (tenant, api) = furnished().await;
    moved(&api, &fresh()).await.expect(200);
    assert!(!erased(&tenant).0, "it is not closed");
    let closed = program(&tenant.server.database, tenant.server.folder.path())
        .args(["tenant", "delete", &tenant.id, "--now", "--yes"])
        .output()
        .unwrap();
    assert!(closed.status.success(), "{}", String::from_utf8_lossy(&closed.stderr));
    let (is_gone, places, said) = erased(&tenant);
    assert!(is_gone, "{places} {said}");
    let there: Vec<&Value> =
        places["places"].as_array().unwrap().iter().filter(|place| place["amount"] != 0).collect();
    assert!(there.iter().all(|place| place["kept_for"] != Value::Null) && there.len() >= 3, "{there:?}");
    // It does not only say so.
    let client = sql(&tenant.server.database).await;
    let stray = format!(
        "INSERT INTO public.usage (tenant_id, used_on, metric, amount) VALUES ('{}', current_date, 'staff', 1)",
        tenant.id
    );
    client.batch_execute(&stray).await.unwrap();
    let (is_gone, places, _) = erased(&tenant);
    assert!(!is_gone && places.to_string().contains("\"what\":\"usage\""), "{places}");
}
