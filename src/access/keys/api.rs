//! The API of API keys.

use chrono::{DateTime, NaiveDate, Utc};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::MaybeUndefined,
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    ManageApiKeys, ViewApiKeys,
    model::{ApiKey, DayOfUse, KeyChanges, NewKey, overlap},
    rules::Minted,
};
use crate::{
    access::{extract::ApiUser, gate::Access},
    error::Result,
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
    /// From where it counts: CIDR, IPv4 or IPv6, such as `203.0.113.0/24`, or a single address. Anywhere, when absent or empty.
    #[oai(nullable, validator(max_items = 20))]
    allowed_networks: Option<Vec<String>>,
    /// Never, when absent.
    #[oai(nullable)]
    expires_at: Option<DateTime<Utc>>,
}

/// Changes of a key; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "KeyChanges")]
struct KeyChangesBody {
    #[oai(nullable, validator(min_length = 1, max_length = 100))]
    name: Option<String>,
    /// All networks from which it counts from now on; an empty list: anywhere.
    #[oai(nullable, validator(max_items = 20))]
    allowed_networks: Option<Vec<String>>,
    /// Null: it never ends.
    #[oai(nullable)]
    expires_at: MaybeUndefined<DateTime<Utc>>,
}

#[derive(Debug, Clone, Object)]
#[oai(rename = "KeyRotation")]
struct RotationBody {
    /// How long the secret before counts on, in hours; 0 ends it at once.
    #[oai(validator(minimum(value = "0"), maximum(value = "168")))]
    overlap_hours: i32,
}

/// A key, without its secret.
#[derive(Debug, Clone, Serialize, Object)]
struct KeyView {
    id: Uuid,
    name: String,
    /// The key's first characters.
    prefix: String,
    scopes: Vec<String>,
    /// From where it counts; empty: from anywhere.
    allowed_networks: Vec<String>,
    /// `active`, `expired` or `revoked`.
    status: String,
    created_at: DateTime<Utc>,
    /// The member of staff who made it.
    #[oai(nullable)]
    created_by: Option<Uuid>,
    #[oai(nullable)]
    expires_at: Option<DateTime<Utc>>,
    /// To within a few seconds.
    #[oai(nullable)]
    last_used_at: Option<DateTime<Utc>>,
    /// The address that it was last used from.
    #[oai(nullable)]
    last_used_from: Option<String>,
    #[oai(nullable)]
    revoked_at: Option<DateTime<Utc>>,
    /// The first characters of the secret before, as long as that counts.
    #[oai(nullable)]
    old_prefix: Option<String>,
    /// Until when the secret before counts.
    #[oai(nullable)]
    old_secret_until: Option<DateTime<Utc>>,
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
    allowed_networks: Vec<String>,
    status: String,
    created_at: DateTime<Utc>,
    #[oai(nullable)]
    expires_at: Option<DateTime<Utc>>,
    /// Until when the secret before counts.
    #[oai(nullable)]
    old_secret_until: Option<DateTime<Utc>>,
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

/// What a key was used for on one day of the provider's.
#[derive(Debug, Clone, Serialize, Object)]
struct KeyDay {
    day: NaiveDate,
    /// Calls with this key while it counted; refusals among them.
    requests: i64,
    /// Those that were refused before their operation began: from a network that is not allowed, beyond the limit of calls, or
    /// without the right that the operation asks for.
    refusals: i64,
}

/// A key's use.
#[derive(Debug, Clone, Serialize, Object)]
struct KeyUse {
    /// The last thirty days up to today, each of them.
    days: Vec<KeyDay>,
    #[oai(nullable)]
    last_used_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    last_used_from: Option<String>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        let status = key.status_at(Utc::now()).to_owned();
        let (old_prefix, old_secret_until) = key.old.map(|old| (old.prefix, old.until)).unzip();
        Self {
            status,
            id: key.id.0,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
            allowed_networks: key.networks.texts(),
            created_at: key.created_at,
            created_by: key.created_by.map(|staff| staff.0),
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            last_used_from: key.last_used_from,
            revoked_at: key.revoked_at,
            old_prefix,
            old_secret_until,
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
            allowed_networks: key.networks.texts(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            old_secret_until: key.old.map(|old| old.until),
        }
    }
}

impl From<DayOfUse> for KeyDay {
    fn from(one: DayOfUse) -> Self {
        Self { day: one.day, requests: one.requests, refusals: one.refusals }
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
        let (mut keys, total) = self.access.list_keys(&by, after, limit, total.0 == Some(true)).await?;
        let more = limit.cut(&mut keys);
        let next_cursor = match keys.last() {
            Some(last) if more => Some(Cursor(last.id).encode()?),
            _ => None,
        };
        Ok(Json(KeyList { items: keys.into_iter().map(KeyView::from).collect(), next_cursor, total }))
    }

    /// Make an API key. Its secret is in this answer and nowhere else.
    ///
    /// Of a person it asks for a sign-in within the last quarter of an hour (403 `proof_needed`). 422 names each network that is none
    /// by its place, as `allowed_networks[0]`. A call from elsewhere is 403 `network_not_allowed`. The maker and the owners are told
    /// fourteen and three days before it expires, and when it has.
    #[oai(path = "/api-keys", method = "post")]
    async fn create_api_key(
        &self,
        by: ApiUser<ManageApiKeys>,
        body: Body<NewKeyBody>,
    ) -> Result<Created<MintedKeyView>> {
        let NewKeyBody { name, scopes, allowed_networks, expires_at } = body.0;
        let networks = allowed_networks.unwrap_or_default();
        let new = NewKey::parse(self.access.catalogue(), &name, scopes, &networks, expires_at)?;
        Ok(Created(self.access.make_key(&by, &new).await?.into()))
    }

    /// Show one API key.
    #[oai(path = "/api-keys/:id", method = "get")]
    async fn get_api_key(&self, by: ApiUser<ViewApiKeys>, id: Path<Uuid>) -> Result<Json<KeyView>> {
        Ok(Json(self.access.get_key(&by, id.0.into()).await?.into()))
    }

    /// Change an API key's name, networks or end.
    ///
    /// 403 `scope_exceeds_rights` for a key that may do more than the caller, `proof_needed` as for making one; 409 `key_not_active` for
    /// one that has ended.
    #[oai(path = "/api-keys/:id", method = "patch")]
    async fn change_api_key(
        &self,
        by: ApiUser<ManageApiKeys>,
        id: Path<Uuid>,
        body: Body<KeyChangesBody>,
    ) -> Result<Json<KeyView>> {
        let KeyChangesBody { name, allowed_networks, expires_at } = body.0;
        let expires_at = match expires_at {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(at) => Some(Some(at)),
        };
        let changes = KeyChanges::parse(name.as_deref(), allowed_networks.as_deref(), expires_at)?;
        Ok(Json(self.access.change_key(&by, id.0.into(), &changes).await?.into()))
    }

    /// Show how often an API key was used
    ///
    /// By the provider's days. It is counted in memory and written down every two seconds: the newest calls may be missing for a moment, and those of
    /// the last seconds before a crash for good.
    #[oai(path = "/api-keys/:id/usage", method = "get")]
    async fn get_api_key_usage(&self, by: ApiUser<ViewApiKeys>, id: Path<Uuid>) -> Result<Json<KeyUse>> {
        let (key, days) = self.access.key_use(&by, id.0.into()).await?;
        Ok(Json(KeyUse {
            days: days.into_iter().map(KeyDay::from).collect(),
            last_used_at: key.last_used_at,
            last_used_from: key.last_used_from,
        }))
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
        Ok(Json(self.access.rotate_key(&by, id.0.into(), overlap(0)?).await?.into()))
    }

    /// Give an API key a new secret with an overlap
    ///
    /// The new one counts at once, and the one before for as long as is said. Two count at most: what an earlier rotation left ends.
    /// 403 and 409 as for making and changing one.
    #[oai(path = "/api-keys/:id/rotate", method = "post")]
    async fn rotate_api_key(
        &self,
        by: ApiUser<ManageApiKeys>,
        id: Path<Uuid>,
        body: Body<RotationBody>,
    ) -> Result<Json<MintedKeyView>> {
        let overlap = overlap(body.0.overlap_hours)?;
        Ok(Json(self.access.rotate_key(&by, id.0.into(), overlap).await?.into()))
    }

    /// End an overlap early: the secret before stops counting at once
    ///
    /// 409 `no_old_secret` when only the newest counts.
    #[oai(path = "/api-keys/:id/old-secret", method = "delete")]
    async fn end_old_api_key_secret(&self, by: ApiUser<ManageApiKeys>, id: Path<Uuid>) -> Result<NoContent> {
        self.access.end_old_secret(&by, id.0.into()).await?;
        Ok(NoContent)
    }
}
