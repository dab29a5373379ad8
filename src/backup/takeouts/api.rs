//! Takeouts, as programs ask for them.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, OpenApi, Tags, param::Path};
use serde::Serialize;
use uuid::Uuid;

use super::{
    model::{Kind, Order, Status, Takeout},
    rules::Takeouts,
};
use crate::{
    access::{ApiUser, By, Owner},
    error::Result,
    web::{Body, Created, Json, NoContent, Zip},
};

#[derive(Tags)]
enum Tag {
    /// All of the provider's data, to take along.
    Takeouts,
}

/// A file with all of the provider's data.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Takeout")]
struct View {
    id: Uuid,
    kind: Kind,
    status: Status,
    asked_by: String,
    asked_at: DateTime<Utc>,
    #[oai(nullable)]
    finished_at: Option<DateTime<Utc>>,
    /// Until then the file is kept.
    #[oai(nullable)]
    expires_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    size_bytes: Option<i64>,
    #[oai(nullable)]
    rows: Option<i64>,
    /// Of the file, in hexadecimal.
    #[oai(nullable)]
    sha256: Option<String>,
    #[oai(nullable)]
    failure: Option<String>,
}

impl From<Takeout> for View {
    fn from(takeout: Takeout) -> Self {
        Self {
            id: takeout.id,
            kind: takeout.kind,
            status: takeout.status,
            asked_by: takeout.asked_by,
            asked_at: takeout.asked_at,
            finished_at: takeout.finished_at,
            expires_at: takeout.expires_at,
            size_bytes: takeout.size_bytes,
            rows: takeout.rows,
            sha256: takeout.sha256,
            failure: takeout.failure,
        }
    }
}

/// The newest first; at most twenty.
#[derive(Debug, Serialize, Object)]
struct TakeoutList {
    items: Vec<View>,
}

/// What is asked for.
#[derive(Debug, Object)]
#[oai(rename = "TakeoutOrder")]
struct OrderBody {
    kind: Kind,
    /// 12 to 200 characters, for an archive alone: whoever takes it in elsewhere must know it.
    #[oai(validator(max_length = 200))]
    passphrase: Option<String>,
}

/// The file as an answer.
pub(super) async fn fetched(takeouts: &Takeouts, by: &By, id: Uuid) -> Result<Zip> {
    let (takeout, parts) = takeouts.fetch(by, id).await?;
    Ok(Zip {
        file_name: takeout.file_name(by.tenant.slug.as_str()),
        size: takeout.size_bytes.unwrap_or_default(),
        body: poem::Body::from_bytes_stream(parts),
    })
}

/// Operations on takeouts.
pub struct TakeoutsApi {
    takeouts: Takeouts,
}

impl TakeoutsApi {
    pub fn new(takeouts: Takeouts) -> Self {
        Self { takeouts }
    }
}

#[OpenApi(tag = "Tag::Takeouts")]
impl TakeoutsApi {
    /// Ask for all of the provider's data
    ///
    /// Owners only, who signed in within the last quarter of an hour (403 `proof_needed`). It is made by a worker; one at a time (409
    /// `takeout_under_way`), kept for a week, at most three at once.
    #[oai(path = "/takeouts", method = "post", operation_id = "create_takeout")]
    async fn ask(&self, by: ApiUser<Owner>, body: Body<OrderBody>) -> Result<Created<View>> {
        let order = Order::parse(body.0.kind.as_str(), body.0.passphrase.as_deref().unwrap_or_default())?;
        self.takeouts.ask(&by, &order).await.map(|takeout| Created(takeout.into()))
    }

    /// List takeouts
    #[oai(path = "/takeouts", method = "get", operation_id = "list_takeouts")]
    async fn list(&self, by: ApiUser<Owner>) -> Result<Json<TakeoutList>> {
        let items = self.takeouts.list(&by.tenant).await?;
        Ok(Json(TakeoutList { items: items.into_iter().map(View::from).collect() }))
    }

    /// Look at a takeout
    #[oai(path = "/takeouts/:id", method = "get", operation_id = "get_takeout")]
    async fn get(&self, by: ApiUser<Owner>, id: Path<Uuid>) -> Result<Json<View>> {
        self.takeouts.find(&by.tenant, id.0).await.map(|takeout| Json(takeout.into()))
    }

    /// Fetch the file
    ///
    /// A ZIP file. Owners only, who signed in within the last quarter of an hour; the trail says who took it. 404 unless it was
    /// made and is kept.
    #[oai(path = "/takeouts/:id/content", method = "get", operation_id = "fetch_takeout")]
    async fn fetch(&self, by: ApiUser<Owner>, id: Path<Uuid>) -> Result<Zip> {
        fetched(&self.takeouts, &by, id.0).await
    }

    /// Remove the file
    ///
    /// That there was one stays known. 409 `takeout_not_there` when there is none.
    #[oai(path = "/takeouts/:id", method = "delete", operation_id = "delete_takeout")]
    async fn remove(&self, by: ApiUser<Owner>, id: Path<Uuid>) -> Result<NoContent> {
        self.takeouts.remove(&by, id.0).await.map(|()| NoContent)
    }
}
