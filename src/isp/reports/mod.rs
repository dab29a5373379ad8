//! Reports: what the provider's books say of any days, on a page, over the API, as a file, and by themselves on a schedule.
//!
//! Owns `report_schedule` and `report_file`, and files of purpose `report`. It is the one room that reads the tables of all others:
//! `area`, `customer`, `installation`, `lcp`, `splitter`, `nap`, `plan`, `subscription`, `payment`, `payment_allocation`, `refund`, `ticket`
//! and `staff`. It writes none of them.
//!
//! A report is one file: a [`definition::Definition`] with its words and a function that answers with the one shape of
//! [`model::Report`]. Page, API, CSV and XLSX are made of that shape. A new one joins [`rules::CATALOGUE`] and `pages`.
//!
//! "Payment" is a row of `payment`; void ones never count. A day is the provider's local day: `range` turns days into instants, and
//! statements get those, so that their indexes serve.

mod acquisition;
mod api;
mod area_performance;
mod behaviour;
mod cards;
mod collection;
mod definition;
mod draw;
mod expiry;
mod finance;
mod model;
mod pages;
mod range;
mod revenue;
mod rules;
mod schedule;
mod sheet;
mod sign_ups;
mod takings;
mod technicians;
#[cfg(test)]
mod tests;
mod ticket_analysis;

use crate::access::{NavItem, rights};

pub use api::ReportsApi;
pub use cards::cards;
pub use pages::pages;
pub use schedule::{ReportFilesApi, ReportSchedulesApi, count_files_before, forget_files_before, handlers};

rights! { "Reports", PERMISSIONS:
    ViewCollection = "reports.collection", "reports.read", "Daily collection", "See what was taken and given back.", for [Cashier, Viewer];
    ViewExpiry = "reports.expiry", "reports.read", "Subscription expiry", "See whose service ends.", for [Cashier, Viewer];
    ViewRevenue = "reports.revenue", "reports.read", "Revenue", "See revenue by plan and area.", for [Viewer];
    ViewTicketAnalysis = "reports.tickets", "reports.read", "Ticket analysis", "See the analysis of tickets.", for [Viewer];
    ViewTechnicians = "reports.technicians", "reports.read", "Technician performance", "See what each technician did.", for [Technician, Viewer];
    ViewAcquisition = "reports.acquisition", "reports.read", "Customer acquisition", "See how the provider grows, and sign-ups per day.", for [Viewer];
    ViewPaymentBehaviour = "reports.payments", "reports.read", "Payment behaviour", "See how customers pay and renew.", for [Viewer];
    ViewAreaPerformance = "reports.areas", "reports.read", "Area performance", "See how areas do.", for [Viewer];
    ViewFinance = "reports.finance", "reports.finance", "Financial dashboard", "See recurring revenue, churn and what is owed.";
    ExportReports = "reports.export", "reports.read", "Download reports", "Download the reports that one may see, also those that were made on a schedule.";
    ScheduleReports = "reports.schedule", "reports.write", "Schedule reports", "Say which of the reports that one may see are made by themselves, and when.";
}

/// The navigation's entry. The index shows those that the reader may see.
pub const NAV: &[NavItem] =
    &[NavItem { group: "Insight", label: "Reports", href: "/reports", icon: "reports", permission: None }];
