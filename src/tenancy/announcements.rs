//! What the platform's people tell the staff of all providers: a bar on every page of their portals, for a while.
//!
//! Pages show them without a statement of their own: each process knows those of now until the registry's news says that something
//! changed.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    log::{Deed, Operator, note},
    news::Epoch,
    registry::Registry,
};
use crate::{
    db::{ControlTx, Db},
    error::{Error, Result},
    types::{Check, Wrong, line},
    words::say,
};

const TEXT_MAX_CHARS: usize = 300;
const HOURS_MAX: i64 = 24 * 90;

/// One announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    pub id: Uuid,
    pub text: String,
    pub is_warning: bool,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub made_by: String,
}

impl Announcement {
    pub fn counts_at(&self, now: DateTime<Utc>) -> bool {
        self.starts_at <= now && now < self.ends_at
    }
}

/// One as it was typed: it begins after some hours (none: now) and lasts for some.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnnouncementForm<'a> {
    pub text: &'a str,
    pub is_warning: bool,
    pub begins_in_hours: &'a str,
    pub hours: &'a str,
}

/// What a process knows of them, and as of when.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<Mutex<Option<AsOf>>>);

type AsOf = (Epoch, Arc<[Announcement]>);

fn announcement_of(row: &Row) -> Announcement {
    Announcement {
        id: row.get("id"),
        text: row.get("text"),
        is_warning: row.get("is_warning"),
        starts_at: row.get("starts_at"),
        ends_at: row.get("ends_at"),
        made_by: row.get("made_by"),
    }
}

async fn list(tx: &ControlTx, with_ended: bool) -> Result<Vec<Announcement>> {
    let rows = tx
        .query(
            "SELECT id, text, is_warning, starts_at, ends_at, made_by FROM public.announcement
             WHERE $1 OR ends_at > now() ORDER BY starts_at DESC, id DESC LIMIT 100",
            &[&with_ended],
        )
        .await?;
    Ok(rows.iter().map(announcement_of).collect())
}

/// The last hundred, those that begin last first.
pub async fn list_announcements(db: &Db) -> Result<Vec<Announcement>> {
    db.read_public(async |tx| list(tx, true).await).await
}

fn hours(text: &str, from: i64) -> Result<i64, Wrong> {
    let parsed = text.trim().parse().ok().filter(|hours| (from..=HOURS_MAX).contains(hours));
    parsed.ok_or_else(|| {
        Wrong::new("out_of_range", say!("A whole number of hours from {} to {}.", from, HOURS_MAX))
    })
}

/// Tells everybody. 422 names the wrong fields.
pub async fn announce(registry: &Registry, who: &Operator, typed: AnnouncementForm<'_>) -> Result<()> {
    let mut check = Check::new();
    let text = check.field("text", line(typed.text, TEXT_MAX_CHARS));
    let begins = match typed.begins_in_hours.trim() {
        "" => Some(0),
        text => check.field("begins_in_hours", hours(text, 0)),
    };
    let lasts = check.field("hours", hours(typed.hours, 1));
    let (text, begins, lasts) = check.finish(text.zip(begins).zip(lasts).map(|((a, b), c)| (a, b, c)))?;
    let starts_at = Utc::now() + TimeDelta::hours(begins);
    let ends_at = starts_at + TimeDelta::hours(lasts);
    registry
        .db()
        .in_public(async |tx| {
            tx.execute(
                "INSERT INTO public.announcement (id, text, is_warning, starts_at, ends_at, made_by) VALUES ($1, $2, $3, $4, $5, $6)",
                &[&Uuid::now_v7(), &text, &typed.is_warning, &starts_at, &ends_at, &who.label()],
            )
            .await?;
            let detail = json!({ "text": text, "starts_at": starts_at, "ends_at": ends_at });
            tell(tx, who, "platform.announced", detail).await
        })
        .await?;
    registry.news().tenant_changed();
    Ok(())
}

/// Ends one now, or takes back one that has not begun.
pub async fn end_announcement(registry: &Registry, who: &Operator, id: Uuid) -> Result<()> {
    registry
        .db()
        .in_public(async |tx| {
            let row = tx
                .query_opt(
                    "UPDATE public.announcement SET starts_at = least(starts_at, now()), ends_at = now()
                     WHERE id = $1 AND ends_at > now() RETURNING text",
                    &[&id],
                )
                .await?;
            let row = row.ok_or_else(|| Error::conflict("ended", "It has ended already."))?;
            tell(tx, who, "platform.announcement_ended", json!({ "text": row.get::<_, String>("text") }))
                .await
        })
        .await?;
    registry.news().tenant_changed();
    Ok(())
}

async fn tell(tx: &ControlTx, who: &Operator, action: &str, detail: serde_json::Value) -> Result<()> {
    note(tx, who, Deed { detail: Some(detail), ..Deed::on(action, "Announcement") }).await?;
    tx.execute("SELECT pg_notify('lastmile_news', 'tenant:' || gen_random_uuid())", &[]).await.map(drop)
}

impl Registry {
    /// Those that count now, or will.
    pub async fn announcements(&self) -> Result<Arc<[Announcement]>> {
        let epoch = self.news().registry_epoch();
        let known = self.announced.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some(epoch), Some((of, known))) = (epoch, known)
            && of == epoch
        {
            return Ok(known);
        }
        let found: Arc<[Announcement]> =
            self.db().read_public(async |tx| list(tx, false).await).await?.into();
        if let Some(epoch) = epoch {
            *self.announced.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((epoch, found.clone()));
        }
        Ok(found)
    }
}
