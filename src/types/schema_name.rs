//! The opaque, permanent name that a tenant's schema and its role share.

use std::fmt;

use rand::Rng;

use super::Wrong;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const RANDOM_CHARS: usize = 12;

/// `t_` and 12 base32 characters. The only kind of name that may ever stand in an SQL text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SchemaName(String);

impl SchemaName {
    /// A name that was never used: 60 random bits.
    pub fn random() -> Self {
        let mut rng = rand::rng();
        let mut name = String::from("t_");
        name.extend(
            (0..RANDOM_CHARS)
                .filter_map(|_| ALPHABET.get(rng.random_range(0..ALPHABET.len())))
                .map(|b| char::from(*b)),
        );
        Self(name)
    }

    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let valid = text
            .strip_prefix("t_")
            .is_some_and(|rest| rest.len() == RANDOM_CHARS && rest.bytes().all(|b| ALPHABET.contains(&b)));
        if valid { Ok(Self(text.to_owned())) } else { Err(Wrong::new("not_a_schema", "Not a schema name.")) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
