//! A visit, its states, and what may be written of one.

use chrono::{DateTime, Duration, LocalResult, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use crate::{
    error::{Error, Result},
    types::{Check, CustomerId, InstallationId, StaffId, TicketId, VisitId, Wrong, optional_text},
    web::choices::choices,
    words::{in_english, say},
};

pub const NOTE_MAX: usize = 2_000;
/// The longest visit.
pub const MINUTES_MAX: i64 = 24 * 60;
/// How far off a visit may be, either way.
const YEARS_MAX: i64 = 10;

choices! {
    /// Why somebody goes there.
    Kind is "VisitKind":
        Installation = "installation", "Installation";
        Repair = "repair", "Repair";
        Survey = "survey", "Survey";
        Pickup = "pickup", "Pick-up";
        Other = "other", "Other";
}

choices! {
    /// What became of a visit.
    Status is "VisitStatus":
        Planned = "planned", "Planned";
        Done = "done", "Done";
        /// Nobody was there, or nobody came.
        Missed = "missed", "Missed";
        Cancelled = "cancelled", "Cancelled";
}

/// Every step that there is. One that is not here is refused.
pub const STEPS: &[(Status, Status)] = &[
    (Status::Planned, Status::Done),
    (Status::Planned, Status::Missed),
    (Status::Planned, Status::Cancelled),
    // It is made up for at another time.
    (Status::Missed, Status::Planned),
    (Status::Missed, Status::Cancelled),
];

impl Status {
    /// The same, or 409 when one does not follow from the other.
    pub fn step(self, to: Self) -> Result<Self> {
        if STEPS.contains(&(self, to)) {
            return Ok(to);
        }
        let detail = say!("A visit that is {} cannot become {}.", self.as_str(), to.as_str());
        Err(Error::conflict("transition_refused", detail))
    }

    /// Whether the visit may still be changed.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Planned | Self::Missed)
    }
}

/// From when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

impl Span {
    /// Checks a beginning and an end: at most a day long, and not in another age.
    pub fn parse(starts_at: DateTime<Utc>, ends_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<Self> {
        let mut check = Check::new();
        if (starts_at - now).abs() > Duration::days(366 * YEARS_MAX) {
            check.wrong("starts_at", "out_of_range", say!("A visit is within {} years.", YEARS_MAX));
        }
        if ends_at <= starts_at {
            check.wrong("ends_at", "not_after_start", "It ends after it begins.");
        } else if ends_at - starts_at > Duration::minutes(MINUTES_MAX) {
            check.wrong("ends_at", "too_long", "A visit takes a day at most.");
        }
        check.finish(Some(Self { starts_at, ends_at }))
    }

    /// Of a day and a time as clocks there show it, and how many minutes it takes. A time that a change of the clocks leaves out is
    /// refused; of one that comes twice, the first counts.
    pub fn local(day: &str, time: &str, minutes: &str, zone: Tz, now: DateTime<Utc>) -> Result<Self> {
        let mut check = Check::new();
        let day = check.field(
            "day",
            day.trim()
                .parse::<NaiveDate>()
                .map_err(|_no_day| Wrong::new("not_a_day", "A day is written 2026-11-21.")),
        );
        let time = check.field(
            "time",
            NaiveTime::parse_from_str(time.trim(), "%H:%M")
                .map_err(|_no_time| Wrong::new("not_a_time", "A time is written 14:30.")),
        );
        let minutes = check.field(
            "minutes",
            minutes
                .trim()
                .parse::<i64>()
                .ok()
                .filter(|minutes| (1..=MINUTES_MAX).contains(minutes))
                .ok_or_else(|| Wrong::new("out_of_range", "A visit takes 1 to 1440 minutes.")),
        );
        let (day, time, minutes) = check.finish((|| Some((day?, time?, minutes?)))())?;
        let starts_at = instant(day.and_time(time), zone).ok_or_else(|| {
            Error::invalid("time", "no_such_time", "The clocks are put forward over this time.")
        })?;
        Self::parse(starts_at, starts_at + Duration::minutes(minutes), now)
    }

    pub fn minutes(self) -> i64 {
        (self.ends_at - self.starts_at).num_minutes()
    }
}

/// The instant at which clocks there show this, the first of two; none when they never do.
pub fn instant(local: chrono::NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.with_timezone(&Utc)),
        LocalResult::None => None,
    }
}

/// A visit that is to be.
#[derive(Debug, Clone)]
pub struct NewVisit {
    pub kind: Kind,
    pub customer: CustomerId,
    pub installation: Option<InstallationId>,
    pub ticket: Option<TicketId>,
    pub technician: Option<StaffId>,
    pub span: Span,
    pub note: Option<String>,
}

/// A visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    pub id: VisitId,
    pub kind: Kind,
    pub status: Status,
    pub customer: CustomerId,
    pub customer_name: String,
    pub phone: Option<String>,
    /// Street and area, of the installation or of the customer.
    pub address: String,
    pub installation: Option<InstallationId>,
    pub ticket: Option<TicketId>,
    pub technician: Option<StaffId>,
    pub technician_name: Option<String>,
    pub span: Span,
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Visit {
    /// "Repair at Ana Cruz".
    pub fn label(&self) -> String {
        format!("{} at {}", in_english(|| self.kind.label()), self.customer_name)
    }

    /// What a visit says of itself in the audit trail.
    pub fn told(&self) -> Value {
        json!({
            "kind": self.kind,
            "status": self.status,
            "technician": self.technician_name,
            "starts_at": self.span.starts_at,
            "ends_at": self.span.ends_at,
            "note": self.note,
            "installation_id": self.installation,
            "ticket_id": self.ticket,
        })
    }
}

/// What was noted of a visit.
pub fn note(text: &str) -> Result<Option<String>> {
    optional_text(text, NOTE_MAX).map_err(|wrong| Error::Invalid(vec![wrong.at("note")]))
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct VisitFilter {
    pub technician: Option<StaffId>,
    pub customer: Option<CustomerId>,
    pub installation: Option<InstallationId>,
    pub status: Option<Status>,
    /// From an instant on, and until before another.
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}
