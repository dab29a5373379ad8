//! Texts that the platform offers to all providers. A provider takes a copy, a draft of its own: what becomes of the original later
//! changes nothing of it.
//!
//! Owns `public.library_template`.

use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    composer::Composer,
    model::{Draft, KNOWN, NAME_MAX, Template, Variable},
    rules, store,
    words::{Text, Words, parse_language},
};
use crate::{
    access::By,
    db::{ControlTx, Db, OnConstraint, TenantTx},
    error::{Error, Result},
    messaging::Channel,
    tenancy::{Deed, Operator, note},
    types::Wrong,
    words::say,
};

/// So many are kept: whoever looks for one reads the list.
const KEPT_MAX: i64 = 200;
/// A copy whose name is taken gets a number, up to this one.
const NUMBER_MAX: u32 = 20;

/// A text of the library.
#[derive(Debug, Clone)]
pub struct Offer {
    pub id: Uuid,
    pub is_offered: bool,
    pub text: OfferText,
}

/// What may be written of it.
#[derive(Debug, Clone, Default)]
pub struct OfferText {
    pub name: String,
    pub description: String,
    /// Each takes what it can carry.
    pub channels: Vec<Channel>,
    pub language: String,
    pub subject: Option<String>,
    pub text: String,
}

impl OfferText {
    /// Checks everything as a provider's own template is checked, and names every wrong field at once.
    pub fn checked(mut self) -> Result<Self> {
        self.language =
            parse_language(&self.language).map_err(|wrong| Error::Invalid(vec![wrong.at("language")]))?;
        if self.channels.is_empty() {
            let wrong = Wrong::new("required", "Choose a channel, or several.");
            return Err(Error::Invalid(vec![wrong.at("channels")]));
        }
        let draft = self.draft()?.checked().map_err(beside)?;
        Ok(Self { name: draft.name, description: draft.description, ..self })
    }

    /// The template that it becomes. What it asks for and nobody has by himself is declared.
    pub fn draft(&self) -> Result<Draft> {
        let said = Text {
            subject: self.subject.clone().filter(|line| !line.trim().is_empty()),
            text: self.text.replace("\r\n", "\n"),
            ..Text::default()
        };
        let words = Words::inline(&self.channels, &self.language, &said);
        let asked = Composer::new(&words, &[], "").map_err(beside)?.variables();
        let variables = asked.into_iter().filter(|name| !KNOWN.contains(&name.as_str()));
        Ok(Draft {
            name: self.name.clone(),
            description: self.description.clone(),
            variables: variables.map(|name| Variable { name, fallback: None, is_required: true }).collect(),
            words,
            footer: String::new(),
        })
    }
}

/// `contents.sms.en.text` is the field `text` here, once however many channels have it.
fn beside(error: Error) -> Error {
    let Error::Invalid(wrong) = error else { return error };
    let mut moved = Vec::new();
    for mut one in wrong {
        if let Some(field) = one.field.strip_prefix("contents.").and_then(|rest| rest.rsplit('.').next()) {
            one.field = if field == "subject" || field == "title" { "subject".into() } else { "text".into() };
        }
        if !moved.contains(&one) {
            moved.push(one);
        }
    }
    Error::Invalid(moved)
}

fn offer_of(row: &Row) -> Result<Offer> {
    let channels: Vec<&str> = row.get("channels");
    let channels = channels.iter().map(|channel| channel.parse()).collect::<std::result::Result<_, _>>();
    Ok(Offer {
        id: row.get("id"),
        is_offered: row.get("is_offered"),
        text: OfferText {
            name: row.get("name"),
            description: row.get("description"),
            channels: channels.map_err(|_odd| Error::internal("a text of no channel"))?,
            language: row.get("language"),
            subject: row.get("subject"),
            text: row.get("text"),
        },
    })
}

macro_rules! select_offer {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, description, channels, language, subject, text, is_offered FROM public.library_template ",
            $rest
        )
    };
}

/// All of them by name; those that are offered alone, for providers.
pub async fn list(db: &Db, only_offered: bool) -> Result<Vec<Offer>> {
    db.read_public(async |tx| {
        let sql = select_offer!("WHERE is_offered OR NOT $1 ORDER BY lower(name), language LIMIT $2");
        tx.query(sql, &[&only_offered, &KEPT_MAX]).await?.iter().map(offer_of).collect()
    })
    .await
}

pub async fn find(db: &Db, id: Uuid) -> Result<Offer> {
    db.read_public(async |tx| {
        let row = tx.query_opt(select_offer!("WHERE id = $1"), &[&id]).await?;
        row.as_ref().map(offer_of).transpose()
    })
    .await?
    .ok_or(Error::not_found("text of the library"))
}

/// Writes a new one; nobody is offered it yet. 409 `name_taken`, `library_full`.
pub async fn create(db: &Db, who: &Operator, text: &OfferText) -> Result<Uuid> {
    let id = Uuid::now_v7();
    let channels = words_of(&text.channels);
    db.in_public(async |tx| {
        let there: i64 = tx.query_one("SELECT count(*) FROM public.library_template", &[]).await?.get(0);
        if there >= KEPT_MAX {
            let detail = say!("The library holds {} texts. Delete one that nobody needs.", KEPT_MAX);
            return Err(Error::conflict("library_full", detail));
        }
        let done = tx
            .execute(
                "INSERT INTO public.library_template (id, name, description, channels, language, subject, text, changed_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                &[&id, &text.name, &text.description, &channels, &text.language, &text.subject, &text.text, &who.label()],
            )
            .await;
        named(done)?;
        tell(tx, who, "library.created", &text.name).await
    })
    .await?;
    Ok(id)
}

/// Changes one. Copies that were taken stay as they are.
pub async fn change(db: &Db, who: &Operator, id: Uuid, text: &OfferText) -> Result<()> {
    let channels = words_of(&text.channels);
    db.in_public(async |tx| {
        let done = tx
            .execute(
                "UPDATE public.library_template SET name = $2, description = $3, channels = $4, language = $5, subject = $6,
                    text = $7, changed_by = $8, updated_at = now() WHERE id = $1",
                &[&id, &text.name, &text.description, &channels, &text.language, &text.subject, &text.text, &who.label()],
            )
            .await;
        must_be_there(named(done)?)?;
        tell(tx, who, "library.changed", &text.name).await
    })
    .await
}

/// Offers one to all providers, or no longer.
pub async fn offer(db: &Db, who: &Operator, id: Uuid, is_offered: bool) -> Result<()> {
    db.in_public(async |tx| {
        let row = tx
            .query_opt(
                "UPDATE public.library_template SET is_offered = $2, changed_by = $3, updated_at = now() WHERE id = $1
                 RETURNING name",
                &[&id, &is_offered, &who.label()],
            )
            .await?
            .ok_or(Error::not_found("text of the library"))?;
        let action = if is_offered { "library.offered" } else { "library.withdrawn" };
        tell(tx, who, action, row.get("name")).await
    })
    .await
}

/// Deletes one. Copies that were taken stay.
pub async fn delete(db: &Db, who: &Operator, id: Uuid) -> Result<()> {
    db.in_public(async |tx| {
        let row = tx
            .query_opt("DELETE FROM public.library_template WHERE id = $1 RETURNING name", &[&id])
            .await?
            .ok_or(Error::not_found("text of the library"))?;
        tell(tx, who, "library.deleted", row.get("name")).await
    })
    .await
}

/// Takes a copy of what is offered: a draft of the provider's own. A name that is taken gets a number.
pub async fn take(db: &Db, by: &By, id: Uuid) -> Result<Template> {
    let offer = find(db, id).await?;
    if !offer.is_offered {
        return Err(Error::not_found("text of the library"));
    }
    let draft = offer.text.draft()?;
    db.in_tenant(&by.tenant, async |tx| {
        let name = free_name(tx, &draft.name).await?;
        rules::create(tx, by, &Draft { name, ..draft.clone() }).await
    })
    .await
}

async fn free_name(tx: &TenantTx, name: &str) -> Result<String> {
    if !store::is_named(tx, name).await? {
        return Ok(name.to_owned());
    }
    let stem: String = name.chars().take(NAME_MAX - 3).collect();
    for n in 2..=NUMBER_MAX {
        let numbered = format!("{stem} {n}");
        if !store::is_named(tx, &numbered).await? {
            return Ok(numbered);
        }
    }
    Err(Error::conflict("name_taken", "There are many templates of this name already."))
}

fn words_of(channels: &[Channel]) -> Vec<&'static str> {
    channels.iter().map(|channel| channel.as_str()).collect()
}

fn named<T>(done: Result<T>) -> Result<T> {
    done.on_constraint("library_template_name_key", || {
        Error::conflict("name_taken", "There is a text of this name in this language already.")
    })
}

fn must_be_there(changed: u64) -> Result<()> {
    if changed > 0 { Ok(()) } else { Err(Error::not_found("text of the library")) }
}

async fn tell(tx: &ControlTx, who: &Operator, action: &str, name: &str) -> Result<()> {
    note(tx, who, Deed::on(action, name)).await
}
