//! Tickets as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use super::{
    choices::{Category, Priority, Source, Status},
    list::Counts,
    model::Ticket,
    thread::{Attachment, CannedReply, Comment},
};
use crate::isp::plant::node::{Node, NodeKind};

/// What needs to be done for a customer.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Ticket")]
pub struct TicketView {
    id: Uuid,
    /// Such as `TKT-2026-0001`: allocated once, without a gap within the tenant's year.
    number: String,
    customer_id: Uuid,
    customer_name: String,
    #[oai(nullable)]
    area_id: Option<Uuid>,
    #[oai(nullable)]
    installation_id: Option<Uuid>,
    title: String,
    description: String,
    category: Category,
    priority: Priority,
    status: Status,
    source: Source,
    /// The plant node that it is about.
    #[oai(nullable)]
    node_kind: Option<NodeKind>,
    #[oai(nullable)]
    node_id: Option<Uuid>,
    #[oai(nullable)]
    node_label: Option<String>,
    /// The outage that explains it.
    #[oai(nullable)]
    outage_id: Option<Uuid>,
    #[oai(nullable)]
    reported_by: Option<Uuid>,
    reported_by_label: String,
    #[oai(nullable)]
    assigned_to: Option<Uuid>,
    #[oai(nullable)]
    assigned_to_name: Option<String>,
    /// When the promise runs out, without the wait for the customer that lasts.
    sla_due_at: DateTime<Utc>,
    /// Whether the promise was missed, and somebody still has to do something.
    is_overdue: bool,
    /// Since when the customer is to answer; the clock of the promise stands still.
    #[oai(nullable)]
    waiting_since: Option<DateTime<Utc>>,
    /// What the clock stood still for, without the wait that lasts.
    waited_seconds: i64,
    #[oai(nullable)]
    resolved_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    resolution_notes: Option<String>,
    #[oai(nullable)]
    merged_into: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Ticket> for TicketView {
    fn from(ticket: Ticket) -> Self {
        Self {
            sla_due_at: ticket.clock().due_at(),
            is_overdue: ticket.is_overdue(Utc::now()),
            id: ticket.id.0,
            number: ticket.number,
            customer_id: ticket.customer.id.0,
            area_id: ticket.customer.area_id.map(|id| id.0),
            customer_name: ticket.customer.name,
            installation_id: ticket.installation_id.map(|id| id.0),
            title: ticket.title,
            description: ticket.description,
            category: ticket.category,
            priority: ticket.priority,
            status: ticket.status,
            source: ticket.source,
            node_kind: ticket.node.map(Node::kind),
            node_id: ticket.node.map(Node::id),
            node_label: ticket.node_label,
            outage_id: ticket.outage.map(|(id, _)| id.0),
            reported_by: ticket.reported_by.map(|id| id.0),
            reported_by_label: ticket.reported_by_label,
            assigned_to: ticket.assignee.as_ref().map(|assignee| assignee.id.0),
            assigned_to_name: ticket.assignee.map(|assignee| assignee.name),
            waiting_since: ticket.waiting_since,
            waited_seconds: ticket.waited_seconds,
            resolved_at: ticket.resolved_at,
            resolution_notes: ticket.resolution_notes,
            merged_into: ticket.merged_into.map(|id| id.0),
            created_at: ticket.created_at,
            updated_at: ticket.updated_at,
        }
    }
}

/// One page of tickets.
#[derive(Debug, Serialize, Object)]
pub struct TicketList {
    pub items: Vec<TicketView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    pub total: Option<i64>,
}

/// How many tickets there are.
#[derive(Debug, Serialize, Object)]
pub struct TicketCounts {
    total: i64,
    pending: i64,
    assigned: i64,
    in_progress: i64,
    waiting: i64,
    resolved: i64,
    cancelled: i64,
    /// Of those that are neither resolved nor cancelled.
    overdue: i64,
}

impl From<Counts> for TicketCounts {
    fn from(counts: Counts) -> Self {
        Self {
            total: counts.total(),
            pending: counts.of(Status::Pending),
            assigned: counts.of(Status::Assigned),
            in_progress: counts.of(Status::InProgress),
            waiting: counts.of(Status::Waiting),
            resolved: counts.of(Status::Resolved),
            cancelled: counts.of(Status::Cancelled),
            overdue: counts.overdue,
        }
    }
}

/// Something that was said on a ticket.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "TicketComment")]
pub struct CommentView {
    id: Uuid,
    comment: String,
    author: String,
    #[oai(nullable)]
    staff_id: Option<Uuid>,
    #[oai(nullable)]
    customer_id: Option<Uuid>,
    /// For staff alone.
    is_internal: bool,
    /// Said by the program itself.
    is_automatic: bool,
    created_at: DateTime<Utc>,
}

impl From<Comment> for CommentView {
    fn from(comment: Comment) -> Self {
        Self {
            id: comment.id.0,
            comment: comment.text,
            author: comment.author,
            staff_id: comment.staff_id.map(|id| id.0),
            customer_id: comment.customer_id.map(|id| id.0),
            is_internal: comment.is_internal,
            is_automatic: comment.is_automatic,
            created_at: comment.created_at,
        }
    }
}

/// What was said on a ticket, oldest first; the newest 500.
#[derive(Debug, Serialize, Object)]
pub struct TicketComments {
    pub items: Vec<CommentView>,
}

/// A file on a ticket.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "TicketAttachment")]
pub struct AttachmentView {
    id: Uuid,
    #[oai(nullable)]
    comment_id: Option<Uuid>,
    name: String,
    media_type: String,
    size_bytes: i64,
    /// For staff alone.
    is_internal: bool,
    created_at: DateTime<Utc>,
}

impl From<Attachment> for AttachmentView {
    fn from(attachment: Attachment) -> Self {
        Self {
            id: attachment.id,
            comment_id: attachment.comment_id.map(|id| id.0),
            name: attachment.name,
            media_type: attachment.media_type,
            size_bytes: attachment.size_bytes,
            is_internal: attachment.is_internal,
            created_at: attachment.created_at,
        }
    }
}

/// The files of a ticket, oldest first.
#[derive(Debug, Serialize, Object)]
pub struct TicketAttachments {
    pub items: Vec<AttachmentView>,
}

/// A text that is said often.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "CannedReply")]
pub struct CannedReplyView {
    id: Uuid,
    title: String,
    text: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<CannedReply> for CannedReplyView {
    fn from(reply: CannedReply) -> Self {
        Self {
            id: reply.id.0,
            title: reply.title,
            text: reply.text,
            created_at: reply.created_at,
            updated_at: reply.updated_at,
        }
    }
}

/// All canned replies, by title.
#[derive(Debug, Serialize, Object)]
pub struct CannedReplies {
    pub items: Vec<CannedReplyView>,
}
