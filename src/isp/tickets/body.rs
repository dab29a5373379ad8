//! What programs send about tickets.

use poem_openapi::{Object, types::MaybeUndefined};
use uuid::Uuid;

use super::{
    choices::{Category, Priority, Source, Status},
    model::Typed,
};
use crate::isp::plant::node::NodeKind;

/// A new ticket.
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewTicket")]
pub struct NewTicketBody {
    pub customer_id: Uuid,
    /// The customer's own; the only one that is not terminated when absent.
    #[oai(nullable)]
    pub installation_id: Option<Uuid>,
    #[oai(validator(min_length = 1, max_length = 200))]
    pub title: String,
    #[oai(nullable, validator(max_length = 10000))]
    pub description: Option<String>,
    /// `other` when absent.
    #[oai(nullable)]
    pub category: Option<Category>,
    /// `medium` when absent.
    #[oai(nullable)]
    pub priority: Option<Priority>,
    /// `phone` when absent.
    #[oai(nullable)]
    pub source: Option<Source>,
    /// Together with `node_id`; the installation's NAP when absent.
    #[oai(nullable)]
    pub node_kind: Option<NodeKind>,
    #[oai(nullable)]
    pub node_id: Option<Uuid>,
    /// An active member of the staff; needs the right to assign.
    #[oai(nullable)]
    pub assigned_to: Option<Uuid>,
}

fn text(id: Option<Uuid>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

impl From<&NewTicketBody> for Typed {
    fn from(body: &NewTicketBody) -> Self {
        Self {
            title: body.title.clone(),
            description: body.description.clone().unwrap_or_default(),
            category: body.category.unwrap_or(Category::Other).as_str().to_owned(),
            priority: body.priority.unwrap_or(Priority::Medium).as_str().to_owned(),
            source: body.source.unwrap_or(Source::Phone).as_str().to_owned(),
            installation_id: text(body.installation_id),
            node_kind: body.node_kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            node_id: text(body.node_id),
        }
    }
}

/// Changes of a ticket; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TicketChanges")]
pub struct TicketChangesBody {
    #[oai(validator(min_length = 1, max_length = 200))]
    pub title: Option<String>,
    #[oai(nullable, validator(max_length = 10000))]
    pub description: MaybeUndefined<String>,
    pub category: Option<Category>,
    /// Another priority is another promise, from the ticket's creation.
    pub priority: Option<Priority>,
    pub source: Option<Source>,
    /// Null: about none.
    #[oai(nullable)]
    pub installation_id: MaybeUndefined<Uuid>,
    /// Together with `node_id`. Null in both: the installation's NAP.
    #[oai(nullable)]
    pub node_kind: MaybeUndefined<NodeKind>,
    #[oai(nullable)]
    pub node_id: MaybeUndefined<Uuid>,
}

fn over<T>(new: MaybeUndefined<T>, was: String, text: impl Fn(T) -> String) -> String {
    match new {
        MaybeUndefined::Undefined => was,
        MaybeUndefined::Null => String::new(),
        MaybeUndefined::Value(new) => text(new),
    }
}

impl TicketChangesBody {
    /// These changes over what is there.
    pub fn over(self, was: Typed) -> Typed {
        Typed {
            title: self.title.unwrap_or(was.title),
            description: over(self.description, was.description, |text| text),
            category: self.category.map_or(was.category, |new| new.as_str().to_owned()),
            priority: self.priority.map_or(was.priority, |new| new.as_str().to_owned()),
            source: self.source.map_or(was.source, |new| new.as_str().to_owned()),
            installation_id: over(self.installation_id, was.installation_id, |id| id.to_string()),
            node_kind: over(self.node_kind, was.node_kind, |kind| kind.as_str().to_owned()),
            node_id: over(self.node_id, was.node_id, |id| id.to_string()),
        }
    }
}

/// Where a ticket is to go.
#[derive(Debug, Object)]
#[oai(rename = "TicketStep")]
pub struct StepBody {
    pub status: Status,
    /// Who works on it; needs the right to assign when it is somebody else than now.
    #[oai(nullable)]
    pub assigned_to: Option<Uuid>,
    /// Needed to resolve it: what solved it.
    #[oai(nullable, validator(max_length = 5000))]
    pub resolution_notes: Option<String>,
}

/// Who is to work on a ticket.
#[derive(Debug, Object)]
#[oai(rename = "TicketAssignment")]
pub struct AssignBody {
    /// Null: nobody.
    #[oai(nullable)]
    pub assigned_to: Option<Uuid>,
}

/// A ticket that is the same as this one.
#[derive(Debug, Object)]
#[oai(rename = "TicketMerge")]
pub struct MergeBody {
    /// It is closed, and leads here.
    pub from: Uuid,
}

/// Something to say on a ticket.
#[derive(Debug, Object)]
#[oai(rename = "NewTicketComment")]
pub struct CommentBody {
    #[oai(validator(min_length = 1, max_length = 10000))]
    pub comment: String,
    /// For staff alone. False when absent: the customer sees it.
    #[oai(nullable)]
    pub is_internal: Option<bool>,
}
