//! Suppressions and consents as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    EditSuppressions, ViewSuppressions, export, import,
    model::{Consent, Filter, Imported, Reason, Said, Source, Suppression},
    rules::{self, Draft, Word},
    store,
};
use crate::{
    access::ApiUser,
    error::Result,
    messaging::{Address, Channel, Messaging},
    sheets::Bom,
    types::{Check, Cursor, Limit, SuppressionId, search::plain},
    web::{
        Body, Created, Json, NoContent,
        file_body::FileBody,
        sheet::{Format, Sheet},
    },
};

#[derive(Tags)]
enum Tag {
    /// Addresses that are not written to, and what people said about being written to.
    Suppressions,
}

/// An address that is not written to.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Suppression")]
pub struct SuppressionView {
    id: Uuid,
    channel: Channel,
    address: String,
    reason: Reason,
    source: Source,
    note: String,
    /// The delivery that told us.
    #[oai(nullable)]
    delivery_id: Option<Uuid>,
    created_at: DateTime<Utc>,
}

impl From<Suppression> for SuppressionView {
    fn from(one: Suppression) -> Self {
        Self {
            id: one.id.0,
            channel: one.channel,
            address: one.address,
            reason: one.reason,
            source: one.source,
            note: one.note,
            delivery_id: one.delivery.map(|id| id.0),
            created_at: one.created_at,
        }
    }
}

/// One page of suppressions.
#[derive(Debug, Serialize, Object)]
pub struct SuppressionList {
    items: Vec<SuppressionView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

/// An address that is not to be written to.
#[derive(Debug, Object)]
#[oai(rename = "NewSuppression")]
pub struct NewSuppressionBody {
    channel: Channel,
    #[oai(validator(min_length = 1, max_length = 4096))]
    address: String,
    /// `manual` unless said otherwise.
    #[oai(nullable)]
    reason: Option<Reason>,
    #[oai(nullable, validator(max_length = 500))]
    note: Option<String>,
}

/// What somebody said about being written to.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Consent")]
pub struct ConsentView {
    channel: Channel,
    address: String,
    status: Consent,
    /// Where it was said: `keyword`, `link`, `staff`, `api`, `import`.
    source: String,
    said_at: DateTime<Utc>,
}

impl From<Said> for ConsentView {
    fn from(said: Said) -> Self {
        Self {
            channel: said.channel,
            address: said.address,
            status: said.consent,
            source: said.source,
            said_at: said.said_at,
        }
    }
}

/// One page of consents.
#[derive(Debug, Serialize, Object)]
pub struct ConsentList {
    items: Vec<ConsentView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// What somebody said.
#[derive(Debug, Object)]
#[oai(rename = "NewConsent")]
pub struct NewConsentBody {
    channel: Channel,
    #[oai(validator(min_length = 1, max_length = 4096))]
    address: String,
    status: Consent,
}

/// What came of it.
#[derive(Debug, Serialize, Object)]
pub struct ConsentOutcome {
    /// Whether anything is other than before.
    changed: bool,
    /// Why the address is not written to, if it is not.
    #[oai(nullable)]
    suppressed: Option<String>,
}

/// Whom a link is for.
#[derive(Debug, Object)]
#[oai(rename = "NewUnsubscribeLink")]
pub struct NewLinkBody {
    channel: Channel,
    #[oai(validator(min_length = 1, max_length = 4096))]
    address: String,
}

/// A link by which a reader leaves.
#[derive(Debug, Serialize, Object)]
pub struct UnsubscribeLink {
    /// For `List-Unsubscribe`, and for people. It does not run out.
    url: String,
}

/// The operations on suppressions and consents.
pub struct SuppressionsApi {
    messaging: Messaging,
}

impl SuppressionsApi {
    pub fn new(messaging: Messaging) -> Self {
        Self { messaging }
    }
}

#[OpenApi(tag = "Tag::Suppressions")]
impl SuppressionsApi {
    /// List suppressions.
    ///
    /// The newest first.
    #[oai(path = "/suppressions", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_suppressions(
        &self,
        by: ApiUser<ViewSuppressions>,
        /// Found in addresses.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        channel: Query<Option<Channel>>,
        reason: Query<Option<Reason>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
        /// Whether to count them all.
        total: Query<Option<bool>>,
    ) -> Result<Json<SuppressionList>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(Cursor::<SuppressionId>::decode).transpose()?.map(|c| c.0);
        let filter = Filter { q: q.0.as_deref().and_then(plain), channel: channel.0, reason: reason.0 };
        let ((items, more), total) = self
            .messaging
            .db
            .read_tenant(&by.tenant, async |tx| {
                let page = rules::list(tx, &filter, before, limit).await?;
                let total = match total.0 {
                    Some(true) => Some(store::count(tx, &filter).await?),
                    _ => None,
                };
                Ok((page, total))
            })
            .await?;
        let next_cursor = match items.last() {
            Some(last) if more => Some(Cursor(last.id).encode()?),
            _ => None,
        };
        let items = items.into_iter().map(SuppressionView::from).collect();
        Ok(Json(SuppressionList { items, next_cursor, total }))
    }

    /// Suppress an address.
    ///
    /// It is not written to until it is lifted. 409 `already_suppressed` when it is on the list: the first reason stays.
    #[oai(path = "/suppressions", method = "post")]
    async fn create_suppression(
        &self,
        by: ApiUser<EditSuppressions>,
        body: Body<NewSuppressionBody>,
    ) -> Result<Created<SuppressionView>> {
        let NewSuppressionBody { channel, address, reason, note } = body.0;
        let reason = reason.map_or("", Reason::as_str);
        let note = note.unwrap_or_default();
        let draft = Draft::parse(&by.tenant, channel.as_str(), &address, reason, &note)?;
        let db = &self.messaging.db;
        let added =
            db.in_tenant(&by.tenant, async |tx| rules::suppress(tx, &by, &draft, Source::Api).await).await?;
        Ok(Created(added.into()))
    }

    /// Download suppressions.
    ///
    /// At most 100,000, in the form that an import reads.
    #[oai(path = "/suppressions/export", method = "get")]
    async fn export_suppressions(
        &self,
        by: ApiUser<ViewSuppressions>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        channel: Query<Option<Channel>>,
        reason: Query<Option<Reason>>,
        format: Query<Format>,
    ) -> Result<Sheet> {
        let filter = Filter { q: q.0.as_deref().and_then(plain), channel: channel.0, reason: reason.0 };
        export::export(&self.messaging.db, &by, &filter, format.0, Bom::Without).await
    }

    /// Suppress many addresses.
    ///
    /// A CSV or XLSX file with a column `address`, `email` or `phone`, and if wanted `channel`, `reason` and `note`. What is on the
    /// list already stays as it is.
    #[oai(path = "/suppressions/import", method = "post")]
    async fn import_suppressions(
        &self,
        by: ApiUser<EditSuppressions>,
        file: FileBody,
    ) -> Result<Json<Imported>> {
        Ok(Json(import::import(&self.messaging.db, &by, file).await?))
    }

    /// Show a suppression.
    #[oai(path = "/suppressions/:id", method = "get")]
    async fn get_suppression(
        &self,
        by: ApiUser<ViewSuppressions>,
        id: Path<Uuid>,
    ) -> Result<Json<SuppressionView>> {
        let db = &self.messaging.db;
        let one = db.read_tenant(&by.tenant, async |tx| rules::get(tx, SuppressionId(id.0)).await).await?;
        Ok(Json(one.into()))
    }

    /// Lift a suppression.
    ///
    /// The address may be written to again.
    #[oai(path = "/suppressions/:id", method = "delete")]
    async fn delete_suppression(&self, by: ApiUser<EditSuppressions>, id: Path<Uuid>) -> Result<NoContent> {
        let db = &self.messaging.db;
        db.in_tenant(&by.tenant, async |tx| rules::unsuppress(tx, &by, SuppressionId(id.0)).await).await?;
        Ok(NoContent)
    }

    /// List consents.
    ///
    /// What people said about being written to, by address.
    #[oai(path = "/consents", method = "get")]
    async fn list_consents(
        &self,
        by: ApiUser<ViewSuppressions>,
        /// Found in addresses.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        channel: Query<Option<Channel>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<ConsentList>> {
        let limit = Limit::parse(limit.0)?;
        let after = match cursor.0.as_deref() {
            Some(text) => {
                let mark = Cursor::<(String, String)>::decode(text)?.0;
                if mark.0.contains('\0') || mark.1.contains('\0') {
                    return Err(crate::error::Error::malformed(
                        "bad_cursor",
                        "The cursor was not given out by this list.",
                    ));
                }
                Some(mark)
            }
            None => None,
        };
        let q = q.0.as_deref().and_then(plain);
        let (items, more) = self
            .messaging
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::list_consents(tx, channel.0, q.as_deref(), after.as_ref(), limit).await
            })
            .await?;
        let next_cursor = match items.last() {
            Some(last) if more => {
                Some(Cursor((last.channel.as_str().to_owned(), last.address.clone())).encode()?)
            }
            _ => None,
        };
        Ok(Json(ConsentList { items: items.into_iter().map(ConsentView::from).collect(), next_cursor }))
    }

    /// Write down what somebody said.
    ///
    /// `withdrawn` suppresses the address as `unsubscribed`; `granted` lifts such a suppression, and no other.
    #[oai(path = "/consents", method = "post")]
    async fn record_consent(
        &self,
        by: ApiUser<EditSuppressions>,
        body: Body<NewConsentBody>,
    ) -> Result<Json<ConsentOutcome>> {
        let address = parsed(&by.tenant, body.0.channel, &body.0.address)?;
        let status = body.0.status;
        let (changed, suppressed) = self
            .messaging
            .db
            .in_tenant(&by.tenant, async |tx| {
                let (channel, address) = (address.channel(), address.as_str());
                let word = Word { channel, address, consent: status, source: Source::Api, delivery: None };
                let changed = rules::say(tx, (&*by).into(), &word).await?;
                Ok((changed, store::find(tx, channel, address).await?))
            })
            .await?;
        let suppressed = suppressed.map(|one| one.reason.as_str().to_owned());
        Ok(Json(ConsentOutcome { changed, suppressed }))
    }

    /// Make an unsubscribe link.
    ///
    /// For mails that are sent by other means than ours; ours carry one of their own.
    #[oai(path = "/unsubscribe-links", method = "post")]
    async fn create_unsubscribe_link(
        &self,
        by: ApiUser<EditSuppressions>,
        body: Body<NewLinkBody>,
    ) -> Result<Json<UnsubscribeLink>> {
        let address = parsed(&by.tenant, body.0.channel, &body.0.address)?;
        let Messaging { links, resolver, .. } = &self.messaging;
        let url = links.url(&by.tenant, resolver, None, address.channel(), address.as_str())?;
        Ok(Json(UnsubscribeLink { url: url.into() }))
    }
}

fn parsed(tenant: &crate::tenancy::Tenant, channel: Channel, address: &str) -> Result<Address> {
    let country = rules::country_of(tenant)?;
    let mut check = Check::new();
    let address = check.field("address", Address::parse(channel, address, &country));
    check.finish(address)
}
