//! Preparing a campaign.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::PATH;
use crate::{
    access::{CheckedForm, PageUser},
    error::{Error, FieldError, Result},
    messaging::{
        Channel, Messaging,
        campaigns::{
            model::{Campaign, Draft},
            rules,
        },
        messages::{
            AudienceChoices, To,
            attachments::{self, FilesBox},
            instant,
            lists::{self, Uploaded},
            segment_of, value_of,
        },
        templates,
    },
    tenancy::Tenant,
    types::{CampaignId, FileId, GroupId, RecipientListId, TemplateId},
    web::{
        Flash, Form, FormView,
        file_body::FileBody,
        parts::{Choice, counted, id_of},
    },
    words::say,
};

const FIELDS: [&str; 10] = [
    "name",
    "channel",
    "fallback",
    "template",
    "segment",
    "per_minute",
    "starts_at",
    "context",
    "file",
    "attach",
];
const CONTEXT_LINES_MAX: usize = 50;

#[derive(Serialize)]
struct FormPage {
    title: &'static str,
    form: FormView,
    back_href: String,
    channels: Vec<Choice>,
    templates: Vec<Choice>,
    audience: AudienceChoices,
    /// Segments and files that are in the audience already.
    kept: Vec<Kept>,
    files: FilesBox,
    is_frozen: bool,
    is_dry_run: bool,
    zone: String,
}

#[derive(Serialize)]
struct Kept {
    field: &'static str,
    value: String,
    label: String,
}

/// What of a form is not in a text field.
#[derive(Default)]
struct Chosen {
    segments: Vec<String>,
    groups: Vec<String>,
    lists: Vec<RecipientListId>,
    files: Vec<FileId>,
    is_frozen: bool,
    is_dry_run: bool,
}

impl Chosen {
    fn of(form: &Form) -> Self {
        Self {
            segments: form.all("kept_segment").map(str::to_owned).collect(),
            groups: form.all("group").map(str::to_owned).collect(),
            lists: form.all("list").filter_map(|id| id.parse().ok()).collect(),
            files: attachments::named(form),
            is_frozen: form.has("is_frozen"),
            is_dry_run: form.has("dry_run"),
        }
    }

    fn of_draft(draft: &Draft) -> Self {
        Self {
            segments: draft.to.segments.iter().map(value_of).collect(),
            groups: draft.to.groups.iter().map(ToString::to_string).collect(),
            lists: draft.to.lists.clone(),
            files: draft.attachments.clone(),
            is_frozen: draft.is_frozen,
            is_dry_run: draft.is_dry_run,
        }
    }
}

fn form_of(action: &str, draft: &Draft, tenant: &Tenant) -> FormView {
    let on = |n: usize| draft.channels.get(n).map(|channel| channel.as_str()).unwrap_or_default();
    let context = draft.context.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name} = {text}"),
        other => format!("{name} = {other}"),
    });
    let starts = draft.starts_at.map(|at| at.with_timezone(&tenant.time_zone.0).format("%Y-%m-%dT%H:%M"));
    FormView::empty(action, &FIELDS)
        .with("name", &draft.name)
        .with("channel", on(0))
        .with("fallback", on(1))
        .with("template", draft.template.to_string())
        .with("per_minute", draft.per_minute.map(|n| n.to_string()).unwrap_or_default())
        .with("starts_at", starts.map(|at| at.to_string()).unwrap_or_default())
        .with("context", context.collect::<Vec<_>>().join("\n"))
}

/// Values for all recipients: `name = value`, one a line.
fn context_of(text: &str) -> Result<Map<String, Value>, FieldError> {
    let wrong = |detail: String| FieldError::new("context", "not_a_value", detail);
    let mut context = Map::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) =
            line.split_once('=').ok_or_else(|| wrong(say("Write one a line: name = value.").to_owned()))?;
        let name = name.trim();
        if !templates::is_name(name) {
            return Err(wrong(say!("{} cannot be a variable's name.", name)));
        }
        context.insert(name.to_owned(), Value::String(value.trim().to_owned()));
    }
    if context.len() > CONTEXT_LINES_MAX {
        return Err(wrong(say!("At most {} values.", CONTEXT_LINES_MAX)));
    }
    Ok(context)
}

/// What was typed over what was there: what no form shows (recipients named by programs) stays.
fn draft_of(form: &Form, tenant: &Tenant, was: Option<&Draft>) -> Result<Draft> {
    let mut wrong = Vec::new();
    let mut channels: Vec<Channel> = Vec::new();
    for field in ["channel", "fallback"] {
        let text = form.get(field);
        match text.parse::<Channel>() {
            Ok(channel) if !channels.contains(&channel) => channels.push(channel),
            Ok(_) => {}
            Err(_) if text.is_empty() && field == "fallback" => {}
            Err(odd) => wrong.push(FieldError::new(field, odd.code, odd.detail)),
        }
    }
    channels.extend(was.iter().flat_map(|was| was.channels.iter().skip(2).copied()));
    channels.dedup();
    let template = form.get("template").parse::<TemplateId>().unwrap_or_else(|_| {
        wrong.push(FieldError::new("template", "required", "Choose a template."));
        TemplateId(Uuid::nil())
    });
    let per_minute = crate::web::typed::optional_whole(form.get("per_minute"), 1..=600_000);
    let per_minute = per_minute.unwrap_or_else(|odd| {
        wrong.push(odd.at("per_minute"));
        None
    });
    let starts_at = instant(form.get("starts_at"), tenant.time_zone).unwrap_or_else(|_| {
        wrong.push(FieldError::new("starts_at", "not_a_time", "This must be a day and a time to come."));
        None
    });
    let context = context_of(form.get("context")).unwrap_or_else(|odd| {
        wrong.push(odd);
        Map::new()
    });
    let chosen = Chosen::of(form);
    let mut segments: Vec<_> = chosen.segments.iter().filter_map(|text| segment_of(text)).collect();
    segments.extend(segment_of(form.get("segment")));
    segments.dedup();
    let named = was.map(|was| was.to.clone()).unwrap_or_default();
    let to = To {
        groups: chosen.groups.iter().filter_map(|id| id.parse::<GroupId>().ok()).collect(),
        segments,
        lists: chosen.lists,
        ..named
    };
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    let draft = Draft {
        name: form.get("name").to_owned(),
        channels,
        template,
        context,
        to,
        is_frozen: chosen.is_frozen,
        per_minute,
        is_dry_run: chosen.is_dry_run,
        starts_at,
        attachments: chosen.files,
    };
    draft.checked()
}

/// A file that came with the form.
async fn file_of(messaging: &Messaging, user: &PageUser, form: &Form) -> Result<Option<Uploaded>> {
    match form.upload("file") {
        Some(upload) if !upload.content.is_empty() => {
            Ok(Some(lists::upload(messaging, &user.by, FileBody::of(form)?).await?))
        }
        _ => Ok(None),
    }
}

struct Shown<'a> {
    title: &'static str,
    back_href: String,
    form: FormView,
    chosen: &'a Chosen,
}

async fn page(user: &PageUser, messaging: &Messaging, status: StatusCode, of: Shown<'_>) -> Result<Response> {
    let tenant = user.tenant();
    let chosen = of.chosen;
    let (audience, templates, kept, files) = messaging
        .db
        .read_tenant(tenant, async |tx| {
            let audience = AudienceChoices::load(tx, messaging, &[], &chosen.groups).await?;
            let templates = templates::choices(tx, None).await?;
            let mut kept = Vec::new();
            for value in &chosen.segments {
                let Some(segment) = segment_of(value) else { continue };
                let label = messaging.directory.label(tx, &segment).await?;
                let label = label.unwrap_or_else(|| "(gone)".to_owned());
                kept.push(Kept { field: "kept_segment", value: value.clone(), label });
            }
            for list in &chosen.lists {
                let Some(list) = lists::find(tx, *list).await? else { continue };
                let amount = counted(i64::from(list.members), "recipient", "recipients");
                let label = format!("{}, {amount}", list.name);
                kept.push(Kept { field: "list", value: list.id.to_string(), label });
            }
            let files = FilesBox::load(tx, &chosen.files).await?;
            Ok((audience, templates, kept, files))
        })
        .await?;
    let channels = Channel::ALL.map(|channel| Choice::new(channel.as_str(), channel.label())).to_vec();
    let view = FormPage {
        title: of.title,
        form: of.form,
        back_href: of.back_href,
        channels,
        templates: templates.into_iter().map(|template| Choice::new(template.id, template.name)).collect(),
        audience,
        kept,
        files,
        is_frozen: chosen.is_frozen,
        is_dry_run: chosen.is_dry_run,
        zone: tenant.time_zone.to_string(),
    };
    user.render_with(status, "campaigns/form.html", of.title, &view)
}

#[handler]
pub async fn new_campaign(user: PageUser, messaging: Data<&Messaging>) -> poem::Result<Response> {
    let form = FormView::empty(PATH, &FIELDS).with("channel", Channel::Sms.as_str());
    let chosen = Chosen::default();
    let of = Shown { title: say("New campaign"), back_href: PATH.to_owned(), form, chosen: &chosen };
    Ok(page(&user, &messaging, StatusCode::OK, of).await?)
}

#[handler]
pub async fn edit_campaign(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: CampaignId = id_of(&id, "campaign")?;
    let campaign = messaging.db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await?;
    let action = format!("{PATH}/{id}");
    let form = form_of(&action, &campaign.draft, user.tenant());
    let chosen = Chosen::of_draft(&campaign.draft);
    let of = Shown { title: say("Edit campaign"), back_href: action, form, chosen: &chosen };
    Ok(page(&user, &messaging, StatusCode::OK, of).await?)
}

#[handler]
pub async fn add_campaign(
    user: PageUser,
    messaging: Data<&Messaging>,
    form: CheckedForm,
) -> poem::Result<Response> {
    save(&user, &messaging, &form, None).await
}

#[handler]
pub async fn change_campaign(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    save(&user, &messaging, &form, Some(id_of(&id, "campaign")?)).await
}

async fn save(
    user: &PageUser,
    messaging: &Messaging,
    form: &Form,
    id: Option<CampaignId>,
) -> poem::Result<Response> {
    match try_save(user, messaging, form, id).await {
        Ok((campaign, told)) => {
            let flash = match told {
                Some(problem) => Flash::error(problem),
                None => Flash::success(say!("{} was saved.", campaign.draft.name)),
            };
            Ok(user.then(&format!("{PATH}/{}", campaign.id), &flash))
        }
        Err(error) => {
            let (title, action) = match id {
                Some(id) => (say("Edit campaign"), format!("{PATH}/{id}")),
                None => (say("New campaign"), PATH.to_owned()),
            };
            let chosen = Chosen::of(form);
            let shown = FormView::empty(&action, &FIELDS).typed(form).failed(at_fields(error))?;
            let of = Shown { title, back_href: action, form: shown, chosen: &chosen };
            Ok(page(user, messaging, StatusCode::UNPROCESSABLE_ENTITY, of).await?)
        }
    }
}

/// The form's names for what the API calls otherwise.
fn at_fields(error: Error) -> Error {
    let renamed = |wrong: FieldError| {
        let field = match wrong.field.as_ref() {
            "channels" => "channel".into(),
            "template_id" => "template".into(),
            other if other.starts_with("attachments") => "attach".into(),
            other if other.starts_with("to") => "segment".into(),
            _ => wrong.field.clone(),
        };
        FieldError { field, ..wrong }
    };
    match error {
        Error::Invalid(wrong) => Error::Invalid(wrong.into_iter().map(renamed).collect()),
        other => other,
    }
}

/// Saves it; what of an uploaded file could not be read is told besides.
async fn try_save(
    user: &PageUser,
    messaging: &Messaging,
    form: &Form,
    id: Option<CampaignId>,
) -> Result<(Campaign, Option<String>)> {
    let tenant = user.tenant();
    // Whatever is wrong with the rest shows before a file is kept.
    draft_of(form, tenant, None)?;
    let files = attachments::kept(messaging, user, form).await?;
    let uploaded = file_of(messaging, user, form).await?;
    let list = uploaded.as_ref().map(|done| done.list.id);
    let with_files = |mut draft: Draft| {
        draft.to.lists.extend(list);
        draft.attachments = files.clone();
        draft
    };
    let saved = messaging
        .db
        .in_tenant(tenant, async |tx| match id {
            Some(id) => {
                let wanted = |was: Draft| draft_of(form, tenant, Some(&was)).map(with_files);
                rules::change(tx, messaging, &user.by, id, wanted).await
            }
            None => rules::create(tx, messaging, &user.by, with_files(draft_of(form, tenant, None)?)).await,
        })
        .await?;
    let told = uploaded.filter(|done| done.failed > 0).map(|done| {
        let rows = counted(i64::from(done.failed), "row is wrong", "rows are wrong");
        let first = done.errors.first().map(|wrong| say!(" Row {}: {}", wrong.row, wrong.detail));
        say!("It was saved, but {} in {}.{}", rows, done.list.name, first.unwrap_or_default())
    });
    Ok((saved, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_one_a_line() {
        let context = context_of("amount = ₱500\n\n town=Danao\n").unwrap();
        assert_eq!((context["amount"].as_str(), context["town"].as_str()), (Some("₱500"), Some("Danao")));
        assert_eq!(context_of("no value here").unwrap_err().field, "context");
        assert!(context_of("two words = x").is_err());
    }
}
