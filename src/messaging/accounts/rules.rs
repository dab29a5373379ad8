//! What may be done with accounts. What calls out is three steps: read, call without a connection, write.

use std::time::Duration;

use chrono::Utc;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    draft::{AccountDraft, Given, PER_CHANNEL_MAX, Shown, about_of, masked},
    model::Account,
    opener::{COLUMN, TABLE},
    store::{self, Kept, Place},
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, FieldError, OrInternal, Result},
    messaging::{
        Address, Channel, Messaging, hooks,
        providers::{About, Content, Outcome, Outgoing, Values},
    },
    outbound::Failure,
    secrets::DataKeys,
    tenancy::Tenant,
    types::{AccountId, Country},
    words::{in_english, say},
};

/// A test message is of no use after this.
const TEST_VALID_FOR: Duration = Duration::from_secs(600);

fn unknown() -> Error {
    Error::not_found("account")
}

fn event<'a>(action: &'static str, account: &'a Account) -> Event<'a> {
    Event {
        action,
        object_type: "message_account",
        object_id: Some(account.id.0),
        object_label: &account.label,
        before: None,
        after: None,
    }
}

pub async fn get(tx: &TenantTx, id: AccountId) -> Result<Shown> {
    store::find_shown(tx, id).await?.ok_or_else(unknown)
}

/// What came of connecting an account or of another credential.
#[derive(Debug)]
pub struct Connected {
    pub shown: Shown,
    /// Why the provider could not be told where our hook is, if it could not.
    pub unannounced: Option<String>,
}

/// Refuses servers that may not be called, by the field that names them.
async fn check_servers(messaging: &Messaging, about: &About, values: &Values) -> Result<()> {
    let mut wrong = Vec::new();
    for (field, url) in values.servers(about) {
        // A name that is not known now may be known later; the call itself looks again.
        if let Err(Failure::Forbidden(detail)) = messaging.outbound.may_call(&url).await {
            wrong.push(FieldError::new(field, "address_not_allowed", detail));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

fn kept(about: &About, keys: &DataKeys, id: AccountId, values: &Values) -> Result<Kept> {
    let sealed = keys.seal(TABLE, COLUMN, id.0, &values.to_bytes()?)?;
    Ok(Kept { sealed, masked: serde_json::to_value(masked(about, values)).internal()? })
}

fn hook_id() -> String {
    HEXLOWER.encode(&rand::random::<[u8; 20]>())
}

fn told(account: &Account) -> Value {
    let mut told = AccountDraft::from(account).told();
    if let Value::Object(told) = &mut told {
        told.insert("channel".into(), account.channel.as_str().into());
        told.insert("kind".into(), account.kind.as_str().into());
    }
    told
}

/// Connects an account at a provider: checked, sealed, last in its channel's order.
pub async fn connect(
    messaging: &Messaging,
    by: &By,
    kind: &str,
    draft: &AccountDraft,
    given: &Given,
) -> Result<Connected> {
    let about = about_of(kind)?;
    let values = Values::parse(about, given)?;
    (about.open)(&values)?;
    check_servers(messaging, about, &values).await?;
    let id = AccountId::new();
    let keys = messaging.keys.of(by.tenant.id()).await?;
    let kept = kept(about, &keys, id, &values)?;
    let hook_id = hook_id();
    let shown = messaging
        .db
        .in_tenant(&by.tenant, async |tx| {
            let place = Place { id, channel: about.channel, kind: about.kind, hook_id: &hook_id };
            if store::lock_channel(tx, about.channel).await? >= PER_CHANNEL_MAX {
                let detail = say!("A channel has at most {} accounts.", PER_CHANNEL_MAX);
                return Err(Error::conflict("too_many_accounts", detail));
            }
            store::insert(tx, &place, draft, Some(&kept), None).await?;
            let shown = get(tx, id).await?;
            let after = Some(told(&shown.account));
            by.record(tx, Event { after, ..event("message_account.connected", &shown.account) }).await?;
            Ok(shown)
        })
        .await?;
    let unannounced = announce(messaging, &by.tenant, &shown.account).await?;
    Ok(Connected { shown, unannounced })
}

/// Tells the provider where our hook is, where that is done by a call.
async fn announce(messaging: &Messaging, tenant: &Tenant, account: &Account) -> Result<Option<String>> {
    let hook = hooks::url_of(&messaging.resolver, tenant, account)?;
    let opened = messaging.accounts.open(tenant, account).await?;
    let told = opened.now.announce(&messaging.outbound, &hook).await;
    Ok(told.err().map(|refusal| refusal.detail))
}

/// Changes what is no secret.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: AccountId,
    wanted: impl FnOnce(AccountDraft) -> Result<AccountDraft>,
) -> Result<Shown> {
    let shown = store::lock(tx, id).await?.ok_or_else(unknown)?;
    let was = AccountDraft::from(&shown.account);
    let draft = wanted(was.clone())?;
    if shown.account.sender.is_some() && draft.price != was.price {
        return Err(Error::invalid("price", "fixed", "The platform sets the price of its senders."));
    }
    let (before, after) = changes(&was.told(), &draft.told());
    if after.is_none() {
        return Ok(shown);
    }
    store::update(tx, id, &draft).await?;
    by.record(tx, Event { before, after, ..event("message_account.updated", &shown.account) }).await?;
    get(tx, id).await
}

/// Another credential, without a gap: what the provider signed with the one before is heard for another day. An empty secret keeps
/// the old one.
pub async fn rotate(messaging: &Messaging, by: &By, id: AccountId, given: &Given) -> Result<Connected> {
    let keys = messaging.keys.of(by.tenant.id()).await?;
    let db = &messaging.db;
    let (shown, old) = db
        .read_tenant(&by.tenant, async |tx| {
            let shown = get(tx, id).await?;
            Ok((shown, store::sealed(tx, id).await?.0))
        })
        .await?;
    let Some(old) = old else {
        return Err(Error::conflict("platform_sender", "The credential of this sender is the platform's."));
    };
    let about = about_of(&shown.account.kind)?;
    let plain = keys.open(TABLE, COLUMN, id.0, &old)?;
    let values = Values::from_bytes(about, &plain)?.changed(about, given)?;
    (about.open)(&values)?;
    check_servers(messaging, about, &values).await?;
    let kept = kept(about, &keys, id, &values)?;
    let shown = db
        .in_tenant(&by.tenant, async |tx| {
            let now = store::lock(tx, id).await?.ok_or_else(unknown)?;
            if store::sealed(tx, id).await?.0.as_ref() != Some(&old) {
                return Err(Error::conflict("changed_meanwhile", "Somebody else changed it in this moment."));
            }
            store::rotate(tx, id, &kept).await?;
            let after = Some(json!({ "credential": "changed" }));
            by.record(tx, Event { after, ..event("message_account.rotated", &now.account) }).await?;
            get(tx, id).await
        })
        .await?;
    let unannounced = announce(messaging, &by.tenant, &shown.account).await?;
    Ok(Connected { shown, unannounced })
}

/// What a test brought to light.
#[derive(Debug)]
pub struct Tested {
    pub is_ok: bool,
    pub note: String,
    /// What became of the message that was asked for.
    pub sent: Option<(&'static str, String)>,
}

/// Checks the credential, and sends one real message when an address is given.
pub async fn test(messaging: &Messaging, by: &By, id: AccountId, to: Option<&str>) -> Result<Tested> {
    let db = &messaging.db;
    let shown = db.read_tenant(&by.tenant, async |tx| get(tx, id).await).await?;
    let account = &shown.account;
    let country =
        Country::parse(&by.tenant.country).map_err(|_odd| Error::internal("a tenant of no country"))?;
    let to = to.map(str::trim).filter(|to| !to.is_empty());
    let to = to.map(|to| Address::parse(account.channel, to, &country)).transpose();
    let to = to.map_err(|odd| Error::Invalid(vec![odd.at("to")]))?;
    let opened = messaging.accounts.open(&by.tenant, account).await?;
    let (is_ok, mut note) = match opened.now.check(&messaging.outbound).await {
        Ok(checked) => {
            let account = checked.account.map(|name| format!(" as {name}")).unwrap_or_default();
            let balance = checked.balance.map(|balance| {
                format!(", balance {} {}", balance.amount, balance.currency.unwrap_or_default())
            });
            (true, format!("It works{account}{}.", balance.unwrap_or_default().trim_end()))
        }
        Err(refusal) => (false, refusal.detail),
    };
    note = note.chars().filter(|c| !c.is_control()).collect();
    let sent = match to {
        Some(to) if is_ok => {
            let outgoing = test_message(&by.tenant, account, to);
            Some(match opened.now.prepare(&outgoing) {
                Err(refusal) => ("refused", refusal.detail),
                Ok(prepared) => match opened.now.send(&messaging.outbound, prepared).await {
                    Outcome::Accepted(accepted) => ("accepted", accepted.id),
                    Outcome::Refused(refusal) => ("refused", refusal.detail),
                    Outcome::Unknown { detail } => ("unknown", detail),
                },
            })
        }
        _ => None,
    };
    db.in_tenant(&by.tenant, async |tx| {
        store::checked(tx, id, is_ok, &note).await?;
        let outcome = sent.as_ref().map(|(outcome, _)| *outcome);
        let after = Some(json!({ "is_ok": is_ok, "message": outcome }));
        by.record(tx, Event { after, ..event("message_account.tested", account) }).await
    })
    .await?;
    Ok(Tested { is_ok, note, sent })
}

fn test_message(tenant: &Tenant, account: &Account, to: Address) -> Outgoing {
    let words = format!("This is a test from {} by {}.", tenant.name, account.label);
    let subject = (account.channel == Channel::Email).then(|| format!("Test from {}", tenant.name));
    let title = (account.channel == Channel::Push).then(|| tenant.name.clone());
    Outgoing {
        id: Uuid::now_v7(),
        to,
        from: None,
        content: Content { subject, title, text: words, ..Content::default() },
        reply_to: None,
        last_heard_at: None,
        receipts_url: None,
        valid_for: Some(TEST_VALID_FOR),
        now: Utc::now(),
    }
}

/// Lets the next message try an account that is out of use.
pub async fn try_again(tx: &TenantTx, by: &By, id: AccountId) -> Result<Shown> {
    let shown = store::lock(tx, id).await?.ok_or_else(unknown)?;
    if store::try_again(tx, id).await? {
        by.record(tx, event("message_account.tried_again", &shown.account)).await?;
    }
    get(tx, id).await
}

/// Puts the accounts of a channel into an order: the first is the primary.
pub async fn order(tx: &TenantTx, by: &By, channel: Channel, ids: &[AccountId]) -> Result<()> {
    store::lock_channel(tx, channel).await?;
    let all = store::list(tx).await?;
    let mut have: Vec<AccountId> =
        all.iter().filter(|one| one.account.channel == channel).map(|one| one.account.id).collect();
    if have == ids {
        return Ok(());
    }
    let mut wanted = ids.to_vec();
    have.sort_unstable();
    wanted.sort_unstable();
    if have != wanted {
        let detail = "These are not the accounts of the channel, each of them once.";
        return Err(Error::invalid("account_ids", "unknown", detail));
    }
    store::order(tx, ids).await?;
    let label = |id: &AccountId| {
        all.iter().find(|one| one.account.id == *id).map(|one| one.account.label.clone()).unwrap_or_default()
    };
    let after = json!({ "order": ids.iter().map(label).collect::<Vec<_>>() });
    let event = Event {
        action: "message_account.ordered",
        object_type: "message_account",
        object_id: None,
        object_label: in_english(|| channel.label()),
        before: None,
        after: Some(after),
    };
    by.record(tx, event).await
}

/// Deletes an account for which no delivery waits.
pub async fn remove(tx: &TenantTx, by: &By, id: AccountId) -> Result<String> {
    let shown = store::lock(tx, id).await?.ok_or_else(unknown)?;
    let account = &shown.account;
    if account.sender.is_some() {
        let detail =
            "This sender belongs to the platform. Switch it off, or ask the platform to take it back.";
        return Err(Error::conflict("platform_sender", detail));
    }
    if store::is_waited_for(tx, account).await? {
        return Err(Error::conflict(
            "deliveries_waiting",
            "Deliveries wait for it, or for an answer of it. Switch it off, and delete it when they are done.",
        ));
    }
    store::delete(tx, id).await?;
    by.record(tx, Event { before: Some(told(account)), ..event("message_account.deleted", account) }).await?;
    Ok(shown.account.label)
}
