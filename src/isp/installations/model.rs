//! An installation, its states, and what may be written of one.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::{
    error::{Error, Result},
    isp::site::Site,
    types::{
        AreaId, Check, CustomerId, InstallationId, NapId, RouterId, StaffId, Wrong, optional_line,
        optional_text,
    },
    web::choices::choices,
    web::typed::{Typed, optional_id, optional_whole},
    words::say,
};

pub const STREET_MAX: usize = 255;
pub const NOTES_MAX: usize = 5_000;
pub const REASON_MAX: usize = 500;
const DROP_MAX: i32 = 10_000;
const CONNECTORS_MAX: i32 = 50;
const SPLICES_MAX: i32 = 200;
/// What may be typed of an installation itself.
pub const FIELDS: [&str; 12] = [
    "technician_id",
    "installed_on",
    "street_address",
    "area_id",
    "latitude",
    "longitude",
    "location_accuracy",
    "location_notes",
    "drop_m",
    "drop_connectors",
    "drop_splices",
    "notes",
];

choices! {
    /// How an installation stands.
    Status is "InstallationStatus":
        /// Is not there yet.
        Scheduled = "scheduled", "Scheduled";
        /// A period runs.
        Active = "active", "Active";
        /// Is there, and no period runs.
        Inactive = "inactive", "Inactive";
        /// Is cut off by a person, whatever was paid.
        Suspended = "suspended", "Suspended";
        /// Was taken down. Holds neither port nor router.
        Terminated = "terminated", "Terminated";
}

/// What happens to an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A technician has set it up.
    Complete,
    /// A period began to run. Time does this, no person.
    Activate,
    /// The last period ran out. Time does this, no person.
    Deactivate,
    Suspend,
    /// Ends a suspension; time then says whether it is active.
    Resume,
    Terminate,
}

impl Act {
    fn word(self) -> &'static str {
        match self {
            Self::Complete => "completed",
            Self::Activate => "activated",
            Self::Deactivate => say("made inactive"),
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
            Self::Terminate => "terminated",
        }
    }
}

/// Every step that there is. One that is not here is refused.
pub const STEPS: &[(Status, Act, Status)] = &[
    (Status::Scheduled, Act::Complete, Status::Inactive),
    (Status::Inactive, Act::Activate, Status::Active),
    (Status::Active, Act::Deactivate, Status::Inactive),
    (Status::Active, Act::Suspend, Status::Suspended),
    (Status::Inactive, Act::Suspend, Status::Suspended),
    (Status::Suspended, Act::Resume, Status::Inactive),
    (Status::Scheduled, Act::Terminate, Status::Terminated),
    (Status::Active, Act::Terminate, Status::Terminated),
    (Status::Inactive, Act::Terminate, Status::Terminated),
    (Status::Suspended, Act::Terminate, Status::Terminated),
];

impl Status {
    /// Where `act` leads, if it may be done now.
    pub fn after(self, act: Act) -> Option<Self> {
        STEPS.iter().find(|(from, by, _)| *from == self && *by == act).map(|(.., to)| *to)
    }

    /// The same, or 409.
    pub fn step(self, act: Act) -> Result<Self> {
        self.after(act).ok_or_else(|| {
            let detail = say!("An installation that is {} cannot be {}.", self.as_str(), act.word());
            Error::conflict("transition_refused", detail)
        })
    }
}

/// What may be written of an installation, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationDraft {
    pub technician_id: Option<StaffId>,
    /// None while it is scheduled.
    pub installed_on: Option<NaiveDate>,
    /// Its place; the customer's own where nothing is said.
    pub street_address: Option<String>,
    pub area_id: Option<AreaId>,
    pub site: Site,
    pub drop_m: Option<i32>,
    pub drop_connectors: Option<i16>,
    pub drop_splices: Option<i16>,
    pub notes: Option<String>,
}

/// A day that has come already, or nothing.
pub fn past_day(text: &str, today: NaiveDate) -> Result<Option<NaiveDate>, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let day: NaiveDate =
        text.parse().map_err(|_no_day| Wrong::new("not_a_day", "A day is written 2026-11-21."))?;
    if day > today {
        return Err(Wrong::new("in_future", "This day is still to come. Plan a visit for it instead."));
    }
    if day < NaiveDate::default() {
        return Err(Wrong::new("too_early", "No day before 1970."));
    }
    Ok(Some(day))
}

fn small(check: &mut Check, typed: &Typed, name: &'static str, most: i32) -> Option<Option<i16>> {
    let number = check.field(name, optional_whole(typed.get(name), 0..=most))?;
    Some(number.and_then(|number| i16::try_from(number).ok()))
}

impl InstallationDraft {
    /// Checks what was typed or sent; names every wrong field. `today` is the tenant's own day.
    pub fn parse(typed: &Typed, today: NaiveDate) -> Result<Self> {
        let mut check = Check::new();
        let technician =
            check.field("technician_id", optional_id(typed.get("technician_id"), "member of staff"));
        let installed_on = check.field("installed_on", past_day(typed.get("installed_on"), today));
        let street = check.field("street_address", optional_line(typed.get("street_address"), STREET_MAX));
        let area_id = check.field("area_id", optional_id(typed.get("area_id"), "area"));
        let site = Site::parse(typed, &mut check);
        let drop_m = check.field("drop_m", optional_whole(typed.get("drop_m"), 0..=DROP_MAX));
        let connectors = small(&mut check, typed, "drop_connectors", CONNECTORS_MAX);
        let splices = small(&mut check, typed, "drop_splices", SPLICES_MAX);
        let notes = check.field("notes", optional_text(typed.get("notes"), NOTES_MAX));
        let whole = (|| {
            Some(Self {
                technician_id: technician?,
                installed_on: installed_on?,
                street_address: street?,
                area_id: area_id?,
                site: site?,
                drop_m: drop_m?,
                drop_connectors: connectors?,
                drop_splices: splices?,
                notes: notes?,
            })
        })();
        check.finish(whole)
    }

    pub fn typed(&self) -> Typed {
        self.site.typed(
            Typed::default()
                .with_option("technician_id", self.technician_id)
                .with_option("installed_on", self.installed_on)
                .with_option("street_address", self.street_address.as_ref())
                .with_option("area_id", self.area_id)
                .with_option("drop_m", self.drop_m)
                .with_option("drop_connectors", self.drop_connectors)
                .with_option("drop_splices", self.drop_splices)
                .with_option("notes", self.notes.as_ref()),
        )
    }

    /// What an installation says of itself in the audit trail.
    pub fn told(&self) -> Value {
        json!({
            "technician_id": self.technician_id,
            "installed_on": self.installed_on,
            "street_address": self.street_address,
            "area_id": self.area_id,
            "latitude": self.site.place.map(|place| place.latitude.normalize().to_string()),
            "longitude": self.site.place.map(|place| place.longitude.normalize().to_string()),
            "location_accuracy": self.site.accuracy,
            "location_notes": self.site.notes,
            "drop_m": self.drop_m,
            "drop_connectors": self.drop_connectors,
            "drop_splices": self.drop_splices,
            "notes": self.notes,
        })
    }
}

/// The port that an installation is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub nap: NapId,
    pub number: i16,
    pub nap_code: String,
}

impl Port {
    /// "NAP-003 port 4".
    pub fn label(&self) -> String {
        format!("{} port {}", self.nap_code, self.number)
    }
}

/// Something with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<Id> {
    pub id: Id,
    pub name: String,
}

/// How an installation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub at: DateTime<Utc>,
    pub reason: Option<String>,
    /// What it held until then, in words.
    pub held_port: Option<String>,
    pub held_router: Option<String>,
}

/// An installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    pub id: InstallationId,
    pub customer: Named<CustomerId>,
    pub status: Status,
    pub draft: InstallationDraft,
    pub port: Option<Port>,
    /// Named by brand, model and serial number.
    pub router: Option<Named<RouterId>>,
    /// The name of the technician.
    pub technician: Option<String>,
    /// Where it is: its own street and area, or the customer's.
    pub street: Option<String>,
    pub area: Option<Named<AreaId>>,
    /// The end of the last period that was sold.
    pub paid_until: Option<DateTime<Utc>>,
    pub ending: Option<Ending>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Installation {
    /// "Ana Cruz, NAP-003 port 4".
    pub fn label(&self) -> String {
        match (&self.port, &self.street) {
            (Some(port), _) => format!("{}, {}", self.customer.name, port.label()),
            (None, Some(street)) => format!("{}, {street}", self.customer.name),
            (None, None) => self.customer.name.clone(),
        }
    }

    /// 409 for an installation that was taken down.
    pub fn require_live(&self) -> Result<()> {
        if self.status == Status::Terminated {
            return Err(Error::conflict("terminated", "This installation was terminated."));
        }
        Ok(())
    }
}
