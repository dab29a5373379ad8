//! Signing in by the API: tokens, their rotation, and what does not count.

use std::time::{Duration, Instant};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::harness::{Api, PASSWORD, Server, Tenant, shared, sql, tenant, text};

const ME: &str = "/api/v1/me";

/// Another process on the shared database.
async fn other_process() -> &'static Server {
    static OTHER: tokio::sync::OnceCell<&'static Server> = tokio::sync::OnceCell::const_new();
    OTHER.get_or_init(|| async { shared().await.second_process() }).await
}

/// A member of staff with these roles and everybody's password.
pub async fn member(acme: &Tenant, name: &str, roles: &[&str]) -> (String, String) {
    let (sql, schema) = (sql(&acme.server.database).await, acme.schema().await);
    let email = format!("{name}@{}.example", acme.slug);
    let id: uuid::Uuid = uuid::Uuid::now_v7();
    let insert = format!(
        "INSERT INTO {schema}.staff (id, email, name, password_hash)
         SELECT $1, $2, $3, password_hash FROM {schema}.staff ORDER BY id LIMIT 1"
    );
    sql.execute(&insert, &[&id, &email, &name]).await.unwrap();
    let grant = format!(
        "INSERT INTO {schema}.staff_role (staff_id, role_id) SELECT $1, id FROM {schema}.role WHERE name = ANY($2)"
    );
    sql.execute(&grant, &[&id, &roles]).await.unwrap();
    (id.to_string(), email)
}

/// How many events of this action the trail holds.
pub async fn events(acme: &Tenant, action: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {}.audit_event WHERE action = $1", acme.schema().await);
    sql(&acme.server.database).await.query_one(&query, &[&action]).await.unwrap().get(0)
}

async fn sign_in(acme: &Tenant) -> (Api, Value) {
    let body = json!({"email": acme.owner_email, "password": PASSWORD});
    let tokens = acme.anonymous().post("/api/v1/auth/token", body).await.expect(200);
    (acme.anonymous().bearer(&text(&tokens, "/access_token")), tokens)
}

/// Asks until the answer is this status; fails when that takes longer than a second (and a little for a busy machine).
pub async fn soon(api: &Api, path: &str, status: u16) {
    let begun = Instant::now();
    loop {
        let answer = api.get(path).await;
        if answer.status == status {
            return;
        }
        assert!(begun.elapsed() < Duration::from_millis(1_500), "still {}", answer.status);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_right_password_gives_tokens_that_open_the_api() {
    let acme = tenant().await;
    let answer = acme
        .anonymous()
        .post("/api/v1/auth/token", json!({"email": acme.owner_email.to_uppercase(), "password": PASSWORD}))
        .await;
    let tokens = answer.expect(200);
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 600);
    assert_eq!(answer.header("cache-control"), "no-store");
    let me = acme.anonymous().bearer(&text(&tokens, "/access_token")).get(ME).await.expect(200);
    assert_eq!(me["kind"], "staff");
    assert_eq!(me["email"], acme.owner_email);
    assert_eq!(me["is_owner"], true);
    assert_eq!(me["tenant"]["slug"], acme.slug);
    assert_eq!(me["scopes"], json!(null));
    assert_eq!(events(&acme, "staff.signed_in").await, 1);
}

#[tokio::test]
async fn unknown_wrong_and_disabled_get_one_answer_and_are_remembered() {
    let acme = tenant().await;
    let (disabled, email) = member(&acme, "dan", &["Viewer"]).await;
    let owner = acme.api().await;
    owner.patch(&format!("/api/v1/staff/{disabled}"), json!({"is_active": false})).await.expect(200);
    let mut answers = Vec::new();
    for (email, password) in [
        ("nobody@nowhere.example", PASSWORD),
        (acme.owner_email.as_str(), "not the password"),
        (&email, PASSWORD),
    ] {
        let body = json!({"email": email, "password": password});
        let mut answer = acme.anonymous().post("/api/v1/auth/token", body).await.refused(401, "bad_sign_in");
        answer["request_id"] = Value::Null;
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    assert_eq!(events(&acme, "staff.sign_in_refused").await, 3);
}

#[tokio::test]
async fn a_refresh_token_counts_once_and_its_reuse_ends_the_sign_in() {
    let acme = tenant().await;
    let (first_api, first) = sign_in(&acme).await;
    let refresh = json!({"refresh_token": first["refresh_token"]});
    let second = acme.anonymous().post("/api/v1/auth/refresh", refresh.clone()).await.expect(200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let second_api = acme.anonymous().bearer(&text(&second, "/access_token"));
    first_api.get(ME).await.expect(200);
    second_api.get(ME).await.expect(200);

    acme.anonymous().post("/api/v1/auth/refresh", refresh).await.refused(401, "bad_refresh_token");
    first_api.get(ME).await.refused(401, "bad_credential");
    second_api.get(ME).await.refused(401, "bad_credential");
    let newest = json!({"refresh_token": second["refresh_token"]});
    acme.anonymous().post("/api/v1/auth/refresh", newest).await.refused(401, "bad_refresh_token");
    assert_eq!(events(&acme, "staff.token_reused").await, 1, "remembered although refused");
}

#[tokio::test]
async fn of_two_refreshes_at_once_at_most_one_is_good() {
    let acme = tenant().await;
    let (_, tokens) = sign_in(&acme).await;
    let body = json!({"refresh_token": tokens["refresh_token"]});
    let door = acme.anonymous();
    let (one, other) = tokio::join!(
        door.post("/api/v1/auth/refresh", body.clone()),
        door.post("/api/v1/auth/refresh", body)
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn revoking_ends_the_access_token_too_and_always_says_204() {
    let acme = tenant().await;
    let (api, tokens) = sign_in(&acme).await;
    api.get(ME).await.expect(200);
    let body = json!({"refresh_token": tokens["refresh_token"]});
    for _ in 0..2 {
        acme.anonymous().post("/api/v1/auth/revoke", body.clone()).await.expect_status(204);
    }
    let made_up = json!({"refresh_token": "lm_refresh_made-up"});
    acme.anonymous().post("/api/v1/auth/revoke", made_up).await.expect_status(204);
    api.get(ME).await.refused(401, "bad_credential");
    acme.anonymous().post("/api/v1/auth/refresh", body).await.refused(401, "bad_refresh_token");
}

#[tokio::test]
async fn a_credential_of_one_tenant_is_none_at_another_s_door() {
    let (acme, other) = (tenant().await, tenant().await);
    let (api, tokens) = sign_in(&acme).await;
    let token = text(&tokens, "/access_token");
    api.get(ME).await.expect(200);
    other.anonymous().bearer(&token).get(ME).await.refused(401, "bad_credential");
    let api_host = acme.server.api_host().bearer(&token);
    api_host.header("x-tenant-id", &acme.slug).get(ME).await.expect(200);
    api_host.header("x-tenant-id", &other.slug).get(ME).await.refused(401, "bad_credential");
    api_host.get(ME).await.refused(400, "tenant_missing");
    let body = json!({"refresh_token": tokens["refresh_token"]});
    other.anonymous().post("/api/v1/auth/refresh", body).await.refused(401, "bad_refresh_token");
    let password = json!({"email": acme.owner_email, "password": PASSWORD});
    other.anonymous().post("/api/v1/auth/token", password).await.refused(401, "bad_sign_in");
}

#[tokio::test]
async fn headers_that_hold_no_credential_are_refused() {
    let acme = tenant().await;
    acme.anonymous().get(ME).await.refused(401, "no_credential");
    for header in
        ["", "Bearer", "Bearer ", "Basic b3duZXI6cGFzc3dvcmQ=", "Bearer x", "lm_live_x", "Bearer lm_live_x"]
    {
        acme.anonymous().header("authorization", header).get(ME).await.refused(401, "bad_credential");
    }
    let long = "x".repeat(5_000);
    acme.anonymous().bearer(&long).get(ME).await.refused(401, "bad_credential");
    let (api, _) = sign_in(&acme).await;
    api.header("authorization", "Bearer x").get(ME).await.refused(401, "bad_credential");
}

/// The deployment's signing key, as the operator could read it.
struct Signer {
    kid: String,
    private: Vec<u8>,
    public: Vec<u8>,
}

async fn signer(server: &Server) -> Signer {
    let path = server.folder.path().join("secrets").join("deployment%2Ftoken-keys");
    let stored: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let jwks = server.platform().get("/.well-known/jwks.json").await.expect(200);
    let private = BASE64.decode(text(&stored, "/keys/0/private").as_bytes()).unwrap();
    let public = BASE64URL_NOPAD.decode(text(&jwks, "/keys/0/x").as_bytes()).unwrap();
    Signer { kid: text(&stored, "/current"), private, public }
}

fn part(json: &Value) -> String {
    BASE64URL_NOPAD.encode(json.to_string().as_bytes())
}

impl Signer {
    fn sign(&self, kid: &str, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(kid.to_owned());
        encode(&header, claims, &EncodingKey::from_ed_der(&self.private)).unwrap()
    }
}

fn claims_of(token: &str) -> Value {
    let middle = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(middle.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn forged_tokens_open_nothing() {
    let acme = tenant().await;
    let signer = signer(acme.server).await;
    let (_, tokens) = sign_in(&acme).await;
    let token = text(&tokens, "/access_token");
    let good = claims_of(&token);
    let bearer = |token: String| acme.anonymous().bearer(&token);
    // The forger's tools are sharp: with the real key and the real claims they do open the door.
    bearer(signer.sign(&signer.kid, &good)).get(ME).await.expect(200);

    let none = format!("{}.{}.", part(&json!({"alg": "none", "kid": signer.kid})), part(&good));
    let mut hs = Header::new(Algorithm::HS256);
    hs.kid = Some(signer.kid.clone());
    let hs = encode(&hs, &good, &EncodingKey::from_secret(&signer.public)).unwrap();
    let mut pieces: Vec<&str> = token.split('.').collect();
    let mut elevated = good.clone();
    elevated["sub"] = json!(uuid::Uuid::now_v7());
    let elevated = part(&elevated);
    pieces[1] = &elevated;
    let tampered = pieces.join(".");
    let mut no_kid = Header::new(Algorithm::EdDSA);
    no_kid.kid = None;
    let no_kid = encode(&no_kid, &good, &EncodingKey::from_ed_der(&signer.private)).unwrap();
    let forged = [none, hs, tampered, no_kid, signer.sign("made-up", &good), format!("{token}x")];
    for token in forged {
        bearer(token.clone()).get(ME).await.refused(401, "bad_credential");
    }

    let past = json!(good["iat"].as_i64().unwrap() - 1);
    let changes = [
        ("exp", past),
        ("exp", json!(-1)),
        ("exp", json!("tomorrow")),
        ("exp", Value::Null),
        ("iss", json!("https://evil.example")),
        ("aud", json!("another-api")),
        ("tid", json!(uuid::Uuid::now_v7())),
        ("fam", json!(uuid::Uuid::now_v7())),
        ("sub", json!(uuid::Uuid::now_v7())),
        ("nbf", json!(4_000_000_000_u32)),
    ];
    for (claim, value) in changes {
        let mut changed = good.clone();
        changed[claim] = value.clone();
        let answer = bearer(signer.sign(&signer.kid, &changed)).get(ME).await;
        assert_eq!(answer.status, 401, "{claim} = {value}");
    }
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("exp");
    bearer(signer.sign(&signer.kid, &without)).get(ME).await.refused(401, "bad_credential");
    // What a token says of roles is not believed: rights are those of the state.
    let (_, email) = member(&acme, "vera", &["Viewer"]).await;
    let viewer = json!({"email": email, "password": PASSWORD});
    let viewer = acme.anonymous().post("/api/v1/auth/token", viewer).await.expect(200);
    let mut claims = claims_of(&text(&viewer, "/access_token"));
    claims["roles"] = json!(["Owner"]);
    bearer(signer.sign(&signer.kid, &claims)).get("/api/v1/api-keys").await.refused(403, "forbidden");
}

#[tokio::test]
async fn public_keys_are_on_every_host_and_hold_nothing_private() {
    let acme = tenant().await;
    let on_base = acme.server.platform().get("/.well-known/jwks.json").await;
    let keys = on_base.expect(200);
    assert_eq!(keys["keys"][0]["kty"], "OKP");
    assert_eq!(keys["keys"][0]["alg"], "EdDSA");
    assert!(keys["keys"][0].get("d").is_none());
    assert!(on_base.header("cache-control").contains("max-age"));
    assert_eq!(acme.anonymous().get("/.well-known/jwks.json").await.expect(200), keys);
    assert_eq!(acme.server.api_host().get("/.well-known/jwks.json").await.expect(200), keys);
    let (_, tokens) = sign_in(&acme).await;
    let header = jsonwebtoken::decode_header(text(&tokens, "/access_token")).unwrap();
    assert_eq!(header.kid.unwrap(), text(&keys, "/keys/0/kid"));
}

#[tokio::test]
async fn switching_a_person_or_a_role_off_is_heard_in_another_process_within_a_second() {
    let (acme, other) = (tenant().await, other_process().await);
    let owner = acme.api().await;
    let (id, email) = member(&acme, "tess", &["Manager"]).await;
    let here = acme.api_as(&email, PASSWORD).await;
    let there = |api: &Api| api.to(other.address);
    here.get("/api/v1/staff").await.expect(200);
    there(&here).get("/api/v1/staff").await.expect(200);

    let role = acme.role("Manager").await;
    owner.patch(&format!("/api/v1/roles/{role}"), json!({"is_active": false})).await.expect(200);
    here.get("/api/v1/staff").await.refused(403, "forbidden");
    soon(&there(&here), "/api/v1/staff", 403).await;

    there(&here).get(ME).await.expect(200);
    owner.patch(&format!("/api/v1/staff/{id}"), json!({"is_active": false})).await.expect(200);
    here.get(ME).await.refused(401, "bad_credential");
    soon(&there(&here), ME, 401).await;
}

#[tokio::test]
async fn it_is_heard_although_the_listening_connection_was_killed() {
    let (acme, other) = (tenant().await, other_process().await);
    let owner = acme.api().await;
    let (id, email) = member(&acme, "lea", &["Manager"]).await;
    let there = acme.api_as(&email, PASSWORD).await.to(other.address);
    there.get(ME).await.expect(200);
    let sql = sql(&acme.server.database).await;
    let killed = sql
        .query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
                AND (query ILIKE 'LISTEN %' OR (query = '' AND usename LIKE '%control'))",
            &[],
        )
        .await
        .unwrap();
    assert!(!killed.is_empty(), "nobody listens");
    owner.patch(&format!("/api/v1/staff/{id}"), json!({"is_active": false})).await.expect(200);
    soon(&there, ME, 401).await;
}
