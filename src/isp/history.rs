//! What happened to one thing, in words, for the tabs that show it.

use chrono_tz::Tz;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    audit::{self, Entry},
    db::TenantTx,
    error::Result,
    types::{AuditEventId, Cursor, Limit},
    web::Moment,
};

const PAGE: Limit = Limit::of(30);

/// Something that happened.
#[derive(Debug, Serialize)]
pub struct Happening {
    text: String,
    actor: String,
    at: Moment,
    changes: Vec<Changed>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Changed {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

/// One page of what happened to an object, newest first, and the cursor of the next.
pub async fn list(
    tx: &TenantTx,
    object_type: &str,
    id: Uuid,
    zone: Tz,
    cursor: Option<&str>,
) -> Result<(Vec<Happening>, Option<String>)> {
    let about = audit::Filter {
        object_type: Some(object_type.to_owned()),
        object_id: Some(id),
        ..audit::Filter::default()
    };
    let after = cursor.map(Cursor::<AuditEventId>::decode).transpose()?.map(|cursor| cursor.0);
    let mut entries = audit::list(tx, &about, zone, after, PAGE).await?;
    let more = PAGE.cut(&mut entries);
    let next = match entries.last().filter(|_| more) {
        Some(last) => Some(Cursor(last.id).encode()?),
        None => None,
    };
    Ok((entries.into_iter().map(|entry| told(entry, zone)).collect(), next))
}

/// `router_changed` becomes "Router changed".
fn words(name: &str) -> String {
    let plain = name.replace('_', " ");
    let mut chars = plain.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn told(entry: Entry, zone: Tz) -> Happening {
    let verb = entry.action.split_once('.').map_or(entry.action.as_str(), |(_, verb)| verb);
    let text = if verb == "updated" { "Changed".to_owned() } else { words(verb) };
    // What was new says nothing by being listed once more.
    let changes =
        if verb == "created" { Vec::new() } else { changes(entry.before.as_ref(), entry.after.as_ref()) };
    Happening { text, actor: entry.actor_label, at: Moment::at(entry.occurred_at, zone), changes }
}

/// The fields of both sides, but for ids, which say nothing to people.
fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<Changed> {
    let keys = |side: Option<&Value>| -> Vec<String> {
        side.and_then(Value::as_object).map(|side| side.keys().cloned().collect()).unwrap_or_default()
    };
    let mut names = keys(before);
    names.extend(keys(after));
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| !name.ends_with("_id"))
        .map(|name| Changed { before: value(before, &name), after: value(after, &name), field: words(&name) })
        .filter(|change| change.before != change.after)
        .collect()
}

fn value(side: Option<&Value>, name: &str) -> Option<String> {
    match side?.get(name)? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_told_without_ids() {
        let (before, after) = (
            json!({"status": "active", "technician_id": "1", "port": null, "notes": ""}),
            json!({"status": "suspended", "technician_id": "2", "port": "NAP-1 port 2", "notes": null}),
        );
        let told = changes(Some(&before), Some(&after));
        let rows: Vec<_> =
            told.iter().map(|c| (c.field.as_str(), c.before.as_deref(), c.after.as_deref())).collect();
        assert_eq!(
            rows,
            [("Port", None, Some("NAP-1 port 2")), ("Status", Some("active"), Some("suspended"))]
        );
    }
}
