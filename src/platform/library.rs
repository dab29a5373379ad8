//! The console's pages of texts that are offered to all providers. The rules are those of `messaging`.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Path,
};
use serde::Serialize;
use uuid::Uuid;

use super::console::{ConsoleUser, Guarding, Look, Support};
use crate::{
    access::CheckedForm,
    error::Result,
    messaging::{
        Channel,
        templates::library::{self, Offer, OfferText},
    },
    web::{
        Flash, Form, FormView, RouteTable,
        parts::{Choice, id_of},
    },
    words::say,
};

const PATH: &str = "/console/library";
const FIELDS: [&str; 5] = ["name", "description", "language", "subject", "text"];

pub fn pages(table: &mut RouteTable) {
    table
        .console::<Look>(Method::GET, PATH, list)
        .console::<Support>(Method::GET, "/console/library/new", new)
        .console::<Support>(Method::POST, PATH, create)
        .console::<Look>(Method::GET, "/console/library/:id", show)
        .console::<Support>(Method::POST, "/console/library/:id", change)
        .console::<Support>(Method::POST, "/console/library/:id/offer", offer_to_all)
        .console::<Support>(Method::POST, "/console/library/:id/withdraw", withdraw)
        .console::<Support>(Method::POST, "/console/library/:id/delete", delete);
}

#[derive(Serialize)]
struct Row {
    href: String,
    name: String,
    description: String,
    channels: String,
    language: String,
    is_offered: bool,
}

#[derive(Serialize)]
struct ListPage {
    rows: Vec<Row>,
}

#[handler]
async fn list(user: ConsoleUser) -> Result<Response> {
    let offers = library::list(&user.console.db, false).await?;
    let rows = offers.into_iter().map(|offer| Row {
        href: format!("{PATH}/{}", offer.id),
        channels: offer.text.channels.iter().map(|channel| channel.label()).collect::<Vec<_>>().join(", "),
        name: offer.text.name,
        description: offer.text.description,
        language: offer.text.language,
        is_offered: offer.is_offered,
    });
    user.render("console/library.html", say("Library"), &ListPage { rows: rows.collect() })
}

#[derive(Serialize)]
struct TextPage {
    /// Empty for a new one.
    name: String,
    base: String,
    is_offered: bool,
    channels: Vec<Choice>,
    chosen: Vec<&'static str>,
    form: FormView,
}

fn typed(form: &Form) -> Result<OfferText> {
    let channels = form.all("channels").map(str::parse::<Channel>);
    let subject = Some(form.get("subject").trim().to_owned()).filter(|line| !line.is_empty());
    OfferText {
        name: form.get("name").to_owned(),
        description: form.get("description").to_owned(),
        channels: channels.filter_map(std::result::Result::ok).collect(),
        language: form.get("language").to_owned(),
        subject,
        text: form.get("text").to_owned(),
    }
    .checked()
}

fn page(
    user: &ConsoleUser,
    status: StatusCode,
    known: Option<&Offer>,
    chosen: Vec<&'static str>,
    form: FormView,
) -> Result<Response> {
    let view = TextPage {
        name: known.map(|offer| offer.text.name.clone()).unwrap_or_default(),
        base: known.map(|offer| format!("{PATH}/{}", offer.id)).unwrap_or_default(),
        is_offered: known.is_some_and(|offer| offer.is_offered),
        channels: Channel::ALL.iter().map(|channel| Choice::new(channel, channel.label())).collect(),
        chosen,
        form,
    };
    let title = if known.is_some() { say("Text of the library") } else { say("New text") };
    user.render_with(status, "console/library_text.html", title, &view)
}

fn chosen_of(form: &Form) -> Vec<&'static str> {
    let parsed = form.all("channels").filter_map(|word| word.parse::<Channel>().ok());
    parsed.map(Channel::as_str).collect()
}

#[handler]
async fn new(user: ConsoleUser) -> Result<Response> {
    let form = FormView::empty(PATH, &FIELDS).with("language", "en");
    page(&user, StatusCode::OK, None, vec![Channel::Sms.as_str()], form)
}

#[handler]
async fn create(user: ConsoleUser, form: CheckedForm) -> Result<Response> {
    let made = async {
        let text = typed(&form)?;
        library::create(&user.console.db, &user.operator(), &text).await
    };
    match made.await {
        Ok(id) => {
            Ok(user
                .then(&format!("{PATH}/{id}"), &Flash::success("It is written. Offer it when it is ready.")))
        }
        Err(error) => {
            let shown = FormView::empty(PATH, &FIELDS).typed(&form).failed(error)?;
            page(&user, StatusCode::UNPROCESSABLE_ENTITY, None, chosen_of(&form), shown)
        }
    }
}

#[handler]
async fn show(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let known = library::find(&user.console.db, id_of(&id, say("text of the library"))?).await?;
    let text = &known.text;
    let form = FormView::empty(format!("{PATH}/{}", known.id), &FIELDS)
        .with("name", &text.name)
        .with("description", &text.description)
        .with("language", &text.language)
        .with("subject", text.subject.as_deref().unwrap_or_default())
        .with("text", &text.text);
    let chosen = text.channels.iter().map(|channel| channel.as_str()).collect();
    page(&user, StatusCode::OK, Some(&known), chosen, form)
}

#[handler]
async fn change(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let id: Uuid = id_of(&id, say("text of the library"))?;
    let known = library::find(&user.console.db, id).await?;
    let changed = async {
        let text = typed(&form)?;
        library::change(&user.console.db, &user.operator(), id, &text).await
    };
    let path = format!("{PATH}/{id}");
    match changed.await {
        Ok(()) => Ok(user.then(&path, &Flash::success("Saved. Copies that were taken stay as they are."))),
        Err(error) => {
            let shown = FormView::empty(&path, &FIELDS).typed(&form).failed(error)?;
            page(&user, StatusCode::UNPROCESSABLE_ENTITY, Some(&known), chosen_of(&form), shown)
        }
    }
}

async fn set_offered(user: &ConsoleUser, id: &str, is_offered: bool, said: &str) -> Result<Response> {
    let id: Uuid = id_of(id, say("text of the library"))?;
    library::offer(&user.console.db, &user.operator(), id, is_offered).await?;
    Ok(user.then(&format!("{PATH}/{id}"), &Flash::success(said)))
}

#[handler]
async fn offer_to_all(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    set_offered(&user, &id, true, say("All providers see it now.")).await
}

#[handler]
async fn withdraw(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    set_offered(&user, &id, false, say("Providers see it no more.")).await
}

#[handler]
async fn delete(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let id: Uuid = id_of(&id, say("text of the library"))?;
    library::delete(&user.console.db, &user.operator(), id).await?;
    Ok(user.then(PATH, &Flash::success("It is deleted.")))
}
