//! Tickets as their customer sees them: their own alone, without what staff say among themselves.

use std::collections::HashSet;

use serde_json::json;
use uuid::Uuid;

use super::{
    WorkTickets,
    choices::{Priority, Source, Status},
    list::list,
    model::{Ticket, Typed},
    query::{Filter, Sort},
    rules,
    talk::{self, Opened, Ready, Said},
    thread::{self, Attachment, Comment, NewComment},
};
use crate::{
    access::By,
    audit::Event,
    db::TenantTx,
    error::{Error, Result},
    events,
    types::{CustomerId, TicketId},
    words::say,
};

/// A ticket with what was said to its customer and by them.
pub struct OwnTicket {
    pub ticket: Ticket,
    pub comments: Vec<Comment>,
    pub files: Vec<Attachment>,
}

/// What a customer wants help with, as it was typed.
pub struct Complaint<'a> {
    pub title: &'a str,
    pub category: &'a str,
    pub description: &'a str,
}

async fn find(tx: &TenantTx, customer: CustomerId, id: TicketId) -> Result<Ticket> {
    let ticket = rules::get(tx, id).await?;
    if ticket.customer.id == customer { Ok(ticket) } else { Err(rules::unknown()) }
}

/// The newest tickets of this customer.
pub async fn list_own(tx: &TenantTx, customer: CustomerId, rows: i64) -> Result<Vec<Ticket>> {
    let filter = Filter { customer: Some(customer), ..Filter::default() };
    list(tx, &filter, Sort::CreatedDown, None, rows).await
}

/// A ticket of this customer, or 404.
pub async fn get_own(tx: &TenantTx, customer: CustomerId, id: TicketId) -> Result<OwnTicket> {
    let ticket = find(tx, customer, id).await?;
    let (mut comments, mut files) =
        futures_util::try_join!(thread::find_comments(tx, id), thread::find_attachments(tx, id))?;
    comments.retain(|comment| !comment.is_internal);
    let told: HashSet<_> = comments.iter().map(|comment| comment.id).collect();
    files.retain(|file| !file.is_internal && file.comment_id.is_none_or(|id| told.contains(&id)));
    Ok(OwnTicket { ticket, comments, files })
}

/// So many tickets of one customer may be open before they may open another one.
const OPEN_MAX: usize = 20;

/// Opens a ticket for whoever is signed in.
pub async fn open_own(
    tx: &TenantTx,
    by: &By,
    customer: CustomerId,
    complaint: &Complaint<'_>,
    file: Option<&Ready>,
) -> Result<Ticket> {
    let typed = Typed {
        title: complaint.title.to_owned(),
        description: complaint.description.to_owned(),
        category: complaint.category.to_owned(),
        priority: Priority::Medium.as_str().to_owned(),
        source: Source::Portal.as_str().to_owned(),
        ..Typed::default()
    };
    let draft = typed.parse()?;
    let statuses = Status::ALL.iter().copied().filter(|status| status.is_open()).collect();
    let filter = Filter { customer: Some(customer), statuses, ..Filter::default() };
    let rows = i64::try_from(OPEN_MAX).unwrap_or(i64::MAX);
    if list(tx, &filter, Sort::CreatedDown, None, rows).await?.len() >= OPEN_MAX {
        let detail = say!("You have {} open tickets. Write on one of them instead.", OPEN_MAX);
        return Err(Error::conflict("too_many_open", detail));
    }
    let ticket = rules::open(tx, by, customer, &draft, None).await?;
    if let Some(file) = file {
        talk::attach_to(tx, by, &ticket, None, file, false).await?;
    }
    Ok(ticket)
}

/// Says something on one's own ticket, with a file or without. What waited for an answer, or was taken for done, goes on.
pub async fn answer_own(
    tx: &TenantTx,
    by: &By,
    (customer, id): (CustomerId, TicketId),
    said: Option<&Said>,
    file: Option<&Ready>,
) -> Result<Ticket> {
    // Whose it is comes before how it stands: of others' tickets nothing is told.
    find(tx, customer, id).await?;
    let ticket = rules::lock_open(tx, id).await?;
    let mut comment = None;
    if let Some(said) = said {
        let new = NewComment {
            staff_id: None,
            customer_id: Some(customer),
            author: &by.actor.label,
            is_internal: false,
            is_automatic: false,
            text: &said.text,
        };
        let id = thread::insert_comment(tx, ticket.id, &new).await?;
        let after = json!({ "comment": said.text, "is_internal": false });
        by.record(tx, Event { after: Some(after), ..rules::event("ticket.commented", &ticket) }).await?;
        let more = json!({ "comment_id": id, "by": "customer" });
        rules::publish(tx, "ticket.commented", &ticket, more).await?;
        comment = Some(id);
    }
    if let Some(file) = file {
        talk::attach_to(tx, by, &ticket, comment, file, false).await?;
    }
    let text = format!("{}: {} answered.", ticket.number, ticket.customer.name);
    let href = format!("/tickets/{}", ticket.id);
    events::tell_staff(tx, WorkTickets::PERMISSION.code, &text, &href).await?;
    rules::go_on(tx, by, ticket).await
}

/// A file of one's own ticket that is not for staff alone.
pub async fn open_own_file(tx: &TenantTx, customer: CustomerId, id: TicketId, file: Uuid) -> Result<Opened> {
    find(tx, customer, id).await?;
    let attachment = talk::find_attachment(tx, id, file).await?;
    let is_hidden = attachment.is_internal
        || match attachment.comment_id {
            Some(comment) => talk::find_comment(tx, id, comment).await?.is_internal,
            None => false,
        };
    if is_hidden {
        return Err(Error::not_found("file"));
    }
    talk::open_attachment(tx, id, file).await
}
