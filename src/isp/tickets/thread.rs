//! All SQL of what is said on tickets: comments, attachments, canned replies.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::{CannedReplyId, CommentId, CustomerId, FileId, StaffId, TicketId},
    words::say,
};

/// A ticket shows its newest so many comments.
const COMMENTS_MAX: i64 = 500;
pub const ATTACHMENTS_MAX: i64 = 50;
const CANNED_MAX: i64 = 200;

/// Something that was said on a ticket.
#[derive(Debug, Clone)]
pub struct Comment {
    pub id: CommentId,
    pub staff_id: Option<StaffId>,
    pub customer_id: Option<CustomerId>,
    pub author: String,
    /// For staff alone.
    pub is_internal: bool,
    /// Said by the program itself.
    pub is_automatic: bool,
    pub text: String,
    pub created_at: DateTime<Utc>,
}

/// A comment that is about to be made.
pub struct NewComment<'a> {
    pub staff_id: Option<StaffId>,
    pub customer_id: Option<CustomerId>,
    pub author: &'a str,
    pub is_internal: bool,
    pub is_automatic: bool,
    pub text: &'a str,
}

pub async fn insert_comment(tx: &TenantTx, ticket: TicketId, new: &NewComment<'_>) -> Result<CommentId> {
    let id = CommentId::new();
    tx.execute(
        "INSERT INTO ticket_comment (id, ticket_id, staff_id, customer_id, author_label, is_internal, is_automatic, comment) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            &id,
            &ticket,
            &new.staff_id,
            &new.customer_id,
            &new.author,
            &new.is_internal,
            &new.is_automatic,
            &new.text,
        ],
    )
    .await?;
    Ok(id)
}

/// What was said, oldest first; the newest five hundred of them.
pub async fn find_comments(tx: &TenantTx, ticket: TicketId) -> Result<Vec<Comment>> {
    let rows = tx
        .query(
            "SELECT id, staff_id, customer_id, author_label, is_internal, is_automatic, comment, created_at FROM (\
             SELECT id, staff_id, customer_id, author_label, is_internal, is_automatic, comment, created_at \
             FROM ticket_comment WHERE ticket_id = $1 ORDER BY id DESC LIMIT $2) newest ORDER BY id",
            &[&ticket, &COMMENTS_MAX],
        )
        .await?;
    Ok(rows.iter().map(comment_of).collect())
}

pub async fn find_comment(tx: &TenantTx, ticket: TicketId, id: CommentId) -> Result<Option<Comment>> {
    let row = tx
        .query_opt(
            "SELECT id, staff_id, customer_id, author_label, is_internal, is_automatic, comment, created_at \
             FROM ticket_comment WHERE ticket_id = $1 AND id = $2",
            &[&ticket, &id],
        )
        .await?;
    Ok(row.as_ref().map(comment_of))
}

fn comment_of(row: &Row) -> Comment {
    Comment {
        id: row.get(0),
        staff_id: row.get(1),
        customer_id: row.get(2),
        author: row.get(3),
        is_internal: row.get(4),
        is_automatic: row.get(5),
        text: row.get(6),
        created_at: row.get(7),
    }
}

/// A file on a ticket, without its bytes.
#[derive(Debug, Clone)]
pub struct Attachment {
    pub id: Uuid,
    pub comment_id: Option<CommentId>,
    pub file_id: FileId,
    pub name: String,
    pub media_type: String,
    pub size_bytes: i64,
    pub is_internal: bool,
    pub created_at: DateTime<Utc>,
}

/// The columns of an attachment, in the order in which [`attachment_of`] reads them.
macro_rules! attachment_columns {
    () => {
        "SELECT a.id, a.comment_id, a.file_id, f.name, f.media_type, f.size_bytes, a.is_internal, a.created_at \
         FROM ticket_attachment a JOIN file f ON f.id = a.file_id WHERE a.ticket_id = $1 "
    };
}

fn attachment_of(row: &Row) -> Attachment {
    Attachment {
        id: row.get(0),
        comment_id: row.get(1),
        file_id: row.get(2),
        name: row.get(3),
        media_type: row.get(4),
        size_bytes: row.get(5),
        is_internal: row.get(6),
        created_at: row.get(7),
    }
}

/// The files of a ticket, oldest first.
pub async fn find_attachments(tx: &TenantTx, ticket: TicketId) -> Result<Vec<Attachment>> {
    let sql = concat!(attachment_columns!(), "ORDER BY a.id LIMIT $2");
    Ok(tx.query(sql, &[&ticket, &ATTACHMENTS_MAX]).await?.iter().map(attachment_of).collect())
}

pub async fn find_attachment(tx: &TenantTx, ticket: TicketId, id: Uuid) -> Result<Option<Attachment>> {
    let sql = concat!(attachment_columns!(), "AND a.id = $2");
    Ok(tx.query_opt(sql, &[&ticket, &id]).await?.as_ref().map(attachment_of))
}

pub async fn count_attachments(tx: &TenantTx, ticket: TicketId) -> Result<i64> {
    let sql = "SELECT count(*) FROM ticket_attachment WHERE ticket_id = $1";
    Ok(tx.query_one(sql, &[&ticket]).await?.get(0))
}

pub async fn insert_attachment(
    tx: &TenantTx,
    ticket: TicketId,
    comment: Option<CommentId>,
    file: FileId,
    is_internal: bool,
) -> Result<Uuid> {
    let id = Uuid::now_v7();
    tx.execute(
        "INSERT INTO ticket_attachment (id, ticket_id, comment_id, file_id, is_internal) VALUES ($1, $2, $3, $4, $5)",
        &[&id, &ticket, &comment, &file, &is_internal],
    )
    .await?;
    Ok(id)
}

pub async fn delete_attachment(tx: &TenantTx, id: Uuid) -> Result<()> {
    tx.execute("DELETE FROM ticket_attachment WHERE id = $1", &[&id]).await?;
    Ok(())
}

/// What was said on one ticket was said on another: (comments, attachments).
pub async fn move_all(tx: &TenantTx, from: TicketId, to: TicketId) -> Result<(u64, u64)> {
    let comments = tx
        .execute(
            "UPDATE ticket_comment SET ticket_id = $2 WHERE ticket_id = $1 AND NOT is_automatic",
            &[&from, &to],
        )
        .await?;
    let attachments =
        tx.execute("UPDATE ticket_attachment SET ticket_id = $2 WHERE ticket_id = $1", &[&from, &to]).await?;
    Ok((comments, attachments))
}

/// A text that is said often.
#[derive(Debug, Clone)]
pub struct CannedReply {
    pub id: CannedReplyId,
    pub title: String,
    pub text: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

fn canned_of(row: &Row) -> CannedReply {
    CannedReply {
        id: row.get(0),
        title: row.get(1),
        text: row.get(2),
        created_at: row.get(3),
        updated_at: row.get(4),
    }
}

fn named<T>(answer: Result<T>) -> Result<T> {
    answer.on_constraint("canned_reply_title_key", || {
        Error::conflict("title_taken", "There is a reply of this title already.")
    })
}

/// All canned replies by title; a tenant may have two hundred.
pub async fn find_canned(tx: &TenantTx) -> Result<Vec<CannedReply>> {
    let rows = tx
        .query(
            "SELECT id, title, text, created_at, updated_at FROM canned_reply ORDER BY lower(title), id LIMIT $1",
            &[&CANNED_MAX],
        )
        .await?;
    Ok(rows.iter().map(canned_of).collect())
}

pub async fn lock_canned(tx: &TenantTx, id: CannedReplyId) -> Result<Option<CannedReply>> {
    let sql = "SELECT id, title, text, created_at, updated_at FROM canned_reply WHERE id = $1 FOR UPDATE";
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(canned_of))
}

/// Adds a canned reply, unless there are too many.
pub async fn insert_canned(tx: &TenantTx, title: &str, text: &str) -> Result<CannedReply> {
    let row = tx
        .query_opt(
            "INSERT INTO canned_reply (id, title, text) SELECT $1, $2, $3 \
             WHERE (SELECT count(*) FROM canned_reply) < $4 RETURNING id, title, text, created_at, updated_at",
            &[&CannedReplyId::new(), &title, &text, &CANNED_MAX],
        )
        .await;
    named(row)?.as_ref().map(canned_of).ok_or_else(|| {
        Error::conflict("too_many", say!("There are {} replies already: delete one first.", CANNED_MAX))
    })
}

pub async fn update_canned(tx: &TenantTx, id: CannedReplyId, title: &str, text: &str) -> Result<CannedReply> {
    let row = tx
        .query_one(
            "UPDATE canned_reply SET title = $2, text = $3, updated_at = now() WHERE id = $1 \
             RETURNING id, title, text, created_at, updated_at",
            &[&id, &title, &text],
        )
        .await;
    Ok(canned_of(&named(row)?))
}

pub async fn delete_canned(tx: &TenantTx, id: CannedReplyId) -> Result<()> {
    tx.execute("DELETE FROM canned_reply WHERE id = $1", &[&id]).await?;
    Ok(())
}
