//! The accent colour, and the colour of text on it.

use crate::types::Wrong;

const WHITE: &str = "#ffffff";
/// The portal's own near-black.
const INK: &str = "#14202b";
const BLACK: &str = "#000000";
/// WCAG 2.2 AA for text.
const CONTRAST_MIN: f64 = 4.5;

/// A colour, `#rrggbb` in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accent(String);

impl Accent {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let text = text.trim().to_ascii_lowercase();
        let digits = text.strip_prefix('#').unwrap_or_default();
        if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text))
        } else {
            Err(Wrong::new("not_a_colour", "Write the colour as # and six hexadecimal digits."))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The colour of text on it: white or ink where one of them reads well, else black or white, one of which always does.
    pub fn content(&self) -> &'static str {
        let against = |other: &str| contrast(&self.0, other);
        let (white, ink) = (against(WHITE), against(INK));
        match () {
            () if white.max(ink) < CONTRAST_MIN => {
                if against(BLACK) >= white {
                    BLACK
                } else {
                    WHITE
                }
            }
            () if white >= ink => WHITE,
            () => INK,
        }
    }

    /// The style sheet that gives the portal this colour.
    pub fn style_sheet(&self) -> String {
        format!(":root{{--brand:{};--brand-content:{}}}\n", self.0, self.content())
    }
}

/// WCAG's contrast ratio of two colours.
fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let byte =
            colour.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or_default();
        let part = f64::from(byte) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((contrast(WHITE, BLACK) - 21.0).abs() < 1e-9);
        assert!((contrast("#777777", WHITE) - 4.478).abs() < 0.001);
        assert_eq!(Accent::parse("#0F5F86").unwrap().content(), WHITE);
        assert_eq!(Accent::parse("#ffd400").unwrap().content(), INK);
        for bad in ["", "0f5f86", "#0f5f8", "#0f5f86;", "#ggg", "red", "#0f5f8é"] {
            assert!(Accent::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_on_any_accent_reads_well(r: u8, g: u8, b: u8) {
            let accent = Accent::parse(&format!("#{r:02x}{g:02x}{b:02x}")).unwrap();
            prop_assert!(contrast(accent.as_str(), accent.content()) >= CONTRAST_MIN);
        }
    }
}
