//! Where a list that stands by time goes on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    types::Cursor,
};

/// What PostgreSQL and chrono both keep: 1970 to 9999.
const MICROS: std::ops::RangeInclusive<i64> = 0..=253_402_300_799_999_999;

/// The sort key of one row: its instant in microseconds, and its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(i64, Uuid);

impl Mark {
    pub fn new(at: DateTime<Utc>, id: Uuid) -> Self {
        Self(at.timestamp_micros(), id)
    }

    pub fn decode(text: &str) -> Result<Self> {
        let mark = Cursor::<Self>::decode(text)?.0;
        if MICROS.contains(&mark.0) {
            Ok(mark)
        } else {
            Err(Error::malformed("bad_cursor", "The cursor was not given out by this list."))
        }
    }

    pub fn encode(self) -> Result<String> {
        Cursor(self).encode()
    }

    pub fn pair(self) -> (DateTime<Utc>, Uuid) {
        (DateTime::from_timestamp_micros(self.0).unwrap_or_default(), self.1)
    }
}
