//! The figures that Lastmile promises, measured: `make bench`, or `cargo bench -- reads memory` for some of them.
//!
//! docs/benchmarks.md says what each means. Whatever a figure is held against is measured in the same run on the same data,
//! because times drift with the machine and its neighbours and ratios hardly do.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::let_underscore_must_use,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "whatever goes wrong ends the run, and it speaks to a person"
)]

mod access;
mod bare;
mod books;
mod calls;
mod clock;
mod isp;
mod latency;
mod load;
mod memory;
mod messages;
mod migrations;
mod peer;
mod pgbench;
mod process;
mod reads;
mod relay;
mod sign_ups;
mod table;
mod world;

use std::process::ExitCode;

use table::Table;
use world::World;

/// What can be measured alone.
const GROUPS: [&str; 9] =
    ["calls", "access", "latency", "signups", "memory", "isp", "clock", "messages", "migrations"];

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if words.iter().any(|word| word == "bare") {
        bare::serve().await;
        return ExitCode::SUCCESS;
    }
    if let Some(odd) = words.iter().find(|word| !GROUPS.contains(&word.as_str())) {
        eprintln!("there is no group {odd}; there are {}", GROUPS.join(", "));
        return ExitCode::from(2);
    }
    let asked = |group: &str| words.is_empty() || words.iter().any(|word| word == group);
    let world = World::open().await;
    let mut table = Table::default();
    if asked("calls") {
        calls::measure(&world, &mut table).await;
    }
    if asked("access") {
        access::measure(&world, &mut table).await;
    }
    if asked("latency") {
        latency::measure(&world, &mut table).await;
    }
    if asked("signups") {
        sign_ups::measure(&world, &mut table).await;
    }
    if asked("memory") {
        memory::measure(&world, &mut table).await;
    }
    if asked("isp") {
        isp::measure(&world, &mut table).await;
    }
    if asked("clock") {
        clock::measure(&world, &mut table).await;
    }
    if asked("messages") {
        messages::measure(&world, &mut table).await;
    }
    if asked("migrations") {
        migrations::measure(&world, &mut table).await;
    }
    world.stop();
    println!("\n{}", table.render());
    match table.missed() {
        0 => ExitCode::SUCCESS,
        missed => {
            println!("{missed} missed");
            ExitCode::FAILURE
        }
    }
}
