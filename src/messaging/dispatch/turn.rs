//! One turn of one lane: claim what is due, plan it, write down what is not to be sent, and answer with what goes out. All of it is
//! one transaction: until it is committed nothing went out, and afterwards each that did not is known by its lease.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::try_join4;
use uuid::Uuid;

use super::{
    Dispatcher,
    claim::{self, Claimed},
    failpoint::Point,
    fate::{Failure, Fate},
    lanes::Turn,
    plan::{Going, Plan, Turnout},
    rate,
    settle::{self, Settled},
};
use crate::{
    db::TenantTx,
    error::Result,
    messaging::{
        Channel, Status,
        accounts::{self, Account, Opened, Readiness},
        hooks,
        live::{self, Bell},
        messages::{self, Spoken},
        policy::{self, Policy},
        providers::{Content, State},
        suppression,
    },
    secrets::DataKeys,
    tenancy::Tenant,
    types::{AccountId, DeliveryId, MessageId, SenderId, StaffId},
};

/// What a turn came to.
#[derive(Default)]
pub struct Turned {
    pub going: Vec<Going>,
    /// Accounts whose credentials have to be opened before their messages can go.
    pub to_open: Vec<Account>,
    pub next: Option<DateTime<Utc>>,
    pub claimed: usize,
}

/// What was planned, sorted by what is done with it.
#[derive(Default)]
struct Sorted {
    going: Vec<Going>,
    back: Vec<(DeliveryId, DateTime<Utc>)>,
    parked: Vec<(DeliveryId, DateTime<Utc>)>,
    ended: Vec<Settled>,
    to_open: HashMap<AccountId, Account>,
}

impl Dispatcher {
    /// Takes at most `rows` deliveries of the lane.
    pub(super) async fn turn(&self, tenant: &Tenant, turn: &Turn, rows: i64, lease: Uuid) -> Result<Turned> {
        // Before the unit begins: inside it no second connection may be asked for.
        let keys = self.messaging.keys.of(tenant.id()).await?;
        self.messaging
            .db
            .in_tenant(tenant, async |tx| self.turn_in(tx, (tenant, &keys), turn, rows, lease).await)
            .await
    }

    async fn turn_in(
        &self,
        tx: &TenantTx,
        (tenant, keys): (&Tenant, &DataKeys),
        turn: &Turn,
        rows: i64,
        lease: Uuid,
    ) -> Result<Turned> {
        let claimed = claim::claim(tx, turn.lane, rows, lease).await?;
        let count = claimed.len();
        if claimed.is_empty() {
            return Ok(Turned { next: claim::next_due(tx, turn.lane).await?, ..Turned::default() });
        }
        self.failpoint.pass(Point::AfterClaim);
        let sorted = self.plan_all(tx, (tenant, keys), turn, lease, claimed).await?;
        claim::put_back(tx, lease, &sorted.back).await?;
        claim::park(tx, lease, &sorted.parked).await?;
        if !sorted.ended.is_empty() {
            settle::settle(tx, tenant, &sorted.ended).await?;
        }
        let next = claim::next_due(tx, turn.lane).await?;
        let to_open = sorted.to_open.into_values().collect();
        Ok(Turned { going: sorted.going, to_open, next, claimed: count })
    }

    /// Decides what is done with each, and does at once what has no wire.
    async fn plan_all(
        &self,
        tx: &TenantTx,
        (tenant, keys): (&Tenant, &DataKeys),
        turn: &Turn,
        lease: Uuid,
        claimed: Vec<Claimed>,
    ) -> Result<Sorted> {
        let now = Utc::now();
        let ids: HashSet<MessageId> = claimed.iter().map(|one| one.message).collect();
        let addresses: Vec<(Channel, &str)> =
            claimed.iter().map(|one| (one.channel, one.address.as_str())).collect();
        let (policy, messages, suppressed, held) = try_join4(
            policy::get(tx),
            self.spoken(tx, tenant, &ids),
            suppression::of_all(tx, keys, &addresses),
            messages::held(tx, &ids),
        )
        .await?;
        let heard = heard(tx, &claimed).await?;
        let accounts = accounts_of(tx, &claimed).await?;
        let mut opened: HashMap<AccountId, Opened> = HashMap::new();
        for account in accounts.values().flatten() {
            if let Some(known) = self.messaging.accounts.opened(tenant, account).await {
                opened.insert(account.id, known);
            }
        }
        let files = self.files.of(tx, &self.messaging, tenant, &messages, now).await?;
        let probes = probes(tx, accounts.values().flatten(), &opened, now).await?;
        let (resolver, links) = (&self.messaging.resolver, &self.messaging.links);
        let receipts = |account: &Account| hooks::url_of(resolver, tenant, account).ok();
        let is_list = turn.lane == messages::Lane::Bulk;
        let unsubscribe = |one: &Claimed| {
            let wanted = is_list && one.channel == Channel::Email;
            wanted
                .then(|| links.link(tenant, resolver, one.id, one.channel, &one.address))
                .and_then(Result::ok)
        };
        let mut turnout = Turnout {
            tenant,
            lane: turn.lane,
            lease,
            now,
            policy: &policy,
            messages: &messages,
            held: &held,
            accounts: &accounts,
            opened: &opened,
            probes,
            suppressed: &suppressed,
            heard: &heard,
            receipts: &receipts,
            unsubscribe: &unsubscribe,
            files: &files,
            room: &self.files,
        };
        let mut sorted = Sorted::default();
        for one in claimed {
            match turnout.plan(one) {
                Plan::Send(going) => sorted.going.push(*going),
                Plan::Tell(told) => {
                    let (one, content, template) = *told;
                    let fate = tell(tx, &one, &content).await?;
                    sorted.ended.push(turnout.settled(one, template, fate));
                }
                Plan::Park(one) => sorted.parked.push((one.id, one.was_due)),
                Plan::Wait(one, due) => sorted.back.push((one.id, due)),
                Plan::End(settled) => sorted.ended.push(*settled),
                Plan::Open(one, account) => {
                    sorted.back.push((one.id, now));
                    sorted.to_open.insert(account.id, account);
                }
            }
        }
        limit(tx, &policy, turn.is_limited, &mut sorted).await?;
        Ok(sorted)
    }

    /// The messages that these deliveries are of, ready to be rendered; those that this process knows are not read again.
    async fn spoken(
        &self,
        tx: &TenantTx,
        tenant: &Tenant,
        ids: &HashSet<MessageId>,
    ) -> Result<HashMap<MessageId, Arc<Spoken>>> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for id in ids {
            match self.spoken.get(&(tenant.id(), *id)) {
                Some(known) => drop(found.insert(*id, known)),
                None => missing.push(*id),
            }
        }
        for (id, spoken) in messages::spoken(tx, &missing).await? {
            let spoken = Arc::new(spoken);
            self.spoken.insert((tenant.id(), id), spoken.clone());
            found.insert(id, spoken);
        }
        Ok(found)
    }
}

/// The active accounts of every channel that occurs.
async fn accounts_of(tx: &TenantTx, claimed: &[Claimed]) -> Result<HashMap<Channel, Vec<Account>>> {
    let channels: HashSet<Channel> = claimed.iter().map(|one| one.channel).collect();
    let mut found = HashMap::new();
    for channel in channels.into_iter().filter(|channel| *channel != Channel::InApp) {
        found.insert(channel, accounts::usable(tx, channel).await?);
    }
    Ok(found)
}

/// Those accounts that this turn probes. An account whose credential is not open yet is not probed: the turn after this one does it.
async fn probes(
    tx: &TenantTx,
    accounts: impl Iterator<Item = &Account>,
    opened: &HashMap<AccountId, Opened>,
    now: DateTime<Utc>,
) -> Result<HashSet<AccountId>> {
    let mut probes = HashSet::new();
    for account in accounts.filter(|account| opened.contains_key(&account.id)) {
        if account.readiness(now) == Readiness::Probe && accounts::breaker::probe(tx, account.id).await? {
            probes.insert(account.id);
        }
    }
    Ok(probes)
}

/// When those last wrote to us with whom free words are allowed for a day only.
async fn heard(tx: &TenantTx, claimed: &[Claimed]) -> Result<HashMap<(Channel, String), DateTime<Utc>>> {
    let addresses: Vec<(Channel, &str)> = claimed
        .iter()
        .filter(|one| matches!(one.channel, Channel::Whatsapp | Channel::Instagram))
        .map(|one| (one.channel, one.address.as_str()))
        .collect();
    if addresses.is_empty() {
        return Ok(HashMap::new());
    }
    hooks::last_heard(tx, &addresses).await
}

/// Holds what goes out to the limits of the tenant and of each account: what is too much waits, nothing fails.
async fn limit(tx: &TenantTx, policy: &Policy, is_limited: bool, sorted: &mut Sorted) -> Result<()> {
    if let Some(per_second) = policy.per_second {
        let (granted, next) = rate::take(tx, "tenant", per_second, sorted.going.len()).await?;
        hold_back(sorted, |_| true, granted, next, per_second);
    }
    let limited: HashMap<AccountId, i32> =
        sorted.going.iter().filter_map(|going| Some((going.account.id, going.account.per_second?))).collect();
    for (account, per_second) in limited {
        let is_its = |going: &Going| going.account.id == account;
        let wanted = sorted.going.iter().filter(|going| is_its(going)).count();
        let (granted, next) = rate::take(tx, &account.to_string(), per_second, wanted).await?;
        hold_back(sorted, is_its, granted, next, per_second);
    }
    if is_limited {
        limit_for_all(tx, sorted).await?;
    }
    Ok(())
}

/// The limits that hold for all tenants together: of each sender of the platform, and of the whole deployment.
async fn limit_for_all(tx: &TenantTx, sorted: &mut Sorted) -> Result<()> {
    let senders: HashSet<SenderId> = sorted.going.iter().filter_map(|going| going.account.sender).collect();
    for sender in senders {
        let is_its = |going: &Going| going.account.sender == Some(sender);
        let wanted = sorted.going.iter().filter(|going| is_its(going)).count();
        if let Some(taken) = rate::take_for_all(tx, Some(sender), wanted).await? {
            hold_back(sorted, is_its, taken.granted, taken.next, taken.per_second);
        }
    }
    let wanted = sorted.going.len();
    if wanted > 0
        && let Some(taken) = rate::take_for_all(tx, None, wanted).await?
    {
        hold_back(sorted, |_| true, taken.granted, taken.next, taken.per_second);
    }
    Ok(())
}

/// Of those that `counts`, the first `granted` go; each of the others has a time of its own.
fn hold_back(
    sorted: &mut Sorted,
    counts: impl Fn(&Going) -> bool,
    granted: usize,
    next: DateTime<Utc>,
    per_second: i32,
) {
    let gap = TimeDelta::nanoseconds(1_000_000_000 / i64::from(per_second.max(1)));
    let (mut left, mut due) = (granted, next);
    let mut going = Vec::with_capacity(sorted.going.len());
    for one in sorted.going.drain(..) {
        if !counts(&one) {
            going.push(one);
        } else if left > 0 {
            left -= 1;
            going.push(one);
        } else {
            sorted.back.push((one.claimed.id, due));
            due += gap;
        }
    }
    sorted.going = going;
}

/// Messages inside the product have no wire: they are in the reader's bell with this very transaction.
async fn tell(tx: &TenantTx, claimed: &Claimed, content: &Content) -> Result<Fate> {
    Ok(if ring(tx, claimed, content).await? {
        Fate::Accepted { state: State::Delivered, price: None }
    } else {
        let failure = Failure::new("recipient", "no_such_user", "There is no such user.");
        Fate::Ended { status: Status::Failed, failure, suppress: None }
    })
}

/// Puts it into the bell of a member of staff or of a subscriber. False when there is no such person.
async fn ring(tx: &TenantTx, claimed: &Claimed, content: &Content) -> Result<bool> {
    let Ok(id) = claimed.address.parse::<Uuid>() else { return Ok(false) };
    let bell = match claimed.customer {
        Some(customer) => Bell::Customer(customer),
        None if claim::is_staff(tx, StaffId(id)).await? => Bell::Staff(StaffId(id)),
        None => return Ok(false),
    };
    let text = match content.title.as_deref() {
        Some(title) if !title.is_empty() && !content.text.is_empty() => format!("{title}: {}", content.text),
        Some(title) if content.text.is_empty() => title.to_owned(),
        _ => content.text.clone(),
    };
    let href = content.data.get("href").filter(|href| href.starts_with('/') && !href.starts_with("//"));
    live::in_app(tx, bell, &text, href.map(String::as_str), claimed.id).await?;
    Ok(true)
}
