//! What is done with each delivery that was claimed: it goes out, waits, or has come to its end.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::{
    claim::Claimed,
    fate::{Failure, Fate},
    files::{FileRoom, Files},
    quiet::quiet_until,
    settle::Settled,
};
use crate::{
    messaging::{
        Address, Channel, Status,
        accounts::{Account, Opened, Readiness},
        messages::{Hold, Lane, Spoken},
        policy::Policy,
        providers::{Content, Outgoing, Prepared, Provider, Unsubscribe},
    },
    tenancy::Tenant,
    trace::TraceParent,
    types::{AccountId, MessageId, TemplateId},
};

/// Who finds no room for its files comes again after so long.
const ROOM_WAIT: TimeDelta = TimeDelta::seconds(1);

/// What was looked up for a turn.
pub struct Turnout<'a> {
    pub tenant: &'a Tenant,
    pub lane: Lane,
    pub lease: Uuid,
    pub now: DateTime<Utc>,
    pub policy: &'a Policy,
    pub messages: &'a HashMap<MessageId, Arc<Spoken>>,
    /// Those of them of which nothing is to go out.
    pub held: &'a HashMap<MessageId, Hold>,
    /// The active accounts of each channel, in their order.
    pub accounts: &'a HashMap<Channel, Vec<Account>>,
    pub opened: &'a HashMap<AccountId, Opened>,
    /// Accounts that a probe was taken for.
    pub probes: HashSet<AccountId>,
    pub suppressed: &'a HashMap<(Channel, String), String>,
    pub heard: &'a HashMap<(Channel, String), DateTime<Utc>>,
    pub receipts: &'a (dyn Fn(&Account) -> Option<url::Url> + Sync),
    pub unsubscribe: &'a (dyn Fn(&Claimed) -> Option<Unsubscribe> + Sync),
    /// The files of those messages that carry some.
    pub files: &'a HashMap<MessageId, Files>,
    pub room: &'a FileRoom,
}

/// A delivery that goes out.
pub struct Going {
    pub claimed: Claimed,
    pub account: Account,
    pub provider: Arc<dyn Provider>,
    /// None: everything is done but the wire.
    pub prepared: Option<Prepared>,
    pub template: Option<TemplateId>,
    pub has_fallback: bool,
    pub retries_max: i16,
    pub segments: Option<i16>,
    pub own_price: Decimal,
    /// The room that it takes up until it is gone.
    pub room: Option<OwnedSemaphorePermit>,
    /// What asked for its message.
    pub trace: Option<TraceParent>,
}

/// What is done with one delivery.
pub enum Plan {
    Send(Box<Going>),
    /// It is told inside the product: there is no wire.
    Tell(Box<(Claimed, Content, Option<TemplateId>)>),
    Wait(Claimed, DateTime<Utc>),
    /// Its message is paused.
    Park(Claimed),
    End(Box<Settled>),
    /// The account's credential is not open yet.
    Open(Claimed, Account),
}

impl Turnout<'_> {
    pub fn plan(&mut self, claimed: Claimed) -> Plan {
        let Some(spoken) = self.messages.get(&claimed.message).cloned() else {
            return self.end(
                claimed,
                None,
                Status::Failed,
                Failure::new("content", "no_message", "The message is gone."),
            );
        };
        let template = spoken.template;
        if claimed.was_sending {
            let lost = "It was being sent when the program stopped. Whether it went out is not known.";
            return self.end(
                claimed,
                template,
                Status::Unknown,
                Failure::new("unknown", "interrupted", lost),
            );
        }
        match self.held.get(&claimed.message) {
            Some(Hold::Paused) => return Plan::Park(claimed),
            Some(Hold::Cancelled) => {
                let why = Failure::new("cancelled", "cancelled", "The message was cancelled.");
                return self.end(claimed, template, Status::Cancelled, why);
            }
            None => {}
        }
        if spoken.expires_at.is_some_and(|at| at <= self.now) {
            let late = Failure::new("expired", "too_late", "Its time was over before it could be sent.");
            return self.end(claimed, template, Status::Expired, late);
        }
        if let Some(reason) = self.suppressed.get(&(claimed.channel, claimed.address.to_lowercase())) {
            let why = format!("This address is not to be written to: {reason}.");
            return self.end(claimed, template, Status::Suppressed, Failure::new("suppressed", reason, why));
        }
        if let Some(until) = self.quiet_until() {
            return Plan::Wait(claimed, until);
        }
        let content = spoken.compose(
            claimed.channel,
            claimed.language.as_deref(),
            &self.policy.default_language,
            &claimed.context,
        );
        let mut content = match content {
            Ok(content) => content,
            Err(detail) => {
                return self.end(
                    claimed,
                    template,
                    Status::Failed,
                    Failure::new("content", detail.code(), detail.to_string()),
                );
            }
        };
        match self.files.get(&claimed.message) {
            Some(Some(files)) if self.room.has_room(files) => content.attachments.clone_from(files),
            Some(Some(_)) => return Plan::Wait(claimed, self.now + ROOM_WAIT),
            Some(None) => {
                let gone = Failure::new("content", "attachment_gone", "A file that goes along was deleted.");
                return self.end(claimed, template, Status::Failed, gone);
            }
            None => {}
        }
        if claimed.channel == Channel::InApp {
            return Plan::Tell(Box::new((claimed, content, template)));
        }
        content.unsubscribe = (self.unsubscribe)(&claimed);
        self.route(claimed, &spoken, content)
    }

    fn quiet_until(&self) -> Option<DateTime<Utc>> {
        let hours = self.policy.quiet.filter(|_| self.lane == Lane::Bulk)?;
        quiet_until(self.now, hours, self.tenant.time_zone)
    }

    /// Chooses the account: the first that has not refused it and is in use.
    fn route(&mut self, claimed: Claimed, spoken: &Spoken, content: Content) -> Plan {
        let none = Vec::new();
        let accounts = self.accounts.get(&claimed.channel).unwrap_or(&none);
        let left: Vec<&Account> =
            accounts.iter().filter(|account| !claimed.refused_by.contains(&account.id)).collect();
        if left.is_empty() {
            return self.nowhere(claimed, spoken.template, accounts);
        }
        let has_files = !content.attachments.is_empty();
        let left: Vec<&Account> =
            left.into_iter().filter(|account| !has_files || account.carries_files()).collect();
        if left.is_empty() {
            let why = Failure::new("content", "no_attachments", "No provider that is left carries files.");
            return self.end(claimed, spoken.template, Status::Failed, why);
        }
        let ready = left.iter().position(|account| match account.readiness(self.now) {
            Readiness::Ready => true,
            Readiness::Probe => !self.opened.contains_key(&account.id) || self.probes.remove(&account.id),
            Readiness::NotBefore(_) => false,
        });
        let Some(account) = ready.and_then(|at| left.get(at)) else {
            let soonest = left.iter().filter_map(|account| account.breaker.until).min();
            let due = soonest.unwrap_or(self.now).max(self.now + TimeDelta::seconds(5));
            return Plan::Wait(claimed, due);
        };
        let account = (*account).clone();
        let has_fallback = left.len() > 1;
        match self.opened.get(&account.id) {
            Some(opened) => {
                let provider = opened.now.clone();
                self.prepare(claimed, spoken, content, account, provider, has_fallback)
            }
            None => Plan::Open(claimed, account),
        }
    }

    fn nowhere(&self, claimed: Claimed, template: Option<TemplateId>, accounts: &[Account]) -> Plan {
        let label = claimed.channel.label();
        let why = if accounts.is_empty() {
            Failure::new("account", "no_account", format!("No provider is connected for {label}."))
        } else {
            Failure::new("account", "all_refused", format!("Every provider for {label} refused it."))
        };
        self.end(claimed, template, Status::Failed, why)
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of one delivery by now")]
    fn prepare(
        &self,
        claimed: Claimed,
        spoken: &Spoken,
        content: Content,
        account: Account,
        provider: Arc<dyn Provider>,
        has_fallback: bool,
    ) -> Plan {
        let outgoing = Outgoing {
            id: claimed.id.0,
            to: Address::stored(claimed.channel, claimed.address.clone()),
            from: None,
            content,
            reply_to: claimed.reply_to.clone(),
            last_heard_at: self.heard.get(&(claimed.channel, claimed.address.clone())).copied(),
            receipts_url: (self.receipts)(&account),
            valid_for: spoken.expires_at.and_then(|at| (at - self.now).to_std().ok()),
            now: self.now,
        };
        let prepared = match provider.prepare(&outgoing) {
            Ok(prepared) => prepared,
            Err(refusal) => {
                return self.end(claimed, spoken.template, Status::Failed, Failure::from(&refusal));
            }
        };
        let Ok(room) = self.room.enter(&prepared) else {
            return Plan::Wait(claimed, self.now + ROOM_WAIT);
        };
        let count = prepared.segments.map(|segments| segments.count);
        let segments = count.and_then(|count| i16::try_from(count).ok());
        let own_price = account.price * Decimal::from(count.unwrap_or(1));
        let is_dry = self.policy.is_dry_run || spoken.is_dry_run;
        Plan::Send(Box::new(Going {
            claimed,
            account,
            provider,
            prepared: (!is_dry).then_some(prepared),
            template: spoken.template,
            has_fallback,
            retries_max: self.policy.retries,
            segments,
            own_price,
            room,
            trace: spoken.trace.clone(),
        }))
    }

    fn end(&self, claimed: Claimed, template: Option<TemplateId>, status: Status, failure: Failure) -> Plan {
        Plan::End(Box::new(self.settled(claimed, template, Fate::Ended { status, failure, suppress: None })))
    }

    /// An end that no provider had a part in.
    pub fn settled(&self, claimed: Claimed, template: Option<TemplateId>, fate: Fate) -> Settled {
        Settled {
            id: claimed.id,
            lease: self.lease,
            message: claimed.message,
            lane: self.lane,
            template,
            channel: claimed.channel,
            address: claimed.address,
            attempts: claimed.attempts,
            retries: claimed.retries,
            queued_at: claimed.queued_at,
            segments: None,
            reserved: claimed.reserved,
            own_price: Decimal::ZERO,
            tried: None,
            fate,
            at: self.now,
            note: None,
        }
    }
}
