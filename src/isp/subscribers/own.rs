//! What subscribers change of themselves: their telephone number, and where they are signed in.

use serde_json::json;

use super::{guard::Subscriber, invite::event, store};
use crate::{
    audit::Event,
    error::Result,
    isp::customers::{self, Customer, Typed},
};

/// Changes one's own telephone number; everything else of a customer is the provider's to change.
pub async fn change_phone(user: &Subscriber, phone: &str) -> Result<Customer> {
    user.office
        .db
        .in_tenant(user.tenant(), async |tx| {
            let wanted = |was: Typed| Ok(Typed { phone_primary: phone.to_owned(), ..was });
            customers::change(tx, &user.by, user.customer, None, wanted).await
        })
        .await
}

/// Signs this browser out.
pub async fn sign_out(user: &Subscriber) -> Result<()> {
    user.office
        .db
        .in_tenant(user.tenant(), async |tx| {
            store::end_session(tx, user.session).await?;
            user.by.record(tx, event("customer.portal_signed_out", user.customer, &user.by.actor.label)).await
        })
        .await
}

/// Ends every stay of one's own but this one.
pub async fn end_others(user: &Subscriber) -> Result<()> {
    user.office
        .db
        .in_tenant(user.tenant(), async |tx| {
            let ended = store::end_sessions(tx, user.login, Some(user.session)).await?;
            let told = event("customer.portal_sessions_ended", user.customer, &user.by.actor.label);
            user.by.record(tx, Event { after: Some(json!({ "ended": ended })), ..told }).await
        })
        .await
}
