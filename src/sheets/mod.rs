//! Tables as files: what people upload (CSV, XLSX) read into rows of text, and rows written for them to download.
//!
//! This room knows bytes and cells, never what a column means. Both directions are CPU work without I/O worth
//! awaiting: from a request or a job call them inside `spawn_blocking`.
//!
//! One escape is shared by both directions, so that a download can be uploaded again unchanged: see [`guard`].

mod guard;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use self::{
    read::{MAX_BYTES, Row, Table, Written, read, written},
    write::{Bom, Cell, CsvWriter, XlsxWriter, csv, xlsx},
};
