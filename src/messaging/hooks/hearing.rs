//! Reading what was stored. Everything that follows from a call is committed together with its being done: who is killed in
//! between leaves it as it was, and it is read again.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    inbound,
    model::{CallStatus, Kept},
    receipts,
    store::{self, Read, Stored},
};
use crate::{
    db::TenantTx,
    error::Result,
    jobs::Next,
    messaging::{
        Messaging,
        accounts::{self, Account, Opened},
        providers::{Heard, Hook, HookRefusal},
    },
    tenancy::Tenant,
    types::{AccountId, HookCallId},
};

const BATCH: i64 = 100;
/// One run reads at most so many batches, so that others get their turn.
const BATCHES: usize = 20;
/// When young orphans are looked at again.
const AGAIN_SECONDS: i64 = 5;

/// An account that can be heard.
struct Listener {
    account: Account,
    opened: Opened,
}

/// What to do with calls of an account.
enum Ear {
    Open(Box<Listener>),
    /// The account is gone, or its provider is not known here.
    Gone,
    /// The credential cannot be opened now.
    Shut(String),
}

/// Reads what is due.
pub async fn hear_stored(messaging: &Messaging, tenant: &Tenant) -> Result<Next> {
    let db = &messaging.db;
    for _ in 0..BATCHES {
        let due = db.read_tenant(tenant, async |tx| store::list_due(&tx.last(), BATCH).await).await?;
        if due.is_empty() {
            break;
        }
        let ears = ears(messaging, tenant, due.iter().map(|one| one.1)).await?;
        let ids: Vec<HookCallId> = due.iter().map(|one| one.0).collect();
        if let Err(error) = hear(messaging, tenant, &ears, &ids).await {
            tracing::warn!(%error, "stored calls are read one by one");
            hear_each(messaging, tenant, &ears, &ids).await?;
        }
    }
    let (orphans, due) = db
        .in_tenant(tenant, async |tx| {
            let orphans = receipts::look_again(tx).await?;
            Ok((orphans, store::next_due(tx).await?))
        })
        .await?;
    let again = (orphans > 0).then(|| Utc::now() + TimeDelta::seconds(AGAIN_SECONDS));
    let next: Option<DateTime<Utc>> = again.into_iter().chain(due).min();
    Ok(next.map_or(Next::Done, Next::Again))
}

async fn ears(
    messaging: &Messaging,
    tenant: &Tenant,
    accounts: impl Iterator<Item = AccountId>,
) -> Result<HashMap<AccountId, Ear>> {
    let mut ears = HashMap::new();
    for id in accounts {
        if ears.contains_key(&id) {
            continue;
        }
        let found = messaging.db.read_tenant(tenant, async |tx| accounts::find(&tx.last(), id).await).await?;
        let ear = match found {
            Some(account) if account.about().is_some() => {
                match messaging.accounts.open(tenant, &account).await {
                    Ok(opened) => Ear::Open(Box::new(Listener { account, opened })),
                    Err(error) => Ear::Shut(error.to_string()),
                }
            }
            _ => Ear::Gone,
        };
        ears.insert(id, ear);
    }
    Ok(ears)
}

async fn hear_each(
    messaging: &Messaging,
    tenant: &Tenant,
    ears: &HashMap<AccountId, Ear>,
    ids: &[HookCallId],
) -> Result<()> {
    for id in ids {
        if let Err(error) = hear(messaging, tenant, ears, &[*id]).await {
            tracing::error!(call = %id, %error, "a stored call cannot be read");
            let why = error.detail();
            messaging.db.in_tenant(tenant, async |tx| store::fail(tx, *id, &why).await).await?;
        }
    }
    Ok(())
}

async fn hear(
    messaging: &Messaging,
    tenant: &Tenant,
    ears: &HashMap<AccountId, Ear>,
    ids: &[HookCallId],
) -> Result<()> {
    messaging.db.in_tenant(tenant, async |tx| hear_in(tx, tenant, ears, ids).await).await
}

async fn hear_in(
    tx: &TenantTx,
    tenant: &Tenant,
    ears: &HashMap<AccountId, Ear>,
    ids: &[HookCallId],
) -> Result<()> {
    let calls = store::claim(tx, ids).await?;
    let mut read = Vec::with_capacity(calls.len());
    let mut kept: BTreeMap<AccountId, Vec<Kept>> = BTreeMap::new();
    let mut written = Vec::new();
    for call in &calls {
        let heard = match ears.get(&call.account) {
            Some(Ear::Open(listener)) => (listener, heard(&listener.opened, call)),
            Some(Ear::Shut(why)) => {
                store::fail(tx, call.id, why).await?;
                continue;
            }
            Some(Ear::Gone) | None => {
                read.push(refused(call.id, "account_gone"));
                continue;
            }
        };
        match heard {
            (_, Err(refusal)) => read.push(refused(call.id, refusal.code())),
            (listener, Ok(heard)) => {
                read.push(done(call.id, &heard));
                let receipts = heard.receipts.iter().map(|receipt| Kept::of(receipt, Some(call.id)));
                kept.entry(call.account).or_default().extend(receipts);
                written.extend(heard.inbound.into_iter().map(|one| (&listener.account, call.id, one)));
            }
        }
    }
    for (account, kept) in kept {
        receipts::keep(tx, account, kept).await?;
    }
    inbound::keep(tx, tenant, written).await?;
    store::finish(tx, &read).await
}

fn heard(opened: &Opened, call: &Stored) -> Result<Heard, HookRefusal> {
    let hook = Hook {
        is_get: call.is_get,
        url: &call.url,
        headers: &call.headers,
        body: &call.body,
        received_at: call.received_at,
    };
    opened.now.hear(&hook).or_else(|refusal| match &opened.before {
        Some(before) => before.hear(&hook).map_err(|_older| refusal),
        None => Err(refusal),
    })
}

fn refused(id: HookCallId, why: &str) -> Read {
    Read { id, status: CallStatus::Refused, detail: Some(why.to_owned()), receipts: 0, inbound: 0 }
}

fn done(id: HookCallId, heard: &Heard) -> Read {
    let counted = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    Read {
        id,
        status: CallStatus::Done,
        detail: None,
        receipts: counted(heard.receipts.len()),
        inbound: counted(heard.inbound.len()),
    }
}
