//! What is said on a ticket and what is attached to it, and the replies that are said often.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    choices::Status,
    model::Ticket,
    rules::{event, lock_for_work, publish},
    thread::{self, ATTACHMENTS_MAX, Attachment, CannedReply, Comment, NewComment},
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    events,
    files::{self, Frame, redraw},
    types::{CannedReplyId, Check, CommentId, FileId, TicketId, line, optional_text},
    words::say,
};

pub use thread::{find_attachments, find_canned, find_comments};

pub const COMMENT_MAX: usize = 10_000;
pub const CANNED_TITLE_MAX: usize = 100;
pub const CANNED_TEXT_MAX: usize = 5_000;
/// A file on a ticket may weigh so much.
pub const FILE_MAX_BYTES: usize = 10 * 1_048_576;
/// What people are told of it.
pub const FILE_HELP: &str = "A picture (PNG, JPEG, WebP, GIF) or a PDF, up to 10 MB.";
const FILE_NAME_MAX: usize = 100;
const PURPOSE: &str = "ticket_attachment";

/// Phones take pictures of up to 8,192 pixels a side; so that a meter can still be read, 2,048 of them are kept.
const PICTURE: Frame = Frame {
    what: "A picture on a ticket",
    side_max: 8_192,
    alloc_max: 112 * 1_048_576,
    kept_side_max: 2_048,
    keeps_photographs: true,
};

/// Something to say, checked.
#[derive(Debug, Clone)]
pub struct Said {
    pub text: String,
    pub is_internal: bool,
}

impl Said {
    pub fn parse(text: &str, is_internal: bool) -> Result<Self> {
        let mut check = Check::new();
        let text = check.field("comment", optional_text(text, COMMENT_MAX));
        if text == Some(None) {
            check.wrong("comment", "required", "Write something.");
        }
        check.finish(text.flatten().map(|text| Self { text, is_internal }))
    }
}

/// A file that was looked at: a picture drawn anew, or a PDF by its first bytes.
#[derive(Debug, Clone)]
pub struct Ready {
    name: String,
    media_type: &'static str,
    content: Vec<u8>,
}

impl Ready {
    /// Looks at a file: 413 when it is too large, 422 when it is neither a picture nor a PDF.
    pub async fn look(file_name: &str, content: Vec<u8>) -> Result<Self> {
        if content.len() > FILE_MAX_BYTES {
            let limit_bytes = u64::try_from(FILE_MAX_BYTES).unwrap_or(u64::MAX);
            return Err(Error::TooLarge { limit_bytes });
        }
        if content.starts_with(b"%PDF-") {
            return Ok(Self { name: named(file_name, "pdf"), media_type: "application/pdf", content });
        }
        let picture = redraw(content, PICTURE).await?.map_err(|wrong| {
            let wrong = if wrong.code == "not_a_picture" {
                crate::types::Wrong::new("not_a_file_for_tickets", FILE_HELP)
            } else {
                wrong
            };
            Error::Invalid(vec![wrong.at("file")])
        })?;
        Ok(Self {
            name: named(file_name, picture.extension),
            media_type: picture.media_type,
            content: picture.content,
        })
    }
}

/// The sender's name for a file, with the ending of what it is now.
fn named(file_name: &str, extension: &str) -> String {
    let last = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
    let plain: String = stem.chars().filter(|c| !c.is_control()).take(FILE_NAME_MAX).collect();
    let stem = plain.trim();
    format!("{}.{extension}", if stem.is_empty() { "file" } else { stem })
}

/// Says something on a ticket. What is not internal, the customer sees, and is told of.
pub async fn comment(tx: &TenantTx, by: &By, id: TicketId, said: &Said) -> Result<(Ticket, CommentId)> {
    let ticket = lock_for_work(tx, by, id).await?;
    let new = NewComment {
        staff_id: by.staff(),
        customer_id: None,
        author: &by.actor.label,
        is_internal: said.is_internal,
        is_automatic: false,
        text: &said.text,
    };
    let comment = thread::insert_comment(tx, id, &new).await?;
    let after = json!({ "comment": said.text, "is_internal": said.is_internal });
    by.record(tx, Event { after: Some(after), ..event("ticket.commented", &ticket) }).await?;
    if !said.is_internal {
        publish(tx, "ticket.commented", &ticket, json!({ "comment_id": comment, "by": "staff" })).await?;
        if ticket.status != Status::Cancelled {
            let text = format!("{} was answered.", ticket.number);
            let href = format!("/my/tickets/{id}");
            events::tell_subscriber(tx, ticket.customer.id, &text, &href).await?;
        }
    }
    Ok((ticket, comment))
}

/// Something that was said on a ticket, or 404.
pub async fn find_comment(tx: &TenantTx, ticket: TicketId, id: CommentId) -> Result<Comment> {
    thread::find_comment(tx, ticket, id).await?.ok_or(Error::not_found("comment"))
}

/// Attaches a file to a ticket, or to something that was just said on it.
pub async fn attach(
    tx: &TenantTx,
    by: &By,
    id: TicketId,
    comment: Option<CommentId>,
    file: &Ready,
    is_internal: bool,
) -> Result<Attachment> {
    let ticket = lock_for_work(tx, by, id).await?;
    attach_to(tx, by, &ticket, comment, file, is_internal).await
}

/// The same for a ticket that is locked, by somebody who was found to be allowed to.
pub(super) async fn attach_to(
    tx: &TenantTx,
    by: &By,
    ticket: &Ticket,
    comment: Option<CommentId>,
    file: &Ready,
    is_internal: bool,
) -> Result<Attachment> {
    let id = ticket.id;
    if thread::count_attachments(tx, id).await? >= ATTACHMENTS_MAX {
        return Err(Error::conflict("too_many", say!("A ticket has at most {} files.", ATTACHMENTS_MAX)));
    }
    let kept = files::keep(tx, &by.tenant, PURPOSE, &file.name, file.media_type, &file.content).await?;
    let attachment = thread::insert_attachment(tx, id, comment, kept, is_internal).await?;
    let after = json!({ "file": file.name, "is_internal": is_internal });
    by.record(tx, Event { after: Some(after), ..event("ticket.file_attached", ticket) }).await?;
    find_attachment(tx, id, attachment).await
}

/// A file of a ticket, or 404.
pub async fn find_attachment(tx: &TenantTx, ticket: TicketId, id: Uuid) -> Result<Attachment> {
    thread::find_attachment(tx, ticket, id).await?.ok_or(Error::not_found("file"))
}

/// Takes a file off a ticket, for good.
pub async fn detach(tx: &TenantTx, by: &By, ticket: TicketId, id: Uuid) -> Result<()> {
    let on = lock_for_work(tx, by, ticket).await?;
    let attachment = find_attachment(tx, ticket, id).await?;
    thread::delete_attachment(tx, id).await?;
    files::forget(tx, attachment.file_id).await?;
    let before = json!({ "file": attachment.name });
    by.record(tx, Event { before: Some(before), ..event("ticket.file_removed", &on) }).await
}

/// A file of a ticket with its bytes.
pub struct Opened {
    pub name: String,
    pub media_type: String,
    pub content: Vec<u8>,
}

/// Reads a file of a ticket.
pub async fn open_attachment(tx: &TenantTx, ticket: TicketId, id: Uuid) -> Result<Opened> {
    let attachment = find_attachment(tx, ticket, id).await?;
    let file_id: FileId = attachment.file_id;
    let file = files::get(tx, file_id).await?;
    Ok(Opened { name: file.name, media_type: file.media_type, content: file.content })
}

/// A canned reply as it was typed, checked.
#[derive(Debug, Clone)]
pub struct CannedDraft {
    pub title: String,
    pub text: String,
}

impl CannedDraft {
    pub fn parse(title: &str, text: &str) -> Result<Self> {
        let mut check = Check::new();
        let title = check.field("title", line(title, CANNED_TITLE_MAX));
        let text = check.field("text", optional_text(text, CANNED_TEXT_MAX));
        if text == Some(None) {
            check.wrong("text", "required", "This is needed.");
        }
        check.finish(title.zip(text.flatten()).map(|(title, text)| Self { title, text }))
    }

    fn told(&self) -> Value {
        json!({ "title": self.title, "text": self.text })
    }
}

impl From<&CannedReply> for CannedDraft {
    fn from(reply: &CannedReply) -> Self {
        Self { title: reply.title.clone(), text: reply.text.clone() }
    }
}

fn canned_event<'a>(action: &'static str, reply: &'a CannedReply) -> Event<'a> {
    Event {
        action,
        object_type: "canned_reply",
        object_id: Some(reply.id.0),
        object_label: &reply.title,
        before: None,
        after: None,
    }
}

async fn lock_canned(tx: &TenantTx, id: CannedReplyId) -> Result<CannedReply> {
    thread::lock_canned(tx, id).await?.ok_or(Error::not_found("reply"))
}

pub async fn add_canned(tx: &TenantTx, by: &By, draft: &CannedDraft) -> Result<CannedReply> {
    let reply = thread::insert_canned(tx, &draft.title, &draft.text).await?;
    let told = Event { after: Some(draft.told()), ..canned_event("canned_reply.created", &reply) };
    by.record(tx, told).await?;
    Ok(reply)
}

pub async fn change_canned(
    tx: &TenantTx,
    by: &By,
    id: CannedReplyId,
    wanted: impl FnOnce(CannedDraft) -> Result<CannedDraft>,
) -> Result<CannedReply> {
    let reply = lock_canned(tx, id).await?;
    let was = CannedDraft::from(&reply);
    let draft = wanted(was.clone())?;
    let (before, after) = changes(&was.told(), &draft.told());
    if after.is_none() {
        return Ok(reply);
    }
    let reply = thread::update_canned(tx, id, &draft.title, &draft.text).await?;
    by.record(tx, Event { before, after, ..canned_event("canned_reply.updated", &reply) }).await?;
    Ok(reply)
}

pub async fn remove_canned(tx: &TenantTx, by: &By, id: CannedReplyId) -> Result<CannedReply> {
    let reply = lock_canned(tx, id).await?;
    thread::delete_canned(tx, id).await?;
    let before = Some(CannedDraft::from(&reply).told());
    by.record(tx, Event { before, ..canned_event("canned_reply.deleted", &reply) }).await?;
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_keeps_its_stem_and_takes_the_ending_of_what_it_is() {
        assert_eq!(named("modem.HEIC", "jpg"), "modem.jpg");
        assert_eq!(named("../../etc/passwd", "png"), "passwd.png");
        assert_eq!(named("C:\\photos\\a b.png", "png"), "a b.png");
        assert_eq!(named(".\u{7}", "pdf"), "file.pdf");
        assert_eq!(named("", "pdf"), "file.pdf");
    }

    #[tokio::test]
    async fn only_pictures_and_pdfs_are_taken() {
        let pdf = Ready::look("bill.exe", b"%PDF-1.7 ...".to_vec()).await.unwrap();
        assert_eq!((pdf.name.as_str(), pdf.media_type), ("bill.pdf", "application/pdf"));
        for bad in [b"<html>".to_vec(), b"PK\x03\x04".to_vec(), Vec::new(), b" %PDF-1.7".to_vec()] {
            assert_eq!(Ready::look("x", bad).await.unwrap_err().status(), 422);
        }
        assert_eq!(Ready::look("x", vec![0; FILE_MAX_BYTES + 1]).await.unwrap_err().status(), 413);
    }
}
