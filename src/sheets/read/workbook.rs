//! An XLSX workbook into rows: the first visible sheet that has any.
//!
//! The file is hostile until shown otherwise. It is unpacked once without keeping anything, to count what it really
//! holds; then calamine streams its cells. Its dense `Range` is never used: two cells in opposite corners of a sheet
//! would make it allocate the sheet.

use std::{
    io::{Cursor, Read as _},
    panic::{AssertUnwindSafe, catch_unwind},
};

use calamine::{DataRef, ExcelDateTime, Reader as _, Sheet, SheetType, SheetVisible, Xlsx};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use zip::ZipArchive;

use super::{
    MAX_COLUMNS, MAX_UNPACKED_BYTES, Table,
    gather::{Gather, check_length, is_blank, too_many_columns},
    refuse, shown,
};
use crate::error::{Error, Result};
use crate::words::say;

/// Entries of the archive; a workbook has a few dozen.
const MAX_ENTRIES: usize = 2_000;
/// Elements in the list of shared texts: at least four for each text.
const MAX_SHARED_TAGS: usize = 8_000_000;
/// Texts that the list may announce; the reader makes room for them before it sees one.
const MAX_SHARED_TEXTS: u64 = 2_000_000;
/// A spreadsheet shows this many significant digits; beyond them a float is noise (0.30000000000000004).
const DIGITS: usize = 15;

type Book<'a> = Xlsx<Cursor<&'a [u8]>>;

pub(super) fn read(file_name: &str, bytes: &[u8]) -> Result<Table> {
    // calamine computes and unwraps on what the file says (a dimension that ends before it begins), so a crafted file
    // can make it panic. That is the file's fault and must be told as such. Nothing outlives the closure.
    catch_unwind(AssertUnwindSafe(|| {
        weigh(file_name, bytes)?;
        read_sheets(file_name, bytes)
    }))
    .unwrap_or_else(|_| Err(unreadable(file_name)))
}

fn unreadable(file_name: &str) -> Error {
    let name = shown(file_name);
    refuse(
        "unreadable",
        say!("{} is damaged: open it in Excel or LibreOffice, save it again, upload that.", name),
    )
}

fn unpacks_too_large(file_name: &str) -> Error {
    let limit = MAX_UNPACKED_BYTES / 1024 / 1024;
    refuse("unpacks_too_large", say!("{} unpacks to more than {} MiB.", shown(file_name), limit))
}

/// Unpacks every entry into nothing and counts. What the entries declare is not believed.
fn weigh(file_name: &str, bytes: &[u8]) -> Result<()> {
    // The archive reader allocates for each directory record, so they are counted before it runs.
    if bytes.windows(4).filter(|four| four == b"PK\x01\x02").count() > MAX_ENTRIES {
        return Err(unreadable(file_name));
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_lost| unreadable(file_name))?;
    let is_workbook =
        archive.file_names().flatten().any(|name| name.to_ascii_lowercase().ends_with("workbook.xml"));
    if !is_workbook {
        let detail = say!("{} is not an Excel workbook. Save it as .xlsx or .csv.", shown(file_name));
        return Err(refuse("unsupported_format", detail));
    }
    let mut total = 0u64;
    let mut buffer = vec![0; 64 * 1024];
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|_lost| unreadable(file_name))?;
        let mut shared = entry
            .name()
            .is_ok_and(|name| name.to_ascii_lowercase().ends_with("sharedstrings.xml"))
            .then(SharedTexts::default);
        loop {
            let read = entry.read(&mut buffer).map_err(|_lost| unreadable(file_name))?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
            total += chunk.len() as u64;
            if total > MAX_UNPACKED_BYTES {
                return Err(unpacks_too_large(file_name));
            }
            if shared.as_mut().is_some_and(|texts| !texts.accept(chunk)) {
                return Err(unpacks_too_large(file_name));
            }
        }
    }
    Ok(())
}

/// Watches the list of shared texts go by. calamine makes room for as many as the attribute `uniqueCount` announces;
/// a made-up number there would end the whole process, as a failed allocation cannot be caught.
#[derive(Default)]
struct SharedTexts {
    tags: usize,
    /// How far the attribute's name has been matched.
    matched: usize,
    number: u64,
}

impl SharedTexts {
    fn accept(&mut self, chunk: &[u8]) -> bool {
        const NAME: &[u8] = b"uniqueCount";
        for byte in chunk {
            match byte {
                // Neither occurs in UTF-8 XML; encodings that need them (UTF-16, ISO-2022) could hide the attribute.
                0 | 0x1B => return false,
                b'<' => {
                    self.tags += 1;
                    self.matched = 0;
                }
                _ if self.matched < NAME.len() => {
                    self.matched = match NAME.get(self.matched) {
                        Some(expected) if expected == byte => self.matched + 1,
                        _ => usize::from(*byte == b'u'),
                    };
                    self.number = 0;
                }
                b'0'..=b'9' => {
                    self.number = self.number.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                }
                b'=' | b'"' | b'\'' | b'+' | b' ' | b'\t' | b'\r' | b'\n' if self.number == 0 => {}
                _ => self.matched = 0,
            }
            if self.number > MAX_SHARED_TEXTS || self.tags > MAX_SHARED_TAGS {
                return false;
            }
        }
        true
    }
}

fn read_sheets(file_name: &str, bytes: &[u8]) -> Result<Table> {
    let mut book: Book<'_> = Xlsx::new(Cursor::new(bytes)).map_err(|_lost| unreadable(file_name))?;
    let is_table =
        |sheet: &&Sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible;
    let names: Vec<String> = book.sheets_metadata().iter().filter(is_table).map(|s| s.name.clone()).collect();
    for name in names {
        let rows = read_sheet(file_name, &mut book, &name)?;
        if !rows.is_empty() {
            return rows.finish();
        }
    }
    Gather::default().finish()
}

fn read_sheet(file_name: &str, book: &mut Book<'_>, sheet: &str) -> Result<Gather> {
    let mut cells = book.worksheet_cells_reader(sheet).map_err(|_lost| unreadable(file_name))?;
    let mut table = Gather::default();
    let mut row = Vec::new();
    let mut line = 0;
    while let Some(cell) = cells.next_cell().map_err(|_lost| unreadable(file_name))? {
        let (at_row, at_column) = cell.get_position();
        let at_line = at_row.saturating_add(1);
        if at_line != line {
            table.push(line, std::mem::take(&mut row))?;
            line = at_line;
        }
        let index = usize::try_from(at_column).unwrap_or(usize::MAX);
        // Before it becomes a text of its own: the same long text may stand in every cell.
        if let DataRef::SharedString(text) = cell.get_value() {
            check_length(line, index, text)?;
        }
        let text = as_text(cell.get_value());
        if is_blank(&text) {
            continue;
        }
        if index >= MAX_COLUMNS {
            return Err(too_many_columns(line));
        }
        if row.len() <= index {
            row.resize(index + 1, String::new());
        }
        if let Some(slot) = row.get_mut(index) {
            *slot = text;
        }
    }
    table.push(line, row)?;
    Ok(table)
}

/// A cell as a person would type it. An error value stays visible (`#REF!`), so that its row is refused by name.
fn as_text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::String(text) | DataRef::DurationIso(text) => without_nul(text),
        DataRef::SharedString(text) => without_nul(text),
        DataRef::Bool(truth) => truth.to_string(),
        DataRef::DateTime(moment) => moment_text(*moment),
        DataRef::DateTimeIso(text) => iso_text(text),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

/// The database has no NUL in text.
fn without_nul(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').collect()
}

/// Without exponent, without `.0`, with the digits a spreadsheet shows.
fn number_text(number: f64) -> String {
    let rounded = format!("{number:.*e}", DIGITS - 1).parse().unwrap_or(number);
    if rounded == 0.0 { "0".into() } else { format!("{rounded}") }
}

fn moment_text(moment: ExcelDateTime) -> String {
    let serial = moment.as_f64();
    if moment.is_duration() {
        return duration_text(serial);
    }
    if !(0.0..2_958_466.0).contains(&serial) {
        return number_text(serial);
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    match (serial < 1.0, time == "00:00:00") {
        (true, _) => time,
        (false, true) => date,
        (false, false) => format!("{date} {time}"),
    }
}

/// Hours may pass 24: `[h]:mm:ss`.
fn duration_text(days: f64) -> String {
    let sign = if days < 0.0 { "-" } else { "" };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is not negative"
    )]
    let seconds = (days.abs() * 86_400.0).round() as u64;
    format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Strict workbooks write dates as ISO 8601 text.
fn iso_text(text: &str) -> String {
    let plain = text.trim();
    let moment = NaiveDateTime::parse_from_str(plain, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| DateTime::parse_from_rfc3339(plain).map(|instant| instant.naive_local()))
        .or_else(|_| NaiveDate::parse_from_str(plain, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::MIN)));
    match moment {
        Ok(moment) if moment.time() == NaiveTime::MIN => moment.format("%Y-%m-%d").to_string(),
        Ok(moment) => moment.format("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => without_nul(plain),
    }
}
