//! Pages of tickets.

mod asked;
mod board;
mod canned;
mod detail;
mod form;
mod listing;
mod said;

use poem::http::Method;

use super::{
    AssignTickets, CreateTickets, EditTickets, ViewTickets, WorkTickets,
    attachment_api::UPLOAD_MAX_BYTES,
    choices::{Priority, Status},
    model::Assignee,
};
use crate::{
    access::{Guarded, PageUser, Right},
    web::RouteTable,
    web::parts::Choice,
};

const PATH: &str = "/tickets";
const BOARD_PATH: &str = "/tickets/board";

/// Every page of tickets.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewTickets>(Method::GET, PATH, listing::list_tickets);
    table.page::<ViewTickets>(Method::GET, BOARD_PATH, board::show_board);
    table.page::<ViewTickets>(Method::GET, "/tickets/counts", listing::show_counts);
    table.page::<ViewTickets>(Method::GET, "/tickets/export", listing::export_tickets);
    table.page::<CreateTickets>(Method::GET, "/tickets/new", form::new_ticket);
    table.page::<CreateTickets>(Method::POST, PATH, form::add_ticket);
    table.page::<EditTickets>(Method::GET, "/tickets/replies", canned::list_replies);
    table.page::<EditTickets>(Method::POST, "/tickets/replies", canned::add_reply);
    table.page::<EditTickets>(Method::POST, "/tickets/replies/:id", canned::save_reply);
    table.page::<EditTickets>(Method::POST, "/tickets/replies/:id/delete", canned::delete_reply);
    table.page::<ViewTickets>(Method::GET, "/tickets/:id", detail::show_ticket);
    table.page::<EditTickets>(Method::GET, "/tickets/:id/edit", form::edit_ticket);
    table.page::<EditTickets>(Method::POST, "/tickets/:id", form::save_ticket);
    table.page::<WorkTickets>(Method::POST, "/tickets/:id/status", said::set_status);
    table.page::<AssignTickets>(Method::POST, "/tickets/:id/assign", said::assign);
    table.page::<EditTickets>(Method::POST, "/tickets/:id/merge", said::merge);
    table.upload::<WorkTickets>("/tickets/:id/comments", UPLOAD_MAX_BYTES, said::answer);
    table.page::<ViewTickets>(Method::GET, "/tickets/:id/files/:file", said::show_file);
    table.page::<WorkTickets>(Method::POST, "/tickets/:id/files/:file/remove", said::remove_file);
    table.page::<ViewTickets>(Method::GET, "/customers/:id/tickets", listing::tickets_of_customer);
}

fn may<R: Right>(user: &PageUser) -> bool {
    user.by.require::<R>().is_ok()
}

/// The tone of a status' badge.
fn status_tone(status: Status) -> &'static str {
    match status {
        Status::Pending => "warning",
        Status::Assigned => "info",
        Status::InProgress => "brand",
        Status::Waiting | Status::Cancelled => "",
        Status::Resolved => "success",
    }
}

/// The tone of a priority's badge.
fn priority_tone(priority: Priority) -> &'static str {
    match priority {
        Priority::Urgent => "error",
        Priority::High => "warning",
        Priority::Medium => "info",
        Priority::Low => "",
    }
}

/// Staff as the options of a select box; somebody who left meanwhile stays where they are chosen.
fn people(staff: &[Assignee], chosen: Option<&Assignee>) -> Vec<Choice> {
    let left = chosen.filter(|chosen| !staff.iter().any(|one| one.id == chosen.id));
    staff.iter().chain(left).map(|one| Choice::new(one.id, one.name.clone())).collect()
}
