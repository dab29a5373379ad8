//! Guessing passwords gets slower and slower, whoever guesses and however many at once.

use serde_json::json;

use crate::{
    access_tokens::events,
    harness::{Answer, Api, PASSWORD, Tenant, sql, tenant},
};

async fn attempt(door: &Api, email: &str, password: &str) -> Answer {
    door.post("/api/v1/auth/token", json!({"email": email, "password": password})).await
}

/// Lets the waits of this tenant run out.
async fn wait_is_over(acme: &Tenant) {
    let update = format!(
        "UPDATE {}.sign_in_failure SET blocked_until = now() - interval '1 second'",
        acme.schema().await
    );
    sql(&acme.server.database).await.execute(&update, &[]).await.unwrap();
}

/// How many seconds the subject's last failure made the next attempt wait.
async fn wait_of(acme: &Tenant, subject: &str) -> i32 {
    let query = format!(
        "SELECT round(extract(epoch FROM blocked_until - last_failed_at))::integer FROM {}.sign_in_failure WHERE subject = $1",
        acme.schema().await
    );
    let row = sql(&acme.server.database).await.query_one(&query, &[&subject]).await.unwrap();
    row.get::<_, Option<i32>>(0).unwrap_or(0)
}

#[tokio::test]
async fn after_five_failures_the_account_waits_longer_and_longer() {
    let acme = tenant().await;
    let door = acme.anonymous();
    let subject = format!("account:{}", acme.owner_email);
    for wait in [0, 0, 0, 0, 1, 2, 4, 8, 16] {
        wait_is_over(&acme).await;
        attempt(&door, &acme.owner_email, "wrong").await.refused(401, "bad_sign_in");
        if wait > 0 {
            assert_eq!(wait_of(&acme, &subject).await, wait);
        }
    }
    let slowed = attempt(&door, &acme.owner_email, PASSWORD).await;
    slowed.refused(429, "too_many_requests");
    assert!((1..=16).contains(&slowed.header("retry-after").parse::<u32>().unwrap()));
    assert_eq!(events(&acme, "staff.sign_in_refused").await, 9);
    wait_is_over(&acme).await;
    attempt(&door, &acme.owner_email, PASSWORD).await.expect_status(200);
    // A right password begins the count anew.
    for _ in 0..4 {
        attempt(&door, &acme.owner_email, "wrong").await.refused(401, "bad_sign_in");
    }
    attempt(&door, &acme.owner_email, PASSWORD).await.expect_status(200);
}

#[tokio::test]
async fn an_unknown_account_waits_as_a_known_one_does() {
    let acme = tenant().await;
    let door = acme.anonymous();
    for _ in 0..9 {
        wait_is_over(&acme).await;
        attempt(&door, "ghost@nowhere.example", "wrong").await.refused(401, "bad_sign_in");
    }
    attempt(&door, "ghost@nowhere.example", "wrong").await.refused(429, "too_many_requests");
    attempt(&door, &acme.owner_email, PASSWORD).await.expect_status(200);
}

#[tokio::test]
async fn a_made_up_forwarded_address_changes_nothing() {
    let acme = tenant().await;
    for n in 0..24 {
        wait_is_over(&acme).await;
        let door = acme.anonymous().header("x-forwarded-for", &format!("198.51.100.{n}"));
        attempt(&door, &format!("guess{n}@acme.example"), "wrong").await.refused(401, "bad_sign_in");
    }
    let door = acme.anonymous().header("x-forwarded-for", "203.0.113.77");
    attempt(&door, &acme.owner_email, PASSWORD).await.refused(429, "too_many_requests");
    // One good account does not give the address all its guesses back.
    wait_is_over(&acme).await;
    attempt(&door, &acme.owner_email, PASSWORD).await.expect_status(200);
    attempt(&door, "another@acme.example", "wrong").await.refused(401, "bad_sign_in");
    attempt(&door, &acme.owner_email, PASSWORD).await.refused(429, "too_many_requests");
}

#[tokio::test]
async fn many_guesses_at_once_do_not_slip_past_the_count() {
    let acme = tenant().await;
    let insert = format!(
        "INSERT INTO {}.sign_in_failure (subject, failures, last_failed_at) VALUES ($1, 8, now())",
        acme.schema().await
    );
    let subject = format!("account:{}", acme.owner_email);
    sql(&acme.server.database).await.execute(&insert, &[&subject]).await.unwrap();
    let door = acme.anonymous();
    let guesses = (0..16).map(|_| attempt(&door, &acme.owner_email, "wrong"));
    let answers = futures_util::future::join_all(guesses).await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(looked_at, 1, "passwords were looked at side by side");
    assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)));
}

#[tokio::test]
async fn a_password_of_old_parameters_is_hashed_anew_at_sign_in() {
    use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
    let acme = tenant().await;
    let (client, schema) = (sql(&acme.server.database).await, acme.schema().await);
    let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8_192, 1, 1, None).unwrap());
    let old = weak.hash_password(PASSWORD.as_bytes()).unwrap().to_string();
    client.execute(&format!("UPDATE {schema}.staff SET password_hash = $1"), &[&old]).await.unwrap();
    attempt(&acme.anonymous(), &acme.owner_email, PASSWORD).await.expect_status(200);
    let now: String =
        client.query_one(&format!("SELECT password_hash FROM {schema}.staff"), &[]).await.unwrap().get(0);
    assert!(now.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{now}");
    attempt(&acme.anonymous(), &acme.owner_email, PASSWORD).await.expect_status(200);
}
