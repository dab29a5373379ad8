//! Text with delimiters into rows.
//!
//! The parser is our own because the files are: it counts lines as an editor does (blank lines, quoted new lines and
//! lone carriage returns included), so that a message names the line a person will find; it takes a stray quote in the
//! middle of a cell as a quote; it says where a quote was never closed instead of swallowing the rest of the file; and
//! it refuses a row of a million delimiters before it allocates a million cells.

use super::{
    MAX_COLUMNS, Row, Table,
    gather::{Gather, check_length, is_blank, title_lines, too_many_columns},
    refuse,
};
use crate::error::Result;
use crate::words::say;

/// What separates cells in the wild, in the order in which ties are broken.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// How many rows the choice of the delimiter looks at.
const SAMPLE_ROWS: usize = 100;

pub(super) fn read(text: &str) -> Result<Table> {
    let text = text.trim_end_matches('\u{1a}');
    let (delimiter, start) = delimiter_of(text);
    let mut records = Records { text, at: start, line: if start > 0 { 2 } else { 1 }, delimiter };
    let mut table = Gather::default();
    while let Some(row) = records.next_row()? {
        table.push(row.line, row.cells)?;
    }
    table.finish()
}

/// What parts the cells of this text, as people call it.
pub(super) fn name(text: &str) -> &'static str {
    match delimiter_of(text.trim_end_matches('\u{1a}')).0 {
        b';' => "semicolons",
        b'\t' => "tabs",
        b'|' => "vertical bars",
        _ => "commas",
    }
}

/// The delimiter, and where the table begins.
fn delimiter_of(text: &str) -> (u8, usize) {
    let (named, start) = named_delimiter(text);
    (named.unwrap_or_else(|| sniff(text)), start)
}

/// Excel writes `sep=;` as the first line of a file for other countries. Answers where the table begins, too.
fn named_delimiter(text: &str) -> (Option<u8>, usize) {
    let line = text.split(['\r', '\n']).next().unwrap_or("");
    let delimiter = match line.as_bytes() {
        [s, e, p, b'=', delimiter] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => *delimiter,
        _ => return (None, 0),
    };
    let rest = text.get(line.len()..).unwrap_or("");
    let end = if rest.starts_with("\r\n") { 2 } else { usize::from(!rest.is_empty()) };
    (DELIMITERS.contains(&delimiter).then_some(delimiter), line.len() + end)
}

/// The delimiter under which most rows have as many cells as the header, and the more cells the better. Only when none
/// convinces does it look below title lines: a comma inside addresses must not turn a header line into a title.
fn sniff(text: &str) -> u8 {
    let samples: Vec<(u8, Vec<Row>)> =
        DELIMITERS.iter().filter_map(|d| Some((*d, sample(text, *d)?))).collect();
    let best = |below_titles: bool| {
        let scored = samples.iter().filter_map(|(delimiter, rows)| {
            let skip = if below_titles { title_lines(rows) } else { 0 };
            Some((*delimiter, score(rows.get(skip..)?)?))
        });
        scored.reduce(|best, next| if next.1.1 > best.1.1 { next } else { best })
    };
    let first = best(false);
    let second = || best(true);
    let chosen = first.filter(|(_, (agreeing, _))| *agreeing >= 0.5).or_else(second).or(first);
    chosen.map_or(b',', |(delimiter, _)| delimiter)
}

fn sample(text: &str, delimiter: u8) -> Option<Vec<Row>> {
    let mut records = Records { text, at: 0, line: 1, delimiter };
    let mut rows = Vec::new();
    while rows.len() < SAMPLE_ROWS {
        let Some(row) = records.next_row().ok()? else { break };
        if row.cells.iter().any(|cell| !is_blank(cell)) {
            rows.push(row);
        }
    }
    Some(rows)
}

/// The share of rows as wide as the header, and that share weighted by the width. None for a single column.
#[expect(clippy::cast_precision_loss, reason = "counts of at most a hundred")]
fn score(rows: &[Row]) -> Option<(f64, f64)> {
    let (header, rows) = rows.split_first()?;
    let width = header.cells.len();
    if width < 2 {
        return None;
    }
    let agreeing = rows.iter().filter(|row| row.cells.len() == width).count();
    let share = if rows.is_empty() { 1.0 } else { agreeing as f64 / rows.len() as f64 };
    Some((share, (share + 0.1) * width as f64))
}

/// Walks a text row by row.
struct Records<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    delimiter: u8,
}

enum After {
    Cell,
    Row,
}

impl<'a> Records<'a> {
    fn next_row(&mut self) -> Result<Option<Row>> {
        if self.at >= self.text.len() {
            return Ok(None);
        }
        let line = self.line;
        let mut cells = Vec::new();
        loop {
            let cell = self.next_cell(line, cells.len())?;
            if cells.len() < MAX_COLUMNS {
                check_length(line, cells.len(), &cell)?;
                cells.push(cell);
            } else if !is_blank(&cell) {
                return Err(too_many_columns(line));
            }
            if matches!(self.step(), After::Row) {
                return Ok(Some(Row { line, cells }));
            }
        }
    }

    /// One cell; stops at the delimiter or line end behind it.
    fn next_cell(&mut self, line: u32, index: usize) -> Result<String> {
        let rest = self.rest();
        let padding = rest.len() - rest.trim_start_matches(' ').len();
        if rest.as_bytes().get(padding) != Some(&b'"') {
            return Ok(self.plain().to_owned());
        }
        self.at += padding + 1;
        let opened = self.line;
        let mut cell = String::new();
        loop {
            let rest = self.rest();
            let Some(quote) = rest.find('"') else {
                check_length(line, index, rest)?;
                let detail = say!("The quote that opens on line {} is never closed.", opened);
                return Err(refuse("unclosed_quote", detail));
            };
            let (inside, behind) = (rest.get(..quote).unwrap_or(""), rest.get(quote + 1..).unwrap_or(""));
            cell.push_str(inside);
            check_length(line, index, &cell)?;
            self.line = self.line.saturating_add(line_ends(inside));
            self.at += quote + 1;
            if !behind.starts_with('"') {
                break;
            }
            cell.push('"');
            self.at += 1;
        }
        // Text behind a closing quote ("Sari-sari" Store) belongs to the cell; mere spaces do not.
        let tail = self.plain();
        if !is_blank(tail) {
            cell.push_str(tail);
        }
        Ok(cell)
    }

    fn plain(&mut self) -> &'a str {
        let rest = self.rest();
        let delimiter = self.delimiter;
        let end = rest.bytes().position(|b| b == delimiter || b == b'\n' || b == b'\r').unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or("")
    }

    /// Over the delimiter or the line end.
    fn step(&mut self) -> After {
        let rest = self.rest().as_bytes();
        if rest.first() == Some(&self.delimiter) {
            self.at += 1;
            return After::Cell;
        }
        self.at += if rest.starts_with(b"\r\n") { 2 } else { 1 };
        self.line = self.line.saturating_add(1);
        After::Row
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }
}

fn line_ends(text: &str) -> u32 {
    let following = text.bytes().skip(1).chain([0]);
    let ends = text.bytes().zip(following).filter(|pair| matches!(pair, (b'\n', _)) || is_lone_return(*pair));
    u32::try_from(ends.count()).unwrap_or(u32::MAX)
}

fn is_lone_return((byte, next): (u8, u8)) -> bool {
    byte == b'\r' && next != b'\n'
}
