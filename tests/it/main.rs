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
mod areas;
mod audit;
mod backup;
mod branding;
mod cli;
mod crashes;
mod customers;
mod customers_pages;
mod data_keys;
mod dev;
mod domains;
mod doors;
mod embedded;
mod entry;
mod harness;
mod imports;
mod isolation;
mod isolation_http;
mod layers;
mod mail;
mod proxy;
mod refusals;
mod reset;
mod roles;
mod schemathesis;
mod settings;
mod signup;
mod staff;
mod telemetry;
mod tls;
mod waiting;
