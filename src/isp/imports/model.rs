//! An import: the file as it was read, the choices made for it, how far it came.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::mapping::{Field, Mapping};
use crate::{
    error::{Error, FieldError, Result},
    isp::customers::Status,
    types::{FileId, ImportId},
    words::say,
};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $wire:literal { $($(#[$note:meta])* $variant:ident = $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
        #[oai(rename = $wire, rename_all = "snake_case")]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$note])* $variant),+ }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word in the database, the forms and the API.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The inverse of `as_str`.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// Where an import stands.
    State, "ImportState" {
        /// Uploaded; somebody is to say which column is which.
        Mapping = "mapping";
        Queued = "queued";
        Running = "running";
        Finished = "finished";
        Failed = "failed";
        Cancelled = "cancelled";
    }
}

words! {
    /// What makes a row the same customer as one who is already here.
    MatchBy, "ImportMatchBy" {
        Any = "any";
        Reference = "reference";
        Email = "email";
        PhoneName = "phone_name";
    }
}

words! {
    /// What becomes of a customer that a row was matched with.
    OnMatch, "ImportOnMatch" {
        Update = "update";
        Skip = "skip";
    }
}

impl MatchBy {
    /// What a person reads after "A row is the same customer when".
    pub fn label(self) -> &'static str {
        match self {
            Self::Any => say("account number, e-mail, or phone and name are the same"),
            Self::Reference => say("account number is the same"),
            Self::Email => say("e-mail is the same"),
            Self::PhoneName => say("phone and name are the same"),
        }
    }
}

impl OnMatch {
    /// What a person reads after "Then".
    pub fn label(self) -> &'static str {
        match self {
            Self::Update => say("update the customer"),
            Self::Skip => say("leave the customer as it is"),
        }
    }
}

/// How a file is to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    pub mapping: Mapping,
    pub match_by: MatchBy,
    pub on_match: OnMatch,
    /// The status of a new customer whose row names none.
    pub default_status: Status,
    /// Whether an area that does not exist is made; else its row is refused.
    pub creates_areas: bool,
}

impl Choices {
    /// What is proposed for a file with this header.
    pub fn proposed(mapping: Mapping) -> Self {
        Self {
            mapping,
            match_by: MatchBy::Any,
            on_match: OnMatch::Update,
            default_status: Status::Active,
            creates_areas: false,
        }
    }
}

/// One of the first rows, kept with the import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleRow {
    pub line: u32,
    pub cells: Vec<String>,
}

/// What became of the rows so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub total: i32,
    pub done: i32,
    pub created: i32,
    pub updated: i32,
    pub unchanged: i32,
    pub failed: i32,
    /// Installations that were made, and periods that were brought forward.
    pub connected: i32,
    pub brought: i32,
}

impl Counts {
    /// How much of the file was worked through, 0-100.
    pub fn percent(&self) -> u32 {
        let of = |n: i32| u64::try_from(n).unwrap_or_default();
        u32::try_from((of(self.done) * 100).checked_div(of(self.total)).unwrap_or(100)).unwrap_or(100)
    }
}

/// One upload of customers.
#[derive(Debug, Clone)]
pub struct Import {
    pub id: ImportId,
    /// None once the file was forgotten.
    pub file: Option<FileId>,
    pub file_name: String,
    pub encoding: String,
    pub delimiter: Option<String>,
    pub header: Vec<String>,
    pub sample: Vec<SampleRow>,
    pub state: State,
    pub is_dry_run: bool,
    pub choices: Choices,
    pub counts: Counts,
    pub failure: Option<String>,
    pub created_by_label: String,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl Import {
    /// Whether it waits for its turn or runs.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Queued | State::Running)
    }

    /// Whether it may be started: for the first time, or after a trial.
    pub fn is_startable(&self) -> bool {
        self.state == State::Mapping || (self.is_dry_run && !self.is_busy())
    }

    /// The file that a start will read, or why there can be no start.
    pub fn check_start(&self) -> Result<FileId> {
        match self.file {
            _ if self.is_busy() => Err(Error::conflict("import_running", "This import is running already.")),
            Some(file) if self.is_startable() => Ok(file),
            Some(_) => Err(Error::conflict("import_ended", "This import has ended. Upload the file again.")),
            None => Err(Error::conflict("file_forgotten", "The file was forgotten. Upload it again.")),
        }
    }

    /// The name of a column; one without a header has its number.
    pub fn column_name(&self, column: usize) -> String {
        match self.header.get(column) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => say!("Column {}", column + 1),
        }
    }
}

/// A row that was not imported.
#[derive(Debug, Clone)]
pub struct FailedRow {
    pub line: i32,
    pub errors: Vec<RowError>,
    /// As they stand in the file.
    pub cells: Vec<String>,
}

/// One thing that is wrong with a row, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Object)]
#[oai(rename = "ImportRowError")]
pub struct RowError {
    /// A field of a customer, or `row` for the row as a whole.
    pub field: String,
    /// Stable machine name.
    pub code: String,
    /// One sentence for a person.
    pub detail: String,
}

impl From<&FieldError> for RowError {
    fn from(wrong: &FieldError) -> Self {
        Self { field: wrong.field.to_string(), code: wrong.code.to_owned(), detail: wrong.detail.clone() }
    }
}

impl RowError {
    /// The error as a sentence that names its field.
    pub fn sentence(&self) -> String {
        match Field::parse(&self.field) {
            Some(field) if self.code == "required" => say!("{} is missing.", field.label()),
            Some(field) => format!("{}: {}", field.label(), self.detail),
            None => self.detail.clone(),
        }
    }
}

/// All that is wrong with a row, in one line.
pub fn sentences(errors: &[RowError]) -> String {
    errors.iter().map(RowError::sentence).collect::<Vec<_>>().join(" ")
}
