//! Pages of templates: the list, a template with its versions, and what is done with it. Writing is in [`super::editor`].

use poem::{
    Response, handler,
    http::Method,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use uuid::Uuid;

use super::{
    ApproveTemplates, EditTemplates, ViewTemplates, editor, library_pages,
    model::{Filter, KNOWN, State, Template, Written},
    preview::{self, Who},
    rules,
    shown::Shown,
    store,
};
use crate::{
    access::{CheckedForm, Guarded, PageUser, Right},
    error::{Error, Result},
    messaging::{Channel, Messaging, audience::Person, policy},
    types::{Cursor, Limit, TemplateId},
    web::parts::{Choice, Pager, Tab, address, grouped, id_of, shown},
    web::{Flash, Moment, RouteTable},
    words::say,
};

pub(super) const PATH: &str = "/templates";
const PAGE: Limit = Limit::of(50);
const HISTORY: Limit = Limit::of(50);
const Q_MAX: usize = 100;

/// Every page of templates.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewTemplates>(Method::GET, PATH, list_templates);
    table.page::<ViewTemplates>(Method::GET, "/templates/:id", show_template);
    table.page::<ViewTemplates>(Method::GET, "/templates/:id/versions/:version", show_version);
    table.page::<EditTemplates>(Method::POST, "/templates/:id/submit", submit);
    table.page::<EditTemplates>(Method::POST, "/templates/:id/withdraw", withdraw);
    table.page::<EditTemplates>(Method::POST, "/templates/:id/archive", archive);
    table.page::<EditTemplates>(Method::POST, "/templates/:id/restore", restore);
    table.page::<ApproveTemplates>(Method::POST, "/templates/:id/decision", decide);
    table.page::<ApproveTemplates>(Method::POST, "/templates/:id/default", set_default);
    editor::pages(table);
    library_pages::pages(table);
}

pub(super) fn may<R: Right>(user: &PageUser) -> bool {
    user.by.require::<R>().is_ok()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    state: String,
    channel: String,
    cursor: String,
    from: i64,
}

#[derive(Serialize)]
struct ListPage {
    q: String,
    state: String,
    channel: String,
    channels: Vec<Choice>,
    tabs: Vec<Tab>,
    templates: Vec<Row>,
    pager: Pager,
    filtered: bool,
    can_edit: bool,
}

#[derive(Serialize)]
struct Row {
    href: String,
    name: String,
    description: String,
    channels: String,
    state_label: &'static str,
    state_tone: &'static str,
    approved: String,
    updated: Moment,
}

pub(super) fn labels(channels: &[Channel]) -> String {
    channels.iter().map(|channel| channel.label()).collect::<Vec<_>>().join(", ")
}

pub(super) fn channel_choices() -> Vec<Choice> {
    Channel::ALL.iter().map(|channel| Choice::new(channel, channel.label())).collect()
}

fn row_of(template: Template, zone: chrono_tz::Tz) -> Row {
    Row {
        href: format!("{PATH}/{}", template.id),
        name: template.name,
        description: template.description,
        channels: labels(&template.channels),
        state_label: template.state.label(),
        state_tone: template.state.tone(),
        approved: template.approved.map(|n| format!("v{n}")).unwrap_or_default(),
        updated: Moment::day(template.updated_at, zone),
    }
}

#[handler]
async fn list_templates(
    user: PageUser,
    messaging: Data<&Messaging>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let q: String = asked.q.chars().filter(|c| !c.is_control()).take(Q_MAX).collect();
    let q = q.trim().to_owned();
    let (key, state, is_archived) = match asked.state.as_str() {
        "pending" => ("pending", Some(State::Pending), false),
        "archived" => ("archived", None, true),
        _ => ("", None, false),
    };
    let channel = asked.channel.parse::<Channel>().ok();
    let after = match asked.cursor.as_str() {
        "" => None,
        text => Some(Cursor::<Uuid>::decode(text)?.0),
    };
    let filter = Filter { q: Some(q.clone()).filter(|q| !q.is_empty()), state, channel, is_archived };
    let ((found, more), (all, pending, archived)) = messaging
        .db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(rules::list(tx, &filter, after, PAGE), store::count(tx))
        })
        .await?;
    let channel_word = channel.map(Channel::as_str).unwrap_or_default();
    let href = |state: &str, more: &[(&str, &str)]| {
        let own = [("q", q.as_str()), ("channel", channel_word), ("state", state)];
        let pairs = own.into_iter().chain(more.iter().copied());
        address(PATH, pairs.filter(|(_, value)| !value.is_empty()))
    };
    let first = if after.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let cursor = Cursor(last.id.0).encode()?;
            let from = (first + PAGE.get()).to_string();
            Some(href(key, &[("cursor", &cursor), ("from", &from)]))
        }
        None => None,
    };
    let tab = |label, word: &'static str, n: i64| Tab {
        label,
        count: Some(grouped(n)),
        href: href(word, &[]),
        active: word == key,
    };
    let view = ListPage {
        tabs: vec![
            tab(say("In use"), "", all),
            tab(say("Waiting for approval"), "pending", pending),
            tab(say("Archived"), "archived", archived),
        ],
        pager: Pager {
            prev_href: after.is_some().then(|| href(key, &[])),
            next_href,
            shown: shown(first, found.len()),
            total: None,
        },
        templates: found.into_iter().map(|one| row_of(one, user.tenant().time_zone.0)).collect(),
        filtered: !q.is_empty() || channel.is_some() || !key.is_empty(),
        can_edit: may::<EditTemplates>(&user),
        channels: channel_choices(),
        channel: channel_word.to_owned(),
        state: key.to_owned(),
        q,
    };
    Ok(user.render("message_templates/list.html", say("Templates"), &view)?)
}

#[derive(Serialize)]
struct DetailPage {
    name: String,
    description: String,
    action: String,
    version: i32,
    latest: i32,
    is_latest: bool,
    is_archived: bool,
    is_pending: bool,
    is_draft: bool,
    state_label: &'static str,
    state_tone: &'static str,
    approved: Option<i32>,
    written_by: String,
    decided_by: String,
    decision_note: String,
    variants: Vec<Variant>,
    channels: Vec<Choice>,
    variables: Vec<VariableRow>,
    known: String,
    unknown: Vec<String>,
    unused: Vec<String>,
    footer: String,
    history: Vec<Step>,
    defaults: Vec<DefaultRow>,
    who: String,
    whose: String,
    can_edit: bool,
    can_approve: bool,
}

#[derive(Serialize)]
struct Variant {
    channel: &'static str,
    channel_label: &'static str,
    language: String,
    edit_href: String,
    preview: Shown,
}

#[derive(Serialize)]
struct VariableRow {
    name: String,
    fallback: String,
    is_required: bool,
}

#[derive(Serialize)]
struct Step {
    version: i32,
    href: String,
    state_label: &'static str,
    state_tone: &'static str,
    by: String,
    note: String,
    at: Moment,
}

#[derive(Serialize)]
struct DefaultRow {
    channel: &'static str,
    label: &'static str,
    is_this: bool,
    other: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Looking {
    who: String,
}

#[handler]
async fn show_template(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    Query(looking): Query<Looking>,
) -> poem::Result<Response> {
    Ok(detail(&user, &messaging, id_of(&id, "template")?, None, looking).await?)
}

#[handler]
async fn show_version(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path((id, version)): Path<(String, String)>,
    Query(looking): Query<Looking>,
) -> poem::Result<Response> {
    let version = version.parse::<i32>().map_err(|_no_number| Error::not_found("version"))?;
    Ok(detail(&user, &messaging, id_of(&id, "template")?, Some(version), looking).await?)
}

fn step_of(template: TemplateId, written: &Written, zone: chrono_tz::Tz) -> Step {
    let n = written.version.version;
    Step {
        version: n,
        href: format!("{PATH}/{template}/versions/{n}"),
        state_label: written.state.label(),
        state_tone: written.state.tone(),
        by: written.decided_by.clone().unwrap_or_else(|| written.written_by.clone()),
        note: written.decision_note.clone().unwrap_or_default(),
        at: Moment::at(written.updated_at, zone),
    }
}

fn variants_of(
    id: TemplateId,
    written: &Written,
    person: Option<&Person>,
    language: &str,
) -> Result<Vec<Variant>> {
    let composer = written.version.composer()?;
    let mut variants = Vec::new();
    for (channel, texts) in &written.version.words.0 {
        for tag in texts.keys() {
            let made = preview::preview(&composer, *channel, Some(tag), language, person, &Map::new());
            variants.push(Variant {
                channel: channel.as_str(),
                channel_label: channel.label(),
                edit_href: address(
                    &format!("{PATH}/{id}/words"),
                    [("channel", channel.as_str()), ("language", tag.as_str())],
                ),
                language: tag.clone(),
                preview: Shown::of(made.map_err(|error| error.to_string())),
            });
        }
    }
    Ok(variants)
}

#[expect(clippy::too_many_lines, reason = "one view of many parts")]
async fn detail(
    user: &PageUser,
    messaging: &Messaging,
    id: TemplateId,
    version: Option<i32>,
    looking: Looking,
) -> Result<Response> {
    let who = editor::who_of(&looking.who);
    let directory = messaging.directory.as_ref();
    let (template, written, (history, _), defaults, person, language) = messaging
        .db
        .read_tenant(user.tenant(), async |tx| {
            let template = rules::get(tx, id).await?;
            let n = version.unwrap_or(template.latest);
            let (written, history, defaults, policy) = futures_util::try_join!(
                rules::written(tx, id, n),
                rules::history(tx, id, None, HISTORY),
                store::defaults(tx),
                policy::get(tx)
            )?;
            let person = preview::person(tx, user.tenant(), directory, &who).await?;
            Ok((template, written, history, defaults, person, policy.default_language))
        })
        .await?;
    let zone = user.tenant().time_zone.0;
    let names = written.version.names()?;
    let defaults = template
        .channels
        .iter()
        .map(|channel| {
            let set = defaults.iter().find(|(known, ..)| known == channel);
            DefaultRow {
                channel: channel.as_str(),
                label: channel.label(),
                is_this: set.is_some_and(|(_, other, _)| *other == id),
                other: set
                    .filter(|(_, other, _)| *other != id)
                    .map(|(.., name)| name.clone())
                    .unwrap_or_default(),
            }
        })
        .collect();
    let is_latest = written.version.version == template.latest;
    let view = DetailPage {
        variants: variants_of(id, &written, person.as_ref(), &language)?,
        whose: match (&who, &person) {
            (_, Some(person)) => say!("Shown as {} would be sent it.", person.name),
            (Who::Sample, None) => String::new(),
            _ => say("Nobody was found: shown with samples.").into(),
        },
        who: looking.who,
        action: format!("{PATH}/{id}"),
        version: written.version.version,
        latest: template.latest,
        is_latest,
        is_archived: template.is_archived,
        is_pending: is_latest && written.state == State::Pending,
        is_draft: is_latest && written.state == State::Draft,
        state_label: written.state.label(),
        state_tone: written.state.tone(),
        approved: template.approved,
        written_by: written.written_by,
        decided_by: written.decided_by.unwrap_or_default(),
        decision_note: written.decision_note.unwrap_or_default(),
        channels: channel_choices(),
        variables: written
            .version
            .variables
            .into_iter()
            .map(|one| VariableRow {
                name: one.name,
                fallback: one.fallback.unwrap_or_default(),
                is_required: one.is_required,
            })
            .collect(),
        known: KNOWN.join(", "),
        unknown: names.unknown,
        unused: names.unused,
        footer: written.version.footer,
        history: history.iter().map(|one| step_of(id, one, zone)).collect(),
        defaults,
        can_edit: may::<EditTemplates>(user) && is_latest && !template.is_archived,
        can_approve: may::<ApproveTemplates>(user),
        name: template.name.clone(),
        description: template.description,
    };
    user.render("message_templates/detail.html", &template.name, &view)
}

/// Back to the template with what was said; what can be mended is said there, too.
fn back(user: &PageUser, id: TemplateId, done: Result<Template>, said: &str) -> poem::Result<Response> {
    let flash = match done {
        Ok(template) => Flash::success(format!("{} {said}", template.name)),
        Err(error @ (Error::Conflict { .. } | Error::Invalid(_))) => Flash::error(match error {
            Error::Invalid(wrong) => wrong.into_iter().map(|one| one.detail).collect::<Vec<_>>().join(" "),
            other => other.detail(),
        }),
        Err(other) => return Err(other.into()),
    };
    Ok(user.then(&format!("{PATH}/{id}"), &flash))
}

#[handler]
async fn submit(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id = id_of(&id, "template")?;
    let done = messaging.db.in_tenant(user.tenant(), async |tx| rules::submit(tx, &user.by, id).await).await;
    back(&user, id, done, say("was handed in."))
}

#[handler]
async fn withdraw(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id = id_of(&id, "template")?;
    let done =
        messaging.db.in_tenant(user.tenant(), async |tx| rules::withdraw(tx, &user.by, id).await).await;
    back(&user, id, done, say("is a draft again."))
}

#[handler]
async fn archive(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "template")?;
    let away = form.get("archived") == "true";
    let done =
        messaging.db.in_tenant(user.tenant(), async |tx| rules::archive(tx, &user.by, id, away).await).await;
    back(&user, id, done, if away { say("was archived.") } else { say("is in use again.") })
}

/// The version that a form names; one that is no number is of nothing.
fn version_of(form: &CheckedForm) -> i32 {
    form.get("version").parse().unwrap_or_default()
}

#[handler]
async fn restore(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "template")?;
    let n = version_of(&form);
    let done =
        messaging.db.in_tenant(user.tenant(), async |tx| rules::restore(tx, &user.by, id, n).await).await;
    back(&user, id, done, say("has the words of the older version in a draft."))
}

#[handler]
async fn decide(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "template")?;
    let is_approved = form.get("decision") == "approve";
    let n = version_of(&form);
    let done = messaging
        .db
        .in_tenant(user.tenant(), async |tx| {
            rules::decide(tx, &user.by, id, n, is_approved, form.get("note")).await
        })
        .await;
    back(&user, id, done, if is_approved { say("was approved.") } else { say("was rejected.") })
}

#[handler]
async fn set_default(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: TemplateId = id_of(&id, "template")?;
    let channel = super::view::channel_of(form.get("channel"));
    let wanted = Some(id).filter(|_| form.get("is_default") == "true");
    let done = match channel {
        Ok(channel) => {
            messaging
                .db
                .in_tenant(user.tenant(), async |tx| {
                    let template = rules::get(tx, id).await?;
                    rules::set_default(tx, &user.by, channel, wanted).await?;
                    Ok(template)
                })
                .await
        }
        Err(error) => Err(error),
    };
    back(
        &user,
        id,
        done,
        if wanted.is_some() { say("is the default.") } else { say("is not the default any more.") },
    )
}
