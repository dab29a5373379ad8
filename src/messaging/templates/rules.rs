//! What may be done with templates.

use uuid::Uuid;

use super::{
    super::Channel,
    model::{Draft, Filter, State, Template, Version, Written},
    store,
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, FieldError, Result},
    types::{Limit, TemplateId, optional_line},
    words::{in_english, say},
};

const NOTE_MAX: usize = 500;

fn unknown() -> Error {
    Error::not_found("template")
}

fn event<'a>(action: &'static str, template: &'a Template) -> Event<'a> {
    Event {
        action,
        object_type: "template",
        object_id: Some(template.id.0),
        object_label: &template.name,
        before: None,
        after: None,
    }
}

/// The newest approved version: what campaigns and messages use.
pub async fn approved(tx: &TenantTx, id: TemplateId) -> Result<Version> {
    let template = get(tx, id).await?;
    match template.approved {
        Some(n) if !template.is_archived => version(tx, id, n).await,
        _ => Err(Error::conflict(
            "template_not_approved",
            say!("{} has no approved version that is in use.", template.name),
        )),
    }
}

/// The newest version, approved or not.
pub async fn latest(tx: &TenantTx, id: TemplateId) -> Result<Version> {
    let template = get(tx, id).await?;
    version(tx, id, template.latest).await
}

/// One version as it was.
pub async fn version(tx: &TenantTx, id: TemplateId, n: i32) -> Result<Version> {
    Ok(written(tx, id, n).await?.version)
}

/// The template that a channel takes when none is named, in its approved version.
pub async fn default_for(tx: &TenantTx, channel: Channel) -> Result<Option<Version>> {
    let found = store::defaults(tx).await?.into_iter().find(|(known, ..)| *known == channel);
    match found {
        Some((_, id, _)) => approved(tx, id).await.map(Some),
        None => Ok(None),
    }
}

pub async fn list(
    tx: &TenantTx,
    filter: &Filter,
    after: Option<Uuid>,
    limit: Limit,
) -> Result<(Vec<Template>, bool)> {
    let mut items = store::list(tx, filter, after, limit).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

pub async fn get(tx: &TenantTx, id: TemplateId) -> Result<Template> {
    store::find(tx, id).await?.ok_or_else(unknown)
}

pub async fn written(tx: &TenantTx, id: TemplateId, n: i32) -> Result<Written> {
    store::find_version(tx, id, n).await?.ok_or(Error::not_found("version"))
}

pub async fn history(
    tx: &TenantTx,
    id: TemplateId,
    before: Option<i32>,
    limit: Limit,
) -> Result<(Vec<Written>, bool)> {
    get(tx, id).await?;
    let mut items = store::list_versions(tx, id, before, limit).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// Writes a new template: its first version is a draft.
pub async fn create(tx: &TenantTx, by: &By, draft: &Draft) -> Result<Template> {
    let id = TemplateId::new();
    store::insert(tx, id, &draft.name, &draft.description).await?;
    store::insert_version(tx, id, 1, draft, &by.actor.label).await?;
    let template = get(tx, id).await?;
    by.record(tx, Event { after: Some(draft.told()), ..event("template.created", &template) }).await?;
    Ok(template)
}

async fn locked(tx: &TenantTx, id: TemplateId) -> Result<(Template, Written)> {
    let template = store::lock(tx, id).await?.ok_or_else(unknown)?;
    let written = written(tx, id, template.latest).await?;
    Ok((template, written))
}

fn draft_of(template: &Template, version: &Version) -> Draft {
    Draft {
        name: template.name.clone(),
        description: template.description.clone(),
        words: version.words.clone(),
        variables: version.variables.clone(),
        footer: version.footer.clone(),
    }
}

/// Changes a template. A draft changes in place; what was approved or rejected stays, and a new draft follows it.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: TemplateId,
    wanted: impl FnOnce(Draft) -> Result<Draft>,
) -> Result<Template> {
    let (mut template, newest) = locked(tx, id).await?;
    let was = draft_of(&template, &newest.version);
    let draft = wanted(was.clone())?;
    let (before, after) = changes(&was.told(), &draft.told());
    if after.is_none() {
        return Ok(template);
    }
    if !draft.says_the_same(&was) {
        match newest.state {
            State::Pending => {
                return Err(Error::conflict(
                    "template_pending",
                    "It waits for approval. Withdraw it to go on writing.",
                ));
            }
            State::Draft => {
                store::update_draft(tx, id, template.latest, &draft, &by.actor.label).await?;
            }
            State::Approved | State::Rejected => {
                template.latest += 1;
                store::insert_version(tx, id, template.latest, &draft, &by.actor.label).await?;
            }
        }
    }
    template.name = draft.name;
    template.description = draft.description;
    store::update(tx, &template).await?;
    by.record(tx, Event { before, after, ..event("template.updated", &template) }).await?;
    get(tx, id).await
}

/// A new draft with the words of an older version.
pub async fn restore(tx: &TenantTx, by: &By, id: TemplateId, n: i32) -> Result<Template> {
    let older = written(tx, id, n).await?.version;
    change(tx, by, id, |was| {
        Ok(Draft { words: older.words, variables: older.variables, footer: older.footer, ..was })
    })
    .await
}

/// Hands a draft in for approval. Variables that nobody would fill in are named.
pub async fn submit(tx: &TenantTx, by: &By, id: TemplateId) -> Result<Template> {
    let (template, newest) = locked(tx, id).await?;
    if newest.state != State::Draft {
        return Err(Error::conflict("not_a_draft", "Only a draft can be handed in."));
    }
    let names = newest.version.names()?;
    if !names.unknown.is_empty() {
        let wrong = names.unknown.iter().map(|name| {
            let detail = say!("{} is used and not declared: nobody would fill it in.", name);
            FieldError::new("variables", "unknown_variable", detail)
        });
        return Err(Error::Invalid(wrong.collect()));
    }
    move_to(tx, by, &template, State::Pending, None).await
}

/// Takes a draft back that was handed in.
pub async fn withdraw(tx: &TenantTx, by: &By, id: TemplateId) -> Result<Template> {
    let (template, newest) = locked(tx, id).await?;
    if newest.state != State::Pending {
        return Err(not_pending());
    }
    move_to(tx, by, &template, State::Draft, None).await
}

fn not_pending() -> Error {
    Error::conflict("not_pending", "This version does not wait for approval.")
}

/// Approves or rejects the version that was looked at.
pub async fn decide(
    tx: &TenantTx,
    by: &By,
    id: TemplateId,
    version: i32,
    is_approved: bool,
    note: &str,
) -> Result<Template> {
    let note = optional_line(note, NOTE_MAX).map_err(|odd| Error::Invalid(vec![odd.at("note")]))?;
    let (mut template, newest) = locked(tx, id).await?;
    if newest.state != State::Pending || template.latest != version {
        return Err(not_pending());
    }
    let state = if is_approved { State::Approved } else { State::Rejected };
    if is_approved {
        template.approved = Some(version);
        store::update(tx, &template).await?;
    }
    move_to(tx, by, &template, state, Some(note.as_deref())).await
}

async fn move_to(
    tx: &TenantTx,
    by: &By,
    template: &Template,
    state: State,
    decision: Option<Option<&str>>,
) -> Result<Template> {
    let decided = decision.map(|note| (by.actor.label.as_str(), note));
    store::set_state(tx, template.id, template.latest, state, decided).await?;
    let action = match state {
        State::Draft => "template.withdrawn",
        State::Pending => "template.submitted",
        State::Approved => "template.approved",
        State::Rejected => "template.rejected",
    };
    let after = serde_json::json!({ "version": template.latest, "note": decision.flatten() });
    by.record(tx, Event { after: Some(after), ..event(action, template) }).await?;
    get(tx, template.id).await
}

/// Puts a template away, or takes it out again. What was sent with it stays readable.
pub async fn archive(tx: &TenantTx, by: &By, id: TemplateId, is_archived: bool) -> Result<Template> {
    let (mut template, _) = locked(tx, id).await?;
    if template.is_archived == is_archived {
        return Ok(template);
    }
    template.is_archived = is_archived;
    store::update(tx, &template).await?;
    if is_archived {
        store::clear_defaults_of(tx, id).await?;
    }
    let action = if is_archived { "template.archived" } else { "template.unarchived" };
    by.record(tx, event(action, &template)).await?;
    get(tx, id).await
}

/// Makes an approved template the one that a channel takes when none is named; None takes that away.
pub async fn set_default(tx: &TenantTx, by: &By, channel: Channel, id: Option<TemplateId>) -> Result<()> {
    let was = store::defaults(tx).await?.into_iter().find(|(known, ..)| *known == channel);
    let unknown = || Error::invalid("template_id", "unknown", "There is no such template.");
    let after = match id {
        Some(id) => {
            let template = store::find(tx, id).await?.ok_or_else(unknown)?;
            let version = approved(tx, id).await?;
            if !version.words.0.contains_key(&channel) {
                let detail = say!("{} says nothing for {}.", template.name, channel.label());
                return Err(Error::invalid("template_id", "not_on_this_channel", detail));
            }
            store::set_default(tx, channel, id).await?;
            Some(template.name)
        }
        None => {
            store::clear_default(tx, channel).await?;
            None
        }
    };
    let told = |name: Option<&str>| Some(serde_json::json!({ "default_template": name }));
    let event = Event {
        action: "template.default_changed",
        object_type: "template",
        object_id: id.map(|id| id.0),
        object_label: in_english(|| channel.label()),
        before: told(was.as_ref().map(|(_, _, name)| name.as_str())),
        after: told(after.as_deref()),
    };
    by.record(tx, event).await
}
