//! Addresses that two contacts claim: written down when they come up, settled by a person.

use chrono::{DateTime, Utc};
use serde_json::json;
use tokio_postgres::Row;

use super::{
    model::{Asked, Draft, Fields, country_of},
    rules::event,
    store,
};
use crate::{
    access::By,
    audit::Event,
    db::TenantTx,
    error::{Error, Result},
    messaging::{Address, Channel},
    types::{ConflictId, ContactId, Limit},
    web::choices::choices,
};

choices! {
    /// What a person decides.
    Decision is "ConflictDecision":
        /// The address stays where it is.
        Keep = "keep", "Keep it where it is";
        /// The address goes to whoever claimed it.
        Move = "move", "Give it to the claimant";
        /// Both are the same person.
        Merge = "merge", "They are the same person";
}

choices! {
    /// How it was settled.
    Settled is "ConflictOutcome":
        Kept = "kept", "Kept";
        Moved = "moved", "Moved";
        Merged = "merged", "Merged";
}

/// An address that somebody claims and another has.
pub struct Claim<'a> {
    pub address: &'a Address,
    pub owner: ContactId,
    /// None: a name that came in, and no contact.
    pub claimant: Option<ContactId>,
    pub name: &'a str,
    pub source: &'static str,
}

/// A claim as it was written down.
#[derive(Debug, Clone)]
pub struct Conflict {
    pub id: ConflictId,
    pub channel: Channel,
    pub address: String,
    pub owner: ContactId,
    pub owner_name: String,
    pub claimant: Option<ContactId>,
    pub claimed_name: String,
    pub source: String,
    pub created_at: DateTime<Utc>,
    pub settled: Option<Settled>,
    pub settled_at: Option<DateTime<Utc>>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.channel, k.address, k.contact_id, o.name, k.claimant_id, coalesce(w.name, k.claimed_name), k.source, \
             k.created_at, k.settled, k.settled_at FROM contact_conflict k JOIN contact o ON o.id = k.contact_id \
             LEFT JOIN contact w ON w.id = k.claimant_id ",
            $rest
        )
    };
}

fn conflict_of(row: &Row) -> Result<Conflict> {
    let channel: &str = row.get(1);
    Ok(Conflict {
        id: row.get(0),
        channel: channel.parse().map_err(|_odd| Error::internal("a conflict of an odd channel"))?,
        address: row.get(2),
        owner: row.get(3),
        owner_name: row.get(4),
        claimant: row.get(5),
        claimed_name: row.get(6),
        source: row.get(7),
        created_at: row.get(8),
        settled: row.get::<_, Option<&str>>(9).map(Settled::from_column),
        settled_at: row.get(10),
    })
}

/// Writes claims down; one that waits already is not written again. How many are new.
pub async fn claim(tx: &TenantTx, claims: &[Claim<'_>]) -> Result<u64> {
    if claims.is_empty() {
        return Ok(0);
    }
    let ids: Vec<ConflictId> = claims.iter().map(|_| ConflictId::new()).collect();
    let channels: Vec<&str> = claims.iter().map(|one| one.address.channel().as_str()).collect();
    let addresses: Vec<&str> = claims.iter().map(|one| one.address.as_str()).collect();
    let owners: Vec<ContactId> = claims.iter().map(|one| one.owner).collect();
    let claimants: Vec<Option<ContactId>> = claims.iter().map(|one| one.claimant).collect();
    let names: Vec<&str> = claims.iter().map(|one| one.name).collect();
    let sources: Vec<&str> = claims.iter().map(|one| one.source).collect();
    tx.execute(
        "INSERT INTO contact_conflict (id, channel, address, contact_id, claimant_id, claimed_name, source) \
         SELECT DISTINCT ON (n.channel, lower(n.address), n.claimant, lower(n.name)) n.id, n.channel, n.address, n.owner, \
            n.claimant, n.name, n.source \
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[]) \
            AS n (id, channel, address, owner, claimant, name, source) \
         WHERE NOT EXISTS (SELECT FROM contact_conflict k WHERE k.contact_id = n.owner AND k.settled IS NULL \
            AND k.channel = n.channel AND lower(k.address) = lower(n.address) \
            AND (k.claimant_id = n.claimant OR lower(k.claimed_name) = lower(n.name)))",
        &[&ids, &channels, &addresses, &owners, &claimants, &names, &sources],
    )
    .await
}

/// One page, the newest first, and whether there are more.
pub async fn list(
    tx: &TenantTx,
    is_open: bool,
    before: Option<ConflictId>,
    limit: Limit,
) -> Result<(Vec<Conflict>, bool)> {
    let sql = if is_open {
        select!("WHERE k.settled IS NULL AND ($1::uuid IS NULL OR k.id < $1) ORDER BY k.id DESC LIMIT $2")
    } else {
        select!("WHERE k.settled IS NOT NULL AND ($1::uuid IS NULL OR k.id < $1) ORDER BY k.id DESC LIMIT $2")
    };
    let rows = tx.query(sql, &[&before, &limit.and_one()]).await?;
    let mut items = rows.iter().map(conflict_of).collect::<Result<Vec<_>>>()?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// How many wait for a decision.
pub async fn count_open(tx: &TenantTx) -> Result<i64> {
    let sql = "SELECT count(*) FROM contact_conflict WHERE settled IS NULL";
    Ok(tx.query_one(sql, &[]).await?.get(0))
}

/// Those of one contact that wait.
pub async fn open_of(tx: &TenantTx, contact: ContactId) -> Result<Vec<Conflict>> {
    let sql = select!(
        "WHERE k.settled IS NULL AND (k.contact_id = $1 OR k.claimant_id = $1) ORDER BY k.id DESC LIMIT 20"
    );
    tx.query(sql, &[&contact]).await?.iter().map(conflict_of).collect()
}

pub async fn get(tx: &TenantTx, id: ConflictId) -> Result<Conflict> {
    let row = tx.query_opt(select!("WHERE k.id = $1"), &[&id]).await?;
    row.as_ref().map(conflict_of).transpose()?.ok_or(Error::not_found("conflict"))
}

/// Does what a person decided. 409 `already_settled` when somebody did before.
pub async fn settle(tx: &TenantTx, by: &By, id: ConflictId, decision: Decision) -> Result<Conflict> {
    tx.query_opt("SELECT id FROM contact_conflict WHERE id = $1 FOR UPDATE", &[&id])
        .await?
        .ok_or(Error::not_found("conflict"))?;
    let conflict = get(tx, id).await?;
    if conflict.settled.is_some() {
        return Err(Error::conflict("already_settled", "Somebody settled this already."));
    }
    let settled = match decision {
        Decision::Keep => Settled::Kept,
        Decision::Move => {
            hand_over(tx, by, &conflict).await?;
            Settled::Moved
        }
        Decision::Merge => Settled::Merged,
    };
    tx.execute(
        "UPDATE contact_conflict SET settled = $2, settled_at = now() WHERE id = $1",
        &[&id, &settled.as_str()],
    )
    .await?;
    let told = Event {
        action: "contact_conflict.settled",
        object_type: "contact_conflict",
        object_id: Some(id.0),
        object_label: &conflict.address,
        before: Some(
            json!({ "contact": conflict.owner, "claimant": conflict.claimant, "name": conflict.claimed_name }),
        ),
        after: Some(json!({ "decision": decision.as_str() })),
    };
    by.record(tx, told).await?;
    // The claimant leaves at the end, and with it what else it claimed: that was for the same person to decide.
    if let (Decision::Merge, Some(claimant)) = (decision, conflict.claimant) {
        // The conflict outlives the claimant: what it tells is who has the address.
        tx.execute("UPDATE contact_conflict SET claimant_id = NULL WHERE id = $1", &[&id]).await?;
        merge(tx, by, claimant, conflict.owner).await?;
    }
    get(tx, id).await
}

/// The address goes to whoever claimed it; a name that came in becomes a contact.
async fn hand_over(tx: &TenantTx, by: &By, conflict: &Conflict) -> Result<()> {
    let to = match conflict.claimant {
        Some(to) => to,
        None => {
            let asked = Asked { name: conflict.claimed_name.clone(), ..Asked::default() };
            let draft = Draft::parse(&asked, &country_of(&by.tenant)?, Fields::Api)?;
            let id = ContactId::new();
            store::insert_many(tx, &[(id, &draft)]).await?;
            by.record(tx, Event { after: Some(draft.told()), ..event("contact.created", id, &draft.name) })
                .await?;
            id
        }
    };
    if !store::move_address(tx, conflict.channel, &conflict.address, to).await? {
        // Nobody has it any more: it is free.
        let address = Address::stored(conflict.channel, conflict.address.clone());
        store::insert_addresses(tx, &[(to, &address)]).await?;
    }
    // Whoever else claims it, claims it of its new owner.
    tx.execute(
        "UPDATE contact_conflict SET contact_id = $3 WHERE settled IS NULL AND id <> $4 AND channel = $1 \
         AND lower(address) = lower($2)",
        &[&conflict.channel.as_str(), &conflict.address, &to, &conflict.id],
    )
    .await?;
    forget_pointless(tx).await?;
    store::touch(tx, &[conflict.owner, to]).await?;
    let moved = json!({ "address": format!("{}:{}", conflict.channel, conflict.address) });
    let from = Event {
        before: Some(moved.clone()),
        ..event("contact.address_moved", conflict.owner, &conflict.owner_name)
    };
    by.record(tx, from).await?;
    let to = Event { after: Some(moved), ..event("contact.address_moved", to, &conflict.claimed_name) };
    by.record(tx, to).await
}

/// Nobody claims what is their own.
async fn forget_pointless(tx: &TenantTx) -> Result<()> {
    let sql = "DELETE FROM contact_conflict WHERE contact_id = claimant_id AND settled IS NULL";
    tx.execute(sql, &[]).await.map(drop)
}

/// Makes one contact of two: `to` keeps its name and gets what it lacks.
pub async fn merge(tx: &TenantTx, by: &By, from: ContactId, to: ContactId) -> Result<()> {
    let both = store::lock_many(tx, &[from, to]).await?;
    let find = |id: ContactId| both.iter().find(|one| one.id == id).ok_or(Error::not_found("contact"));
    let (gone, kept) = (find(from)?, find(to)?);
    let mut draft = kept.draft.clone();
    draft.language = draft.language.or_else(|| gone.draft.language.clone());
    for (key, value) in &gone.draft.attributes {
        draft.attributes.entry(key).or_insert_with(|| value.clone());
    }
    let has =
        |tags: &[String], tag: &str| tags.iter().any(|known| known.to_lowercase() == tag.to_lowercase());
    for tag in &gone.draft.tags {
        if !has(&draft.tags, tag) && draft.tags.len() < super::model::TAGS_MAX {
            draft.tags.push(tag.clone());
        }
    }
    if !gone.draft.note.is_empty() && !draft.note.contains(&gone.draft.note) {
        let both = format!("{}\n{}", draft.note, gone.draft.note);
        draft.note = both.trim().chars().take(super::model::NOTE_MAX).collect();
    }
    store::update_many(tx, &[(to, &draft)]).await?;
    store::move_all(tx, from, to).await?;
    tx.execute(
        "UPDATE contact_conflict SET contact_id = CASE contact_id WHEN $1 THEN $2 ELSE contact_id END, \
         claimant_id = CASE claimant_id WHEN $1 THEN $2 ELSE claimant_id END WHERE contact_id = $1 OR claimant_id = $1",
        &[&from, &to],
    )
    .await?;
    forget_pointless(tx).await?;
    store::delete_many(tx, &[from]).await?;
    let merged = Event {
        before: Some(gone.draft.told()),
        after: Some(json!({ "merged_into": to })),
        ..event("contact.merged", from, &gone.draft.name)
    };
    by.record(tx, merged).await
}
