//! An outage, what may be written of one, and the decisions that need nothing but it.

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::spans::Span;
use crate::{
    error::{Error, Result},
    isp::plant::node::Node,
    types::{Check, CustomerId, InstallationId, OutageId, optional_text},
    web::choices::choices,
    words::{in_english, say},
};

pub const NOTE_MAX: usize = 2_000;
pub const MESSAGE_MAX: usize = 1_000;
/// Nobody remembers better what was longer ago.
const OLDEST: Duration = Duration::days(31);

choices! {
    /// How an outage stands.
    Status is "OutageStatus":
    /// Tickets of one place mean that a node is down; somebody is to confirm or dismiss it.
    Proposed = "proposed", "Proposed";
    /// The node is down.
    Down = "down", "Down";
    /// It is over.
    Restored = "restored", "Restored";
    /// It was none.
    Dismissed = "dismissed", "Dismissed";
}

choices! {
    /// Why a node is down.
    Cause is "OutageCause":
    Unknown = "unknown", "Unknown yet";
    FibreCut = "fibre_cut", "Fibre cut";
    Power = "power", "Power";
    Equipment = "equipment", "Equipment";
    Weather = "weather", "Weather";
    ThirdParty = "third_party", "Third party";
    Planned = "planned", "Planned work";
    Other = "other", "Other";
}

choices! {
    /// What becomes of the minutes that subscribers lost.
    Giving is "OutageGiving":
    /// Nothing is given back.
    Off = "off", "Nothing is given back";
    /// Staff decide after each outage.
    Propose = "propose", "Staff decide after each outage";
    /// Periods are extended at once.
    Automatic = "automatic", "Given back at once";
}

choices! {
    /// What became of what one subscriber lost.
    Extension is "OutageExtension":
    /// No service ran, or the outage was too short.
    None = "none", "Nothing";
    /// Waits for a decision.
    Proposed = "proposed", "To decide";
    /// The period was extended.
    Extended = "extended", "Extended";
    /// Staff decided against it.
    Declined = "declined", "Declined";
}

/// A node of the plant that is down, was, or may be.
#[derive(Debug, Clone)]
pub struct Outage {
    pub id: OutageId,
    pub number: String,
    pub status: Status,
    /// None when the node is gone; the label stays.
    pub node: Option<Node>,
    pub node_kind: crate::isp::plant::node::NodeKind,
    pub node_label: String,
    pub cause: Cause,
    pub note: Option<String>,
    /// What subscribers are to be told.
    pub message: Option<String>,
    pub started_at: DateTime<Utc>,
    pub restored_at: Option<DateTime<Utc>>,
    pub opened_by: String,
    pub restored_by: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Outage {
    /// What it says of itself in the audit trail.
    pub fn told(&self) -> Value {
        json!({
            "node": self.node_label,
            "status": self.status.as_str(),
            "cause": self.cause.as_str(),
            "note": self.note,
            "started_at": self.started_at,
            "restored_at": self.restored_at,
        })
    }

    /// How long it lasted, or lasts.
    pub fn lasted(&self, now: DateTime<Utc>) -> Duration {
        self.restored_at.unwrap_or(now) - self.started_at
    }
}

/// What may be written of an outage, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub cause: Cause,
    pub note: Option<String>,
    /// Now when it is not said.
    pub started_at: Option<DateTime<Utc>>,
}

impl Draft {
    pub fn parse(
        cause: &str,
        note: &str,
        started_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let mut check = Check::new();
        let cause = check.field("cause", Cause::parse(cause));
        let note = check.field("note", optional_text(note, NOTE_MAX));
        if let Some(at) = started_at {
            if at > now {
                check.wrong("started_at", "in_the_future", "An outage cannot begin in the future.");
            } else if at < now - OLDEST {
                check.wrong("started_at", "too_old", "An outage began at most 31 days ago.");
            }
        }
        check.finish(cause.zip(note).map(|(cause, note)| Self { cause, note, started_at }))
    }
}

/// What subscribers are to be told, checked.
pub fn message_of(text: &str) -> Result<String> {
    let parsed =
        optional_text(text, MESSAGE_MAX).map_err(|wrong| Error::Invalid(vec![wrong.at("message")]))?;
    parsed.ok_or_else(|| Error::invalid("message", "required", "Write what they are to be told."))
}

/// The message that a new outage begins with: short enough for one SMS, without a link.
pub fn first_message(company: &str, cause: Cause, since: DateTime<Utc>, zone: Tz) -> String {
    let since = since.with_timezone(&zone).format("%-d %b, %H:%M");
    let why = match cause {
        Cause::Unknown | Cause::Other => String::new(),
        named => format!(" ({})", in_english(|| named.label()).to_lowercase()),
    };
    format!(
        "{company}: no internet at your place since {since}{why}. We are working on it and will tell you when it is back."
    )
}

/// How outages are treated, for the whole tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub giving: Giving,
    /// Shorter outages give nothing back.
    pub minimum_minutes: i32,
    /// So many open tickets under one node propose an outage,
    pub propose_tickets: i16,
    /// when they came within so many hours.
    pub propose_hours: i16,
}

impl Policy {
    pub fn told(&self) -> Value {
        json!({
            "extension": self.giving.as_str(),
            "minimum_minutes": self.minimum_minutes,
            "propose_tickets": self.propose_tickets,
            "propose_hours": self.propose_hours,
        })
    }

    /// 422 for numbers that make no sense.
    pub fn check(self) -> Result<Self> {
        let mut check = Check::new();
        let mut between = |field, n: i32, least: i32, most: i32| {
            if !(least..=most).contains(&n) {
                check.wrong(field, "out_of_range", say!("This is between {} and {}.", least, most));
            }
        };
        between("minimum_minutes", self.minimum_minutes, 0, 10_080);
        between("propose_tickets", i32::from(self.propose_tickets), 2, 50);
        between("propose_hours", i32::from(self.propose_hours), 1, 72);
        check.finish(Some(self))
    }

    /// Whether an outage of this length gives anything back.
    pub fn gives_for(&self, lasted: Duration) -> bool {
        self.giving != Giving::Off && lasted >= Duration::minutes(i64::from(self.minimum_minutes))
    }
}

/// What is known of an installation when an outage ends.
#[derive(Debug, Clone)]
pub struct Facts {
    pub installation: InstallationId,
    pub customer: CustomerId,
    /// Whether service ran when the outage was marked; none when it was not under the node then.
    pub was_active: Option<bool>,
    pub is_active: bool,
    /// Whether it hangs under the node now.
    pub is_under: bool,
    pub installed_on: Option<NaiveDate>,
    pub created_at: DateTime<Utc>,
    pub terminated_at: Option<DateTime<Utc>>,
    /// When it last went to another NAP during the outage.
    pub moved_at: Option<DateTime<Utc>>,
    /// When the first period that ran during the outage began.
    pub served_from: Option<DateTime<Utc>>,
}

impl Facts {
    /// From when to when service that ran was out for this subscriber: from the start of the outage, or of the installation, or
    /// of service, whichever is latest; to its end, or until the installation ended or went elsewhere. None when no service ran.
    pub fn lost(&self, outage: Span, zone: Tz) -> Option<Span> {
        if !self.is_active && self.was_active != Some(true) {
            return None;
        }
        let mut from = outage.from;
        if let Some(day) = self.installed_on {
            from = from.max(midnight(day, zone));
        }
        if self.was_active.is_none() {
            from = from.max(self.moved_at.unwrap_or(self.created_at));
        }
        if self.was_active != Some(true) {
            from = from.max(self.served_from.unwrap_or(from));
        }
        let mut to = outage.to;
        if let Some(at) = self.terminated_at {
            to = to.min(at);
        } else if !self.is_under {
            to = to.min(self.moved_at.unwrap_or(to));
        }
        Span::new(from, to)
    }
}

/// The instant at which a day begins in this zone; a day whose midnight is skipped begins later.
fn midnight(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let start = day.and_time(chrono::NaiveTime::MIN);
    (0..24)
        .find_map(|hours| zone.from_local_datetime(&(start + Duration::hours(hours))).earliest())
        .map_or_else(|| start.and_utc(), |at| at.with_timezone(&Utc))
}

/// `2 d 4 h`, `4 h 5 min`, `12 min`: two units, so that it can be said aloud.
pub fn minutes_text(minutes: i64) -> String {
    let (days, hours, rest) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    match (days, hours, rest) {
        (0, 0, rest) => format!("{rest} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, rest) => format!("{hours} h {rest} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
