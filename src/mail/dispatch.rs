//! The job `send_mail`: take the letter, hand it to the post, write down what became of it. Three steps, and no transaction is
//! open while the post is at work.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::{
    letter,
    outbox::{self, SEND_MAIL, Taken},
    post::{Outcome, Post},
};
use crate::{
    db::Db,
    error::{Error, Result},
    jobs::{Job, Next, Runner},
    secrets::TenantKeys,
    tenancy::Tenant,
};

const FIRST_WAIT_SECONDS: i64 = 5;
const LONGEST_WAIT_SECONDS: i64 = 900;

/// Gives the runner what it needs to send letters.
pub fn handlers(runner: &mut Runner, db: &Db, keys: &TenantKeys, post: &Post) {
    let (db, keys, post) = (db.clone(), keys.clone(), post.clone());
    runner.on(
        SEND_MAIL,
        Arc::new(move |tenant, job| {
            let (db, keys, post) = (db.clone(), keys.clone(), post.clone());
            Box::pin(async move { send(&db, &keys, &post, &tenant, &job).await })
        }),
    );
}

async fn send(db: &Db, keys: &TenantKeys, post: &Post, tenant: &Tenant, job: &Job) -> Result<Next> {
    let id = job.subject;
    // Before the letter is taken: while the secret store is away, it stays queued.
    keys.of(tenant.id()).await?;
    let retake = post.may_repeat();
    let taken = db.in_tenant(tenant, async |tx| outbox::take(tx, id, retake).await).await?;
    let Some(taken) = taken else {
        db.in_tenant(tenant, async |tx| outbox::close(tx, id).await).await?;
        return Ok(Next::Done);
    };
    let written_at = taken.created_at;
    let outcome = match opened_and_written(keys, post, tenant, id, taken).await {
        Ok(envelope) => post.carry(&envelope).await,
        Err(error @ Error::Invalid(_)) => Outcome::Refused(error.to_string()),
        Err(error @ Error::Unavailable { .. }) => Outcome::NotTaken(error.to_string()),
        Err(error) => {
            tracing::error!(tenant = %tenant.slug, mail = %id, %error, "a letter cannot be written");
            Outcome::Refused("The letter could not be read.".into())
        }
    };
    record(db, tenant, id, written_at, outcome).await
}

async fn opened_and_written(
    keys: &TenantKeys,
    post: &Post,
    tenant: &Tenant,
    id: Uuid,
    taken: Taken,
) -> Result<letter::Envelope> {
    let body = outbox::opened(keys, tenant.id(), id, &taken.sealed_body).await?;
    letter::write(id, taken.created_at, post.from(), &taken.recipient, &taken.subject, body)
}

async fn record(
    db: &Db,
    tenant: &Tenant,
    id: Uuid,
    written_at: DateTime<Utc>,
    outcome: Outcome,
) -> Result<Next> {
    metrics::counter!("lastmile_mail_total", "outcome" => outcome.word()).increment(1);
    let end = |status: &'static str, failure: Option<String>| async move {
        let failure = failure.as_deref();
        db.in_tenant(tenant, async |tx| outbox::record_end(tx, id, status, failure).await).await?;
        Ok(Next::Done)
    };
    match outcome {
        Outcome::Accepted => end("sent", None).await,
        Outcome::Refused(reason) => {
            tracing::warn!(tenant = %tenant.slug, mail = %id, reason, "a letter was refused");
            end("refused", Some(reason)).await
        }
        Outcome::Unknown(reason) => {
            tracing::warn!(tenant = %tenant.slug, mail = %id, reason, "whether a letter was taken is not known");
            end("unknown", Some(reason)).await
        }
        Outcome::NotTaken(reason) => {
            tracing::warn!(tenant = %tenant.slug, mail = %id, reason, "a letter waits for another try");
            let reason = reason.as_str();
            db.in_tenant(tenant, async |tx| outbox::put_back(tx, id, reason).await).await?;
            Ok(Next::Again(Utc::now() + wait_after(Utc::now() - written_at)))
        }
    }
}

/// As long again as the letter has waited so far, between bounds: tries grow rarer without anything to be counted.
fn wait_after(age: Duration) -> Duration {
    age.clamp(Duration::seconds(FIRST_WAIT_SECONDS), Duration::seconds(LONGEST_WAIT_SECONDS))
}
