//! Cabinets, splitters, boxes and ports, and what may be written of them.

use chrono::{DateTime, Utc};
use poem_openapi::Enum;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    budget::OltClass,
    fibre::{Stretch, area, decimal, whole},
};
use crate::{
    error::{Error, Result},
    isp::site::Site,
    types::{
        AreaId, Check, CustomerId, InstallationId, LcpId, NapId, SplitterId, Wrong, line, optional_line,
        optional_text,
    },
    web::typed::{Typed, optional_id},
    words::say,
};

pub const CODE_MAX: usize = 50;
pub const NAME_MAX: usize = 100;
pub const LOCATION_MAX: usize = 255;
pub const NOTES_MAX: usize = 5_000;
/// Splitters can be cascaded so deep below an LCP.
pub const DEPTH_MAX: i16 = 4;
/// How many ports a NAP may have.
pub const CAPACITIES: [i16; 5] = [4, 8, 16, 24, 32];
const OUTPUTS_MAX: usize = 128;

/// What may be written of an LCP, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LcpDraft {
    pub code: String,
    pub name: String,
    pub location: Option<String>,
    pub area_id: Option<AreaId>,
    pub is_active: bool,
    pub notes: Option<String>,
    pub coverage_radius_m: i32,
    pub olt_name: Option<String>,
    pub olt_class: OltClass,
    pub olt_tx_dbm: Decimal,
    /// From the OLT to here.
    pub stretch: Stretch,
    pub site: Site,
}

/// The cabinet that a fibre from the OLT ends in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lcp {
    pub id: LcpId,
    pub draft: LcpDraft,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl LcpDraft {
    /// Checks what was typed or sent; names every wrong field.
    pub fn parse(typed: &Typed) -> Result<Self> {
        let mut check = Check::new();
        let code = check.field("code", line(typed.get("code"), CODE_MAX));
        let name = check.field("name", line(typed.get("name"), NAME_MAX));
        let location = check.field("location", optional_line(typed.get("location"), LOCATION_MAX));
        let area_id = area(typed, &mut check);
        let notes = check.field("notes", optional_text(typed.get("notes"), NOTES_MAX));
        let radius =
            check.field("coverage_radius_m", whole(typed.get("coverage_radius_m"), 1_000, 0..=50_000));
        let olt_name = check.field("olt_name", optional_line(typed.get("olt_name"), NAME_MAX));
        let class = match typed.get("olt_class") {
            "" => Some(OltClass::BPlus),
            text => check.field("olt_class", OltClass::parse(text)),
        };
        let tx = match typed.get("olt_tx_dbm") {
            "" => Some(Decimal::from(3)),
            text => check.field("olt_tx_dbm", decimal(text, 2, (-10, 15))),
        };
        let stretch = Stretch::parse(typed, &mut check);
        let site = Site::parse(typed, &mut check);
        let whole = (|| {
            Some(Self {
                code: code?,
                name: name?,
                location: location?,
                area_id: area_id?,
                is_active: typed.is_ticked("is_active"),
                notes: notes?,
                coverage_radius_m: radius?,
                olt_name: olt_name?,
                olt_class: class?,
                olt_tx_dbm: tx?,
                stretch: stretch?,
                site: site?,
            })
        })();
        check.finish(whole)
    }

    pub fn typed(&self) -> Typed {
        let typed = Typed::default()
            .with("code", &self.code)
            .with("name", &self.name)
            .with_option("location", self.location.as_ref())
            .with_option("area_id", self.area_id)
            .with("is_active", self.is_active)
            .with_option("notes", self.notes.as_ref())
            .with("coverage_radius_m", self.coverage_radius_m)
            .with_option("olt_name", self.olt_name.as_ref())
            .with("olt_class", self.olt_class.as_str())
            .with("olt_tx_dbm", self.olt_tx_dbm.normalize());
        self.site.typed(self.stretch.typed(typed))
    }

    /// What an LCP says of itself in the audit trail.
    pub fn told(&self) -> Value {
        told(
            json!({
                "code": self.code, "name": self.name, "location": self.location, "area_id": self.area_id,
                "is_active": self.is_active, "notes": self.notes, "coverage_radius_m": self.coverage_radius_m,
                "olt_name": self.olt_name, "olt_class": self.olt_class, "olt_tx_dbm": self.olt_tx_dbm.normalize(),
            }),
            self.stretch,
            &self.site,
        )
    }
}

/// The members of a part of the plant with those of its place and its fibre.
fn told(mut own: Value, stretch: Stretch, site: &Site) -> Value {
    if let Value::Object(members) = &mut own {
        members.insert("fibre_m".into(), json!(stretch.fibre_m));
        members.insert("connectors".into(), json!(stretch.connectors));
        members.insert("splices".into(), json!(stretch.splices));
        members.insert("latitude".into(), json!(site.place.map(|place| place.latitude.normalize())));
        members.insert("longitude".into(), json!(site.place.map(|place| place.longitude.normalize())));
        members.insert("location_accuracy".into(), json!(site.accuracy));
        members.insert("location_notes".into(), json!(site.notes));
    }
    own
}

/// How a splitter divides the light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[oai(rename = "SplitterType")]
pub enum SplitterType {
    #[oai(rename = "1:2")]
    #[serde(rename = "1:2")]
    By2,
    #[oai(rename = "1:4")]
    #[serde(rename = "1:4")]
    By4,
    #[oai(rename = "1:8")]
    #[serde(rename = "1:8")]
    By8,
    #[oai(rename = "1:16")]
    #[serde(rename = "1:16")]
    By16,
    #[oai(rename = "1:32")]
    #[serde(rename = "1:32")]
    By32,
    #[oai(rename = "1:64")]
    #[serde(rename = "1:64")]
    By64,
    #[oai(rename = "1:128")]
    #[serde(rename = "1:128")]
    By128,
    /// Unevenly: each output has a loss of its own.
    #[oai(rename = "tap")]
    #[serde(rename = "tap")]
    Tap,
}

impl SplitterType {
    /// The types that divide evenly: name, outputs, and what one output loses at most, in hundredths of a dB.
    const EVEN: [(Self, &'static str, usize, i64); 7] = [
        (Self::By2, "1:2", 2, 380),
        (Self::By4, "1:4", 4, 720),
        (Self::By8, "1:8", 8, 1_080),
        (Self::By16, "1:16", 16, 1_450),
        (Self::By32, "1:32", 32, 1_750),
        (Self::By64, "1:64", 64, 2_100),
        (Self::By128, "1:128", 128, 2_450),
    ];

    pub const ALL: [Self; 8] =
        [Self::By2, Self::By4, Self::By8, Self::By16, Self::By32, Self::By64, Self::By128, Self::Tap];

    fn even(self) -> Option<&'static (Self, &'static str, usize, i64)> {
        Self::EVEN.iter().find(|(kind, ..)| *kind == self)
    }

    pub fn as_str(self) -> &'static str {
        self.even().map_or("tap", |(_, name, ..)| name)
    }

    pub fn parse(text: &str) -> Result<Self, Wrong> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text.trim()).ok_or_else(|| {
            Wrong::new("not_a_choice", "This must be one of 1:2, 1:4, 1:8, 1:16, 1:32, 1:64, 1:128, tap.")
        })
    }

    /// A type of the table's column, which holds no other.
    pub fn from_column(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self::Tap)
    }

    /// What each output of an even splitter loses; none for a tap, which says it itself.
    pub fn losses(self) -> Option<Vec<Decimal>> {
        self.even().map(|(_, _, outputs, loss)| vec![Decimal::new(*loss, 2); *outputs])
    }
}

/// What a splitter hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Hang {
    /// The fibre of its LCP.
    Lcp { lcp_id: LcpId },
    /// An output of another splitter of the same LCP.
    Output { parent_id: SplitterId, parent_output: i16 },
}

impl Hang {
    /// Reads `lcp_id`, or `parent_id` with `parent_output`. An LCP beside a parent is left to the parent.
    pub fn parse(typed: &Typed) -> Result<Self> {
        let mut check = Check::new();
        let parent = check.field("parent_id", optional_id::<SplitterId>(typed.get("parent_id"), "splitter"));
        let lcp = check.field("lcp_id", optional_id::<LcpId>(typed.get("lcp_id"), "LCP"));
        let found = match (parent.flatten(), lcp.flatten()) {
            (Some(parent_id), _) => check
                .field("parent_output", output(typed.get("parent_output")))
                .map(|parent_output| Self::Output { parent_id, parent_output }),
            (None, Some(lcp_id)) => Some(Self::Lcp { lcp_id }),
            (None, None) => {
                if parent.is_some() && lcp.is_some() {
                    check.wrong("lcp_id", "required", "Choose the LCP or the splitter that it hangs on.");
                }
                None
            }
        };
        check.finish(found)
    }
}

/// The number of an output. Which numbers there are is the splitter's to say.
pub fn output(text: &str) -> Result<i16, Wrong> {
    let number = whole(text, 0, i32::from(i16::MIN)..=i32::from(i16::MAX))?;
    if text.trim().is_empty() {
        return Err(Wrong::new("required", "Splitter port number is required."));
    }
    i16::try_from(number).map_err(|_too_large| Wrong::new("out_of_range", "There is no such port."))
}

/// What may be written of a splitter, checked, but for what it hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitterDraft {
    pub code: String,
    pub kind: SplitterType,
    /// What each output loses, from the first on.
    pub losses: Vec<Decimal>,
    pub location: Option<String>,
    pub is_active: bool,
    /// From what it hangs on to here.
    pub stretch: Stretch,
    pub site: Site,
}

/// What divides the light.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splitter {
    pub id: SplitterId,
    pub lcp_id: LcpId,
    /// None: it hangs on the LCP itself.
    pub parent: Option<(SplitterId, i16)>,
    pub depth: i16,
    pub draft: SplitterDraft,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl SplitterDraft {
    /// Checks what was typed or sent; names every wrong field.
    pub fn parse(typed: &Typed) -> Result<Self> {
        let mut check = Check::new();
        let code = check.field("code", line(typed.get("code"), CODE_MAX));
        let kind = check.field("type", SplitterType::parse(typed.get("type")));
        let losses = kind.and_then(|kind| losses(kind, typed.get("losses"), &mut check));
        let location = check.field("location", optional_line(typed.get("location"), NAME_MAX));
        let stretch = Stretch::parse(typed, &mut check);
        let site = Site::parse(typed, &mut check);
        let whole = (|| {
            Some(Self {
                code: code?,
                kind: kind?,
                losses: losses?,
                location: location?,
                is_active: typed.is_ticked("is_active"),
                stretch: stretch?,
                site: site?,
            })
        })();
        check.finish(whole)
    }

    pub fn typed(&self) -> Typed {
        let typed = Typed::default()
            .with("code", &self.code)
            .with("type", self.kind.as_str())
            .with("losses", if self.kind == SplitterType::Tap { listed(&self.losses) } else { String::new() })
            .with_option("location", self.location.as_ref())
            .with("is_active", self.is_active);
        self.site.typed(self.stretch.typed(typed))
    }

    /// What a splitter says of itself in the audit trail.
    pub fn told(&self) -> Value {
        told(
            json!({
                "code": self.code, "type": self.kind, "losses": listed(&self.losses), "location": self.location,
                "is_active": self.is_active,
            }),
            self.stretch,
            &self.site,
        )
    }

    /// How many outputs it has.
    pub fn outputs(&self) -> i16 {
        i16::try_from(self.losses.len()).unwrap_or(i16::MAX)
    }
}

/// Losses as people write them: `0.8, 11.5`.
pub fn listed(losses: &[Decimal]) -> String {
    losses.iter().map(|loss| loss.normalize().to_string()).collect::<Vec<_>>().join(", ")
}

/// What the outputs lose: the type's own losses, or those that were typed for a tap, parted by commas, semicolons or spaces.
fn losses(kind: SplitterType, text: &str, check: &mut Check) -> Option<Vec<Decimal>> {
    let typed: Vec<&str> =
        text.split([',', ';', ' ', '\n', '\t']).map(str::trim).filter(|part| !part.is_empty()).collect();
    if let Some(losses) = kind.losses() {
        if typed.is_empty() {
            return Some(losses);
        }
        check.wrong("losses", "not_a_tap", "Only a tap has losses of its own.");
        return None;
    }
    if typed.len() < 2 || typed.len() > OUTPUTS_MAX {
        check.wrong(
            "losses",
            "out_of_range",
            say!("A tap has 2 to {} outputs, each with its loss.", OUTPUTS_MAX),
        );
        return None;
    }
    check.field("losses", typed.into_iter().map(|loss| decimal(loss, 2, (0, 60))).collect())
}

/// Refuses an output that a splitter does not have, in the words of the trade.
pub fn check_output(field: &'static str, splitter: &SplitterDraft, number: i16) -> Result<()> {
    let outputs = splitter.outputs();
    if (1..=outputs).contains(&number) {
        return Ok(());
    }
    let kind = splitter.kind.as_str();
    let detail = say!("Splitter port must be between 1 and {} for {} splitter", outputs, kind);
    Err(Error::invalid(field, "out_of_range", detail))
}

/// What may be written of a NAP, checked, but for what it hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NapDraft {
    pub code: String,
    pub name: String,
    pub location: Option<String>,
    pub port_capacity: i16,
    pub is_active: bool,
    pub notes: Option<String>,
    /// How far a drop from here may go.
    pub max_distance_m: i32,
    /// From the splitter to here.
    pub stretch: Stretch,
    pub site: Site,
}

/// The box at the street that drops go out from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nap {
    pub id: NapId,
    pub splitter_id: SplitterId,
    pub splitter_output: i16,
    pub draft: NapDraft,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl NapDraft {
    /// Checks what was typed or sent; names every wrong field.
    pub fn parse(typed: &Typed) -> Result<Self> {
        let mut check = Check::new();
        let code = check.field("code", line(typed.get("code"), CODE_MAX));
        let name = check.field("name", line(typed.get("name"), NAME_MAX));
        let location = check.field("location", optional_line(typed.get("location"), LOCATION_MAX));
        let capacity = check.field("port_capacity", capacity(typed.get("port_capacity")));
        let notes = check.field("notes", optional_text(typed.get("notes"), NOTES_MAX));
        let reach = check.field("max_distance_m", whole(typed.get("max_distance_m"), 100, 0..=10_000));
        let stretch = Stretch::parse(typed, &mut check);
        let site = Site::parse(typed, &mut check);
        let whole = (|| {
            Some(Self {
                code: code?,
                name: name?,
                location: location?,
                port_capacity: capacity?,
                is_active: typed.is_ticked("is_active"),
                notes: notes?,
                max_distance_m: reach?,
                stretch: stretch?,
                site: site?,
            })
        })();
        check.finish(whole)
    }

    pub fn typed(&self) -> Typed {
        let typed = Typed::default()
            .with("code", &self.code)
            .with("name", &self.name)
            .with_option("location", self.location.as_ref())
            .with("port_capacity", self.port_capacity)
            .with("is_active", self.is_active)
            .with_option("notes", self.notes.as_ref())
            .with("max_distance_m", self.max_distance_m);
        self.site.typed(self.stretch.typed(typed))
    }

    /// What a NAP says of itself in the audit trail.
    pub fn told(&self) -> Value {
        told(
            json!({
                "code": self.code, "name": self.name, "location": self.location, "port_capacity": self.port_capacity,
                "is_active": self.is_active, "notes": self.notes, "max_distance_m": self.max_distance_m,
            }),
            self.stretch,
            &self.site,
        )
    }
}

fn capacity(text: &str) -> Result<i16, Wrong> {
    let number = whole(text, 8, i32::MIN..=i32::MAX)?;
    i16::try_from(number)
        .ok()
        .filter(|number| CAPACITIES.contains(number))
        .ok_or_else(|| Wrong::new("not_a_choice", "A NAP has 4, 8, 16, 24 or 32 ports."))
}

/// What a port of a NAP is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[oai(rename = "PortState", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum PortState {
    Free,
    /// Kept for somebody until a moment.
    Reserved,
    /// Held by an installation that is not terminated.
    Used,
    Faulty,
}

impl PortState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Reserved => "reserved",
            Self::Used => "used",
            Self::Faulty => "faulty",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Free => say("Free"),
            Self::Reserved => say("Reserved"),
            Self::Used => say("Used"),
            Self::Faulty => say("Faulty"),
        }
    }
}

/// The installation that holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub installation: InstallationId,
    pub customer: CustomerId,
    pub name: String,
    pub status: String,
}

/// One port as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortView {
    pub number: i16,
    pub held_by: Option<Holder>,
    pub is_faulty: bool,
    /// Until when, and for whom if it is for a customer; none when it is not reserved or no longer.
    pub reserved_until: Option<DateTime<Utc>>,
    pub reserved_for: Option<(CustomerId, String)>,
    pub note: Option<String>,
}

impl PortView {
    /// Who sits on it comes first, then what is wrong with it, then for whom it is kept.
    pub fn state(&self) -> PortState {
        if self.held_by.is_some() {
            PortState::Used
        } else if self.is_faulty {
            PortState::Faulty
        } else if self.reserved_until.is_some() {
            PortState::Reserved
        } else {
            PortState::Free
        }
    }
}

/// How the ports of something stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PortCounts {
    pub total: i64,
    pub used: i64,
    pub free: i64,
    pub reserved: i64,
    pub faulty: i64,
}

/// Whether a branch of splitters (each with its depth) may hang below a splitter of the plant, and by how much it gets deeper.
/// `onto` is none for the LCP itself.
pub fn moved(branch: &[(SplitterId, i16)], onto: Option<(SplitterId, i16)>) -> Result<i16, Wrong> {
    if let Some((onto, _)) = onto
        && branch.iter().any(|(id, _)| *id == onto)
    {
        return Err(Wrong::new("cycle", "A splitter cannot hang below itself."));
    }
    let top = branch.iter().map(|(_, depth)| *depth).min().unwrap_or(1);
    let lowest = branch.iter().map(|(_, depth)| *depth).max().unwrap_or(1);
    let by = onto.map_or(0, |(_, depth)| depth) + 1 - top;
    if lowest + by > DEPTH_MAX {
        let detail = say!("Splitters can be cascaded at most {} deep.", DEPTH_MAX);
        return Err(Wrong::new("too_deep", detail));
    }
    Ok(by)
}
