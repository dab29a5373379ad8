//! How many short messages a text becomes: that is what a network carries and charges.

/// The alphabet of GSM 03.38 that takes one septet a character.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Its extension: an escape and a character, two septets that are never parted.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Gsm7,
    Ucs2,
}

impl Encoding {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gsm7 => "gsm7",
            Self::Ucs2 => "ucs2",
        }
    }

    /// How much one message holds alone, and how much beside the header that joins several.
    fn room(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }
}

/// What a text costs the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    pub encoding: Encoding,
    /// Septets, or UTF-16 units.
    pub units: usize,
    pub count: u32,
    /// Units that fit into the last segment yet.
    pub left: usize,
    /// The first character that GSM-7 does not have: the reason for the dearer encoding.
    pub odd_one: Option<char>,
}

/// Counts a text. An empty one is no message at all.
pub fn segments(text: &str) -> Segments {
    let odd_one = text.chars().find(|c| septets(*c).is_none());
    let encoding = if odd_one.is_some() { Encoding::Ucs2 } else { Encoding::Gsm7 };
    let widths = || {
        text.chars().map(move |c| match encoding {
            Encoding::Gsm7 => septets(c).unwrap_or(1),
            Encoding::Ucs2 => c.len_utf16(),
        })
    };
    let units = widths().sum();
    let (alone, joined) = encoding.room();
    if units <= alone {
        return Segments { encoding, units, count: u32::from(units > 0), left: alone - units, odd_one };
    }
    let (mut count, mut filled) = (1_u32, 0);
    for width in widths() {
        if filled + width > joined {
            count = count.saturating_add(1);
            filled = 0;
        }
        filled += width;
    }
    Segments { encoding, units, count, left: joined - filled, odd_one }
}

fn septets(c: char) -> Option<usize> {
    if BASIC.contains(c) {
        Some(1)
    } else if EXTENSION.contains(c) {
        Some(2)
    } else {
        None
    }
}
