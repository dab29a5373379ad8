//! Pages on which templates are written: one channel and language at a time, with a preview that follows what is typed.

use std::collections::BTreeMap;

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{
    EditTemplates, ViewTemplates,
    composer::Composer,
    model::{Draft, Template, Variable, Version},
    pages::{PATH, channel_choices},
    preview::{self, Who},
    rules,
    shown::Shown,
    words::{ProviderTemplate, Text, Words, parse_language},
};
use crate::{
    access::{CheckedForm, Guarded, PageUser},
    error::{Error, FieldError, Result},
    messaging::{Channel, Messaging, policy},
    types::TemplateId,
    web::parts::{Choice, id_of},
    web::{Flash, Form, FormView, RouteTable},
    words::say,
};

const TEXT_FIELDS: [&str; 10] = [
    "channel",
    "language",
    "subject",
    "title",
    "text",
    "html",
    "data",
    "provider_name",
    "provider_language",
    "provider_parameters",
];
const HEAD_FIELDS: [&str; 3] = ["name", "description", "footer"];
const WHO_MAX: usize = 100;
/// Empty rows below the variables that there are.
const SPARE_ROWS: usize = 3;

pub(super) fn pages(table: &mut RouteTable) {
    table.page::<EditTemplates>(Method::GET, "/templates/new", new_template);
    table.page::<EditTemplates>(Method::POST, PATH, add_template);
    table.page::<ViewTemplates>(Method::POST, "/templates/preview", show_preview);
    table.page::<EditTemplates>(Method::GET, "/templates/:id/edit", edit_head);
    table.page::<EditTemplates>(Method::POST, "/templates/:id", change_head);
    table.page::<EditTemplates>(Method::GET, "/templates/:id/words", edit_words);
    table.page::<EditTemplates>(Method::POST, "/templates/:id/words", change_words);
    table.page::<EditTemplates>(Method::POST, "/templates/:id/words/delete", delete_words);
}

/// Whose values a preview takes, as it was typed.
pub(super) fn who_of(text: &str) -> Who {
    let words: String = text.chars().filter(|c| !c.is_control()).take(WHO_MAX).collect();
    match words.trim() {
        "" => Who::Sample,
        words => Who::Search(words.to_owned()),
    }
}

/// The text of a form, and where it belongs.
fn typed_text(form: &Form) -> Result<(Channel, String, Text)> {
    let channel = super::view::channel_of(form.get("channel"))?;
    let language =
        parse_language(form.get("language")).map_err(|odd| Error::Invalid(vec![odd.at("language")]))?;
    let some = |name: &str| Some(form.get(name).to_owned()).filter(|text| !text.trim().is_empty());
    let lines = |name: &str| -> Vec<String> {
        form.get(name).lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    let mut data = BTreeMap::new();
    for line in lines("data") {
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| Error::invalid("data", "not_a_pair", "Write one key=value a line."))?;
        data.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    let provider = some("provider_name").map(|name| ProviderTemplate {
        name,
        language: form.get("provider_language").to_owned(),
        parameters: lines("provider_parameters"),
    });
    let text = Text {
        subject: some("subject"),
        title: some("title"),
        text: form.get("text").to_owned(),
        html: some("html"),
        data,
        provider,
    };
    Ok((channel, language, text))
}

/// Errors of words beside the fields that were typed into.
fn beside(error: Error) -> Error {
    let Error::Invalid(wrong) = error else { return error };
    let moved = wrong.into_iter().map(|one| {
        let field = match one.field.strip_prefix("contents.") {
            Some(rest) => rest.splitn(3, '.').nth(2).unwrap_or("text").replace('.', "_"),
            None => one.field.to_string(),
        };
        FieldError::new(field, one.code, one.detail)
    });
    Error::Invalid(moved.collect())
}

fn words_of(channel: Channel, language: String, text: Text) -> Words {
    Words(BTreeMap::from([(channel, BTreeMap::from([(language, text)]))]))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Place {
    channel: String,
    language: String,
}

#[derive(Serialize)]
struct WordsPage {
    /// None when it is new.
    template: Option<Link>,
    name: String,
    channel: String,
    channel_label: &'static str,
    channels: Vec<Choice>,
    is_new: bool,
    has_subject: bool,
    has_title: bool,
    has_html: bool,
    has_data: bool,
    has_provider: bool,
    is_sms: bool,
    /// What can be put in by name.
    variables: Vec<String>,
    preview: Shown,
    delete_action: String,
    form: FormView,
}

#[derive(Serialize)]
struct Link {
    name: String,
    href: String,
    id: String,
}

fn words_page(
    user: &PageUser,
    status: StatusCode,
    channel: Channel,
    template: Option<(&Template, &Version)>,
    is_new: bool,
    form: FormView,
) -> Result<Response> {
    let title = match template {
        Some((template, _)) => format!("{}: {}", template.name, channel.label()),
        None => say("New template").to_owned(),
    };
    let mut variables: Vec<String> = super::KNOWN.map(str::to_owned).to_vec();
    variables.extend(template.iter().flat_map(|(_, v)| v.variables.iter().map(|one| one.name.clone())));
    let view = WordsPage {
        template: template.map(|(template, _)| Link {
            name: template.name.clone(),
            href: format!("{PATH}/{}", template.id),
            id: template.id.to_string(),
        }),
        delete_action: template.map(|(t, _)| format!("{PATH}/{}/words/delete", t.id)).unwrap_or_default(),
        name: channel.label().to_owned(),
        channel: channel.to_string(),
        channel_label: channel.label(),
        channels: channel_choices(),
        is_new,
        has_subject: channel == Channel::Email,
        has_title: matches!(channel, Channel::Push | Channel::InApp),
        has_html: channel == Channel::Email,
        has_data: channel == Channel::Push,
        has_provider: channel == Channel::Whatsapp,
        is_sms: channel == Channel::Sms,
        variables,
        preview: shown_of(&form, template.map(|(_, version)| version)),
        form,
    };
    user.render_with(status, "message_templates/words.html", &title, &view)
}

/// The preview of what stands in the form, with samples.
fn shown_of(form: &FormView, version: Option<&Version>) -> Shown {
    let sent = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form.values.iter()).finish();
    let form = Form::of_query(&sent);
    if form.get("text").is_empty() && form.get("html").is_empty() && form.get("title").is_empty() {
        return Shown::empty();
    }
    let variables = version.map(|version| version.variables.clone()).unwrap_or_default();
    let footer = version.map(|version| version.footer.clone()).unwrap_or_default();
    let made = composed(&form, &variables, &footer).and_then(|(channel, language, composer)| {
        preview::preview(&composer, channel, Some(&language), &language, None, &Map::new())
            .map_err(|error| error.to_string())
    });
    Shown::of(made)
}

fn composed(
    form: &Form,
    variables: &[Variable],
    footer: &str,
) -> Result<(Channel, String, Composer), String> {
    let said = |error: Error| match error {
        Error::Invalid(wrong) => wrong.into_iter().next().map(|one| one.detail).unwrap_or_default(),
        other => other.detail(),
    };
    let (channel, language, text) = typed_text(form).map_err(said)?;
    let words = words_of(channel, language.clone(), text).checked().map_err(said)?;
    let composer = Composer::new(&words, variables, footer).map_err(said)?;
    Ok((channel, language, composer))
}

#[derive(Serialize)]
struct PreviewPage {
    preview: Shown,
    whose: String,
}

/// The fragment beside the editor. What is not right yet is said in it: it is asked for while somebody types.
#[handler]
async fn show_preview(
    user: PageUser,
    messaging: Data<&Messaging>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let who = who_of(form.get("who"));
    let template = form.get("template").parse::<TemplateId>().ok();
    let directory = messaging.directory.as_ref();
    let (version, person, language) = messaging
        .db
        .read_tenant(user.tenant(), async |tx| {
            let version = match template {
                Some(id) => Some(rules::latest(tx, id).await?),
                None => None,
            };
            let person = preview::person(tx, user.tenant(), directory, &who).await?;
            Ok((version, person, policy::get(tx).await?.default_language))
        })
        .await?;
    let variables = version.as_ref().map(|version| version.variables.clone()).unwrap_or_default();
    let footer = version.map(|version| version.footer).unwrap_or_default();
    let made = composed(&form, &variables, &footer).and_then(|(channel, tag, composer)| {
        preview::preview(&composer, channel, Some(&tag), &language, person.as_ref(), &Map::new())
            .map_err(|error| error.said())
    });
    let whose = match (&who, &person) {
        (_, Some(person)) => say!("As {} would be sent it.", person.name),
        (Who::Sample, None) => String::new(),
        _ => say("Nobody was found: samples are shown.").into(),
    };
    let view = PreviewPage { preview: Shown::of(made), whose };
    Ok(user.render("message_templates/_preview.html", say("Preview"), &view)?)
}

#[handler]
async fn new_template(
    user: PageUser,
    messaging: Data<&Messaging>,
    Query(place): Query<Place>,
) -> poem::Result<Response> {
    let channel = place.channel.parse().unwrap_or(Channel::Sms);
    let language = messaging
        .db
        .read_tenant(user.tenant(), async |tx| Ok(policy::get(tx).await?.default_language))
        .await?;
    let form = new_form().with("channel", channel.as_str()).with("language", language);
    Ok(words_page(&user, StatusCode::OK, channel, None, true, form)?)
}

fn new_form() -> FormView {
    let names: Vec<&str> = HEAD_FIELDS.into_iter().chain(TEXT_FIELDS).collect();
    FormView::empty(PATH, &names)
}

#[handler]
async fn add_template(
    user: PageUser,
    messaging: Data<&Messaging>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let draft = typed_text(&form).and_then(|(channel, language, text)| {
        let words = words_of(channel, language, text);
        Draft {
            name: form.get("name").to_owned(),
            description: form.get("description").to_owned(),
            words,
            variables: Vec::new(),
            footer: form.get("footer").to_owned(),
        }
        .checked()
    });
    let added = match draft {
        Ok(draft) => {
            messaging.db.in_tenant(user.tenant(), async |tx| rules::create(tx, &user.by, &draft).await).await
        }
        Err(error) => Err(error),
    };
    match added {
        Ok(template) => {
            let flash = Flash::success(say!("{} was written.", template.name));
            Ok(user.then(&format!("{PATH}/{}", template.id), &flash))
        }
        Err(error) => {
            let channel = form.get("channel").parse().unwrap_or(Channel::Sms);
            let shown = new_form().typed(&form).failed(beside(error))?;
            Ok(words_page(&user, StatusCode::UNPROCESSABLE_ENTITY, channel, None, true, shown)?)
        }
    }
}

async fn newest(
    user: &PageUser,
    messaging: &Messaging,
    id: TemplateId,
) -> Result<(Template, Version, String)> {
    messaging
        .db
        .read_tenant(user.tenant(), async |tx| {
            let template = rules::get(tx, id).await?;
            let version = rules::version(tx, id, template.latest).await?;
            Ok((template, version, policy::get(tx).await?.default_language))
        })
        .await
}

fn text_form(action: String, channel: Channel, language: &str, text: Option<&Text>) -> FormView {
    let form =
        FormView::empty(action, &TEXT_FIELDS).with("channel", channel.as_str()).with("language", language);
    let Some(text) = text else { return form };
    let data = text.data.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\n");
    let provider = text.provider.clone().unwrap_or_default();
    form.with("subject", text.subject.clone().unwrap_or_default())
        .with("title", text.title.clone().unwrap_or_default())
        .with("text", &text.text)
        .with("html", text.html.clone().unwrap_or_default())
        .with("data", data)
        .with("provider_name", provider.name)
        .with("provider_language", provider.language)
        .with("provider_parameters", provider.parameters.join("\n"))
}

#[handler]
async fn edit_words(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
) -> poem::Result<Response> {
    let id: TemplateId = id_of(&id, "template")?;
    let (template, version, own) = newest(&user, &messaging, id).await?;
    let channel = place.channel.parse().unwrap_or(Channel::Sms);
    let language = if place.language.is_empty() { own } else { place.language };
    let text = version.words.0.get(&channel).and_then(|texts| texts.get(&language));
    let form = text_form(format!("{PATH}/{id}/words"), channel, &language, text);
    let is_new = text.is_none();
    Ok(words_page(&user, StatusCode::OK, channel, Some((&template, &version)), is_new, form)?)
}

#[handler]
async fn change_words(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: TemplateId = id_of(&id, "template")?;
    let changed = match typed_text(&form) {
        Ok((channel, language, text)) => {
            messaging
                .db
                .in_tenant(user.tenant(), async |tx| {
                    rules::change(tx, &user.by, id, |was| {
                        let mut draft = was;
                        draft.words.0.entry(channel).or_default().insert(language.clone(), text.clone());
                        draft.checked()
                    })
                    .await
                })
                .await
        }
        Err(error) => Err(error),
    };
    match changed {
        Ok(template) => {
            let said = say!("{} was saved as version {}.", template.name, template.latest);
            Ok(user.then(&format!("{PATH}/{id}"), &Flash::success(said)))
        }
        Err(error) => {
            let (template, version, _) = newest(&user, &messaging, id).await?;
            let channel = form.get("channel").parse().unwrap_or(Channel::Sms);
            let shown = FormView::empty(format!("{PATH}/{id}/words"), &TEXT_FIELDS)
                .typed(&form)
                .failed(beside(error))?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(words_page(&user, status, channel, Some((&template, &version)), false, shown)?)
        }
    }
}

#[handler]
async fn delete_words(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: TemplateId = id_of(&id, "template")?;
    let channel = super::view::channel_of(form.get("channel"))?;
    let language = form.get("language").to_owned();
    let done = messaging
        .db
        .in_tenant(user.tenant(), async |tx| {
            rules::change(tx, &user.by, id, |was| {
                let mut draft = was;
                if let Some(texts) = draft.words.0.get_mut(&channel) {
                    texts.remove(&language);
                }
                draft.words.0.retain(|_, texts| !texts.is_empty());
                draft.checked()
            })
            .await
        })
        .await;
    let flash = match done {
        Ok(template) => Flash::success(say!("{} says nothing there any more.", template.name)),
        Err(error @ (Error::Conflict { .. } | Error::Invalid(_))) => Flash::error(error.detail()),
        Err(other) => return Err(other.into()),
    };
    Ok(user.then(&format!("{PATH}/{id}"), &flash))
}

#[derive(Serialize)]
struct HeadPage {
    template: Link,
    rows: Vec<VariableRow>,
    form: FormView,
}

#[derive(Serialize, Default)]
struct VariableRow {
    name: String,
    fallback: String,
    is_required: bool,
}

fn head_page(
    user: &PageUser,
    status: StatusCode,
    template: &Template,
    variables: &[Variable],
    form: FormView,
) -> Result<Response> {
    let mut rows: Vec<VariableRow> = variables
        .iter()
        .map(|one| VariableRow {
            name: one.name.clone(),
            fallback: one.fallback.clone().unwrap_or_default(),
            is_required: one.is_required,
        })
        .collect();
    rows.extend((0..SPARE_ROWS).map(|_| VariableRow::default()));
    let href = format!("{PATH}/{}", template.id);
    let link = Link { name: template.name.clone(), href, id: template.id.to_string() };
    let view = HeadPage { template: link, rows, form };
    user.render_with(status, "message_templates/head.html", &say!("Edit {}", template.name), &view)
}

#[handler]
async fn edit_head(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: TemplateId = id_of(&id, "template")?;
    let (template, version, _) = newest(&user, &messaging, id).await?;
    let form = FormView::empty(format!("{PATH}/{id}"), &HEAD_FIELDS)
        .with("name", &template.name)
        .with("description", &template.description)
        .with("footer", &version.footer);
    Ok(head_page(&user, StatusCode::OK, &template, &version.variables, form)?)
}

/// The rows of variables that have a name. Each row sends all three of its fields.
fn typed_variables(form: &Form) -> Vec<Variable> {
    let rows = form.all("var_name").zip(form.all("var_fallback")).zip(form.all("var_kind"));
    rows.filter(|((name, fallback), _)| !name.trim().is_empty() || !fallback.trim().is_empty())
        .map(|((name, fallback), kind)| Variable {
            name: name.trim().to_owned(),
            fallback: Some(fallback.trim().to_owned()).filter(|text| !text.is_empty()),
            is_required: kind == "required",
        })
        .collect()
}

#[handler]
async fn change_head(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: TemplateId = id_of(&id, "template")?;
    let variables = typed_variables(&form);
    let changed = messaging
        .db
        .in_tenant(user.tenant(), async |tx| {
            rules::change(tx, &user.by, id, |was| {
                Draft {
                    name: form.get("name").to_owned(),
                    description: form.get("description").to_owned(),
                    footer: form.get("footer").to_owned(),
                    variables: variables.clone(),
                    words: was.words,
                }
                .checked()
            })
            .await
        })
        .await;
    match changed {
        Ok(template) => {
            let flash = Flash::success(say!("{} was saved.", template.name));
            Ok(user.then(&format!("{PATH}/{id}"), &flash))
        }
        Err(error) => {
            let (template, ..) = newest(&user, &messaging, id).await?;
            let error = match error {
                // A row's own name is not the template's.
                Error::Invalid(wrong) => Error::Invalid(
                    wrong
                        .into_iter()
                        .map(|one| FieldError::new(one.field.replace('.', " "), one.code, one.detail))
                        .collect(),
                ),
                other => other,
            };
            let shown = FormView::empty(format!("{PATH}/{id}"), &HEAD_FIELDS).typed(&form).failed(error)?;
            Ok(head_page(&user, StatusCode::UNPROCESSABLE_ENTITY, &template, &variables, shown)?)
        }
    }
}
