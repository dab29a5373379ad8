//! For whom a page is being made: in which language they read, and in which zone they are shown times.

use std::{cell::Cell, future::Future};

use chrono::Locale;
use chrono_tz::Tz;

use super::{Language, catalogue::Catalogue};

tokio::task_local! {
    static READER: Cell<Reader>;
}

/// Whoever reads a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reader {
    /// Where it is not the tenant's.
    pub zone: Option<Tz>,
    pub language: Language,
}

/// Makes a page for somebody. What is made outside of it, an API's answer or a job's work, is in English and in the tenant's zone.
pub async fn read_as<F: Future>(reader: Reader, page: F) -> F::Output {
    READER.scope(Cell::new(reader), page).await
}

/// From here on the page is for somebody who is known by now. Nothing where no page is being made.
pub fn now_read_by(reader: Reader) {
    // Outside of a page nobody reads.
    let _no_page = READER.try_with(|now| now.set(reader));
}

/// A file goes on to others and into other programs: from here on all is in English.
pub fn now_in_english() {
    now_read_by(Reader { language: Language::English, ..reader() });
}

fn reader() -> Reader {
    READER.try_with(Cell::get).unwrap_or_default()
}

/// In which zone whoever reads this page is shown times: their own, or else the tenant's. For showing alone; what is computed,
/// a day above all, is the tenant's.
pub fn reader_zone(tenants: Tz) -> Tz {
    reader().zone.unwrap_or(tenants)
}

/// In which language this page is being made.
pub fn reader_language() -> Language {
    reader().language
}

/// The same for chrono's formats: `%B` becomes the month in the reader's language.
pub fn locale() -> Locale {
    match reader_language() {
        Language::English => Locale::POSIX,
        Language::French => Locale::fr_FR,
    }
}

/// The program's own words in the reader's language; English where the catalogue has none.
pub fn say(english: &'static str) -> &'static str {
    said(english).unwrap_or(english)
}

/// The same for words that are known at run time only to be the program's own: an error's sentence.
pub fn say_again(english: String) -> String {
    said(&english).map_or(english, str::to_owned)
}

/// For what is kept, and read by others later: it is in English whoever made it.
pub fn in_english<T>(made: impl FnOnce() -> T) -> T {
    let reader = Reader { language: Language::English, ..reader() };
    READER.sync_scope(Cell::new(reader), made)
}

/// The reader's words for an English text; None where they read English, or the catalogue has none.
pub fn said(english: &str) -> Option<&'static str> {
    Catalogue::of(reader_language())?.get(english)
}
