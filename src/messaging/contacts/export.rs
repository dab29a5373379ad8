//! Exactly a list, as a file that an import understands: read in batches, so that the database never holds all of it at once.

use serde_json::{Value, json};

use super::{
    list::{self, Filter, Mark, Sort},
    model::{Contact, OBJECT},
};
use crate::{
    access::By,
    audit::Event,
    db::Db,
    error::{Error, Result},
    messaging::Channel,
    sheets::{Bom, Cell},
    web::sheet::{Format, Sheet},
    words::say,
};

const BATCH: i64 = 2_000;
/// A file has at most so many contacts.
const MOST: usize = 100_000;
/// All but the last are names of an import's fields.
const HEADER: [&str; 12] = [
    "name",
    "phone",
    "whatsapp",
    "email",
    "telegram",
    "instagram",
    "language",
    "tags",
    "groups",
    "note",
    "attributes",
    "created_at",
];

/// Writes the list down, and in the trail that it left the house.
pub async fn export(
    db: &Db,
    by: &By,
    filter: &Filter,
    sort: Sort,
    format: Format,
    bom: Bom,
) -> Result<Sheet> {
    let zone = by.tenant.time_zone;
    let rows = db
        .in_tenant(&by.tenant, async |tx| {
            let mut rows: Vec<Vec<Cell>> = Vec::new();
            let mut mark: Option<Mark> = None;
            loop {
                let found = list::list(tx, filter, sort, mark.as_ref(), BATCH).await?;
                let Some(last) = found.last() else { break };
                mark = Some(Mark::of(last, sort));
                rows.extend(found.into_iter().map(|one| cells(one, zone.0)));
                if rows.len() > MOST {
                    let detail = say!("A file has at most {} contacts. Narrow the list.", MOST);
                    return Err(Error::invalid("q", "too_many", detail));
                }
            }
            let label = format!("{} contacts", rows.len());
            let told = Event {
                action: "contact.exported",
                object_type: OBJECT,
                object_id: None,
                object_label: &label,
                before: None,
                after: Some(json!({ "format": format.extension(), "contacts": rows.len() })),
            };
            by.record(tx, told).await?;
            Ok(rows)
        })
        .await?;
    Sheet::of_rows("contacts", format, zone, &HEADER, rows, bom).await
}

fn cells(one: Contact, zone: chrono_tz::Tz) -> Vec<Cell> {
    let first = |channel| Cell::from(one.draft.first(channel));
    let groups: Vec<&str> = one.groups.iter().map(|group| group.name.as_str()).collect();
    let attributes = if one.draft.attributes.is_empty() {
        None
    } else {
        Some(Value::Object(one.draft.attributes.clone()).to_string())
    };
    vec![
        one.draft.name.as_str().into(),
        first(Channel::Sms),
        first(Channel::Whatsapp),
        first(Channel::Email),
        first(Channel::Telegram),
        first(Channel::Instagram),
        one.draft.language.as_deref().into(),
        one.draft.tags.join(", ").into(),
        groups.join(", ").into(),
        one.draft.note.as_str().into(),
        attributes.into(),
        one.created_at.with_timezone(&zone).naive_local().into(),
    ]
}
