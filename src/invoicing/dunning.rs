//! What follows when nobody pays: reminders, then the portal is suspended; and what follows when somebody did.

use chrono::NaiveDate;
use uuid::Uuid;

use super::{Invoicing, letters::Told, model::Invoice, store, terms::Terms};
use crate::{
    error::Result,
    tenancy::{self, Operator, Tenant},
};

/// Why a tenant is suspended that does not pay; only who is suspended for this goes on by paying.
pub const UNPAID: &str = "An invoice is not paid";

/// How many of the reminders are due so many days after the due date.
fn reminders_due(terms: &Terms, overdue_days: i64) -> i16 {
    let due = terms.reminder_days.iter().filter(|day| i64::from(**day) <= overdue_days).count();
    i16::try_from(due).unwrap_or(i16::MAX)
}

impl Invoicing {
    /// Looks at every open invoice whose due date has come.
    pub(super) async fn remind(&self, today: NaiveDate) -> Result<()> {
        let terms = self.terms().await?;
        let mut after = Uuid::nil();
        loop {
            let overdue = self.db.read_public(async |tx| store::list_overdue(tx, today, after).await).await?;
            let Some(last) = overdue.last() else { return Ok(()) };
            after = last.id;
            for invoice in &overdue {
                if let Err(error) = self.press(invoice, &terms, today).await {
                    tracing::error!(invoice = invoice.label, %error, "an unpaid invoice could not be followed up");
                }
            }
        }
    }

    async fn press(&self, invoice: &Invoice, terms: &Terms, today: NaiveDate) -> Result<()> {
        let overdue = invoice.overdue_days(today);
        let is_last = terms.suspend_days.is_some_and(|days| i64::from(days) <= overdue);
        if is_last && invoice.suspended_at.is_none() {
            return self.suspend(invoice, terms).await;
        }
        let due = reminders_due(terms, overdue);
        if is_last || due <= invoice.reminded {
            return Ok(());
        }
        let Some(tenant) = self.registry.find_by_id(invoice.tenant).await? else { return Ok(()) };
        let buyer = self.buyer(&tenant).await?;
        let suspended_in = terms.suspend_days.map(|days| i64::from(days) - overdue);
        self.db
            .in_public(async |tx| {
                // Whoever was away for weeks gets the last of the reminders, not all of them.
                if !store::count_reminders(tx, invoice.id, due).await? {
                    return Ok(());
                }
                let told = Told::reminder(invoice, overdue, suspended_in);
                self.write_to(tx, &buyer.owners, terms, &told).await
            })
            .await
    }

    /// Suspends the tenant, once for an invoice: whom somebody lets go on, goes on.
    async fn suspend(&self, invoice: &Invoice, terms: &Terms) -> Result<()> {
        let Some(tenant) = self.registry.find_by_id(invoice.tenant).await? else { return Ok(()) };
        let buyer = self.buyer(&tenant).await?;
        self.db
            .in_public(async |tx| {
                if store::mark_suspended(tx, invoice.id).await?
                    && tenancy::suspend_within(tx, &tenant, &Operator::system(), UNPAID).await?
                {
                    self.write_to(tx, &buyer.owners, terms, &Told::suspended(invoice)).await?;
                }
                Ok(())
            })
            .await?;
        self.registry.news().tenant_changed();
        Ok(())
    }

    /// Lets everybody go on who was suspended for what is settled now.
    pub(super) async fn resume_cleared(&self) -> Result<()> {
        for id in self.db.read_public(async |tx| store::list_cleared(tx, UNPAID).await).await? {
            let Some(tenant) = self.registry.find_by_id(id).await? else { continue };
            // One that cannot be resumed does not hold up the others; it is tried again at the next round.
            if let Err(error) = self.resume(&tenant).await {
                tracing::error!(tenant = %id, %error, "a provider that has paid could not be resumed");
            }
        }
        Ok(())
    }

    async fn resume(&self, tenant: &Tenant) -> Result<()> {
        match tenancy::resume(&self.registry, tenant, &Operator::system()).await {
            // Somebody else did in this moment.
            Err(crate::error::Error::Conflict { .. }) => Ok(()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_come_one_after_the_other() {
        let terms = Terms {
            seller: "S".into(),
            seller_address: String::new(),
            seller_tax_number: String::new(),
            prefix: "INV".into(),
            tax_name: String::new(),
            tax_percent: rust_decimal::Decimal::ZERO,
            note: String::new(),
            due_days: 14,
            reminder_days: vec![0, 3, 10],
            suspend_days: Some(20),
            begun_at: None,
        };
        let due: Vec<i16> = [0, 1, 3, 9, 10, 400].map(|days| reminders_due(&terms, days)).into();
        assert_eq!(due, [1, 1, 2, 2, 3, 3]);
    }
}
