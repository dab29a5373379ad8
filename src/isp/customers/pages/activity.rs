//! What happened to a customer, in words.

use std::collections::{BTreeSet, HashMap};

use chrono_tz::Tz;
use serde::Serialize;
use serde_json::Value;

use crate::{
    audit::{self, Entry},
    db::TenantTx,
    error::Result,
    isp::{
        areas,
        customers::{
            model::{Accuracy, Status},
            rules,
        },
    },
    types::{AreaId, AuditEventId, Cursor, CustomerId, Limit},
    web::Moment,
    words::say,
};

const PAGE: Limit = Limit::of(30);

#[derive(Debug, Serialize)]
pub struct Happening {
    text: String,
    actor: String,
    at: Moment,
    changes: Vec<Changed>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    field: &'static str,
    before: Option<String>,
    after: Option<String>,
}

fn about(id: CustomerId) -> audit::Filter {
    audit::Filter {
        object_type: Some(rules::OBJECT.to_owned()),
        object_id: Some(id.0),
        ..audit::Filter::default()
    }
}

/// How often something happened.
pub async fn count(tx: &TenantTx, id: CustomerId, zone: Tz) -> Result<i64> {
    audit::count(tx, &about(id), zone).await
}

/// Who deleted a customer last.
pub async fn deleted_by(tx: &TenantTx, id: CustomerId, zone: Tz) -> Result<Option<String>> {
    let filter = audit::Filter { action: Some("customer.deleted".to_owned()), ..about(id) };
    let last = audit::list(tx, &filter, zone, None, Limit::of(1)).await?;
    Ok(last.into_iter().next().map(|entry| entry.actor_label))
}

/// One page of what happened, newest first, and the cursor of the next.
pub async fn list(
    tx: &TenantTx,
    id: CustomerId,
    zone: Tz,
    cursor: Option<&str>,
) -> Result<(Vec<Happening>, Option<String>)> {
    let after = cursor.map(Cursor::<AuditEventId>::decode).transpose()?.map(|cursor| cursor.0);
    let mut entries = audit::list(tx, &about(id), zone, after, PAGE).await?;
    let more = PAGE.cut(&mut entries);
    let next = match entries.last().filter(|_| more) {
        Some(last) => Some(Cursor(last.id).encode()?),
        None => None,
    };
    let areas = areas::names(tx, &areas_of(&entries)).await?;
    Ok((entries.into_iter().map(|entry| told(entry, zone, &areas)).collect(), next))
}

fn areas_of(entries: &[Entry]) -> Vec<AreaId> {
    let ids: BTreeSet<AreaId> = entries
        .iter()
        .flat_map(|entry| [&entry.before, &entry.after])
        .flatten()
        .filter_map(|side| side.get("area_id")?.as_str()?.parse().ok())
        .collect();
    ids.into_iter().collect()
}

fn told(entry: Entry, zone: Tz, areas: &HashMap<AreaId, String>) -> Happening {
    let whole =
        matches!(entry.action.as_str(), "customer.created" | "customer.deleted" | "customer.restored");
    let changes =
        if whole { Vec::new() } else { changes(entry.before.as_ref(), entry.after.as_ref(), areas) };
    Happening {
        text: words(&entry.action),
        actor: entry.actor_label,
        at: Moment::at(entry.occurred_at, zone),
        changes,
    }
}

fn words(action: &str) -> String {
    match action {
        "customer.created" => say("Added"),
        "customer.imported" => say("Added by an import"),
        "customer.updated" => say("Changed"),
        "customer.deleted" => say("Deleted"),
        "customer.restored" => say("Restored"),
        "customer.activated" => say("Activated"),
        "customer.deactivated" => say("Deactivated"),
        "customer.suspended" => say("Suspended"),
        "customer.resumed" => say("Resumed"),
        "customer.terminated" => say("Terminated"),
        "customer.reinstated" => say("Reinstated"),
        "customer.merged" => say("Merged with another customer"),
        "customer.merged_away" => say("Merged into another customer"),
        "customer.portal_invited" => say("Invited to the portal"),
        "customer.portal_joined" => say("Joined the portal"),
        "customer.portal_signed_in" => say("Signed in to the portal"),
        "customer.portal_sign_in_refused" => say("Was refused at the portal's door"),
        "customer.portal_signed_out" => say("Signed out of the portal"),
        "customer.portal_ended" => say("Portal access ended"),
        "customer.portal_password_changed" => say("Changed the portal's password"),
        "customer.portal_password_set" => say("Set a new password for the portal"),
        "customer.portal_link_asked" => say("Asked for a new password for the portal"),
        "customer.portal_sessions_ended" => say("Ended other sessions of the portal"),
        other => return other.trim_start_matches("customer.").replace('_', " "),
    }
    .to_owned()
}

/// Fields as people read them. Latitude and longitude are one thing.
const FIELDS: [(&str, &str); 13] = [
    ("first_name", "First name"),
    ("last_name", "Last name"),
    ("reference", "Account number"),
    ("email", "E-mail"),
    ("phone_primary", "Phone"),
    ("street_address", "Street"),
    ("area_id", "Area"),
    ("status", "Status"),
    ("reason", "Reason"),
    ("latitude", "Coordinates"),
    ("location_accuracy", "How it was found"),
    ("location_notes", "How to find it"),
    ("notes", "Notes"),
];

fn changes(before: Option<&Value>, after: Option<&Value>, areas: &HashMap<AreaId, String>) -> Vec<Changed> {
    let has = |side: Option<&Value>, name: &str| side.is_some_and(|side| side.get(name).is_some());
    FIELDS
        .into_iter()
        .filter(|(name, _)| {
            let names: &[&str] = if *name == "latitude" { &["latitude", "longitude"] } else { &[name] };
            names.iter().any(|name| has(before, name) || has(after, name))
        })
        .map(|(name, field)| Changed {
            field: say(field),
            before: before.and_then(|side| value(side, name, areas)),
            after: after.and_then(|side| value(side, name, areas)),
        })
        .collect()
}

fn value(side: &Value, name: &str, areas: &HashMap<AreaId, String>) -> Option<String> {
    let text = |name: &str| side.get(name).and_then(Value::as_str);
    match name {
        "latitude" => match (text("latitude"), text("longitude")) {
            (Some(latitude), Some(longitude)) => Some(format!("{latitude}, {longitude}")),
            (Some(latitude), None) => Some(say!("latitude {}", latitude)),
            (None, Some(longitude)) => Some(say!("longitude {}", longitude)),
            (None, None) => None,
        },
        "status" => text(name).map(|status| Status::from_column(status).label().to_owned()),
        "location_accuracy" => text(name).map(|one| Accuracy::from_column(one).label().to_owned()),
        "area_id" => {
            let id = text(name)?;
            let known = id.parse().ok().and_then(|id: AreaId| areas.get(&id).cloned());
            Some(known.unwrap_or_else(|| id.to_owned()))
        }
        _ => text(name).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn halves_of_a_place_are_one_change() {
        let (before, after) =
            (json!({"latitude": null, "longitude": null}), json!({"latitude": "8.4", "longitude": "124.6"}));
        let told = changes(Some(&before), Some(&after), &HashMap::new());
        let expected = Changed { field: "Coordinates", before: None, after: Some("8.4, 124.6".into()) };
        assert_eq!(told, [expected]);
    }

    #[test]
    fn a_status_is_told_by_its_label() {
        let told = changes(
            Some(&json!({"status": "active"})),
            Some(&json!({"status": "suspended", "reason": "Unpaid"})),
            &HashMap::new(),
        );
        let rows: Vec<_> = told.iter().map(|c| (c.field, c.before.as_deref(), c.after.as_deref())).collect();
        assert_eq!(rows, [("Status", Some("Active"), Some("Suspended")), ("Reason", None, Some("Unpaid"))]);
    }
}
