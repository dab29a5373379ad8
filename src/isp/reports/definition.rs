//! What a report is: its address, its words, who may see it, what it can be narrowed by, and what makes it.

use futures_util::future::BoxFuture;

use super::{
    model::Report,
    range::{Asked, Usual},
};
use crate::words::say;
use crate::{access::Permission, db::TenantTx, error::Result};

/// The three shelves of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    Operations,
    Business,
    Strategy,
}

impl Shelf {
    pub const ALL: [Self; 3] = [Self::Operations, Self::Business, Self::Strategy];

    pub fn label(self) -> &'static str {
        match self {
            Self::Operations => say("Every day"),
            Self::Business => say("The business"),
            Self::Strategy => say("Where it goes"),
        }
    }
}

/// What a report can be narrowed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrow {
    Area,
    Plan,
    /// Cashier or technician, as the report says.
    Staff,
}

impl Narrow {
    /// What the question calls it.
    pub fn field(self) -> &'static str {
        match self {
            Self::Area => "area_id",
            Self::Plan => "plan_id",
            Self::Staff => "staff_id",
        }
    }
}

/// What makes a report, inside a unit of work that only reads.
pub type Make = for<'a> fn(&'a TenantTx, &'a Asked) -> BoxFuture<'a, Result<Report>>;

/// A report of the catalogue.
pub struct Definition {
    /// In its address.
    pub name: &'static str,
    pub title: &'static str,
    pub shelf: Shelf,
    /// What it answers, in one sentence.
    pub text: &'static str,
    /// What every word of it means.
    pub terms: &'static [(&'static str, &'static str)],
    pub permission: &'static Permission,
    pub narrows: &'static [Narrow],
    /// What the person is called that it can be narrowed by.
    pub staff_word: &'static str,
    pub usual: Usual,
    pub make: Make,
}

impl Definition {
    pub fn narrows_by(&self, narrow: Narrow) -> bool {
        self.narrows.contains(&narrow)
    }
}
