use chrono::NaiveDate;
use proptest::prelude::*;

use super::model::{Act, InstallationDraft, STEPS, Status};
use crate::web::typed::Typed;

const ACTS: [Act; 6] =
    [Act::Complete, Act::Activate, Act::Deactivate, Act::Suspend, Act::Resume, Act::Terminate];

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 21).unwrap()
}

#[test]
fn every_wrong_field_of_an_installation_is_named() {
    let typed = Typed::default()
        .with("technician_id", "somebody")
        .with("installed_on", "2026-11-22")
        .with("latitude", "200")
        .with("longitude", "0")
        .with("drop_m", "-1")
        .with("drop_splices", "201");
    let crate::error::Error::Invalid(wrong) = InstallationDraft::parse(&typed, today()).unwrap_err() else {
        panic!()
    };
    let named: Vec<(&str, &str)> = wrong.iter().map(|w| (w.field.as_ref(), w.code)).collect();
    assert_eq!(
        named,
        [
            ("technician_id", "unknown"),
            ("installed_on", "in_future"),
            ("latitude", "out_of_range"),
            ("drop_m", "out_of_range"),
            ("drop_splices", "out_of_range")
        ]
    );
}

#[test]
fn what_is_parsed_stays_as_it_is() {
    let typed = Typed::default()
        .with("installed_on", "2026-11-21")
        .with("latitude", "8,4542")
        .with("longitude", "124.6319")
        .with("drop_m", "120")
        .with("notes", "Behind the chapel");
    let draft = InstallationDraft::parse(&typed, today()).unwrap();
    assert_eq!(InstallationDraft::parse(&draft.typed(), today()).unwrap(), draft);
}

#[test]
fn each_step_is_stated_once() {
    for (from, act, _) in STEPS {
        assert_eq!(STEPS.iter().filter(|(f, a, _)| f == from && a == act).count(), 1, "{from:?} {act:?}");
    }
}

proptest! {
    /// Whatever people and time do, in any order: what was terminated stays so, what is suspended becomes active only by being
    /// resumed first, and nothing becomes active that was never completed.
    #[test]
    fn any_life_keeps_to_the_rules(acts in prop::collection::vec(prop::sample::select(&ACTS), 0..60)) {
        let mut at = Status::Scheduled;
        let (mut completed, mut resumed) = (false, true);
        for act in acts {
            let Ok(next) = at.step(act) else { continue };
            prop_assert_ne!(at, Status::Terminated, "nothing follows");
            match act {
                Act::Complete => completed = true,
                Act::Suspend => resumed = false,
                Act::Resume => resumed = true,
                _ => {}
            }
            if matches!(next, Status::Active | Status::Inactive | Status::Suspended) {
                prop_assert!(completed);
            }
            if next == Status::Active {
                prop_assert!(resumed && act == Act::Activate);
            }
            at = next;
        }
    }

    #[test]
    fn everything_but_the_end_can_be_ended(status in prop::sample::select(Status::ALL)) {
        prop_assert_eq!(status.after(Act::Terminate).is_some(), status != Status::Terminated);
    }
}
