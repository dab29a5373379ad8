//! Prepaid credit for messages that go by a sender of the platform's own: set aside when a recipient is written out, by the length of
//! what it is told.

use std::collections::HashSet;

use rust_decimal::Decimal;

use super::{
    expand::{Audience, Recipient},
    spoken::spoken,
};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    messaging::{Channel, accounts, policy, segments::segments},
    types::DeliveryId,
    words::say,
};

/// The code of a refusal for want of credit.
pub const TOO_LOW: &str = "credit_too_low";

/// Sets aside what these recipients will cost: all of it, or 409 `credit_too_low`.
pub async fn set_aside(tx: &TenantTx, of: &Audience<'_>, recipients: &mut [Recipient]) -> Result<()> {
    let prices = accounts::prices_of_lent(tx, of.channels).await?;
    if prices.is_empty() || recipients.is_empty() {
        return Ok(());
    }
    let language = policy::get(tx).await?.default_language;
    let written = match of.said {
        Some(_) => None,
        None => spoken(tx, &[of.id]).await?.remove(&of.id),
    };
    let said = of.said.or(written.as_ref());
    for one in recipients.iter_mut() {
        let Some(price) = prices.get(&one.channel) else { continue };
        // What cannot be rendered will fail, and costs nothing.
        let content = said.and_then(|said| {
            said.compose(one.channel, one.language.as_deref(), &language, &one.context).ok()
        });
        let count = match (one.channel, content) {
            (_, None) => 0,
            (Channel::Sms, Some(content)) => segments(&content.text).count,
            (_, Some(_)) => 1,
        };
        one.reserved = *price * Decimal::from(count);
    }
    let sum: Decimal = recipients.iter().map(|one| one.reserved).sum();
    let is_there: bool = tx.query_one("SELECT gate.reserve_credit($1)", &[&sum]).await?.get(0);
    if is_there {
        Ok(())
    } else {
        let detail = say!("The prepaid credit does not last: {} more would be needed.", sum);
        Err(Error::conflict(TOO_LOW, detail))
    }
}

/// Gives back what was set aside for those who were not written out after all.
pub async fn give_back(tx: &TenantTx, recipients: &[Recipient], written: &[DeliveryId]) -> Result<()> {
    let written: HashSet<&DeliveryId> = written.iter().collect();
    let left: Decimal =
        recipients.iter().filter(|one| !written.contains(&one.id)).map(|one| one.reserved).sum();
    if left.is_zero() {
        return Ok(());
    }
    tx.execute("SELECT gate.settle_credit(0, $1)", &[&left]).await.map(drop)
}
