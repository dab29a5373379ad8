//! The API of API keys.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    extract::ApiUser,
    gate::Access,
    keys::{ApiKey, ManageApiKeys, Minted, ViewApiKeys},
    keys_store,
};
use crate::{
    error::{Error, Result},
    types::{ApiKeyId, Cursor, Limit},
    web::{Body, Created, Json, NoContent},
};

#[derive(Debug, Clone, Object)]
struct NewKeyBody {
    /// The program that will use it.
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// `customers.read`, `customers.write` and so on. Nobody can give more than they may do themselves.
    #[oai(validator(min_items = 1, max_items = 50))]
    scopes: Vec<String>,
    /// Never, when absent.
    #[oai(nullable)]
    expires_at: Option<DateTime<Utc>>,
}

/// A key, without its secret.
#[derive(Debug, Clone, Serialize, Object)]
struct KeyView {
    id: Uuid,
    name: String,
    /// The key's first characters.
    prefix: String,
    scopes: Vec<String>,
    /// `active`, `expired` or `revoked`.
    status: String,
    created_at: DateTime<Utc>,
    /// The member of staff who made it.
    #[oai(nullable)]
    created_by: Option<Uuid>,
    #[oai(nullable)]
    expires_at: Option<DateTime<Utc>>,
    /// To within a minute.
    #[oai(nullable)]
    last_used_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    revoked_at: Option<DateTime<Utc>>,
}

/// A key with its secret, which is shown this once.
#[derive(Debug, Clone, Serialize, Object)]
struct MintedKeyView {
    id: Uuid,
    name: String,
    /// For `Authorization: Bearer`. It is not shown again.
    key: String,
    prefix: String,
    scopes: Vec<String>,
    status: String,
    created_at: DateTime<Utc>,
    #[oai(nullable)]
    expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Serialize, Object)]
struct KeyList {
    items: Vec<KeyView>,
    /// Where the list goes on; null at its end.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// On request.
    #[oai(nullable)]
    total: Option<i64>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            status: key.status_at(Utc::now()).to_owned(),
            id: key.id.0,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
            created_at: key.created_at,
            created_by: key.created_by.map(|staff| staff.0),
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

impl From<Minted> for MintedKeyView {
    fn from(minted: Minted) -> Self {
        let key = minted.key;
        Self {
            status: key.status_at(Utc::now()).to_owned(),
            id: key.id.0,
            name: key.name,
            key: minted.secret,
            prefix: key.prefix,
            scopes: key.scopes,
            created_at: key.created_at,
            expires_at: key.expires_at,
        }
    }
}

/// Operations of API keys.
pub struct ApiKeyApi {
    access: Access,
}

impl ApiKeyApi {
    pub fn new(access: Access) -> Self {
        Self { access }
    }
}

#[OpenApi]
impl ApiKeyApi {
    /// List API keys, the newest first. Revoked ones stay in the list.
    #[oai(path = "/api-keys", method = "get")]
    async fn list_api_keys(
        &self,
        by: ApiUser<ViewApiKeys>,
        /// 1-200; 25 when absent.
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
        /// Whether to count all of them.
        total: Query<Option<bool>>,
    ) -> Result<Json<KeyList>> {
        let limit = Limit::parse(limit.0)?;
        let after = cursor.0.as_deref().map(Cursor::<ApiKeyId>::decode).transpose()?.map(|cursor| cursor.0);
        let count = total.0 == Some(true);
        let (mut keys, total) = self
            .access
            .0
            .db
            .read_tenant(&by.tenant, async |tx| {
                let total = if count { Some(keys_store::count_keys(tx).await?) } else { None };
                Ok((keys_store::list_keys(tx, after, limit).await?, total))
            })
            .await?;
        let more = limit.cut(&mut keys);
        let next_cursor = match keys.last() {
            Some(last) if more => Some(Cursor(last.id).encode()?),
            _ => None,
        };
        Ok(Json(KeyList { items: keys.into_iter().map(KeyView::from).collect(), next_cursor, total }))
    }

    /// Make an API key. Its secret is in this answer and nowhere else.
    #[oai(path = "/api-keys", method = "post")]
    async fn create_api_key(
        &self,
        by: ApiUser<ManageApiKeys>,
        body: Body<NewKeyBody>,
    ) -> Result<Created<MintedKeyView>> {
        let body = body.0;
        let new = self.access.parse_key(&body.name, body.scopes, body.expires_at)?;
        Ok(Created(self.access.make_key(&by, &new).await?.into()))
    }

    /// Show one API key.
    #[oai(path = "/api-keys/:id", method = "get")]
    async fn get_api_key(&self, by: ApiUser<ViewApiKeys>, id: Path<Uuid>) -> Result<Json<KeyView>> {
        let key = self
            .access
            .0
            .db
            .read_tenant(&by.tenant, async |tx| keys_store::find_key(tx, id.0.into()).await)
            .await?;
        Ok(Json(key.ok_or(Error::not_found("API key"))?.into()))
    }

    /// Revoke an API key. It stops counting at once, and for good.
    #[oai(path = "/api-keys/:id", method = "delete")]
    async fn revoke_api_key(&self, by: ApiUser<ManageApiKeys>, id: Path<Uuid>) -> Result<NoContent> {
        self.access.revoke_key(&by, id.0.into()).await?;
        Ok(NoContent)
    }

    /// Give an API key a new secret. The old one stops counting at once.
    #[oai(path = "/api-keys/:id/regenerate", method = "post")]
    async fn regenerate_api_key(
        &self,
        by: ApiUser<ManageApiKeys>,
        id: Path<Uuid>,
    ) -> Result<Json<MintedKeyView>> {
        Ok(Json(self.access.renew_key(&by, id.0.into()).await?.into()))
    }
}
