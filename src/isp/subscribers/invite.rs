//! What staff do with a customer's access to the portal: invite, and end it.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    letters::{Link, Office, address_of},
    store::{self, Login, Purpose},
};
use crate::{
    access::By,
    audit::Event,
    db::TenantTx,
    error::{Error, Result},
    isp::customers,
    types::CustomerId,
    words::say,
};

/// An event about a customer's access.
pub(super) fn event<'a>(action: &'static str, customer: CustomerId, name: &'a str) -> Event<'a> {
    Event {
        action,
        object_type: "customer",
        object_id: Some(customer.0),
        object_label: name,
        before: None,
        after: None,
    }
}

/// How it stands with a customer's access.
#[derive(Debug)]
pub struct Standing {
    pub login: Option<Login>,
    pub invited_until: Option<DateTime<Utc>>,
    /// The customer's own address, which an invitation may be mailed to.
    pub email: Option<String>,
}

pub async fn standing(tx: &TenantTx, customer: CustomerId) -> Result<Standing> {
    let known = customers::get(tx, customer).await?;
    Ok(Standing {
        login: store::find_login(tx, customer).await?,
        invited_until: store::invited_until(tx, customer).await?,
        email: known.details.email.map(String::from),
    })
}

/// An invitation, as it is told once.
#[derive(Debug)]
pub struct Invited {
    pub link: Link,
    pub mailed_to: Option<String>,
}

impl Office {
    /// Invites a customer: earlier invitations count no more. The link that is answered is for handing over; the mailed one is
    /// another, so that only who reads that mailbox can show that it is theirs.
    pub async fn invite(&self, by: &By, customer: CustomerId, by_mail: bool) -> Result<Invited> {
        let desk = self.desk(&by.tenant).await?;
        self.db
            .in_tenant(&by.tenant, async |tx| {
                let known = customers::get(tx, customer).await?;
                let name = known.name();
                if store::find_login(tx, customer).await?.is_some() {
                    let detail = say!("{} has access already. End it first to invite them again.", name);
                    return Err(Error::conflict("has_access", detail));
                }
                let mailbox = known.details.email.as_ref().filter(|_| by_mail);
                if by_mail && mailbox.is_none() {
                    let detail = say!("{} has no e-mail address. Hand the link over instead.", name);
                    return Err(Error::invalid("send_mail", "no_email", detail));
                }
                store::forget_links(tx, customer).await?;
                let whom = (customer, name.as_str());
                let link = desk.link(tx, Purpose::Invitation, whom, None).await?;
                if mailbox.is_some() {
                    desk.link(tx, Purpose::Invitation, whom, mailbox).await?;
                }
                let after = json!({ "mailed": mailbox.is_some(), "expires_at": link.expires_at });
                let told = event("customer.portal_invited", customer, &name);
                by.record(tx, Event { after: Some(after), ..told }).await?;
                Ok(Invited { link, mailed_to: mailbox.map(ToString::to_string) })
            })
            .await
    }

    /// Ends a customer's access: account, stays and links.
    pub async fn end(&self, by: &By, customer: CustomerId) -> Result<String> {
        self.db
            .in_tenant(&by.tenant, async |tx| {
                let name = customers::get(tx, customer).await?.name();
                let links = store::forget_links(tx, customer).await?;
                let ended = store::delete_login(tx, customer).await?;
                if ended || links > 0 {
                    by.record(tx, event("customer.portal_ended", customer, &name)).await?;
                }
                Ok(name)
            })
            .await
    }

    /// Mails a link to whoever signs in with this name and has shown a mailbox to be theirs. The caller is never told whether.
    pub(super) async fn ask_for_link(&self, by: &By, name: &str) -> Result<()> {
        let desk = self.desk(&by.tenant).await?;
        self.db
            .in_tenant(&by.tenant, async |tx| {
                let Some(login) = store::find_by_name(tx, name).await? else { return Ok(()) };
                by.record(tx, event("customer.portal_link_asked", login.customer, &login.name)).await?;
                let Some(mailbox) = &login.proved_email else { return Ok(()) };
                if store::links_of_last_hour(tx, login.customer).await? < LINKS_PER_HOUR {
                    let whom = (login.customer, login.name.as_str());
                    desk.link(tx, Purpose::Reset, whom, Some(&address_of(mailbox)?)).await?;
                }
                Ok(())
            })
            .await
    }
}

/// Nobody's mailbox is filled by those who type their name.
const LINKS_PER_HOUR: i64 = 3;
