//! The letters of the subscriber portal, and what making links takes.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    HOME,
    store::{self, Purpose},
};
use crate::{
    access::{Access, Brand, hash_of, ink_on, random_token},
    db::{Db, TenantTx},
    error::{Error, Result},
    mail::{self, Body, Letter},
    secrets::{DataKeys, TenantKeys},
    tenancy::{Resolver, Tenant},
    types::{CustomerId, EmailAddress},
};

/// What the accounts of subscribers are worked on with. Cheap to clone.
#[derive(Clone)]
pub struct Office {
    pub db: Db,
    pub access: Access,
    keys: TenantKeys,
    resolver: Resolver,
}

/// What writing to a tenant's subscribers takes, fetched before the unit of work that queues the letter.
#[derive(Clone)]
pub struct Desk {
    keys: Arc<DataKeys>,
    access: Access,
    brand: Brand,
    /// The tenant's own address, out of the registry; never out of a request.
    home: String,
}

/// A link that was just made.
#[derive(Debug, Clone)]
pub struct Link {
    pub url: String,
    pub expires_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct View<'a> {
    name: &'a str,
    link: &'a str,
    valid_for: &'static str,
    brand_name: &'a str,
    brand_color: &'a str,
    brand_content: &'static str,
    portal_url: String,
}

impl Office {
    pub fn new(db: Db, access: Access, keys: TenantKeys, resolver: Resolver) -> Self {
        Self { db, access, keys, resolver }
    }

    pub async fn desk(&self, tenant: &Tenant) -> Result<Desk> {
        Ok(Desk {
            keys: self.keys.of(tenant.id()).await?,
            access: self.access.clone(),
            brand: self.access.brand(tenant).await?,
            home: self.resolver.url_of(tenant),
        })
    }
}

impl Desk {
    /// Makes a link for this customer; with an address, it is mailed there. The code is in no table.
    pub async fn link(
        &self,
        tx: &TenantTx,
        purpose: Purpose,
        (customer, name): (CustomerId, &str),
        mail_to: Option<&EmailAddress>,
    ) -> Result<Link> {
        let code = random_token();
        let mailed_to = mail_to.map(EmailAddress::as_str);
        let expires_at = store::insert_link(tx, &hash_of(&code), purpose, customer, mailed_to).await?;
        let page = match purpose {
            Purpose::Invitation => "join",
            Purpose::Reset => "reset",
        };
        let url = format!("{}{HOME}/{page}?code={code}", self.home);
        if let Some(to) = mail_to {
            self.queue(tx, purpose, name, to, &Link { url: url.clone(), expires_at }).await?;
        }
        Ok(Link { url, expires_at })
    }

    async fn queue(
        &self,
        tx: &TenantTx,
        purpose: Purpose,
        name: &str,
        to: &EmailAddress,
        link: &Link,
    ) -> Result<()> {
        let brand = &self.brand;
        let view = View {
            name,
            link: &link.url,
            valid_for: purpose.valid_for(),
            brand_name: &brand.name,
            brand_color: &brand.accent,
            brand_content: ink_on(&brand.accent),
            portal_url: format!("{}{HOME}", self.home),
        };
        let (text, html, subject) = match purpose {
            Purpose::Invitation => (
                "mail/my_invitation.txt",
                "mail/my_invitation.html",
                format!("Your account at {}", brand.name),
            ),
            Purpose::Reset => {
                ("mail/my_reset.txt", "mail/my_reset.html", format!("Set a new password at {}", brand.name))
            }
        };
        let pages = self.access.pages();
        let body = Body { text: pages.text(text, &view)?, html: pages.text(html, &view)? };
        mail::queue(tx, &self.keys, &Letter::new(to.clone(), &subject, body, link.expires_at)).await?;
        Ok(())
    }
}

/// A stored address as one that letters go to.
pub fn address_of(text: &str) -> Result<EmailAddress> {
    EmailAddress::parse(text)
        .map_err(|wrong| Error::internal(format!("an address of a subscriber: {}", wrong.detail)))
}
