//! Sign-ups that wait for somebody of the platform: kept, approved, or refused with a reason. The applicant is told by letter.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::signup::{Done, NewSignup, SignedUp, Signups};
use crate::{
    access::NewOwner,
    db::{ControlTx, Db, OnConstraint},
    error::{Error, OrInternal, Result},
    mail::{Body, Letter},
    tenancy::{Deed, Operator, note},
    types::{EmailAddress, Slug, TenantId, line},
    web::Origin,
};

const REASON_MAX_CHARS: usize = 300;
const LETTER_DAYS: i64 = 3;

/// Who may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Open,
    /// After somebody of the platform said yes.
    Approval,
    Closed,
}

impl Mode {
    pub const ALL: [Self; 3] = [Self::Open, Self::Approval, Self::Closed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approval => "approval",
            Self::Closed => "closed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// Who may sign up now.
pub async fn mode(db: &Db) -> Result<Mode> {
    let row = db
        .read_public(async |tx| {
            tx.query_one("SELECT signups FROM public.platform_setting WHERE is_only", &[]).await
        })
        .await?;
    Mode::parse(row.get("signups")).ok_or_else(|| Error::internal("an odd mode of sign-ups"))
}

/// Decides who may sign up.
pub async fn set_mode(db: &Db, who: &Operator, mode: &str) -> Result<()> {
    let mode = Mode::parse(mode)
        .ok_or_else(|| Error::invalid("signups", "unknown_mode", "Choose open, approval or closed."))?;
    db.in_public(async |tx| {
        let changed = tx
            .execute(
                "UPDATE public.platform_setting SET signups = $1 WHERE is_only AND signups <> $1",
                &[&mode.as_str()],
            )
            .await?;
        if changed == 0 {
            return Ok(());
        }
        let detail = serde_json::json!({"signups": mode.as_str()});
        note(tx, who, Deed { detail: Some(detail), ..Deed::on("platform.settings_changed", "Sign-ups") })
            .await
    })
    .await
}

/// A sign-up and how far it is.
#[derive(Debug, Clone)]
pub struct Request {
    pub id: Uuid,
    pub slug: String,
    pub company_name: String,
    pub owner_name: String,
    pub owner_email: String,
    pub region: String,
    pub status: String,
    pub reason: String,
    pub decided_by: Option<String>,
    pub decided_at: Option<DateTime<Utc>>,
    pub address: Option<String>,
    pub created_at: DateTime<Utc>,
}

fn request_of(row: &Row) -> Request {
    Request {
        id: row.get("id"),
        slug: row.get("slug"),
        company_name: row.get("company_name"),
        owner_name: row.get("owner_name"),
        owner_email: row.get("owner_email"),
        region: row.get("region"),
        status: row.get("status"),
        reason: row.get("reason"),
        decided_by: row.get("decided_by"),
        decided_at: row.get("decided_at"),
        address: row.get("address"),
        created_at: row.get("created_at"),
    }
}

/// The newest first; those that wait, or those that were decided on.
pub async fn list(db: &Db, is_pending: bool, limit: i64) -> Result<Vec<Request>> {
    let rows = db
        .read_public(async |tx| {
            tx.query(
                "SELECT id, slug, company_name, owner_name, owner_email, country || ', ' || currency || ', ' || time_zone AS region,
                    status, reason, decided_by, decided_at, address, created_at
                 FROM public.signup_request WHERE (status = 'pending') = $1 ORDER BY created_at DESC, id DESC LIMIT $2",
                &[&is_pending, &limit],
            )
            .await
        })
        .await?;
    Ok(rows.iter().map(request_of).collect())
}

/// Whether somebody waits for this address.
pub async fn is_waited_for(tx: &ControlTx, slug: &Slug) -> Result<bool> {
    let row = tx
        .query_opt(
            "SELECT 1 FROM public.signup_request WHERE lower(slug) = $1 AND status = 'pending'",
            &[&slug.as_str()],
        )
        .await?;
    Ok(row.is_some())
}

/// What the same request was answered before.
pub async fn find_answer(tx: &ControlTx, key_hash: &[u8]) -> Result<Option<(Vec<u8>, serde_json::Value)>> {
    let row = tx
        .query_opt("SELECT request_hash, answer FROM public.signup_request WHERE key_hash = $1", &[&key_hash])
        .await?;
    Ok(row.map(|row| (row.get("request_hash"), row.get("answer"))))
}

/// What letters about a sign-up say.
#[derive(Serialize)]
struct LetterView<'a> {
    name: &'a str,
    company: &'a str,
    title: String,
    reason: &'a str,
    portal_url: &'a str,
    email: &'a str,
}

/// A sign-up out of its row, and what it takes to make its tenant.
struct Held {
    id: TenantId,
    new: NewSignup,
    owner: NewOwner,
    key_hash: Option<Vec<u8>>,
}

impl Signups {
    /// Keeps a sign-up until somebody has decided.
    pub(super) async fn hold(
        &self,
        new: &NewSignup,
        owner: &NewOwner,
        key_hash: Option<&[u8]>,
        origin: Option<&Origin>,
    ) -> Result<Done> {
        let id = TenantId::new();
        let slug = self.slug_for(new).await?;
        let answer = SignedUp::pending(self.view_of(id, &slug, "pending"), owner.email.to_string());
        let told = serde_json::to_value(&answer).internal()?;
        let taken = || Error::conflict("slug_taken", "This web address is taken.");
        let hold = async |tx: &ControlTx| {
            let is_taken =
                tx.query_opt("SELECT 1 FROM public.tenant WHERE lower(slug) = $1", &[&slug.as_str()]).await?;
            if is_taken.is_some() {
                return Err(taken());
            }
            tx.execute(
                "INSERT INTO public.signup_request (id, slug, company_name, owner_name, owner_email, password_hash, time_zone,
                    currency, country, key_hash, request_hash, answer, address)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                &[
                    &id,
                    &slug.as_str(),
                    &new.company_name,
                    &owner.name,
                    &owner.email,
                    &owner.password_hash,
                    &new.time_zone.to_string(),
                    &new.currency.as_str(),
                    &new.country.as_str(),
                    &key_hash,
                    &new.fingerprint(),
                    &told,
                    &origin.map(|origin| origin.address.to_string()),
                ],
            )
            .await
            .on_constraint("signup_request_slug_key", taken)
            .on_constraint("signup_request_key_hash_key", || {
                Error::conflict("signup_in_flight", "The same sign-up was done at this moment.")
            })?;
            let who = Operator::anonymous(owner.email.as_str()).by(origin);
            note(tx, &who, Deed::on("signup.requested", &new.company_name)).await
        };
        self.db().in_public(hold).await?;
        Ok(Done { answer, landing_code: None })
    }

    async fn held(&self, id: Uuid) -> Result<Held> {
        let row = self
            .db()
            .read_public(async |tx| {
                tx.query_opt(
                    "SELECT id, slug, company_name, owner_name, owner_email, password_hash, time_zone, currency, country, key_hash,
                        status
                     FROM public.signup_request WHERE id = $1",
                    &[&id],
                )
                .await
            })
            .await?;
        let row = row.ok_or(Error::not_found("sign-up"))?;
        let Some(password_hash) = row.get::<_, Option<String>>("password_hash") else {
            return Err(decided());
        };
        let email: EmailAddress = row.get("owner_email");
        let name: String = row.get("owner_name");
        let new = NewSignup::kept(
            (row.get("company_name"), row.get("slug")),
            (name.clone(), email.clone()),
            (row.get("time_zone"), row.get("currency"), row.get("country")),
        )?;
        let owner = NewOwner { name, email, password_hash };
        Ok(Held { id: row.get("id"), new, owner, key_hash: row.get("key_hash") })
    }

    /// Makes the tenant: it, the decision and the letter are one transaction.
    pub async fn approve(&self, who: &Operator, id: Uuid) -> Result<String> {
        let held = self.held(id).await?;
        let slug = self.slug_for(&held.new).await?;
        let view = self.view_of(held.id, &slug, "active");
        let letter = self.letter("signup_approved", &held, "", &view.portal_url)?;
        let (by, company) = (who.label().to_owned(), held.new.company_name.clone());
        self.make_decided(&held.new, &held.owner, held.id, held.key_hash.as_deref(), async |owner_tx| {
            let done = owner_tx
                .execute(
                    "UPDATE public.signup_request SET status = 'approved', decided_by = $2, decided_at = now(),
                        password_hash = NULL, key_hash = NULL WHERE id = $1 AND status = 'pending'",
                    &[&id, &by],
                )
                .await?;
            if done == 0 {
                return Err(decided());
            }
            self.post().queue_with_tenant(owner_tx, &letter).await
        })
        .await?;
        let tenant = self.registry().find_by_id(held.id).await?.ok_or(Error::not_found("provider"))?;
        self.db().in_public(async |tx| note(tx, who, Deed::to(&tenant, "signup.approved", "")).await).await?;
        Ok(company)
    }

    /// Refuses it; the reason is told to the applicant.
    pub async fn reject(&self, who: &Operator, id: Uuid, reason: &str) -> Result<String> {
        let reason =
            line(reason, REASON_MAX_CHARS).map_err(|wrong| Error::Invalid(vec![wrong.at("reason")]))?;
        let held = self.held(id).await?;
        let letter = self.letter("signup_rejected", &held, &reason, "")?;
        let reject = async |tx: &ControlTx| {
            let done = tx
                .execute(
                    "UPDATE public.signup_request SET status = 'rejected', reason = $3, decided_by = $2, decided_at = now(),
                        password_hash = NULL WHERE id = $1 AND status = 'pending'",
                    &[&id, &who.label(), &reason],
                )
                .await?;
            if done == 0 {
                return Err(decided());
            }
            self.post().queue(tx, &letter).await?;
            let deed = Deed { reason: &reason, ..Deed::on("signup.rejected", &held.new.company_name) };
            note(tx, who, deed).await
        };
        self.db().in_public(reject).await?;
        Ok(held.new.company_name)
    }

    fn letter(&self, template: &str, held: &Held, reason: &str, portal_url: &str) -> Result<Letter> {
        let company = &held.new.company_name;
        let title = match reason {
            "" => format!("{company} can begin"),
            _ => format!("About the sign-up of {company}"),
        };
        let email = held.owner.email.as_str();
        let view =
            LetterView { name: &held.owner.name, company, title: title.clone(), reason, portal_url, email };
        let pages = self.access().pages();
        let body = Body {
            text: pages.text(&format!("mail/{template}.txt"), &view)?,
            html: pages.text(&format!("mail/{template}.html"), &view)?,
        };
        let until = Utc::now() + chrono::Duration::days(LETTER_DAYS);
        Ok(Letter::new(held.owner.email.clone(), &title, body, until))
    }
}

fn decided() -> Error {
    Error::conflict("signup_decided", "Somebody has decided on this sign-up already.")
}
