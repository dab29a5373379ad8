//! The trail in people's words.

use crate::words::{say, say_again};
use serde_json::Value;

/// What happened, and the tone of its badge. Verbs that are not here are shown as they are.
pub const VERBS: &[(&str, &str, &str)] = &[
    ("created", "Added", "success"),
    ("updated", "Changed", "info"),
    ("status_changed", "Status changed", "info"),
    ("deleted", "Deleted", "error"),
    ("restored", "Restored", "success"),
    ("merged", "Merged", "info"),
    ("imported", "Imported", "info"),
    ("exported", "Exported", ""),
    ("signed_in", "Signed in", ""),
    ("sign_in_refused", "Sign-in refused", "warning"),
    ("signed_out", "Signed out", ""),
    ("password_changed", "Password changed", "warning"),
    ("invited", "Invited", "info"),
    ("revoked", "Revoked", "error"),
    ("regenerated", "Regenerated", "warning"),
    ("proved", "Proved", "success"),
    ("lost", "Proof lost", "warning"),
    ("activated", "Activated", "success"),
    ("erased", "Erased", "warning"),
];

/// Words that are not written as other words are.
const ACRONYMS: &[(&str, &str)] = &[
    ("api", "API"),
    ("id", "ID"),
    ("url", "URL"),
    ("csv", "CSV"),
    ("cors", "CORS"),
    ("lcp", "LCP"),
    ("nap", "NAP"),
    ("olt", "OLT"),
];

/// `phone_primary` becomes "Phone primary", `api_key` "API key".
pub fn humanised(name: &str) -> String {
    let words: Vec<String> = name
        .split(['_', '-', '.'])
        .filter(|word| !word.is_empty())
        .enumerate()
        .map(|(i, word)| match ACRONYMS.iter().find(|(plain, _)| *plain == word) {
            Some((_, written)) => (*written).to_owned(),
            None if i == 0 => {
                let mut chars = word.chars();
                chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
            }
            None => word.to_owned(),
        })
        .collect();
    say_again(words.join(" "))
}

/// The label and the tone of an action.
pub fn action(action: &str) -> (String, &'static str) {
    let verb = action.split_once('.').map_or(action, |(_, verb)| verb);
    match VERBS.iter().find(|(known, _, _)| *known == verb) {
        Some((_, label, tone)) => (say(label).to_owned(), tone),
        None => (humanised(verb), ""),
    }
}

/// The kind of an object, as this tenant calls it.
pub fn object_type(kind: &str, area_word: &str) -> String {
    if kind == "area" { area_word.to_owned() } else { humanised(kind) }
}

/// A kind of actor that is not a person of the staff.
pub fn actor_kind(kind: &str) -> Option<&'static str> {
    match kind {
        "api_key" => Some(say("API key")),
        "system" => Some(say("job")),
        "platform" => Some(say("platform")),
        "anonymous" => Some(say("not signed in")),
        "subscriber" => Some(say("customer")),
        "support" => Some(say("platform support")),
        "machine" => Some(say("machine client")),
        _ => None,
    }
}

/// Where the object is shown, for kinds that have a page and actions that left it there.
pub fn href(kind: &str, id: uuid::Uuid, action: &str) -> Option<String> {
    if action.ends_with(".deleted") || action.ends_with(".revoked") {
        return None;
    }
    match kind {
        "customer" => Some(format!("/customers/{id}")),
        "ticket" => Some(format!("/tickets/{id}")),
        "outage" => Some(format!("/outages/{id}")),
        "area" => Some(format!("/areas/{id}/edit")),
        "api_key" => Some(format!("/api-keys/{id}")),
        "staff" => Some(format!("/staff/{id}")),
        "role" => Some(format!("/roles/{id}")),
        "lcp" | "splitter" | "nap" => Some(format!("/plant/{kind}s/{id}")),
        "router" => Some(format!("/routers/{id}")),
        "installation" => Some(format!("/installations/{id}")),
        "erasure" => Some(format!("/erasures/{id}")),
        "visit" => Some(format!("/visits/{id}")),
        _ => None,
    }
}

/// A value as a cell shows it; None is "empty".
pub fn value(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(true) => Some(say("yes").into()),
        Value::Bool(false) => Some(say("no").into()),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) if items.iter().all(Value::is_string) => {
            Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
        }
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_columns_become_words() {
        assert_eq!(humanised("phone_primary"), "Phone primary");
        assert_eq!(humanised("api_key"), "API key");
        assert_eq!(humanised("area_id"), "Area ID");
        assert_eq!(action("customer.created"), ("Added".to_owned(), "success"));
        assert_eq!(action("customer.moved_house"), ("Moved house".to_owned(), ""));
    }

    #[test]
    fn nothing_is_shown_as_empty() {
        for empty in [json!(null), json!(""), json!([])] {
            assert_eq!(value(Some(&empty)), None);
        }
        assert_eq!(value(None), None);
        assert_eq!(value(Some(&json!(["a", "b"]))).as_deref(), Some("a, b"));
        assert_eq!(value(Some(&json!(true))).as_deref(), Some("yes"));
    }
}
