//! The rules of a tenant: read, checked, changed, and what they would let go.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    kinds::{KINDS, Kind},
    store,
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::Result,
    types::{Check, Wrong},
    web::typed::{Typed, optional_whole},
};

/// What is older is counted so far.
pub const COUNTED_MAX: i64 = 10_000;

/// For each kind the days that it is kept; None: until somebody deletes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(BTreeMap<&'static str, Option<i32>>);

impl Policy {
    /// What was typed, or every field of it that is wrong.
    pub fn parse(typed: &Typed) -> Result<Self> {
        let mut check = Check::new();
        let days: BTreeMap<_, _> = KINDS
            .iter()
            .filter_map(|kind| {
                check.field(kind.name, days(kind, typed.get(kind.name))).map(|days| (kind.name, days))
            })
            .collect();
        check.finish(Some(Self(days)))
    }

    pub fn typed(&self) -> Typed {
        self.iter().fold(Typed::default(), |typed, (kind, days)| typed.with_option(kind.name, days))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static Kind, Option<i32>)> {
        KINDS.iter().map(|kind| (kind, self.days(kind)))
    }

    fn days(&self, kind: &Kind) -> Option<i32> {
        self.0.get(kind.name).copied().unwrap_or(kind.usual)
    }

    /// The kinds that go, and the instant before which they do.
    pub fn due(&self, now: DateTime<Utc>) -> impl Iterator<Item = (&'static Kind, DateTime<Utc>)> {
        self.iter().filter_map(move |(kind, days)| Some((kind, now - TimeDelta::days(i64::from(days?)))))
    }

    /// Whether anything goes sooner than under the other one.
    pub fn is_shorter_than(&self, other: &Self) -> bool {
        let long = |days: Option<i32>| days.unwrap_or(i32::MAX);
        self.iter().any(|(kind, days)| long(days) < long(other.days(kind)))
    }

    fn told(&self) -> Value {
        Value::Object(
            self.iter().map(|(kind, days)| (kind.name.to_owned(), json!(days))).collect::<Map<_, _>>(),
        )
    }
}

fn days(kind: &Kind, text: &str) -> Result<Option<i32>, Wrong> {
    let days = optional_whole(text, kind.least..=kind.most)?;
    if days.is_none() && !kind.may_stay() {
        return Err(Wrong::new("required", "Say after how many days it goes."));
    }
    Ok(days)
}

/// The rules that hold.
pub async fn get(tx: &TenantTx) -> Result<Policy> {
    let said = store::list(tx).await?;
    let of =
        |kind: &Kind| said.iter().find(|(name, _)| name == kind.name).map_or(kind.usual, |(_, days)| *days);
    Ok(Policy(KINDS.iter().map(|kind| (kind.name, of(kind))).collect()))
}

/// Changes the rules; they hold from the next night on. For owners who have just shown that it is them.
pub async fn change(tx: &TenantTx, by: &By, wanted: &Policy) -> Result<()> {
    by.must_have_proved()?;
    let held = get(tx).await?;
    let (before, after) = changes(&held.told(), &wanted.told());
    if after.is_none() {
        return Ok(());
    }
    // Only what changes: the rest goes on as the program has it, and two people at two kinds are not in each other's way.
    let new: Vec<(&str, Option<i32>)> = wanted
        .iter()
        .filter(|(kind, days)| *days != held.days(kind))
        .map(|(kind, days)| (kind.name, days))
        .collect();
    store::upsert(tx, &new, &by.actor.label).await?;
    let event = Event {
        action: "retention.changed",
        object_type: "settings",
        object_id: None,
        object_label: "Retention",
        before,
        after,
    };
    by.record(tx, event).await
}

/// How much of each kind is older than its days: what the next night lets go. Counted to [`COUNTED_MAX`].
pub async fn count_due(tx: &TenantTx, policy: &Policy) -> Result<BTreeMap<&'static str, i64>> {
    let mut due = BTreeMap::new();
    for (kind, before) in policy.due(Utc::now()) {
        due.insert(kind.name, (kind.count)(tx, before, COUNTED_MAX).await?);
    }
    Ok(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Policy {
        Policy(KINDS.iter().map(|kind| (kind.name, kind.usual)).collect())
    }

    #[test]
    fn what_is_usual_is_allowed_and_typed_as_it_is_read() {
        assert_eq!(Policy::parse(&usual().typed()).unwrap(), usual());
        for kind in &KINDS {
            assert!(kind.usual.is_none_or(|days| (kind.least..=kind.most).contains(&days)), "{}", kind.name);
        }
    }

    #[test]
    fn each_kind_keeps_to_its_bounds() {
        for kind in &KINDS {
            for (text, is_right) in [
                (kind.least.to_string(), true),
                (kind.most.to_string(), true),
                ((kind.least - 1).to_string(), false),
                ((kind.most + 1).to_string(), false),
                ("soon".to_owned(), false),
                (String::new(), kind.may_stay()),
            ] {
                let parsed = Policy::parse(&usual().typed().with(kind.name, &text));
                assert_eq!(parsed.is_ok(), is_right, "{} {text:?}", kind.name);
            }
        }
    }

    #[test]
    fn shorter_is_what_lets_anything_go_sooner() {
        let with = |name, days| Policy::parse(&usual().typed().with(name, days)).unwrap();
        assert!(with("messages", "3650").is_shorter_than(&usual()), "for ever is longer than ten years");
        assert!(with("letters", "89").is_shorter_than(&usual()));
        assert!(!with("letters", "91").is_shorter_than(&usual()));
        assert!(!usual().is_shorter_than(&usual()));
    }
}
