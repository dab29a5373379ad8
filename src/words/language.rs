//! The languages of the portal.

use std::fmt;

/// A language that pages can be read in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Language {
    #[default]
    English,
    French,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::French];

    /// BCP 47, as `lang` and `Accept-Language` have it.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// What its speakers call it.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::French => "Français",
        }
    }

    /// By its code; None for one that the portal does not speak.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The one of ours that a browser wants most (RFC 9110, 12.5.4); English where it wants none of them.
    pub fn wanted(accept_language: &str) -> Self {
        let ranges = accept_language.split(',').take(RANGES_READ).filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let code = parts.next()?.split('-').next()?.to_ascii_lowercase();
            let weight =
                parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok())?;
            let language = Self::of_code(&code)?;
            (weight > 0.0).then_some((language, weight))
        });
        // The first of those that are wanted alike.
        let best = ranges.fold(None, |best: Option<(Self, f32)>, one| match best {
            Some((_, weight)) if weight >= one.1 => best,
            _ => Some(one),
        });
        best.map_or(Self::English, |(language, _)| language)
    }
}

/// More than any browser sends.
const RANGES_READ: usize = 32;

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{self, English, French};

    #[test]
    fn a_browser_gets_what_it_wants_most() {
        for (header, wanted) in [
            ("", English),
            ("fr", French),
            ("fr-CI,fr;q=0.9,en;q=0.8", French),
            ("en-US,en;q=0.9,fr;q=0.8", English),
            ("de, fr;q=0.5, en;q=0.7", English),
            ("FR;q=0", English),
            ("fr;q=x", English),
            ("tl,fr;q=0.2", French),
        ] {
            assert_eq!(Language::wanted(header), wanted, "{header}");
        }
    }
}
