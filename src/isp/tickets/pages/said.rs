//! What is done on a ticket's page: steps, hand-overs, comments, files, merges.

use poem::{
    IntoResponse, Response, handler,
    web::{Data, Path},
};

use super::{BOARD_PATH, PATH, asked::Asked};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    isp::tickets::{
        choices::Status,
        model::{Step, Ticket},
        rules, store,
        talk::{self, Ready, Said},
    },
    types::{StaffId, TicketId},
    web::parts::id_of,
    web::{Flash, Form},
    words::say,
};

fn page(id: TicketId) -> String {
    format!("{PATH}/{id}")
}

/// Where a form came from: the board stays the board, with its filter. What the form says is read as that and nothing else.
fn back(form: &Form, id: TicketId) -> String {
    match form.get("from") {
        "board" => Asked::parse(form.get("filter")).href(BOARD_PATH, "status", &[]),
        _ => page(id),
    }
}

/// What a person can mend is said on the ticket's page; everything else is handed on.
fn said(user: &PageUser, done: Result<String>, back: &str, mend: &str) -> poem::Result<Response> {
    match done {
        Ok(text) => Ok(user.then(back, &Flash::success(text))),
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. } | Error::TooLarge { .. })) => {
            Ok(user.then(mend, &Flash::error(error.detail())))
        }
        Err(error @ Error::Forbidden { code: "not_assigned_to_you", .. }) => {
            Ok(user.then(back, &Flash::error(error.detail())))
        }
        Err(error) => Err(error.into()),
    }
}

/// A person as a form chooses one; an empty choice is nobody.
fn person(form: &Form) -> Result<Option<StaffId>> {
    match form.get("assigned_to") {
        "" | "none" => Ok(None),
        id => id.parse().map(Some).map_err(|_no_id| {
            Error::invalid("assigned_to", "unknown", "There is no such active member of the staff.")
        }),
    }
}

#[handler]
pub async fn set_status(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: TicketId = id_of(&id, "ticket")?;
    let done = async {
        let status =
            Status::parse(form.get("status")).map_err(|wrong| Error::Invalid(vec![wrong.at("status")]))?;
        let step = Step::parse(person(&form)?, form.get("resolution_notes"))?;
        let ticket = db
            .in_tenant(user.tenant(), async |tx| rules::set_status(tx, &user.by, id, status, &step).await)
            .await?;
        Ok(format!("{} is {} now.", ticket.number, ticket.status.label().to_lowercase()))
    }
    .await;
    // What the step still takes is asked for on the ticket's page.
    let mend = format!("{}?to={}#step", page(id), form.get("status"));
    let mend = if Status::parse(form.get("status")).is_ok() { mend } else { page(id) };
    said(&user, done, &back(&form, id), &mend)
}

#[handler]
pub async fn assign(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: TicketId = id_of(&id, "ticket")?;
    let done = async {
        let assigned_to = person(&form)?;
        let ticket = db
            .in_tenant(user.tenant(), async |tx| rules::assign(tx, &user.by, id, assigned_to).await)
            .await?;
        Ok(match &ticket.assignee {
            Some(assignee) => format!("{} is {}'s now.", ticket.number, assignee.name),
            None => say!("{} is nobody's now.", ticket.number),
        })
    }
    .await;
    said(&user, done, &page(id), &page(id))
}

#[handler]
pub async fn answer(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: TicketId = id_of(&id, "ticket")?;
    let done = add_comment(&user, &db, id, &form).await;
    // A text that was refused is not lost: the browser still has it, one step back.
    said(&user, done, &page(id), &page(id))
}

async fn add_comment(user: &PageUser, db: &Db, id: TicketId, form: &Form) -> Result<String> {
    let is_internal = form.has("is_internal");
    let file = match form.upload("file") {
        Some(file) => Some(Ready::look(&file.file_name, file.content.clone()).await?),
        None => None,
    };
    let text = form.get("comment").trim();
    let spoken = match (text, &file) {
        ("", Some(_)) => None,
        _ => Some(Said::parse(text, is_internal)?),
    };
    db.in_tenant(user.tenant(), async |tx| {
        let comment = match &spoken {
            Some(spoken) => Some(talk::comment(tx, &user.by, id, spoken).await?.1),
            None => None,
        };
        if let Some(file) = &file {
            talk::attach(tx, &user.by, id, comment, file, is_internal).await?;
        }
        Ok(())
    })
    .await?;
    Ok(if is_internal { say("Noted, for staff alone.") } else { say("Answered.") }.to_owned())
}

#[handler]
pub async fn merge(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: TicketId = id_of(&id, "ticket")?;
    let done = async {
        let unknown = || Error::invalid("from", "unknown", "There is no such ticket.");
        let number = form.get("from").trim().to_uppercase();
        let ticket: Ticket = db
            .in_tenant(user.tenant(), async |tx| {
                let from = store::find_by_number(tx, &number).await?.ok_or_else(unknown)?;
                rules::merge(tx, &user.by, id, from).await
            })
            .await?;
        Ok(say!("{} was merged into {}.", number, ticket.number))
    }
    .await;
    said(&user, done, &page(id), &page(id))
}

#[handler]
pub async fn show_file(
    user: PageUser,
    db: Data<&Db>,
    Path((id, file)): Path<(String, String)>,
) -> poem::Result<Response> {
    let id: TicketId = id_of(&id, "ticket")?;
    let file: uuid::Uuid = id_of(&file, "file")?;
    let opened = db.read_tenant(user.tenant(), async |tx| talk::open_attachment(tx, id, file).await).await?;
    Ok(opened.into_response())
}

#[handler]
pub async fn remove_file(
    user: PageUser,
    db: Data<&Db>,
    Path((id, file)): Path<(String, String)>,
) -> poem::Result<Response> {
    let id: TicketId = id_of(&id, "ticket")?;
    let file: uuid::Uuid = id_of(&file, "file")?;
    let done = db
        .in_tenant(user.tenant(), async |tx| talk::detach(tx, &user.by, id, file).await)
        .await
        .map(|()| "The file was removed.".to_owned());
    said(&user, done, &page(id), &page(id))
}
