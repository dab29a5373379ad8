//! Letters of the platform itself, to people who are no tenant's: a row of the control plane first, sent afterwards.
//!
//! The body is sealed with the deployment's own key and erased when nobody will send it any more. From the moment that a server may
//! have taken a letter, it is never sent again by itself.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    letter::{self, Body, Letter},
    post::{Outcome, Post},
};
use crate::{
    db::{ControlTx, Db, OwnerTx},
    error::{Error, OrInternal, Result},
    secrets::{Aad, DataKey, SecretStore, deployment_key, open, seal},
};

const PURPOSE: &str = "platform-mail";
const TABLE: &str = "platform_mail";
const COLUMN: &str = "sealed_body";
const FAILURE_MAX_CHARS: usize = 300;
const AGAIN_SECONDS: f64 = 60.0;

const INSERT: &str =
    "INSERT INTO public.platform_mail (id, recipient, subject, sealed_body, status, send_before)
    VALUES ($1, $2, $3, $4, 'queued', $5)";

/// Writes and sends letters of the platform. Cheap to clone.
#[derive(Clone)]
pub struct PlatformPost {
    post: Post,
    key: Arc<DataKey>,
}

struct Taken {
    id: Uuid,
    recipient: String,
    subject: String,
    sealed_body: Vec<u8>,
    created_at: DateTime<Utc>,
}

impl PlatformPost {
    pub async fn new(post: Post, secrets: &dyn SecretStore) -> Result<Self> {
        let key = DataKey::of_deployment(deployment_key(secrets, PURPOSE).await?);
        Ok(Self { post, key: Arc::new(key) })
    }

    fn cell(id: Uuid) -> Aad<'static> {
        Aad { tenant: Uuid::nil(), table: TABLE, column: COLUMN, row: id }
    }

    fn sealed(&self, id: Uuid, letter: &Letter) -> Result<Vec<u8>> {
        seal(&self.key, &Self::cell(id), &serde_json::to_vec(&letter.body).internal()?)
    }

    /// Queues a letter in the transaction of what it tells about.
    pub async fn queue(&self, tx: &ControlTx, letter: &Letter) -> Result<()> {
        let id = Uuid::now_v7();
        let sealed = self.sealed(id, letter)?;
        tx.execute(INSERT, &[&id, &letter.to, &letter.subject(), &sealed, &letter.send_before])
            .await
            .map(drop)
    }

    /// The same where a tenant is just being made.
    pub async fn queue_with_tenant(&self, tx: &OwnerTx, letter: &Letter) -> Result<()> {
        let id = Uuid::now_v7();
        let sealed = self.sealed(id, letter)?;
        tx.execute(INSERT, &[&id, &letter.to, &letter.subject(), &sealed, &letter.send_before])
            .await
            .map(drop)
    }

    /// Sends what is due. Several may: each takes letters that nobody else has taken.
    pub async fn round(&self, db: &Db) -> Result<()> {
        if !is_anything(db).await? {
            return Ok(());
        }
        while let Some(taken) = db.in_public(async |tx| take(tx).await).await? {
            let outcome = match self.written(&taken) {
                Ok(envelope) => self.post.carry(&envelope).await,
                Err(error) => {
                    tracing::error!(mail = %taken.id, %error, "a letter of the platform cannot be written");
                    Outcome::Refused("The letter could not be read.".into())
                }
            };
            metrics::counter!("lastmile_mail_total", "outcome" => outcome.word()).increment(1);
            db.in_public(async |tx| record(tx, taken.id, &outcome).await).await?;
        }
        Ok(())
    }

    fn written(&self, taken: &Taken) -> Result<letter::Envelope> {
        let plain = open(&self.key, &Self::cell(taken.id), &taken.sealed_body)?;
        let body: Body = serde_json::from_slice(&plain)
            .map_err(|_quotes| Error::internal("the body of a letter is not readable"))?;
        letter::write(taken.id, taken.created_at, self.post.from(), &taken.recipient, &taken.subject, body)
    }
}

/// Whether a letter is due, or too late. Asked all the time.
async fn is_anything(db: &Db) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM public.platform_mail
        WHERE status = 'queued' AND (due_at <= now() OR send_before <= now()))";
    Ok(db.ask_public(sql, &[]).await?.get(0))
}

/// Takes a letter: from here until its end is recorded it counts as unknown.
async fn take(tx: &ControlTx) -> Result<Option<Taken>> {
    tx.execute(
        "UPDATE public.platform_mail SET status = 'refused', failure = 'It could not be sent in time.', sealed_body = NULL
         WHERE status = 'queued' AND send_before <= now()",
        &[],
    )
    .await?;
    let row = tx
        .query_opt(
            "UPDATE public.platform_mail m SET status = 'unknown', failure = 'It was being sent.'
             WHERE m.id = (SELECT q.id FROM public.platform_mail q WHERE q.status = 'queued' AND q.due_at <= now()
                ORDER BY q.due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING m.id, m.recipient, m.subject, m.sealed_body, m.created_at",
            &[],
        )
        .await?;
    Ok(row.map(|row| Taken {
        id: row.get("id"),
        recipient: row.get("recipient"),
        subject: row.get("subject"),
        sealed_body: row.get("sealed_body"),
        created_at: row.get("created_at"),
    }))
}

async fn record(tx: &ControlTx, id: Uuid, outcome: &Outcome) -> Result<()> {
    let (status, reason) = match outcome {
        Outcome::Accepted => ("sent", None),
        Outcome::Refused(reason) => ("refused", Some(reason)),
        Outcome::Unknown(reason) => ("unknown", Some(reason)),
        Outcome::NotTaken(reason) => ("queued", Some(reason)),
    };
    let failure =
        reason.map(|text| letter::one_line(text).chars().take(FAILURE_MAX_CHARS).collect::<String>());
    tx.execute(
        "UPDATE public.platform_mail SET status = $2, failure = $3,
            sealed_body = CASE WHEN $2 = 'queued' THEN sealed_body END,
            sent_at = CASE WHEN $2 = 'sent' THEN now() END,
            due_at = CASE WHEN $2 = 'queued' THEN now() + make_interval(secs => $4) ELSE due_at END
         WHERE id = $1 AND status = 'unknown'",
        &[&id, &status, &failure, &AGAIN_SECONDS],
    )
    .await?;
    // Who was written to is not kept for ever.
    tx.execute("DELETE FROM public.platform_mail WHERE created_at < now() - interval '90 days'", &[])
        .await
        .map(drop)
}
