//! The chain under random tampering: whatever is done to rows, a walk notices, and names the place.

use chrono::{DateTime, Utc};
use proptest::{prelude::*, sample::Index};
use uuid::Uuid;

use super::{
    chain::{AnchorKey, GENESIS, Link, Stored, link, seal_after},
    store::Anchor,
    verify::{Finding, Recorded, Walk},
};
use crate::types::TenantId;

fn event(n: u128) -> Stored {
    Stored {
        id: Uuid::from_u128(n + 1),
        occurred_at: DateTime::<Utc>::from_timestamp_micros(
            1_790_000_000_000_000 + i64::try_from(n).unwrap(),
        )
        .unwrap(),
        actor_kind: "staff".into(),
        actor_id: Some(Uuid::from_u128(7)),
        actor_label: "Ana Reyes".into(),
        action: "customer.updated".into(),
        object_type: "customer".into(),
        object_id: Some(Uuid::from_u128(n + 1000)),
        object_label: format!("Customer {n}"),
        before: (!n.is_multiple_of(3)).then(|| format!(r#"{{"status": "active", "n": {n}}}"#)),
        after: Some(format!(r#"{{"status": "suspended", "n": {n}}}"#)),
        request_id: Some(Uuid::from_u128(n)),
        address: Some("203.0.113.7".into()),
        user_agent: None,
        salt: vec![u8::try_from(n % 251).unwrap(); 16],
        erased_at: None,
    }
}

/// A trail as it lies in the database.
#[derive(Clone)]
struct Trail {
    rows: Vec<(Link, Option<Stored>)>,
    anchors: Vec<Anchor>,
}

const TENANT: TenantId = TenantId(Uuid::from_u128(42));

fn key() -> AnchorKey {
    AnchorKey::new(&[9; 32])
}

/// `batches` of events, sealed one after the other and anchored after each.
fn sealed(batches: &[usize]) -> Trail {
    let (mut position, mut chain) = (0, GENESIS.to_vec());
    let mut trail = Trail { rows: Vec::new(), anchors: Vec::new() };
    let mut n = 0;
    for size in batches {
        let events: Vec<Stored> = (0..*size)
            .map(|_| {
                n += 1;
                event(n)
            })
            .collect();
        for (sealed, event) in seal_after(position, &chain, &events).into_iter().zip(events) {
            position = sealed.position;
            chain.clone_from(&sealed.chain);
            trail.rows.push((sealed, Some(event)));
        }
        trail.anchors.push(Anchor { sealed_to: position, mac: key().mac(TENANT, position, &chain) });
    }
    trail
}

fn findings(trail: &Trail, recorded: bool) -> Vec<Finding> {
    findings_with(trail, if recorded { Recorded::Payload } else { Recorded::Nothing })
}

fn findings_with(trail: &Trail, recorded: Recorded) -> Vec<Finding> {
    let key = key();
    let mut walk =
        Walk::new(&trail.anchors, |position, chain, mac| key.anchors(TENANT, position, chain, mac));
    for (link, event) in &trail.rows {
        walk.step(link, event.as_ref(), recorded);
    }
    walk.end();
    walk.findings
}

/// What somebody with every right in the tenant's schema may do, but without the anchor key.
#[derive(Debug, Clone)]
enum Tampering {
    ChangeLabel,
    ChangeActor,
    ChangeAfter,
    DropBefore,
    Backdate,
    RemoveEvent,
    RemoveRow,
    CutTail,
    SwapEvents,
    SwapPositions,
    Recompute,
    EraseSilently,
}

fn tamperings() -> impl Strategy<Value = Tampering> {
    use Tampering::{
        Backdate, ChangeActor, ChangeAfter, ChangeLabel, CutTail, DropBefore, EraseSilently, Recompute,
        RemoveEvent, RemoveRow, SwapEvents, SwapPositions,
    };
    proptest::sample::select(vec![
        ChangeLabel,
        ChangeActor,
        ChangeAfter,
        DropBefore,
        Backdate,
        RemoveEvent,
        RemoveRow,
        CutTail,
        SwapEvents,
        SwapPositions,
        Recompute,
        EraseSilently,
    ])
}

fn tamper(trail: &mut Trail, at: usize, what: &Tampering) {
    let other = (at + 1) % trail.rows.len();
    let event = trail.rows[at].1.as_mut().unwrap();
    match what {
        Tampering::ChangeLabel => event.object_label.push('x'),
        Tampering::ChangeActor => event.actor_id = None,
        Tampering::ChangeAfter => event.after = Some("{}".into()),
        Tampering::DropBefore => event.before = event.before.take().is_none().then(|| "{}".into()),
        Tampering::Backdate => event.occurred_at -= chrono::Duration::microseconds(1),
        Tampering::RemoveEvent => trail.rows[at].1 = None,
        Tampering::RemoveRow => drop(trail.rows.remove(at)),
        Tampering::CutTail => trail.rows.truncate(at),
        Tampering::SwapEvents => {
            let one = trail.rows[at].1.clone();
            trail.rows[at].1 = std::mem::replace(&mut trail.rows[other].1, one);
        }
        Tampering::SwapPositions => {
            let (one, two) = (trail.rows[at].0.position, trail.rows[other].0.position);
            trail.rows[at].0.position = two;
            trail.rows[other].0.position = one;
            trail.rows.sort_by_key(|(link, _)| link.position);
        }
        Tampering::Recompute => {
            event.object_label.push('x');
            let (events, mut chain): (Vec<Stored>, _) =
                (trail.rows.iter().map(|(_, event)| event.clone().unwrap()).collect(), GENESIS.to_vec());
            for (row, event) in trail.rows.iter_mut().zip(events) {
                let payload = event.payload_digest();
                row.0.payload_digest = payload.to_vec();
                row.0.digest = event.digest(&payload).to_vec();
                row.0.chain = link(&chain, row.0.position, event.id, &row.0.digest).to_vec();
                chain.clone_from(&row.0.chain);
            }
        }
        Tampering::EraseSilently => erase(event),
    }
}

fn erase(event: &mut Stored) {
    event.before = None;
    event.after = None;
    event.object_label.clear();
    event.salt.clear();
    event.erased_at = Some(Utc::now());
}

proptest! {
    #[test]
    fn what_was_sealed_is_whole(batches in prop::collection::vec(1usize..8, 1..6)) {
        prop_assert_eq!(findings(&sealed(&batches), false), vec![]);
    }

    #[test]
    fn any_tampering_shows(
        batches in prop::collection::vec(1usize..8, 1..6), at: Index, what in tamperings()
    ) {
        let mut trail = sealed(&batches);
        prop_assume!(trail.rows.len() > 1);
        let at = at.index(trail.rows.len());
        tamper(&mut trail, at, &what);
        prop_assert_ne!(findings(&trail, false), vec![], "{:?} at {}", what, at + 1);
    }

    /// Erased payloads leave the chain whole, as long as an event tells of each.
    #[test]
    fn recorded_erasures_are_no_tampering(
        batches in prop::collection::vec(1usize..8, 1..6), at in prop::collection::vec(any::<Index>(), 0..4)
    ) {
        let mut trail = sealed(&batches);
        let count = trail.rows.len();
        for at in at {
            erase(trail.rows[at.index(count)].1.as_mut().unwrap());
        }
        prop_assert_eq!(findings(&trail, true), vec![]);
    }
}

#[test]
fn an_erased_actor_is_no_tampering_where_the_key_vouches_for_the_rest() {
    let mut trail = sealed(&[3, 3]);
    let event = trail.rows[2].1.as_mut().unwrap();
    let rest = event.rest_digest();
    erase(event);
    event.actor_label = "Erased person".into();
    event.address = None;
    assert_eq!(event.rest_digest(), rest);
    let id = event.id;
    assert_eq!(findings_with(&trail, Recorded::Person), []);
    assert_eq!(findings(&trail, true), [Finding::ChangedEvent { position: 3, event: id }]);
    // Another actor's name in its place is none; and what was done, to what and when, is vouched for.
    trail.rows[2].1.as_mut().unwrap().actor_label = "Ben Cruz".into();
    assert_eq!(findings_with(&trail, Recorded::Person), [Finding::ChangedEvent { position: 3, event: id }]);
    let was = sealed(&[3]).rows[2].1.clone().unwrap();
    let other = Stored { action: "customer.deleted".into(), ..was.clone() };
    assert_ne!(other.rest_digest(), was.rest_digest());
}

#[test]
fn the_place_is_named() {
    let mut trail = sealed(&[3, 3]);
    trail.rows[4].1.as_mut().unwrap().after = Some("{}".into());
    let id = trail.rows[4].0.event;
    assert_eq!(findings(&trail, false), [Finding::ChangedPayload { position: 5, event: id }]);

    let mut cut = sealed(&[3, 3]);
    cut.rows.truncate(4);
    assert_eq!(findings(&cut, false), [Finding::CutTail { sealed_to: 4, anchored_to: 6 }]);

    let mut gap = sealed(&[3, 3]);
    gap.rows.remove(1);
    assert_eq!(findings(&gap, false), [Finding::MissingSeals { from: 2, to: 2 }]);

    let mut anew = sealed(&[3, 3]);
    tamper(&mut anew, 4, &Tampering::Recompute);
    assert_eq!(findings(&anew, false), [Finding::ForeignChain { position: 6 }]);
}

#[test]
fn anchors_are_of_one_tenant_one_place_and_one_key() {
    let mac = key().mac(TENANT, 3, &[1; 32]);
    assert!(key().anchors(TENANT, 3, &[1; 32], &mac));
    assert!(!key().anchors(TenantId(Uuid::from_u128(43)), 3, &[1; 32], &mac));
    assert!(!key().anchors(TENANT, 4, &[1; 32], &mac));
    assert!(!key().anchors(TENANT, 3, &[2; 32], &mac));
    assert!(!AnchorKey::new(&[8; 32]).anchors(TENANT, 3, &[1; 32], &mac));
    assert!(!key().anchors(TENANT, 3, &[1; 32], &[]));
}

/// A value may move from one field to the next, or from a text into nothing: no two rows have one digest.
#[test]
fn parts_cannot_run_into_each_other() {
    let one = Stored { actor_label: "ab".into(), action: "c".into(), ..event(1) };
    let two = Stored { actor_label: "a".into(), action: "bc".into(), ..event(1) };
    assert_ne!(one.digest(&[0; 32]), two.digest(&[0; 32]));
    let none = Stored { user_agent: None, ..event(1) };
    let empty = Stored { user_agent: Some(String::new()), ..event(1) };
    assert_ne!(none.digest(&[0; 32]), empty.digest(&[0; 32]));
    let before = Stored { before: Some("{}".into()), after: None, ..event(1) };
    let after = Stored { before: None, after: Some("{}".into()), ..event(1) };
    assert_ne!(before.payload_digest(), after.payload_digest());
}
