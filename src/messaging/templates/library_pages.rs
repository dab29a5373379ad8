//! The page on which a provider looks through what the platform offers, and takes copies.

use poem::{
    Response, handler,
    http::Method,
    web::{Data, Path},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    EditTemplates, ViewTemplates, library,
    pages::{PATH, labels, may},
};
use crate::{
    access::{Guarded, PageUser},
    error::Result,
    messaging::Messaging,
    web::{Flash, RouteTable, parts::id_of},
    words::say,
};

const LIBRARY: &str = "/templates/library";

pub(super) fn pages(table: &mut RouteTable) {
    table.page::<ViewTemplates>(Method::GET, LIBRARY, show);
    table.page::<EditTemplates>(Method::POST, "/templates/library/:id/take", take);
}

#[derive(Serialize)]
struct Row {
    name: String,
    description: String,
    channels: String,
    language: String,
    subject: String,
    text: String,
    take_action: String,
}

#[derive(Serialize)]
struct LibraryPage {
    offers: Vec<Row>,
    can_edit: bool,
}

#[handler]
async fn show(user: PageUser, messaging: Data<&Messaging>) -> Result<Response> {
    let offers = library::list(&messaging.db, true).await?;
    let rows = offers.into_iter().map(|offer| Row {
        take_action: format!("{LIBRARY}/{}/take", offer.id),
        channels: labels(&offer.text.channels),
        name: offer.text.name,
        description: offer.text.description,
        language: offer.text.language,
        subject: offer.text.subject.unwrap_or_default(),
        text: offer.text.text,
    });
    let view = LibraryPage { offers: rows.collect(), can_edit: may::<EditTemplates>(&user) };
    user.render("message_templates/library.html", say("Library"), &view)
}

#[handler]
async fn take(user: PageUser, messaging: Data<&Messaging>, Path(id): Path<String>) -> Result<Response> {
    let id: Uuid = id_of(&id, say("text of the library"))?;
    let template = library::take(&messaging.db, &user.by, id).await?;
    Ok(user.then(
        &format!("{PATH}/{}", template.id),
        &Flash::success("This copy is yours: change it as you like, and hand it in."),
    ))
}
