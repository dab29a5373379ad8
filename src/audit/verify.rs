//! Holds a tenant's trail, its seals and its anchors against each other.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::{
    chain::{AnchorKey, GENESIS, Link, Stored, link},
    erase::{ERASED, rest_code},
    store::{self, Anchor},
};
use crate::{
    db::Db,
    error::{Error, Result},
    secrets::DataKeys,
    tenancy::Tenant,
};

const PAGE: i64 = 1_000;
const FINDINGS_MAX: usize = 100;
/// A committed event gets its seal within seconds. One that has none for so long was passed over.
pub(super) const OVERDUE_SECONDS: f64 = 600.0;

/// One thing that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// The event's row is not what was sealed.
    ChangedEvent { position: i64, event: Uuid },
    /// Label, before or after are not what was sealed.
    ChangedPayload { position: i64, event: Uuid },
    /// The payload is gone, and no event says who erased it.
    UnrecordedErasure { position: i64, event: Uuid },
    /// Sealed, and not there any more.
    MissingEvent { position: i64, event: Uuid },
    /// Positions without a seal.
    MissingSeals { from: i64, to: i64 },
    /// The link does not follow from the one before it.
    BrokenLink { position: i64 },
    /// The chain ends before the position that was anchored.
    CutTail { sealed_to: i64, anchored_to: i64 },
    /// The chain was computed anew: its head is not the anchored one.
    ForeignChain { position: i64 },
    /// Seals beyond the newest anchor.
    UnanchoredTail { anchored_to: i64, sealed_to: i64 },
    /// Committed events that no seal covers, the oldest of them for so long.
    UnsealedEvents { events: i64, oldest_seconds: i64 },
}

/// What a look at a whole trail found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub tenant: String,
    /// Seals that were held against their events.
    pub sealed: i64,
    /// Events that wait for their seal; a few seconds' worth is normal.
    pub unsealed: i64,
    pub anchors: usize,
    /// At most 100.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Nothing was changed, removed, reordered or passed over.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
}

/// What the trail itself says of an event's erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recorded {
    Nothing,
    /// Its payload was erased.
    Payload,
    /// Also who did it; the tenant's key vouches for what stays.
    Person,
}

/// Says whether a MAC anchors a position and its chain.
type Anchored<'a> = dyn Fn(i64, &[u8], &[u8]) -> bool + Send + Sync + 'a;

/// Walks along a chain.
pub(super) struct Walk<'a> {
    anchors: BTreeMap<i64, &'a [u8]>,
    anchored: Box<Anchored<'a>>,
    position: i64,
    chain: Vec<u8>,
    pub findings: Vec<Finding>,
}

impl<'a> Walk<'a> {
    /// `anchored(position, chain, mac)` says whether the MAC fits.
    pub fn new(
        anchors: &'a [Anchor],
        anchored: impl Fn(i64, &[u8], &[u8]) -> bool + Send + Sync + 'a,
    ) -> Self {
        Self {
            anchors: anchors.iter().map(|anchor| (anchor.sealed_to, anchor.mac.as_slice())).collect(),
            anchored: Box::new(anchored),
            position: 0,
            chain: GENESIS.to_vec(),
            findings: Vec::new(),
        }
    }

    fn found(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// The next link in the order of positions, its event, and what is recorded of its erasure.
    pub fn step(&mut self, sealed: &Link, event: Option<&Stored>, recorded: Recorded) {
        let (position, id) = (sealed.position, sealed.event);
        if position != self.position + 1 {
            self.found(Finding::MissingSeals { from: self.position + 1, to: position - 1 });
        }
        match event {
            None => self.found(Finding::MissingEvent { position, event: id }),
            Some(event) => {
                let is_nobodys = recorded == Recorded::Person && is_nobodys(event);
                if !is_nobodys && event.digest(&sealed.payload_digest).as_slice() != sealed.digest.as_slice()
                {
                    self.found(Finding::ChangedEvent { position, event: id });
                } else if !is_erased(event) {
                    if event.payload_digest().as_slice() != sealed.payload_digest.as_slice() {
                        self.found(Finding::ChangedPayload { position, event: id });
                    }
                } else if recorded == Recorded::Nothing {
                    self.found(Finding::UnrecordedErasure { position, event: id });
                }
            }
        }
        let expected = link(&self.chain, position, id, &sealed.digest);
        // After a gap nothing can follow: it was named already.
        if position == self.position + 1 && expected.as_slice() != sealed.chain.as_slice() {
            self.found(Finding::BrokenLink { position });
        }
        self.position = position;
        self.chain = sealed.chain.clone();
        let foreign =
            self.anchors.get(&position).is_some_and(|mac| !(self.anchored)(position, &self.chain, mac));
        if foreign {
            self.found(Finding::ForeignChain { position });
        }
    }

    /// The chain's end, after the last step.
    pub fn end(&mut self) -> (i64, &[u8]) {
        let anchored_to = self.anchors.keys().next_back().copied().unwrap_or_default();
        if self.position < anchored_to {
            let finding = Finding::CutTail { sealed_to: self.position, anchored_to };
            // Where it matters most there is always room.
            self.findings.truncate(FINDINGS_MAX - 1);
            self.findings.push(finding);
        }
        (self.position, &self.chain)
    }
}

/// Erased with everything that could bring the payload back, and nothing else in its place.
fn is_erased(event: &Stored) -> bool {
    event.erased_at.is_some()
        && event.before.is_none()
        && event.after.is_none()
        && event.object_label.is_empty()
        && event.salt.is_empty()
}

/// Erased with who did it.
fn is_nobodys(event: &Stored) -> bool {
    is_erased(event) && event.actor_label == ERASED && event.address.is_none() && event.user_agent.is_none()
}

/// Whether a code stands for what stays of an event.
type Vouched<'a> = dyn Fn(&Stored, &str) -> bool + Send + Sync + 'a;

/// Walks from the beginning to `last`, a page at a time.
async fn walk(db: &Db, tenant: &Tenant, walk: &mut Walk<'_>, vouched: &Vouched<'_>, last: i64) -> Result<()> {
    loop {
        let after = walk.position;
        let page = db.read_tenant(tenant, async |tx| store::list_links(tx, after, PAGE).await).await?;
        let full = page.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
        for row in page.iter().filter(|row| row.link.position <= last) {
            let event = row.event.as_ref();
            let code = row.rest.as_deref().zip(event);
            let recorded = match code {
                _ if !row.is_erasure_recorded => Recorded::Nothing,
                Some((code, event)) if vouched(event, code) => Recorded::Person,
                _ => Recorded::Payload,
            };
            walk.step(&row.link, event, recorded);
        }
        let beyond = page.last().is_none_or(|row| row.link.position >= last);
        if !full || beyond {
            return Ok(());
        }
    }
}

/// Every link of a chain without anchors, held against its event; its head. Any flaw is a refusal. What an erasure vouches for is
/// believed here, and held against the tenant's key by [`verify`].
pub(super) async fn walk_whole(db: &Db, tenant: &Tenant) -> Result<(i64, Vec<u8>)> {
    let mut steps = Walk::new(&[], |_, _, _| true);
    walk(db, tenant, &mut steps, &|_, _| true, i64::MAX).await?;
    if let Some(finding) = steps.findings.first() {
        return Err(Error::conflict("audit_tampered", format!("The audit chain is not whole: {finding:?}.")));
    }
    let (position, chain) = steps.end();
    Ok((position, chain.to_vec()))
}

/// Holds the whole trail of a tenant against its seals and anchors. Safe beside a working sealer.
pub async fn verify(db: &Db, key: &AnchorKey, keys: &DataKeys, tenant: &Tenant) -> Result<Report> {
    let anchors = db.read_public(async |tx| store::list_anchors(tx, tenant.id()).await).await?;
    let anchored_to = anchors.last().map_or(0, |anchor| anchor.sealed_to);
    let mut steps =
        Walk::new(&anchors, |position, chain, mac| key.anchors(tenant.id(), position, chain, mac));
    let vouched = |event: &Stored, code: &str| rest_code(keys, event).is_ok_and(|ours| ours == code);
    walk(db, tenant, &mut steps, &vouched, anchored_to).await?;
    let (sealed, _) = steps.end();
    let mut findings = std::mem::take(&mut steps.findings);

    let (head, (unsealed, oldest)) = db
        .read_tenant(tenant, async |tx| Ok((store::find_head(tx).await?, store::unsealed(tx).await?)))
        .await?;
    // Seals and their anchor are committed together, so an anchor that is read after the head covers it.
    let newest = db.read_public(async |tx| store::find_newest_anchor(tx, tenant.id()).await).await?;
    let (head, newest) = (head.map_or(0, |head| head.position), newest.map_or(0, |anchor| anchor.sealed_to));
    if head > newest {
        findings.push(Finding::UnanchoredTail { anchored_to: newest, sealed_to: head });
    }
    let oldest = oldest.unwrap_or_default();
    if unsealed > 0 && oldest > OVERDUE_SECONDS {
        #[expect(clippy::cast_possible_truncation, reason = "an age in whole seconds")]
        let oldest_seconds = oldest as i64;
        findings.push(Finding::UnsealedEvents { events: unsealed, oldest_seconds });
    }
    Ok(Report { tenant: tenant.slug.to_string(), sealed, unsealed, anchors: anchors.len(), findings })
}
