//! An uploaded file into a table of text, whatever program wrote it.
//!
//! The content decides what a file is; its name only appears in messages. Every limit is a constant below and every
//! refusal is an `Error::Invalid` on the field `file` with one of these codes: `too_large`, `empty`,
//! `unsupported_format`, `not_text`, `unreadable`, `unpacks_too_large`, `too_many_rows`, `too_many_columns`,
//! `too_many_cells`, `too_much_text`, `cell_too_long`, `unclosed_quote`.

mod delimited;
mod encoding;
mod gather;
mod workbook;

use crate::error::{Error, Result};
use crate::words::say;

/// Bytes of the file as uploaded.
pub const MAX_BYTES: usize = 20 * 1024 * 1024;
/// Rows with something in them, the header not counted.
pub const MAX_ROWS: usize = 50_000;
/// Columns with something in them.
pub const MAX_COLUMNS: usize = 100;
/// Cells of the whole table: what 50,000 rows of 40 columns hold.
pub const MAX_CELLS: usize = 2_000_000;
/// Characters in one cell.
pub const MAX_CELL_CHARS: usize = 10_000;
/// Bytes of text in the whole table. An XLSX file can repeat one long text in every cell at no cost in size.
pub const MAX_TEXT_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of everything inside an XLSX file, unpacked; measured by unpacking, not by what the file says of itself.
pub const MAX_UNPACKED_BYTES: u64 = 200 * 1024 * 1024;

/// A file's rows under its header. Every row has as many cells as the header; blank rows, blank columns at the right
/// edge and title lines above the header are gone; a cell of nothing but spaces is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Trimmed. A column that has cells and no name is an empty string.
    pub header: Vec<String>,
    pub rows: Vec<Row>,
}

/// One row as text: numbers as Excel shows them unformatted (`9171234567`, `8.4542`), dates as `2026-11-21`,
/// instants as `2026-11-21 08:30:00`, truth as `true` and `false`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where the row begins in the file, from 1: a line of text, or a row of the sheet.
    pub line: u32,
    pub cells: Vec<String>,
}

/// Reads the table in an uploaded CSV or XLSX file. CPU work of up to a few seconds for the largest files.
pub fn read(file_name: &str, bytes: &[u8]) -> Result<Table> {
    if bytes.len() > MAX_BYTES {
        let limit = MAX_BYTES / 1024 / 1024;
        return Err(refuse("too_large", say!("{} is larger than {} MiB.", shown(file_name), limit)));
    }
    match format_of(bytes) {
        Format::Zip => workbook::read(file_name, bytes),
        Format::Foreign(what) => {
            let detail = say!("{} is {}. Save it as .xlsx or .csv and upload that.", shown(file_name), what);
            Err(refuse("unsupported_format", detail))
        }
        Format::Text => delimited::read(&encoding::decode(bytes).ok_or_else(|| {
            refuse("not_text", say!("{} is neither a text file nor an Excel workbook.", shown(file_name)))
        })?),
    }
}

/// How a file that [`read`] understands is written, in words for the person who uploaded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// `UTF-8`, `Latin-1`, `Excel workbook`.
    pub encoding: &'static str,
    /// `commas`; a workbook has none.
    pub delimiter: Option<&'static str>,
}

/// How this file is written. Cheap beside [`read`].
pub fn written(bytes: &[u8]) -> Written {
    match format_of(bytes) {
        Format::Zip => Written { encoding: "Excel workbook", delimiter: None },
        Format::Foreign(what) => Written { encoding: what, delimiter: None },
        Format::Text => Written {
            encoding: encoding::name(bytes),
            delimiter: encoding::decode(bytes).map(|text| delimited::name(&text)),
        },
    }
}

enum Format {
    Zip,
    Text,
    Foreign(&'static str),
}

/// What the first bytes say. HTML is asked for because many billing programs export a web page named `.xls`.
fn format_of(bytes: &[u8]) -> Format {
    const FOREIGN: &[(&[u8], &str)] = &[
        (b"\xD0\xCF\x11\xE0", "an old Excel (.xls) or a password-protected workbook"),
        (b"%PDF", "a PDF"),
        (b"\x89PNG", "a picture"),
        (b"\xFF\xD8\xFF", "a picture"),
        (b"GIF8", "a picture"),
        (b"\x1F\x8B", "a compressed file"),
        (b"7z\xBC\xAF", "a compressed file"),
        (b"Rar!", "a compressed file"),
        (b"{\\rtf", "a text document"),
    ];
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Format::Zip;
    }
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Format::Foreign(what);
    }
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let is_markup = |tag: &[u8]| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    let tags: [&[u8]; 5] = [b"<!doctype", b"<html", b"<table", b"<?xml", b"<meta"];
    if tags.into_iter().any(is_markup) { Format::Foreign("a web page or XML") } else { Format::Text }
}

fn refuse(code: &'static str, detail: impl Into<String>) -> Error {
    Error::invalid("file", code, detail)
}

/// A file's name fit for a message: short, on one line.
fn shown(file_name: &str) -> String {
    let name: String = file_name.chars().filter(|c| !c.is_control()).take(80).collect();
    if name.trim().is_empty() { "The file".into() } else { format!("“{}”", name.trim()) }
}

/// A column as a spreadsheet names it: A, B, ... Z, AA.
fn column_name(index: usize) -> String {
    let mut name = Vec::new();
    let mut rest = index + 1;
    while rest > 0 {
        rest -= 1;
        name.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or(0)));
        rest /= 26;
    }
    name.iter().rev().collect()
}
