//! A key, and what somebody wants it to be.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use super::networks::Networks;
use crate::{
    access::right::Catalogue,
    error::{Error, Result},
    types::{ApiKeyId, Check, StaffId, Wrong, line},
    words::say,
};

const NAME_MAX_CHARS: usize = 100;
const SCOPES_MAX: usize = 50;
/// The secret before counts on for a week at most.
pub const OVERLAP_MAX_HOURS: i32 = 168;
/// So many days of use are shown.
pub const USE_DAYS: i64 = 30;

/// A key as it is kept.
#[derive(Debug, Clone)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    pub prefix: String,
    pub scopes: Vec<String>,
    pub networks: Networks,
    pub created_by: Option<StaffId>,
    pub created_by_name: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub last_used_from: Option<String>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// The secret before this one, as long as it counts.
    pub old: Option<OldSecret>,
}

/// A secret that was replaced and still counts.
#[derive(Debug, Clone)]
pub struct OldSecret {
    pub prefix: String,
    pub until: DateTime<Utc>,
}

impl ApiKey {
    /// `active`, `expired` or `revoked`.
    pub fn status_at(&self, now: DateTime<Utc>) -> &'static str {
        if self.revoked_at.is_some() {
            "revoked"
        } else if self.expires_at.is_some_and(|at| at <= now) {
            "expired"
        } else {
            "active"
        }
    }

    pub fn must_be_active(&self) -> Result<()> {
        match self.status_at(Utc::now()) {
            "active" => Ok(()),
            _ => Err(Error::conflict("key_not_active", "This key is revoked or has expired.")),
        }
    }

    /// As the audit trail remembers what may change of it.
    pub fn told(&self) -> Value {
        json!({"name": self.name, "allowed_networks": self.networks.texts(), "expires_at": self.expires_at})
    }
}

/// A key that is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub name: String,
    pub scopes: Vec<String>,
    pub networks: Networks,
    pub expires_at: Option<DateTime<Utc>>,
}

impl NewKey {
    /// What somebody typed, with every wrong field named.
    pub fn parse(
        catalogue: &Catalogue,
        name: &str,
        scopes: Vec<String>,
        networks: &[String],
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<Self> {
        let mut check = Check::new();
        let name = check.field("name", line(name, NAME_MAX_CHARS));
        let scopes = check.field("scopes", known_scopes(catalogue, scopes));
        let networks = check.fields(Networks::parse(networks));
        if expires_at.is_some_and(|at| at <= Utc::now()) {
            check.wrong("expires_at", "in_the_past", "This instant is past.");
        }
        let whole = (|| Some(Self { name: name?, scopes: scopes?, networks: networks?, expires_at }))();
        check.finish(whole)
    }
}

fn known_scopes(catalogue: &Catalogue, mut scopes: Vec<String>) -> std::result::Result<Vec<String>, Wrong> {
    let known = catalogue.scopes();
    scopes.sort_unstable();
    scopes.dedup();
    if let Some(unknown) = scopes.iter().find(|scope| !known.contains(&scope.as_str())) {
        return Err(Wrong::new("unknown_scope", say!("There is no scope {}.", unknown)));
    }
    match scopes.len() {
        0 => Err(Wrong::new("required", "Choose at least one scope.")),
        n if n > SCOPES_MAX => Err(Wrong::new("too_many", say!("At most {} scopes.", SCOPES_MAX))),
        _ => Ok(scopes),
    }
}

/// What is to change of a key; None stays as it is.
#[derive(Debug, Clone, Default)]
pub struct KeyChanges {
    pub name: Option<String>,
    pub networks: Option<Networks>,
    /// The inner None: it never ends.
    pub expires_at: Option<Option<DateTime<Utc>>>,
}

impl KeyChanges {
    pub fn parse(
        name: Option<&str>,
        networks: Option<&[String]>,
        expires_at: Option<Option<DateTime<Utc>>>,
    ) -> Result<Self> {
        let mut check = Check::new();
        let mut changes = Self { expires_at, ..Self::default() };
        if let Some(name) = name {
            changes.name = check.field("name", line(name, NAME_MAX_CHARS));
        }
        if let Some(networks) = networks {
            changes.networks = check.fields(Networks::parse(networks));
        }
        if expires_at.flatten().is_some_and(|at| at <= Utc::now()) {
            check.wrong("expires_at", "in_the_past", "This instant is past. To end a key now, revoke it.");
        }
        check.finish(Some(changes))
    }

    pub fn over(&self, was: &ApiKey) -> ApiKey {
        let mut key = was.clone();
        if let Some(name) = &self.name {
            key.name.clone_from(name);
        }
        if let Some(networks) = &self.networks {
            key.networks = networks.clone();
        }
        if let Some(expires_at) = self.expires_at {
            key.expires_at = expires_at;
        }
        key
    }
}

/// How long the secret before counts on, in hours: 0 to a week.
pub fn overlap(hours: i32) -> Result<TimeDelta> {
    if (0..=OVERLAP_MAX_HOURS).contains(&hours) {
        Ok(TimeDelta::hours(hours.into()))
    } else {
        let detail = say!("This is 0 to {} hours.", OVERLAP_MAX_HOURS);
        Err(Error::invalid("overlap_hours", "out_of_range", detail))
    }
}

/// What a key was used for on one day of the tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayOfUse {
    pub day: NaiveDate,
    /// Refusals among them.
    pub requests: i64,
    pub refusals: i64,
}

/// The last thirty days up to today, each of them, also those without use.
pub fn whole_days(known: &[DayOfUse], today: NaiveDate) -> Vec<DayOfUse> {
    let days = (0..USE_DAYS).rev().filter_map(|back| today.checked_sub_signed(TimeDelta::days(back)));
    let used = |day| known.iter().find(|one| one.day == day).copied();
    days.map(|day| used(day).unwrap_or(DayOfUse { day, requests: 0, refusals: 0 })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_days_are_shown_and_those_without_use_among_them() {
        let today: NaiveDate = "2026-03-01".parse().unwrap();
        let used = DayOfUse { day: "2026-02-27".parse().unwrap(), requests: 7, refusals: 2 };
        let old = DayOfUse { day: "2026-01-30".parse().unwrap(), requests: 1, refusals: 0 };
        let days = whole_days(&[old, used], today);
        assert_eq!((days.len(), days[0].day), (30, "2026-01-31".parse().unwrap()));
        assert_eq!((days[27], days[29].day), (used, today));
        assert_eq!(days.iter().map(|day| day.requests).sum::<i64>(), 7);
    }

    #[test]
    fn an_overlap_is_a_week_at_most() {
        assert_eq!(overlap(168).unwrap(), TimeDelta::days(7));
        assert!(overlap(0).is_ok() && overlap(-1).is_err() && overlap(169).is_err());
    }
}
