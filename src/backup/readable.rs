//! A provider's data for people and other programs: every table as CSV and as JSON lines, the files, a manifest, and a page that says
//! what is what.
//!
//! JSON is exact. CSV is for spreadsheets: cells that would run as formulas are neutralised. What opens doors (passwords, keys,
//! sessions, credentials) is left out, by the names of columns and tables, and the manifest says so.

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    archive::Writer,
    tenant::{LEFT_BEHIND, count},
};
use crate::{
    error::{OrInternal, Result},
    sheets::{Bom, Cell, CsvWriter},
    tenancy::{self, Column, Reading, Registry, Table, Tenant},
    web::plain_name,
};

const FORMAT: u32 = 1;
/// What the program remembers only for a moment, or only to let people in.
const NOT_DATA: &[&str] = &[
    "delivery_queue",
    "passkey",
    "passkey_challenge",
    "recovery_code",
    "send_rate",
    "sso_attempt",
    "subscriber_link",
    "subscriber_session",
    "totp",
];
/// Parts of the names of columns that open doors.
const SECRET: &[&str] = &["sealed", "password", "secret", "_hash", "hook_id", "salt"];
const FILES: &str = "file";
const NAME_MAX_CHARS: usize = 100;

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct Written {
    pub slug: String,
    pub tables: usize,
    pub rows: u64,
    pub files: usize,
}

#[derive(Serialize)]
struct Manifest {
    format: u32,
    lastmile: &'static str,
    exported_at: DateTime<Utc>,
    provider: Provider,
    schema_version: i32,
    tables: Vec<TablePart>,
    files: Vec<FilePart>,
    left_out: LeftOut,
}

#[derive(Serialize)]
struct Provider {
    id: uuid::Uuid,
    slug: String,
    name: String,
    time_zone: String,
    currency: String,
}

#[derive(Serialize)]
struct Entry {
    path: String,
    bytes: u64,
    sha256: String,
}

#[derive(Serialize)]
struct TablePart {
    table: String,
    rows: u64,
    columns: Vec<Column>,
    csv: Entry,
    json: Entry,
}

#[derive(Serialize)]
struct FilePart {
    id: uuid::Uuid,
    /// As it was called; the path has a plain form of it.
    name: String,
    #[serde(flatten)]
    entry: Entry,
}

#[derive(Default, Serialize)]
struct LeftOut {
    tables: Vec<String>,
    /// `table.column`.
    columns: Vec<String>,
}

/// Writes a tenant's data, all of it as it was at one instant, while it is in use.
pub async fn export_readable(
    registry: &Registry,
    tenant: &Tenant,
    out: &Path,
    seen: super::Progress<'_>,
) -> Result<Written> {
    let mut writer = Writer::create(out)?;
    let manifest = tenancy::read_schema(registry.db(), tenant, None, async |reading| {
        let mut manifest = about(tenant, reading.version().await?);
        let tables = reading.tables().await?;
        for (done, table) in tables.iter().enumerate() {
            seen(done, tables.len());
            if is_no_data(table) {
                manifest.left_out.tables.push(table.name.clone());
                continue;
            }
            let part = write_table(reading, &mut writer, table, &mut manifest.left_out).await?;
            manifest.tables.push(part);
            if table.name == FILES {
                manifest.files = write_files(reading, &mut writer, table).await?;
            }
        }
        seen(tables.len(), tables.len());
        Ok(manifest)
    })
    .await?;
    entry(&mut writer, "README.txt".to_owned(), read_me(&manifest).into_bytes()).await?;
    writer.finish(&serde_json::to_vec_pretty(&manifest).internal()?, None)?;
    Ok(Written {
        slug: manifest.provider.slug,
        tables: manifest.tables.len(),
        rows: manifest.tables.iter().map(|part| part.rows).sum(),
        files: manifest.files.len(),
    })
}

fn is_no_data(table: &Table) -> bool {
    LEFT_BEHIND.contains(&table.name.as_str()) || NOT_DATA.contains(&table.name.as_str())
}

fn is_secret(column: &str) -> bool {
    SECRET.iter().any(|part| column.contains(part))
}

fn about(tenant: &Tenant, schema_version: i32) -> Manifest {
    Manifest {
        format: FORMAT,
        lastmile: env!("CARGO_PKG_VERSION"),
        exported_at: Utc::now(),
        provider: Provider {
            id: tenant.id().0,
            slug: tenant.slug.to_string(),
            name: tenant.name.clone(),
            time_zone: tenant.time_zone.0.to_string(),
            currency: tenant.currency.to_string(),
        },
        schema_version,
        tables: Vec::new(),
        files: Vec::new(),
        left_out: LeftOut::default(),
    }
}

async fn entry(writer: &mut Writer, path: String, content: Vec<u8>) -> Result<Entry> {
    let whole = stream::once(async { Ok::<_, crate::error::Error>(Bytes::from(content)) });
    let (bytes, sha256) = writer.part(&path, whole).await?;
    Ok(Entry { path, bytes, sha256 })
}

async fn write_table(
    reading: &Reading<'_>,
    writer: &mut Writer,
    table: &Table,
    left_out: &mut LeftOut,
) -> Result<TablePart> {
    // A file's bytes are a file of their own.
    let is_bytes = |column: &Column| table.name == FILES && column.name == "content";
    let (secret, columns): (Vec<Column>, Vec<Column>) =
        reading.columns(table).await?.into_iter().filter(|c| !is_bytes(c)).partition(|c| is_secret(&c.name));
    left_out.columns.extend(secret.iter().map(|column| format!("{}.{}", table.name, column.name)));
    let path = format!("json/{}.jsonl", table.name);
    let (bytes, sha256) = writer.part(&path, reading.json_out(table, &columns).await?).await?;
    let json = Entry { path, bytes, sha256 };
    let path = format!("csv/{}.csv", table.name);
    let (bytes, sha256) = writer.part(&path, csv(reading, table, &columns).await?).await?;
    let csv = Entry { path, bytes, sha256 };
    Ok(TablePart { table: table.name.clone(), rows: count(reading.count(table).await?), columns, csv, json })
}

/// The same rows once more, as lines of CSV.
async fn csv(
    reading: &Reading<'_>,
    table: &Table,
    columns: &[Column],
) -> Result<impl stream::Stream<Item = Result<Bytes>>> {
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let header: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut writer = CsvWriter::new(&header, Bom::With);
    let head = Bytes::from(writer.take());
    let rows = reading.json_out(table, columns).await?.map(move |line| {
        let line = line.internal()?;
        writer.row(&cells(&line, &names)?);
        Ok(Bytes::from(writer.take()))
    });
    Ok(stream::once(async { Ok(head) }).chain(rows))
}

/// The values of a JSON object in the order of these names. Numbers stay as PostgreSQL wrote them; what is nested stays JSON.
fn cells(line: &[u8], names: &[String]) -> Result<Vec<Cell>> {
    let row: BTreeMap<&str, &RawValue> = serde_json::from_slice(line).internal()?;
    names
        .iter()
        .map(|name| {
            Ok(match row.get(name.as_str()).map(|value| value.get()) {
                None | Some("null") => Cell::Empty,
                Some(text) if text.starts_with('"') => {
                    serde_json::from_str::<String>(text).internal()?.into()
                }
                Some(other) => other.into(),
            })
        })
        .collect()
}

async fn write_files(reading: &Reading<'_>, writer: &mut Writer, table: &Table) -> Result<Vec<FilePart>> {
    let mut parts = Vec::new();
    for (id, name) in reading.names(table).await? {
        let path = format!("files/{id}/{}", path_name(&name));
        let entry = entry(writer, path, reading.content(table, id).await?).await?;
        parts.push(FilePart { id, name, entry });
    }
    Ok(parts)
}

/// A name that leads nowhere else and that every file system takes.
fn path_name(name: &str) -> String {
    let plain: String = plain_name(name).chars().rev().take(NAME_MAX_CHARS).collect();
    let plain: String = plain.chars().rev().collect();
    let plain = plain.trim_start_matches('.');
    if plain.is_empty() { "file".to_owned() } else { plain.to_owned() }
}

fn read_me(manifest: &Manifest) -> String {
    let Provider { name, slug, time_zone, currency, .. } = &manifest.provider;
    format!(
        "The data of {name} ({slug}), as it was on {}.\r\n\r\n\
         csv/       one file for each table, for spreadsheets (UTF-8, commas, a header line)\r\n\
         json/      the same rows exactly: one JSON object on each line\r\n\
         files/     what was uploaded or made, by its id and name\r\n\
         manifest.json  which tables and columns there are, what refers to what, how many rows, and the SHA-256 of every entry\r\n\r\n\
         Times are in UTC; the provider's own time zone is {time_zone}, its currency {currency}. A column that refers to a table holds the\r\n\
         id of one of its rows. A cell of a CSV file that a spreadsheet would run as a formula begins with an apostrophe; JSON has it as it is.\r\n\r\n\
         What opens doors is left out: passwords, keys, credentials, sessions and links. The manifest lists it under left_out.\r\n\
         This file is for reading. To move to another deployment, take an archive.\r\n",
        manifest.exported_at.format("%Y-%m-%d %H:%M UTC")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_they_were_written_and_what_is_nested_stays_json() {
        let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
        let line = br#"{"a":"x\n\"y\"","b":1500.00,"c":null,"d":{"k":[1]},"e":true}"#;
        let read = cells(line, &names).unwrap();
        assert_eq!(
            read,
            ["x\n\"y\"".into(), "1500.00".into(), Cell::Empty, r#"{"k":[1]}"#.into(), "true".into()]
        );
        assert!(cells(b"{", &names).is_err());
    }

    #[test]
    fn a_file_s_name_leads_nowhere_else() {
        for (name, path) in [
            ("logo.png", "logo.png"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("C:\\x", "C__x"),
            ("", "file"),
            ("...", "file"),
            ("ñ.csv", "_.csv"),
        ] {
            assert_eq!(path_name(name), path, "{name}");
        }
        assert!(path_name(&format!("{}.pdf", "x".repeat(500))).ends_with("x.pdf"));
    }

    #[test]
    fn what_opens_doors_is_known_by_its_name() {
        for column in ["password_hash", "sealed", "sealed_before", "old_key_hash", "sealed_secret", "hook_id"]
        {
            assert!(is_secret(column), "{column}");
        }
        for column in ["first_name", "verification_code", "sha256", "permissions"] {
            assert!(!is_secret(column), "{column}");
        }
    }
}
