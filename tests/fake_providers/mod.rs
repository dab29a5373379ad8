//! One small server that speaks as the providers do: it asks for the same credentials and fields, answers and refuses with the
//! same bodies, keeps what it accepted, fails as it is told, and signs and posts receipts.
//!
//! It is written from the vendors' contracts and shares no line with the program. Three use it: the protocol tests beside the
//! providers (by `#[path]`), the integration tests, and `cargo run --example fake_providers` for tests in a browser.
#![allow(dead_code, reason = "no user of it needs all of it")]

pub mod calls;
mod keys;
mod mobile;
pub mod money;
mod server;
mod social;
mod texting;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub const CLIENT_ID: &str = "fake-client";
pub const SECRET: &str = "fake-secret-7Qk2v9";
pub const ACCOUNT: &str = "ACfa4e0000000000000000000000000001";
pub const BOT_TOKEN: &str = "123456789:AAfake-bot-token-7Qk2v9";
pub const NUMBER_ID: &str = "106540352242922";
pub const VERIFY_TOKEN: &str = "fake-verify-token";
pub const PROJECT: &str = "fake-project";
pub const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A message that a provider took.
#[derive(Debug, Clone, Serialize)]
pub struct Taken {
    pub provider: String,
    pub id: String,
    pub to: String,
    pub from: String,
    pub text: String,
    /// Our id of the delivery, where the provider is given one.
    pub reference: String,
    /// Whether the sender was told so.
    pub was_answered: bool,
    /// The request's body, where it is JSON, or its fields.
    pub body: Value,
}

/// What goes wrong with a call that would have been accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// 200 (or 201, 202) with a body that says no. Not accepted.
    ErrorBody,
    /// A status with the provider's own words. Not accepted.
    Status { status: u16, retry_after: Option<u32> },
    /// A refusal with this code of the provider's. Not accepted.
    Code { code: String },
    /// Accepted, and never answered.
    Hang,
    /// Accepted, and hung up on.
    Cut,
    /// Accepted, and answered with something that is no answer.
    Garbage,
    /// Accepted, and answered with ten megabytes.
    Huge,
    /// Sent to the metadata of a cloud. Not accepted.
    Redirect,
}

impl Fault {
    fn accepts(&self) -> bool {
        matches!(self, Self::Hang | Self::Cut | Self::Garbage | Self::Huge)
    }
}

/// The server. It ends when this is dropped.
pub struct Fake {
    pub url: String,
    pub(crate) state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
pub(crate) struct State {
    url: Mutex<String>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(crate) struct Inner {
    faults: HashMap<String, VecDeque<Fault>>,
    /// Recipients that are refused, with the code that the provider gives.
    refused: HashMap<(String, String), String>,
    calls: HashMap<String, usize>,
    taken: Vec<Taken>,
    checkouts: Vec<money::Checkout>,
    /// What a message that is asked for has become.
    statuses: HashMap<String, String>,
    /// Where calls were told to go: Telegram's own.
    pub hooks: HashMap<String, (String, String)>,
    pub tokens: Vec<String>,
    /// Accounts that are let in no more.
    revoked: Vec<String>,
    /// How long a provider takes for a message.
    delays: HashMap<String, std::time::Duration>,
    count: u64,
    /// Headers and body of the last call.
    last: HashMap<String, (BTreeMap<String, String>, String)>,
}

impl Fake {
    pub async fn start() -> Self {
        server::start("127.0.0.1:0").await
    }

    pub async fn start_at(address: &str) -> Self {
        server::start(address).await
    }

    /// What somebody enters to connect this provider.
    pub fn values(&self, kind: &str) -> BTreeMap<String, String> {
        let url = &self.url;
        let base = format!("{url}/{kind}");
        let pairs: Vec<(&str, String)> = match kind {
            "hubtel" => vec![
                ("client_id", CLIENT_ID.into()),
                ("client_secret", SECRET.into()),
                ("sender", "Acme".into()),
            ],
            "clicksend" => vec![("username", CLIENT_ID.into()), ("api_key", SECRET.into())],
            "twilio" => vec![
                ("account_sid", ACCOUNT.into()),
                ("auth_token", SECRET.into()),
                ("from", "+15005550006".into()),
            ],
            "twilio_whatsapp" => vec![
                ("account_sid", ACCOUNT.into()),
                ("auth_token", SECRET.into()),
                ("from", "+14155238886".into()),
            ],
            "sendgrid" => vec![
                ("api_key", format!("SG.{SECRET}")),
                ("from_email", "noc@acme.test".into()),
                ("from_name", "Acme Net".into()),
                ("webhook_key", keys::events().public.clone()),
            ],
            "whatsapp_cloud" => vec![
                ("phone_number_id", NUMBER_ID.into()),
                ("access_token", SECRET.into()),
                ("app_secret", SECRET.into()),
                ("verify_token", VERIFY_TOKEN.into()),
            ],
            "instagram" => vec![
                ("access_token", SECRET.into()),
                ("app_secret", SECRET.into()),
                ("verify_token", VERIFY_TOKEN.into()),
            ],
            "telegram" => vec![("bot_token", BOT_TOKEN.into())],
            "fcm" => vec![("key_file", self.key_file().to_string())],
            "generic" => vec![("secret", SIGNING_SECRET.into()), ("sender", "Acme".into())],
            "paystack" => vec![("secret_key", SECRET.into())],
            "paymongo" => vec![("secret_key", SECRET.into()), ("webhook_secret", SIGNING_SECRET.into())],
            other => panic!("the fake speaks no {other}"),
        };
        let mut values: BTreeMap<String, String> =
            pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        values.insert("base_url".into(), base);
        values
    }

    fn key_file(&self) -> Value {
        json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "fake-key-1",
            "private_key": keys::service_account().private_pem,
            "client_email": format!("push@{PROJECT}.iam.gserviceaccount.com"),
            "token_uri": format!("{}/fcm/token", self.url),
        })
    }

    /// The next `times` messages that this provider would have accepted fare so instead.
    pub fn fail_next(&self, kind: &str, times: usize, fault: Fault) {
        self.state.fail_next(kind, times, fault);
    }

    /// Messages to this recipient are refused with this code of the provider's.
    pub fn refuse(&self, kind: &str, to: &str, code: &str) {
        self.state.inner().refused.insert((kind.to_owned(), to.to_owned()), code.to_owned());
    }

    /// This provider takes so long for each message from now on.
    pub fn take_time(&self, kind: &str, time: std::time::Duration) {
        self.state.inner().delays.insert(kind.to_owned(), time);
    }

    /// The credential is good again.
    pub fn restore(&self, kind: &str) {
        self.state.inner().revoked.retain(|one| one != kind);
    }

    /// The credential is good no more.
    pub fn revoke(&self, kind: &str) {
        self.state.inner().revoked.push(kind.to_owned());
    }

    /// Access tokens that were given out lose their worth.
    pub fn expire_tokens(&self) {
        self.state.inner().tokens.clear();
    }

    /// What the provider says of a message when it is asked.
    pub fn becomes(&self, message_id: &str, word: &str) {
        self.state.inner().statuses.insert(message_id.to_owned(), word.to_owned());
    }

    /// Everything that was accepted: the truth that tests compare with.
    pub fn taken(&self, kind: &str) -> Vec<Taken> {
        self.state.inner().taken.iter().filter(|taken| taken.provider == kind).cloned().collect()
    }

    /// How many calls arrived, whatever became of them. Access tokens count as `fcm_token`.
    pub fn calls(&self, kind: &str) -> usize {
        self.state.inner().calls.get(kind).copied().unwrap_or_default()
    }

    /// Headers and body of the last call, as they came.
    pub fn last_request(&self, kind: &str) -> (BTreeMap<String, String>, String) {
        self.state.inner().last.get(kind).cloned().unwrap_or_default()
    }

    /// Where, and with which secret, a bot was told to send its updates.
    pub fn hook_of(&self, kind: &str) -> Option<(String, String)> {
        self.state.inner().hooks.get(kind).cloned()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    pub(crate) fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn fail_next(&self, kind: &str, times: usize, fault: Fault) {
        let mut inner = self.inner();
        let queue = inner.faults.entry(kind.to_owned()).or_default();
        queue.extend(std::iter::repeat_n(fault, times));
    }

    pub(crate) fn is_revoked(&self, kind: &str) -> bool {
        self.inner().revoked.iter().any(|one| one == kind)
    }

    pub(crate) fn refusal_of(&self, kind: &str, to: &str) -> Option<String> {
        self.inner().refused.get(&(kind.to_owned(), to.to_owned())).cloned()
    }

    pub(crate) fn status_of(&self, message_id: &str) -> Option<String> {
        self.inner().statuses.get(message_id).cloned()
    }

    pub(crate) fn has_taken(&self, kind: &str, message_id: &str) -> bool {
        self.inner().taken.iter().any(|taken| taken.provider == kind && taken.id == message_id)
    }

    /// A number that no other message has.
    pub(crate) fn next(&self) -> u64 {
        let mut inner = self.inner();
        inner.count += 1;
        inner.count
    }
}
