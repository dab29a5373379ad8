//! Rows of any origin become a [`Table`]: limits, blank rows, title lines, ragged rows.

use super::{
    MAX_CELL_CHARS, MAX_CELLS, MAX_COLUMNS, MAX_ROWS, MAX_TEXT_BYTES, Row, Table, column_name, refuse,
};
use crate::{
    error::{Error, Result},
    sheets::guard::unguard,
    words::say,
};

/// How many lines above the header may be titles ("Customers as of May").
const MAX_TITLE_LINES: usize = 10;

/// A table in the making. Refuses as soon as a limit is passed, before more is kept.
#[derive(Default)]
pub(super) struct Gather {
    rows: Vec<Row>,
    cells: usize,
    text_bytes: usize,
}

impl Gather {
    /// Adds one row as found; a blank one is skipped.
    pub(super) fn push(&mut self, line: u32, mut cells: Vec<String>) -> Result<()> {
        // First of all: a guarded cell may turn out to hold nothing but a tab.
        for cell in &mut cells {
            *cell = unguard(std::mem::take(cell));
        }
        let filled = cells.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
        if filled == 0 {
            return Ok(());
        }
        cells.truncate(filled);
        if filled > MAX_COLUMNS {
            return Err(too_many_columns(line));
        }
        for (index, cell) in cells.iter_mut().enumerate() {
            if is_blank(cell) {
                cell.clear();
                continue;
            }
            check_length(line, index, cell)?;
            self.text_bytes += cell.len();
        }
        self.cells += cells.len();
        self.rows.push(Row { line, cells });
        if self.rows.len() > MAX_ROWS + 1 + MAX_TITLE_LINES {
            return Err(too_many_rows());
        }
        if self.cells > MAX_CELLS {
            return Err(too_many_cells());
        }
        if self.text_bytes > MAX_TEXT_BYTES {
            let limit = MAX_TEXT_BYTES / 1024 / 1024;
            return Err(refuse("too_much_text", say!("The file holds more than {} MiB of text.", limit)));
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Finds the header, drops what stands above it, and gives every row the same width.
    pub(super) fn finish(self) -> Result<Table> {
        let titles = title_lines(&self.rows);
        let mut rows = self.rows.into_iter().skip(titles);
        let Some(first) = rows.next() else {
            return Err(refuse("empty", "The file has no rows."));
        };
        let mut rows: Vec<Row> = rows.collect();
        if rows.len() > MAX_ROWS {
            return Err(too_many_rows());
        }
        let width = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0).max(first.cells.len());
        if width.saturating_mul(rows.len()) > MAX_CELLS {
            return Err(too_many_cells());
        }
        for row in &mut rows {
            row.cells.resize(width, String::new());
        }
        let mut header: Vec<String> = first.cells.iter().map(|name| one_line(name)).collect();
        header.resize(width, String::new());
        Ok(Table { header, rows })
    }
}

/// Lines with a single filled cell above the first line that has several, near the top. A table of one column has
/// no such line and so no titles.
pub(super) fn title_lines(rows: &[Row]) -> usize {
    let filled = |row: &Row| row.cells.iter().filter(|cell| !is_blank(cell)).count();
    rows.iter().take(MAX_TITLE_LINES + 1).position(|row| filled(row) > 1).unwrap_or(0)
}

pub(super) fn is_blank(cell: &str) -> bool {
    cell.trim().is_empty()
}

pub(super) fn check_length(line: u32, index: usize, cell: &str) -> Result<()> {
    if cell.len() <= MAX_CELL_CHARS || cell.chars().count() <= MAX_CELL_CHARS {
        return Ok(());
    }
    let column = column_name(index);
    Err(refuse(
        "cell_too_long",
        say!(
            "Line {}, column {}: a cell may hold at most {} characters. \
             If the cell should be short, a closing quote is missing.",
            line,
            column,
            MAX_CELL_CHARS
        ),
    ))
}

pub(super) fn too_many_columns(line: u32) -> Error {
    refuse("too_many_columns", say!("Line {} has more than {} columns.", line, MAX_COLUMNS))
}

fn too_many_rows() -> Error {
    refuse("too_many_rows", say!("The file has more than {} rows. Split it into several files.", MAX_ROWS))
}

fn too_many_cells() -> Error {
    refuse(
        "too_many_cells",
        say!("The table has more than {} cells. Split it into several files.", MAX_CELLS),
    )
}

fn one_line(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}
