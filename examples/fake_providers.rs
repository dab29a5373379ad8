//! The fake providers by themselves, for tests in a browser and for trying things out: `cargo run --example fake_providers`.
//!
//! Prints one line of JSON with its address and the credentials to enter, and ends when its standard input closes.

#[path = "../tests/fake_providers/mod.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's counterpart: what it cannot do, it fails at"
)]
mod fake_providers;

use std::{collections::BTreeMap, io::Read};

const KINDS: [&str; 12] = [
    "hubtel",
    "clicksend",
    "twilio",
    "twilio_whatsapp",
    "sendgrid",
    "whatsapp_cloud",
    "instagram",
    "telegram",
    "fcm",
    "generic",
    "paystack",
    "paymongo",
];

#[tokio::main]
#[expect(clippy::print_stdout, reason = "its caller reads where it listens")]
async fn main() {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let fake = fake_providers::Fake::start_at(&address).await;
    let credentials: BTreeMap<&str, _> = KINDS.into_iter().map(|kind| (kind, fake.values(kind))).collect();
    println!("{}", serde_json::json!({"url": fake.url, "credentials": credentials}));
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    drop(closed.await);
}
