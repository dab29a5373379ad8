//! The platform's own log, as a page.

use poem::{Response, handler, http::Method, web::Query};
use serde::{Deserialize, Serialize};

use super::guard::{ConsoleUser, Guarding, Look};
use crate::{
    audit::{PlatformEntry, PlatformFilter, list_platform},
    error::Result,
    types::Limit,
    web::{
        Moment, RouteTable,
        parts::{Choice, Pager, address, id_of},
    },
    words::say,
};

const PATH: &str = "/console/log";
const PAGE: Limit = Limit::of(50);
const KINDS: [(&str, &str); 11] = [
    ("tenant.", "Providers"),
    ("signup.", "Sign-ups"),
    ("invoice.", "Invoices"),
    ("payment.", "Payments online"),
    ("support.", "Support access"),
    ("platform_staff.", "People"),
    ("console.", "Sign-ins"),
    ("sender.", "Senders"),
    ("alert.", "Alerts"),
    ("library.", "Library of texts"),
    ("platform.", "Settings and announcements"),
];

pub fn pages(table: &mut RouteTable) {
    table.console::<Look>(Method::GET, PATH, show);
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    before: String,
}

/// An event as pages show it.
#[derive(Serialize)]
pub struct EventRow {
    action: String,
    tone: &'static str,
    actor: String,
    actor_kind: &'static str,
    object: String,
    tenant_href: Option<String>,
    reason: String,
    details: Vec<(String, String)>,
    address: String,
    request_id: String,
    at: Moment,
}

/// What happened, in words: `tenant.suspended` becomes `Provider suspended`.
fn words(action: &str) -> String {
    let (object, verb) = action.split_once('.').unwrap_or(("", action));
    let object = match object {
        "tenant" => say("Provider"),
        "platform_staff" => say("Person"),
        "signup" => say("Sign-up"),
        other => other,
    };
    let text = format!("{object} {}", verb.replace('_', " "));
    let mut letters = text.trim().chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn tone(action: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| action.contains(word));
    match () {
        () if has(&["refused", "disabled", "closed", "rejected", "failed"]) => "error",
        () if has(&["suspended", "closing", "reset", "grace", "held", "void"]) => "warning",
        () if has(&["created", "active", "enabled", "approved", "resumed", "paid", "received"]) => "success",
        () if has(&["support"]) => "info",
        () => "",
    }
}

impl From<PlatformEntry> for EventRow {
    fn from(entry: PlatformEntry) -> Self {
        let details = entry.detail.as_object().into_iter().flatten().map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.replace('_', " "), value)
        });
        Self {
            action: words(&entry.action),
            tone: tone(&entry.action),
            actor_kind: match entry.actor_kind.as_str() {
                "command_line" | "system" | "staff" => "",
                "support" => say("under a grant"),
                "tenant" => say("for the provider"),
                _ => say("not signed in"),
            },
            object: if entry.object.is_empty() { entry.slug.unwrap_or_default() } else { entry.object },
            tenant_href: entry.tenant.map(|id| format!("/console/tenants/{id}")),
            details: details.collect(),
            reason: entry.reason,
            actor: entry.actor,
            address: entry.address.unwrap_or_default(),
            request_id: entry.request_id.map(|id| id.to_string()).unwrap_or_default(),
            at: Moment::at(entry.at, chrono_tz::UTC),
        }
    }
}

#[derive(Serialize)]
struct LogPage {
    q: String,
    kind: String,
    kinds: Vec<Choice>,
    events: Vec<EventRow>,
    pager: Pager,
}

#[handler]
async fn show(user: ConsoleUser, asked: Query<Asked>) -> Result<Response> {
    let before = match asked.before.as_str() {
        "" => None,
        text => Some(id_of(text, "event")?),
    };
    let text: String = asked.q.trim().chars().take(100).collect();
    let kind = KINDS.iter().find(|(value, _)| *value == asked.kind).map_or("", |(value, _)| value);
    let filter = PlatformFilter { text: text.clone(), action: kind.into(), tenant: None, before };
    let mut found =
        user.console.db.read_public(async |tx| list_platform(tx, &filter, PAGE.and_one()).await).await?;
    let more = PAGE.cut(&mut found);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    let pairs = |before: &str| {
        let all = [("q", text.as_str()), ("kind", kind), ("before", before)];
        address(PATH, all.into_iter().filter(|(_, value)| !value.is_empty()))
    };
    let pager = Pager {
        prev_href: before.map(|_| pairs("")),
        next_href: next.as_deref().map(pairs),
        shown: found.len().to_string(),
        total: None,
    };
    let view = LogPage {
        kinds: KINDS.iter().map(|(value, label)| Choice::new(value, say(label))).collect(),
        events: found.into_iter().map(EventRow::from).collect(),
        kind: kind.into(),
        q: text.clone(),
        pager,
    };
    user.render("console/log.html", say("Log"), &view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_told_in_words() {
        assert_eq!(words("tenant.suspended"), "Provider suspended");
        assert_eq!(words("console.sign_in_refused"), "Console sign in refused");
        assert_eq!(tone("console.sign_in_refused"), "error");
        assert_eq!(tone("tenant.active"), "success");
    }
}
