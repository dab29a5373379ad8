//! Tickets: what customers need help with, how far it is, and what was promised and said.
//!
//! Owns `ticket`, `ticket_comment`, `ticket_attachment`, `canned_reply` and files of purpose `ticket_attachment`. Reads `customer`,
//! `area`, `staff` (who may be given a ticket), `installation` and the plant's nodes (what a ticket is about), `subscription` and
//! `visit` (what its page tells), and `outage` with `outage_subscriber` (whether one explains it).

mod api;
mod attachment_api;
mod body;
mod canned_api;
mod choices;
mod clock;
mod export;
mod list;
mod model;
mod old;
mod pages;
mod query;
mod rules;
mod store;
mod subscriber;
mod talk;
#[cfg(test)]
mod tests;
mod thread;
mod view;

use crate::access::{NavItem, rights};

pub use api::TicketsApi;
pub use attachment_api::AttachmentsApi;
pub use attachment_api::UPLOAD_MAX_BYTES;
pub use canned_api::CannedRepliesApi;
pub use choices::{Category, Priority, Status};
pub use list::list;
pub use model::{Ticket, numbered, series};
pub use old::{count_before, empty_before};
pub use pages::pages;
pub use query::{Filter, Sort};
pub use rules::{SUSPECT_OUTAGE, attach_to_outage, resolve_for_outage};
pub use subscriber::{Complaint, OwnTicket, answer_own, get_own, list_own, open_own, open_own_file};
pub use talk::{FILE_HELP, Ready, Said};
pub use thread::{Attachment, Comment};

rights! { "Tickets", PERMISSIONS:
    ViewTickets = "tickets.view", "tickets.read", "View tickets", "See tickets, what was said on them and their files.", for [Support, Technician, Viewer];
    CreateTickets = "tickets.create", "tickets.write", "Open tickets", "Open tickets for customers.", for [Support];
    EditTickets = "tickets.edit", "tickets.write", "Edit tickets", "Change, merge and work on every ticket, and keep the canned replies.", for [Support];
    WorkTickets = "tickets.work", "tickets.write", "Work on tickets", "Move tickets on and answer them: without the right to edit, only one's own.", for [Support, Technician];
    AssignTickets = "tickets.assign", "tickets.write", "Assign tickets", "Hand tickets to staff.", for [Support];
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Service",
    label: "Tickets",
    href: "/tickets",
    icon: "tickets",
    permission: Some("tickets.view"),
}];
