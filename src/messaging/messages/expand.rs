//! Writing recipients out: an audience becomes deliveries, batch by batch, and never lies in memory as a whole.

use std::{collections::HashSet, hash::Hash};

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::{
    Lane, credit, lists,
    model::{Ask, Given, Place, To},
    spoken::Spoken,
    store::{self, Entry, First},
};
use crate::{
    db::TenantTx,
    error::{Error, FieldError, Result},
    messaging::{
        Address, Channel, Messaging,
        audience::{Person, Segment},
        contacts, figures,
    },
    tenancy::{
        Tenant,
        plans::{Metric, month_around, must_fit},
    },
    types::{ContactId, Country, CustomerId, DeliveryId, GroupId, MessageId, RecipientListId},
    words::say,
};

/// So many people are read and written at once.
pub const BATCH: usize = 1_000;

/// A delivery to be written.
#[derive(Debug, Clone)]
pub struct Recipient {
    pub id: DeliveryId,
    pub contact: Option<ContactId>,
    pub customer: Option<CustomerId>,
    pub name: String,
    pub channel: Channel,
    pub address: String,
    pub language: Option<String>,
    pub context: Map<String, Value>,
    pub due_at: DateTime<Utc>,
    pub reserved: Decimal,
}

/// What is known of the message whose recipients are written out.
pub struct Audience<'a> {
    pub tenant: &'a Tenant,
    pub id: MessageId,
    pub channels: &'a [Channel],
    pub lane: Lane,
    pub to: &'a To,
    /// Deliveries are due so many a minute.
    pub per_minute: Option<i32>,
    pub now: DateTime<Utc>,
    /// What it says, if that does not stand in a row of its own yet.
    pub said: Option<&'a Spoken>,
}

/// The next of an audience, not written yet. What they cost is set aside.
#[derive(Debug, Default)]
struct Gathered {
    recipients: Vec<Recipient>,
    /// Those who cannot be reached, or are there already.
    skipped: i32,
    /// Where to go on; None: that was all.
    next: Option<Place>,
    unknown: Option<Error>,
}

/// What a batch came to.
#[derive(Debug, Default)]
pub struct Batch {
    pub written: Vec<DeliveryId>,
    pub skipped: i32,
    /// Where to go on; None: that was all.
    pub next: Option<Place>,
    /// Names the first who was named by an id and is not there. Whoever asks is told; who was there when it was asked for, and is
    /// gone since, is skipped.
    pub unknown: Option<Error>,
}

impl Gathered {
    /// What came of writing them; gives back what was set aside for those who were left out.
    async fn came_to(self, tx: &TenantTx, written: Vec<DeliveryId>) -> Result<Batch> {
        credit::give_back(tx, &self.recipients, &written).await?;
        let left_out = i32::try_from(self.recipients.len() - written.len()).unwrap_or_default();
        Ok(Batch { skipped: self.skipped + left_out, next: self.next, written, unknown: self.unknown })
    }
}

/// Some people of a part of an audience.
#[derive(Default)]
struct Page {
    people: Vec<Person>,
    /// Where the part goes on.
    next: Option<Place>,
    /// Of those who were named: how many are not there, and the first of them.
    missing: i32,
    unknown: Option<Error>,
}

impl Page {
    fn new(people: Vec<Person>, next: Option<Place>) -> Self {
        Self { people, next, ..Self::default() }
    }

    /// The same for people who were named by their ids.
    fn of_named<I: Eq + Hash>(
        people: Vec<Person>,
        next: Option<Place>,
        named: &[I],
        id: impl Fn(&Person) -> Option<I>,
        unknown: impl Fn(usize) -> Error,
    ) -> Self {
        let known: HashSet<I> = people.iter().filter_map(id).collect();
        let gone: Vec<usize> =
            named.iter().enumerate().filter(|(_, id)| !known.contains(*id)).map(|(at, _)| at).collect();
        let missing = i32::try_from(gone.len()).unwrap_or(i32::MAX);
        Self { people, next, missing, unknown: gone.first().map(|at| unknown(*at)) }
    }
}

/// A part of an audience.
enum Part<'a> {
    Addresses(&'a [Given]),
    Contacts(&'a [ContactId]),
    Customers(&'a [CustomerId]),
    Group(GroupId),
    Segment(&'a Segment),
    List(RecipientListId),
}

fn parts(to: &To) -> Vec<Part<'_>> {
    let mut parts =
        vec![Part::Addresses(&to.addresses), Part::Contacts(&to.contacts), Part::Customers(&to.customers)];
    parts.extend(to.groups.iter().map(|id| Part::Group(*id)));
    parts.extend(to.segments.iter().map(Part::Segment));
    parts.extend(to.lists.iter().map(|id| Part::List(*id)));
    parts
}

/// Writes the next batch of recipients out and calls the lane.
pub async fn batch(tx: &TenantTx, messaging: &Messaging, of: &Audience<'_>, place: Place) -> Result<Batch> {
    let found = gather(tx, messaging, of, place).await?;
    let written = match found.recipients.as_slice() {
        [] => Vec::new(),
        some => store::insert_deliveries(tx, of.id, of.lane, some).await?,
    };
    found.came_to(tx, written).await
}

/// Writes a message down with its first batch of recipients.
pub async fn begin(
    tx: &TenantTx,
    messaging: &Messaging,
    of: &Audience<'_>,
    ask: &Ask,
    entry: &Entry<'_>,
) -> Result<Batch> {
    let found = gather(tx, messaging, of, Place::default()).await?;
    let first = First { recipients: &found.recipients, skipped: found.skipped, next: found.next.as_ref() };
    let written = store::insert(tx, of.id, ask, entry, Some(first)).await?;
    found.came_to(tx, written).await
}

/// The next recipients from a place on, about a batch of them, as the plan and the credit have room for.
async fn gather(tx: &TenantTx, messaging: &Messaging, of: &Audience<'_>, place: Place) -> Result<Gathered> {
    let parts = parts(of.to);
    let mut place = place;
    let (mut skipped, mut unknown) = (0, None);
    let mut recipients = Vec::new();
    while recipients.len() < BATCH {
        let Some(part) = parts.get(place.part) else { break };
        let found = page(tx, messaging, of, part, &place).await?;
        skipped += found.missing;
        unknown = unknown.or(found.unknown);
        let next = found.next;
        for person in found.people {
            let found = addressed(of, person);
            skipped += i32::from(found.is_empty());
            recipients.extend(found);
        }
        place = next.unwrap_or(Place { part: place.part + 1, due: place.due, ..Place::default() });
    }
    let asked = recipients.len();
    let mut recipients = unique(recipients);
    skipped += i32::try_from(asked - recipients.len()).unwrap_or_default();
    must_fit_plan(tx, of.tenant, recipients.len()).await?;
    place.due = spread(&mut recipients, of.per_minute, place.due.unwrap_or(of.now).max(of.now));
    let next = (place.part < parts.len()).then_some(place);
    credit::set_aside(tx, of, &mut recipients).await?;
    Ok(Gathered { recipients, skipped, next, unknown })
}

/// 409 `plan_limit_reached` when the plan's month has no room for so many more messages. What counts is what providers took in this
/// month of the tenant's, and what waits to be sent.
async fn must_fit_plan(tx: &TenantTx, tenant: &Tenant, adding: usize) -> Result<()> {
    let adding = i64::try_from(adding).unwrap_or(i64::MAX);
    let used = async || {
        let (from, until) = month_around(Utc::now(), tenant.time_zone);
        let (taken, queued) = figures::taken(tx, from, until).await?;
        Ok(taken + queued)
    };
    must_fit(tx, tenant, Metric::Messages, adding, used).await
}

/// The next people of an audience, about a batch of them, and where to go on. Who is named by an address alone has it on `channels`.
pub async fn people(
    tx: &TenantTx,
    messaging: &Messaging,
    tenant: &Tenant,
    (channels, to): (&[Channel], &To),
    place: Place,
) -> Result<(Vec<Person>, Option<Place>)> {
    let of = Audience {
        tenant,
        id: MessageId::new(),
        channels,
        lane: Lane::Bulk,
        to,
        per_minute: None,
        now: Utc::now(),
        said: None,
    };
    let parts = parts(to);
    let Some(part) = parts.get(place.part) else { return Ok((Vec::new(), None)) };
    let Page { people, next, .. } = page(tx, messaging, &of, part, &place).await?;
    let next = next.unwrap_or(Place { part: place.part + 1, ..Place::default() });
    Ok((people, (next.part < parts.len()).then_some(next)))
}

/// The first who would be written to, without writing anything.
pub async fn first(
    tx: &TenantTx,
    messaging: &Messaging,
    of: &Audience<'_>,
    place: Place,
) -> Result<Option<Recipient>> {
    let mut place = place;
    for part in &parts(of.to) {
        let found = page(tx, messaging, of, part, &place).await?;
        if let Some(found) =
            found.people.into_iter().find_map(|person| addressed(of, person).into_iter().next())
        {
            return Ok(Some(found));
        }
        place = Place { part: place.part + 1, ..Place::default() };
    }
    Ok(None)
}

/// One address once; the first who has it is written to. What an earlier batch wrote, the table itself refuses.
fn unique(recipients: Vec<Recipient>) -> Vec<Recipient> {
    let mut seen = HashSet::new();
    recipients.into_iter().filter(|one| seen.insert((one.channel, one.address.to_lowercase()))).collect()
}

/// The people of a part from a place on, and where the part goes on.
async fn page(
    tx: &TenantTx,
    messaging: &Messaging,
    of: &Audience<'_>,
    part: &Part<'_>,
    place: &Place,
) -> Result<Page> {
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let counted = |len: usize, taken: usize| {
        let offset = place.offset + taken;
        (offset < len).then(|| Place { offset, ..place.clone() })
    };
    Ok(match part {
        Part::Addresses(given) => {
            let some: Vec<Person> =
                given.iter().skip(place.offset).take(BATCH).map(|one| person(of.channels, one)).collect();
            let taken = some.len();
            Page::new(some, counted(given.len(), taken))
        }
        Part::Contacts(ids) => {
            let some: Vec<ContactId> = ids.iter().skip(place.offset).take(BATCH).copied().collect();
            let found = contacts::find(tx, &some).await?;
            let gone = |at| unknown("contacts", place.offset + at, "contact");
            Page::of_named(found, counted(ids.len(), some.len()), &some, |person| person.contact, gone)
        }
        Part::Customers(ids) => {
            let some: Vec<CustomerId> = ids.iter().skip(place.offset).take(BATCH).copied().collect();
            let found = messaging.directory.find(tx, of.tenant, &some).await?;
            let gone = |at| unknown("customers", place.offset + at, "customer");
            Page::of_named(found, counted(ids.len(), some.len()), &some, |person| person.customer, gone)
        }
        Part::Group(group) => {
            let found = contacts::page_of_group(tx, *group, place.after.map(ContactId), limit).await?;
            let last = found.last().and_then(|person| person.contact).map(|id| id.0);
            let next = last.filter(|_| found.len() >= BATCH);
            Page::new(found, next.map(|after| Place { after: Some(after), ..place.clone() }))
        }
        Part::List(list) => {
            let directory = messaging.directory.as_ref();
            let (found, places) = lists::page(tx, of.tenant, directory, *list, place.offset, limit).await?;
            let offset = place.offset + places;
            Page::new(found, (places >= BATCH).then(|| Place { offset, ..place.clone() }))
        }
        Part::Segment(segment) => {
            let after = place.after.map(CustomerId);
            let found = messaging.directory.page(tx, of.tenant, segment, after, limit).await?;
            let last = found.last().and_then(|person| person.customer).map(|id| id.0);
            let next = last.filter(|_| found.len() >= BATCH);
            Page::new(found, next.map(|after| Place { after: Some(after), ..place.clone() }))
        }
    })
}

fn unknown(field: &str, at: usize, what: &str) -> Error {
    let detail = say!("There is no such {}.", what);
    Error::Invalid(vec![FieldError::new(format!("to.{field}[{at}]"), "unknown", detail)])
}

/// Somebody who was named by an address alone.
fn person(channels: &[Channel], given: &Given) -> Person {
    let on: Vec<Channel> = given.channel.map_or_else(|| channels.to_vec(), |channel| vec![channel]);
    let mut context = given.context.clone();
    if !given.name.is_empty() {
        context.entry("name").or_insert_with(|| given.name.clone().into());
        let first = given.name.split_whitespace().next().unwrap_or_default();
        context.entry("first_name").or_insert_with(|| first.into());
    }
    Person {
        contact: None,
        customer: None,
        name: given.name.clone(),
        language: given.language.clone(),
        addresses: on.into_iter().map(|channel| (channel, given.address.clone())).collect(),
        context,
    }
}

/// The deliveries of one person: on the first channel that the person can be reached on; with push on every device.
fn addressed(of: &Audience<'_>, person: Person) -> Vec<Recipient> {
    let Ok(country) = Country::parse(&of.tenant.country) else { return Vec::new() };
    for channel in of.channels {
        let mut found: Vec<String> = person
            .addresses
            .iter()
            .filter(|(on, _)| on == channel)
            .filter_map(|(_, text)| Address::parse(*channel, text, &country).ok())
            .map(|address| address.as_str().to_owned())
            .collect();
        if *channel != Channel::Push {
            found.truncate(1);
        }
        if !found.is_empty() {
            return found.into_iter().map(|address| recipient(of, &person, *channel, address)).collect();
        }
    }
    Vec::new()
}

fn recipient(of: &Audience<'_>, person: &Person, channel: Channel, address: String) -> Recipient {
    Recipient {
        id: DeliveryId::new(),
        contact: person.contact,
        customer: person.customer,
        name: person.name.clone(),
        channel,
        address,
        language: person.language.clone(),
        context: person.context.clone(),
        due_at: of.now,
        reserved: Decimal::ZERO,
    }
}

/// Spreads deliveries over time, so many a minute; when the one after them is due.
fn spread(
    recipients: &mut [Recipient],
    per_minute: Option<i32>,
    start: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let gap = TimeDelta::nanoseconds(60_000_000_000 / i64::from(per_minute?.max(1)));
    let mut due = start;
    for one in recipients {
        one.due_at = due;
        due += gap;
    }
    Some(due)
}

/// Wrong addresses of a call, by their place in it.
pub fn wrong_addresses(channels: &[Channel], to: &To, country: &Country) -> Vec<FieldError> {
    let mut wrong = Vec::new();
    for (n, given) in to.addresses.iter().enumerate() {
        let on: Vec<Channel> = given.channel.map_or_else(|| channels.to_vec(), |channel| vec![channel]);
        if given.channel.is_some_and(|channel| !channels.contains(&channel)) {
            let field = format!("to.addresses[{n}].channel");
            wrong.push(FieldError::new(field, "other_channel", "The message does not go to this channel."));
            continue;
        }
        let tried: Vec<_> =
            on.iter().map(|channel| Address::parse(*channel, &given.address, country)).collect();
        if tried.iter().all(Result::is_err)
            && let Some(Err(odd)) = tried.into_iter().next()
        {
            wrong.push(FieldError::new(format!("to.addresses[{n}].address"), odd.code, odd.detail));
        }
        if wrong.len() >= 100 {
            break;
        }
    }
    wrong
}
