//! Formula neutralisation: a spreadsheet program runs a CSV cell that begins with `= + - @`, a tab or a carriage
//! return as a formula. A leading apostrophe makes it text.
//!
//! The rules, chosen so that writing and reading are inverse:
//! - A plain number (`-12.5`, `+3`) and an international phone number (`+63 917 555 0123`: a plus, then digits and
//!   single spaces) stay as they are. They hold no operator, name or reference, so there is nothing to run. A number
//!   with hyphens or brackets after the sign (`+63-917-...`) would be computed by Excel and is guarded.
//! - A text that already begins with apostrophes before such a character gets one more.
//! - The reader takes exactly one apostrophe off wherever the writer would have put one on. That also reads the
//!   habit of typing `'+63917...` or `'-` into a cell to keep it text.

use std::borrow::Cow;

/// What goes into a CSV cell for this text.
pub(super) fn guard(text: &str) -> Cow<'_, str> {
    let bare = text.trim_start_matches('\'');
    let needs = begins_like_a_formula(bare) && (bare.len() < text.len() || !is_plain(bare));
    if needs { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// What goes into an XLSX cell: strings are strings there, so only a text that the reader would shorten is guarded.
pub(super) fn guard_typed(text: &str) -> Cow<'_, str> {
    if text.starts_with('\'') { guard(text) } else { Cow::Borrowed(text) }
}

/// Undoes [`guard`] and [`guard_typed`].
pub(super) fn unguard(text: String) -> String {
    match text.strip_prefix('\'') {
        Some(rest) if begins_like_a_formula(rest.trim_start_matches('\'')) => rest.to_owned(),
        _ => text,
    }
}

fn begins_like_a_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

fn is_plain(text: &str) -> bool {
    is_number(text) || is_phone(text)
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    all_digits(whole) && all_digits(fraction)
}

fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|groups| groups.split(' ').all(all_digits))
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
