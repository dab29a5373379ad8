//! Pages of the subscriber portal, and the one by which staff let customers in.

mod entry;
mod history;
mod home;
mod profile;
mod staff;
mod tickets;

use poem::http::Method;

use super::{InviteSubscribers, guard::OfSubscribers};
use crate::{access::Guarded, isp::tickets::UPLOAD_MAX_BYTES, web::RouteTable};

const AT_THE_DOOR: &str = "Customers sign in here.";
const BY_CODE: &str = "The code in the link is the credential.";

/// Every page of the portal.
pub fn pages(table: &mut RouteTable) {
    table
        .open_page(Method::GET, "/my/sign-in", AT_THE_DOOR, entry::sign_in_form)
        .open_page(Method::POST, "/my/sign-in", AT_THE_DOOR, entry::sign_in)
        .open_page(Method::GET, "/my/join", BY_CODE, entry::join_form)
        .open_page(Method::POST, "/my/join", BY_CODE, entry::join)
        .open_page(Method::GET, "/my/forgot", AT_THE_DOOR, entry::forgot_form)
        .open_page(Method::POST, "/my/forgot", AT_THE_DOOR, entry::forgot)
        .open_page(Method::GET, "/my/reset", BY_CODE, entry::reset_form)
        .open_page(Method::POST, "/my/reset", BY_CODE, entry::reset);
    table
        .mine(Method::GET, "/my", home::show_home)
        .mine(Method::GET, "/my/history", history::show_history)
        .mine(Method::GET, "/my/receipts/:id", history::print_receipt)
        .mine(Method::GET, "/my/tickets", tickets::list_tickets)
        .my_upload("/my/tickets", UPLOAD_MAX_BYTES, tickets::open_ticket)
        .mine(Method::GET, "/my/tickets/new", tickets::new_ticket)
        .mine(Method::GET, "/my/tickets/:id", tickets::show_ticket)
        .my_upload("/my/tickets/:id/comments", UPLOAD_MAX_BYTES, tickets::answer)
        .mine(Method::GET, "/my/tickets/:id/files/:file", tickets::show_file)
        .mine(Method::GET, "/my/profile", profile::show_profile)
        .mine(Method::POST, "/my/profile", profile::save_profile)
        .mine(Method::POST, "/my/password", profile::change_password)
        .mine(Method::POST, "/my/sessions/end-others", profile::end_others)
        .mine(Method::POST, "/my/sign-out", profile::sign_out);
    table
        .page::<InviteSubscribers>(Method::GET, "/customers/:id/portal", staff::show_access)
        .page::<InviteSubscribers>(Method::POST, "/customers/:id/portal/invite", staff::invite)
        .page::<InviteSubscribers>(Method::POST, "/customers/:id/portal/end", staff::end_access);
}
