//! The route registry walked: without a credential, with another tenant's, and with too little right, every route refuses.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Browser, PASSWORD, Tenant, program, shared, sql, tenant, text};

/// Routes that anyone may call, and why. The list may only shrink; what is not in it needs an authority.
const OPEN: &[(&str, &str)] = &[
    ("anywhere GET /livez", "a probe without data"),
    ("anywhere GET /readyz", "a probe without data"),
    ("anywhere GET /static/{path}", "the same files for everybody"),
    ("anywhere GET /.well-known/jwks.json", "public keys"),
    ("anywhere GET /.well-known/acme-challenge/{token}", "what an authority looks for, public by its nature"),
    ("anywhere GET /internal/tls-allowed", "programs of the same machine, and names only"),
    ("platform GET /", "the front page; it names no provider"),
    (
        "tenant GET /receipts/verify/:code",
        "whoever holds a receipt checks it; a code says nothing but that one receipt",
    ),
    ("platform GET /find", "people look for their provider's portal"),
    ("platform GET /pay/:token", "whoever knows the address may see the invoice and pay it"),
    ("platform POST /pay/:token", "whoever knows the address may see the invoice and pay it"),
    ("platform GET /pay/:token/invoice.pdf", "whoever knows the address may see the invoice and pay it"),
    (
        "platform POST /hooks/payments/:processor",
        "a payment processor calls; it proves itself by its signature",
    ),
    ("platform GET /signup", "whoever signs up has no account yet"),
    ("platform POST /signup", "whoever signs up has no account yet"),
    ("platform GET /signup/slug", "whoever signs up chooses an address"),
    ("platform POST /api/platform/v1/signups", "whoever signs up has no account yet"),
    ("platform GET /api/platform/v1/slugs/{slug}", "whoever signs up chooses an address"),
    ("platform GET /.well-known/jwks.json", "public keys"),
    ("platform GET /console/sign-in", "whoever signs in is not signed in yet"),
    ("platform POST /console/sign-in", "whoever signs in is not signed in yet"),
    ("platform GET /console/join", "the code is the credential"),
    ("platform POST /console/join", "the code is the credential"),
    ("platform GET /api/platform/openapi.json", "documentation"),
    ("platform GET /api/docs", "documentation"),
    ("platform GET /api/redoc", "documentation"),
    ("tenant GET /api/openapi.json", "documentation"),
    ("tenant GET /api/docs", "documentation"),
    ("tenant GET /api/redoc", "documentation"),
    ("tenant GET /.well-known/jwks.json", "public keys"),
    ("tenant_api GET /api/v1/version", "says nothing of anybody"),
    ("tenant_api POST /api/v1/auth/token", "whoever asks for a token has none yet"),
    ("tenant_api POST /api/v1/auth/refresh", "the refresh token is the credential"),
    ("tenant_api POST /api/v1/auth/revoke", "the refresh token is the credential"),
    ("tenant GET /sign-in", "whoever signs in is not signed in yet"),
    ("tenant POST /sign-in", "whoever signs in is not signed in yet"),
    ("tenant GET /sign-in/code", "whoever stands between password and code is not signed in yet"),
    ("tenant POST /sign-in/code", "whoever stands between password and code is not signed in yet"),
    ("tenant POST /sign-in/code/passkey", "whoever stands between password and code is not signed in yet"),
    (
        "tenant POST /sign-in/code/passkey/begin",
        "whoever stands between password and code is not signed in yet",
    ),
    ("tenant GET /sign-in/sso", "people sign in here"),
    ("tenant GET /sign-in/sso/callback", "people sign in here"),
    ("tenant POST /sign-in/passkey", "people sign in here"),
    ("tenant POST /sign-in/passkey/begin", "people sign in here"),
    ("tenant POST /reset/passkey", "the code is the credential"),
    ("tenant POST /reset/passkey/begin", "the code is the credential"),
    ("tenant GET /forgot", "whoever forgot cannot sign in"),
    ("tenant POST /forgot", "whoever forgot cannot sign in"),
    ("tenant GET /reset", "the code is the credential"),
    ("tenant POST /reset", "the code is the credential"),
    ("tenant GET /landing", "the code is the credential"),
    ("tenant POST /landing", "the code is the credential"),
    ("tenant GET /support/enter", "the code from the console is the credential, and looking uses nothing up"),
    ("tenant POST /support/enter", "the code from the console is the credential"),
    ("tenant GET /my/sign-in", "a customer who signs in is not signed in yet"),
    ("tenant POST /my/sign-in", "a customer who signs in is not signed in yet"),
    ("tenant GET /my/join", "the code is the credential"),
    ("tenant POST /my/join", "the code is the credential"),
    ("tenant GET /my/forgot", "whoever forgot cannot sign in"),
    ("tenant POST /my/forgot", "whoever forgot cannot sign in"),
    ("tenant GET /my/reset", "the code is the credential"),
    ("tenant POST /my/reset", "the code is the credential"),
    (
        "tenant GET /hooks/:kind/:hook_id",
        "a provider proves itself by its signature, or by knowing the address",
    ),
    (
        "tenant POST /hooks/:kind/:hook_id",
        "a provider proves itself by its signature, or by knowing the address",
    ),
    (
        "tenant GET /a/:token",
        "a provider fetches a file by the sealed link it was given; the token is the proof",
    ),
    ("tenant GET /u/:token", "whoever holds the link of a message leaves by it; looking changes nothing"),
    (
        "tenant POST /u/:token",
        "a mail program leaves for its reader without a session (RFC 8058); the token is the proof",
    ),
    ("tenant GET /branding.css", "the sign-in page shows the provider's colour"),
    ("tenant GET /logo", "the sign-in page shows the provider's logo"),
];

/// A route of the registry.
pub struct Registered {
    pub surface: String,
    pub method: Method,
    pub path: String,
    pub authority: Value,
}

impl Registered {
    pub fn name(&self) -> String {
        format!("{} {} {}", self.surface, self.method, self.path)
    }

    pub fn is_api(&self) -> bool {
        self.path.starts_with("/api/")
    }

    /// The platform's own pages; `platform_staff` walks them.
    pub fn is_console(&self) -> bool {
        self.authority.get("console").is_some()
    }

    pub fn is_open(&self) -> bool {
        self.authority.get("anyone").is_some() || self.authority == "loopback"
    }

    /// The path with an id that no row has in every place that takes one.
    pub fn filled(&self) -> String {
        self.path
            .split('/')
            .map(|part| {
                let takes_one = part.starts_with([':', '*']) || part.contains('{') || part.contains('<');
                let ending = part
                    .rsplit_once('.')
                    .filter(|_| takes_one)
                    .map_or(String::new(), |(_, e)| format!(".{e}"));
                if takes_one {
                    format!("01890000-0000-7000-8000-000000000000{ending}")
                } else {
                    part.to_owned()
                }
            })
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// What `lastmile routes` says.
pub async fn registry() -> Vec<Registered> {
    let server = shared().await;
    let output = program(&server.database, server.folder.path()).arg("routes").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(listed.len() > 40, "the registry is nearly empty");
    listed
        .iter()
        .map(|route| Registered {
            surface: text(route, "/surface"),
            method: text(route, "/method").parse().unwrap(),
            path: text(route, "/path"),
            authority: route["authority"].clone(),
        })
        .collect()
}

#[tokio::test]
async fn every_route_has_an_authority_or_a_reason() {
    let open: BTreeSet<String> =
        registry().await.iter().filter(|r| r.is_open()).map(Registered::name).collect();
    let known: BTreeMap<&str, &str> = OPEN.iter().copied().collect();
    let unexplained: Vec<&String> = open.iter().filter(|name| !known.contains_key(name.as_str())).collect();
    assert!(unexplained.is_empty(), "open to anyone, and nobody said why: {unexplained:?}");
    let closed: Vec<&&str> = known.keys().filter(|name| !open.contains(**name)).collect();
    assert!(closed.is_empty(), "no longer open: take them out of the list: {closed:?}");
}

/// Sends a route what it takes: an empty form, or an empty object.
pub async fn ask(api: &Api, route: &Registered) -> Answer {
    let (kind, body) = match (route.is_api(), &route.method) {
        (_, &Method::GET | &Method::DELETE | &Method::HEAD) => (None, Vec::new()),
        (true, _) => (Some("application/json"), b"{}".to_vec()),
        (false, _) => (Some("application/x-www-form-urlencoded"), Vec::new()),
    };
    api.send(route.method.clone(), &route.filled(), kind, body).await
}

/// Whether a page sent the caller away to sign in.
pub fn is_sent_to_sign_in(answer: &Answer) -> bool {
    answer.status == 401
        || (answer.status == 303 && answer.header("location").starts_with("/my/sign-in"))
        || (matches!(answer.status, 302 | 303) && answer.header("location").starts_with("/sign-in"))
        || answer.header("hx-redirect").starts_with("/sign-in")
}

#[tokio::test]
async fn without_a_credential_every_route_refuses() {
    let acme = tenant().await;
    let origin = format!("https://{}", acme.host);
    let mut served = Vec::new();
    for route in registry().await.iter().filter(|route| !route.is_open() && !route.is_console()) {
        let answer = ask(&acme.anonymous().header("origin", &origin), route).await;
        let refused = if route.is_api() { answer.status == 401 } else { is_sent_to_sign_in(&answer) };
        // A form's token is asked for before the page's right is looked at.
        let token_missing = route.method == Method::POST && !route.is_api() && answer.status == 403;
        if !refused && !token_missing {
            served.push(format!("{} answered {}", route.name(), answer.status));
        }
    }
    assert!(served.is_empty(), "{served:#?}");
}

#[tokio::test]
async fn with_another_tenants_credential_every_route_refuses() {
    let (acme, other) = (tenant().await, tenant().await);
    let foreign = other.api_token().await;
    let mut foreign_browser = other.browser().await;
    let mut at_acme = Browser::new(acme.server.address, &acme.host);
    at_acme.cookies = std::mem::take(&mut foreign_browser.cookies);
    let mut served = Vec::new();
    for route in registry().await.iter().filter(|route| !route.is_open() && !route.is_console()) {
        let answer = if route.is_api() {
            ask(&acme.anonymous().bearer(&foreign), route).await
        } else {
            let api = at_acme.with_cookies().header("origin", &at_acme.origin);
            ask(&api.header("x-csrf-token", &foreign_browser.csrf), route).await
        };
        let refused = answer.status == 401
            || (!route.is_api() && (is_sent_to_sign_in(&answer) || matches!(answer.status, 403 | 404)));
        if !refused {
            served.push(format!("{} answered {}", route.name(), answer.status));
        }
    }
    assert!(served.is_empty(), "{served:#?}");
}

#[tokio::test]
async fn with_too_little_right_every_route_refuses() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let role = owner.post("/api/v1/roles", json!({"name": "Nothing", "permissions": []})).await.expect(201);
    let email = format!("nobody@{}.example", acme.slug);
    let new = json!({"name": "No Body", "email": email, "role_ids": [role["id"]], "send_mail": false});
    owner.post("/api/v1/staff", new).await.expect(201);
    acme.give_owners_password(&email).await;
    let api = acme.api_as(&email, PASSWORD).await;
    let mut browser = acme.browser_as(&email, PASSWORD).await;
    browser.get("/account").await;
    let mut served = Vec::new();
    for route in registry().await.iter().filter(|route| !route.is_open() && !route.is_console()) {
        let answer = if route.is_api() {
            ask(&api, route).await
        } else {
            let api = browser.with_cookies().header("origin", &browser.origin);
            ask(&api.header("x-csrf-token", &browser.csrf), route).await
        };
        // Whoever is signed in may look; everything else needs a right that this person lacks.
        let is_for_all = route.authority == "signed_in";
        let fine = match route.authority.as_str() {
            Some("signed_in") => answer.status != 401 && answer.status < 500,
            // Whatever staff hold, the subscribers' portal does not know them.
            Some("subscriber") => is_sent_to_sign_in(&answer),
            _ => answer.status == 403,
        };
        // Signing out is for all, and would end the walk.
        if is_for_all && is_sent_to_sign_in(&answer) {
            browser = acme.browser_as(&email, PASSWORD).await;
            browser.get("/account").await;
            continue;
        }
        if !fine {
            served.push(format!("{} ({}) answered {}", route.name(), route.authority, answer.status));
        }
    }
    assert!(served.is_empty(), "{served:#?}");
}

#[tokio::test]
async fn a_subscribers_credential_opens_nothing_of_staff_and_nothing_elsewhere() {
    let (acme, other) = (tenant().await, tenant().await);
    let api = acme.api().await;
    let new =
        json!({"first_name": "Ana", "last_name": "Cruz", "email": format!("ana@{}.example", acme.slug)});
    let customer = text(&api.post("/api/v1/customers", new).await.expect(201), "/id");
    let mut browser = acme.subscriber(&customer).await;
    browser.get("/my").await.expect_status(200);
    let token = browser.cookies.iter().find(|(name, _)| name.ends_with("lm_my")).unwrap().1.clone();
    // The same token in the cookie of staff is none of theirs either.
    browser.cookies.insert("__Host-lm_session".into(), token.clone());
    let mut elsewhere = Browser::new(other.server.address, &other.host);
    elsewhere.cookies = browser.cookies.clone();
    let mut served = Vec::new();
    for route in registry().await.iter().filter(|route| !route.is_open() && !route.is_console()) {
        let is_ours = route.authority == "subscriber";
        let answer = if route.is_api() {
            ask(&acme.anonymous().bearer(&token), route).await
        } else {
            let at = if is_ours { &elsewhere } else { &browser };
            let api = at.with_cookies().header("origin", &at.origin);
            ask(&api.header("x-csrf-token", &browser.csrf), route).await
        };
        if !is_sent_to_sign_in(&answer) {
            served.push(format!("{} ({}) answered {}", route.name(), route.authority, answer.status));
        }
    }
    assert!(served.is_empty(), "{served:#?}");
    browser.get("/my").await.expect_status(200);
}

impl Tenant {
    async fn api_token(&self) -> String {
        let asked = json!({"email": self.owner_email, "password": PASSWORD});
        text(&self.anonymous().post("/api/v1/auth/token", asked).await.expect(200), "/access_token")
    }

    /// Copies the owner's password, hash and all, behind the scenes.
    pub async fn give_owners_password(&self, email: &str) {
        let schema = self.schema().await;
        let changed = sql(&self.server.database)
            .await
            .execute(
                &format!(
                    "UPDATE {schema}.staff SET password_hash = (SELECT password_hash FROM {schema}.staff WHERE email = $1) WHERE email = $2"
                ),
                &[&self.owner_email, &email],
            )
            .await
            .unwrap();
        assert_eq!(changed, 1);
    }
}
