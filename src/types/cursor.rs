//! Where a list goes on: an opaque text that the caller hands back.

use data_encoding::BASE64URL_NOPAD;
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};

/// How many items one page of a list has: 1-200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(i64);

impl Limit {
    pub const MAX: i64 = 200;
    pub const DEFAULT: Limit = Limit(25);

    pub fn parse(limit: Option<i64>) -> Result<Self> {
        match limit {
            None => Ok(Self::DEFAULT),
            Some(n) if (1..=Self::MAX).contains(&n) => Ok(Self(n)),
            Some(_) => Err(Error::invalid("limit", "out_of_range", "A limit lies between 1 and 200.")),
        }
    }

    /// A limit of the program's own choice.
    pub const fn of(n: i64) -> Self {
        Self(n)
    }

    pub fn get(self) -> i64 {
        self.0
    }

    /// One more than the page, so that the query itself tells whether there is a next page.
    pub fn and_one(self) -> i64 {
        self.0 + 1
    }

    /// Cuts the extra row off and says whether it was there.
    pub fn cut<T>(self, items: &mut Vec<T>) -> bool {
        let size = usize::try_from(self.0).unwrap_or(usize::MAX);
        let more = items.len() > size;
        items.truncate(size);
        more
    }
}

/// The sort key of the last item of a page. It grants nothing: a forged one only starts the list elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor<K>(pub K);

impl<K: Serialize + DeserializeOwned> Cursor<K> {
    const MAX_CHARS: usize = 2_000;

    pub fn encode(&self) -> Result<String> {
        let json = serde_json::to_vec(&self.0).map_err(Error::internal)?;
        Ok(BASE64URL_NOPAD.encode(&json))
    }

    /// A text that `encode` never made is malformed (400).
    pub fn decode(text: &str) -> Result<Self> {
        let bad = || Error::malformed("bad_cursor", "The cursor was not given out by this list.");
        if text.len() > Self::MAX_CHARS {
            return Err(bad());
        }
        let json = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_not_base64| bad())?;
        serde_json::from_slice(&json).map(Self).map_err(|_not_a_key| bad())
    }
}
