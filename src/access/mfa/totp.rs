//! Codes of an authenticator app: RFC 6238 with SHA-1, six digits and thirty seconds, as every app has it.

use std::ops::RangeInclusive;

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use qrcode::{Color, EcLevel, QrCode};
use serde::Serialize;
use subtle::ConstantTimeEq;

use crate::error::{OrInternal, Result};

const STEP_SECONDS: i64 = 30;
const DIGITS: usize = 6;
const MODULUS: u32 = 1_000_000;
/// So far into a step the code of the one before it is still taken: it was typed and sent while its step ran out, or on a phone whose
/// clock is late. RFC 6238 (5.2) allows a whole step for that; a third of one is enough, and ASVS (6.5.5) wants codes to live for thirty seconds.
const LATE_SECONDS: i64 = 10;
/// A phone's clock may be ahead by so much.
const EARLY_SECONDS: i64 = 3;
/// As RFC 4226 recommends: 160 bits.
pub const SECRET_BYTES: usize = 20;
/// Modules of white around a QR code, without which it is not read.
const QUIET: usize = 4;

/// The code of one step of time.
fn code_at(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
    let four = tag.get(offset..offset + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
    let number = u32::from_be_bytes(four.unwrap_or_default()) & 0x7fff_ffff;
    format!("{:0DIGITS$}", number % MODULUS)
}

/// Six digits, however they were grouped.
fn digits(typed: &str) -> Option<String> {
    let bare: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    (bare.len() == DIGITS && bare.bytes().all(|b| b.is_ascii_digit())).then_some(bare)
}

/// The steps of time whose codes count now: the present one, at its beginning the one before, at its end the one to come.
fn counting(now: i64) -> RangeInclusive<i64> {
    (now - LATE_SECONDS).div_euclid(STEP_SECONDS)..=(now + EARLY_SECONDS).div_euclid(STEP_SECONDS)
}

/// The step of time whose code was typed, unless its code or a later one was taken before.
pub fn matching_step(secret: &[u8], typed: &str, now: i64, last_step: i64) -> Option<i64> {
    let typed = digits(typed)?;
    // Each of them is looked at, so that the time tells nothing of which it was.
    counting(now).fold(None, |found, step| {
        let is_it = bool::from(code_at(secret, step).as_bytes().ct_eq(typed.as_bytes()));
        if is_it && step > last_step { Some(step) } else { found }
    })
}

/// A secret as an app is given it.
#[derive(Debug, Clone, Serialize)]
pub struct Enrolment {
    /// In groups of four, to be typed.
    pub secret: String,
    /// The outline of the QR code's dark modules, as an SVG path.
    pub qr_path: String,
    /// The QR code's width with the white around it.
    pub qr_size: usize,
}

/// What to show for a new secret. `issuer` and `account` are what the app shows beside its codes.
pub fn enrolment(secret: &[u8], issuer: &str, account: &str) -> Result<Enrolment> {
    let text = BASE32_NOPAD.encode(secret);
    let part = |text: &str| -> String {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
    };
    // A colon parts the label's two halves; encoded or not, apps take the first one for it.
    let issuer = part(&issuer.replace(':', " "));
    let uri = format!(
        "otpauth://totp/{issuer}:{}?secret={text}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}",
        part(account)
    );
    let code = QrCode::with_error_correction_level(uri, EcLevel::M).internal()?;
    let width = code.width();
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
    let qr_path =
        dark.map(|(at, _)| format!("M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET)).collect();
    let groups: Vec<String> =
        text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    Ok(Enrolment { secret: groups.join(" "), qr_path, qr_size: width + 2 * QUIET })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RFC: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B: the last six of its eight digits.
        for (at, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(RFC, at / 30), code);
            assert_eq!(matching_step(RFC, code, at, 0), Some(at / 30));
        }
    }

    #[test]
    fn a_code_counts_for_its_step_ten_seconds_more_and_three_before() {
        // A step begins at 30 and ends with 59.
        let code = code_at(RFC, 1);
        for (now, counts) in [
            (26, false),
            (27, true),
            (29, true),
            (30, true),
            (45, true),
            (59, true),
            (60, true),
            (69, true),
            (70, false),
            (90, false),
        ] {
            assert_eq!(matching_step(RFC, &code, now, 0).is_some(), counts, "{now}");
        }
    }

    #[test]
    fn a_code_is_taken_once_and_those_before_it_no_more() {
        let step = 1_111_111_111 / 30;
        let code = code_at(RFC, step);
        assert_eq!(matching_step(RFC, &code, step * 30 + 15, step), None);
        // In the first seconds of a step the one before would count, had none been taken since.
        let early = step * 30 + 5;
        assert_eq!(matching_step(RFC, &code_at(RFC, step - 1), early, step), None);
        assert_eq!(matching_step(RFC, &code_at(RFC, step - 1), early, step - 1), None);
        assert_eq!(matching_step(RFC, &code_at(RFC, step - 1), early, step - 2), Some(step - 1));
        assert_eq!(matching_step(RFC, &code, early, step - 1), Some(step));
    }

    #[test]
    fn digits_may_be_grouped_and_nothing_else_is_a_code() {
        let (now, code) = (1_111_111_109, "081804");
        for typed in [code, "081 804", " 081804 ", "081-804"] {
            assert!(matching_step(RFC, typed, now, 0).is_some(), "{typed:?}");
        }
        for typed in ["", "81804", "0081804", "08180a", "０８１８０４", "+81804"] {
            assert_eq!(matching_step(RFC, typed, now, 0), None, "{typed:?}");
        }
    }

    #[test]
    fn the_app_is_told_secret_and_names() {
        let shown = enrolment(RFC, "Ana & Ben: Fiber", "ana@x.example").unwrap();
        assert_eq!(shown.secret, "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert!(shown.qr_path.starts_with("M4 4h1v1h-1z"), "{}", shown.qr_path);
    }

    proptest! {
        #[test]
        fn a_code_lives_for_its_step_and_the_seconds_around_it(
            secret in proptest::array::uniform20(any::<u8>()),
            step in 1_i64..100_000_000,
            // From long before the step begins to long after it ended.
            since in -90_i64..150,
        ) {
            let now = step * 30 + since;
            prop_assert_eq!(counting(now).contains(&step), (-3..40).contains(&since));
            prop_assert!((1..=2).contains(&counting(now).count()), "two steps at most count at once");
            let code = code_at(&secret, step);
            let found = matching_step(&secret, &code, now, 0);
            if (-3..40).contains(&since) {
                prop_assert!(found.is_some());
            }
            // Another step may have the same six digits, but that one's code counts then.
            if let Some(found) = found {
                prop_assert!(counting(now).contains(&found));
                prop_assert_eq!(code_at(&secret, found), code);
            }
        }

        #[test]
        fn whatever_is_typed_is_judged(typed in "\\PC{0,20}") {
            let found = matching_step(RFC, &typed, 1_111_111_109, 0);
            prop_assert!(found.is_none() || digits(&typed).is_some());
        }
    }
}
