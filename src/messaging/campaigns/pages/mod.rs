//! Pages of campaigns.

mod detail;
mod form;

use poem::{
    Response, handler,
    http::Method,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{RunCampaigns, ViewCampaigns, api::sent_by, model::State, rules};
use crate::{
    access::{Guarded, PageUser},
    messaging::{Messaging, messages::attachments::FORM_MAX_BYTES},
    types::{CampaignId, Cursor, Limit, search::plain},
    web::{
        Moment, RouteTable,
        parts::{Pager, Tab, address, grouped, shown},
    },
    words::say,
};

const PATH: &str = "/campaigns";
const PAGE: Limit = Limit::of(50);
const Q_MAX: usize = 100;

/// Every page of campaigns.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewCampaigns>(Method::GET, PATH, list_campaigns);
    table.page::<RunCampaigns>(Method::GET, "/campaigns/new", form::new_campaign);
    table.upload::<RunCampaigns>(PATH, FORM_MAX_BYTES, form::add_campaign);
    table.page::<ViewCampaigns>(Method::GET, "/campaigns/:id", detail::show_campaign);
    table.page::<RunCampaigns>(Method::GET, "/campaigns/:id/edit", form::edit_campaign);
    table.upload::<RunCampaigns>("/campaigns/:id", FORM_MAX_BYTES, form::change_campaign);
    table.page::<RunCampaigns>(Method::POST, "/campaigns/:id/start", detail::start_campaign);
    table.page::<RunCampaigns>(Method::POST, "/campaigns/:id/pause", detail::pause_campaign);
    table.page::<RunCampaigns>(Method::POST, "/campaigns/:id/resume", detail::resume_campaign);
    table.page::<RunCampaigns>(Method::POST, "/campaigns/:id/cancel", detail::cancel_campaign);
    table.page::<RunCampaigns>(Method::POST, "/campaigns/:id/delete", detail::delete_campaign);
}

fn tone(state: State) -> &'static str {
    match state {
        State::Draft | State::Cancelled => "",
        State::Scheduled => "info",
        State::Running => "brand",
        State::Paused => "warning",
        State::Done => "success",
        State::Failed => "error",
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    state: String,
    cursor: String,
    from: i64,
}

impl Asked {
    /// The list of this state, with the rest of the filter, and something more.
    fn href(&self, state: &str, more: &[(&str, &str)]) -> String {
        let own = [("q", self.q.as_str()), ("state", state)];
        address(PATH, own.into_iter().chain(more.iter().copied()).filter(|(_, value)| !value.is_empty()))
    }
}

#[derive(Serialize)]
struct ListPage {
    tabs: Vec<Tab>,
    q: String,
    state: String,
    rows: Vec<CampaignRow>,
    pager: Pager,
    filtered: bool,
    can_run: bool,
}

#[derive(Serialize)]
struct CampaignRow {
    href: String,
    name: String,
    template: String,
    state: &'static str,
    tone: &'static str,
    is_dry_run: bool,
    recipients: String,
    sent: String,
    failed: String,
    by: String,
    at: Moment,
}

fn tabs(asked: &Asked) -> Vec<Tab> {
    [
        (say("All"), ""),
        (say("Drafts"), "draft"),
        (say("Scheduled"), "scheduled"),
        (say("Running"), "running"),
        (say("Paused"), "paused"),
        (say("Finished"), "done"),
    ]
    .into_iter()
    .map(|(label, state)| Tab {
        label,
        count: None,
        href: asked.href(state, &[]),
        active: asked.state == state,
    })
    .collect()
}

#[handler]
async fn list_campaigns(
    user: PageUser,
    messaging: Data<&Messaging>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let before = match asked.cursor.as_str() {
        "" => None,
        text => Some(Cursor::<CampaignId>::decode(text)?.0),
    };
    let q: Option<String> = plain(&asked.q).map(|q| q.chars().take(Q_MAX).collect());
    let state = State::parse(&asked.state).ok();
    let (found, more, sent) = messaging
        .db
        .read_tenant(user.tenant(), async |tx| {
            let (found, more) = rules::list(tx, q.as_deref(), state, before, PAGE).await?;
            let sent = sent_by(tx, &found).await?;
            Ok((found, more, sent))
        })
        .await?;
    let zone = user.tenant().time_zone.0;
    let first = if before.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let (cursor, from) = (Cursor(last.id).encode()?, (first + PAGE.get()).to_string());
            Some(asked.href(&asked.state, &[("cursor", &cursor), ("from", &from)]))
        }
        None => None,
    };
    let rows = found
        .iter()
        .map(|campaign| {
            let sent = campaign.message.and_then(|id| sent.get(&id)).cloned();
            let (recipients, counts, _) = sent.unwrap_or_default();
            CampaignRow {
                href: format!("{PATH}/{}", campaign.id),
                name: campaign.draft.name.clone(),
                template: campaign.template_name.clone(),
                state: campaign.state.label(),
                tone: tone(campaign.state),
                is_dry_run: campaign.draft.is_dry_run,
                recipients: grouped(i64::from(recipients)),
                sent: grouped(counts.taken()),
                failed: grouped(counts.lost()),
                by: campaign.created_by.clone(),
                at: Moment::at(campaign.started_at.unwrap_or(campaign.created_at), zone),
            }
        })
        .collect();
    let view = ListPage {
        tabs: tabs(&asked),
        filtered: q.is_some() || state.is_some(),
        q: q.unwrap_or_default(),
        rows,
        pager: Pager {
            prev_href: before.is_some().then(|| asked.href(&asked.state, &[])),
            next_href,
            shown: shown(first, found.len()),
            total: None,
        },
        state: asked.state,
        can_run: user.by.require::<RunCampaigns>().is_ok(),
    };
    Ok(user.render("campaigns/list.html", say("Campaigns"), &view)?)
}
