//! What a failure of PostgreSQL means to the caller.

use tokio_postgres::error::SqlState;

use crate::error::{Error, Result};

/// Turns a driver's failure into ours: the database being away is 503, anything else is a defect of ours.
#[track_caller]
pub(super) fn from_driver(source: tokio_postgres::Error) -> Error {
    if is_away(&source) {
        tracing::warn!(error = %source, "the database is away");
        return Error::unavailable("database_unavailable", "The database cannot be reached right now.");
    }
    if source.code() == Some(&SqlState::QUERY_CANCELED) {
        return Error::unavailable("too_slow", "The database took too long over this.");
    }
    // A day that the calendar has and PostgreSQL has not: whoever asks about the year -9999 is told so.
    if source.code() == Some(&SqlState::DATETIME_FIELD_OVERFLOW) {
        return Error::invalid("date", "out_of_range", "A date here lies outside of what can be kept.");
    }
    Error::internal(source)
}

/// Whether the connection or the server is gone, rather than the statement wrong.
fn is_away(source: &tokio_postgres::Error) -> bool {
    match source.code() {
        None => source.is_closed() || is_io(source),
        Some(code) => [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::CONNECTION_FAILURE,
            SqlState::CONNECTION_EXCEPTION,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(code),
    }
}

fn is_io(source: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(source);
    while let Some(inner) = cause {
        if inner.is::<std::io::Error>() {
            return true;
        }
        cause = inner.source();
    }
    source.to_string().contains("error communicating with the server")
        || source.to_string().contains("error connecting to server")
}

/// Whether running the whole unit again, on a clean connection, may succeed where this run did not.
pub(super) fn is_worth_another_run(error: &Error) -> bool {
    match error {
        Error::Unavailable { code, .. } => *code == "database_unavailable",
        Error::Internal { source, .. } => {
            source.downcast_ref::<tokio_postgres::Error>().is_some_and(|source| {
                let code = source.code();
                code == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
                    || code == Some(&SqlState::T_R_DEADLOCK_DETECTED)
                    || is_stale_plan(source)
            })
        }
        _ => false,
    }
}

/// "cached plan must not change result type": a migration changed a table under a prepared statement.
fn is_stale_plan(source: &tokio_postgres::Error) -> bool {
    source.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED)
        && source.as_db_error().is_some_and(|db| db.message().starts_with("cached plan"))
}

/// Unique indexes and checks are the rule; this names the refusal.
pub trait OnConstraint<T> {
    /// When the constraint `name` refused the statement, answer with `refusal` instead of an internal failure.
    fn on_constraint(self, name: &str, refusal: impl FnOnce() -> Error) -> Result<T>;
}

impl<T> OnConstraint<T> for Result<T> {
    fn on_constraint(self, name: &str, refusal: impl FnOnce() -> Error) -> Result<T> {
        match self {
            Err(Error::Internal { source, at }) => {
                let refused = source
                    .downcast_ref::<tokio_postgres::Error>()
                    .and_then(|source| source.as_db_error())
                    .is_some_and(|db| db.constraint() == Some(name));
                Err(if refused { refusal() } else { Error::Internal { source, at } })
            }
            other => other,
        }
    }
}
