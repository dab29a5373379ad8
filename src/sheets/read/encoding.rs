//! Bytes of a text file into text.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// The detector sees at most this much of the lines that are not plain ASCII; more does not change its mind.
const SAMPLE_BYTES: usize = 256 * 1024;

/// The text in these bytes, without its byte order mark; None when they are not text.
pub(super) fn decode(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let bytes = unmarked(bytes);
    let text = encoding_of(bytes).decode_with_bom_removal(bytes).0;
    is_text(&text).then_some(text)
}

/// What these bytes are written in, as people call it.
pub(super) fn name(bytes: &[u8]) -> &'static str {
    match encoding_of(unmarked(bytes)) {
        encoding if encoding == WINDOWS_1252 => "Latin-1",
        encoding => encoding.name(),
    }
}

/// A mark is no promise: a file whose rows were pasted from another program can carry it above Latin-1.
fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

fn encoding_of(bytes: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        encoding
    } else if let Some(encoding) = unmarked_utf16(bytes) {
        encoding
    } else if std::str::from_utf8(bytes).is_ok() {
        UTF_8
    } else {
        guess(bytes)
    }
}

/// UTF-16 without a mark shows itself by a zero in every other byte of its ASCII characters.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let (pairs, _) = bytes.get(..bytes.len().min(1024))?.as_chunks::<2>();
    let share =
        |zero: fn(&[u8; 2]) -> bool| pairs.iter().filter(|pair| zero(pair)).count() * 10 > pairs.len() * 7;
    if share(|[low, high]| *high == 0 && *low != 0) {
        Some(UTF_16LE)
    } else if share(|[high, low]| *high == 0 && *low != 0) {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// The 8-bit encoding. Detection needs evidence: in a list of names where one letter in a hundred is not ASCII it
/// would be a throw of dice between a dozen alphabets, and there the answer is Windows-1252, which holds Latin-1 and
/// all that Spanish, Filipino and English names need.
fn guess(bytes: &[u8]) -> &'static Encoding {
    let foreign: Vec<&[u8]> = bytes.split(|b| *b == b'\n').filter(|line| !line.is_ascii()).collect();
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let (mut seen, mut high) = (0, 0);
    for line in foreign {
        let line = line.get(..line.len().min(SAMPLE_BYTES - seen)).unwrap_or(line);
        detector.feed(line, false);
        seen += line.len();
        high += line.iter().filter(|b| !b.is_ascii()).count();
        if seen >= SAMPLE_BYTES {
            break;
        }
    }
    detector.feed(b"\n", true);
    if high * 5 < seen { WINDOWS_1252 } else { not_utf8(detector.guess(None, Utf8Detection::Deny)) }
}

/// The detector never answers UTF-8 when that is denied; kept explicit because decoding broken UTF-8 as UTF-8 would
/// replace letters silently.
fn not_utf8(encoding: &'static Encoding) -> &'static Encoding {
    if encoding == UTF_8 { WINDOWS_1252 } else { encoding }
}

/// Text has no NUL and next to no other control characters.
fn is_text(text: &str) -> bool {
    let odd =
        |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1a}');
    !text.contains('\0') && text.chars().filter(|c| odd(*c)).count() * 50 <= text.len()
}
