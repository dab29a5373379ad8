//! Whom a message can be for, as a form offers it, and what it would come to, as a page shows it.

use serde::Serialize;
use uuid::Uuid;

use crate::{
    db::TenantTx,
    error::Result,
    messaging::{
        Messaging,
        audience::{Segment, SegmentNeeds},
        contacts,
        messages::estimate::Estimate,
    },
    web::parts::{counted, money},
    words::say,
};

/// Segments of customers and groups of contacts.
#[derive(Serialize)]
pub struct AudienceChoices {
    pub segments: Vec<SegmentGroup>,
    pub groups: Vec<GroupBox>,
}

impl AudienceChoices {
    pub async fn load(
        tx: &TenantTx,
        messaging: &Messaging,
        chosen_segments: &[String],
        chosen_groups: &[String],
    ) -> Result<Self> {
        let segments = segment_groups(tx, messaging, chosen_segments).await?;
        let groups = contacts::groups(tx)
            .await?
            .into_iter()
            .map(|group| {
                let id = group.id.to_string();
                GroupBox {
                    is_chosen: chosen_groups.contains(&id),
                    id,
                    name: group.name,
                    colour: group.colour,
                }
            })
            .collect();
        Ok(Self { segments, groups })
    }
}

#[derive(Serialize)]
pub struct SegmentGroup {
    label: String,
    options: Vec<SegmentOption>,
}

#[derive(Serialize)]
pub struct SegmentOption {
    value: String,
    label: String,
    is_chosen: bool,
}

#[derive(Serialize)]
pub struct GroupBox {
    id: String,
    name: String,
    colour: String,
    is_chosen: bool,
}

#[derive(Serialize)]
pub struct EstimateBox {
    people: String,
    cost: String,
    segments: Option<String>,
    sample: Option<SampleBox>,
}

#[derive(Serialize)]
pub struct SampleBox {
    who: String,
    channel: &'static str,
    subject: Option<String>,
    text: String,
}

/// A segment's value in the select box: `area:<id>`, `expiring:7`, `overdue`.
pub fn segment_of(text: &str) -> Option<Segment> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    Some(Segment {
        kind: Some(kind.to_owned()).filter(|kind| !kind.is_empty())?,
        id: rest.parse::<Uuid>().ok(),
        days: rest.parse::<i32>().ok(),
    })
}

/// The same the other way round.
pub fn value_of(segment: &Segment) -> String {
    match (&segment.id, segment.days) {
        (Some(id), _) => format!("{}:{id}", segment.kind),
        (None, Some(days)) => format!("{}:{days}", segment.kind),
        (None, None) => segment.kind.clone(),
    }
}

/// What customers can be chosen by, with every choice; those that need days are offered for the usual ones.
async fn segment_groups(
    tx: &TenantTx,
    messaging: &Messaging,
    chosen: &[String],
) -> Result<Vec<SegmentGroup>> {
    let mut found = Vec::new();
    let option =
        |value: String, label: String| SegmentOption { is_chosen: chosen.contains(&value), value, label };
    for kind in messaging.directory.kinds().iter().filter(|kind| kind.kind != "customer") {
        let options = match kind.needs {
            SegmentNeeds::Nothing => vec![option(kind.kind.to_owned(), say(kind.label).to_owned())],
            SegmentNeeds::Days => [0, 1, 3, 7, 14, 30]
                .iter()
                .map(|days| {
                    let within = match days {
                        0 => say("today").to_owned(),
                        1 => say("within a day").to_owned(),
                        days => say!("within {} days", days),
                    };
                    option(format!("{}:{days}", kind.kind), format!("{} {within}", say(kind.label)))
                })
                .collect(),
            SegmentNeeds::One => messaging
                .directory
                .choices(tx, kind.kind)
                .await?
                .into_iter()
                .map(|(id, label)| option(format!("{}:{id}", kind.kind), label))
                .collect(),
        };
        if !options.is_empty() {
            found.push(SegmentGroup { label: say(kind.label).to_owned(), options });
        }
    }
    Ok(found)
}

impl EstimateBox {
    pub fn new(found: Estimate, currency: &str) -> Self {
        let segments = found.segments.zip(found.encoding).map(|(count, encoding)| {
            format!("{} in {}", counted(i64::from(count), "SMS", "SMS"), encoding.as_str().to_uppercase())
        });
        Self {
            people: counted(found.people, "recipient", "recipients"),
            cost: money(found.cost, currency),
            segments,
            sample: found.sample.map(|sample| SampleBox {
                who: if sample.name.is_empty() {
                    sample.address
                } else {
                    format!("{} ({})", sample.name, sample.address)
                },
                channel: sample.channel.label(),
                subject: sample.content.subject.or(sample.content.title),
                text: sample.content.text,
            }),
        }
    }
}
