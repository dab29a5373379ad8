//! Machine clients with tokens of an outside issuer that speaks real HTTP: who comes in, as what, and what does not count.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::{
    access_tokens::events,
    harness::{
        Answer, Api, Settings, Tenant,
        issuer::{Issuer, Key},
        sql, tenant, text,
    },
};

const SETTINGS: &str = "/api/v1/settings/machine-clients";
const ME: &str = "/api/v1/me";
const AUDIENCE: &str = "lastmile-machines";

/// A provider that believes an issuer, and the role that `clerk` stands for there.
struct Scene {
    acme: Tenant,
    issuer: Issuer,
    role: String,
}

impl Scene {
    async fn set() -> Self {
        let (acme, issuer) = (tenant().await, Issuer::start().await);
        let role = json!({"name": "Robots", "permissions": ["staff.view", "areas.view", "areas.create"]});
        let role = text(&acme.api().await.post("/api/v1/roles", role).await.expect(201), "/id");
        let scene = Self { acme, issuer, role };
        scene.put(json!({})).await.expect(200);
        scene
    }

    fn body(&self, more: Value) -> Value {
        let mut body = json!({
            "is_on": true, "issuer": self.issuer.name, "audience": AUDIENCE, "algorithms": ["RS256", "ES256"],
            "role_claim": "roles", "roles": [{"value": "clerk", "role_id": self.role}],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    async fn put(&self, more: Value) -> Answer {
        self.acme.api().await.json(reqwest::Method::PUT, SETTINGS, self.body(more)).await
    }

    fn claims(&self) -> Value {
        let now = chrono::Utc::now().timestamp();
        json!({
            "iss": self.issuer.name, "aud": AUDIENCE, "sub": "billing-robot", "iat": now, "exp": now + 300,
            "tenant_unique_id": self.acme.id, "roles": ["clerk"],
        })
    }

    /// A token with these claims in the place of the right ones; null takes one away.
    fn token(&self, more: Value) -> String {
        signed(&self.issuer.key, Algorithm::RS256, &self.but(more))
    }

    fn but(&self, more: Value) -> Value {
        let mut claims = self.claims();
        for (name, value) in more.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    fn with(&self, token: &str) -> Api {
        self.acme.anonymous().bearer(token)
    }

    fn client(&self, more: Value) -> Api {
        self.with(&self.token(more))
    }
}

fn signed(key: &Key, algorithm: Algorithm, claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.kid = Some(key.kid.clone());
    encode(&header, claims, &key.encoding).unwrap()
}

fn part(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

#[tokio::test]
async fn a_program_may_what_the_roles_hold_that_its_token_s_values_stand_for() {
    let scene = Scene::set().await;
    let robot = scene.client(json!({}));
    let me = robot.get(ME).await.expect(200);
    assert_eq!(
        (&me["kind"], &me["is_owner"], &me["email"]),
        (&json!("machine"), &json!(false), &Value::Null)
    );
    let mut held: Vec<&str> =
        me["permissions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    held.sort_unstable();
    assert_eq!(held, ["areas.create", "areas.view", "staff.view"]);
    robot.get("/api/v1/staff").await.expect(200);
    robot.get("/api/v1/roles").await.refused(403, "forbidden");
    robot.get(SETTINGS).await.refused(403, "forbidden");
    // By its slug, on the API host, with several audiences, and with the values as words or below a path.
    let by_header = scene.acme.server.api_host().header("x-tenant-id", &scene.acme.slug);
    by_header
        .bearer(&scene.token(json!({"tenant_unique_id": scene.acme.slug})))
        .get("/api/v1/staff")
        .await
        .expect(200);
    scene
        .client(json!({"aud": ["another", AUDIENCE], "roles": "cook clerk"}))
        .get("/api/v1/staff")
        .await
        .expect(200);
    // A right is never the token's own word, nor is a role's name or id one.
    for roles in [
        json!(["Owner"]),
        json!(["Robots"]),
        json!([scene.role]),
        json!(["staff.view"]),
        json!([]),
        json!({"clerk": true}),
        Value::Null,
    ] {
        let more = json!({"roles": roles, "is_owner": true, "permissions": ["staff.view"], "scope": "clerk"});
        scene.client(more).get("/api/v1/staff").await.refused(403, "forbidden");
    }
    // What it does is told with issuer and subject.
    robot.post("/api/v1/areas", json!({"name": "North"})).await.expect(201);
    let trail = scene.acme.api().await.get("/api/v1/audit-events").await.expect(200);
    let made =
        trail["items"].as_array().unwrap().iter().find(|event| event["action"] == "area.created").unwrap();
    let label = format!("billing-robot ({})", scene.issuer.name);
    assert_eq!(
        (&made["actor_kind"], made["actor"].as_str().or(made["actor_label"].as_str())),
        (&json!("machine"), Some(label.as_str()))
    );
    assert_eq!(made["actor_id"], me["id"]);
    let other = scene.client(json!({"sub": "another"})).get(ME).await.expect(200);
    assert_ne!(other["id"], me["id"]);
    let page = scene.acme.browser().await.get("/audit").await.text();
    assert!(page.contains("machine client"), "{page}");
}

#[tokio::test]
async fn what_changes_here_counts_at_once_whatever_the_token_says() {
    let scene = Scene::set().await;
    let owner = scene.acme.api().await;
    let robot = scene.client(json!({}));
    let staff = async || robot.get("/api/v1/staff").await;
    let role = format!("/api/v1/roles/{}", scene.role);
    staff().await.expect(200);
    owner.patch(&role, json!({"permissions": ["areas.view"]})).await.expect(200);
    staff().await.refused(403, "forbidden");
    owner.patch(&role, json!({"permissions": ["staff.view"]})).await.expect(200);
    staff().await.expect(200);
    owner.patch(&role, json!({"is_active": false})).await.expect(200);
    staff().await.refused(403, "forbidden");
    owner.patch(&role, json!({"is_active": true, "requires_mfa": true})).await.expect(200);
    staff().await.refused(403, "forbidden");
    owner.patch(&role, json!({"requires_mfa": false})).await.expect(200);
    staff().await.expect(200);
    scene.put(json!({"roles": []})).await.expect(200);
    staff().await.refused(403, "forbidden");
    scene.put(json!({})).await.expect(200);
    staff().await.expect(200);
    scene.put(json!({"audience": "another"})).await.expect(200);
    staff().await.refused(401, "token_audience_wrong");
    scene.put(json!({"is_on": false})).await.expect(200);
    staff().await.refused(401, "bad_credential");
    assert_eq!(events(&scene.acme, "machine_issuer.changed").await, 5);
}

#[tokio::test]
async fn what_does_not_count_is_refused_with_a_code_that_says_why() {
    let scene = Scene::set().await;
    let now = chrono::Utc::now().timestamp();
    for (more, code) in [
        (json!({"exp": (now + 300).to_string()}), "token_time_invalid"),
        (json!({"exp": null}), "token_exp_missing"),
        (json!({"exp": now - 120}), "token_expired"),
        (json!({"exp": -5}), "token_time_invalid"),
        (json!({"exp": true}), "token_time_invalid"),
        (json!({"nbf": now + 600}), "token_not_yet_valid"),
        (json!({"nbf": (now - 600).to_string()}), "token_time_invalid"),
        (json!({"iat": now + 600}), "token_not_yet_valid"),
        (json!({"aud": "another"}), "token_audience_wrong"),
        (json!({"aud": null}), "token_audience_wrong"),
        (json!({"iss": "https://evil.example"}), "token_issuer_wrong"),
        (json!({"iss": [scene.issuer.name, "https://evil.example"]}), "token_issuer_wrong"),
        (json!({"iss": null}), "token_issuer_wrong"),
        (json!({"sub": null}), "token_subject_missing"),
        (json!({"sub": " "}), "token_subject_missing"),
        (json!({"sub": "a\nb"}), "token_subject_missing"),
        (json!({"tenant_unique_id": null}), "token_tenant_wrong"),
        (json!({"tenant_unique_id": [scene.acme.id]}), "token_tenant_wrong"),
        (json!({"tenant_unique_id": ""}), "token_tenant_wrong"),
        (json!({"padding": "x".repeat(8_192)}), "token_too_large"),
    ] {
        scene.client(more.clone()).get(ME).await.refused(401, code);
    }
    scene.client(json!({"nbf": now - 10, "padding": "x".repeat(4_000)})).get(ME).await.expect(200);

    let claims = scene.claims();
    let none = format!("{}.{}.", part(&json!({"alg": "none", "kid": "first"})), part(&claims));
    scene.with(&none).get(ME).await.refused(401, "token_alg_refused");
    let mut head = Header::new(Algorithm::HS256);
    head.kid = Some("first".into());
    for secret in [scene.issuer.key.modulus().to_vec(), scene.issuer.key.jwk().to_string().into_bytes()] {
        let hmac = encode(&head, &claims, &EncodingKey::from_secret(&secret)).unwrap();
        scene.with(&hmac).get(ME).await.refused(401, "token_alg_refused");
    }
    // One algorithm for a key: its own.
    let odd =
        format!("{}.{}.{}", part(&json!({"alg": "ES256", "kid": "first"})), part(&claims), "A".repeat(86));
    scene.with(&odd).get(ME).await.refused(401, "token_alg_refused");
    let thief = Key::new("first");
    scene
        .with(&signed(&thief, Algorithm::RS256, &claims))
        .get(ME)
        .await
        .refused(401, "token_signature_wrong");
    let changed = {
        let good = scene.token(json!({}));
        let mut parts: Vec<&str> = good.split('.').collect();
        let more = part(&scene.but(json!({"sub": "somebody-else"})));
        parts[1] = &more;
        parts.join(".")
    };
    scene.with(&changed).get(ME).await.refused(401, "token_signature_wrong");
    let critical =
        format!("{}.{}.x", part(&json!({"alg": "RS256", "kid": "first", "crit": ["b64"]})), part(&claims));
    scene.with(&critical).get(ME).await.refused(401, "token_malformed");
    for token in ["x", "a.b.c", "..", &format!("{}.x.y", part(&json!({"alg": 7})))] {
        scene.with(token).get(ME).await.refused(401, "bad_credential");
    }
}

#[tokio::test]
async fn addresses_and_keys_in_a_token_s_head_are_nothing() {
    let scene = Scene::set().await;
    let evil = Issuer::start().await;
    let mut head = Header::new(Algorithm::RS256);
    head.kid = Some("first".into());
    head.jku = Some(format!("{}/jwks", evil.name));
    head.x5u = Some(format!("{}/cert", evil.name));
    head.jwk = Some(serde_json::from_value(evil.key.jwk()).unwrap());
    let forged = encode(&head, &scene.claims(), &evil.key.encoding).unwrap();
    scene.with(&forged).get(ME).await.refused(401, "token_signature_wrong");
    head.kid = Some("evil".into());
    let forged = encode(&head, &scene.claims(), &evil.key.encoding).unwrap();
    scene.with(&forged).get(ME).await.refused(401, "token_key_unknown");
    head.kid = Some("first".into());
    let honest = encode(&head, &scene.claims(), &scene.issuer.key.encoding).unwrap();
    scene.with(&honest).get(ME).await.expect(200);
    assert_eq!(evil.keys_asked(), 0);
}

#[tokio::test]
async fn a_token_for_one_provider_opens_nothing_at_another() {
    let (scene, other) = (Scene::set().await, Scene::set().await);
    // Both believe the same issuer, for the same audience.
    let same = json!({"issuer": scene.issuer.name});
    other.put(same).await.expect(200);
    let token = scene.token(json!({}));
    scene.with(&token).get("/api/v1/staff").await.expect(200);
    other.with(&token).get(ME).await.refused(401, "token_tenant_wrong");
    let at_other = scene.acme.server.api_host().header("x-tenant-id", &other.acme.slug);
    at_other.bearer(&token).get(ME).await.refused(401, "token_tenant_wrong");
    // Whoever has named no issuer knows no such tokens.
    let nobody = tenant().await;
    nobody.anonymous().bearer(&token).get(ME).await.refused(401, "bad_credential");
    let own = scene.token(json!({"tenant_unique_id": nobody.id}));
    nobody.anonymous().bearer(&own).get(ME).await.refused(401, "bad_credential");
}

#[tokio::test]
async fn made_up_names_of_keys_cost_nothing_and_a_dead_issuer_s_keys_go_on() {
    let scene = Scene::set().await;
    scene.client(json!({})).get(ME).await.expect(200);
    let asked = scene.issuer.keys_asked();
    let unknown = Key::new("rotated");
    for n in 0..5 {
        let token = signed(&unknown, Algorithm::RS256, &scene.but(json!({"jti": n})));
        scene.with(&token).get(ME).await.refused(401, "token_key_unknown");
    }
    assert_eq!(scene.issuer.keys_asked(), asked, "asked once a minute at most");
    // ES256, by an address of its own.
    let elliptic = Arc::new(Key::elliptic("curved"));
    scene.issuer.signs_with(elliptic.clone(), true);
    scene.put(json!({"jwks_url": format!("{}/jwks", scene.issuer.name)})).await.expect(200);
    let token = signed(&elliptic, Algorithm::ES256, &scene.claims());
    scene.with(&token).get(ME).await.expect(200);
    scene
        .put(json!({"jwks_url": format!("{}/jwks", scene.issuer.name), "algorithms": ["RS256"]}))
        .await
        .expect(200);
    scene.with(&token).get(ME).await.refused(401, "token_alg_refused");
    scene.issuer.dies();
    scene.client(json!({"sub": "later"})).get(ME).await.expect(200);
    // A process that has never heard its keys can believe nobody, and says so.
    let late = scene.acme.server.sibling(Settings::default()).at(&scene.acme.host);
    late.bearer(&scene.token(json!({}))).get(ME).await.refused(503, "issuer_unreachable");
    let wrong = scene.put(json!({"jwks_url": format!("{}/keys", scene.issuer.name)})).await;
    assert_eq!(wrong.wrong_fields(), ["jwks_url"]);
}

#[tokio::test]
async fn owners_decide_with_a_fresh_proof_and_wrong_fields_are_named() {
    let scene = Scene::set().await;
    let kim = scene.acme.person(&["settings.manage", "roles.manage"]).await;
    let kim = scene.acme.api_of(&kim).await;
    kim.get(SETTINGS).await.refused(403, "forbidden");
    kim.json(reqwest::Method::PUT, SETTINGS, scene.body(json!({}))).await.refused(403, "forbidden");
    let shown = scene.acme.api().await.get(SETTINGS).await.expect(200);
    assert_eq!((&shown["tenant_claim"], &shown["jwks_url"]), (&json!("tenant_unique_id"), &Value::Null));
    assert_eq!(shown["roles"][0]["role_name"], "Robots");
    let wrong = scene
        .put(json!({
            "issuer": "nowhere", "audience": " ", "algorithms": ["HS256"], "jwks_url": "x", "role_claim": " ",
            "roles": [{"value": " ", "role_id": scene.role}],
        }))
        .await;
    for field in ["issuer", "audience", "algorithms", "jwks_url", "role_claim"] {
        assert!(wrong.wrong_fields().iter().any(|one| one == field), "{field}: {}", wrong.text());
    }
    let owner_role = scene.acme.role("Owner").await;
    let foreign = tenant().await.role("Viewer").await;
    for role in [owner_role, foreign, uuid::Uuid::now_v7().to_string()] {
        let wrong = scene.put(json!({"roles": [{"value": "a", "role_id": role}]})).await;
        assert_eq!(wrong.wrong_fields(), ["roles[0].role_id"]);
    }
    let careful = json!({"name": "Careful", "permissions": [], "requires_mfa": true});
    let careful = text(&scene.acme.api().await.post("/api/v1/roles", careful).await.expect(201), "/id");
    let wrong = scene.put(json!({"roles": [{"value": "a", "role_id": careful}]})).await;
    assert!(wrong.text().contains("role_asks_for_mfa"), "{}", wrong.text());
    // The page.
    let mut browser = scene.acme.browser().await;
    let page = browser.get("/settings/machine-clients").await.text();
    assert!(page.contains(&scene.issuer.name) && page.contains("value=\"clerk\""), "{page}");
    let fields = [
        ("is_on", "true"),
        ("issuer", &scene.issuer.name),
        ("audience", "by-page"),
        ("algorithms", "RS256"),
        ("role_claim", "groups"),
        ("value", "a"),
        ("role_id", &scene.role),
        ("value", ""),
        ("role_id", ""),
    ];
    browser.post("/settings/machine-clients", &fields).await.expect_status(303);
    let shown = scene.acme.api().await.get(SETTINGS).await.expect(200);
    assert_eq!((&shown["audience"], &shown["roles"][0]["value"]), (&json!("by-page"), &json!("a")));
    let wrong = [("issuer", "x"), ("audience", "y"), ("role_claim", "z"), ("value", "a"), ("role_id", "")];
    browser.post("/settings/machine-clients", &wrong).await.expect_status(422);
    // An open browser is not enough.
    let schema = scene.acme.schema().await;
    let late = format!(
        "UPDATE {schema}.portal_session SET created_at = now() - interval '1 hour', proved_at = NULL"
    );
    sql(&scene.acme.server.database).await.batch_execute(&late).await.unwrap();
    scene.put(json!({})).await.expect(200);
    let led = browser.post("/settings/machine-clients", &fields).await;
    assert!(led.header("location").starts_with("/account/prove"), "{}", led.header("location"));
}
