//! What people show of themselves: name, telephone number, picture; and the zone in which they are shown times.

use std::{collections::BTreeSet, io::Cursor};

use image::{DynamicImage, ImageFormat};
use serde_json::{Value, json};

use crate::{
    access_tokens::events,
    harness::{PASSWORD, tenant, text},
};

const PROFILE: &str = "/api/v1/me/profile";
const AVATAR: &str = "/api/v1/me/avatar";

fn picture(side: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(side, side).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn as_form(content: &[u8]) -> Vec<u8> {
    let mut form = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"me\"\r\n\r\n".to_vec();
    form.extend_from_slice(content);
    form.extend_from_slice(b"\r\n--b--\r\n");
    form
}

#[tokio::test]
async fn name_and_number_are_one_s_own_and_checked() {
    let acme = tenant().await;
    let pat = acme.person(&["customers.view"]).await;
    let api = acme.api_of(&pat).await;
    assert_eq!(api.get(PROFILE).await.expect(200)["phone"], Value::Null);
    let changed = api.patch(PROFILE, json!({"phone": "+44 20 7946 0958"})).await.expect(200);
    assert_eq!(changed["phone"], "+442079460958");
    let renamed = api.patch(PROFILE, json!({"name": "Patricia"})).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["phone"]), (&json!("Patricia"), &json!("+442079460958")));
    let wrong = api.patch(PROFILE, json!({"name": " ", "phone": "call me"})).await;
    assert_eq!(wrong.wrong_fields(), ["name", "phone"]);
    let seen = acme.api().await.get(&format!("/api/v1/staff/{}", pat.id)).await.expect(200);
    assert_eq!((&seen["name"], &seen["phone"]), (&json!("Patricia"), &json!("+442079460958")));
    let before = events(&acme, "staff.updated").await;
    api.patch(PROFILE, json!({"name": "Patricia"})).await.expect(200);
    assert_eq!(events(&acme, "staff.updated").await, before, "what stays is no change");
    api.patch(PROFILE, json!({"phone": null})).await.expect(200);
    assert_eq!(api.get(PROFILE).await.expect(200)["phone"], Value::Null);
    // A program has none.
    let key = json!({"name": "x", "scopes": ["customers.read"]});
    let key = text(&acme.api().await.post("/api/v1/api-keys", key).await.expect(201), "/key");
    acme.anonymous().bearer(&key).get(PROFILE).await.refused(403, "forbidden");
    // By the page.
    let mut browser = acme.browser_as(&pat.email, PASSWORD).await;
    browser.get("/account").await.expect_status(200);
    let wrong = browser.post("/account/profile", &[("name", ""), ("phone", "nobody")]).await;
    assert!(wrong.status == 422 && wrong.text().contains("5 to 15 digits"), "{}", wrong.text());
    browser.post("/account/profile", &[("name", "Pat"), ("phone", "+639171234567")]).await.expect_status(303);
    let page = browser.get("/account").await.text();
    assert!(page.contains("+639171234567") && page.contains("value=\"Pat\""), "{page}");
}

/// The zones that a page's times are shown in.
fn zones(page: &str) -> BTreeSet<String> {
    let titles = page.split("<time datetime=\"").skip(1).filter_map(|time| time.split("title=\"").nth(1));
    let titles = titles.filter_map(|title| title.split('"').next());
    titles.map(|title| title.split(['(', ',']).nth(3).unwrap().replace("&#x2F;", "/")).collect()
}

#[tokio::test]
async fn a_zone_of_one_s_own_is_for_what_one_is_shown() {
    const OWN: &str = "America/New_York";
    let acme = tenant().await;
    let pat = acme.person(&["audit.view", "audit.export"]).await;
    let api = acme.api_of(&pat).await;
    let mut browser = acme.browser_as(&pat.email, PASSWORD).await;
    let rows = async |browser: &mut crate::harness::Browser| {
        let table = browser.get("/audit/export?format=csv").await;
        table.expect_status(200);
        table
            .text()
            .lines()
            .filter(|line| line.contains("staff.created"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let exported = rows(&mut browser).await;
    assert!(!exported.is_empty());
    let tenants = BTreeSet::from(["Asia/Manila".to_owned()]);
    let page = browser.get("/account").await.text();
    assert_eq!(zones(&page), tenants);
    assert!(!page.contains("Times are shown in"), "{page}");
    assert_eq!(api.get(PROFILE).await.expect(200)["time_zone"], Value::Null);
    for unknown in ["Mars/Olympus", "+08:00", "manila", &"A".repeat(100)] {
        assert_eq!(api.patch(PROFILE, json!({"time_zone": unknown})).await.wrong_fields(), ["time_zone"]);
    }
    // By the page, seen at once in a browser that was there before.
    let fields = [("name", "Pat"), ("phone", ""), ("time_zone", "Mars/Olympus")];
    let wrong = browser.post("/account/profile", &fields).await;
    assert!(wrong.status == 422 && wrong.text().contains("not an IANA time zone"), "{}", wrong.text());
    let before = events(&acme, "staff.updated").await;
    browser.post("/account/profile", &[fields[0], fields[1], ("time_zone", OWN)]).await.expect_status(303);
    assert_eq!(events(&acme, "staff.updated").await, before + 1);
    assert_eq!(api.get(PROFILE).await.expect(200)["time_zone"], OWN);
    let own = BTreeSet::from([OWN.to_owned()]);
    for path in ["/account", "/audit"] {
        let page = browser.get(path).await.text().replace("&#x2F;", "/");
        assert_eq!(zones(&page), own, "{path}");
        let said = format!("Times are shown in {OWN}; days, visits and what is typed in are in Asia/Manila.");
        assert!(page.contains(&said), "{page}");
    }
    assert!(
        browser
            .get("/account")
            .await
            .text()
            .replace("&#x2F;", "/")
            .contains(&format!("<option value=\"{OWN}\" selected>"))
    );
    // What is no page for reading keeps the provider's, and so does everybody else.
    assert_eq!(rows(&mut browser).await, exported);
    assert_eq!(zones(&acme.browser().await.get("/audit").await.text()), tenants);
    // A form that does not speak of it leaves it.
    browser.get("/account").await.expect_status(200);
    browser.post("/account/profile", &fields[..2]).await.expect_status(303);
    assert_eq!(api.patch(PROFILE, json!({"name": "Patricia"})).await.expect(200)["time_zone"], OWN);
    // The provider's own by name is no other; and none is the provider's.
    for (chosen, kept) in [(json!("Asia/Manila"), json!("Asia/Manila")), (Value::Null, Value::Null)] {
        assert_eq!(api.patch(PROFILE, json!({"time_zone": chosen})).await.expect(200)["time_zone"], kept);
        let page = browser.get("/account").await.text();
        assert_eq!(zones(&page), tenants);
        assert!(!page.contains("Times are shown in"), "{page}");
    }
    // One that is not known any more counts as none.
    let gone = format!("UPDATE {}.staff SET time_zone = 'Mars/Olympus'", acme.schema().await);
    crate::harness::sql(&acme.server.database).await.batch_execute(&gone).await.unwrap();
    let mut fresh = acme.browser_as(&pat.email, PASSWORD).await;
    assert_eq!(zones(&fresh.get("/account").await.text()), tenants);
}

#[tokio::test]
async fn a_picture_is_drawn_anew_and_shown_where_the_person_is() {
    let acme = tenant().await;
    let pat = acme.person(&["customers.view"]).await;
    let api = acme.api_of(&pat).await;
    let put = async |content: &[u8]| {
        let kind = Some("multipart/form-data; boundary=b");
        api.send(reqwest::Method::PUT, AVATAR, kind, as_form(content)).await
    };
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    assert_eq!(put(svg).await.wrong_fields(), ["avatar"]);
    assert_eq!(put(&picture(5_000, ImageFormat::Png)).await.wrong_fields(), ["avatar"]);
    let mut polyglot = picture(700, ImageFormat::Jpeg);
    polyglot.extend_from_slice(b"<script>alert('still here')</script>");
    put(&polyglot).await.expect_status(204);
    assert_eq!(api.get(PROFILE).await.expect(200)["has_avatar"], true);

    let mut browser = acme.browser_as(&pat.email, PASSWORD).await;
    let page = browser.get("/account").await.text();
    assert!(page.contains("src=\"/account/avatar?v="), "{page}");
    let shown = browser.get("/account/avatar").await;
    shown.expect_status(200);
    assert_eq!(shown.header("content-type"), "image/jpeg");
    assert!(shown.header("cache-control").starts_with("private"));
    assert!(!shown.text().contains("still here"));
    let drawn = image::load_from_memory(&shown.body).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (256, 256));
    let mut owner = acme.browser().await;
    assert!(owner.get("/staff").await.text().contains(&format!("/staff/{}/avatar?v=", pat.id)));
    let path = format!("/staff/{}/avatar", pat.id);
    owner.get(&path).await.expect_status(200);
    // Who may not see the staff does not see their pictures, nor does a stranger or another provider.
    browser.get(&path).await.expect_status(403);
    tenant().await.browser().await.get(&path).await.expect_status(404);
    acme.server.browser(&acme.host).get(&path).await.expect_status(303);
    owner.get("/account/avatar").await.expect_status(404);
    // Another takes its place, and the one before is forgotten.
    let files = format!("SELECT count(*) FROM {}.file WHERE purpose = 'avatar'", acme.schema().await);
    let count = async || {
        let client = crate::harness::sql(&acme.server.database).await;
        client.query_one(&files, &[]).await.unwrap().get::<_, i64>(0)
    };
    let png = picture(64, ImageFormat::Png);
    browser.upload("/account/avatar", &[], ("avatar", "me.png", &png)).await.expect_status(303);
    assert_eq!(
        (count().await, browser.get("/account/avatar").await.header("content-type")),
        (1, "image/png")
    );
    let odd = browser.upload("/account/avatar", &[], ("avatar", "me.png", b"no picture")).await;
    odd.expect_status(422);
    browser.post("/account/avatar/remove", &[]).await.expect_status(303);
    assert_eq!(count().await, 0);
    browser.get("/account/avatar").await.expect_status(404);
    api.delete(AVATAR).await.expect_status(204);
}
