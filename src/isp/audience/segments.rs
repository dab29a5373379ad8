//! The parts of all customers that can be written to.

use crate::{
    messaging::audience::{Segment, SegmentKind, SegmentNeeds},
    types::{AreaId, CustomerId, NapId, OutageId, PlanId},
};

const DAYS_MAX: i32 = 365;

pub const KINDS: &[SegmentKind] = &[
    SegmentKind { kind: "customer", label: "One customer", needs: SegmentNeeds::One },
    SegmentKind { kind: "customers", label: "All customers", needs: SegmentNeeds::Nothing },
    SegmentKind { kind: "area", label: "Customers of an area", needs: SegmentNeeds::One },
    SegmentKind { kind: "plan", label: "Customers with a plan", needs: SegmentNeeds::One },
    SegmentKind { kind: "nap", label: "Customers on a NAP", needs: SegmentNeeds::One },
    SegmentKind { kind: "outage", label: "Customers hit by an outage", needs: SegmentNeeds::One },
    SegmentKind { kind: "expiring", label: "Customers whose service expires", needs: SegmentNeeds::Days },
    SegmentKind {
        kind: "overdue",
        label: "Customers who owe, or whose service has ended",
        needs: SegmentNeeds::Nothing,
    },
];

/// A segment that asks for neither more nor less than its kind needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Without those who left.
    All,
    Customer(CustomerId),
    /// Who live there, or have a connection there.
    Area(AreaId),
    /// Whose period of it runs, or is paused.
    Plan(PlanId),
    /// Who hang on it.
    Nap(NapId),
    /// Whom it hits, or hit. One that is proposed or was none hits nobody.
    Outage(OutageId),
    /// Whose service runs now and ends, by the tenant's days, within so many days; 0 is today.
    Expiring(i32),
    /// Who owe, or have a service whose paid time is over.
    Overdue,
}

impl Part {
    /// None when there is no such segment.
    pub fn of(segment: &Segment) -> Option<Self> {
        match (segment.kind.as_str(), segment.id, segment.days) {
            ("customers", None, None) => Some(Self::All),
            ("customer", Some(id), None) => Some(Self::Customer(id.into())),
            ("area", Some(id), None) => Some(Self::Area(id.into())),
            ("plan", Some(id), None) => Some(Self::Plan(id.into())),
            ("nap", Some(id), None) => Some(Self::Nap(id.into())),
            ("outage", Some(id), None) => Some(Self::Outage(id.into())),
            ("expiring", None, Some(days)) if (0..=DAYS_MAX).contains(&days) => Some(Self::Expiring(days)),
            ("overdue", None, None) => Some(Self::Overdue),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_segment_says_exactly_what_its_kind_needs() {
        let id = Some(Uuid::nil());
        let of = |kind: &str, id, days| Part::of(&Segment { kind: kind.into(), id, days });
        assert_eq!(of("customers", None, None), Some(Part::All));
        assert_eq!(of("expiring", None, Some(0)), Some(Part::Expiring(0)));
        for (kind, id, days) in [
            ("customers", id, None),
            ("area", None, None),
            ("area", id, Some(1)),
            ("outage", None, None),
            ("expiring", None, None),
            ("expiring", None, Some(-1)),
            ("expiring", None, Some(366)),
            ("everyone", None, None),
            ("", None, None),
        ] {
            assert_eq!(of(kind, id, days), None, "{kind} {id:?} {days:?}");
        }
    }

    #[test]
    fn every_kind_can_be_asked_for() {
        for kind in KINDS {
            let (id, days) = match kind.needs {
                SegmentNeeds::Nothing => (None, None),
                SegmentNeeds::One => (Some(Uuid::nil()), None),
                SegmentNeeds::Days => (None, Some(7)),
            };
            assert!(Part::of(&Segment { kind: kind.kind.into(), id, days }).is_some(), "{}", kind.kind);
        }
    }
}
