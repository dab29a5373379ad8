//! Rows into the bytes of a CSV or XLSX file.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet};

use super::guard::{guard, guard_typed};
use crate::error::{OrInternal, Result};

/// An XLSX cell holds at most this many UTF-16 units; a longer text is cut and ends in an ellipsis.
const XLSX_CELL_UNITS: usize = 32_767;
/// A spreadsheet number keeps this many significant digits; a longer decimal is written as text.
const XLSX_DIGITS: usize = 15;
/// Columns of one width: room for an e-mail address, narrow enough for a laptop.
const XLSX_COLUMN_WIDTH: f64 = 22.0;

/// One value of a row. Times have no zone: the caller turns an instant into the tenant's wall clock first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cell {
    Text(String),
    /// Money and coordinates; the scale is kept (`100.00` stays `100.00`).
    Number(Decimal),
    Date(NaiveDate),
    /// To the second. At midnight an XLSX reader cannot tell it from a date.
    DateTime(NaiveDateTime),
    #[default]
    Empty,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Decimal> for Cell {
    fn from(number: Decimal) -> Self {
        Self::Number(number)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}

impl From<NaiveDate> for Cell {
    fn from(date: NaiveDate) -> Self {
        Self::Date(date)
    }
}

impl From<NaiveDateTime> for Cell {
    fn from(moment: NaiveDateTime) -> Self {
        Self::DateTime(moment)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// Whether a CSV file begins with the UTF-8 byte order mark. Excel needs it to see UTF-8; programs rarely want it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bom {
    With,
    Without,
}

/// A CSV file (RFC 4180: commas, CRLF, quotes doubled), formula cells neutralised.
pub fn csv(header: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>, bom: Bom) -> Vec<u8> {
    let mut writer = CsvWriter::new(header, bom);
    for row in rows {
        writer.row(&row);
    }
    writer.take()
}

/// A CSV file in the making, for lists that are written page by page.
#[derive(Debug)]
pub struct CsvWriter {
    out: String,
}

impl CsvWriter {
    /// Begins a file with its header line.
    pub fn new(header: &[&str], bom: Bom) -> Self {
        let mut writer = Self { out: if bom == Bom::With { "\u{feff}".into() } else { String::new() } };
        writer.line(header.iter().map(|name| guard(name)));
        writer
    }

    /// Adds one row.
    pub fn row(&mut self, cells: &[Cell]) {
        self.line(cells.iter().map(|cell| match cell {
            Cell::Text(text) => guard(text),
            Cell::Number(number) => number.to_string().into(),
            Cell::Date(date) => date.format("%Y-%m-%d").to_string().into(),
            Cell::DateTime(moment) => moment.format("%Y-%m-%d %H:%M:%S").to_string().into(),
            Cell::Empty => "".into(),
        }));
    }

    /// The bytes written since the last call: one chunk of a streamed answer, or the whole file.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out).into_bytes()
    }

    fn line<'a>(&mut self, cells: impl Iterator<Item = std::borrow::Cow<'a, str>>) {
        for (i, cell) in cells.enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            if needs_quotes(&cell) {
                self.out.push('"');
                self.out.push_str(&cell.replace('"', "\"\""));
                self.out.push('"');
            } else {
                self.out.push_str(&cell);
            }
        }
        self.out.push_str("\r\n");
    }
}

/// More than RFC 4180 asks: every character that some program takes for a delimiter is quoted too, so that whoever
/// guesses the delimiter (our own reader does) guesses the comma; and outer spaces, which many programs trim.
fn needs_quotes(cell: &str) -> bool {
    cell.contains([',', ';', '\t', '|', '"', '\r', '\n'])
        || cell.starts_with(char::is_whitespace)
        || cell.ends_with(char::is_whitespace)
}

/// An XLSX file with one sheet: bold header, frozen; texts as texts, dates as dates.
pub fn xlsx(sheet: &str, header: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> Result<Vec<u8>> {
    let mut writer = XlsxWriter::new(sheet, header)?;
    for row in rows {
        writer.row(&row)?;
    }
    writer.finish()
}

/// An XLSX file in the making. Rows go to a temporary file at once, so memory stays flat however many there are.
pub struct XlsxWriter {
    book: Workbook,
    next_row: u32,
    date: Format,
    moment: Format,
    /// Number formats by scale: 0, 0.0, 0.00, ...
    scales: Vec<Format>,
}

impl XlsxWriter {
    /// Begins a file. `sheet` is the tab's name: at most 31 characters, none of `[]:*?/\`.
    pub fn new(sheet: &str, header: &[&str]) -> Result<Self> {
        let mut book = Workbook::new();
        let page = book.add_worksheet_with_constant_memory().internal()?;
        page.set_name(sheet).internal()?;
        page.set_freeze_panes(1, 0).internal()?;
        let bold = Format::new().set_bold();
        for (column, name) in (0u16..).zip(header) {
            page.set_column_width(column, XLSX_COLUMN_WIDTH).internal()?;
            page.write_string_with_format(0, column, fit(&guard_typed(name)), &bold).internal()?;
        }
        let scales = (0..=10).map(|scale| Format::new().set_num_format(number_format(scale))).collect();
        Ok(Self {
            book,
            next_row: 1,
            date: Format::new().set_num_format("yyyy-mm-dd"),
            moment: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            scales,
        })
    }

    /// Adds one row.
    pub fn row(&mut self, cells: &[Cell]) -> Result<()> {
        let Self { book, next_row, date, moment, scales } = self;
        let page = book.worksheet_from_index(0).internal()?;
        for (column, cell) in (0u16..).zip(cells) {
            let at = (*next_row, column);
            match cell {
                Cell::Text(text) => write_text(page, at, text)?,
                Cell::Number(number) => write_number(page, at, *number, scales)?,
                Cell::Date(day) => write_moment(page, at, day.and_time(NaiveTime::MIN), date, "%Y-%m-%d")?,
                Cell::DateTime(when) => write_moment(page, at, *when, moment, "%Y-%m-%d %H:%M:%S")?,
                Cell::Empty => {}
            }
        }
        *next_row += 1;
        Ok(())
    }

    /// The finished file.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.book.save_to_buffer().internal()
    }
}

fn write_text(page: &mut Worksheet, (row, column): (u32, u16), text: &str) -> Result<()> {
    if !text.is_empty() {
        page.write_string(row, column, fit(&guard_typed(text))).internal()?;
    }
    Ok(())
}

fn write_number(page: &mut Worksheet, at: (u32, u16), number: Decimal, scales: &[Format]) -> Result<()> {
    let exact = number.mantissa().unsigned_abs().to_string().len() <= XLSX_DIGITS;
    let format = usize::try_from(number.scale()).ok().and_then(|scale| scales.get(scale));
    match (number.to_f64(), format) {
        (Some(float), Some(format)) if exact => {
            page.write_number_with_format(at.0, at.1, float, format).internal()?;
            Ok(())
        }
        _ => write_text(page, at, &number.to_string()),
    }
}

/// Spreadsheets know no day before 1900; such a date is written as text.
fn write_moment(
    page: &mut Worksheet,
    at: (u32, u16),
    when: NaiveDateTime,
    format: &Format,
    as_text: &str,
) -> Result<()> {
    let serial = u16::try_from(when.year())
        .ok()
        .filter(|year| *year >= 1900)
        .and_then(|year| ExcelDateTime::from_ymd(year, small(when.month()), small(when.day())).ok())
        .and_then(|day| day.and_hms(small16(when.hour()), small(when.minute()), when.second()).ok());
    match serial {
        Some(serial) => {
            page.write_datetime_with_format(at.0, at.1, &serial, format).internal()?;
            Ok(())
        }
        None => write_text(page, at, &when.format(as_text).to_string()),
    }
}

/// Parts of a date always fit; a part that did not would be refused by the next step as out of range.
fn small(part: u32) -> u8 {
    u8::try_from(part).unwrap_or(u8::MAX)
}

fn small16(part: u32) -> u16 {
    u16::try_from(part).unwrap_or(u16::MAX)
}

fn number_format(scale: usize) -> String {
    if scale == 0 { "0".into() } else { format!("0.{}", "0".repeat(scale)) }
}

/// Cuts a text to what a spreadsheet cell can hold.
fn fit(text: &str) -> String {
    if text.len() <= XLSX_CELL_UNITS || text.encode_utf16().count() <= XLSX_CELL_UNITS {
        return text.to_owned();
    }
    let mut units = 1;
    let mut cut: String = text
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= XLSX_CELL_UNITS
        })
        .collect();
    cut.push('…');
    cut
}
