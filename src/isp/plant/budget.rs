//! Light: how much of it is lost on the way to a subscriber, and what is left there. Pure arithmetic on decimals.

use poem_openapi::Enum;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;
use serde_json::{Value, json};

use super::fibre::{Stretch, decimal, whole};
use crate::{
    error::Result,
    types::{Check, Wrong},
    web::typed::Typed,
    words::say,
};

/// The optics of an OLT port, by the loss that they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[oai(rename = "OltClass", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum OltClass {
    BPlus,
    CPlus,
    N1,
    N2,
}

impl OltClass {
    pub const ALL: [Self; 4] = [Self::BPlus, Self::CPlus, Self::N1, Self::N2];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::BPlus => "b_plus",
            Self::CPlus => "c_plus",
            Self::N1 => "n1",
            Self::N2 => "n2",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::BPlus => "GPON B+ (28 dB)",
            Self::CPlus => "GPON C+ (32 dB)",
            Self::N1 => "XGS-PON N1 (29 dB)",
            Self::N2 => "XGS-PON N2 (31 dB)",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Wrong> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| Wrong::new("not_a_choice", "This must be one of b_plus, c_plus, n1, n2."))
    }

    /// A class of the table's column, which holds no other.
    pub fn from_column(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self::BPlus)
    }

    /// What may be lost at most.
    pub fn budget_db(self) -> Decimal {
        Decimal::from(match self {
            Self::BPlus => 28,
            Self::CPlus => 32,
            Self::N1 => 29,
            Self::N2 => 31,
        })
    }

    /// What must be lost at least: with less, the light is too strong for the receivers. ITU-T G.984.2 gives GPON's classes as
    /// 13 to 28 and 17 to 32 dB, G.9807.1 (and G.987.2) N1 as 14 to 29 and N2 as 16 to 31: the strongest OLT of N1 sends at +5 dBm,
    /// of N2 at +7, and their ONTs stand -9.
    pub fn minimum_db(self) -> Decimal {
        Decimal::from(match self {
            Self::BPlus => 13,
            Self::CPlus => 17,
            Self::N1 => 14,
            Self::N2 => 16,
        })
    }

    /// The strongest light that an ONT's receiver stands: -8 dBm on GPON (G.984.2), -9 on XGS-PON (G.9807.1).
    pub fn strongest_dbm(self) -> Decimal {
        Decimal::from(match self {
            Self::BPlus | Self::CPlus => -8,
            Self::N1 | Self::N2 => -9,
        })
    }
}

/// How a tenant counts light.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub fibre_1310_db_km: Decimal,
    pub fibre_1490_db_km: Decimal,
    pub fibre_1550_db_km: Decimal,
    pub connector_db: Decimal,
    pub splice_db: Decimal,
    /// What a path has when nobody counted.
    pub usual_connectors: i16,
    pub usual_splices: i16,
    /// A margin from here on is green.
    pub green_margin_db: Decimal,
}

impl Policy {
    pub const FIELDS: [&'static str; 8] = [
        "fibre_1310_db_km",
        "fibre_1490_db_km",
        "fibre_1550_db_km",
        "connector_db",
        "splice_db",
        "usual_connectors",
        "usual_splices",
        "green_margin_db",
    ];

    pub fn parse(typed: &Typed) -> Result<Self> {
        let mut check = Check::new();
        let mut db = |name, places, most| check.field(name, decimal(typed.get(name), places, (0, most)));
        let (at_1310, at_1490, at_1550) =
            (db("fibre_1310_db_km", 3, 5), db("fibre_1490_db_km", 3, 5), db("fibre_1550_db_km", 3, 5));
        let (connector, splice) = (db("connector_db", 3, 5), db("splice_db", 3, 5));
        let green = db("green_margin_db", 2, 20);
        let mut usual = |name, otherwise, most| {
            let number = check.field(name, whole(typed.get(name), otherwise, 0..=most))?;
            i16::try_from(number).ok()
        };
        let (connectors, splices) = (usual("usual_connectors", 4, 50), usual("usual_splices", 6, 200));
        let policy = (|| {
            Some(Self {
                fibre_1310_db_km: at_1310?,
                fibre_1490_db_km: at_1490?,
                fibre_1550_db_km: at_1550?,
                connector_db: connector?,
                splice_db: splice?,
                usual_connectors: connectors?,
                usual_splices: splices?,
                green_margin_db: green?,
            })
        })();
        check.finish(policy)
    }

    pub fn typed(&self) -> Typed {
        Typed::default()
            .with("fibre_1310_db_km", self.fibre_1310_db_km.normalize())
            .with("fibre_1490_db_km", self.fibre_1490_db_km.normalize())
            .with("fibre_1550_db_km", self.fibre_1550_db_km.normalize())
            .with("connector_db", self.connector_db.normalize())
            .with("splice_db", self.splice_db.normalize())
            .with("usual_connectors", self.usual_connectors)
            .with("usual_splices", self.usual_splices)
            .with("green_margin_db", self.green_margin_db.normalize())
    }

    /// What the policy says of itself in the audit trail.
    pub fn told(&self) -> Value {
        json!({
            "fibre_1310_db_km": self.fibre_1310_db_km.normalize(),
            "fibre_1490_db_km": self.fibre_1490_db_km.normalize(),
            "fibre_1550_db_km": self.fibre_1550_db_km.normalize(),
            "connector_db": self.connector_db.normalize(),
            "splice_db": self.splice_db.normalize(),
            "usual_connectors": self.usual_connectors,
            "usual_splices": self.usual_splices,
            "green_margin_db": self.green_margin_db.normalize(),
        })
    }
}

/// The way of the light from the OLT: fibre, and the outputs of splitters that it goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LightPath {
    pub class: OltClass,
    pub tx_dbm: Decimal,
    pub stretches: Vec<Stretch>,
    /// What each splitter on the way loses at the output that is taken.
    pub splits: Vec<Decimal>,
}

impl LightPath {
    /// The same way with one more stretch at its end.
    pub fn and(mut self, stretch: Stretch) -> Self {
        self.stretches.push(stretch);
        self
    }
}

/// How well it is with the light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[oai(rename = "LightGrade", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Enough to spare.
    Green,
    /// It works, with little to spare.
    Amber,
    /// More is lost than the class stands.
    Red,
}

impl Grade {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }

    /// What it says to people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Green => say("Good"),
            Self::Amber => say("Little to spare"),
            Self::Red => say("Too much loss"),
        }
    }

    /// The tone of its badge.
    pub fn tone(self) -> &'static str {
        match self {
            Self::Green => "success",
            Self::Amber => "warning",
            Self::Red => "error",
        }
    }
}

/// What is lost and what is left, in dB and dBm with two decimals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    pub class: OltClass,
    pub tx_dbm: Decimal,
    pub fibre_m: i64,
    pub connectors: i64,
    pub splices: i64,
    /// Of the splitters alone.
    pub split_db: Decimal,
    pub loss_1310_db: Decimal,
    pub loss_1490_db: Decimal,
    pub loss_1550_db: Decimal,
    /// What the class stands, less what is lost at 1310 nm, the worst direction.
    pub margin_db: Decimal,
    /// What an ONT should read at 1490 nm.
    pub ont_dbm: Decimal,
    pub grade: Grade,
    /// Less is lost than the receivers stand.
    pub too_hot: bool,
}

/// Half-up, to hundredths.
fn hundredths(value: Decimal) -> Decimal {
    let mut rounded = value.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(2);
    rounded
}

/// What somebody counted on the whole way, or what is usual when nobody counted anywhere.
fn counted(stretches: &[Stretch], of: impl Fn(&Stretch) -> Option<i16>, usual: i16) -> i64 {
    if stretches.iter().all(|stretch| of(stretch).is_none()) {
        return usual.into();
    }
    stretches.iter().filter_map(of).map(i64::from).sum()
}

/// The budget of a way: loss = splitters + km x fibre + connectors + splices.
pub fn budget(path: &LightPath, policy: &Policy) -> Budget {
    let fibre_m: i64 = path.stretches.iter().map(|stretch| i64::from(stretch.fibre_m)).sum();
    let connectors = counted(&path.stretches, |stretch| stretch.connectors, policy.usual_connectors);
    let splices = counted(&path.stretches, |stretch| stretch.splices, policy.usual_splices);
    let split: Decimal = path.splits.iter().sum();
    let fixed =
        split + Decimal::from(connectors) * policy.connector_db + Decimal::from(splices) * policy.splice_db;
    // Metres as kilometres.
    let fibre_km = Decimal::new(fibre_m, 3);
    let lost = |db_km: Decimal| hundredths(fixed + fibre_km * db_km);
    let (at_1310, at_1490) = (lost(policy.fibre_1310_db_km), lost(policy.fibre_1490_db_km));
    let margin = path.class.budget_db() - at_1310;
    let ont = hundredths(path.tx_dbm - at_1490);
    Budget {
        class: path.class,
        tx_dbm: hundredths(path.tx_dbm),
        fibre_m,
        connectors,
        splices,
        split_db: hundredths(split),
        loss_1310_db: at_1310,
        loss_1490_db: at_1490,
        loss_1550_db: lost(policy.fibre_1550_db_km),
        margin_db: margin,
        ont_dbm: ont,
        grade: graded(margin, policy.green_margin_db),
        too_hot: at_1490 < path.class.minimum_db() || ont > path.class.strongest_dbm(),
    }
}

fn graded(margin: Decimal, green_from: Decimal) -> Grade {
    if margin < Decimal::ZERO {
        Grade::Red
    } else if margin < green_from {
        Grade::Amber
    } else {
        Grade::Green
    }
}
