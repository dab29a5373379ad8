//! What the platform offers to all providers, as programs see it and take copies.

use poem_openapi::{Object, OpenApi, Tags, param::Path};
use serde::Serialize;
use uuid::Uuid;

use super::{
    EditTemplates, ViewTemplates,
    library::{self, Offer},
    view::TemplateView,
};
use crate::{
    access::ApiUser,
    error::Result,
    messaging::Messaging,
    web::{Created, Json},
};

#[derive(Tags)]
enum Tag {
    /// What messages say: words per channel and language, in versions that are approved.
    Templates,
}

/// A text that may be taken.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "LibraryTemplate")]
struct OfferView {
    id: Uuid,
    name: String,
    description: String,
    channels: Vec<String>,
    language: String,
    #[oai(nullable)]
    subject: Option<String>,
    text: String,
}

impl From<Offer> for OfferView {
    fn from(offer: Offer) -> Self {
        Self {
            id: offer.id,
            name: offer.text.name,
            description: offer.text.description,
            channels: offer.text.channels.iter().map(ToString::to_string).collect(),
            language: offer.text.language,
            subject: offer.text.subject,
            text: offer.text.text,
        }
    }
}

/// All of them, by name.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "LibraryTemplateList")]
struct OfferList {
    items: Vec<OfferView>,
}

/// The operations on the library.
pub struct LibraryApi {
    messaging: Messaging,
}

impl LibraryApi {
    pub fn new(messaging: Messaging) -> Self {
        Self { messaging }
    }
}

#[OpenApi(tag = "Tag::Templates")]
impl LibraryApi {
    /// List what the platform offers
    #[oai(path = "/template-library", method = "get", operation_id = "list_template_library")]
    async fn list(&self, _by: ApiUser<ViewTemplates>) -> Result<Json<OfferList>> {
        let offers = library::list(&self.messaging.db, true).await?;
        Ok(Json(OfferList { items: offers.into_iter().map(OfferView::from).collect() }))
    }

    /// Take a copy
    ///
    /// A draft of one's own. When the name is taken it gets a number; 409 `name_taken` when there are twenty of it.
    #[oai(path = "/template-library/:id/copies", method = "post", operation_id = "take_library_template")]
    async fn take(&self, by: ApiUser<EditTemplates>, id: Path<Uuid>) -> Result<Created<TemplateView>> {
        library::take(&self.messaging.db, &by, id.0).await.map(|template| Created(template.into()))
    }
}
