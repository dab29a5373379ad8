//! Pages of erasures: the list with its search, the question, one erasure and its certificate.

use poem::{
    IntoResponse, Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    ErasePeople, Eraser, ViewErasures, certificate,
    model::{Erasure, Status, Subject},
    rules,
};
use crate::{
    access::{CheckedForm, Guarded, PageUser},
    error::{Error, Result},
    types::{Cursor, ErasureId, Limit},
    web::{
        Flash, FormView, Moment, RouteTable,
        parts::{address, counted, id_of},
        typed::optional_id,
    },
    words::say,
};

const PATH: &str = "/erasures";
const SEARCH: &str = "/erasures/search";
const PAGE: Limit = Limit::of(50);

/// Registers the pages.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewErasures>(Method::GET, PATH, show_all);
    table.page::<ViewErasures>(Method::POST, SEARCH, search);
    table.page::<ErasePeople>(Method::GET, "/erasures/new", ask);
    table.page::<ErasePeople>(Method::POST, PATH, erase);
    table.page::<ViewErasures>(Method::GET, "/erasures/:id", show);
    table.page::<ViewErasures>(Method::GET, "/erasures/:id/certificate", print);
}

#[derive(Serialize)]
struct Row {
    href: String,
    number: String,
    kind: &'static str,
    status_label: &'static str,
    tone: &'static str,
    at: Moment,
    by: String,
}

fn tone(status: Status) -> &'static str {
    match status {
        Status::Removing => "info",
        Status::Clean => "success",
        Status::Found => "warning",
    }
}

fn row(erasure: &Erasure, user: &PageUser) -> Row {
    Row {
        href: format!("{PATH}/{}", erasure.id),
        number: erasure.number.clone(),
        kind: erasure.kind.label(),
        status_label: erasure.status.label(),
        tone: tone(erasure.status),
        at: Moment::at(erasure.asked_at, user.tenant().time_zone.0),
        by: erasure.asked_by.clone(),
    }
}

#[derive(Serialize)]
struct ListPage {
    rows: Vec<Row>,
    next_href: Option<String>,
    /// Whether these are what a search found; none are not the same as nobody.
    is_search: bool,
    form: FormView,
}

fn list_page(user: &PageUser, erasures: &[Erasure], next_href: Option<String>) -> ListPage {
    ListPage {
        rows: erasures.iter().map(|one| row(one, user)).collect(),
        next_href,
        is_search: false,
        form: FormView::empty(SEARCH, &["identity"]),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    cursor: String,
    customer: String,
    contact: String,
}

async fn newest(user: &PageUser, eraser: &Eraser, cursor: &str) -> Result<ListPage> {
    let before = match cursor {
        "" => None,
        text => Some(Cursor::<ErasureId>::decode(text)?.0),
    };
    let db = &eraser.db;
    let (found, more) = db.read_tenant(user.tenant(), async |tx| rules::list(tx, before, PAGE).await).await?;
    let next = match found.last() {
        Some(last) if more => Some(address(PATH, [("cursor", Cursor(last.id).encode()?.as_str())])),
        _ => None,
    };
    Ok(list_page(user, &found, next))
}

#[handler]
async fn show_all(
    user: PageUser,
    eraser: Data<&Eraser>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let page = newest(&user, &eraser, &asked.cursor).await?;
    Ok(user.render("erasures/list.html", say("Erasures"), &page)?)
}

/// By POST: what is sought is a person, and stands in no address and no log.
#[handler]
async fn search(user: PageUser, eraser: Data<&Eraser>, form: CheckedForm) -> poem::Result<Response> {
    let (status, page) = match rules::find_person(&eraser, &user.by, form.get("identity")).await {
        Ok(found) => (StatusCode::OK, ListPage { is_search: true, ..list_page(&user, &found, None) }),
        Err(error @ Error::Invalid(_)) => {
            let page = newest(&user, &eraser, "").await?;
            let form = page.form.typed(&form).failed(error)?;
            (StatusCode::UNPROCESSABLE_ENTITY, ListPage { form, ..page })
        }
        Err(other) => return Err(other.into()),
    };
    Ok(user.render_with(status, "erasures/list.html", say("Erasures"), &page)?)
}

#[derive(Serialize)]
struct AskPage {
    name: String,
    back_href: String,
    stays: &'static str,
    /// What keeps it from being done.
    refused: String,
    form: FormView,
}

fn back_of(subject: Subject) -> String {
    match subject {
        Subject::Customer(id) => format!("/customers/{id}"),
        Subject::Contact(id) => format!("/contacts/{id}"),
    }
}

async fn ask_page(
    user: &PageUser,
    eraser: &Eraser,
    subject: Subject,
    (status, refused, form): (StatusCode, String, FormView),
) -> Result<Response> {
    let db = &eraser.db;
    let name = db.read_tenant(user.tenant(), async |tx| rules::name_of(tx, subject).await).await?;
    let view = AskPage { name, back_href: back_of(subject), stays: certificate::STAYS, refused, form };
    user.render_with(status, "erasures/new.html", say("Erase a person"), &view)
}

fn form_of(subject: Subject) -> FormView {
    let (customer, contact) = match subject {
        Subject::Customer(id) => (id.to_string(), String::new()),
        Subject::Contact(id) => (String::new(), id.to_string()),
    };
    FormView::empty(PATH, &["reason", "customer_id", "contact_id"])
        .with("customer_id", customer)
        .with("contact_id", contact)
}

#[handler]
async fn ask(user: PageUser, eraser: Data<&Eraser>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let subject = match (asked.customer.as_str(), asked.contact.as_str()) {
        ("", id) => Subject::Contact(id_of(id, "contact")?),
        (id, _) => Subject::Customer(id_of(id, "customer")?),
    };
    let shown = (StatusCode::OK, String::new(), form_of(subject));
    Ok(ask_page(&user, &eraser, subject, shown).await?)
}

#[handler]
async fn erase(user: PageUser, eraser: Data<&Eraser>, form: CheckedForm) -> poem::Result<Response> {
    let customer = optional_id(form.get("customer_id"), "customer")
        .map_err(|wrong| Error::Invalid(vec![wrong.at("customer_id")]))?;
    let contact = optional_id(form.get("contact_id"), "contact")
        .map_err(|wrong| Error::Invalid(vec![wrong.at("contact_id")]))?;
    let subject = Subject::parse(customer, contact)?;
    let again = form_of(subject).typed(&form);
    let shown = match rules::erase(&eraser, &user.by, subject, form.get("reason")).await {
        Ok(erasure) => {
            let flash = Flash::success(say!("{} was erased.", erasure.number));
            return Ok(user.then(&format!("{PATH}/{}", erasure.id), &flash));
        }
        Err(Error::Conflict { code, detail }) if code != "already_erased" => {
            (StatusCode::CONFLICT, detail, again)
        }
        Err(error @ Error::Invalid(_)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, String::new(), again.failed(error)?)
        }
        Err(other) => return Err(other.into()),
    };
    Ok(ask_page(&user, &eraser, subject, shown).await?)
}

#[derive(Serialize)]
struct Done {
    table: String,
    what: String,
    rows: String,
}

#[derive(Serialize)]
struct DetailPage {
    erasure: Row,
    reason: String,
    outcome: String,
    searched: Option<Moment>,
    removed: Vec<Done>,
    found: Vec<Done>,
    stays: &'static str,
    certificate_href: String,
    customer_href: Option<String>,
}

fn detail_of(erasure: &Erasure, user: &PageUser) -> DetailPage {
    let rows = |rows| counted(rows, "row", "rows");
    let removed = erasure.removed.iter();
    let found = erasure.found.iter();
    DetailPage {
        erasure: row(erasure, user),
        reason: erasure.reason.clone(),
        outcome: certificate::outcome(erasure),
        searched: erasure.searched_at.map(|at| Moment::at(at, user.tenant().time_zone.0)),
        removed: removed
            .map(|one| Done { table: one.table.clone(), what: one.what.clone(), rows: rows(one.rows) })
            .collect(),
        found: found
            .map(|one| Done { table: one.table.clone(), what: one.column.clone(), rows: rows(one.rows) })
            .collect(),
        stays: certificate::STAYS,
        certificate_href: format!("{PATH}/{}/certificate", erasure.id),
        customer_href: (erasure.kind == super::model::Kind::Customer)
            .then(|| format!("/customers/{}", erasure.subject)),
    }
}

async fn get(user: &PageUser, eraser: &Eraser, id: &str) -> Result<Erasure> {
    let id: ErasureId = id_of(id, "erasure")?;
    eraser.db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await
}

#[handler]
async fn show(user: PageUser, eraser: Data<&Eraser>, Path(id): Path<String>) -> poem::Result<Response> {
    let erasure = get(&user, &eraser, &id).await?;
    Ok(user.render("erasures/detail.html", &erasure.label(), &detail_of(&erasure, &user))?)
}

#[handler]
async fn print(user: PageUser, eraser: Data<&Eraser>, Path(id): Path<String>) -> poem::Result<Response> {
    let erasure = get(&user, &eraser, &id).await?;
    Ok(certificate::paper(user.tenant(), &erasure)?.into_response())
}
