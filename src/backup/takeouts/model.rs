//! A takeout, and what may be asked for.

use chrono::{DateTime, Utc};
use poem_openapi::Enum;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    error::Result,
    secrets::Passphrase,
    types::{Check, Wrong},
};

/// What kind of a file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "TakeoutKind", rename_all = "snake_case")]
pub enum Kind {
    /// CSV, JSON and files, for people and other programs.
    Readable,
    /// What another deployment of Lastmile takes in.
    Archive,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Readable, Self::Archive];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Readable => "readable",
            Self::Archive => "archive",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "TakeoutStatus", rename_all = "snake_case")]
pub enum Status {
    /// It is being made, or will be soon.
    Waiting,
    /// It is there until `expires_at`.
    Made,
    Failed,
    /// Its time is over, or somebody removed it.
    Gone,
}

impl Status {
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Made, Self::Failed, Self::Gone];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Made => "made",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }
}

/// One file that was asked for.
#[derive(Debug, Clone)]
pub struct Takeout {
    pub id: Uuid,
    pub kind: Kind,
    pub status: Status,
    pub asked_by: String,
    pub asked_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub size_bytes: Option<i64>,
    pub rows: Option<i64>,
    /// In hexadecimal.
    pub sha256: Option<String>,
    pub failure: Option<String>,
}

impl Takeout {
    pub fn file_name(&self, slug: &str) -> String {
        let day = self.asked_at.format("%Y-%m-%d");
        match self.kind {
            Kind::Readable => format!("{slug}-{day}.zip"),
            Kind::Archive => format!("{slug}-{day}.lastmile.zip"),
        }
    }
}

/// What is asked for, looked through.
pub struct Order {
    pub kind: Kind,
    pub passphrase: Option<Passphrase>,
}

impl Order {
    /// An archive needs a passphrase, since elsewhere nothing opens it; what everybody can read has none.
    pub fn parse(kind: &str, passphrase: &str) -> Result<Self> {
        let mut check = Check::new();
        let kind = check.field(
            "kind",
            Kind::parse(kind).ok_or_else(|| Wrong::new("unknown", "Choose what to take along.")),
        );
        let passphrase = match kind {
            Some(Kind::Archive) => check.field("passphrase", Passphrase::parse_field(passphrase).map(Some)),
            Some(Kind::Readable) if !passphrase.is_empty() => check.field(
                "passphrase",
                Err(Wrong::new("not_for_this", "A readable file has no passphrase: it is not locked.")),
            ),
            _ => Some(None),
        };
        let (kind, passphrase) = check.finish(kind.zip(passphrase))?;
        Ok(Self { kind, passphrase })
    }
}
