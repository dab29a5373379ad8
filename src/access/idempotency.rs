//! `Idempotency-Key`: the same request again gets the same answer, byte for byte, and is done once.
//!
//! The answer is kept in the transaction of the change itself. A second request that comes while the first is at work waits on the
//! unique index: it either replays, or, when the first was rolled back, does the work.

use std::marker::PhantomData;

use poem::{IntoResponse, Response, http::StatusCode};
use poem_openapi::{
    ApiResponse,
    registry::{MetaResponses, Registry},
    types::{ToJSON, Type},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::by::By;
use crate::{
    db::TenantTx,
    error::{Error, OrInternal, Result},
    web::Created,
};

const KEY_MAX_CHARS: usize = 255;
const CREATED: i16 = 201;

/// A caller's own name for a request.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// From the header's value, if there is one: 1 to 255 visible characters.
    pub fn parse(header: Option<&str>) -> Result<Option<Self>> {
        let Some(text) = header else { return Ok(None) };
        let is_good =
            (1..=KEY_MAX_CHARS).contains(&text.chars().count()) && text.chars().all(|c| !c.is_control());
        if is_good {
            Ok(Some(Self(text.to_owned())))
        } else {
            Err(Error::malformed("bad_idempotency_key", "An Idempotency-Key has 1 to 255 characters."))
        }
    }
}

/// What makes two requests the same request: the operation and its whole body.
#[derive(Debug, Clone)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn of(operation: &str, body: &impl ToJSON) -> Self {
        let mut digest = Sha256::new();
        digest.update(operation.as_bytes());
        digest.update([0]);
        digest.update(body.to_json_string().as_bytes());
        Self(digest.finalize().into())
    }
}

/// 201 with a JSON body that may have been made before.
#[derive(Debug, Clone)]
pub struct CreatedOnce<T> {
    body: String,
    is_replay: bool,
    made: PhantomData<fn() -> T>,
}

impl<T: Send> IntoResponse for CreatedOnce<T> {
    fn into_response(self) -> Response {
        let mut response =
            Response::builder().status(StatusCode::CREATED).content_type("application/json; charset=utf-8");
        if self.is_replay {
            response = response.header("idempotency-replayed", "true");
        }
        response.body(self.body)
    }
}

impl<T: Type + Send> ApiResponse for CreatedOnce<T> {
    fn meta() -> MetaResponses {
        Created::<T>::meta()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// 202 with a JSON body that may have been made before: the work goes on after the answer.
#[derive(Debug, Clone)]
pub struct AcceptedOnce<T>(pub CreatedOnce<T>);

impl<T: Send> IntoResponse for AcceptedOnce<T> {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.set_status(StatusCode::ACCEPTED);
        response
    }
}

impl<T: Type + Send> ApiResponse for AcceptedOnce<T> {
    fn meta() -> MetaResponses {
        let mut meta = Created::<T>::meta();
        for response in &mut meta.responses {
            response.status = response.status.map(|_created| StatusCode::ACCEPTED.as_u16());
        }
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

fn reused() -> Error {
    Error::invalid(
        "Idempotency-Key",
        "idempotency_key_reused",
        "This Idempotency-Key was used for another request.",
    )
}

/// Does `work` once for each key of each caller, inside the unit that the change is part of. Without a key it is just done.
pub async fn once<T: Serialize>(
    tx: &TenantTx,
    by: &By,
    key: Option<&IdempotencyKey>,
    request: &Fingerprint,
    work: impl Future<Output = Result<T>>,
) -> Result<CreatedOnce<T>> {
    let Some(key) = key else {
        let body = serde_json::to_string(&work.await?).internal()?;
        return Ok(CreatedOnce { body, is_replay: false, made: PhantomData });
    };
    let hash = hash_of(by, key);
    forget_old(tx).await?;
    if !claim(tx, &hash, request).await? {
        let body = replay(tx, &hash, request).await?;
        return Ok(CreatedOnce { body, is_replay: true, made: PhantomData });
    }
    let body = serde_json::to_string(&work.await?).internal()?;
    tx.execute(
        "UPDATE idempotency SET status = $2, answer = $3 WHERE key_hash = $1",
        &[&hash.as_slice(), &CREATED, &body],
    )
    .await?;
    Ok(CreatedOnce { body, is_replay: false, made: PhantomData })
}

/// Two callers may use the same key.
fn hash_of(by: &By, key: &IdempotencyKey) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(by.credential_id().as_bytes());
    digest.update(key.0.as_bytes());
    digest.finalize().into()
}

/// Whether the key is ours to use: false when it was used before. Waits for another unit that is using it now.
async fn claim(tx: &TenantTx, hash: &[u8; 32], request: &Fingerprint) -> Result<bool> {
    let claimed = tx
        .execute(
            "INSERT INTO idempotency (key_hash, request_hash) VALUES ($1, $2) ON CONFLICT (key_hash) DO NOTHING",
            &[&hash.as_slice(), &request.0.as_slice()],
        )
        .await?;
    Ok(claimed == 1)
}

async fn replay(tx: &TenantTx, hash: &[u8; 32], request: &Fingerprint) -> Result<String> {
    let row = tx
        .query_opt("SELECT request_hash, answer FROM idempotency WHERE key_hash = $1", &[&hash.as_slice()])
        .await?;
    let Some(row) = row else {
        return Err(Error::unavailable(
            "try_again",
            "The same request is being done. Try again in a moment.",
        ));
    };
    let known: Vec<u8> = row.get("request_hash");
    if known != request.0 {
        return Err(reused());
    }
    let answer: Option<String> = row.get("answer");
    answer.ok_or_else(|| Error::internal("a key was used without an answer"))
}

/// Keys count for a day.
async fn forget_old(tx: &TenantTx) -> Result<()> {
    tx.execute(
        "DELETE FROM idempotency WHERE key_hash IN (
            SELECT key_hash FROM idempotency WHERE created_at < now() - interval '1 day'
            ORDER BY created_at LIMIT 20 FOR UPDATE SKIP LOCKED)",
        &[],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_to_255_visible_characters() {
        assert!(IdempotencyKey::parse(None).unwrap().is_none());
        assert!(IdempotencyKey::parse(Some(&"k".repeat(255))).unwrap().is_some());
        for bad in ["", "a\u{7}b", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(Some(bad)).unwrap_err().status(), 400, "{bad:?}");
        }
    }
}
