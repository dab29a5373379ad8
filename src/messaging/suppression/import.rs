//! Many addresses at once, from a file.

use std::time::Duration;

use serde_json::json;

use super::{
    model::{Imported, NOTE_MAX, New, OBJECT, Reason, RowProblem, Source},
    rules, store,
};
use crate::{
    access::By,
    audit::Event,
    db::Db,
    error::{Error, OrInternal, Result},
    messaging::{Address, Channel},
    sheets::{self, Row, Table},
    types::{Country, optional_text},
    web::file_body::FileBody,
};

const CHUNK: usize = 5_000;
const ERRORS_SHOWN: usize = 100;
const AT_MOST: Duration = Duration::from_secs(60);

/// Which column is which.
struct Columns {
    address: usize,
    /// What an address is without a column that says so: the address column's own name may tell.
    usual: Option<Channel>,
    channel: Option<usize>,
    reason: Option<usize>,
    note: Option<usize>,
}

impl Columns {
    fn of(header: &[String]) -> Result<Self> {
        let at = |names: &[&str]| {
            header.iter().position(|name| names.contains(&name.trim().to_lowercase().as_str()))
        };
        let found = [
            (at(&["address"]), None),
            (at(&["email", "e-mail", "email address", "e-mail address"]), Some(Channel::Email)),
            (at(&["phone", "phone number", "mobile", "msisdn", "number"]), Some(Channel::Sms)),
        ];
        let (address, usual) = found
            .into_iter()
            .find_map(|(column, usual)| Some((column?, usual)))
            .ok_or_else(|| Error::invalid("file", "no_address", "The file needs a column “address”."))?;
        Ok(Self {
            address,
            usual,
            channel: at(&["channel"]),
            reason: at(&["reason"]),
            note: at(&["note", "notes"]),
        })
    }
}

struct Good {
    address: Address,
    reason: Reason,
    note: String,
}

fn read_row(row: &Row, columns: &Columns, country: &Country) -> Result<Good, String> {
    let cell =
        |column: Option<usize>| column.and_then(|column| row.cells.get(column)).map_or("", String::as_str);
    let typed = cell(Some(columns.address));
    let channel = match cell(columns.channel).trim() {
        "" => columns.usual.unwrap_or(if typed.contains('@') { Channel::Email } else { Channel::Sms }),
        text => text.to_lowercase().parse().map_err(|wrong: crate::types::Wrong| wrong.detail)?,
    };
    let address = Address::parse(channel, typed, country).map_err(|wrong| wrong.detail)?;
    let reason = match cell(columns.reason).trim() {
        "" => Reason::Manual,
        text => Reason::parse(&text.to_lowercase()).map_err(|wrong| format!("Reason: {}", wrong.detail))?,
    };
    let note =
        optional_text(cell(columns.note), NOTE_MAX).map_err(|wrong| format!("Note: {}", wrong.detail))?;
    Ok(Good { address, reason, note: note.unwrap_or_default() })
}

/// Adds what the file holds. Wrong rows are told, the others are added.
pub async fn import(db: &Db, by: &By, file: FileBody) -> Result<Imported> {
    let country = rules::country_of(&by.tenant)?;
    let name = file.file_name.clone();
    let (good, mut done) = tokio::task::spawn_blocking(move || {
        let Table { header, rows } = sheets::read(&file.file_name, &file.content)?;
        let columns = Columns::of(&header)?;
        let mut done = Imported { rows: i64::try_from(rows.len()).internal()?, ..Imported::default() };
        let mut good = Vec::new();
        for row in rows {
            match read_row(&row, &columns, &country) {
                Ok(one) => good.push(one),
                Err(detail) => {
                    done.failed += 1;
                    if done.errors.len() < ERRORS_SHOWN {
                        done.errors.push(RowProblem { row: row.line, detail });
                    }
                }
            }
        }
        Ok::<_, Error>((good, done))
    })
    .await
    .internal()??;
    let added = db
        .in_tenant_for(&by.tenant, AT_MOST, async |tx| {
            let mut added = 0_usize;
            for chunk in good.chunks(CHUNK) {
                let new: Vec<New<'_>> = chunk.iter().map(new_of).collect();
                added += store::insert_many(tx, &new).await?.len();
            }
            let told = Event {
                action: "suppression.imported",
                object_type: OBJECT,
                object_id: None,
                object_label: &name,
                before: None,
                after: Some(json!({ "rows": done.rows, "added": added, "failed": done.failed })),
            };
            by.record(tx, told).await?;
            Ok(added)
        })
        .await?;
    done.added = i64::try_from(added).internal()?;
    done.known = done.rows - done.failed - done.added;
    Ok(done)
}

fn new_of(one: &Good) -> New<'_> {
    New {
        channel: one.address.channel(),
        address: one.address.as_str(),
        reason: one.reason,
        source: Source::Import,
        note: &one.note,
        delivery: None,
    }
}
