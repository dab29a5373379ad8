//! What receipts come to, in whichever order they come.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::{
    apply::{Known, LastTry, Said, Verdict, verdict},
    model::{Keyword, happened_at, keyword, message_key, shown_header, shown_url},
};
use crate::{
    messaging::{Status, providers::State},
    types::AccountId,
};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
}

fn known(status: Status) -> Known {
    Known { status, last: None, accepted_at: Some(at(0)), delivered_at: None, read_at: None, price: None }
}

fn said(state: State, seconds: i64) -> Said {
    Said {
        account: AccountId(uuid::Uuid::from_u128(1)),
        message_id: "m".into(),
        state,
        class: None,
        code: None,
        detail: None,
        price: None,
        said_at: Some(at(seconds)),
        received_at: at(1_000),
    }
}

/// The delivery after a verdict, as it would be read again.
fn after(known: &Known, verdict: &Verdict) -> Known {
    Known {
        status: verdict.status,
        last: known.last.clone(),
        accepted_at: verdict.accepted_at,
        delivered_at: verdict.delivered_at,
        read_at: verdict.read_at,
        price: verdict.price,
    }
}

const STATES: [State; 5] = [State::Queued, State::Sent, State::Failed, State::Delivered, State::Read];

fn receipts() -> impl Strategy<Value = Vec<Said>> {
    let one = (0..STATES.len(), 0..60i64, proptest::option::of(0..4i64), 0..3u8).prop_map(
        |(state, seconds, price, code)| {
            let mut one = said(STATES[state], seconds);
            one.price = price.map(Into::into);
            one.code = Some(format!("c{code}"));
            one
        },
    );
    proptest::collection::vec(one, 1..7)
}

proptest! {
    /// However a set of receipts is ordered, doubled and cut into batches, and whatever is made of each part on the way: the end
    /// is the same.
    #[test]
    fn receipts_in_any_order_end_the_same(
        receipts in receipts(),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..14),
        start in prop_oneof![Just(Status::Accepted), Just(Status::Unknown), Just(Status::Sent), Just(Status::Queued)],
    ) {
        let first = known(start);
        let at_once = verdict(&first, &receipts);
        let mut so_far: Vec<Said> = Vec::new();
        let mut now = first.clone();
        let mut last = None;
        let chosen = order.iter().map(|index| index.index(receipts.len())).chain(0..receipts.len());
        for index in chosen {
            // The table keeps each event once.
            let one = receipts[index].clone();
            let is_new = !so_far.iter().any(|known| format!("{known:?}") == format!("{one:?}"));
            if is_new {
                so_far.push(one);
            }
            last = verdict(&now, &so_far).or(last);
            if let Some(verdict) = &last {
                now = after(&now, verdict);
            }
        }
        match (start, at_once, last) {
            // Once it has left the queue, words that meant nothing while it waited count.
            (Status::Queued, at_once, last) => {
                let stays = !receipts.iter().any(|one| matches!(one.state, State::Delivered | State::Read));
                prop_assert_eq!(at_once.is_none(), stays);
                prop_assert_eq!(at_once.map(|v| v.status), last.map(|v| v.status));
            }
            (_, at_once, last) => prop_assert_eq!(at_once, last),
        }
    }

    #[test]
    fn a_status_never_goes_back(receipts in receipts()) {
        let rank = |status: Status| match status {
            Status::Sent => 1,
            Status::Failed => 2,
            Status::Delivered => 3,
            Status::Read => 4,
            _ => 0,
        };
        let mut now = known(Status::Accepted);
        for n in 1..=receipts.len() {
            if let Some(verdict) = verdict(&now, &receipts[..n]) {
                prop_assert!(rank(verdict.status) >= rank(now.status));
                now = after(&now, &verdict);
            }
        }
    }
}

#[test]
fn what_was_called_off_stays_so() {
    for status in [Status::Cancelled, Status::Suppressed, Status::Expired] {
        assert_eq!(verdict(&known(status), &[said(State::Delivered, 1)]), None);
    }
}

#[test]
fn a_failure_of_an_earlier_try_is_history() {
    let mut known = known(Status::Accepted);
    known.last = Some(LastTry {
        account: Some(AccountId(uuid::Uuid::from_u128(2))),
        message_id: Some("n".into()),
        started_at: at(5),
    });
    assert_eq!(verdict(&known, &[said(State::Failed, 9)]), None);
    assert_eq!(verdict(&known, &[said(State::Delivered, 9)]).unwrap().status, Status::Delivered);
    let mut late = said(State::Failed, 9);
    late.account = AccountId(uuid::Uuid::from_u128(2));
    late.message_id = "n".into();
    assert_eq!(verdict(&known, &[late]).unwrap().status, Status::Failed);
}

#[test]
fn a_failure_says_why_until_it_arrives() {
    let mut failed = said(State::Failed, 3);
    failed.code = Some("30003".into());
    let first = verdict(&known(Status::Sent), &[failed.clone()]).unwrap();
    assert_eq!(
        (first.status, first.code.as_deref(), first.failed_at),
        (Status::Failed, Some("30003"), Some(at(3)))
    );
    let then = verdict(&after(&known(Status::Sent), &first), &[failed, said(State::Delivered, 2)]).unwrap();
    assert_eq!(
        (then.status, then.code, then.failed_at, then.delivered_at),
        (Status::Delivered, None, None, Some(at(2)))
    );
}

#[test]
fn read_without_delivered_was_delivered() {
    let told = verdict(&known(Status::Accepted), &[said(State::Read, 7)]).unwrap();
    assert_eq!((told.status, told.delivered_at, told.read_at), (Status::Read, Some(at(7)), Some(at(7))));
}

#[test]
fn clocks_of_others_are_believed_within_reason() {
    let now = at(0);
    assert_eq!(happened_at(Some(at(-60)), now), at(-60));
    assert_eq!(happened_at(Some(at(60)), now), now);
    assert_eq!(happened_at(Some(now - TimeDelta::days(400)), now), now);
    assert_eq!(happened_at(None, now), now);
}

#[test]
fn only_a_whole_message_is_a_keyword() {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (stop, start) = (words(&["stop", "arrêt", "huwag na"]), words(&["start"]));
    for text in ["STOP", " stop. ", "Stop!", "ARRÊT", "Huwag na"] {
        assert_eq!(keyword(text, &stop, &start), Some(Keyword::Stop), "{text}");
    }
    assert_eq!(keyword("start", &stop, &start), Some(Keyword::Start));
    for text in ["please stop", "stop it", "", "...", "stopp", "don't stop"] {
        assert_eq!(keyword(text, &stop, &start), None, "{text}");
    }
}

#[test]
fn what_proves_is_not_shown() {
    assert_eq!(shown_header("x-telegram-bot-api-secret-token", "s3cret"), "(not shown)");
    assert_eq!(shown_header("content-type", "text/plain"), "text/plain");
    assert_eq!(shown_url("https://a.test/h?hub.verify_token=s3cret"), "https://a.test/h");
    assert_eq!(message_key("m\0x"), "mx");
    assert_eq!(message_key(&"m".repeat(5_000)).len(), 64);
}
