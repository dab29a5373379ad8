//! What the platform's people tell the staff of all providers.

use crate::harness::{Server, Settings, mailbox::until, tenant_on};

#[tokio::test]
async fn what_is_announced_is_on_every_page_of_every_portal_until_it_ends() {
    let server = Server::own("announcements", Settings::default()).await;
    let other = server.sibling(Settings::default());
    let mut staff = server.staff("support_admin").await;
    let (one, two) = (tenant_on(server).await, tenant_on(server).await);
    let (mut here, there) = (one.browser().await, two.browser().await.with_cookies().to(other.address));
    const TEXT: &str = "Maintenance on <b>Sunday</b>, 02:00 to 03:00";
    const SHOWN: &str = "Maintenance on &lt;b&gt;Sunday&lt;";
    here.get("/customers").await.expect_status(200);
    staff.browser.get("/console/announcements").await.expect_status(200);
    let wrong = [("text", " "), ("hours", "0"), ("begins_in_hours", "x")];
    let refused = staff.browser.post("/console/announcements", &wrong).await;
    refused.expect_status(422);
    assert_eq!(refused.text().matches("class=\"field-error\"").count(), 3, "{}", refused.text());
    let later = [("text", "Later"), ("hours", "5"), ("begins_in_hours", "3")];
    staff.browser.post("/console/announcements", &later).await.expect_status(303);
    let now = [("text", TEXT), ("hours", "1"), ("is_warning", "true")];
    staff.browser.post("/console/announcements", &now).await.expect_status(303);
    for path in ["/customers", "/settings/company", "/"] {
        let page = here.get(path).await.text();
        assert!(page.contains(SHOWN) && !page.contains("Later"), "{path}: {page}");
    }
    until("another process shows it", async || {
        there.get("/areas").await.text().contains(SHOWN).then_some(())
    })
    .await;
    // Not at the door, and not to those who only look after the list.
    assert!(!one.anonymous().get("/sign-in").await.text().contains(SHOWN));
    let mut reader = server.staff("read_only").await;
    let list = reader.browser.get("/console/announcements").await.text();
    assert!(list.contains(SHOWN) && list.contains("To come") && !list.contains("Announce it"), "{list}");
    reader.browser.post("/console/announcements", &now).await.expect_status(403);
    let page = staff.browser.get("/console/announcements").await.text();
    for end in page.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        if end.ends_with("/end") {
            staff.browser.post(end, &[]).await.expect_status(303);
            staff.browser.get("/console/announcements").await;
        }
    }
    assert!(!here.get("/customers").await.text().contains(SHOWN));
    until("the other one forgets it", async || {
        (!there.get("/areas").await.text().contains(SHOWN)).then_some(())
    })
    .await;
}
