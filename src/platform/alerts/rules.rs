//! Judging what was seen, and what people do with alerts.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::json;
use uuid::Uuid;

use super::{
    letters::Written,
    model::{Alert, Seen, Verdict, judge},
    store::{self, Matter},
};
use crate::{
    access::known_here,
    config::{AlertSettings, Settings},
    db::{ControlTx, Db},
    error::{Error, Result},
    mail::PlatformPost,
    platform::staff::Person,
    tenancy::{Deed, Operator, Registry, note},
    types::{Check, TenantId, optional_line},
    web::Pages,
    words::in_english,
};

const NOTE_MAX_CHARS: usize = 500;
/// Looking through all providers for a credential is work: after it one rests so many times as long, whoever shows whatever.
const RESTS: u32 = 20;
/// What was seen before now changes only as time goes by.
const OLD_EVERY: Duration = Duration::from_secs(60);

/// Judges what all processes saw. Cheap to clone.
#[derive(Clone)]
pub struct Alerts {
    registry: Registry,
    settings: Arc<Settings>,
    pages: Pages,
    post: PlatformPost,
    rests: Arc<Mutex<Rests>>,
}

/// Until when something is let be.
struct Rests {
    /// Looking for credentials.
    search: Instant,
    /// Judging what was seen before.
    old: Instant,
}

fn minutes(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

impl Alerts {
    pub fn new(registry: Registry, settings: Arc<Settings>, pages: Pages, post: PlatformPost) -> Self {
        let now = Instant::now();
        let rests = Arc::new(Mutex::new(Rests { search: now, old: now }));
        Self { registry, settings, pages, post, rests }
    }

    fn limits(&self) -> &AlertSettings {
        &self.settings.alerts
    }

    /// One look: finds out whose credentials were shown elsewhere, opens, counts on and closes alerts, and writes of them. Several
    /// processes may: they take turns.
    pub async fn round(&self) -> Result<()> {
        let db = self.registry.db();
        let matter = store::find_matter(db).await?;
        if !self.is_due(&matter) {
            metrics::gauge!("lastmile_alerts_open").set(0.0);
            return Ok(());
        }
        self.find_owners().await?;
        let open = db.in_public(async |tx| self.judge_all(tx).await).await?;
        metrics::gauge!("lastmile_alerts_open").set(f64::from(u32::try_from(open).unwrap_or(u32::MAX)));
        Ok(())
    }

    fn is_due(&self, matter: &Matter) -> bool {
        let now = Instant::now();
        let mut rests = self.rests();
        let is_due = matter.is_fresh || (matter.is_any && now >= rests.old);
        if is_due {
            rests.old = now + OLD_EVERY;
        }
        is_due
    }

    async fn judge_all(&self, tx: &ControlTx) -> Result<i64> {
        store::lock_sightings(tx).await?;
        let window = minutes(self.limits().window_minutes);
        for seen in store::list_seen(tx, window).await? {
            if self.settle(tx, &seen).await? {
                store::mark_told(tx, &seen).await?;
            }
        }
        if let Some((seen, sources)) = store::find_stuffing(tx, window).await?
            && self.settle(tx, &seen).await?
        {
            store::mark_guesses_told(tx, &sources).await?;
        }
        if self.limits().letters {
            let written = Written { pages: &self.pages, post: &self.post, settings: &self.settings };
            written.tell(tx, &store::take_untold(tx).await?).await?;
        }
        store::close_quiet(tx, minutes(self.limits().quiet_minutes)).await?;
        store::sweep(tx, window).await?;
        store::count_open(tx).await
    }

    /// Opens an alert or counts on; whether it counted.
    async fn settle(&self, tx: &ControlTx, seen: &Seen) -> Result<bool> {
        let open = store::find_open(tx, &seen.about()).await?;
        match (judge(seen, seen.kind.threshold(self.limits()), open.is_some()), open) {
            (Verdict::GoesOn { is_over }, Some(id)) => {
                store::update_seen(tx, id, seen, is_over).await?;
                Ok(true)
            }
            (Verdict::Opens, None) => {
                store::insert_alert(tx, Uuid::now_v7(), seen).await?;
                tracing::warn!(kind = seen.kind.as_str(), amount = seen.amount, "an alert opens");
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Credentials that nobody knows where they are shown may be another provider's: each is looked for once.
    async fn find_owners(&self) -> Result<()> {
        let db = self.registry.db();
        let hashes = db
            .in_public(async |tx| {
                store::spread_found(tx).await?;
                store::list_unfound(tx).await
            })
            .await?;
        if hashes.is_empty() || Instant::now() < self.rests().search {
            return Ok(());
        }
        let began = Instant::now();
        let mut found: Vec<(Vec<u8>, TenantId)> = Vec::new();
        for id in db.read_public(async |tx| store::list_active_tenants(tx).await).await? {
            let Some(tenant) = self.registry.find_by_id(id).await? else { continue };
            if !tenant.is_active() || !tenant.is_current {
                continue;
            }
            let theirs = db.read_tenant(&tenant, async |tx| known_here(tx, &hashes).await).await?;
            found.extend(theirs.into_iter().map(|hash| (hash, id)));
        }
        self.rests().search = Instant::now() + began.elapsed() * RESTS;
        db.in_public(async |tx| store::mark_found(tx, &hashes, &found).await).await
    }

    fn rests(&self) -> MutexGuard<'_, Rests> {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Open ones first, then the newest.
pub async fn list(db: &Db) -> Result<Vec<Alert>> {
    db.read_public(async |tx| store::list_alerts(tx).await).await
}

/// Somebody has looked at it: it is closed, and what was counted for it opens no other. 409 `closed` when it was closed before.
pub async fn acknowledge(db: &Db, who: &Operator, id: Uuid, said: &str) -> Result<()> {
    let mut check = Check::new();
    let said = check.field("note", optional_line(said, NOTE_MAX_CHARS));
    let said = check.finish(said)?.unwrap_or_default();
    db.in_public(async |tx| {
        let alert = store::lock_alert(tx, id).await?;
        if alert.closed_at.is_some() {
            return Err(Error::conflict("closed", "This alert is closed already."));
        }
        store::close_acknowledged(tx, id, who.label(), &said).await?;
        let detail = json!({"alert": in_english(|| alert.title()), "times": alert.amount});
        let deed = Deed {
            tenant: alert.at.as_ref().map(|at| at.id),
            reason: &said,
            detail: Some(detail),
            ..Deed::on("alert.acknowledged", alert.at.as_ref().map_or("", |at| at.name.as_str()))
        };
        note(tx, who, deed).await
    })
    .await
}

/// Whether somebody of the platform is written to about alerts.
pub async fn set_letters(db: &Db, who: &Operator, person: &Person, wants: bool) -> Result<()> {
    db.in_public(async |tx| {
        store::update_letters(tx, person.id, wants).await?;
        let action = if wants { "console.alert_letters_on" } else { "console.alert_letters_off" };
        note(tx, who, Deed::on(action, &person.email)).await
    })
    .await
}
