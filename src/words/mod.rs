//! The program's words in the languages that people read it in.
//!
//! The source is in English, and an English text is its own key in `translations/<code>.json`. Templates are translated as a whole
//! before they are parsed ([`translate`]); words of the code are said by [`fn@say`] and [`macro@say`]. What people typed, what is stored
//! and what the API answers is never translated.

mod catalogue;
mod language;
mod reader;
mod template;

pub use catalogue::{Catalogue, fill};
pub use language::Language;
pub use reader::{
    Reader, in_english, locale, now_in_english, now_read_by, read_as, reader_language, reader_zone, said,
    say, say_again,
};
pub use template::translate;

/// A sentence with values, in the reader's language: `say!("{} of {}", done, all)`.
macro_rules! say_it {
    ($text:literal $(, $value:expr)* $(,)?) => {
        match $crate::words::said($text) {
            Some(words) => $crate::words::fill(words, &[$($value.to_string()),*]),
            None => format!($text, $($value),*),
        }
    };
}
pub(crate) use say_it as say;

#[cfg(test)]
mod tests;
