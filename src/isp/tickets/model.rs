//! A ticket, what may be written of one, and the decisions that need nothing but it.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::{
    choices::{Category, Priority, Source, Status},
    clock::Clock,
};
use crate::{
    error::{Error, Result},
    isp::plant::node::Node,
    types::{AreaId, Check, CustomerId, InstallationId, OutageId, StaffId, TicketId, line, optional_text},
    words::say,
};

pub const TITLE_MAX: usize = 200;
pub const DESCRIPTION_MAX: usize = 10_000;
pub const NOTES_MAX: usize = 5_000;

/// Every step that a ticket may take. What is not here is refused; the same status again changes nothing.
///
/// A resolved ticket may be opened again; a cancelled one stays cancelled.
pub const TRANSITIONS: &[(Status, Status)] = &[
    (Status::Pending, Status::Assigned),
    (Status::Pending, Status::InProgress),
    (Status::Pending, Status::Waiting),
    (Status::Pending, Status::Resolved),
    (Status::Pending, Status::Cancelled),
    (Status::Assigned, Status::Pending),
    (Status::Assigned, Status::InProgress),
    (Status::Assigned, Status::Waiting),
    (Status::Assigned, Status::Resolved),
    (Status::Assigned, Status::Cancelled),
    (Status::InProgress, Status::Pending),
    (Status::InProgress, Status::Assigned),
    (Status::InProgress, Status::Waiting),
    (Status::InProgress, Status::Resolved),
    (Status::InProgress, Status::Cancelled),
    (Status::Waiting, Status::Pending),
    (Status::Waiting, Status::Assigned),
    (Status::Waiting, Status::InProgress),
    (Status::Waiting, Status::Resolved),
    (Status::Waiting, Status::Cancelled),
    (Status::Resolved, Status::Pending),
    (Status::Resolved, Status::Assigned),
    (Status::Resolved, Status::InProgress),
];

/// Whether a ticket may go from one status to another: false when it is there already, 409 when the table has no such step.
pub fn transition(from: Status, to: Status) -> Result<bool> {
    if from == to {
        return Ok(false);
    }
    if TRANSITIONS.contains(&(from, to)) {
        return Ok(true);
    }
    Err(Error::conflict(
        "not_a_step",
        say!("A ticket that is {} cannot become {}.", from.label().to_lowercase(), to.label().to_lowercase()),
    ))
}

/// What needs to be done for one customer.
#[derive(Debug, Clone)]
pub struct Ticket {
    pub id: TicketId,
    pub number: String,
    pub customer: Concerned,
    pub installation_id: Option<InstallationId>,
    pub title: String,
    pub description: String,
    pub category: Category,
    pub priority: Priority,
    pub status: Status,
    pub source: Source,
    pub node: Option<Node>,
    /// What staff call the node.
    pub node_label: Option<String>,
    pub outage: Option<(OutageId, String)>,
    pub reported_by: Option<StaffId>,
    pub reported_by_label: String,
    pub assignee: Option<Assignee>,
    pub waited_seconds: i64,
    pub waiting_since: Option<DateTime<Utc>>,
    pub resolved_at: Option<DateTime<Utc>>,
    pub resolution_notes: Option<String>,
    pub merged_into: Option<TicketId>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The customer of a ticket, as lists show it.
#[derive(Debug, Clone)]
pub struct Concerned {
    pub id: CustomerId,
    pub name: String,
    pub phone: Option<String>,
    pub area_id: Option<AreaId>,
}

/// Who is to work on a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignee {
    pub id: StaffId,
    pub name: String,
}

impl Ticket {
    /// The clock of its promise.
    pub fn clock(&self) -> Clock {
        Clock {
            created_at: self.created_at,
            priority: self.priority,
            waited_seconds: self.waited_seconds,
            standing_since: self.waiting_since.or(self.resolved_at),
        }
    }

    /// Late, and somebody still has to do something.
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.status.is_open() && self.clock().is_over(now)
    }

    pub fn assigned_to(&self) -> Option<StaffId> {
        self.assignee.as_ref().map(|assignee| assignee.id)
    }

    /// What of it can be edited.
    pub fn draft(&self) -> Draft {
        Draft {
            title: self.title.clone(),
            description: self.description.clone(),
            category: self.category,
            priority: self.priority,
            source: self.source,
            installation_id: self.installation_id,
            node: self.node,
        }
    }
}

/// What may be written of a ticket, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub title: String,
    pub description: String,
    pub category: Category,
    pub priority: Priority,
    pub source: Source,
    pub installation_id: Option<InstallationId>,
    pub node: Option<Node>,
}

/// The same as it was typed or sent.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    pub title: String,
    pub description: String,
    pub category: String,
    pub priority: String,
    pub source: String,
    pub installation_id: String,
    pub node_kind: String,
    pub node_id: String,
}

impl Typed {
    /// Checks everything; names every wrong field.
    pub fn parse(&self) -> Result<Draft> {
        let mut check = Check::new();
        let title = check.field("title", line(&self.title, TITLE_MAX));
        let description = check.field("description", optional_text(&self.description, DESCRIPTION_MAX));
        let category = check.field("category", Category::parse(&self.category));
        let priority = check.field("priority", Priority::parse(&self.priority));
        let source = check.field("source", Source::parse(&self.source));
        let mut installation_id = None;
        if !self.installation_id.is_empty() {
            installation_id = self.installation_id.parse().ok();
            if installation_id.is_none() {
                check.wrong("installation_id", "unknown", "There is no such installation.");
            }
        }
        let node = match Node::parse(&self.node_kind, &self.node_id) {
            Ok(node) => node,
            Err(wrong) => {
                check.wrong("node_id", wrong.code, wrong.detail);
                None
            }
        };
        let whole = (|| {
            Some(Draft {
                title: title?,
                description: description?.unwrap_or_default(),
                category: category?,
                priority: priority?,
                source: source?,
                installation_id,
                node,
            })
        })();
        check.finish(whole)
    }
}

impl From<&Draft> for Typed {
    fn from(draft: &Draft) -> Self {
        Self {
            title: draft.title.clone(),
            description: draft.description.clone(),
            category: draft.category.as_str().to_owned(),
            priority: draft.priority.as_str().to_owned(),
            source: draft.source.as_str().to_owned(),
            installation_id: draft.installation_id.map(|id| id.to_string()).unwrap_or_default(),
            node_kind: draft.node.map(|node| node.kind().as_str().to_owned()).unwrap_or_default(),
            node_id: draft.node.map(|node| node.id().to_string()).unwrap_or_default(),
        }
    }
}

impl Draft {
    /// What a ticket says of itself in the audit trail.
    pub fn told(&self) -> Value {
        json!({
            "title": self.title,
            "description": self.description,
            "category": self.category.as_str(),
            "priority": self.priority.as_str(),
            "source": self.source.as_str(),
            "installation_id": self.installation_id,
            "node": self.node.map(|node| format!("{} {}", node.kind().as_str(), node.id())),
        })
    }
}

/// Where a ticket is to go, and what that takes.
#[derive(Debug, Clone, Default)]
pub struct Step {
    pub assigned_to: Option<StaffId>,
    pub resolution_notes: Option<String>,
}

impl Step {
    /// Checks the notes of a resolution as they were typed.
    pub fn parse(assigned_to: Option<StaffId>, notes: &str) -> Result<Self> {
        let resolution_notes = optional_text(notes, NOTES_MAX)
            .map_err(|wrong| Error::Invalid(vec![wrong.at("resolution_notes")]))?;
        Ok(Self { assigned_to, resolution_notes })
    }
}

/// The series of numbers of a tenant's year, such as `TKT-2026`, and the number as it is written: at least four digits, and more
/// when there are more.
pub fn series(prefix: &str, now: DateTime<Utc>, zone: Tz) -> String {
    format!("{prefix}-{}", now.with_timezone(&zone).format("%Y"))
}

pub fn numbered(series: &str, n: i64) -> String {
    format!("{series}-{n:04}")
}
