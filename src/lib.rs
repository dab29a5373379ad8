//! Lastmile: one deployment in which many internet providers run their business, each in a schema of its own.
//!
//! ARCHITECTURE.md is the map; `tests/it/layers.rs` holds it against this tree.

mod access;
mod app;
mod audit;
mod backup;
mod certificates;
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its terminal")]
mod cli;
mod config;
mod db;
mod demo;
mod error;
mod events;
mod files;
mod invoicing;
mod isp;
mod jobs;
mod mail;
mod messaging;
mod outbound;
mod platform;
mod portal;
mod print;
mod secrets;
mod sheets;
mod telemetry;
mod tenancy;
mod trace;
mod types;
mod web;
mod words;

pub use cli::run;
