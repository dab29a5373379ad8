//! All SQL of certificates.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use super::authority::{Obtained, Trouble};
use crate::{
    db::{ControlTx, Db, TenantTx},
    error::{Error, Result},
    types::{DomainId, TenantId},
};

/// How long an order may take until somebody else begins a new one.
const LEASE_SECONDS: f64 = 300.0;
/// The wait after the nth refusal, in minutes; the last one repeats. Authorities count refusals by the hour.
const BACKOFF_MINUTES: [i32; 5] = [10, 30, 120, 360, 1_440];
/// How soon after a refusal somebody may have it ordered again.
const AGAIN_AFTER_SECONDS: f64 = 300.0;

/// Who is served at a domain of his own: also who is suspended, whose visitors are told so.
macro_rules! served {
    () => {
        "d.status = 'active' AND t.status IN ('active', 'suspended')"
    };
}

/// How far the certificate of a domain is.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub domain: DomainId,
    /// Until when the one that is held is good. None before the first came.
    pub ends_at: Option<DateTime<Utc>>,
    /// When it is ordered next.
    pub due_at: DateTime<Utc>,
    pub tried_at: Option<DateTime<Utc>>,
    /// Why the last order was refused: a code, and the authority's own words.
    pub problem: Option<(String, String)>,
}

impl Certificate {
    /// Whether browsers believe what is held.
    pub fn is_good(&self, now: DateTime<Utc>) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at > now)
    }
}

/// The certificates of the entered tenant's domains.
pub async fn list_certificates(tx: &TenantTx) -> Result<Vec<Certificate>> {
    let rows = tx
        .query(
            "SELECT domain_id, ends_at, due_at, tried_at, problem, problem_detail FROM gate.list_certificates()",
            &[],
        )
        .await?;
    let of = |row: &Row| Certificate {
        domain: row.get("domain_id"),
        ends_at: row.get("ends_at"),
        due_at: row.get("due_at"),
        tried_at: row.get("tried_at"),
        problem: row.get::<_, Option<String>>("problem").zip(row.get("problem_detail")),
    };
    Ok(rows.iter().map(of).collect())
}

/// Has the certificate of a domain of the entered tenant ordered again now, after a refusal. 409 `too_soon` within five minutes of
/// it, and where nothing was refused.
pub async fn order_again(tx: &TenantTx, domain: DomainId) -> Result<()> {
    let row = tx
        .query_one(
            "SELECT gate.order_certificate_again($1, make_interval(secs => $2)) AS is_due",
            &[&domain, &AGAIN_AFTER_SECONDS],
        )
        .await?;
    if row.get("is_due") {
        return Ok(());
    }
    Err(Error::conflict("too_soon", "A certificate can be ordered again five minutes after it was refused."))
}

/// What an authority is to find at a domain under a token. Hosts and tokens that nobody asked for have none.
pub async fn answer_to(db: &Db, host: &str, token: &str) -> Result<Option<String>> {
    let is_token = (16..=200).contains(&token.len())
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !is_token {
        return Ok(None);
    }
    let row = db
        .read_public(async |tx| {
            tx.query_opt(
                "SELECT c.answer FROM public.acme_challenge c JOIN public.tenant_domain d ON d.id = c.domain_id
                 WHERE c.token = $1 AND d.domain = $2",
                &[&token, &host],
            )
            .await
        })
        .await?;
    Ok(row.map(|row| row.get("answer")))
}

/// How many certificates of domains that are served there are of each state: `held`, `ending` (good for another week at most),
/// `refused` (none is held) and `waiting`.
pub async fn count_by_state(db: &Db) -> Result<[(&'static str, i64); 4]> {
    let row = db
        .read_public(async |tx| {
            tx.query_one(
                concat!(
                    "SELECT count(*) FILTER (WHERE c.ends_at > now() + interval '7 days') AS held, \
                        count(*) FILTER (WHERE c.ends_at <= now() + interval '7 days') AS ending, \
                        count(*) FILTER (WHERE c.ends_at IS NULL AND c.problem IS NOT NULL) AS refused, \
                        count(*) FILTER (WHERE c.ends_at IS NULL AND c.problem IS NULL) AS waiting \
                     FROM public.tenant_certificate c JOIN public.tenant_domain d ON d.id = c.domain_id \
                     JOIN public.tenant t ON t.id = c.tenant_id WHERE ",
                    served!()
                ),
                &[],
            )
            .await
        })
        .await?;
    Ok(["held", "ending", "refused", "waiting"].map(|state| (state, row.get(state))))
}

/// An order that is ours to make.
pub(super) struct Due {
    pub domain: DomainId,
    pub tenant: TenantId,
    pub name: String,
    pub attempts: i32,
    pub lease: Uuid,
}

/// Takes what is due, at most `limit`. A domain that has just become active is due at once.
pub(super) async fn take_due(db: &Db, limit: i64) -> Result<Vec<Due>> {
    let lease = Uuid::new_v4();
    let rows = db
        .in_public(async |tx| {
            tx.execute(
                concat!(
                    "INSERT INTO public.tenant_certificate (domain_id, tenant_id) \
                     SELECT d.id, d.tenant_id FROM public.tenant_domain d JOIN public.tenant t ON t.id = d.tenant_id WHERE ",
                    served!(),
                    " AND NOT EXISTS (SELECT FROM public.tenant_certificate c WHERE c.domain_id = d.id) ON CONFLICT DO NOTHING"
                ),
                &[],
            )
            .await?;
            tx.query(
                concat!(
                    "UPDATE public.tenant_certificate c SET lease = $1, leased_until = now() + make_interval(secs => $2), \
                        tried_at = now(), attempts = c.attempts + 1 \
                     FROM (SELECT x.domain_id, d.domain FROM public.tenant_certificate x \
                            JOIN public.tenant_domain d ON d.id = x.domain_id JOIN public.tenant t ON t.id = x.tenant_id \
                            WHERE x.due_at <= now() AND (x.leased_until IS NULL OR x.leased_until < now()) AND ",
                    served!(),
                    "       ORDER BY x.due_at FOR UPDATE OF x SKIP LOCKED LIMIT $3) AS due \
                     WHERE c.domain_id = due.domain_id RETURNING c.domain_id, c.tenant_id, c.attempts, due.domain"
                ),
                &[&lease, &LEASE_SECONDS, &limit],
            )
            .await
        })
        .await?;
    let of = |row: &Row| Due {
        domain: row.get("domain_id"),
        tenant: row.get("tenant_id"),
        name: row.get("domain"),
        attempts: row.get("attempts"),
        lease,
    };
    Ok(rows.iter().map(of).collect())
}

/// Makes the answer to a token be found, by every process.
pub(super) async fn show_answer(db: &Db, domain: DomainId, token: &str, answer: &str) -> Result<()> {
    db.in_public(async |tx| {
        tx.execute(
            "INSERT INTO public.acme_challenge (token, domain_id, answer) VALUES ($1, $2, $3)
             ON CONFLICT (token) DO UPDATE SET answer = excluded.answer, made_at = now()",
            &[&token, &domain, &answer],
        )
        .await
    })
    .await
    .map(drop)
}

/// Keeps what came; fenced by the lease. The next order is due when two thirds of its life are over.
pub(super) async fn keep(db: &Db, due: &Due, obtained: &Obtained, sealed_key: &[u8]) -> Result<()> {
    db.in_public(async |tx| {
        tx.execute(
            "UPDATE public.tenant_certificate SET chain = $3, private_key = $4, obtained_at = clock_timestamp(), ends_at = $5,
                due_at = now() + ($5 - now()) * 2 / 3, attempts = 0, problem = NULL, problem_detail = NULL,
                lease = NULL, leased_until = NULL
             WHERE domain_id = $1 AND lease = $2",
            &[&due.domain, &due.lease, &obtained.chain, &sealed_key, &obtained.ends_at],
        )
        .await?;
        forget_answers(tx, due.domain).await
    })
    .await
}

/// Remembers a refusal, and when to try again. What is held stays.
pub(super) async fn put_off(db: &Db, due: &Due, trouble: &Trouble) -> Result<()> {
    let step = usize::try_from(due.attempts - 1).unwrap_or_default().min(BACKOFF_MINUTES.len() - 1);
    let minutes = BACKOFF_MINUTES.get(step).copied().unwrap_or(1_440);
    db.in_public(async |tx| {
        tx.execute(
            "UPDATE public.tenant_certificate SET problem = $3, problem_detail = $4, due_at = now() + make_interval(mins => $5),
                lease = NULL, leased_until = NULL
             WHERE domain_id = $1 AND lease = $2",
            &[&due.domain, &due.lease, &trouble.code, &trouble.detail, &minutes],
        )
        .await?;
        forget_answers(tx, due.domain).await
    })
    .await
}

async fn forget_answers(tx: &ControlTx, domain: DomainId) -> Result<()> {
    tx.execute("DELETE FROM public.acme_challenge WHERE domain_id = $1", &[&domain]).await?;
    Ok(())
}

/// The sealed credentials of our account at an authority.
pub(super) async fn find_account(db: &Db, directory: &str) -> Result<Option<Vec<u8>>> {
    let row = db
        .read_public(async |tx| {
            tx.query_opt("SELECT credentials FROM public.acme_account WHERE directory = $1", &[&directory])
                .await
        })
        .await?;
    Ok(row.map(|row| row.get("credentials")))
}

/// Remembers our account at an authority.
pub(super) async fn save_account(db: &Db, directory: &str, sealed: &[u8]) -> Result<()> {
    db.in_public(async |tx| {
        tx.execute(
            "INSERT INTO public.acme_account (directory, credentials) VALUES ($1, $2)
             ON CONFLICT (directory) DO UPDATE SET credentials = excluded.credentials, created_at = now()",
            &[&directory, &sealed],
        )
        .await
    })
    .await
    .map(drop)
}

/// A certificate that the proxy should have.
pub(super) struct Wanted {
    pub domain: DomainId,
    pub tenant: TenantId,
    pub name: String,
    pub obtained_at: DateTime<Utc>,
}

/// What the proxy should have: of every domain that is served, the certificate that is held.
pub(super) async fn list_wanted(db: &Db) -> Result<Vec<Wanted>> {
    let rows = db
        .read_public(async |tx| {
            tx.query(
                concat!(
                    "SELECT c.domain_id, c.tenant_id, c.obtained_at, d.domain FROM public.tenant_certificate c \
                     JOIN public.tenant_domain d ON d.id = c.domain_id JOIN public.tenant t ON t.id = c.tenant_id \
                     WHERE c.obtained_at IS NOT NULL AND ",
                    served!()
                ),
                &[],
            )
            .await
        })
        .await?;
    let of = |row: &Row| Wanted {
        domain: row.get("domain_id"),
        tenant: row.get("tenant_id"),
        name: row.get("domain"),
        obtained_at: row.get("obtained_at"),
    };
    Ok(rows.iter().map(of).collect())
}

/// The chain and the sealed key of one that was listed; none when it is another by now.
pub(super) async fn find_held(db: &Db, wanted: &Wanted) -> Result<Option<(String, Vec<u8>)>> {
    let row = db
        .read_public(async |tx| {
            tx.query_opt(
                "SELECT chain, private_key FROM public.tenant_certificate WHERE domain_id = $1 AND obtained_at = $2",
                &[&wanted.domain, &wanted.obtained_at],
            )
            .await
        })
        .await?;
    Ok(row.map(|row| (row.get("chain"), row.get("private_key"))))
}
