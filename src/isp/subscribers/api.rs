//! Access to the subscriber portal, as programs of the provider give and end it.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, OpenApi, Tags, param::Path};
use serde::Serialize;
use uuid::Uuid;

use super::{InviteSubscribers, invite, letters::Office};
use crate::{
    access::ApiUser,
    error::Result,
    types::CustomerId,
    web::{Body, Created, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// Who of the customers may sign in at `/my`.
    #[oai(rename = "Subscriber portal")]
    Portal,
}

/// How it stands with a customer's access to the portal.
#[derive(Debug, Serialize, Object)]
pub struct PortalAccess {
    /// Whether the customer has an account.
    has_access: bool,
    /// What they sign in with: an e-mail address or a telephone number.
    #[oai(nullable)]
    sign_in_name: Option<String>,
    #[oai(nullable)]
    last_signed_in_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    joined_at: Option<DateTime<Utc>>,
    /// Until when an invitation that was not used counts.
    #[oai(nullable)]
    invited_until: Option<DateTime<Utc>>,
}

/// How an invitation is handed over.
#[derive(Debug, Object)]
pub struct NewPortalInvitation {
    /// Mail a link of its own to the customer's e-mail address too; false unless said otherwise.
    #[oai(nullable)]
    send_mail: Option<bool>,
}

/// A link by which a customer opens their account, once.
#[derive(Debug, Serialize, Object)]
pub struct PortalInvitation {
    /// It is shown this once, and lets in whoever opens it first.
    link: String,
    expires_at: DateTime<Utc>,
    /// Where another one was mailed to, if it was.
    #[oai(nullable)]
    mailed_to: Option<String>,
}

/// The operations on access to the portal.
pub struct SubscribersApi {
    office: Office,
}

impl SubscribersApi {
    pub fn new(office: Office) -> Self {
        Self { office }
    }
}

#[OpenApi(tag = "Tag::Portal")]
impl SubscribersApi {
    /// Show how it stands with a customer's access to the portal.
    #[oai(path = "/customers/:id/portal-access", method = "get")]
    async fn get_portal_access(
        &self,
        by: ApiUser<InviteSubscribers>,
        id: Path<Uuid>,
    ) -> Result<Json<PortalAccess>> {
        let known = self
            .office
            .db
            .read_tenant(&by.tenant, async |tx| invite::standing(tx, CustomerId(id.0)).await)
            .await?;
        let login = known.login;
        Ok(Json(PortalAccess {
            has_access: login.is_some(),
            last_signed_in_at: login.as_ref().and_then(|login| login.last_signed_in_at),
            joined_at: login.as_ref().map(|login| login.created_at),
            sign_in_name: login.map(|login| login.sign_in_name),
            invited_until: known.invited_until,
        }))
    }

    /// Invite a customer to the portal.
    ///
    /// The link works once, for three days; invitations that were made before count no more. 409 `has_access` when the customer
    /// has an account already.
    #[oai(path = "/customers/:id/portal-invitation", method = "post")]
    async fn invite_to_portal(
        &self,
        by: ApiUser<InviteSubscribers>,
        id: Path<Uuid>,
        body: Body<NewPortalInvitation>,
    ) -> Result<Created<PortalInvitation>> {
        let by_mail = body.0.send_mail.unwrap_or(false);
        let invited = self.office.invite(&by, CustomerId(id.0), by_mail).await?;
        Ok(Created(PortalInvitation {
            link: invited.link.url,
            expires_at: invited.link.expires_at,
            mailed_to: invited.mailed_to,
        }))
    }

    /// End a customer's access to the portal.
    ///
    /// The account goes, wherever it is signed in, and so do invitations. The customer may be invited again.
    #[oai(path = "/customers/:id/portal-access", method = "delete")]
    async fn end_portal_access(&self, by: ApiUser<InviteSubscribers>, id: Path<Uuid>) -> Result<NoContent> {
        self.office.end(&by, CustomerId(id.0)).await?;
        Ok(NoContent)
    }
}
