//! What the platform asks its providers for: invoices of statements, with numbers that have no gap, payments of them and of credit for
//! messages, and what follows when nobody pays.
//!
//! Owns `public.invoicing`, `invoice` and `platform_payment`. An invoice is issued once and never changed; it is paid or made void
//! once. Money that comes online is counted in one place ([`Invoicing::settle`]), whether a webhook told of it, its payer came back,
//! or it was asked after: what comes twice counts once, and what is not what was asked for is held for a person to look at.

mod dunning;
mod hook;
mod issuing;
mod letters;
mod model;
mod paper;
mod pay_pages;
mod payments;
mod processors;
mod store;
mod terms;

use std::sync::Arc;

use chrono::NaiveDate;
use uuid::Uuid;

pub use hook::mount;
pub use model::{Invoice, InvoiceStatus, Payment, PaymentStatus};
pub use pay_pages::pages;
pub use payments::{CREDIT_MAX, CREDIT_MIN};
pub use processors::name_of as processor_name;
pub use terms::{Terms, TermsForm};

use processors::Processors;

use crate::{
    access::Access,
    config::Settings,
    db::Db,
    error::{Error, Result},
    mail::PlatformPost,
    outbound::Outbound,
    tenancy::{Deed, Operator, Registry, Tenant, note},
    types::line,
    web::Pdf,
};

const NOTE_MAX_CHARS: usize = 200;

/// Issues invoices and takes their money. Cheap to clone.
#[derive(Clone)]
pub struct Invoicing {
    access: Access,
    db: Db,
    registry: Registry,
    settings: Arc<Settings>,
    outbound: Outbound,
    post: PlatformPost,
    processors: Processors,
}

impl Invoicing {
    pub fn open(
        access: Access,
        registry: Registry,
        settings: Arc<Settings>,
        outbound: Outbound,
        post: PlatformPost,
    ) -> Result<Self> {
        let processors = Processors::open(&settings.payments)?;
        Ok(Self { access, db: registry.db().clone(), registry, settings, outbound, post, processors })
    }

    /// Where whoever knows the token sees what is to be paid.
    pub fn pay_url(&self, token: &str) -> String {
        format!("{}/pay/{token}", self.settings.url_of(&self.settings.base_domain))
    }

    pub async fn terms(&self) -> Result<Terms> {
        terms::get(&self.db).await
    }

    pub async fn change_terms(&self, who: &Operator, typed: &TermsForm<'_>) -> Result<()> {
        terms::change(&self.db, who, typed).await
    }

    /// A tenant's invoices, the newest first.
    pub async fn of_tenant(&self, tenant: &Tenant) -> Result<Vec<Invoice>> {
        self.db.read_public(async |tx| store::list_of_tenant(tx, tenant.id()).await).await
    }

    /// One invoice of a tenant's; 404 when it is another's.
    pub async fn one_of_tenant(&self, tenant: &Tenant, id: Uuid) -> Result<Invoice> {
        let found = self.db.read_public(async |tx| store::find_invoice(tx, id).await).await?;
        found.filter(|invoice| invoice.tenant == tenant.id()).ok_or(Error::not_found("invoice"))
    }

    /// What a tenant began to pay for credit, the newest first.
    pub async fn credit_payments(&self, tenant: &Tenant) -> Result<Vec<Payment>> {
        self.db.read_public(async |tx| store::list_credit_payments(tx, tenant.id()).await).await
    }

    /// Invoices of all tenants, the newest first, from the one before the label `before` on.
    pub async fn all(
        &self,
        status: Option<InvoiceStatus>,
        q: &str,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Invoice>> {
        self.db.read_public(async |tx| store::list_all(tx, status, q, before, limit).await).await
    }

    /// An invoice with the attempts to pay it online.
    pub async fn one(&self, id: Uuid) -> Result<(Invoice, Vec<Payment>)> {
        let (found, payments) = self
            .db
            .read_public(async |tx| {
                Ok((store::find_invoice(tx, id).await?, store::list_payments_of(tx, id).await?))
            })
            .await?;
        Ok((found.ok_or(Error::not_found("invoice"))?, payments))
    }

    /// Payments that somebody of the platform must look at.
    pub async fn held(&self) -> Result<Vec<Payment>> {
        self.db.read_public(async |tx| store::list_held(tx).await).await
    }

    /// Money that came another way: the invoice is paid. `how` says how, such as a transfer's reference.
    pub async fn record_paid(&self, who: &Operator, id: Uuid, how: &str) -> Result<()> {
        self.settle_by_hand(who, id, InvoiceStatus::Paid, ("how", how)).await?;
        self.resume_cleared().await
    }

    /// Makes an invoice void, for a reason. Its number stays.
    pub async fn make_void(&self, who: &Operator, id: Uuid, reason: &str) -> Result<()> {
        self.settle_by_hand(who, id, InvoiceStatus::Void, ("reason", reason)).await?;
        self.resume_cleared().await
    }

    async fn settle_by_hand(
        &self,
        who: &Operator,
        id: Uuid,
        to: InvoiceStatus,
        (field, text): (&'static str, &str),
    ) -> Result<()> {
        let text = line(text, NOTE_MAX_CHARS).map_err(|wrong| Error::Invalid(vec![wrong.at(field)]))?;
        self.db
            .in_public(async |tx| {
                let invoice = store::find_invoice(tx, id).await?.ok_or(Error::not_found("invoice"))?;
                if !store::settle_invoice(tx, id, to, &text, who.label()).await? {
                    return Err(Error::conflict("not_open", "This invoice is not open any more."));
                }
                let action = format!("invoice.{}", to.as_str());
                let deed =
                    Deed { tenant: Some(invoice.tenant), reason: &text, ..Deed::on(&action, &invoice.label) };
                note(tx, who, deed).await
            })
            .await
    }

    /// What runs now and then: statements become invoices, reminders go out, whoever does not pay is suspended, whoever paid goes on.
    pub async fn round(&self, today: NaiveDate) -> Result<()> {
        self.issue_due().await?;
        self.remind(today).await?;
        self.resume_cleared().await
    }

    /// The invoice as a PDF.
    pub fn paper(&self, invoice: &Invoice) -> Result<Pdf> {
        let content = paper::render(invoice, &self.pay_url(&invoice.pay_token))?;
        Ok(Pdf::new(format!("invoice_{}", invoice.label), content))
    }
}
