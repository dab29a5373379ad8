//! What this process saw that somebody may have to look at: refused credentials, failed sign-ins, failures.
//!
//! Whoever sees something counts it in memory; every two seconds the counts go into a table that all processes share
//! (`public.sighting`), by the minute. `platform/alerts` judges them. A request never waits for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::{db::Db, error::Result, types::TenantId};

/// So many different things are remembered between two writes. Whoever makes up more than that is counted by the totals.
const REMEMBERED_MAX: usize = 4_000;
/// Shorter than the digest: enough to tell accounts of an hour apart.
const DIGEST_BYTES: usize = 16;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SightingKind {
    /// A credential of one tenant at another's door.
    ForeignCredential,
    /// One that the tenant does not know: perhaps another's, perhaps nobody's (any more).
    UnknownCredential,
    /// The host is one tenant's, the header names another.
    HostMismatch,
    /// An id that the tenant does not have: perhaps another's, perhaps nobody's.
    UnknownId,
    /// A refused sign-in, by account and network.
    Guess,
    /// The same, of the whole deployment.
    SignInRefused,
    Limited,
    SignUp,
    MessageFailed,
    ServerError,
}

impl SightingKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ForeignCredential => "foreign_credential",
            Self::UnknownCredential => "unknown_credential",
            Self::HostMismatch => "host_mismatch",
            Self::UnknownId => "unknown_id",
            Self::Guess => "guess",
            Self::SignInRefused => "sign_in_refused",
            Self::Limited => "limited",
            Self::SignUp => "sign_up",
            Self::MessageFailed => "message_failed",
            Self::ServerError => "server_error",
        }
    }
}

/// One thing that is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Sighting {
    minute: i64,
    kind: SightingKind,
    at: Option<TenantId>,
    of: Option<TenantId>,
    source: Vec<u8>,
    subject: Vec<u8>,
}

/// The counts of this process. Cheap to clone.
#[derive(Clone)]
pub struct Sightings(Arc<Counts>);

struct Counts {
    /// Digests of networks and accounts are made with it: they are the same in every process, and tell nothing.
    key: [u8; 32],
    seen: Mutex<HashMap<Sighting, i64>>,
}

impl Sightings {
    pub fn new(key: [u8; 32]) -> Self {
        Self(Arc::new(Counts { key, seen: Mutex::default() }))
    }

    /// A credential of tenant `of` was shown at `at`.
    pub fn foreign_credential(&self, at: TenantId, of: TenantId) {
        self.count(SightingKind::ForeignCredential, (Some(at), Some(of)), 1);
    }

    /// A credential with this hash was shown at `at`, which does not know it.
    pub fn unknown_credential(&self, at: TenantId, hash: &[u8]) {
        let subject = (Vec::new(), hash.to_vec());
        self.count_of(SightingKind::UnknownCredential, (Some(at), None), subject, 1);
    }

    /// A request to the host of `at` named `of`.
    pub fn host_mismatch(&self, at: TenantId, of: Option<TenantId>) {
        self.count(SightingKind::HostMismatch, (Some(at), of), 1);
    }

    pub fn unknown_id(&self, at: TenantId) {
        self.count(SightingKind::UnknownId, (Some(at), None), 1);
    }

    /// A sign-in was refused at a tenant's door, or at the platform's own (None).
    pub fn sign_in_refused(&self, at: Option<TenantId>, account: &str, network: &str) {
        self.count(SightingKind::SignInRefused, (None, None), 1);
        let door = at.map(|at| at.to_string()).unwrap_or_default();
        let subject = (self.digest("network", network), self.digest(&door, account));
        self.count_of(SightingKind::Guess, (at, None), subject, 1);
    }

    /// A limit refused a request.
    pub fn limited(&self) {
        self.count(SightingKind::Limited, (None, None), 1);
    }

    pub fn signed_up(&self) {
        self.count(SightingKind::SignUp, (None, None), 1);
    }

    pub fn messages_failed(&self, at: TenantId, amount: usize) {
        self.count(SightingKind::MessageFailed, (Some(at), None), i64::try_from(amount).unwrap_or(i64::MAX));
    }

    /// A request was answered with a 5xx.
    pub fn server_error(&self) {
        self.count(SightingKind::ServerError, (None, None), 1);
    }

    fn digest(&self, what: &str, text: &str) -> Vec<u8> {
        let digest = Sha256::new()
            .chain_update(self.0.key)
            .chain_update(what.as_bytes())
            .chain_update([0])
            .chain_update(text.as_bytes())
            .finalize();
        digest.iter().take(DIGEST_BYTES).copied().collect()
    }

    fn count(&self, kind: SightingKind, tenants: (Option<TenantId>, Option<TenantId>), amount: i64) {
        self.count_of(kind, tenants, (Vec::new(), Vec::new()), amount);
    }

    fn count_of(
        &self,
        kind: SightingKind,
        (at, of): (Option<TenantId>, Option<TenantId>),
        (source, subject): (Vec<u8>, Vec<u8>),
        amount: i64,
    ) {
        if amount == 0 {
            return;
        }
        let minute = Utc::now().timestamp().div_euclid(60);
        self.add(Sighting { minute, kind, at, of, source, subject }, amount);
    }

    fn add(&self, sighting: Sighting, amount: i64) {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED_MAX && !sighting.subject.is_empty() && !seen.contains_key(&sighting) {
            return;
        }
        let sum = seen.entry(sighting).or_default();
        *sum = sum.saturating_add(amount);
    }

    fn take(&self) -> HashMap<Sighting, i64> {
        std::mem::take(&mut *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes down what was seen since the last time; without a statement when there was nothing. What could not be written waits
    /// for the next time.
    pub async fn write(&self, db: &Db) -> Result<()> {
        let seen = self.take();
        if seen.is_empty() {
            return Ok(());
        }
        let written = insert(db, &seen).await;
        for (sighting, amount) in seen {
            match written {
                Ok(()) => {
                    let count = u64::try_from(amount).unwrap_or_default();
                    metrics::counter!("lastmile_sightings_total", "kind" => sighting.kind.as_str())
                        .increment(count);
                }
                Err(_) => self.add(sighting, amount),
            }
        }
        written
    }
}

/// All of it in one statement. Of a tenant that is gone nothing is kept.
async fn insert(db: &Db, seen: &HashMap<Sighting, i64>) -> Result<()> {
    // Always in one order, so that processes that write at once never wait for each other crosswise.
    let mut rows: Vec<(&Sighting, i64)> = seen.iter().map(|(sighting, amount)| (sighting, *amount)).collect();
    rows.sort_by_key(|(sighting, _)| *sighting);
    let minutes: Vec<DateTime<Utc>> = rows
        .iter()
        .map(|(one, _)| DateTime::from_timestamp(one.minute.saturating_mul(60), 0).unwrap_or_default())
        .collect();
    let kinds: Vec<&str> = rows.iter().map(|(one, _)| one.kind.as_str()).collect();
    let (at, of): (Vec<Option<TenantId>>, Vec<Option<TenantId>>) =
        rows.iter().map(|(one, _)| (one.at, one.of)).unzip();
    let sources: Vec<&[u8]> = rows.iter().map(|(one, _)| one.source.as_slice()).collect();
    let subjects: Vec<&[u8]> = rows.iter().map(|(one, _)| one.subject.as_slice()).collect();
    let amounts: Vec<i64> = rows.iter().map(|(_, amount)| *amount).collect();
    db.in_public(async |tx| {
        tx.execute(
            "INSERT INTO public.sighting AS s (minute, kind, tenant_id, other_id, source, subject, amount)
             SELECT n.minute, n.kind, n.tenant_id, n.other_id, n.source, n.subject, n.amount
             FROM unnest($1::timestamptz[], $2::text[], $3::uuid[], $4::uuid[], $5::bytea[], $6::bytea[], $7::bigint[])
                WITH ORDINALITY AS n (minute, kind, tenant_id, other_id, source, subject, amount, place)
             WHERE NOT EXISTS (SELECT FROM public.tenant t WHERE t.id IN (n.tenant_id, n.other_id) AND t.status = 'closed')
             ORDER BY n.place
             ON CONFLICT ON CONSTRAINT sighting_key DO UPDATE SET amount = s.amount + excluded.amount",
            &[&minutes, &kinds, &at, &of, &sources, &subjects, &amounts],
        )
        .await
        .map(drop)
    })
    .await
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tenant(n: u128) -> TenantId {
        TenantId(Uuid::from_u128(n))
    }

    #[test]
    fn the_same_thing_is_one_count_and_is_taken_once() {
        let sightings = Sightings::new([7; 32]);
        for _ in 0..3 {
            sightings.foreign_credential(tenant(1), tenant(2));
        }
        sightings.foreign_credential(tenant(2), tenant(1));
        sightings.messages_failed(tenant(1), 0);
        let mut amounts: Vec<i64> = sightings.take().into_values().collect();
        amounts.sort_unstable();
        // A minute may end between two of them.
        assert_eq!(amounts.iter().sum::<i64>(), 4);
        assert!(sightings.take().is_empty());
    }

    #[test]
    fn neither_account_nor_network_is_kept_and_both_are_told_apart() {
        let sightings = Sightings::new([7; 32]);
        sightings.sign_in_refused(Some(tenant(1)), "ann@isp.example", "203.0.113.9");
        sightings.sign_in_refused(Some(tenant(1)), "bob@isp.example", "203.0.113.9");
        // The same name at another tenant is another account.
        sightings.sign_in_refused(Some(tenant(2)), "bob@isp.example", "203.0.113.9");
        let seen = sightings.take();
        assert!(!format!("{seen:?}").contains("isp.example"));
        let guesses: Vec<&Sighting> = seen.keys().filter(|one| one.kind == SightingKind::Guess).collect();
        assert_eq!(guesses.len(), 3);
        let apart = |f: fn(&Sighting) -> &Vec<u8>| {
            let mut all: Vec<&Vec<u8>> = guesses.iter().map(|one| f(one)).collect();
            all.sort();
            all.dedup();
            all.len()
        };
        assert_eq!((apart(|one| &one.source), apart(|one| &one.subject)), (1, 3));
        assert_ne!(Sightings::new([8; 32]).digest("network", "x"), sightings.digest("network", "x"));
    }

    #[test]
    fn who_makes_up_accounts_fills_no_memory() {
        let sightings = Sightings::new([7; 32]);
        for n in 0..REMEMBERED_MAX * 2 {
            sightings.sign_in_refused(None, &n.to_string(), "203.0.113.9");
        }
        let seen = sightings.take();
        // The totals of a minute, or of two.
        assert!(seen.len() <= REMEMBERED_MAX + 2, "{}", seen.len());
        let total: i64 = seen
            .iter()
            .filter(|(one, _)| one.kind == SightingKind::SignInRefused)
            .map(|(_, amount)| *amount)
            .sum();
        assert_eq!(usize::try_from(total).unwrap(), REMEMBERED_MAX * 2);
    }
}
