//! The one integration-test binary: drives the program through its front doors, against a real PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::zombie_processes,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    reason = "a test that cannot go on fails, and it looks behind the scenes by ways that the program may not take"
)]

mod access_keys;
mod access_lockout;
mod access_portal;
mod access_tokens;
mod addresses;
mod alerts;
mod announcements;
mod approvals;
mod areas;
mod attachments;
mod audience;
mod audit;
mod backup;
mod behind_proxy;
mod billing_pages;
mod branding;
mod campaigns;
mod certificates;
mod channels;
mod cli;
mod clock;
mod console;
mod contacts;
mod crashes;
mod customers;
mod customers_pages;
mod data_keys;
mod dev;
mod dispatch;
mod doctor;
mod domains;
mod doors;
mod embedded;
mod entry;
mod erasure;
#[path = "../fake_providers/mod.rs"]
mod fake_providers;
mod fields;
mod foreign_forms;
mod foreign_ids;
mod hardening;
mod harness;
mod hooks;
mod imports;
mod imports_whole;
mod installations;
mod invitations;
mod invoices;
mod isolation;
mod isolation_http;
mod keys_in_use;
mod language;
mod layers;
mod live;
mod machines;
mod mail;
mod messages;
mod mfa;
mod my;
mod outages;
mod ownership;
mod passkeys;
mod payments;
mod periods;
mod permissions;
mod plans;
mod plant;
mod platform_staff;
mod processes;
mod profile;
mod provider_plans;
mod proxy;
mod receipts;
mod refusals;
mod reports;
mod reports_by_hand;
mod reports_demo;
mod reset;
mod retention;
mod roles;
mod roles_compared;
mod routers;
mod sandbox;
mod schemathesis;
mod sender;
mod settings;
mod shifts;
mod shop;
mod signup;
mod sso;
mod staff;
mod support;
mod suppression;
mod takeouts;
mod telemetry;
mod template_library;
mod templates;
mod tickets;
mod tls;
mod traces;
mod visits;
mod waiting;
mod work;
