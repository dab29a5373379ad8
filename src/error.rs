//! The meaning of failure: one error for the whole program, named by what the caller can do about it.
//!
//! A feature adds code strings, never an enum of its own. `web::problem` turns an [`Error`] into bytes.

use crate::words::say;
use std::{borrow::Cow, fmt, panic::Location, time::Duration};

/// The result of everything that can fail for a reason the caller should hear.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One thing that is wrong with one field of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field as the caller wrote it: `email`, `owner.password`, `rows[3].area`.
    pub field: Cow<'static, str>,
    /// Stable machine name: `required`, `too_long`, `not_an_email`.
    pub code: &'static str,
    /// One sentence for a person, naming the limit where there is one.
    pub detail: String,
}

impl FieldError {
    pub fn new(field: impl Into<Cow<'static, str>>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { field: field.into(), code, detail: detail.into() }
    }
}

/// Why something did not happen.
#[derive(Debug)]
pub enum Error {
    /// The request cannot be read at all (400): cut JSON, a made-up cursor, a bad header.
    Malformed { code: &'static str, detail: String },
    /// No credential, or one that does not count here (401).
    Unauthenticated { code: &'static str, detail: String },
    /// The credential is good and the right is missing (403).
    Forbidden { code: &'static str, detail: String },
    /// Unknown, or of another tenant (404). Never says which.
    NotFound { what: &'static str },
    /// The path exists, the verb does not (405).
    MethodNotAllowed,
    /// The state of the world says no (409): a name is taken, a period overlaps.
    Conflict { code: &'static str, detail: String },
    /// A body over its limit (413).
    TooLarge { limit_bytes: u64 },
    /// A body of a kind that is not understood here (415).
    Unsupported { expected: &'static str },
    /// Understood, but wrong (422): every wrong field at once.
    Invalid(Vec<FieldError>),
    /// Too many requests (429).
    TooMany { retry_after: Duration, detail: String },
    /// Not now (503): database away, schema behind the code, draining.
    Unavailable { code: &'static str, detail: String, retry_after: Duration },
    /// A defect of ours (500). The source is logged, never shown.
    Internal { source: Box<dyn std::error::Error + Send + Sync>, at: &'static Location<'static> },
}

impl Error {
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Malformed { code, detail: detail.into() }
    }

    pub fn unauthenticated(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Unauthenticated { code, detail: detail.into() }
    }

    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Forbidden { code, detail: detail.into() }
    }

    /// `what` is the trade's word for the missing thing, in lower case: `customer`, `area`.
    pub fn not_found(what: &'static str) -> Self {
        Self::NotFound { what }
    }

    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict { code, detail: detail.into() }
    }

    /// One wrong field.
    pub fn invalid(
        field: impl Into<Cow<'static, str>>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self::Invalid(vec![FieldError::new(field, code, detail)])
    }

    pub fn too_many(retry_after: Duration, detail: impl Into<String>) -> Self {
        Self::TooMany { retry_after, detail: detail.into() }
    }

    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Unavailable { code, detail: detail.into(), retry_after: Duration::from_secs(2) }
    }

    /// A defect of ours; remembers where it was first seen.
    #[track_caller]
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal { source: source.into(), at: Location::caller() }
    }

    /// The HTTP status that this failure becomes.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 400,
            Self::Unauthenticated { .. } => 401,
            Self::Forbidden { .. } => 403,
            Self::NotFound { .. } => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict { .. } => 409,
            Self::TooLarge { .. } => 413,
            Self::Unsupported { .. } => 415,
            Self::Invalid(_) => 422,
            Self::TooMany { .. } => 429,
            Self::Internal { .. } => 500,
            Self::Unavailable { .. } => 503,
        }
    }

    /// The stable machine name of this failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { code, .. }
            | Self::Unauthenticated { code, .. }
            | Self::Forbidden { code, .. }
            | Self::Conflict { code, .. }
            | Self::Unavailable { code, .. } => code,
            Self::NotFound { .. } => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooLarge { .. } => "too_large",
            Self::Unsupported { .. } => "unsupported_media_type",
            Self::Invalid(_) => "invalid",
            Self::TooMany { .. } => "too_many_requests",
            Self::Internal { .. } => "internal",
        }
    }

    /// What a caller may read. Internal failures say nothing of themselves.
    pub fn detail(&self) -> String {
        match self {
            Self::Malformed { detail, .. }
            | Self::Unauthenticated { detail, .. }
            | Self::Forbidden { detail, .. }
            | Self::Conflict { detail, .. }
            | Self::TooMany { detail, .. }
            | Self::Unavailable { detail, .. } => detail.clone(),
            Self::NotFound { what } => say!("There is no such {}.", say(what)),
            Self::MethodNotAllowed => say("This path does not take that method.").into(),
            Self::TooLarge { limit_bytes } => say!("The body may have at most {} bytes.", limit_bytes),
            Self::Unsupported { expected } => say!("The body must be {}.", expected),
            Self::Invalid(fields) => match fields.as_slice() {
                [only] => only.detail.clone(),
                all => say!("{} fields are wrong.", all.len()),
            },
            Self::Internal { .. } => say("Something went wrong on our side.").into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal { source, at } => {
                write!(f, "{source}")?;
                let mut cause = source.source();
                while let Some(inner) = cause {
                    write!(f, ": {inner}")?;
                    cause = inner.source();
                }
                write!(f, " (at {}:{})", at.file(), at.line())
            }
            Self::Invalid(fields) => {
                for (i, wrong) in fields.iter().enumerate() {
                    let sep = if i == 0 { "" } else { "; " };
                    write!(f, "{sep}{}: {}", wrong.field, wrong.detail)?;
                }
                Ok(())
            }
            other => f.write_str(&other.detail()),
        }
    }
}

impl std::error::Error for Error {}

/// Turns any failure that the caller cannot mend into [`Error::Internal`]: `read(path).internal()?`.
pub trait OrInternal<T> {
    #[track_caller]
    fn internal(self) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> OrInternal<T> for std::result::Result<T, E> {
    #[track_caller]
    fn internal(self) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(source) => Err(Error::Internal { source: source.into(), at: Location::caller() }),
        }
    }
}
