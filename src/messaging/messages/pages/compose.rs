//! Writing a message: what, to whom, when; looked at before it goes out.

use chrono::{DateTime, NaiveDateTime, TimeZone as _, Utc};
use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use uuid::Uuid;

use super::{
    PATH,
    audience::{AudienceChoices, EstimateBox, segment_of},
};
use crate::{
    access::{CheckedForm, PageUser},
    error::{Error, FieldError, Result},
    messaging::{
        Channel, Messaging, contacts,
        messages::{
            Ask, Given, Lane, Said, To,
            attachments::{self, FilesBox},
            estimate::{self, Estimate},
            rules,
        },
        templates::{self, Text, Words},
    },
    types::{ContactId, CustomerId, FileId, GroupId, TemplateId, TimeZone},
    web::{
        Flash, Form, FormView,
        parts::{Choice, counted},
    },
    words::say,
};

const FIELDS: [&str; 14] = [
    "channel",
    "fallback",
    "addresses",
    "segment",
    "template",
    "subject",
    "text",
    "html",
    "when",
    "recurrence",
    "priority",
    "contact",
    "customer",
    "attach",
];
/// So many lines of addresses are read from the box.
const LINES_MAX: usize = 10_000;
/// So many characters of a text that an address brings along are taken over: in bytes that is what a text has at most.
const ASKED_TEXT_MAX: usize = 4 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    channel: String,
    to: String,
    contact: String,
    customer: String,
    group: String,
    /// As the select box has it: `area:<id>`.
    segment: String,
    template: String,
    text: String,
}

#[derive(Serialize)]
struct ComposePage {
    form: FormView,
    channels: Vec<Choice>,
    fallbacks: Vec<Choice>,
    priorities: Vec<Choice>,
    templates: Vec<Choice>,
    audience: AudienceChoices,
    person: Option<String>,
    files: FilesBox,
    zone: String,
    estimate: Option<EstimateBox>,
    is_dry_run: bool,
}

#[handler]
pub async fn compose(
    user: PageUser,
    messaging: Data<&Messaging>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let channel = asked.channel.parse::<Channel>().unwrap_or(Channel::Sms);
    let form = FormView::empty(PATH, &FIELDS)
        .with("channel", channel.as_str())
        .with("addresses", asked.to.clone())
        .with("contact", asked.contact.clone())
        .with("customer", asked.customer.clone())
        .with("template", asked.template.clone())
        .with("text", asked.text.chars().take(ASKED_TEXT_MAX).collect::<String>())
        .with("priority", Lane::Transactional.as_str());
    let chosen =
        Chosen { groups: vec![asked.group.clone()], segment: asked.segment.clone(), ..Chosen::default() };
    Ok(page(&user, &messaging, StatusCode::OK, form, &chosen, None).await?)
}

/// What of a form is not in a text field.
#[derive(Default)]
struct Chosen {
    groups: Vec<String>,
    segment: String,
    files: Vec<FileId>,
    is_dry_run: bool,
}

impl Chosen {
    fn of(form: &Form) -> Self {
        Self {
            groups: form.all("group").map(str::to_owned).collect(),
            segment: form.get("segment").to_owned(),
            files: attachments::named(form),
            is_dry_run: form.has("dry_run"),
        }
    }
}

/// Sends it, or shows what it would come to.
#[handler]
pub async fn send(user: PageUser, messaging: Data<&Messaging>, form: CheckedForm) -> poem::Result<Response> {
    let shown = FormView::empty(PATH, &FIELDS).typed(&form);
    let mut chosen = Chosen::of(&form);
    let tenant = user.tenant();
    let ask = match ask_of(&form, tenant.time_zone) {
        Ok(ask) => attachments::kept(&messaging, &user, &form).await.map(|files| {
            chosen.files.clone_from(&files);
            Ask { attachments: files, ..ask }
        }),
        Err(error) => Err(error),
    };
    let ask = match ask {
        Ok(ask) => ask,
        Err(error) => {
            let shown = shown.failed(at_our_field(error))?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(page(&user, &messaging, status, shown, &chosen, None).await?);
        }
    };
    if form.get("act") != "send" {
        let found = messaging
            .db
            .read_tenant(tenant, async |tx| estimate::estimate(tx, &messaging, tenant, &ask).await)
            .await;
        return match found {
            Ok(found) => Ok(page(&user, &messaging, StatusCode::OK, shown, &chosen, Some(found)).await?),
            Err(error) => {
                let shown = shown.failed(at_our_field(error))?;
                Ok(page(&user, &messaging, StatusCode::UNPROCESSABLE_ENTITY, shown, &chosen, None).await?)
            }
        };
    }
    let sent =
        messaging.db.in_tenant(tenant, async |tx| rules::send(tx, &messaging, &user.by, &ask).await).await;
    messaging.bell.notify_one();
    match sent {
        Ok(sent) => {
            let text = match (sent.is_waiting, sent.recipients) {
                (true, _) => say("It is scheduled.").to_owned(),
                (_, n) => {
                    say!("It is on its way to {}.", counted(i64::from(n), "recipient", "recipients"))
                }
            };
            Ok(user.then(&format!("{PATH}/{}", sent.id), &Flash::success(text)))
        }
        Err(error) => {
            let shown = shown.failed(at_our_field(error))?;
            Ok(page(&user, &messaging, StatusCode::UNPROCESSABLE_ENTITY, shown, &chosen, None).await?)
        }
    }
}

/// Files are chosen in a field of this name.
fn at_our_field(error: Error) -> Error {
    let renamed = |wrong: FieldError| match wrong.field.as_ref() {
        field if field.starts_with("attachments") => FieldError { field: "attach".into(), ..wrong },
        _ => wrong,
    };
    match error {
        Error::Invalid(wrong) => Error::Invalid(wrong.into_iter().map(renamed).collect()),
        other => other,
    }
}

/// One recipient in a line: an address, or a name and an address: `Ama Mensah, +233200000001`, `Ama <ama@example.com>`.
fn given(line: &str) -> Option<Given> {
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    let (name, address) = match line.rsplit_once(['<', ',', '\t', ';']) {
        Some((name, address)) => (name.trim(), address.trim_end_matches('>').trim()),
        None => ("", line),
    };
    Some(Given {
        channel: None,
        address: address.to_owned(),
        name: name.trim_matches('"').to_owned(),
        language: None,
        context: Map::new(),
    })
}

/// A time that was typed is the tenant's.
pub fn instant(text: &str, zone: TimeZone) -> Result<Option<DateTime<Utc>>> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Error::invalid("when", "not_a_time", "This must be a day and a time.");
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S"))
        .map_err(|_odd| wrong())?;
    let at = zone.0.from_local_datetime(&local).earliest().ok_or_else(wrong)?.with_timezone(&Utc);
    if at < Utc::now() - chrono::TimeDelta::minutes(1) {
        return Err(Error::invalid("when", "past", "This time is over."));
    }
    Ok(Some(at))
}

fn ask_of(form: &Form, zone: TimeZone) -> Result<Ask> {
    let mut wrong = Vec::new();
    let mut channels = Vec::new();
    for field in ["channel", "fallback"] {
        let text = form.get(field);
        match text.parse::<Channel>() {
            Ok(channel) if !channels.contains(&channel) => channels.push(channel),
            Ok(_) => {}
            Err(_) if text.is_empty() && field == "fallback" => {}
            Err(odd) => wrong.push(FieldError::new(field, odd.code, odd.detail)),
        }
    }
    let lines: Vec<&str> = form.get("addresses").lines().collect();
    if lines.len() > LINES_MAX {
        wrong.push(FieldError::new("addresses", "too_many", say!("At most {} lines.", LINES_MAX)));
    }
    let to = To {
        addresses: lines.into_iter().take(LINES_MAX).filter_map(given).collect(),
        contacts: form.get("contact").parse::<Uuid>().ok().map(ContactId).into_iter().collect(),
        customers: form.get("customer").parse::<Uuid>().ok().map(CustomerId).into_iter().collect(),
        groups: form.all("group").filter_map(|id| id.parse::<Uuid>().ok()).map(GroupId).collect(),
        segments: segment_of(form.get("segment")).into_iter().collect(),
        lists: Vec::new(),
    };
    let said = match form.get("template") {
        "" => Said::Words(Words::inline(&channels, "en", &text_of(form))),
        id => match id.parse::<Uuid>() {
            Ok(id) => Said::Template(TemplateId(id), None),
            Err(_) => return Err(Error::invalid("template", "unknown", "There is no such template.")),
        },
    };
    let scheduled_at = match instant(form.get("when"), zone) {
        Ok(at) => at,
        Err(Error::Invalid(more)) => {
            wrong.extend(more);
            None
        }
        Err(error) => return Err(error),
    };
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    Ok(Ask {
        channels,
        said,
        context: Map::new(),
        to,
        lane: Lane::parse(form.get("priority")).unwrap_or(Lane::Transactional),
        scheduled_at,
        recurrence: Some(form.get("recurrence").trim().to_owned()).filter(|text| !text.is_empty()),
        expires_at: None,
        is_dry_run: form.has("dry_run"),
        per_minute: None,
        attachments: Vec::new(),
    })
}

fn text_of(form: &Form) -> Text {
    let some = |name: &str| Some(form.get(name).trim().to_owned()).filter(|text| !text.is_empty());
    Text {
        subject: some("subject"),
        title: some("subject"),
        text: form.get("text").trim().replace("\r\n", "\n"),
        html: some("html"),
        ..Text::default()
    }
}

async fn page(
    user: &PageUser,
    messaging: &Messaging,
    status: StatusCode,
    form: FormView,
    chosen: &Chosen,
    found: Option<Estimate>,
) -> Result<Response> {
    let tenant = user.tenant();
    let channel = form.values.get("channel").and_then(|text| text.parse::<Channel>().ok());
    let contact = form.values.get("contact").and_then(|text| text.parse::<Uuid>().ok());
    let customer = form.values.get("customer").and_then(|text| text.parse::<Uuid>().ok());
    let (audience, templates, person, files) = messaging
        .db
        .read_tenant(tenant, async |tx| {
            let chosen_segment = std::slice::from_ref(&chosen.segment);
            let audience = AudienceChoices::load(tx, messaging, chosen_segment, &chosen.groups).await?;
            let templates = templates::choices(tx, channel).await?;
            let person = match (contact, customer) {
                (Some(id), _) => contacts::find(tx, &[ContactId(id)]).await?.into_iter().next(),
                (None, Some(id)) => {
                    messaging.directory.find(tx, tenant, &[CustomerId(id)]).await?.into_iter().next()
                }
                (None, None) => None,
            };
            let files = FilesBox::load(tx, &chosen.files).await?;
            Ok((audience, templates, person, files))
        })
        .await?;
    let all: Vec<Choice> =
        Channel::ALL.map(|channel| Choice::new(channel.as_str(), channel.label())).to_vec();
    let view = ComposePage {
        fallbacks: all.clone(),
        channels: all,
        priorities: Lane::options(),
        templates: templates.into_iter().map(|template| Choice::new(template.id, template.name)).collect(),
        audience,
        person: person.map(|person| person.name),
        files,
        zone: tenant.time_zone.to_string(),
        estimate: found.map(|found| EstimateBox::new(found, &tenant.currency)),
        is_dry_run: chosen.is_dry_run,
        form,
    };
    user.render_with(status, "messages/compose.html", say("New message"), &view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_and_an_address() {
        let of = |line: &str| given(line).map(|given| (given.name, given.address));
        let pair = |name: &str, address: &str| Some((name.to_owned(), address.to_owned()));
        assert_eq!(of("+233200000001"), pair("", "+233200000001"));
        assert_eq!(of("Ama Mensah, +233200000001"), pair("Ama Mensah", "+233200000001"));
        assert_eq!(of("\"Mensah, Ama\" <ama@example.com>"), pair("Mensah, Ama", "ama@example.com"));
        assert_eq!(of("   "), None);
    }
}
