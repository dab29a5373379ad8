//! What may be done with campaigns.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    model::{Campaign, Draft, State},
    store,
};
use crate::{
    access::By,
    audit::{Actor, Event, changes},
    db::TenantTx,
    error::{Error, Result},
    events,
    jobs::{self, Next},
    messaging::{
        Messaging,
        messages::{self, To, attachments, lists},
        templates,
    },
    tenancy::{Tenant, plans::Feature},
    types::{CampaignId, Limit},
};

/// The kind of job that carries a campaign on.
pub const JOB: &str = "campaign";
/// How often a campaign is looked at while it runs: often at first, seldom when it drags on.
const LOOK: TimeDelta = TimeDelta::seconds(2);
const LOOK_LATER: TimeDelta = TimeDelta::seconds(20);
const LATER: TimeDelta = TimeDelta::minutes(5);

fn event<'a>(action: &'static str, campaign: &'a Campaign, after: Option<Value>) -> Event<'a> {
    Event {
        action,
        object_type: "campaign",
        object_id: Some(campaign.id.0),
        object_label: &campaign.draft.name,
        before: None,
        after,
    }
}

/// Who a campaign's job is: the tenant's own system user, on somebody's behalf.
fn system(tenant: &Tenant, campaign: &Campaign) -> By {
    let actor = Actor { label: format!("Campaign by {}", campaign.created_by), ..Actor::system() };
    By { actor, ..By::system(tenant.clone()) }
}

pub async fn get(tx: &TenantTx, id: CampaignId) -> Result<Campaign> {
    store::find(tx, id).await?.ok_or(Error::not_found("campaign"))
}

async fn locked(tx: &TenantTx, id: CampaignId) -> Result<Campaign> {
    store::lock(tx, id).await?.ok_or(Error::not_found("campaign"))
}

/// One page, the newest first, and whether there are more.
pub async fn list(
    tx: &TenantTx,
    q: Option<&str>,
    state: Option<State>,
    before: Option<CampaignId>,
    limit: Limit,
) -> Result<(Vec<Campaign>, bool)> {
    let mut items = store::list(tx, q, state, before, limit.and_one()).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// What it names is there: its template, groups, segments and lists.
async fn check_parts(tx: &TenantTx, messaging: &Messaging, tenant: &Tenant, draft: &Draft) -> Result<()> {
    if !templates::exists(tx, draft.template).await? {
        return Err(Error::invalid("template_id", "unknown", "There is no such template."));
    }
    messages::known_parts(tx, messaging, tenant, &draft.to).await
}

/// Prepares a campaign.
pub async fn create(tx: &TenantTx, messaging: &Messaging, by: &By, draft: Draft) -> Result<Campaign> {
    by.tenant.entitlements.require(Feature::Campaigns)?;
    let draft = draft.checked()?;
    check_parts(tx, messaging, &by.tenant, &draft).await?;
    let id = CampaignId::new();
    let files = attachments::take(tx, &draft.channels, &draft.attachments).await?;
    store::insert(tx, id, &draft, &files, &by.actor.label).await?;
    let campaign = get(tx, id).await?;
    by.record(tx, event("campaign.created", &campaign, Some(draft.told()))).await?;
    Ok(campaign)
}

fn still_open(campaign: &Campaign) -> Result<()> {
    if campaign.state.is_open() {
        Ok(())
    } else {
        let detail = "Only what was not started can be changed.";
        Err(Error::conflict("campaign_started", detail))
    }
}

/// Changes what is prepared: 409 `campaign_started` when it was started or scheduled.
pub async fn change(
    tx: &TenantTx,
    messaging: &Messaging,
    by: &By,
    id: CampaignId,
    wanted: impl FnOnce(Draft) -> Result<Draft>,
) -> Result<Campaign> {
    let campaign = locked(tx, id).await?;
    still_open(&campaign)?;
    let draft = wanted(campaign.draft.clone())?.checked()?;
    check_parts(tx, messaging, &by.tenant, &draft).await?;
    let (before, after) = changes(&campaign.draft.told(), &draft.told());
    if after.is_none() {
        return Ok(campaign);
    }
    let files = attachments::take(tx, &draft.channels, &draft.attachments).await?;
    store::update(tx, id, &draft, &files).await?;
    attachments::put_back(tx, &campaign.draft.attachments).await?;
    by.record(tx, Event { before, ..event("campaign.updated", &campaign, after) }).await?;
    get(tx, id).await
}

/// Deletes what was never started.
pub async fn remove(tx: &TenantTx, by: &By, id: CampaignId) -> Result<Campaign> {
    let campaign = locked(tx, id).await?;
    still_open(&campaign)?;
    store::delete(tx, id).await?;
    attachments::put_back(tx, &campaign.draft.attachments).await?;
    let told = Event { before: Some(campaign.draft.told()), ..event("campaign.deleted", &campaign, None) };
    by.record(tx, told).await?;
    Ok(campaign)
}

/// Starts a campaign, or lets it wait for its time. 422 names what is missing; 409 `campaign_started` when it was started before.
pub async fn start(tx: &TenantTx, messaging: &Messaging, by: &By, id: CampaignId) -> Result<Campaign> {
    let campaign = locked(tx, id).await?;
    still_open(&campaign)?;
    messages::check_ready(tx, messaging, &by.tenant, &campaign.draft.ask()).await?;
    match campaign.draft.starts_at.filter(|at| *at > Utc::now()) {
        Some(at) => {
            let is_frozen = campaign.draft.is_frozen && campaign.draft.to.has_parts();
            let list = if is_frozen {
                Some(lists::create(tx, &campaign.draft.name, &by.actor.label).await?)
            } else {
                None
            };
            store::schedule(tx, id, list).await?;
            jobs::enqueue(tx, JOB, id.0, if is_frozen { Utc::now() } else { at }).await?;
            let after = json!({"starts_at": at, "is_frozen": campaign.draft.is_frozen});
            by.record(tx, event("campaign.scheduled", &campaign, Some(after))).await?;
        }
        None => launch(tx, messaging, by, &campaign).await?,
    }
    get(tx, id).await
}

/// Its message goes out, and its job watches it.
async fn launch(tx: &TenantTx, messaging: &Messaging, by: &By, campaign: &Campaign) -> Result<()> {
    let mut ask = campaign.draft.ask();
    if let Some(list) = campaign.frozen_list {
        ask.to = To { lists: vec![list], ..To::default() };
    }
    let sent = messages::send(tx, messaging, by, &ask).await?;
    store::run(tx, campaign.id, sent.id).await?;
    jobs::enqueue(tx, JOB, campaign.id.0, Utc::now() + LOOK).await?;
    let after = json!({"message_id": sent.id, "recipients": sent.recipients});
    by.record(tx, event("campaign.started", campaign, Some(after))).await
}

/// What a campaign sends: 409 `not_running` when it sends nothing now.
fn under_way(campaign: &Campaign) -> Result<crate::types::MessageId> {
    campaign
        .message
        .filter(|_| campaign.state.is_under_way())
        .ok_or_else(|| Error::conflict("not_running", "This campaign is not under way."))
}

/// Nothing more goes out until it is resumed.
pub async fn pause(tx: &TenantTx, by: &By, id: CampaignId) -> Result<Campaign> {
    let campaign = locked(tx, id).await?;
    messages::pause(tx, by, under_way(&campaign)?).await?;
    by.record(tx, event("campaign.paused", &campaign, None)).await?;
    get(tx, id).await
}

pub async fn resume(tx: &TenantTx, by: &By, id: CampaignId) -> Result<Campaign> {
    let campaign = locked(tx, id).await?;
    messages::resume(tx, by, under_way(&campaign)?).await?;
    by.record(tx, event("campaign.resumed", &campaign, None)).await?;
    get(tx, id).await
}

/// Takes back all that nobody has begun to send, for good.
pub async fn cancel(tx: &TenantTx, by: &By, id: CampaignId) -> Result<Campaign> {
    let campaign = locked(tx, id).await?;
    match campaign.state {
        State::Scheduled => {}
        State::Running | State::Paused => {
            let taken = match messages::cancel(tx, by, under_way(&campaign)?).await {
                // All of it was sent in the meantime.
                Err(Error::Conflict { code: "nothing_queued", .. }) => 0,
                other => other?,
            };
            tracing::debug!(taken, "a campaign's deliveries were taken back");
        }
        _ => return Err(Error::conflict("not_running", "This campaign is not under way.")),
    }
    store::end(tx, id, State::Cancelled, None).await?;
    by.record(tx, event("campaign.cancelled", &campaign, None)).await?;
    get(tx, id).await
}

/// The job: settles the audience, starts the campaign when its time has come, and sees when it has come to its end. Run twice it does no
/// harm: how it stands is in the campaign's row, which is held.
pub async fn go_on(tx: &TenantTx, messaging: &Messaging, tenant: &Tenant, id: CampaignId) -> Result<Next> {
    let Some(campaign) = store::lock(tx, id).await? else { return Ok(Next::Done) };
    let now = Utc::now();
    match campaign.state {
        State::Scheduled if campaign.freezing.is_some() => freeze(tx, messaging, tenant, &campaign).await,
        State::Scheduled => match campaign.draft.starts_at.filter(|at| *at > now) {
            Some(at) => Ok(Next::Again(at)),
            None => {
                launch(tx, messaging, &system(tenant, &campaign), &campaign).await?;
                Ok(Next::Done)
            }
        },
        State::Running => watch(tx, tenant, &campaign).await,
        State::Paused => Ok(Next::Again(now + LOOK_LATER)),
        _ => Ok(Next::Done),
    }
}

/// Writes the next of those who are in the audience now into the campaign's list.
async fn freeze(tx: &TenantTx, messaging: &Messaging, tenant: &Tenant, campaign: &Campaign) -> Result<Next> {
    let (Some(place), Some(list)) = (campaign.freezing.clone(), campaign.frozen_list) else {
        return Ok(Next::Done);
    };
    let whom = (campaign.draft.channels.as_slice(), &campaign.draft.to);
    let (people, next) = messages::people(tx, messaging, tenant, whom, place).await?;
    if !people.is_empty() {
        lists::append(tx, list, &people).await?;
    }
    store::set_freezing(tx, campaign.id, next.as_ref()).await?;
    Ok(Next::Again(Utc::now()))
}

/// Whether all of it has come to an end; whoever runs campaigns is told.
async fn watch(tx: &TenantTx, tenant: &Tenant, campaign: &Campaign) -> Result<Next> {
    let found = match campaign.message {
        Some(message) => messages::find_all(tx, &[message]).await?.pop(),
        None => None,
    };
    let Some((message, counts, _)) = found else { return Ok(Next::Done) };
    let is_over = match message.status.as_str() {
        "cancelled" => Some(State::Cancelled),
        "ready" if counts.queued == 0 => Some(State::Done),
        _ => None,
    };
    let Some(state) = is_over else {
        let started = campaign.started_at.unwrap_or(campaign.created_at);
        let is_late = Utc::now() - started > LATER;
        return Ok(Next::Again(Utc::now() + if is_late { LOOK_LATER } else { LOOK }));
    };
    store::end(tx, campaign.id, state, None).await?;
    if state == State::Done {
        let (sent, failed) = (counts.taken(), counts.lost());
        let after = json!({"recipients": message.recipients, "sent": sent, "failed": failed});
        by_job(tx, tenant, campaign, "campaign.finished", after).await?;
        let text = format!("{} is finished: {sent} sent, {failed} failed.", campaign.draft.name);
        events::tell_staff(tx, "campaigns.run", &text, &format!("/campaigns/{}", campaign.id)).await?;
    }
    Ok(Next::Done)
}

async fn by_job(
    tx: &TenantTx,
    tenant: &Tenant,
    campaign: &Campaign,
    action: &'static str,
    after: Value,
) -> Result<()> {
    system(tenant, campaign).record(tx, event(action, campaign, Some(after))).await
}

/// A campaign whose time had come, and that cannot be started as it is.
pub async fn fail(tx: &TenantTx, tenant: &Tenant, id: CampaignId, why: &str) -> Result<Next> {
    let Some(campaign) = store::lock(tx, id).await?.filter(|one| one.state == State::Scheduled) else {
        return Ok(Next::Done);
    };
    store::end(tx, id, State::Failed, Some(why)).await?;
    by_job(tx, tenant, &campaign, "campaign.failed", json!({"why": why})).await?;
    let text = format!("{} could not be started: {why}", campaign.draft.name);
    events::tell_staff(tx, "campaigns.run", &text, &format!("/campaigns/{id}")).await?;
    Ok(Next::Done)
}
