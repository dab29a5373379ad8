//! One campaign: what it would come to, or how it stands.

use poem::{
    Response, handler,
    web::{Data, Path},
};
use rust_decimal::Decimal;
use serde::Serialize;

use super::{PATH, tone};
use crate::{
    access::PageUser,
    db::TenantTx,
    error::{Error, Result},
    messaging::{
        Messaging,
        campaigns::{
            RunCampaigns,
            model::{Campaign, State},
            rules,
        },
        contacts,
        messages::{
            self, Delivery, DeliveryFilter, DeliveryRow, Estimate, EstimateBox, Message, MessageCounts,
            Progress, delivery_row, estimate, list_deliveries, lists, progress_of,
        },
    },
    tenancy::Tenant,
    types::{CampaignId, MessageId},
    web::{
        Flash, Moment,
        parts::{counted, grouped, id_of, money},
    },
    words::{say, say_again},
};

/// So many of the last recipients stand on the page; all of them are on the message's own.
const RECIPIENTS: i64 = 25;

#[derive(Serialize)]
struct CampaignPage {
    id: String,
    name: String,
    state: &'static str,
    tone: &'static str,
    is_dry_run: bool,
    channels: String,
    template: String,
    template_href: String,
    audience: Vec<String>,
    is_frozen: bool,
    is_settling: bool,
    per_minute: Option<String>,
    starts: Option<Moment>,
    started: Option<Moment>,
    ended: Option<Moment>,
    created: Moment,
    by: String,
    failure: Option<String>,
    estimate: Option<EstimateBox>,
    /// Why it cannot be started as it is.
    missing: Option<String>,
    sent: Option<SentPart>,
    can_edit: bool,
    can_start: bool,
    can_pause: bool,
    can_resume: bool,
    can_cancel: bool,
}

/// What became of its recipients so far.
#[derive(Serialize)]
struct SentPart {
    message: MessageId,
    href: String,
    recipients: String,
    skipped: String,
    taken: String,
    delivered: String,
    read: String,
    lost: String,
    cost: String,
    progress: Progress,
    rows: Vec<DeliveryRow>,
}

#[handler]
pub async fn show_campaign(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: CampaignId = id_of(&id, "campaign")?;
    let tenant = user.tenant();
    let zone = tenant.time_zone.0;
    let Found { campaign, audience, would, sent } =
        messaging.db.read_tenant(tenant, async |tx| find(tx, &messaging, tenant, id).await).await?;
    let (estimate, missing) = match would {
        Some(Ok(found)) => (Some(EstimateBox::new(found, &tenant.currency)), None),
        Some(Err(error @ (Error::Invalid(_) | Error::Conflict { .. }))) => {
            (None, Some(say_again(error.detail())))
        }
        Some(Err(error)) => return Err(error.into()),
        None => (None, None),
    };
    let sent = sent.map(|(sent, deliveries)| sent_part(&sent, &deliveries, tenant));
    let may = user.by.require::<RunCampaigns>().is_ok();
    let view = CampaignPage {
        id: id.to_string(),
        state: campaign.state.label(),
        tone: tone(campaign.state),
        is_dry_run: campaign.draft.is_dry_run,
        channels: campaign.draft.channels.iter().map(|on| on.label()).collect::<Vec<_>>().join(", then "),
        template: campaign.template_name.clone(),
        template_href: format!("/templates/{}", campaign.draft.template),
        audience,
        is_frozen: campaign.draft.is_frozen,
        is_settling: campaign.freezing.is_some(),
        per_minute: campaign.draft.per_minute.map(|n| grouped(i64::from(n))),
        starts: campaign
            .draft
            .starts_at
            .filter(|_| campaign.message.is_none())
            .map(|at| Moment::at(at, zone)),
        started: campaign.started_at.map(|at| Moment::at(at, zone)),
        ended: campaign.ended_at.map(|at| Moment::at(at, zone)),
        created: Moment::at(campaign.created_at, zone),
        by: campaign.created_by.clone(),
        failure: campaign.failure.clone(),
        can_edit: may && campaign.state.is_open(),
        can_start: may && campaign.state.is_open() && missing.is_none(),
        can_pause: may && campaign.state == State::Running,
        can_resume: may && campaign.state == State::Paused,
        can_cancel: may && (campaign.state.is_under_way() || campaign.state == State::Scheduled),
        estimate,
        missing,
        sent,
        name: campaign.draft.name,
    };
    Ok(user.render("campaigns/detail.html", &view.name.clone(), &view)?)
}

/// A campaign with all that its page tells.
struct Found {
    campaign: Campaign,
    audience: Vec<String>,
    /// What it would come to, as long as it was not started; or why it cannot be.
    would: Option<Result<Estimate>>,
    sent: Option<((Message, MessageCounts, Decimal), Vec<Delivery>)>,
}

async fn find(tx: &TenantTx, messaging: &Messaging, tenant: &Tenant, id: CampaignId) -> Result<Found> {
    let campaign = rules::get(tx, id).await?;
    let audience = audience_of(tx, messaging, &campaign).await?;
    let would = match campaign.message {
        None if campaign.state != State::Cancelled => {
            let ask = campaign.draft.ask();
            Some(match messages::check_ready(tx, messaging, tenant, &ask).await {
                Ok(()) => estimate(tx, messaging, tenant, &ask).await,
                Err(error) => Err(error),
            })
        }
        _ => None,
    };
    let sent = match campaign.message {
        Some(message) => {
            let filter = DeliveryFilter { message: Some(message), ..DeliveryFilter::default() };
            let deliveries = list_deliveries(tx, &filter, None, RECIPIENTS).await?;
            messages::find_all(tx, &[message]).await?.pop().zip(Some(deliveries))
        }
        None => None,
    };
    Ok(Found { campaign, audience, would, sent })
}

fn sent_part(
    (message, counts, price): &(Message, MessageCounts, Decimal),
    deliveries: &[Delivery],
    tenant: &Tenant,
) -> SentPart {
    let zone = tenant.time_zone.0;
    SentPart {
        message: message.id,
        href: format!("/messages/{}", message.id),
        recipients: grouped(i64::from(message.recipients)),
        skipped: grouped(i64::from(message.skipped)),
        taken: grouped(counts.taken()),
        delivered: grouped(counts.delivered + counts.read),
        read: grouped(counts.read),
        lost: grouped(counts.lost()),
        cost: money(*price, &tenant.currency),
        progress: progress_of(message, counts),
        rows: deliveries.iter().map(|delivery| delivery_row(delivery, zone)).collect(),
    }
}

/// Whom it is for, a line for each part.
async fn audience_of(tx: &TenantTx, messaging: &Messaging, campaign: &Campaign) -> Result<Vec<String>> {
    let to = &campaign.draft.to;
    let mut lines = Vec::new();
    for segment in &to.segments {
        lines.push(messaging.directory.label(tx, segment).await?.unwrap_or_else(|| say("(gone)").to_owned()));
    }
    let groups = contacts::groups(tx).await?;
    lines.extend(groups.into_iter().filter(|group| to.groups.contains(&group.id)).map(|group| group.name));
    for list in &to.lists {
        if let Some(list) = lists::find(tx, *list).await? {
            let amount = counted(i64::from(list.members), "recipient", "recipients");
            lines.push(format!("{}, {amount}", list.name));
        }
    }
    if to.named() > 0 {
        let amount = i64::try_from(to.named()).unwrap_or(i64::MAX);
        lines.push(counted(amount, "named recipient", "named recipients"));
    }
    Ok(lines)
}

/// Back to the campaign, with what was done or why not.
fn back(user: &PageUser, id: CampaignId, done: Result<Campaign>, said: &str) -> poem::Result<Response> {
    let flash = match done {
        Ok(campaign) => Flash::success(format!("{} {said}", campaign.draft.name)),
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(&format!("{PATH}/{id}"), &flash))
}

#[handler]
pub async fn start_campaign(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: CampaignId = id_of(&id, "campaign")?;
    let done = messaging
        .db
        .in_tenant(user.tenant(), async |tx| rules::start(tx, &messaging, &user.by, id).await)
        .await;
    messaging.bell.notify_one();
    let said = match &done {
        Ok(campaign) if campaign.state == State::Scheduled => say("is scheduled."),
        _ => say("is on its way."),
    };
    back(&user, id, done, said)
}

#[handler]
pub async fn pause_campaign(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: CampaignId = id_of(&id, "campaign")?;
    let db = &messaging.db;
    let done = db.in_tenant(user.tenant(), async |tx| rules::pause(tx, &user.by, id).await).await;
    back(&user, id, done, say("is paused."))
}

#[handler]
pub async fn resume_campaign(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: CampaignId = id_of(&id, "campaign")?;
    let db = &messaging.db;
    let done = db.in_tenant(user.tenant(), async |tx| rules::resume(tx, &user.by, id).await).await;
    messaging.bell.notify_one();
    back(&user, id, done, say("goes on."))
}

#[handler]
pub async fn cancel_campaign(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: CampaignId = id_of(&id, "campaign")?;
    let db = &messaging.db;
    let done = db.in_tenant(user.tenant(), async |tx| rules::cancel(tx, &user.by, id).await).await;
    back(&user, id, done, say("was cancelled."))
}

#[handler]
pub async fn delete_campaign(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: CampaignId = id_of(&id, "campaign")?;
    let db = &messaging.db;
    match db.in_tenant(user.tenant(), async |tx| rules::remove(tx, &user.by, id).await).await {
        Ok(campaign) => Ok(user.then(PATH, &Flash::success(say!("{} was deleted.", campaign.draft.name)))),
        failed => back(&user, id, failed, ""),
    }
}
