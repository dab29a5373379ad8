//! Lines and texts that people type.

use super::Wrong;
use crate::words::say;

/// One line: trimmed, not empty, at most `max` characters, no control characters.
pub fn line(text: &str, max: usize) -> Result<String, Wrong> {
    optional_line(text, max)?.ok_or_else(|| Wrong::new("required", "This is needed."))
}

/// One line, or nothing.
pub fn optional_line(text: &str, max: usize) -> Result<Option<String>, Wrong> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(Wrong::new(
            "control_characters",
            "Line breaks and control characters are not allowed here.",
        ));
    }
    bounded(text, max)
}

/// Several lines, or nothing. Line ends become `\n`.
pub fn optional_text(text: &str, max: usize) -> Result<Option<String>, Wrong> {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(Wrong::new("control_characters", "Control characters are not allowed here."));
    }
    bounded(text, max)
}

fn bounded(text: &str, max: usize) -> Result<Option<String>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.chars().count() > max {
        return Err(Wrong::new("too_long", say!("At most {} characters.", max)));
    }
    Ok(Some(text.to_owned()))
}
