//! What programs send about the plant.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::MaybeUndefined};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    isp::{
        customers::Accuracy,
        plant::{
            budget::OltClass,
            fibre::{Stretch, decimal},
            model::{Hang, SplitterType},
            rules::{PortChange, WhatIf},
        },
    },
    types::{CustomerId, NapId, SplitterId, optional_line},
    web::typed::Typed,
};

/// A value of a body as the text that a form would hold.
trait Text {
    fn text(&self) -> String;
}

macro_rules! text {
    ($($ty:ty: $said:expr;)+) => {
        $(impl Text for $ty {
            fn text(&self) -> String {
                let say: fn(&$ty) -> String = $said;
                say(self)
            }
        })+
    };
}

text! {
    String: Clone::clone;
    i32: ToString::to_string;
    f64: ToString::to_string;
    Uuid: ToString::to_string;
    OltClass: |class| class.as_str().to_owned();
    SplitterType: |kind| kind.as_str().to_owned();
    Accuracy: |accuracy| accuracy.as_str().to_owned();
    Vec<f64>: |all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
}

/// Declares the body of a new thing and that of its changes, from one list of fields. What it hangs on is not changed, it is moved.
macro_rules! bodies {
    (
        $(#[$new_doc:meta])* $new:ident = $new_name:literal;
        $(#[$changes_doc:meta])* $changes:ident = $changes_name:literal;
        hangs_on { $($(#[$p_attr:meta])* $p:ident: $p_ty:ty,)* }
        needed { $($(#[$n_attr:meta])* $n:ident = $n_key:literal: $n_ty:ty,)* }
        optional { $($(#[$o_attr:meta])* $o:ident = $o_key:literal: $o_ty:ty,)* }
    ) => {
        $(#[$new_doc])*
        #[derive(Debug, Clone, Object)]
        #[oai(rename = $new_name)]
        pub struct $new {
            $($(#[$p_attr])* $p: $p_ty,)*
            $($(#[$n_attr])* #[oai(rename = $n_key)] $n: $n_ty,)*
            $($(#[$o_attr])* #[oai(rename = $o_key, nullable)] $o: Option<$o_ty>,)*
            /// True unless said otherwise.
            #[oai(nullable)]
            is_active: Option<bool>,
        }

        impl $new {
            pub fn typed(&self) -> Typed {
                let typed = Typed::default().with("is_active", self.is_active.unwrap_or(true));
                $(let typed = typed.with($n_key, self.$n.text());)*
                $(let typed = typed.with_option($o_key, self.$o.as_ref().map(Text::text));)*
                typed
            }
        }

        $(#[$changes_doc])*
        #[derive(Debug, Clone, Object)]
        #[oai(rename = $changes_name)]
        pub struct $changes {
            $($(#[$n_attr])* #[oai(rename = $n_key)] $n: Option<$n_ty>,)*
            $($(#[$o_attr])* #[oai(rename = $o_key, nullable)] $o: MaybeUndefined<$o_ty>,)*
            is_active: Option<bool>,
        }

        impl $changes {
            /// The values as they become.
            pub fn over(&self, typed: Typed) -> Typed {
                let typed = typed.over_some("is_active", self.is_active);
                $(let typed = typed.over_some($n_key, self.$n.as_ref().map(Text::text));)*
                $(let typed = match &self.$o {
                    MaybeUndefined::Undefined => typed,
                    MaybeUndefined::Null => typed.with($o_key, ""),
                    MaybeUndefined::Value(value) => typed.with($o_key, value.text()),
                };)*
                typed
            }
        }
    };
}

bodies! {
    /// A new LCP. Code and name are unique, in any case: 409 `code_taken`, `name_taken`.
    NewLcpBody = "NewLcp";
    /// Changes of an LCP: what is absent stays, null takes a value away.
    LcpChangesBody = "LcpChanges";
    hangs_on {}
    needed {
        #[oai(validator(min_length = 1, max_length = 50))]
        code = "code": String,
        #[oai(validator(min_length = 1, max_length = 100))]
        name = "name": String,
    }
    optional {
        #[oai(validator(max_length = 255))]
        location = "location": String,
        area_id = "area_id": Uuid,
        #[oai(validator(max_length = 5000))]
        notes = "notes": String,
        /// How far it reaches; 1000 when absent.
        #[oai(validator(minimum(value = "0"), maximum(value = "50000")))]
        coverage_radius_m = "coverage_radius_m": i32,
        #[oai(validator(max_length = 100))]
        olt_name = "olt_name": String,
        /// `b_plus` when absent.
        olt_class = "olt_class": OltClass,
        /// What the OLT sends; 3 dBm when absent. At most two decimals.
        #[oai(validator(minimum(value = "-10"), maximum(value = "15")))]
        olt_tx_dbm = "olt_tx_dbm": f64,
        /// Fibre from the OLT to here.
        #[oai(validator(minimum(value = "0"), maximum(value = "100000")))]
        fibre_m = "fibre_m": i32,
        /// Counted on that fibre; null when nobody counted.
        #[oai(validator(minimum(value = "0"), maximum(value = "50")))]
        connectors = "connectors": i32,
        #[oai(validator(minimum(value = "0"), maximum(value = "200")))]
        splices = "splices": i32,
        /// Comes with `longitude`.
        #[oai(validator(minimum(value = "-90"), maximum(value = "90")))]
        latitude = "latitude": f64,
        #[oai(validator(minimum(value = "-180"), maximum(value = "180")))]
        longitude = "longitude": f64,
        /// `manual` when absent.
        location_accuracy = "location_accuracy": Accuracy,
        #[oai(validator(max_length = 255))]
        location_notes = "location_notes": String,
    }
}

bodies! {
    /// A new splitter, on an LCP or on an output of another splitter. The code is unique below its LCP, in any case: 409 `code_taken`.
    NewSplitterBody = "NewSplitter";
    /// Changes of a splitter where it hangs: what is absent stays, null takes a value away.
    SplitterChangesBody = "SplitterChanges";
    hangs_on {
        /// The LCP, when it hangs on no other splitter.
        #[oai(nullable)]
        lcp_id: Option<Uuid>,
        #[oai(nullable)]
        parent_id: Option<Uuid>,
        /// Comes with `parent_id`.
        #[oai(nullable, validator(minimum(value = "1"), maximum(value = "128")))]
        parent_output: Option<i32>,
    }
    needed {
        #[oai(validator(min_length = 1, max_length = 50))]
        code = "code": String,
        kind = "type": SplitterType,
    }
    optional {
        /// Of a tap alone, and needed there: what each output loses, in dB with at most two decimals.
        #[oai(validator(max_items = 128))]
        losses = "losses": Vec<f64>,
        #[oai(validator(max_length = 100))]
        location = "location": String,
        /// Fibre from what it hangs on to here.
        #[oai(validator(minimum(value = "0"), maximum(value = "100000")))]
        fibre_m = "fibre_m": i32,
        #[oai(validator(minimum(value = "0"), maximum(value = "50")))]
        connectors = "connectors": i32,
        #[oai(validator(minimum(value = "0"), maximum(value = "200")))]
        splices = "splices": i32,
        #[oai(validator(minimum(value = "-90"), maximum(value = "90")))]
        latitude = "latitude": f64,
        #[oai(validator(minimum(value = "-180"), maximum(value = "180")))]
        longitude = "longitude": f64,
        location_accuracy = "location_accuracy": Accuracy,
        #[oai(validator(max_length = 255))]
        location_notes = "location_notes": String,
    }
}

impl SplitterChangesBody {
    /// The values as they become. Another type takes its own losses, unless some are given.
    pub fn over_splitter(&self, typed: Typed) -> Typed {
        let forgets = self.kind.is_some() && matches!(self.losses, MaybeUndefined::Undefined);
        self.over(if forgets { typed.with("losses", "") } else { typed })
    }
}

bodies! {
    /// A new NAP on an output of a splitter. The code is unique on its splitter, in any case: 409 `code_taken`.
    NewNapBody = "NewNap";
    /// Changes of a NAP where it hangs: what is absent stays, null takes a value away.
    NapChangesBody = "NapChanges";
    hangs_on {
        splitter_id: Uuid,
        /// From 1 on. Several NAPs may share one.
        #[oai(validator(minimum(value = "1"), maximum(value = "128")))]
        splitter_output: i16,
    }
    needed {
        #[oai(validator(min_length = 1, max_length = 50))]
        code = "code": String,
        #[oai(validator(min_length = 1, max_length = 100))]
        name = "name": String,
    }
    optional {
        #[oai(validator(max_length = 255))]
        location = "location": String,
        /// 4, 8, 16, 24 or 32; 8 when absent. Not fewer than the highest used port: 409 `in_use`.
        #[oai(validator(minimum(value = "4"), maximum(value = "32"), multiple_of = 4.0))]
        port_capacity = "port_capacity": i32,
        #[oai(validator(max_length = 5000))]
        notes = "notes": String,
        /// How far a drop from here may go; 100 when absent.
        #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
        max_distance_m = "max_distance_m": i32,
        /// Fibre from the splitter to here.
        #[oai(validator(minimum(value = "0"), maximum(value = "100000")))]
        fibre_m = "fibre_m": i32,
        #[oai(validator(minimum(value = "0"), maximum(value = "50")))]
        connectors = "connectors": i32,
        #[oai(validator(minimum(value = "0"), maximum(value = "200")))]
        splices = "splices": i32,
        #[oai(validator(minimum(value = "-90"), maximum(value = "90")))]
        latitude = "latitude": f64,
        #[oai(validator(minimum(value = "-180"), maximum(value = "180")))]
        longitude = "longitude": f64,
        location_accuracy = "location_accuracy": Accuracy,
        #[oai(validator(max_length = 255))]
        location_notes = "location_notes": String,
    }
}

/// What a splitter hangs on: an LCP, or an output of another splitter.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SplitterPlace")]
pub struct HangBody {
    /// The LCP, when it hangs on no other splitter.
    #[oai(nullable)]
    lcp_id: Option<Uuid>,
    #[oai(nullable)]
    parent_id: Option<Uuid>,
    /// Comes with `parent_id`.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "128")))]
    parent_output: Option<i32>,
}

fn hang(lcp: Option<Uuid>, parent: Option<Uuid>, output: Option<i32>) -> Result<Hang> {
    Hang::parse(
        &Typed::default()
            .with_option("lcp_id", lcp)
            .with_option("parent_id", parent)
            .with_option("parent_output", output),
    )
}

impl HangBody {
    pub fn parse(&self) -> Result<Hang> {
        hang(self.lcp_id, self.parent_id, self.parent_output)
    }
}

impl NewSplitterBody {
    pub fn hang(&self) -> Result<Hang> {
        hang(self.lcp_id, self.parent_id, self.parent_output)
    }
}

/// The splitter's output that a NAP hangs on.
#[derive(Debug, Clone, Object)]
#[oai(rename = "NapPlace")]
pub struct NapPlaceBody {
    splitter_id: Uuid,
    /// From 1 on. Several NAPs may share one.
    #[oai(validator(minimum(value = "1"), maximum(value = "128")))]
    splitter_output: i16,
}

impl NapPlaceBody {
    pub fn place(&self) -> (SplitterId, i16) {
        (SplitterId(self.splitter_id), self.splitter_output)
    }
}

impl NewNapBody {
    pub fn place(&self) -> (SplitterId, i16) {
        (SplitterId(self.splitter_id), self.splitter_output)
    }
}

/// What a port may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "PortMark", rename_all = "snake_case")]
pub enum PortMark {
    /// Neither reserved nor faulty.
    Free,
    Reserved,
    Faulty,
}

/// A change of a port. Who is on it stays on it.
#[derive(Debug, Clone, Object)]
#[oai(rename = "PortChange")]
pub struct PortBody {
    state: PortMark,
    /// Needed to reserve; at most a year ahead.
    #[oai(nullable)]
    reserved_until: Option<DateTime<Utc>>,
    /// The customer that it is kept for, if it is for one.
    #[oai(nullable)]
    reserved_for: Option<Uuid>,
    #[oai(nullable, validator(max_length = 255))]
    note: Option<String>,
}

impl PortBody {
    pub fn parse(self) -> Result<PortChange> {
        let note = optional_line(self.note.as_deref().unwrap_or_default(), 255)
            .map_err(|wrong| Error::Invalid(vec![wrong.at("note")]))?;
        match self.state {
            PortMark::Free => Ok(PortChange::Free),
            PortMark::Faulty => Ok(PortChange::Faulty { note }),
            PortMark::Reserved => {
                let until = self.reserved_until.ok_or_else(|| {
                    Error::invalid("reserved_until", "required", "Until when is it reserved?")
                })?;
                Ok(PortChange::Reserve { until, customer: self.reserved_for.map(CustomerId), note })
            }
        }
    }
}

/// A further splitter on a way that is not built yet.
#[derive(Debug, Clone, Object)]
#[oai(rename = "PlannedSplitter")]
pub struct PlannedSplitterBody {
    #[oai(rename = "type")]
    kind: SplitterType,
    /// What the taken output loses; needed for a tap, else the type's own.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "60")))]
    loss_db: Option<f64>,
}

/// A way that is not built yet: from a NAP, from a splitter's output, or from an OLT on.
#[derive(Debug, Clone, Object)]
#[oai(rename = "PlannedPath")]
pub struct WhatIfBody {
    #[oai(nullable)]
    nap_id: Option<Uuid>,
    /// Comes with `splitter_output`; not beside `nap_id`.
    #[oai(nullable)]
    splitter_id: Option<Uuid>,
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "128")))]
    splitter_output: Option<i16>,
    /// That of the way's LCP, or `b_plus`.
    #[oai(nullable)]
    olt_class: Option<OltClass>,
    #[oai(nullable, validator(minimum(value = "-10"), maximum(value = "15")))]
    olt_tx_dbm: Option<f64>,
    /// Splitters that come after it.
    #[oai(default, validator(max_items = 8))]
    splitters: Vec<PlannedSplitterBody>,
    /// Fibre that comes after it.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "100000")))]
    fibre_m: Option<i32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "50")))]
    connectors: Option<i16>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "200")))]
    splices: Option<i16>,
}

/// A number of a body as a decimal.
fn db(field: &'static str, value: f64, most: (i64, i64)) -> Result<Decimal> {
    decimal(&value.to_string(), 2, most).map_err(|wrong| Error::Invalid(vec![wrong.at(field)]))
}

impl WhatIfBody {
    pub fn parse(self) -> Result<WhatIf> {
        let output = match (self.nap_id, self.splitter_id, self.splitter_output) {
            (_, None, None) => None,
            (None, Some(id), Some(output)) => Some((SplitterId(id), output)),
            (None, Some(_), None) => {
                return Err(Error::invalid(
                    "splitter_output",
                    "required",
                    "Splitter port number is required.",
                ));
            }
            (None, None, Some(_)) => {
                return Err(Error::invalid("splitter_id", "required", "Which splitter?"));
            }
            (Some(_), ..) => {
                return Err(Error::invalid("splitter_id", "not_both", "Give either a NAP or a splitter."));
            }
        };
        let mut splits = Vec::with_capacity(self.splitters.len());
        for planned in &self.splitters {
            splits.push(
                match (planned.loss_db, planned.kind.losses().and_then(|all| all.first().copied())) {
                    (Some(loss), _) => db("splitters", loss, (0, 60))?,
                    (None, Some(loss)) => loss,
                    (None, None) => {
                        return Err(Error::invalid("splitters", "required", "What does the tap lose?"));
                    }
                },
            );
        }
        Ok(WhatIf {
            nap: self.nap_id.map(NapId),
            output,
            class: self.olt_class,
            tx_dbm: self.olt_tx_dbm.map(|tx| db("olt_tx_dbm", tx, (-10, 15))).transpose()?,
            splits,
            stretch: Stretch {
                fibre_m: self.fibre_m.unwrap_or(0),
                connectors: self.connectors,
                splices: self.splices,
            },
        })
    }
}

/// Changes of how light is counted; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "PlantPolicyChanges")]
pub struct PolicyChangesBody {
    /// dB per kilometre, at most three decimals.
    #[oai(validator(minimum(value = "0"), maximum(value = "5")))]
    fibre_1310_db_km: Option<f64>,
    #[oai(validator(minimum(value = "0"), maximum(value = "5")))]
    fibre_1490_db_km: Option<f64>,
    #[oai(validator(minimum(value = "0"), maximum(value = "5")))]
    fibre_1550_db_km: Option<f64>,
    /// dB of one mated pair.
    #[oai(validator(minimum(value = "0"), maximum(value = "5")))]
    connector_db: Option<f64>,
    #[oai(validator(minimum(value = "0"), maximum(value = "5")))]
    splice_db: Option<f64>,
    /// What a way has when nobody counted.
    #[oai(validator(minimum(value = "0"), maximum(value = "50")))]
    usual_connectors: Option<i32>,
    #[oai(validator(minimum(value = "0"), maximum(value = "200")))]
    usual_splices: Option<i32>,
    /// A margin from here on is green, at most two decimals.
    #[oai(validator(minimum(value = "0"), maximum(value = "20")))]
    green_margin_db: Option<f64>,
}

impl PolicyChangesBody {
    /// The values as they become.
    pub fn over(&self, typed: Typed) -> Typed {
        typed
            .over_some("fibre_1310_db_km", self.fibre_1310_db_km)
            .over_some("fibre_1490_db_km", self.fibre_1490_db_km)
            .over_some("fibre_1550_db_km", self.fibre_1550_db_km)
            .over_some("connector_db", self.connector_db)
            .over_some("splice_db", self.splice_db)
            .over_some("usual_connectors", self.usual_connectors)
            .over_some("usual_splices", self.usual_splices)
            .over_some("green_margin_db", self.green_margin_db)
    }
}
