//! Pages of contacts and groups.

mod conflicts;
mod form;
mod groups;
mod imports;
mod listing;

use poem::http::Method;

use super::{DeleteContacts, EditContacts, ViewContacts, groups::GroupChoice};
use crate::{
    access::{Guarded, PageUser, Right},
    web::{RouteTable, file_body::UPLOAD_MAX_BYTES},
};

pub const PATH: &str = "/contacts";

/// Every page of contacts and groups.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewContacts>(Method::GET, PATH, listing::list_contacts);
    table.page::<ViewContacts>(Method::GET, "/contacts/export", listing::download);
    table.page::<EditContacts>(Method::POST, "/contacts/bulk", listing::change_many);
    table.page::<EditContacts>(Method::GET, "/contacts/new", form::new);
    table.page::<EditContacts>(Method::POST, PATH, form::add);
    table.page::<ViewContacts>(Method::GET, "/contacts/conflicts", conflicts::list);
    table.page::<EditContacts>(Method::POST, "/contacts/conflicts/:id", conflicts::settle);
    table.page::<EditContacts>(Method::GET, "/contacts/import", imports::new);
    table.upload::<EditContacts>("/contacts/import", UPLOAD_MAX_BYTES, imports::upload);
    table.page::<ViewContacts>(Method::GET, "/contacts/imports/:id", imports::show);
    table.page::<ViewContacts>(Method::GET, "/contacts/imports/:id/status", imports::show_status);
    table.page::<EditContacts>(Method::POST, "/contacts/imports/:id", imports::start);
    table.page::<EditContacts>(Method::POST, "/contacts/imports/:id/cancel", imports::cancel);
    table.page::<ViewContacts>(Method::GET, "/contacts/:id", form::show);
    table.page::<EditContacts>(Method::POST, "/contacts/:id", form::change);
    table.page::<DeleteContacts>(Method::POST, "/contacts/:id/delete", form::delete);
    table.page::<ViewContacts>(Method::GET, groups::PATH, groups::list);
    table.page::<EditContacts>(Method::GET, "/groups/new", groups::new);
    table.page::<EditContacts>(Method::POST, groups::PATH, groups::add);
    table.page::<ViewContacts>(Method::GET, "/groups/:id", groups::show);
    table.page::<EditContacts>(Method::POST, "/groups/:id", groups::change);
    table.page::<DeleteContacts>(Method::POST, "/groups/:id/delete", groups::delete);
}

fn may<R: Right>(user: &PageUser) -> bool {
    user.by.require::<R>().is_ok()
}

/// A group as a badge.
#[derive(serde::Serialize)]
struct Badge {
    name: String,
    href: String,
    tone: &'static str,
}

impl From<&GroupChoice> for Badge {
    fn from(group: &GroupChoice) -> Self {
        Self {
            name: group.name.clone(),
            href: format!("/contacts?group={}", group.id),
            tone: tone(&group.colour),
        }
    }
}

/// The tone of a badge for a group's colour: the palette has fewer.
fn tone(colour: &str) -> &'static str {
    match colour {
        "red" => "error",
        "orange" | "amber" => "warning",
        "green" | "teal" => "success",
        "blue" => "info",
        "violet" | "pink" => "brand",
        _ => "",
    }
}
