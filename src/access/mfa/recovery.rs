//! Codes for the day when the app is lost: ten, each of which counts once.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::{OrInternal, Result};

/// So many a person is given.
pub const CODES: usize = 10;
/// Of base32: fifty random bits.
const CHARS: usize = 10;

/// New codes, as they are shown once: `abcde-fghij`.
pub fn fresh() -> Vec<String> {
    (0..CODES)
        .map(|_| {
            let text = BASE32_NOPAD.encode(&rand::random::<[u8; 7]>()).to_ascii_lowercase();
            let (one, rest): (String, String) = (
                text.chars().take(CHARS / 2).collect(),
                text.chars().skip(CHARS / 2).take(CHARS / 2).collect(),
            );
            format!("{one}-{rest}")
        })
        .collect()
}

/// A code as it is hashed, whatever was typed for it: digits that look like letters are those letters.
fn bare(typed: &str) -> Option<String> {
    let bare: String = typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_lowercase() {
            '0' => 'o',
            '1' => 'l',
            other => other,
        })
        .collect();
    let is_one = bare.len() == CHARS && bare.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
    is_one.then_some(bare)
}

/// What is stored in a code's place; None for what is no code. Keyed with the secret of the app, which is stored sealed: with
/// the rows alone nobody can try codes.
pub fn hash_of(secret: &[u8], typed: &str) -> Result<Option<Vec<u8>>> {
    let Some(bare) = bare(typed) else { return Ok(None) };
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).internal()?;
    mac.update(b"recovery code:");
    mac.update(bare.as_bytes());
    Ok(Some(mac.finalize().into_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ten_codes_that_differ_and_can_be_typed_loosely() {
        let codes = fresh();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), CODES);
        for code in &codes {
            assert_eq!(code.len(), CHARS + 1, "{code}");
            let known = hash_of(b"secret", code).unwrap().unwrap();
            let loose = format!(" {} ", code.to_uppercase().replace('-', " "));
            assert_eq!(hash_of(b"secret", &loose).unwrap().unwrap(), known, "{loose}");
            assert_ne!(hash_of(b"another", code).unwrap().unwrap(), known);
        }
    }

    #[test]
    fn what_is_no_code_has_no_hash() {
        for typed in ["", "123456", "abcde-fghi", "abcde-fghijk", "abcde-fgh!j", "abcdé-fghij"] {
            assert_eq!(hash_of(b"secret", typed).unwrap(), None, "{typed}");
        }
        assert_eq!(hash_of(b"s", "oliol-22222").unwrap(), hash_of(b"s", "01i01 22222").unwrap());
    }
}
