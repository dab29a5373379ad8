//! A router, its address, and the states it may be in.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    error::{Error, Result},
    types::search::Words,
    types::{Check, CustomerId, InstallationId, RouterId, Wrong, line, optional_line, optional_text},
    web::choices::choices,
    web::typed::Typed,
    words::say,
};

pub const BRAND_MAX: usize = 50;
pub const MODEL_MAX: usize = 100;
pub const SERIAL_MAX: usize = 100;
pub const NOTES_MAX: usize = 5_000;
pub const NOTE_MAX: usize = 500;
/// What may be typed of a router.
pub const FIELDS: [&str; 5] = ["brand", "model", "serial_number", "mac_address", "notes"];

/// Brands that are offered; any other can be typed.
pub const BRANDS: [&str; 10] =
    ["MikroTik", "TP-Link", "Ubiquiti", "Tenda", "Huawei", "ZTE", "Cisco", "Netgear", "Asus", "Xiaomi"];

/// A hardware address in its one canonical form: upper case, pairs between colons.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddress(String);

impl MacAddress {
    /// `aa:bb:cc:dd:ee:ff`, `aa-bb-cc-dd-ee-ff`, `aabb.ccdd.eeff` or the twelve digits alone, in any case.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Wrong::new("required", "This is needed."));
        }
        let digits = digits_of(text).ok_or_else(|| {
            Wrong::new("not_a_mac", "A MAC address has twelve hexadecimal digits, such as 48:A9:8A:01:02:03.")
        })?;
        if digits.chars().all(|c| c == '0') || digits.chars().all(|c| c == 'F') {
            return Err(Wrong::new("not_a_mac", "This address belongs to no device."));
        }
        let mut canonical = String::with_capacity(17);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && at % 2 == 0 {
                canonical.push(':');
            }
            canonical.push(digit);
        }
        Ok(Self(canonical))
    }

    /// A column's text, which the table's own check holds to the form.
    pub fn from_column(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The twelve digits in upper case, if the text is in one of the four spellings.
fn digits_of(text: &str) -> Option<String> {
    let group = |separator: char, size: usize| {
        let mut parts = text.split(separator);
        let whole = parts.clone().count() * size == 12;
        (whole && parts.all(|part| part.len() == size)).then(|| text.replace(separator, ""))
    };
    let digits =
        group(':', 2).or_else(|| group('-', 2)).or_else(|| group('.', 4)).unwrap_or_else(|| text.to_owned());
    (digits.len() == 12 && digits.chars().all(|c| c.is_ascii_hexdigit())).then(|| digits.to_ascii_uppercase())
}

choices! {
    /// Where a router is in its life.
    State is "RouterState":
        InStock = "in_stock", "In stock";
        /// An installation has it.
        Assigned = "assigned", "Assigned";
        /// Came back from an installation, and was not looked at yet.
        Returned = "returned", "Returned";
        Faulty = "faulty", "Faulty";
        Retired = "retired", "Retired";
}

impl State {
    /// In the middle of a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::InStock => say("in stock"),
            Self::Assigned => "assigned",
            Self::Returned => "returned",
            Self::Faulty => "faulty",
            Self::Retired => "retired",
        }
    }
}

/// Who moves a router from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mover {
    /// Staff, at the shelf.
    Staff,
    /// An installation that takes it or gives it back.
    Installation,
}

/// Every move that there is. One that is not here is refused.
pub const MOVES: &[(State, State, Mover)] = &[
    (State::InStock, State::Faulty, Mover::Staff),
    (State::InStock, State::Retired, Mover::Staff),
    (State::Returned, State::InStock, Mover::Staff),
    (State::Returned, State::Faulty, Mover::Staff),
    (State::Returned, State::Retired, Mover::Staff),
    (State::Faulty, State::InStock, Mover::Staff),
    (State::Faulty, State::Retired, Mover::Staff),
    (State::Retired, State::InStock, Mover::Staff),
    (State::InStock, State::Assigned, Mover::Installation),
    (State::Assigned, State::Returned, Mover::Installation),
    (State::Assigned, State::Faulty, Mover::Installation),
];

/// Whether there is anything to move: false when it is there already, 409 when it may not go there.
pub fn check_move(from: State, to: State, mover: Mover) -> Result<bool> {
    if from == to {
        return Ok(false);
    }
    if MOVES.contains(&(from, to, mover)) {
        return Ok(true);
    }
    let detail = match (from, to) {
        (State::Assigned, _) => "An installation has this router. Take it off the installation first.".into(),
        (_, State::Assigned) => "A router is assigned by putting it into an installation.".into(),
        (_, State::Returned) => "Only a router that was at a customer's comes back.".into(),
        _ => say!("A router that is {} cannot become {}.", from.word(), to.word()),
    };
    Err(Error::conflict("transition_refused", detail))
}

/// Where staff may put a router that is in this state.
pub fn next_states(from: State) -> impl Iterator<Item = State> {
    MOVES.iter().filter(move |(at, _, mover)| *at == from && *mover == Mover::Staff).map(|(_, to, _)| *to)
}

/// What may be written of a router, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterDraft {
    pub brand: String,
    pub model: Option<String>,
    pub serial_number: String,
    pub mac_address: MacAddress,
    pub notes: Option<String>,
}

impl RouterDraft {
    /// Checks what was typed or sent; names every wrong field.
    pub fn parse(typed: &Typed) -> Result<Self> {
        let mut check = Check::new();
        let brand = check.field("brand", line(typed.get("brand"), BRAND_MAX));
        let model = check.field("model", optional_line(typed.get("model"), MODEL_MAX));
        let serial_number = check.field("serial_number", line(typed.get("serial_number"), SERIAL_MAX));
        let mac_address = check.field("mac_address", MacAddress::parse(typed.get("mac_address")));
        let notes = check.field("notes", optional_text(typed.get("notes"), NOTES_MAX));
        let whole = (|| {
            Some(Self {
                brand: brand?,
                model: model?,
                serial_number: serial_number?,
                mac_address: mac_address?,
                notes: notes?,
            })
        })();
        check.finish(whole)
    }

    pub fn typed(&self) -> Typed {
        Typed::default()
            .with("brand", &self.brand)
            .with_option("model", self.model.as_ref())
            .with("serial_number", &self.serial_number)
            .with("mac_address", &self.mac_address)
            .with_option("notes", self.notes.as_ref())
    }

    /// `MikroTik hAP ax2 · HF409ABCD`.
    pub fn label(&self) -> String {
        match &self.model {
            Some(model) => format!("{} {model} · {}", self.brand, self.serial_number),
            None => format!("{} · {}", self.brand, self.serial_number),
        }
    }

    /// What a router says of itself in the audit trail.
    pub fn told(&self) -> Value {
        json!({
            "brand": self.brand, "model": self.model, "serial_number": self.serial_number,
            "mac_address": self.mac_address.as_str(), "notes": self.notes,
        })
    }
}

/// A router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    pub id: RouterId,
    pub draft: RouterDraft,
    pub state: State,
    /// Who has it.
    pub holder: Option<Holder>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The installation that has a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub installation: InstallationId,
    pub customer: CustomerId,
    pub name: String,
}

/// One step of a router's life.
#[derive(Debug, Clone)]
pub struct Move {
    pub from: Option<State>,
    pub to: State,
    pub holder: Option<Holder>,
    pub note: Option<String>,
    pub moved_by: String,
    pub moved_at: DateTime<Utc>,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouterFilter {
    pub words: Words,
    /// The digits of a piece of a MAC address, however it was typed.
    pub mac: Option<String>,
    pub state: Option<State>,
}

impl RouterFilter {
    pub fn parse(q: &str, state: Option<State>) -> Self {
        Self { words: Words::parse(q).unwrap_or_default(), mac: piece_of_mac(q), state }
    }
}

/// Five digits and more of a MAC address, without what stands between them, as a pattern.
fn piece_of_mac(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = text.chars().all(|c| c.is_ascii_hexdigit() || ":-. ".contains(c));
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    (plain && (5..=12).contains(&digits.len())).then(|| format!("%{}%", digits.to_ascii_lowercase()))
}
