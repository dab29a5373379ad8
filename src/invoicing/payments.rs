//! Paying online: beginning, asking after, and what counts.
//!
//! The row is there before a processor is called, and what a processor tells is held against it: tenant, currency and amount must be
//! those that were asked for. A payment is settled once, whoever tells of it and how often.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::{
    Invoicing, NOTE_MAX_CHARS,
    issuing::{Sale, issue},
    model::{Invoice, InvoiceStatus, Payment, PaymentStatus},
    processors::{Order, Processor, Seen, State},
    store,
};
use crate::{
    access::random_token,
    db::ControlTx,
    error::{Error, Result},
    messaging::accounts::senders,
    print::Line,
    tenancy::{Deed, Operator, Status, Tenant, note},
    types::line,
    web::parts::money,
    words::say,
};

/// A checkout is used again for so long, instead of a second one.
const AGAIN: TimeDelta = TimeDelta::minutes(30);
/// So many payments may be begun for one tenant in an hour.
const BEGUN_MAX: i64 = 20;
/// After so long nobody will pay any more.
const OPEN_FOR: TimeDelta = TimeDelta::hours(24);
/// What is being begun by somebody else in this moment has had its answer by then.
const BEGINNING: TimeDelta = TimeDelta::seconds(30);

/// The least and the most that credit can be bought for at once, in the tenant's currency.
pub const CREDIT_MIN: Decimal = Decimal::from_parts(10, 0, 0, false, 0);
pub const CREDIT_MAX: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// What is paid for.
enum Subject<'a> {
    Invoice(&'a Invoice),
    Credit,
}

impl Subject<'_> {
    fn text(&self) -> String {
        match self {
            Self::Invoice(invoice) => format!("Invoice {}", invoice.label),
            Self::Credit => "Credit for messages".to_owned(),
        }
    }
}

fn not_online(currency: &str) -> Error {
    Error::conflict("not_online", say!("{} cannot be paid online here.", currency))
}

/// What is wrong with what came, held against what was asked for.
fn difference(payment: &Payment, seen: &Seen) -> Option<String> {
    if seen.tenant.is_some_and(|tenant| tenant != payment.tenant.0) {
        Some("It was made for another provider.".to_owned())
    } else if seen.currency != payment.currency {
        Some(format!("It came in {}, not in {}.", seen.currency, payment.currency))
    } else if seen.amount != payment.amount {
        Some(format!("{} came, {} was asked for.", seen.amount, payment.amount))
    } else {
        None
    }
}

impl Invoicing {
    pub fn can_pay_online(&self, currency: &str) -> bool {
        self.processors.of_currency(currency).is_some()
    }

    /// Begins to pay an invoice, or goes on with the checkout that is there. 409 `not_open`, `not_online`, `payment_refused`.
    pub(super) async fn pay_invoice(&self, tenant: &Tenant, invoice: &Invoice, by: &str) -> Result<Payment> {
        if let Some(there) = self.open_checkout(invoice.id).await? {
            return Ok(there);
        }
        self.begin(tenant, &Subject::Invoice(invoice), (&invoice.currency, invoice.total), by).await
    }

    /// Begins to buy credit for messages, in the tenant's currency; 422 when the amount is not within the limits.
    pub async fn buy_credit(&self, tenant: &Tenant, amount: Decimal, by: &str) -> Result<Payment> {
        if !(CREDIT_MIN..=CREDIT_MAX).contains(&amount) {
            let detail = format!(
                "From {} to {}.",
                money(CREDIT_MIN, &tenant.currency),
                money(CREDIT_MAX, &tenant.currency)
            );
            return Err(Error::invalid("amount", "out_of_range", detail));
        }
        self.begin(tenant, &Subject::Credit, (&tenant.currency, amount), by).await
    }

    /// The last checkout of an invoice, while it can still be paid at.
    async fn open_checkout(&self, invoice: Uuid) -> Result<Option<Payment>> {
        let last = self.db.read_public(async |tx| store::last_payment_of(tx, invoice).await).await?;
        Ok(last.filter(|payment| {
            payment.status == PaymentStatus::Begun
                && payment.pay_url.is_some()
                && payment.begun_at > Utc::now() - AGAIN
        }))
    }

    async fn begin(
        &self,
        tenant: &Tenant,
        subject: &Subject<'_>,
        (currency, amount): (&str, Decimal),
        by: &str,
    ) -> Result<Payment> {
        let processor = self.processors.of_currency(currency).ok_or_else(|| not_online(currency))?;
        let email = self.buyer(tenant).await?.owners.into_iter().next().map(|owner| owner.email);
        let invoice = match subject {
            Subject::Invoice(invoice) => Some(*invoice),
            Subject::Credit => None,
        };
        let payment = Payment {
            id: Uuid::now_v7(),
            tenant: tenant.id(),
            tenant_name: tenant.name.clone(),
            invoice: invoice.map(|invoice| invoice.id),
            invoice_label: invoice.map(|invoice| invoice.label.clone()),
            processor: processor.code().to_owned(),
            currency: currency.to_owned(),
            amount,
            status: PaymentStatus::Begun,
            outside_id: None,
            pay_url: None,
            detail: String::new(),
            begun_by: by.to_owned(),
            pay_token: random_token(),
            begun_at: Utc::now(),
        };
        self.db.in_public(async |tx| admit(tx, &payment).await).await?;
        let back = invoice.map_or(&payment.pay_token, |invoice| &invoice.pay_token);
        let order = Order {
            reference: payment.id,
            tenant: tenant.id().0,
            currency: currency.to_owned(),
            amount,
            text: subject.text(),
            email: email.unwrap_or_default(),
            return_url: self.pay_url(back),
        };
        self.check_out(processor, payment, &order).await
    }

    async fn check_out(&self, processor: &dyn Processor, payment: Payment, order: &Order) -> Result<Payment> {
        let answer = self.outbound.send(processor.begin(order)).await;
        let refused = match answer.map(|answer| processor.begun(order, &answer)) {
            Ok(Ok(begun)) => {
                self.db.in_public(async |tx| store::keep_checkout(tx, payment.id, &begun).await).await?;
                return Ok(Payment {
                    outside_id: Some(begun.outside_id),
                    pay_url: Some(begun.pay_url),
                    ..payment
                });
            }
            Ok(Err(words)) => format!("{} refused: {words}", processor.name()),
            Err(failure) => format!("{} could not be reached: {}", processor.name(), failure.detail()),
        };
        tracing::warn!(payment = %payment.id, processor = processor.code(), refused, "a checkout was not made");
        self.db
            .in_public(async |tx| {
                store::settle_payment(tx, payment.id, PaymentStatus::Failed, &refused).await
            })
            .await?;
        let detail = format!("{} does not take payments right now. Try again in a while.", processor.name());
        Err(Error::conflict("payment_refused", detail))
    }

    /// Counts what a processor told. Telling it again changes nothing.
    pub(super) async fn settle(&self, processor: &dyn Processor, seen: &Seen) -> Result<()> {
        let payment = self
            .db
            .read_public(async |tx| store::find_payment(tx, seen.reference, processor.code()).await)
            .await?;
        let Some(payment) = payment else {
            tracing::info!(reference = %seen.reference, processor = processor.code(), "a payment that is not ours");
            return Ok(());
        };
        let Some(tenant) = self.registry.find_by_id(payment.tenant).await? else { return Ok(()) };
        // Out of the tenant's own schema, and only for an invoice that is issued now.
        let buyer = match (&seen.state, payment.invoice) {
            (State::Paid, None) if tenant.status != Status::Closed => Some(self.buyer(&tenant).await?),
            _ => None,
        };
        let was_paid = self
            .db
            .in_public(async |tx| {
                let found = store::lock_payment(tx, seen.reference, processor.code()).await?;
                let Some(payment) = found else { return Ok(false) };
                match (payment.status, &seen.state) {
                    (PaymentStatus::Begun | PaymentStatus::Failed, State::Paid) => {
                        let sale = (processor, &tenant, buyer.as_ref());
                        take(tx, &payment, seen, sale).await.map(|()| true)
                    }
                    (PaymentStatus::Begun, State::Failed(why)) => {
                        store::settle_payment(tx, payment.id, PaymentStatus::Failed, why)
                            .await
                            .map(|()| false)
                    }
                    _ => Ok(false),
                }
            })
            .await?;
        if was_paid && payment.invoice.is_some() { self.resume_cleared().await } else { Ok(()) }
    }

    /// Asks what became of a payment, unless somebody just did. Waits for at most `at_most`.
    pub(super) async fn look_after(&self, payment: &Payment, at_most: Duration) -> Result<()> {
        let (Some(outside_id), Some(processor)) =
            (&payment.outside_id, self.processors.find(&payment.processor))
        else {
            return Ok(());
        };
        if payment.status != PaymentStatus::Begun
            || !self.db.in_public(async |tx| store::take_turn_to_ask(tx, payment.id).await).await?
        {
            return Ok(());
        }
        let asked = self.outbound.send(processor.ask(payment.id, outside_id));
        match tokio::time::timeout(at_most, asked).await {
            Ok(Ok(answer)) => match processor.answered(payment.id, &answer) {
                Some(seen) => self.settle(processor, &seen).await,
                None => Ok(()),
            },
            // It is asked again.
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    /// Asks after payments of which no webhook told: those are lost, or never come.
    pub async fn reconcile(&self) -> Result<()> {
        for payment in self.db.read_public(async |tx| store::list_to_ask(tx).await).await? {
            if let Err(error) = self.follow(&payment).await {
                tracing::error!(payment = %payment.id, %error, "a payment could not be asked after");
            }
        }
        Ok(())
    }

    async fn follow(&self, payment: &Payment) -> Result<()> {
        self.look_after(payment, Duration::from_secs(20)).await?;
        if payment.outside_id.is_none() {
            // Nobody was given an address to pay at.
            self.give_up(payment, "The processor's answer was lost.").await
        } else if payment.begun_at < Utc::now() - OPEN_FOR {
            self.give_up(payment, "Nobody paid within a day.").await
        } else {
            Ok(())
        }
    }

    async fn give_up(&self, payment: &Payment, why: &str) -> Result<()> {
        self.db
            .in_public(async |tx| {
                let found = store::lock_payment(tx, payment.id, &payment.processor).await?;
                if found.is_some_and(|found| found.status == PaymentStatus::Begun) {
                    store::settle_payment(tx, payment.id, PaymentStatus::Failed, why).await?;
                }
                Ok(())
            })
            .await
    }
}

impl Invoicing {
    /// Somebody has looked at a held payment, and refunded or settled it at the processor: `how` says how. Nothing that is told of it
    /// later counts.
    pub async fn settle_held(&self, who: &Operator, id: Uuid, how: &str) -> Result<()> {
        let how = line(how, NOTE_MAX_CHARS).map_err(|wrong| Error::Invalid(vec![wrong.at("how")]))?;
        self.db
            .in_public(async |tx| {
                let payment = store::settle_held(tx, id, &how).await?;
                let payment = payment
                    .ok_or_else(|| Error::conflict("not_held", "This payment is not held any more."))?;
                let deed = Deed {
                    tenant: Some(payment.tenant),
                    reason: &how,
                    ..Deed::on("payment.settled", &payment.tenant_name)
                };
                note(tx, who, deed).await
            })
            .await
    }
}

/// Writes a payment down that is to be begun.
async fn admit(tx: &ControlTx, payment: &Payment) -> Result<()> {
    let now = Utc::now();
    if let Some(invoice) = payment.invoice {
        if store::lock_invoice(tx, invoice).await? != Some(InvoiceStatus::Open) {
            return Err(Error::conflict("not_open", "This invoice is not open any more."));
        }
        let last = store::last_payment_of(tx, invoice).await?;
        let is_beginning =
            last.is_some_and(|last| last.status == PaymentStatus::Begun && last.begun_at > now - BEGINNING);
        if is_beginning {
            return Err(Error::conflict(
                "payment_begun",
                "Somebody is just beginning to pay it. Look again in a moment.",
            ));
        }
    }
    if store::count_begun(tx, payment.tenant, now - TimeDelta::hours(1)).await? >= BEGUN_MAX {
        let detail = format!("At most {BEGUN_MAX} payments can be begun in an hour.");
        return Err(Error::too_many(Duration::from_secs(3_600), detail));
    }
    store::insert_payment(tx, payment).await
}

/// Money came. It counts where it is what was asked for, and is held for somebody to look at where it is not.
async fn take(
    tx: &ControlTx,
    payment: &Payment,
    seen: &Seen,
    (processor, tenant, buyer): (&dyn Processor, &Tenant, Option<&super::issuing::Buyer>),
) -> Result<()> {
    let how = format!("{}, {}", processor.name(), payment.id);
    let who = Operator::system();
    let mut odd = difference(payment, seen);
    if odd.is_none() {
        match (payment.invoice, buyer) {
            (Some(invoice), _) => {
                if !store::settle_invoice(tx, invoice, InvoiceStatus::Paid, &how, processor.name()).await? {
                    odd = Some("The invoice was not open any more: this came on top.".to_owned());
                }
            }
            (None, Some(buyer)) => credit(tx, payment, &how, (tenant, buyer)).await?,
            (None, None) => odd = Some("The provider is gone.".to_owned()),
        }
    }
    let (status, action) = match odd {
        None => (PaymentStatus::Paid, "payment.received"),
        Some(_) => (PaymentStatus::Held, "payment.held"),
    };
    let why = odd.unwrap_or_default();
    store::settle_payment(tx, payment.id, status, &why).await?;
    let detail = json!({
        "amount": seen.amount, "currency": seen.currency, "invoice": payment.invoice_label, "processor": processor.code(),
    });
    note(tx, &who, Deed { detail: Some(detail), ..Deed::to(tenant, action, &why) }).await
}

/// Adds what was paid to the credit, and invoices it.
async fn credit(
    tx: &ControlTx,
    payment: &Payment,
    how: &str,
    (tenant, buyer): (&Tenant, &super::issuing::Buyer),
) -> Result<()> {
    senders::top_up(tx, &Operator::system(), tenant, payment.amount, how).await?;
    let terms = store::get_terms(tx).await?;
    if terms.seller.is_empty() {
        return Ok(());
    }
    let line = Line {
        text: Subject::Credit.text(),
        detail: String::new(),
        amount: money(payment.amount, &payment.currency),
    };
    let sale = Sale {
        statement: None,
        lines: vec![line],
        currency: &payment.currency,
        total: payment.amount,
        paid_by: Some(how),
    };
    issue(tx, &terms, tenant, buyer, sale).await.map(drop)
}
