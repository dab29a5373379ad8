//! Recipients out of a file: a column for each channel's address, and what else there is for templates.

use std::time::Duration;

use poem_openapi::Object;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{List, keep};
use crate::{
    access::By,
    error::{Error, OrInternal, Result},
    messaging::{Address, Channel, Messaging, audience::Person, templates::is_name},
    sheets::{self, Row, Table},
    types::Country,
    web::file_body::FileBody,
    words::say,
};

pub(super) const CHUNK: usize = 5_000;
pub(super) const AT_MOST: Duration = Duration::from_secs(60);
/// So many wrong rows are told.
const ERRORS_TOLD: usize = 100;
const VALUE_CHARS_MAX: usize = 500;

/// Names of columns that hold an address, and of which channels it is one.
const ADDRESSES: &[(&[&str], &[Channel])] = &[
    (
        &["phone", "phone number", "mobile", "mobile number", "number", "msisdn", "sms"],
        &[Channel::Sms, Channel::Whatsapp],
    ),
    (&["whatsapp", "whatsapp number"], &[Channel::Whatsapp]),
    (&["email", "e-mail", "email address", "e-mail address", "mail"], &[Channel::Email]),
    (&["telegram", "telegram chat", "chat id"], &[Channel::Telegram]),
    (&["instagram", "instagram id"], &[Channel::Instagram]),
];

/// A row that nobody can be reached by.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "RecipientListError")]
pub struct RowProblem {
    /// Where it stands in the file, from 1.
    pub row: u32,
    pub detail: String,
}

/// What a file came to.
#[derive(Debug)]
pub struct Uploaded {
    pub list: List,
    pub failed: i32,
    /// The first hundred wrong rows.
    pub errors: Vec<RowProblem>,
}

/// What a column is.
enum Column {
    Address(&'static [Channel]),
    Name,
    Language,
    /// A variable of templates.
    Value(String),
    Nothing,
}

fn column(header: &str) -> Column {
    let name = header.trim().to_lowercase();
    if let Some((_, channels)) = ADDRESSES.iter().find(|(names, _)| names.contains(&name.as_str())) {
        return Column::Address(channels);
    }
    match name.as_str() {
        "name" | "full name" => return Column::Name,
        "language" | "lang" => return Column::Language,
        _ => {}
    }
    let variable: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let variable = variable.trim_matches('_').to_owned();
    if is_name(&variable) { Column::Value(variable) } else { Column::Nothing }
}

fn person(row: &Row, columns: &[Column], country: &Country) -> Result<Person, String> {
    let mut person = Person {
        contact: None,
        customer: None,
        name: String::new(),
        language: None,
        addresses: Vec::new(),
        context: Map::new(),
    };
    let mut wrong = None;
    for (column, cell) in columns.iter().zip(&row.cells) {
        let cell = cell.trim();
        if cell.is_empty() {
            continue;
        }
        match column {
            Column::Address(channels) => {
                for channel in *channels {
                    match Address::parse(*channel, cell, country) {
                        Ok(address) => person.addresses.push((*channel, address.as_str().to_owned())),
                        Err(odd) => wrong = wrong.or(Some(odd.detail)),
                    }
                }
            }
            Column::Name => person.name = cell.chars().take(200).collect(),
            Column::Language => person.language = Some(cell.chars().take(35).collect()),
            Column::Value(name) => {
                let value: String = cell.chars().take(VALUE_CHARS_MAX).collect();
                person.context.insert(name.clone(), Value::String(value));
            }
            Column::Nothing => {}
        }
    }
    if person.addresses.is_empty() {
        return Err(wrong.unwrap_or_else(|| say("There is no address in this row.").to_owned()));
    }
    let first = person.name.split_whitespace().next().unwrap_or_default().to_owned();
    for (name, value) in [("name", person.name.clone()), ("first_name", first)] {
        if !value.is_empty() {
            person.context.entry(name).or_insert(Value::String(value));
        }
    }
    Ok(person)
}

struct Read {
    people: Vec<Person>,
    failed: i32,
    errors: Vec<RowProblem>,
}

fn read(file: &FileBody, country: &Country) -> Result<Read> {
    let Table { header, rows } = sheets::read(&file.file_name, &file.content)?;
    let columns: Vec<Column> = header.iter().map(|name| column(name)).collect();
    if !columns.iter().any(|column| matches!(column, Column::Address(_))) {
        let detail = "The file needs a column “phone”, “email”, “whatsapp”, “telegram” or “instagram”.";
        return Err(Error::invalid("file", "no_address", detail));
    }
    let mut read = Read { people: Vec::with_capacity(rows.len()), failed: 0, errors: Vec::new() };
    for row in rows {
        match person(&row, &columns, country) {
            Ok(person) => read.people.push(person),
            Err(detail) => {
                read.failed += 1;
                if read.errors.len() < ERRORS_TOLD {
                    read.errors.push(RowProblem { row: row.line, detail });
                }
            }
        }
    }
    if read.people.is_empty() {
        let detail = read.errors.first().map_or_else(
            || say("There are no rows in it.").to_owned(),
            |wrong| say!("Nobody in it can be reached. Row {}: {}", wrong.row, wrong.detail),
        );
        return Err(Error::invalid("file", "nobody", detail));
    }
    Ok(read)
}

/// Keeps a file's rows as a list. Rows that nobody can be reached by are told, the others are kept.
pub async fn upload(messaging: &Messaging, by: &By, file: FileBody) -> Result<Uploaded> {
    let country =
        Country::parse(&by.tenant.country).map_err(|_odd| Error::internal("a tenant of no country"))?;
    let name = file.file_name.rsplit(['/', '\\']).next().unwrap_or_default().trim().to_owned();
    let name = if name.is_empty() { "List".to_owned() } else { name };
    let read = tokio::task::spawn_blocking(move || read(&file, &country)).await.internal()??;
    let list = keep(messaging, by, &name, &read.people).await?;
    Ok(Uploaded { list, failed: read.failed, errors: read.errors })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Result<Read> {
        let file: FileBody = FileBody::new("people.csv", text.as_bytes().to_vec());
        read(&file, &Country::parse("PH").unwrap())
    }

    #[test]
    fn columns_become_addresses_and_values() {
        let read =
            table("Name,Phone,E-mail,Amount Due\nAna Cruz,0917 123 4567,ana@example.com,1500\nBen,,,\n")
                .unwrap();
        let [ana] = read.people.as_slice() else { panic!("{}", read.people.len()) };
        assert_eq!(ana.addresses[0], (Channel::Sms, "+639171234567".to_owned()));
        assert_eq!(ana.addresses[2], (Channel::Email, "ana@example.com".to_owned()));
        assert_eq!(ana.context["amount_due"], "1500");
        assert_eq!(ana.context["first_name"], "Ana");
        assert_eq!((read.failed, read.errors[0].row), (1, 3));
    }

    #[test]
    fn a_file_without_an_address_is_refused() {
        let code = |text: &str| match table(text).err() {
            Some(Error::Invalid(wrong)) => wrong[0].code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code("Name,Town\nAna,Danao\n"), "no_address");
        assert_eq!(code("Phone\nnobody\n"), "nobody");
    }
}
