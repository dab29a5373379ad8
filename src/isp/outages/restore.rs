//! The end of an outage: what each subscriber lost, and what becomes of it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    giving::give,
    model::{Extension, Giving, Outage, Policy, Status, minutes_text},
    rules::{event, lock, publish, tell_staff},
    spans::Span,
    store,
    subscribers::{self, Loss},
    tree,
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    events,
    isp::tickets,
    types::{InstallationId, OutageId},
    words::in_english,
};

/// A cabinet with thousands of subscribers takes longer than a page.
pub const AT_MOST: std::time::Duration = std::time::Duration::from_secs(60);

/// What the end of an outage at an instant would come to.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub losses: Vec<Loss>,
    pub policy: Policy,
    /// Whether the outage is long enough, and the policy gives.
    pub gives: bool,
}

impl Outcome {
    /// How many would gain something, and minutes altogether.
    pub fn gains(&self) -> (i64, i64) {
        let gaining = self.losses.iter().filter(|loss| loss.gain > 0);
        gaining.fold((0, 0), |(n, sum), loss| (n + 1, sum + loss.gain))
    }
}

/// When an outage ended, as it was said: not in the future, not before it began.
pub fn check_end(outage: &Outage, at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let at = at.unwrap_or(now);
    if at > now {
        return Err(Error::invalid("restored_at", "in_the_future", "It cannot be over in the future."));
    }
    if at < outage.started_at {
        return Err(Error::invalid("restored_at", "before_the_start", "It cannot be over before it began."));
    }
    Ok(at)
}

/// What each would lose and gain if the outage ended at this instant; nothing is written.
pub async fn preview(tx: &TenantTx, by: &By, outage: &Outage, at: DateTime<Utc>) -> Result<Outcome> {
    let policy = store::get_policy(tx).await?;
    let gives = policy.gives_for(at - outage.started_at);
    let window = Span { from: outage.started_at, to: at };
    let under: Vec<InstallationId> = match outage.node {
        Some(node) => {
            tree::served_by(tx, node).await?.into_iter().map(|served| served.installation).collect()
        }
        None => Vec::new(),
    };
    let facts = subscribers::find_facts(tx, outage.id, window, &under).await?;
    let ids: Vec<InstallationId> = facts.iter().map(|fact| fact.installation).collect();
    let given = given_to(tx, outage.id, &ids).await?;
    let none = Vec::new();
    let losses = facts.iter().map(|fact| {
        let span = fact.lost(window, by.tenant.time_zone.0);
        let others = given.get(&fact.installation).unwrap_or(&none);
        // What runs can be extended; what was terminated or lapsed meanwhile cannot.
        let gain = match span {
            Some(span) if gives && fact.is_active => span.minutes_outside(others),
            _ => 0,
        };
        Loss {
            installation: fact.installation,
            customer: fact.customer,
            span,
            gain,
            extension: Extension::None,
            extended_minutes: 0,
        }
    });
    Ok(Outcome { losses: losses.collect(), policy, gives })
}

async fn given_to(
    tx: &TenantTx,
    except: OutageId,
    ids: &[InstallationId],
) -> Result<HashMap<InstallationId, Vec<Span>>> {
    let mut given: HashMap<InstallationId, Vec<Span>> = HashMap::new();
    for (installation, span) in subscribers::find_given(tx, except, ids).await? {
        given.entry(installation).or_default().push(span);
    }
    Ok(given)
}

/// How an outage is ended.
#[derive(Debug, Clone, Default)]
pub struct End {
    /// Now when it is not said.
    pub at: Option<DateTime<Utc>>,
    /// Resolves the tickets that it explains, with this note.
    pub resolve_tickets: Option<String>,
}

/// Ends an outage: what each subscriber lost is written down, and given back as the policy says. An outage that is over already
/// stays as it is.
pub async fn restore(tx: &TenantTx, by: &By, id: OutageId, end: &End) -> Result<Outage> {
    let was = lock(tx, id).await?;
    if was.status == Status::Restored {
        return Ok(was);
    }
    if was.status != Status::Down {
        return Err(Error::conflict("not_down", "Only an outage that is down can be restored."));
    }
    let at = check_end(&was, end.at, Utc::now())?;
    lock_affected(tx, &was).await?;
    let mut outcome = preview(tx, by, &was, at).await?;
    let why = format!("Outage {}", was.number);
    for loss in outcome.losses.iter_mut().filter(|loss| loss.gain > 0) {
        match outcome.policy.giving {
            Giving::Off => {}
            Giving::Propose => loss.extension = Extension::Proposed,
            Giving::Automatic => extend(tx, by, loss, &why).await?,
        }
    }
    subscribers::write_losses(tx, id, &outcome.losses).await?;
    let outage = Outage {
        status: Status::Restored,
        restored_at: Some(at),
        restored_by: Some(by.actor.label.clone()),
        ..was.clone()
    };
    store::update(tx, &outage).await?;
    let resolved = match &end.resolve_tickets {
        Some(notes) => tickets::resolve_for_outage(tx, by, id, notes).await?,
        None => 0,
    };
    told_of_end(tx, by, &was, &outage, resolved).await?;
    tell_each(tx, &outcome.losses).await?;
    Ok(outage)
}

/// Locks whoever may be extended: two outages that overlap are settled one after the other.
async fn lock_affected(tx: &TenantTx, outage: &Outage) -> Result<()> {
    let mut ids: Vec<InstallationId> = subscribers::find_ids(tx, outage.id).await?;
    if let Some(node) = outage.node {
        ids.extend(tree::served_by(tx, node).await?.into_iter().map(|served| served.installation));
    }
    subscribers::lock_installations(tx, &ids).await
}

async fn extend(tx: &TenantTx, by: &By, loss: &mut Loss, why: &str) -> Result<()> {
    (loss.extension, loss.extended_minutes) = match give(tx, by, loss.installation, loss.gain, why).await? {
        Some(minutes) => (Extension::Extended, minutes),
        None => (Extension::None, 0),
    };
    Ok(())
}

async fn told_of_end(tx: &TenantTx, by: &By, was: &Outage, outage: &Outage, resolved: usize) -> Result<()> {
    let sums = subscribers::sum(tx, outage.id).await?;
    let (before, after) = changes(&was.told(), &outage.told());
    by.record(tx, Event { before, after, ..event("outage.restored", outage) }).await?;
    let lasted = outage.lasted(Utc::now()).num_minutes();
    let payload = json!({
        "number": outage.number, "node": outage.node_label, "started_at": outage.started_at,
        "restored_at": outage.restored_at, "minutes": lasted, "affected": sums.affected,
        "extended": sums.extended, "to_decide": sums.to_decide, "tickets_resolved": resolved,
    });
    publish(tx, "outage.restored", outage, &payload).await?;
    let mut text = format!("{} is back after {}.", outage.node_label, in_english(|| minutes_text(lasted)));
    if sums.to_decide > 0 {
        text.push_str(&format!(" Decide what {} subscribers get for it.", sums.to_decide));
    }
    tell_staff(tx, outage, &text).await
}

/// Tells each subscriber that it is over, and what was added.
async fn tell_each(tx: &TenantTx, losses: &[Loss]) -> Result<()> {
    let mut plain = Vec::new();
    for loss in losses {
        if loss.extension == Extension::Extended {
            let text = format!(
                "Your internet is back. {} were added to your period.",
                in_english(|| minutes_text(loss.extended_minutes))
            );
            events::tell_subscriber(tx, loss.customer, &text, "/my").await?;
        } else {
            plain.push(loss.customer);
        }
    }
    store::tell(tx, &plain, "Your internet is back.", "/my").await
}

/// What staff decide of what subscribers lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Extend,
    Decline,
}

/// How many were decided of, and how many of them got something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decided {
    pub decided: usize,
    pub extended: usize,
    pub minutes: i64,
}

/// Extends what waits for a decision, or declines it: of these installations or of all. What was decided already stays.
pub async fn decide(
    tx: &TenantTx,
    by: &By,
    id: OutageId,
    decision: Decision,
    only: Option<&[InstallationId]>,
) -> Result<Decided> {
    let outage = lock(tx, id).await?;
    if let Some(asked) = only
        && !subscribers::has_all(tx, id, asked).await?
    {
        let said = "One of these installations is not hit by the outage.";
        return Err(Error::invalid("installation_ids", "unknown_installation", said));
    }
    let mut losses = subscribers::find_to_decide(tx, id, only).await?;
    if losses.is_empty() {
        return Ok(Decided::default());
    }
    let ids: Vec<InstallationId> = losses.iter().map(|loss| loss.installation).collect();
    subscribers::lock_installations(tx, &ids).await?;
    let given = given_to(tx, id, &ids).await?;
    let (none, why) = (Vec::new(), format!("Outage {}", outage.number));
    let mut done = Decided { decided: losses.len(), ..Decided::default() };
    for loss in &mut losses {
        if decision == Decision::Decline {
            loss.extension = Extension::Declined;
            continue;
        }
        let others = given.get(&loss.installation).unwrap_or(&none);
        loss.gain = loss.span.map_or(0, |span| span.minutes_outside(others));
        extend(tx, by, loss, &why).await?;
        if loss.extension == Extension::Extended {
            done.extended += 1;
            done.minutes += loss.extended_minutes;
            let text = format!(
                "{} were added to your period for the outage.",
                in_english(|| minutes_text(loss.extended_minutes))
            );
            events::tell_subscriber(tx, loss.customer, &text, "/my").await?;
        }
    }
    subscribers::write_losses(tx, id, &losses).await?;
    let action = match decision {
        Decision::Extend => "outage.extension_confirmed",
        Decision::Decline => "outage.extension_declined",
    };
    let after = json!({ "subscribers": done.decided, "extended": done.extended, "minutes": done.minutes });
    by.record(tx, Event { after: Some(after), ..event(action, &outage) }).await?;
    Ok(done)
}
