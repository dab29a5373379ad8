//! A key's end, and who is told of it: its maker and the owners, by the bell and by letter, fourteen and three days before and when
//! it has come, once each. A standing job of every tenant, which answers when the next of them falls due.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{
    model::ApiKey,
    store::{self, Warned},
    usage::kept_since,
};
use crate::{
    access::{letters::Desk, people::People},
    db::TenantTx,
    error::Result,
    events,
    jobs::{self, Next, Runner},
    tenancy::Tenant,
};

/// The standing job.
const KIND: &str = "api_keys.expiry";
/// One transaction tells of so many keys.
const BATCH: i64 = 20;
/// Nothing is further off than this, so that a clock that was set wrong mends itself.
const LOOK_AT_LEAST_HOURS: i64 = 24;
/// A letter about the end is not worth sending any later.
const LETTER_DAYS: i64 = 3;

/// Gives the worker the job.
pub fn handlers(runner: &mut Runner, people: &People) {
    let people = people.clone();
    runner.stand(
        KIND,
        Arc::new(move |tenant, _| {
            let people = people.clone();
            Box::pin(async move { warn(&people, &tenant).await })
        }),
    );
}

/// A key was given this end: the job looks at it in time.
pub async fn call(tx: &TenantTx, expires_at: Option<DateTime<Utc>>) -> Result<()> {
    match expires_at {
        // Whatever falls due, and when, the job finds by itself.
        Some(_) => jobs::call_at(tx, KIND, Utc::now()).await,
        None => Ok(()),
    }
}

async fn warn(people: &People, tenant: &Tenant) -> Result<Next> {
    let now = Utc::now();
    let desk = people.desk(tenant).await?;
    let today = now.with_timezone(&tenant.time_zone.0).date_naive();
    loop {
        let batch = async |tx: &TenantTx| {
            let ending = store::list_ending(tx, now, BATCH).await?;
            for (key, days) in &ending {
                tell(tx, tenant, &desk, key, *days).await?;
            }
            store::sweep_use(tx, kept_since(today)).await?;
            Ok((ending.len(), store::next_warning(tx, now).await?))
        };
        let (told, next) = people.access().0.db.in_tenant(tenant, batch).await?;
        if told == 0 {
            let latest = now + TimeDelta::hours(LOOK_AT_LEAST_HOURS);
            return Ok(Next::Again(next.map_or(latest, |next| next.min(latest))));
        }
    }
}

#[derive(Serialize)]
struct LetterView<'a> {
    name: &'a str,
    key_name: &'a str,
    key_prefix: &'a str,
    has_ended: bool,
    when: &'a str,
    link: &'a str,
    brand_name: &'a str,
    brand_color: &'a str,
    brand_content: &'static str,
    portal_url: &'a str,
}

/// One warning is the bell's lines, the letters and the row that keeps it from being given again, in one transaction.
async fn tell(tx: &TenantTx, tenant: &Tenant, desk: &Desk, key: &ApiKey, days: i16) -> Result<()> {
    let Some(expires_at) = key.expires_at else { return Ok(()) };
    let has_ended = days == 0;
    let when = expires_at.with_timezone(&tenant.time_zone.0).format("%-d %B %Y, %H:%M").to_string();
    let path = format!("/api-keys/{}", key.id);
    let line = if has_ended {
        format!("The API key {} has expired: programs that use it are refused.", key.name)
    } else {
        format!("The API key {} expires on {when}.", key.name)
    };
    for Warned { id, name, email } in store::list_warned(tx, key.created_by).await? {
        events::tell_person(tx, id, &line, Some(&path), None).await?;
        let view = LetterView {
            name: &name,
            key_name: &key.name,
            key_prefix: &key.prefix,
            has_ended,
            when: &when,
            link: &format!("{}{path}", desk.portal_url),
            brand_name: &desk.brand.name,
            brand_color: &desk.brand.accent,
            brand_content: desk.ink(),
            portal_url: &desk.portal_url,
        };
        let subject = if has_ended {
            format!("The API key {} has expired", key.name)
        } else {
            format!("The API key {} expires soon", key.name)
        };
        let send_before = Utc::now() + TimeDelta::days(LETTER_DAYS);
        desk.queue_letter(
            tx,
            &email,
            &subject,
            ("mail/key_expiry.txt", "mail/key_expiry.html", &view),
            send_before,
        )
        .await?;
    }
    store::insert_warning(tx, key.id, expires_at, days).await
}
