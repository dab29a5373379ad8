//! One's own passkeys as programs see them. A new one is made in a browser, on the portal's page: a device makes it for that page.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, OpenApi, param::Path};
use serde::Serialize;
use uuid::Uuid;

use super::own::OwnPasskey;
use crate::{
    access::{extract::ApiUser, gate::Access, right::SignedIn},
    error::Result,
    web::{Body, Json, NoContent},
};

/// A passkey of the caller's.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Passkey")]
struct PasskeyView {
    id: Uuid,
    name: String,
    /// The host that it was made for. It counts there and nowhere else.
    host: String,
    created_at: DateTime<Utc>,
    #[oai(nullable)]
    last_used_at: Option<DateTime<Utc>>,
    /// Since when it is refused because its counter went back: there may be a copy of it.
    #[oai(nullable)]
    suspected_at: Option<DateTime<Utc>>,
}

impl From<OwnPasskey> for PasskeyView {
    fn from(key: OwnPasskey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            host: key.host,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            suspected_at: key.suspected_at,
        }
    }
}

/// The caller's passkeys: twenty at most.
#[derive(Debug, Serialize, Object)]
struct PasskeyList {
    items: Vec<PasskeyView>,
}

#[derive(Debug, Object)]
struct PasskeyName {
    #[oai(validator(min_length = 1, max_length = 60))]
    name: String,
}

/// Operations of passkeys.
pub struct PasskeyApi {
    access: Access,
}

impl PasskeyApi {
    pub fn new(access: Access) -> Self {
        Self { access }
    }
}

#[OpenApi]
impl PasskeyApi {
    /// List one's own passkeys
    ///
    /// The oldest first. A new one is made on the portal's page of two-step sign-in. 404 for an API key, which is nobody.
    #[oai(path = "/me/passkeys", method = "get", operation_id = "list_my_passkeys")]
    async fn list_my_passkeys(&self, by: ApiUser<SignedIn>) -> Result<Json<PasskeyList>> {
        let items = self.access.own_passkeys(&by).await?;
        Ok(Json(PasskeyList { items: items.into_iter().map(PasskeyView::from).collect() }))
    }

    /// Rename one of one's own passkeys
    #[oai(path = "/me/passkeys/:id", method = "patch", operation_id = "rename_my_passkey")]
    async fn rename_my_passkey(
        &self,
        by: ApiUser<SignedIn>,
        id: Path<Uuid>,
        body: Body<PasskeyName>,
    ) -> Result<Json<PasskeyView>> {
        Ok(Json(self.access.rename_passkey(&by, id.0, &body.0.name).await?.into()))
    }

    /// Remove one of one's own passkeys
    ///
    /// 409 `mfa_required` when it is the last second step under a role that asks for one, `last_way_in` when there is no password
    /// either; 403 `proof_needed` when the caller signed in more than a quarter of an hour ago.
    #[oai(path = "/me/passkeys/:id", method = "delete", operation_id = "remove_my_passkey")]
    async fn remove_my_passkey(&self, by: ApiUser<SignedIn>, id: Path<Uuid>) -> Result<NoContent> {
        self.access.remove_passkey(&by, id.0).await?;
        Ok(NoContent)
    }
}
