//! Ids of another provider's rows on pages: in the path of every page, and in the body of every form that takes one.
//!
//! The registry says which forms there are; which of their fields take ids is written down here, form by form, and a form of which it is
//! not fails the test. One id is foreign at a time and all others are the asking provider's own. A page refuses by 404, by its form
//! shown again (422), or by leading back with a message of error; and it says that there is no such thing, so that it was refused for
//! that and nothing else. Afterwards both providers' rows are what they were.

use reqwest::Method;
use serde_json::json;

use crate::{
    foreign_ids::{Ids, furnished, ids_of, own_passkey},
    harness::{Answer, Api, Browser, Tenant, between, text},
    isolation_http::rows_of,
    refusals::{Registered, registry},
};

/// Which collection the ids of a page's path are of, by what the path begins with; the longer first.
const PATHS: &[(&str, &str)] = &[
    ("/settings/invoices/", "settings/invoices"),
    ("/account/passkeys/", "me/passkeys"),
    ("/customers/imports/", "customers/imports"),
    ("/customers/", "customers"),
    ("/areas/", "areas"),
    ("/contacts/imports/", "contact-imports"),
    ("/contacts/conflicts/", "contact-conflicts"),
    ("/contacts/", "contacts"),
    ("/messages/hooks/", "hook-calls"),
    ("/messages/", "messages"),
    ("/campaigns/", "campaigns"),
    ("/deliveries/", "deliveries"),
    ("/erasures/", "erasures"),
    ("/groups/", "contact-groups"),
    ("/suppressions/", "suppressions"),
    ("/plant/lcps/", "lcps"),
    ("/plant/splitters/", "splitters"),
    ("/plant/naps/", "naps"),
    ("/tickets/replies/", "canned-replies"),
    ("/tickets/", "tickets"),
    ("/outages/", "outages"),
    ("/routers/", "routers"),
    ("/installations/", "installations"),
    ("/visits/", "visits"),
    ("/plans/", "plans"),
    ("/subscriptions/", "subscriptions"),
    ("/payments/", "payments"),
    ("/shifts/", "shifts"),
    ("/receipts/", "receipts"),
    ("/reports/schedules/", "report-schedules"),
    ("/reports/files/", "report-files"),
    ("/staff/", "staff"),
    ("/roles/", "roles"),
    ("/settings/channels/", "message-accounts"),
    ("/settings/domains/", "domains"),
    // The library is everybody's, and no provider's id is one of it.
    ("/templates/library/", "templates"),
    ("/templates/", "templates"),
    ("/account/sessions/", "sessions"),
    ("/settings/support/", "grants"),
    ("/settings/takeouts/", "takeouts"),
    ("/api-keys/", "api-keys"),
    ("/my/receipts/", "receipts"),
    ("/my/tickets/", "tickets"),
];

/// Pages whose path has a name or a moment in it, and no id.
const NAMELESS: &[&str] =
    &["/a/:token", "/u/:token", "/receipts/verify/:code", "/reports/:name/export", "/customers/undo/:at"];

/// A form, a field of it that takes ids, the collection that they are of, how such an id is written, and what goes with it: `{areas}` is
/// an own id of that collection, `{foreign}` the foreign one.
struct Place(&'static str, &'static str, &'static str, &'static str);

const CAMPAIGN: &str = "name=Foreign&channel=sms&template={templates}";

const FORMS: &[Place] = &[
    Place("/templates/preview", "template", "templates", "channel=sms&language=en&text=Hi"),
    Place("/notices/read", "newest", "notices", ""),
    Place("/customers", "area_id", "areas", "first_name=Ana&last_name=Cruz"),
    Place("/customers/:id", "area_id", "areas", "first_name=Ana&last_name=Cruz&status=active"),
    Place("/customers/bulk", "ids", "customers", "action=set_status&status=suspended"),
    Place("/customers/bulk", "ids", "customers", "action=set_status&status=suspended&ids={customers}"),
    Place("/customers/bulk", "ids", "customers", "action=delete"),
    Place("/customers/bulk", "area_id", "areas", "action=set_area&ids={customers}"),
    Place("/customers/merge/chosen", "ids", "customers", "ids={customers}"),
    Place("/customers/merge", "ids", "customers", "ids={customers}&survivor={customers}"),
    Place("/customers/merge", "ids", "customers", "ids={customers}&survivor={foreign}"),
    Place("/plant/lcps", "area_id", "areas", "code=LCP-777&name=Walk"),
    Place("/plant/lcps/:id", "area_id", "areas", "code=LCP-777&name=Walk"),
    Place("/plant/splitters", "hangs_on=lcp:", "lcps", "code=SP-777&type=1:4"),
    Place("/plant/splitters", "hangs_on=splitter:", "splitters", "code=SP-777&type=1:4&parent_output=7"),
    Place("/plant/splitters/:id/move", "hangs_on=lcp:", "lcps", ""),
    Place("/plant/splitters/:id/move", "hangs_on=splitter:", "splitters", "parent_output=7"),
    Place(
        "/plant/naps",
        "splitter_id",
        "splitters",
        "code=NAP-777&name=Walk&splitter_output=7&port_capacity=8",
    ),
    Place("/plant/naps/:id/move", "splitter_id", "splitters", "splitter_output=7"),
    Place("/plant/naps/:id/ports/:number", "customer", "customers", "state=reserved&days=7"),
    Place(
        "/tickets",
        "customer",
        "customers",
        "title=Dark&category=no_connection&priority=medium&source=phone",
    ),
    Place(
        "/tickets",
        "installation_id",
        "installations",
        "customer={customers}&title=Dark&category=no_connection&priority=medium&source=phone",
    ),
    Place(
        "/tickets",
        "assigned_to",
        "staff",
        "customer={customers}&title=Dark&category=no_connection&priority=medium&source=phone",
    ),
    Place(
        "/tickets/:id",
        "installation_id",
        "installations",
        "title=Dark&category=no_connection&priority=medium&source=phone",
    ),
    Place("/tickets/:id/status", "assigned_to", "staff", "status=assigned"),
    Place("/tickets/:id/assign", "assigned_to", "staff", ""),
    Place("/tickets/:id/merge", "from", "tickets", ""),
    Place("/erasures", "customer_id", "customers", "reason=Asked"),
    Place("/erasures", "contact_id", "contacts", "reason=Asked"),
    Place("/outages", "node_id", "naps", "node_kind=nap&cause=power"),
    Place("/outages", "node_id", "splitters", "node_kind=splitter&cause=power"),
    Place("/outages", "node_id", "lcps", "node_kind=lcp&cause=power"),
    Place("/outages/:id/extensions", "ids", "installations", "decision=decline"),
    Place("/installations", "customer_id", "customers", ""),
    Place("/installations", "technician_id", "staff", "customer_id={customers}"),
    Place("/installations", "area_id", "areas", "customer_id={customers}"),
    Place("/installations", "nap_id", "naps", "customer_id={customers}&nap_port=7"),
    Place("/installations", "router", "routers", "customer_id={customers}"),
    Place("/installations/:id", "technician_id", "staff", "installed_on=2024-01-01"),
    Place("/installations/:id", "area_id", "areas", "installed_on=2024-01-01"),
    Place("/installations/:id/port", "nap_id", "naps", "nap_port=7"),
    Place("/installations/:id/router", "router", "routers", ""),
    Place("/visits", "customer_id", "customers", "kind=repair&day=2031-01-02&time=09:00&minutes=60"),
    Place(
        "/visits",
        "installation_id",
        "installations",
        "customer_id={customers}&kind=repair&day=2031-01-02&time=09:00&minutes=60",
    ),
    Place(
        "/visits",
        "ticket_id",
        "tickets",
        "customer_id={customers}&kind=repair&day=2031-01-02&time=09:00&minutes=60",
    ),
    Place(
        "/visits",
        "technician_id",
        "staff",
        "customer_id={customers}&kind=repair&day=2031-01-02&time=09:00&minutes=60",
    ),
    Place("/visits/:id", "technician_id", "staff", "kind=repair&day=2031-01-02&time=09:00&minutes=60"),
    Place("/subscriptions", "installation", "installations", "plan={plans}&kind=one_month"),
    Place("/subscriptions", "plan", "plans", "installation={installations}&kind=one_month"),
    Place("/subscriptions/:id/change", "plan", "plans", ""),
    Place("/collect", "customer", "customers", "pay_amount=10&pay_method=cash"),
    Place("/reports/schedules", "area_id", "areas", "report=monthly-revenue&format=csv&every=day&at_hour=7"),
    Place(
        "/reports/schedules/:id",
        "area_id",
        "areas",
        "report=monthly-revenue&format=csv&every=day&at_hour=7",
    ),
    Place("/contacts", "group_ids", "contact-groups", "name=Walk"),
    Place("/contacts/:id", "group_ids", "contact-groups", "name=Walk"),
    Place("/contacts/bulk", "ids", "contacts", "action=add_tag&tag=walked"),
    Place("/contacts/bulk", "ids", "contacts", "action=delete&ids={contacts}"),
    Place("/contacts/bulk", "group_id", "contact-groups", "action=add_to_group&ids={contacts}"),
    Place("/contacts/imports/:id", "group_id", "contact-groups", "column_0=name&column_1=sms&step=run"),
    Place("/messages", "contact", "contacts", "act=send&channel=sms&text=Hi&addresses=%2B639171234567"),
    Place("/messages", "customer", "customers", "act=send&channel=sms&text=Hi&addresses=%2B639171234567"),
    Place("/messages", "group", "contact-groups", "act=send&channel=sms&text=Hi&addresses=%2B639171234567"),
    Place("/messages", "segment=area:", "areas", "act=send&channel=sms&text=Hi&addresses=%2B639171234567"),
    Place("/messages", "template", "templates", "act=send&channel=sms&addresses=%2B639171234567"),
    Place(
        "/messages",
        "attachment",
        "attachments",
        "act=send&channel=email&subject=Hi&text=Hi&addresses=a%40example.com",
    ),
    Place("/campaigns", "template", "templates", "name=Foreign&channel=sms"),
    Place("/campaigns", "attachment", "attachments", CAMPAIGN),
    Place("/campaigns/:id", "attachment", "attachments", CAMPAIGN),
    Place("/campaigns", "group", "contact-groups", CAMPAIGN),
    Place("/campaigns", "list", "recipient-lists", CAMPAIGN),
    Place("/campaigns", "segment=area:", "areas", CAMPAIGN),
    Place("/campaigns", "kept_segment=area:", "areas", CAMPAIGN),
    Place("/campaigns/:id", "template", "templates", "name=Foreign&channel=sms"),
    Place("/campaigns/:id", "group", "contact-groups", CAMPAIGN),
    Place("/campaigns/:id", "list", "recipient-lists", CAMPAIGN),
    Place("/campaigns/:id", "segment=area:", "areas", CAMPAIGN),
    Place("/campaigns/:id", "kept_segment=area:", "areas", CAMPAIGN),
    Place("/staff", "roles", "roles", "name=No Body&email=nobody@walk.example"),
    Place("/staff/:id", "roles", "roles", "name=No Body&email=nobody@walk.example"),
    Place(
        "/settings/machine-clients",
        "role_id",
        "roles",
        "issuer=https://id.walk.example&audience=x&algorithms=RS256&role_claim=roles&value=x",
    ),
    Place("/settings/sso", "default_role_id", "roles", "preset=google&client_id=x&domains=walk.example"),
    Place("/staff/:id/ownership", "role_id", "roles", "current_password=lively+otter+paints+42+fences"),
];

/// Forms whose body names no row by its id.
const WITHOUT: &[&str] = &[
    "/hooks/:kind/:hook_id",
    "/messages/hooks/:id/replay",
    "/messages/:id/cancel",
    "/messages/:id/pause",
    "/messages/:id/resume",
    "/campaigns/:id/start",
    "/campaigns/:id/pause",
    "/campaigns/:id/resume",
    "/campaigns/:id/cancel",
    "/campaigns/:id/delete",
    "/messages/:id/retry",
    "/deliveries/:id/cancel",
    "/deliveries/:id/retry",
    "/account/avatar",
    "/account/avatar/remove",
    "/account/mfa/begin",
    "/account/mfa/confirm",
    "/account/mfa/off",
    "/account/mfa/recovery-codes",
    "/account/passkeys",
    "/account/passkeys/:id/remove",
    "/account/passkeys/:id/rename",
    "/account/passkeys/begin",
    "/account/password",
    "/account/profile",
    "/account/prove",
    "/account/prove/passkey",
    "/account/prove/passkey/begin",
    "/account/sessions/:id/end",
    "/account/sessions/end-others",
    "/api-keys",
    "/api-keys/:id",
    "/api-keys/:id/old-secret/end",
    "/api-keys/:id/revoke",
    "/api-keys/:id/rotate",
    "/areas",
    "/areas/:id",
    "/areas/:id/delete",
    "/contacts/:id/delete",
    "/contacts/conflicts/:id",
    "/contacts/import",
    "/contacts/imports/:id/cancel",
    "/customers/:id/credit",
    "/customers/:id/delete",
    "/customers/:id/payments",
    "/customers/:id/portal/end",
    "/customers/:id/portal/invite",
    "/customers/:id/restore",
    "/customers/:id/status",
    "/customers/import",
    "/customers/imports/:id/cancel",
    "/customers/imports/:id/mapping",
    "/customers/imports/:id/run",
    "/customers/undo/:at",
    "/dashboard/checklist/dismiss",
    "/erasures/search",
    "/forgot",
    "/groups",
    "/groups/:id",
    "/groups/:id/delete",
    "/installations/:id/complete",
    "/installations/:id/resume",
    "/installations/:id/suspend",
    "/installations/:id/terminate",
    "/landing",
    "/my/forgot",
    "/my/join",
    "/my/password",
    "/my/profile",
    "/my/reset",
    "/my/sessions/end-others",
    "/my/sign-in",
    "/my/sign-out",
    "/my/tickets",
    "/my/tickets/:id/comments",
    "/outages/:id",
    "/outages/:id/confirm",
    "/outages/:id/dismiss",
    "/outages/:id/message",
    "/outages/:id/restore",
    "/payments/:id/refund",
    "/payments/:id/void",
    "/plans",
    "/plans/:id",
    "/plans/:id/delete",
    "/plant/lcps/:id/delete",
    "/plant/naps/:id",
    "/plant/naps/:id/delete",
    "/plant/splitters/:id",
    "/plant/splitters/:id/delete",
    "/reports/schedules/:id/delete",
    "/reset",
    "/reset/passkey",
    "/reset/passkey/begin",
    "/roles",
    "/roles/:id",
    "/roles/:id/copy",
    "/roles/:id/delete",
    "/roles/:id/disable",
    "/roles/:id/enable",
    "/roles/:id/mfa",
    "/routers",
    "/routers/:id",
    "/routers/:id/delete",
    "/routers/:id/state",
    "/routers/import",
    "/settings/billing",
    "/settings/branding",
    "/settings/branding/logo",
    "/settings/branding/logo/remove",
    "/settings/channels",
    "/settings/channels/:id",
    "/settings/channels/:id/credential",
    "/settings/channels/:id/delete",
    "/settings/channels/:id/move",
    "/settings/channels/:id/retry",
    "/settings/channels/:id/test",
    "/settings/company",
    "/settings/domains",
    "/settings/domains/:id/activate",
    "/settings/domains/:id/certificate",
    "/settings/domains/:id/check",
    "/settings/domains/:id/remove",
    "/settings/address",
    "/settings/invoices/credit",
    "/settings/messaging",
    "/settings/outages",
    "/settings/plant",
    "/shifts",
    "/shifts/:id/close",
    "/sign-in",
    "/sign-in/code",
    "/sign-in/code/passkey",
    "/sign-in/code/passkey/begin",
    "/sign-in/passkey",
    "/sign-in/passkey/begin",
    "/sign-out",
    "/staff/:id/disable",
    "/staff/:id/enable",
    "/staff/:id/invitation",
    "/staff/:id/invitation/revoke",
    "/staff/:id/mfa/remove",
    "/staff/:id/reset-link",
    "/staff/:id/sessions/:session/end",
    "/staff/:id/sessions/end",
    "/settings/plan",
    "/settings/support",
    "/settings/support/:id/end",
    "/settings/support/allowed",
    "/settings/retention",
    "/settings/sandbox",
    "/settings/sandbox/remove",
    "/settings/takeouts",
    "/settings/takeouts/:id/remove",
    "/staff/:id/sso/forget",
    "/subscriptions/:id/cancel",
    "/support/enter",
    "/support/leave",
    "/subscriptions/:id/pause",
    "/subscriptions/:id/resume",
    "/suppressions",
    "/suppressions/:id/lift",
    "/suppressions/import",
    "/templates/library/:id/take",
    "/templates",
    "/templates/:id",
    "/templates/:id/archive",
    "/templates/:id/decision",
    "/templates/:id/default",
    "/templates/:id/restore",
    "/templates/:id/submit",
    "/templates/:id/withdraw",
    "/templates/:id/words",
    "/templates/:id/words/delete",
    "/tickets/:id/comments",
    "/tickets/:id/files/:file/remove",
    "/tickets/replies",
    "/tickets/replies/:id",
    "/tickets/replies/:id/delete",
    "/u/:token",
    "/visits/:id/status",
];

/// How a refusal says that there is nothing of that id.
const NOBODYS: &[&str] = &[
    "There is no such",
    "This customer has no such installation",
    "is not hit by the outage",
    "No customer is found by",
    "No router has this",
];

fn collection(path: &str) -> &'static str {
    let known = PATHS.iter().find(|(start, _)| path.starts_with(start));
    known.unwrap_or_else(|| panic!("of which collection are the ids of {path}?")).1
}

fn first<'a>(ids: &'a Ids, collection: &str) -> &'a str {
    &ids.get(collection).unwrap_or_else(|| panic!("no row of {collection}"))[0]
}

/// The path with ids of these rows.
fn path_of(path: &str, ids: &Ids) -> String {
    let path = path.replace(":number", "7");
    let path = match path.split_once("/:session") {
        Some((before, after)) => format!("{before}/{}{after}", first(ids, "staff/{id}/sessions")),
        None => path,
    };
    let path = match path.split_once("/:file") {
        Some((before, after)) => {
            format!("{before}/{}{after}", first(ids, "tickets/{id}/attachments"))
        }
        None => path,
    };
    if path.contains(":id") { path.replace(":id", first(ids, collection(&path))) } else { path }
}

/// The form with own ids, and the foreign one in its place.
fn body_of(Place(_, field, of, with): &Place, own: &Ids, foreign: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = url::form_urlencoded::parse(with.as_bytes())
        .map(|(name, value)| {
            let value = match value.strip_prefix('{').and_then(|value| value.strip_suffix('}')) {
                Some("foreign") => foreign.to_owned(),
                Some(collection) => first(own, collection).to_owned(),
                None => value.into_owned(),
            };
            (name.into_owned(), value)
        })
        .collect();
    let (name, before) = field.split_once('=').unwrap_or((field, ""));
    assert!(!of.is_empty());
    fields.push((name.to_owned(), format!("{before}{foreign}")));
    fields
}

/// What a page says of a form that it did not take; None when it took it.
async fn refusal(browser: &mut Browser, answer: &Answer) -> Option<String> {
    match answer.status {
        404 | 422 => Some(answer.text()),
        303 => {
            let shown = browser.get(answer.header("location")).await;
            let alerts =
                between(&shown.text(), "<div id=\"alerts\"", "<div id=\"toasts\"").unwrap_or_default();
            (shown.status == 404)
                .then(|| shown.text())
                .or(Some(alerts).filter(|text| text.contains("toast-error")))
        }
        _ => None,
    }
}

async fn send(browser: &mut Browser, path: &str, fields: &[(String, String)]) -> Answer {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    browser.post(path, &fields).await
}

/// Asks for a page, or sends its form, with a foreign id in its path; what is wrong with the answer.
async fn knocked(browser: &mut Browser, route: &Registered, own: &Ids, foreign: &Ids) -> Option<String> {
    let path = path_of(&route.path, foreign);
    let said = if route.method == Method::GET {
        let answer = browser.get(&path).await;
        (answer.status == 404).then(|| answer.text())
    } else {
        let place = FORMS.iter().find(|place| place.0 == route.path);
        let body = place.map(|place| body_of(place, own, first(own, place.2))).unwrap_or_default();
        let answer = send(browser, &path, &body).await;
        refusal(browser, &answer).await
    };
    said.is_none().then(|| format!("{} with a foreign id in its path was answered", route.name()))
}

/// Sends a form with a foreign id in it; what is wrong with the answer.
async fn handed_in(browser: &mut Browser, place: &Place, own: &Ids, foreign: &str) -> Option<String> {
    let Place(form, field, of, _) = place;
    let answer = send(browser, &path_of(form, own), &body_of(place, own, foreign)).await;
    let said = refusal(browser, &answer).await.unwrap_or_default();
    if NOBODYS.iter().any(|words| said.contains(words)) {
        return None;
    }
    let said: String = said.chars().take(200).collect();
    let to = answer.header("location");
    Some(format!("{form} with a foreign {field} ({of}) answered {} {to} {said}", answer.status))
}

/// A stay of the owner that another one may end.
async fn another_stay(tenant: &Tenant) -> String {
    let mut elsewhere = tenant.browser().await;
    elsewhere.get("/account").await.expect_status(200);
    let stays = tenant.browser().await.get("/account").await.text();
    between(&stays, "/account/sessions/", "/end\"").unwrap()
}

/// A door that the owner has opened for the platform's support.
async fn open_grant(tenant: &Tenant) -> String {
    let mut owner = tenant.browser().await;
    owner.get("/settings/support").await.expect_status(200);
    owner.post("/settings/support/allowed", &[("allowed", "true")]).await.expect_status(303);
    let fields = [("kind", "read"), ("hours", "1"), ("reason", "Look")];
    owner.post("/settings/support", &fields).await.expect_status(303);
    between(&owner.get("/settings/support").await.text(), "/settings/support/", "/end").unwrap()
}

/// A ticket's number that this provider alone of two like it has given.
async fn own_number(api: &Api) -> String {
    let customer = &api.get("/api/v1/customers").await.expect(200)["items"][0]["id"];
    let complaint = json!({"customer_id": customer, "title": "Dark", "category": "billing"});
    let mut number = String::new();
    for _ in 0..3 {
        number = text(&api.post("/api/v1/tickets", complaint.clone()).await.expect(201), "/number");
    }
    number
}

#[tokio::test]
async fn it_is_known_of_every_form_which_ids_it_takes() {
    let routes = registry().await;
    let posts: Vec<&str> = routes
        .iter()
        .filter(|route| route.surface == "tenant" && route.method == Method::POST && !route.is_api())
        .map(|route| route.path.as_str())
        .collect();
    let is_known = |path: &str| FORMS.iter().any(|place| place.0 == path) || WITHOUT.contains(&path);
    let unknown: Vec<&&str> = posts.iter().filter(|path| !is_known(path)).collect();
    assert!(unknown.is_empty(), "which ids do these forms take? {unknown:?}");
    let known = FORMS.iter().map(|place| place.0).chain(WITHOUT.iter().copied());
    let gone: Vec<&str> = known.filter(|path| !posts.contains(path)).collect();
    assert!(gone.is_empty(), "no form any more: {gone:?}");
}

#[tokio::test]
async fn no_page_takes_an_id_of_another_provider() {
    let ((a, api), (b, theirs)) = tokio::join!(furnished(), furnished());
    let number = own_number(&theirs).await;
    let document = api.get("/api/openapi.json").await.expect(200);
    let (mut own, mut foreign) = (ids_of(&api, &document).await, ids_of(&theirs, &document).await);
    // The form of an owner has no roles in it.
    own.get_mut("staff").unwrap().retain(|id| *id != a.owner_id);
    foreign.insert("sessions".into(), vec![another_stay(&b).await]);
    foreign.insert("grants".into(), vec![open_grant(&b).await]);
    foreign.insert("me/passkeys".into(), vec![own_passkey(&b).await]);
    let mut staff = a.browser().await;
    staff.get("/").await.expect_status(200);
    // At the portal somebody asks who has a ticket and a receipt of her own.
    let payments = api.get("/api/v1/payments").await.expect(200);
    let mut customer = a.subscriber(&text(&payments, "/items/0/customer_id")).await;
    customer.get("/my").await.expect_status(200);
    let (mine, before) = (rows_of(&a).await, rows_of(&b).await);
    let (mut wrong, mut count) = (Vec::new(), 0);
    for route in registry().await.iter().filter(|route| route.surface == "tenant") {
        let has_id = route.path.contains(':') && !NAMELESS.contains(&route.path.as_str());
        if has_id && !route.is_api() && !route.is_open() {
            let browser = if route.authority == "subscriber" { &mut customer } else { &mut staff };
            wrong.extend(knocked(browser, route, &own, &foreign).await);
            count += 1;
        }
    }
    for place in FORMS {
        let is_number = place.0 == "/tickets/:id/merge";
        let id = if is_number { &number } else { first(&foreign, place.2) };
        wrong.extend(handed_in(&mut staff, place, &own, id).await);
        count += 1;
    }
    assert!(wrong.is_empty(), "of {count}:\n{}", wrong.join("\n"));
    assert!(count > 150, "only {count} were tried");
    assert_eq!(rows_of(&b).await, before, "the other provider's rows changed");
    assert_eq!(rows_of(&a).await, mine, "rows of the one who asked changed");
}
