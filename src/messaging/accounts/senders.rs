//! Senders that belong to the platform and are lent to tenants, and the credit by which tenants pay for them. Only the people who run
//! the deployment come here; a tenant sees an account of its own that stands for the sender, and its credit.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    draft::{AccountDraft, Given, about_of, masked, parse_price},
    store::{self, Place},
};
use crate::{
    access::By,
    audit::Event,
    db::{ControlTx, Db, OnConstraint},
    error::{Error, OrInternal, Result},
    messaging::{
        Channel,
        providers::{About, Values},
    },
    secrets::{Aad, DataKey, SecretStore, deployment_key, open, seal},
    tenancy::{Deed, Operator, Tenant, note},
    types::{AccountId, SenderId, line},
    words::say,
};

const TABLE: &str = "platform_sender";
const COLUMN: &str = "sealed";
const PURPOSE: &str = "platform-senders";
const NAME_MAX: usize = 100;
const NOTE_MAX: usize = 200;
const LIST_MAX: i64 = 10_000;
/// A limit that holds for all tenants together.
const PER_SECOND_MAX: i32 = 100_000;
/// The most that one entry may add or take: what the column holds.
const ENTRY_MAX: i64 = 1_000_000_000;

/// What senders' credentials are sealed with. Cheap to clone.
#[derive(Clone)]
pub struct SenderKey(Arc<DataKey>);

impl SenderKey {
    /// The deployment's own key.
    pub async fn open(store: &dyn SecretStore) -> Result<Self> {
        Ok(Self(Arc::new(DataKey::of_deployment(deployment_key(store, PURPOSE).await?))))
    }

    fn cell(sender: SenderId) -> Aad<'static> {
        Aad { tenant: Uuid::nil(), table: TABLE, column: COLUMN, row: sender.0 }
    }

    fn seal(&self, sender: SenderId, values: &Values) -> Result<Vec<u8>> {
        seal(&self.0, &Self::cell(sender), &values.to_bytes()?)
    }

    pub(super) fn open_values(&self, about: &About, sender: SenderId, sealed: &[u8]) -> Result<Values> {
        Values::from_bytes(about, &open(&self.0, &Self::cell(sender), sealed)?)
    }
}

/// A sender in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Sender {
    pub id: SenderId,
    pub name: String,
    pub channel: String,
    pub kind: String,
    pub price: Decimal,
    /// At most so many a second, for all tenants together.
    pub per_second: Option<i32>,
    pub status: String,
    /// The slugs of the tenants that have it.
    pub tenants: Vec<String>,
}

/// Adds a sender: its credential is checked and sealed, and never shown again.
#[expect(clippy::too_many_arguments, reason = "each is an option of the command")]
pub async fn add(
    db: &Db,
    key: &SenderKey,
    actor: &Operator,
    name: &str,
    kind: &str,
    price: &str,
    given: &Given,
) -> Result<SenderId> {
    let name = line(name, NAME_MAX).map_err(|odd| Error::Invalid(vec![odd.at("name")]))?;
    let price = parse_price(price).map_err(|odd| Error::Invalid(vec![odd.at("price")]))?;
    let about = about_of(kind)?;
    let values = Values::parse(about, given)?;
    (about.open)(&values)?;
    let id = SenderId::new();
    let sealed = key.seal(id, &values)?;
    let masked = serde_json::to_value(masked(about, &values)).internal()?;
    db.in_public(async |tx| {
        tx.execute(
            "INSERT INTO public.platform_sender (id, name, channel, kind, sealed, masked, price) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[&id, &name, &about.channel.as_str(), &about.kind, &sealed, &masked, &price],
        )
        .await
        .on_constraint("platform_sender_name_key", || {
            Error::conflict("name_taken", "There is a sender of this name already.")
        })?;
        note(tx, actor, Deed::on("sender.added", &name)).await
    })
    .await?;
    Ok(id)
}

/// Gives a sender another credential; whoever has it uses it within seconds.
pub async fn rotate(
    db: &Db,
    key: &SenderKey,
    actor: &Operator,
    sender: &Sender,
    given: &Given,
) -> Result<()> {
    let about = about_of(&sender.kind)?;
    let values = Values::parse(about, given)?;
    (about.open)(&values)?;
    let sealed = key.seal(sender.id, &values)?;
    let masked = serde_json::to_value(masked(about, &values)).internal()?;
    db.in_public(async |tx| {
        tx.execute(
            "UPDATE public.platform_sender SET sealed = $2, masked = $3 WHERE id = $1",
            &[&sender.id, &sealed, &masked],
        )
        .await?;
        note(tx, actor, Deed::on("sender.rotated", &sender.name)).await
    })
    .await
}

/// Limits how many messages go out a second for all tenants together: by one sender, or (None) at all.
pub async fn limit(
    db: &Db,
    actor: &Operator,
    sender: Option<&Sender>,
    per_second: Option<i32>,
) -> Result<()> {
    if per_second.is_some_and(|n| !(1..=PER_SECOND_MAX).contains(&n)) {
        let detail = say!("This must be between 1 and {}.", PER_SECOND_MAX);
        return Err(Error::invalid("per_second", "out_of_range", detail));
    }
    let name = sender.map_or("all together", |sender| sender.name.as_str());
    let sender = sender.map(|sender| sender.id);
    db.in_public(async |tx| {
        match per_second {
            Some(n) => {
                tx.execute(
                    "INSERT INTO public.message_rate (sender_id, per_second) VALUES ($1, $2)
                     ON CONFLICT (sender_id) DO UPDATE SET per_second = excluded.per_second",
                    &[&sender, &n],
                )
                .await?
            }
            None => {
                tx.execute(
                    "DELETE FROM public.message_rate WHERE sender_id IS NOT DISTINCT FROM $1",
                    &[&sender],
                )
                .await?
            }
        };
        note(tx, actor, Deed::on("sender.limited", name)).await
    })
    .await
}

/// Every sender, with the tenants that have it.
pub async fn list(db: &Db) -> Result<Vec<Sender>> {
    let rows = db
        .read_public(async |tx| {
            tx.query(
                "SELECT s.id, s.name, s.channel, s.kind, s.price, s.status, ARRAY(SELECT t.slug FROM \
                 public.platform_sender_assignment a JOIN public.tenant t ON t.id = a.tenant_id WHERE a.sender_id = s.id \
                 ORDER BY t.slug), r.per_second FROM public.platform_sender s \
                 LEFT JOIN public.message_rate r ON r.sender_id = s.id ORDER BY lower(s.name) LIMIT $1",
                &[&LIST_MAX],
            )
            .await
        })
        .await?;
    let sender = |row: &tokio_postgres::Row| Sender {
        id: row.get(0),
        name: row.get(1),
        channel: row.get(2),
        kind: row.get(3),
        price: row.get(4),
        status: row.get(5),
        tenants: row.get(6),
        per_second: row.get(7),
    };
    Ok(rows.iter().map(sender).collect())
}

/// The sender of this name, in any case.
pub async fn find(db: &Db, name: &str) -> Result<Sender> {
    let found = list(db).await?.into_iter().find(|one| one.name.to_lowercase() == name.trim().to_lowercase());
    found.ok_or_else(|| Error::conflict("no_such_sender", say!("There is no sender {}.", name)))
}

/// Lends a sender to a tenant: it appears among the tenant's accounts, last in its channel's order.
pub async fn assign(db: &Db, actor: &Operator, sender: &Sender, tenant: &Tenant) -> Result<()> {
    let channel: Channel =
        sender.channel.parse().map_err(|_odd| Error::internal("a sender of no channel"))?;
    let tenant_id = tenant.id();
    let is_new = db
        .in_public(async |tx| {
            let done = tx
                .execute(
                    "INSERT INTO public.platform_sender_assignment (sender_id, tenant_id) VALUES ($1, $2) \
                     ON CONFLICT DO NOTHING",
                    &[&sender.id, &tenant_id],
                )
                .await?;
            if done > 0 {
                let deed = Deed {
                    detail: Some(json!({"sender": sender.name})),
                    ..Deed::to(tenant, "sender.assigned", "")
                };
                note(tx, actor, deed).await?;
            }
            Ok(done > 0)
        })
        .await?;
    let by = By::platform(tenant.clone(), actor.label());
    let hook_id = HEXLOWER.encode(&rand::random::<[u8; 20]>());
    // The second half may be done again when it failed: it looks whether it was.
    let was_missing = db
        .in_tenant(tenant, async |tx| {
            store::lock_channel(tx, channel).await?;
            if store::find_by_sender(tx, sender.id).await?.is_some() {
                return Ok(false);
            }
            let draft = AccountDraft {
                label: sender.name.clone(),
                price: sender.price,
                per_second: None,
                is_active: true,
            };
            let place = Place { id: AccountId::new(), channel, kind: &sender.kind, hook_id: &hook_id };
            store::insert(tx, &place, &draft, None, Some(sender.id)).await?;
            by.record(tx, event("message_account.lent", place.id, &sender.name)).await?;
            Ok(true)
        })
        .await?;
    if is_new || was_missing {
        return Ok(());
    }
    Err(Error::conflict("assigned_already", say!("{} has it already.", tenant.slug)))
}

fn event<'a>(action: &'static str, id: AccountId, label: &'a str) -> Event<'a> {
    Event {
        action,
        object_type: "message_account",
        object_id: Some(id.0),
        object_label: label,
        before: None,
        after: None,
    }
}

/// Takes a sender back. Refused while the tenant's deliveries wait for it.
pub async fn unassign(db: &Db, actor: &Operator, sender: &Sender, tenant: &Tenant) -> Result<()> {
    let by = By::platform(tenant.clone(), actor.label());
    db.in_tenant(tenant, async |tx| {
        let Some(account) = store::find_by_sender(tx, sender.id).await? else { return Ok(()) };
        if store::is_waited_for(tx, &account).await? {
            let detail = "Deliveries wait for it, or for an answer of it. Suspend it first.";
            return Err(Error::conflict("deliveries_waiting", detail));
        }
        store::delete(tx, account.id).await?;
        by.record(tx, event("message_account.taken_back", account.id, &account.label)).await
    })
    .await?;
    let tenant_id = tenant.id();
    db.in_public(async |tx| {
        let done = tx
            .execute(
                "DELETE FROM public.platform_sender_assignment WHERE sender_id = $1 AND tenant_id = $2",
                &[&sender.id, &tenant_id],
            )
            .await?;
        if done == 0 {
            return Err(Error::conflict("not_assigned", "This provider does not have it."));
        }
        let deed = Deed {
            detail: Some(json!({"sender": sender.name})),
            ..Deed::to(tenant, "sender.unassigned", "")
        };
        note(tx, actor, deed).await
    })
    .await
}

/// Stops a sender for every tenant at once, or lends it again.
pub async fn suspend(db: &Db, actor: &Operator, sender: &Sender, is_suspended: bool) -> Result<()> {
    let (status, action) =
        if is_suspended { ("suspended", "sender.suspended") } else { ("available", "sender.resumed") };
    db.in_public(async |tx| {
        tx.execute("UPDATE public.platform_sender SET status = $2 WHERE id = $1", &[&sender.id, &status])
            .await?;
        note(tx, actor, Deed::on(action, &sender.name)).await
    })
    .await
}

/// What a tenant has of prepaid credit.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Credit {
    pub available: Decimal,
    pub reserved: Decimal,
    pub spent: Decimal,
}

/// Tops a tenant's credit up, or corrects it; never below nothing.
pub async fn add_credit(
    db: &Db,
    actor: &Operator,
    tenant: &Tenant,
    amount: Decimal,
    note_text: &str,
) -> Result<Credit> {
    let is_sane =
        !amount.is_zero() && amount.abs() <= Decimal::from(ENTRY_MAX) && amount.normalize().scale() <= 4;
    if !is_sane {
        let detail = "An entry is not 0, has at most four decimals, and is at most 1,000,000,000.";
        return Err(Error::invalid("amount", "out_of_range", detail));
    }
    let note_text = crate::types::optional_line(note_text, NOTE_MAX)
        .map_err(|odd| Error::Invalid(vec![odd.at("note")]))?
        .unwrap_or_default();
    db.in_public(async |tx| top_up(tx, actor, tenant, amount, &note_text).await).await?;
    credit_of(db, tenant).await
}

/// The same in a transaction of the caller's, who has looked at amount and note.
pub async fn top_up(
    tx: &ControlTx,
    actor: &Operator,
    tenant: &Tenant,
    amount: Decimal,
    note_text: &str,
) -> Result<()> {
    let id = tenant.id();
    tx.execute("INSERT INTO public.message_credit (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING", &[&id])
        .await?;
    tx.execute(
        "UPDATE public.message_credit SET available = available + $2 WHERE tenant_id = $1",
        &[&id, &amount],
    )
    .await
    .on_constraint("message_credit_available_check", || {
        Error::conflict("not_enough_credit", "So much is not available.")
    })?;
    tx.execute(
        "INSERT INTO public.message_credit_entry (id, tenant_id, amount, note, actor) VALUES ($1, $2, $3, $4, $5)",
        &[&Uuid::now_v7(), &id, &amount, &note_text, &actor.label()],
    )
    .await?;
    let detail = json!({"amount": amount, "note": note_text});
    note(tx, actor, Deed { detail: Some(detail), ..Deed::to(tenant, "credit.added", "") }).await
}

pub async fn credit_of(db: &Db, tenant: &Tenant) -> Result<Credit> {
    let id = tenant.id();
    let row = db
        .read_public(async |tx| {
            tx.query_opt(
                "SELECT available, reserved, spent FROM public.message_credit WHERE tenant_id = $1",
                &[&id],
            )
            .await
        })
        .await?;
    Ok(row.map_or_else(Credit::default, |row| Credit {
        available: row.get(0),
        reserved: row.get(1),
        spent: row.get(2),
    }))
}
