//! One's tickets: the list, one of them, a new one, an answer, files.

use std::collections::HashMap;

use poem::{IntoResponse, Response, handler, http::StatusCode, web::Path};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    access::CheckedForm,
    error::{Error, Result},
    isp::{
        subscribers::guard::Subscriber,
        tickets::{
            self, Attachment, Category, Comment, Complaint, FILE_HELP, OwnTicket, Ready, Said, Status, Ticket,
        },
    },
    types::{CommentId, TicketId},
    web::parts::{Choice, id_of},
    web::{Flash, Form, FormView, Moment},
    words::say,
};

const PATH: &str = "/my/tickets";
const ROWS: i64 = 100;
const FIELDS: [&str; 4] = ["title", "category", "description", "file"];

/// A status as its customer reads it.
pub fn status_text(status: Status) -> &'static str {
    match status {
        Status::Pending => say("Received"),
        Status::Assigned => say("With a technician"),
        Status::InProgress => say("In progress"),
        Status::Waiting => say("Waiting for you"),
        Status::Resolved => say("Resolved"),
        Status::Cancelled => say("Closed"),
    }
}

fn tone(status: Status) -> &'static str {
    match status {
        Status::Pending | Status::Assigned | Status::InProgress => "info",
        Status::Waiting => "warning",
        Status::Resolved => "success",
        Status::Cancelled => "",
    }
}

#[derive(Serialize)]
struct ListPage {
    tickets: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    href: String,
    number: String,
    title: String,
    status: &'static str,
    tone: &'static str,
    opened: Moment,
}

#[handler]
pub async fn list_tickets(user: Subscriber) -> poem::Result<Response> {
    let zone = user.tenant().time_zone.0;
    let found = user
        .office
        .db
        .read_tenant(user.tenant(), async |tx| tickets::list_own(tx, user.customer, ROWS).await)
        .await?;
    let row = |ticket: Ticket| Row {
        href: format!("{PATH}/{}", ticket.id),
        status: status_text(ticket.status),
        tone: tone(ticket.status),
        opened: Moment::at(ticket.created_at, zone),
        number: ticket.number,
        title: ticket.title,
    };
    Ok(user.render(
        "my/tickets.html",
        say("Help"),
        &ListPage { tickets: found.into_iter().map(row).collect() },
    )?)
}

#[derive(Serialize)]
struct NewPage {
    form: FormView,
    categories: Vec<Choice>,
    file_help: &'static str,
}

fn new_page(user: &Subscriber, form: FormView) -> Result<Response> {
    let is_wrong = !form.errors.is_empty() || !form.summary.is_empty();
    let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let view = NewPage { form, categories: Category::options(), file_help: say(FILE_HELP) };
    user.render_with(status, "my/ticket_new.html", say("Ask for help"), &view)
}

#[handler]
pub async fn new_ticket(user: Subscriber) -> poem::Result<Response> {
    Ok(new_page(&user, FormView::empty(PATH, &FIELDS))?)
}

async fn looked_at(form: &Form) -> Result<Option<Ready>> {
    match form.upload("file") {
        Some(file) => Ok(Some(Ready::look(&file.file_name, file.content.clone()).await?)),
        None => Ok(None),
    }
}

#[handler]
pub async fn open_ticket(user: Subscriber, form: CheckedForm) -> poem::Result<Response> {
    let opened = async {
        let file = looked_at(&form).await?;
        let complaint = Complaint {
            title: form.get("title"),
            category: form.get("category"),
            description: form.get("description"),
        };
        user.office
            .db
            .in_tenant(user.tenant(), async |tx| {
                tickets::open_own(tx, &user.by, user.customer, &complaint, file.as_ref()).await
            })
            .await
    };
    match opened.await {
        Ok(ticket) => {
            let flash = Flash::success(say!("We received {}.", ticket.number));
            Ok(user.then(&format!("{PATH}/{}", ticket.id), &flash))
        }
        Err(error) => {
            let shown = FormView::empty(PATH, &FIELDS).typed(&form);
            Ok(new_page(&user, failed(shown, error)?)?)
        }
    }
}

/// A file that is too large can be mended too.
fn failed(form: FormView, error: Error) -> Result<FormView> {
    match error {
        Error::TooLarge { .. } => {
            Ok(form.wrong(&[crate::types::Wrong::new("too_large", FILE_HELP).at("file")]))
        }
        other => form.failed(other),
    }
}

#[derive(Serialize)]
struct TicketPage {
    number: String,
    title: String,
    description: String,
    category: &'static str,
    status: &'static str,
    tone: &'static str,
    waits_for_them: bool,
    is_resolved: bool,
    is_closed: bool,
    has_outage: bool,
    opened: Moment,
    said: Vec<SaidLine>,
    files: Vec<FileLine>,
    form: FormView,
    file_help: &'static str,
}

#[derive(Serialize)]
struct SaidLine {
    author: String,
    is_own: bool,
    is_automatic: bool,
    text: String,
    at: Moment,
    files: Vec<FileLine>,
}

#[derive(Serialize)]
struct FileLine {
    href: String,
    name: String,
    is_picture: bool,
}

fn file_line(ticket: TicketId, file: Attachment) -> FileLine {
    FileLine {
        href: format!("{PATH}/{ticket}/files/{}", file.id),
        is_picture: file.media_type.starts_with("image/"),
        name: file.name,
    }
}

fn answer_form(id: TicketId) -> FormView {
    FormView::empty(format!("{PATH}/{id}/comments"), &["comment", "file"])
}

fn page_of(own: OwnTicket, user: &Subscriber, form: FormView) -> TicketPage {
    let OwnTicket { ticket, comments, files } = own;
    let (id, zone) = (ticket.id, user.tenant().time_zone.0);
    let mut by_comment: HashMap<CommentId, Vec<FileLine>> = HashMap::new();
    let mut alone = Vec::new();
    for file in files {
        match file.comment_id {
            Some(comment) => by_comment.entry(comment).or_default().push(file_line(id, file)),
            None => alone.push(file_line(id, file)),
        }
    }
    // Whoever answers does so in the provider's name.
    let said = |comment: Comment| {
        let is_own = comment.customer_id == Some(user.customer);
        SaidLine {
            author: if is_own { say("You").to_owned() } else { user.provider().to_owned() },
            is_own,
            is_automatic: comment.is_automatic,
            text: comment.text,
            at: Moment::at(comment.created_at, zone),
            files: by_comment.remove(&comment.id).unwrap_or_default(),
        }
    };
    TicketPage {
        said: comments.into_iter().map(said).collect(),
        files: alone,
        form,
        file_help: say(FILE_HELP),
        number: ticket.number,
        title: ticket.title,
        description: ticket.description,
        category: ticket.category.label(),
        status: status_text(ticket.status),
        tone: tone(ticket.status),
        waits_for_them: ticket.status == Status::Waiting,
        is_resolved: ticket.status == Status::Resolved,
        is_closed: ticket.status == Status::Cancelled,
        has_outage: ticket.outage.is_some() && ticket.status.is_open(),
        opened: Moment::at(ticket.created_at, zone),
    }
}

async fn show(user: &Subscriber, id: TicketId, form: FormView) -> Result<Response> {
    let own = user
        .office
        .db
        .read_tenant(user.tenant(), async |tx| tickets::get_own(tx, user.customer, id).await)
        .await?;
    let title = own.ticket.title.clone();
    let is_wrong = !form.errors.is_empty() || !form.summary.is_empty();
    let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    user.render_with(status, "my/ticket.html", &title, &page_of(own, user, form))
}

#[handler]
pub async fn show_ticket(user: Subscriber, Path(id): Path<String>) -> poem::Result<Response> {
    let id = id_of(&id, "ticket")?;
    Ok(show(&user, id, answer_form(id)).await?)
}

#[handler]
pub async fn answer(user: Subscriber, Path(id): Path<String>, form: CheckedForm) -> poem::Result<Response> {
    let id: TicketId = id_of(&id, "ticket")?;
    let answered = async {
        let file = looked_at(&form).await?;
        let said = match (form.get("comment").trim(), &file) {
            ("", Some(_)) => None,
            (text, _) => Some(Said::parse(text, false)?),
        };
        user.office
            .db
            .in_tenant(user.tenant(), async |tx| {
                let which = (user.customer, id);
                tickets::answer_own(tx, &user.by, which, said.as_ref(), file.as_ref()).await
            })
            .await
    };
    match answered.await {
        Ok(_) => Ok(user.then(&format!("{PATH}/{id}"), &Flash::success("Your answer was sent."))),
        Err(error) => {
            let form = failed(answer_form(id).typed(&form), error)?;
            Ok(show(&user, id, form).await?)
        }
    }
}

#[handler]
pub async fn show_file(user: Subscriber, Path((id, file)): Path<(String, String)>) -> poem::Result<Response> {
    let (id, file): (TicketId, Uuid) = (id_of(&id, "ticket")?, id_of(&file, "file")?);
    let opened = user
        .office
        .db
        .read_tenant(user.tenant(), async |tx| tickets::open_own_file(tx, user.customer, id, file).await)
        .await?;
    Ok(opened.into_response())
}
