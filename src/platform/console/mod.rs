//! The console's frame and its guard: every page of it asks for a role, and for the second step before anything else.

mod entry_pages;
mod guard;
mod own_pages;
mod people_pages;
mod trail_pages;

use std::sync::Arc;

pub use guard::{ConsoleUser, Guarding, HOME, Look, Rule, Support};
pub use trail_pages::EventRow;

use super::staff::Door;
use crate::{
    access::Access, config::Settings, db::Db, invoicing::Invoicing, tenancy::Registry, web::RouteTable,
};

/// What the console's pages work with. Cheap to clone.
#[derive(Clone)]
pub struct Console {
    pub access: Access,
    pub db: Db,
    pub registry: Registry,
    pub settings: Arc<Settings>,
    pub invoicing: Invoicing,
    pub door: Door,
}

impl Console {
    /// The address of a link of the console's.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.settings.url_of(&self.settings.base_domain))
    }
}

/// Mounts the pages of signing in, of people, and of the log.
pub fn pages(table: &mut RouteTable) {
    entry_pages::pages(table);
    own_pages::pages(table);
    people_pages::pages(table);
    trail_pages::pages(table);
}
