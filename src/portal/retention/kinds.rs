//! What has a time after which it goes, and who says what of it is old.

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;

use crate::{
    db::TenantTx,
    error::Result,
    events,
    isp::{erasure, imports, reports, tickets},
    mail,
    messaging::{hooks, messages},
};

type Count = for<'a> fn(&'a TenantTx, DateTime<Utc>, i64) -> BoxFuture<'a, Result<i64>>;
type Forget = for<'a> fn(&'a TenantTx, DateTime<Utc>, i64) -> BoxFuture<'a, Result<u64>>;

/// How a kind goes.
#[derive(Clone, Copy)]
pub enum Way {
    /// So many rows at a time.
    Rows(Forget),
    /// People are erased one by one, with proof.
    People,
}

/// Something that has a time.
pub struct Kind {
    pub name: &'static str,
    pub label: &'static str,
    /// What goes, and what stays of it.
    pub help: &'static str,
    /// In days: what is allowed, and what holds where nothing was said; None: until somebody deletes it.
    pub least: i32,
    pub most: i32,
    pub usual: Option<i32>,
    pub count: Count,
    pub way: Way,
}

impl Kind {
    /// Whether it may be kept until somebody deletes it: what would fill the tables by itself may not.
    pub fn may_stay(&self) -> bool {
        self.usual.is_none()
    }
}

macro_rules! kind {
    ($name:literal, $label:literal, $help:literal, $least:literal..=$most:literal, $usual:expr, $count:path, $forget:path) => {
        Kind {
            name: $name,
            label: $label,
            help: $help,
            least: $least,
            most: $most,
            usual: $usual,
            count: |tx, before, at_most| Box::pin($count(tx, before, at_most)),
            way: Way::Rows(|tx, before, at_most| Box::pin($forget(tx, before, at_most))),
        }
    };
}

/// Every kind, in the order in which it is shown and let go.
pub static KINDS: [Kind; 9] = [
    kind!(
        "messages",
        "Messages sent",
        "Recipients, texts and attachments. Figures and campaigns stay.",
        30..=3_650,
        None,
        messages::count_before,
        messages::forget_before
    ),
    kind!(
        "inbound",
        "Messages received",
        "What people wrote to you.",
        30..=3_650,
        None,
        hooks::count_inbound,
        hooks::delete_inbound
    ),
    kind!(
        "tickets",
        "Closed tickets",
        "Words, comments and files. Numbers, categories and times stay for the reports.",
        90..=3_650,
        None,
        tickets::count_before,
        tickets::empty_before
    ),
    Kind {
        name: "former_customers",
        label: "Customers who left",
        help: "Terminated or deleted, and even: erased for good with a certificate, at most twenty a night. The books keep their numbers.",
        least: 90,
        most: 3_650,
        usual: None,
        count: |tx, before, at_most| Box::pin(erasure::count_before(tx, before, at_most)),
        way: Way::People,
    },
    kind!(
        "report_files",
        "Files of scheduled reports",
        "They can be made again.",
        7..=3_650,
        Some(90),
        reports::count_files_before,
        reports::forget_files_before
    ),
    kind!(
        "import_files",
        "Files of imports",
        "With the rows that failed. Counts stay.",
        1..=365,
        Some(30),
        imports::count_files_before,
        imports::forget_files_before
    ),
    kind!(
        "letters",
        "Letters of the portal",
        "To whom invitations, codes and notices were sent.",
        7..=730,
        Some(90),
        mail::count_before,
        mail::forget_before
    ),
    kind!(
        "notices",
        "Lines in the bell",
        "Of staff and of subscribers.",
        7..=365,
        Some(90),
        events::count_notices_before,
        events::forget_notices_before
    ),
    kind!(
        "hook_calls",
        "Calls of message providers",
        "As they came in, after they were read.",
        7..=365,
        Some(30),
        hooks::count_calls,
        hooks::delete_calls
    ),
];
