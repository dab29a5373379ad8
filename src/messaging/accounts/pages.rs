//! Pages of channels: by whom messages go out.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    ManageChannels,
    api::kind_word,
    draft::{AccountDraft, Given, Masked, Shown, about_of},
    model::BreakerState,
    rules, store,
};
use crate::{
    access::{CheckedForm, Guarded, PageUser},
    error::{Error, FieldError, Result},
    messaging::{
        Channel, Messaging, hooks,
        providers::{About, Field, FieldKind, Proof, REGISTRY},
    },
    types::AccountId,
    web::parts::id_of,
    web::{Flash, Form, FormView, Moment, RouteTable, see_other},
    words::say,
};

const PATH: &str = "/settings/channels";
const FIELDS: [&str; 4] = ["label", "price", "per_second", "is_active"];
/// Before the names of a credential's settings, so that they are never taken for ours.
const OWN: &str = "cred_";

/// Every page of channels.
pub fn pages(table: &mut RouteTable) {
    table.page::<ManageChannels>(Method::GET, PATH, list_channels);
    table.page::<ManageChannels>(Method::GET, "/settings/channels/new", new_account);
    table.page::<ManageChannels>(Method::POST, PATH, connect);
    table.page::<ManageChannels>(Method::GET, "/settings/channels/:id", show_account);
    table.page::<ManageChannels>(Method::POST, "/settings/channels/:id", change_account);
    table.page::<ManageChannels>(Method::POST, "/settings/channels/:id/credential", rotate);
    table.page::<ManageChannels>(Method::POST, "/settings/channels/:id/test", test);
    table.page::<ManageChannels>(Method::POST, "/settings/channels/:id/retry", retry);
    table.page::<ManageChannels>(Method::POST, "/settings/channels/:id/move", move_account);
    table.page::<ManageChannels>(Method::POST, "/settings/channels/:id/delete", delete_account);
}

#[derive(Serialize)]
struct ListPage {
    channels: Vec<ChannelRow>,
    providers: Vec<ProviderRow>,
    credit: Option<Credit>,
}

#[derive(Serialize)]
struct Credit {
    available: String,
    reserved: String,
    spent: String,
}

#[derive(Serialize)]
struct ChannelRow {
    label: &'static str,
    accounts: Vec<AccountRow>,
}

#[derive(Serialize)]
struct ProviderRow {
    href: String,
    label: &'static str,
    channel: &'static str,
}

#[derive(Serialize)]
struct AccountRow {
    href: String,
    action: String,
    label: String,
    provider: String,
    is_primary: bool,
    is_first: bool,
    is_last: bool,
    is_platform: bool,
    state: &'static str,
    tone: &'static str,
    reason: String,
    can_retry: bool,
    price: String,
}

fn provider_label(kind: &str) -> String {
    about_of(kind).map_or_else(|_gone| kind.to_owned(), |about| about.label.to_owned())
}

fn state_of(shown: &Shown) -> (&'static str, &'static str) {
    match (shown.account.is_active, shown.account.breaker.state, shown.checked_ok) {
        (false, ..) => (say("Switched off"), ""),
        (_, BreakerState::Open, _) => (say("Out of use"), "error"),
        (_, BreakerState::HalfOpen, _) => (say("Being probed"), "warning"),
        (_, BreakerState::Closed, Some(false)) => (say("Last test failed"), "warning"),
        (_, BreakerState::Closed, _) => (say("In use"), "success"),
    }
}

fn row_of(shown: &Shown, at: usize, count: usize) -> AccountRow {
    let account = &shown.account;
    let (state, tone) = state_of(shown);
    AccountRow {
        href: format!("{PATH}/{}", account.id),
        action: format!("{PATH}/{}", account.id),
        label: account.label.clone(),
        provider: provider_label(&account.kind),
        is_primary: at == 0,
        is_first: at == 0,
        is_last: at + 1 == count,
        is_platform: account.sender.is_some(),
        state,
        tone,
        reason: account.breaker.reason.clone().filter(|_| tone == "error").unwrap_or_default(),
        can_retry: account.breaker.state != BreakerState::Closed,
        price: account.price.normalize().to_string(),
    }
}

#[handler]
async fn list_channels(user: PageUser, messaging: Data<&Messaging>) -> poem::Result<Response> {
    let (found, credit) = messaging
        .db
        .read_tenant(user.tenant(), async |tx| futures_util::try_join!(store::list(tx), store::credit(tx)))
        .await?;
    let channel_row = |channel: Channel| {
        let own: Vec<&Shown> = found.iter().filter(|one| one.account.channel == channel).collect();
        let accounts = own.iter().enumerate().map(|(at, one)| row_of(one, at, own.len())).collect();
        ChannelRow { label: channel.label(), accounts }
    };
    let provider_row = |about: &&About| ProviderRow {
        href: format!("{PATH}/new?kind={}", about.kind),
        label: about.label,
        channel: about.channel.label(),
    };
    let mut providers: Vec<&&About> = REGISTRY.iter().collect();
    providers.sort_by_key(|about| (about.channel, about.label));
    let view = ListPage {
        channels: Channel::ALL
            .into_iter()
            .map(channel_row)
            .filter(|row: &ChannelRow| !row.accounts.is_empty())
            .collect(),
        providers: providers.into_iter().map(provider_row).collect(),
        credit: credit.map(|(available, reserved, spent)| Credit {
            available: available.normalize().to_string(),
            reserved: reserved.normalize().to_string(),
            spent: spent.normalize().to_string(),
        }),
    };
    Ok(user.render("channels/list.html", say("Channels"), &view)?)
}

/// One setting of a credential as a form asks for it.
#[derive(Serialize)]
struct FieldRow {
    name: String,
    label: &'static str,
    kind: &'static str,
    hint: &'static str,
    value: String,
    error: String,
    is_secret: bool,
    is_required: bool,
    is_kept: bool,
    choices: Vec<&'static str>,
}

/// The rows of a credential's form. Secrets are never sent back; of a kept one the masked tail is said.
fn field_rows(about: &About, form: &FormView, masked: Option<&[Masked]>) -> Vec<FieldRow> {
    let row = |field: &Field| {
        let name = format!("{OWN}{}", field.name);
        let kept = masked.and_then(|all| all.iter().find(|one| one.name == field.name));
        let known = kept.and_then(|one| one.value.clone());
        let typed = form.values.get(&name).cloned().unwrap_or_default();
        let value = match (field.is_secret, typed.is_empty()) {
            (true, _) => known.clone().unwrap_or_default(),
            (false, false) => typed,
            (false, true) => known.clone().or(field.default.map(str::to_owned)).unwrap_or_default(),
        };
        FieldRow {
            label: say(field.label),
            kind: kind_word(field.kind),
            hint: say(field.hint),
            error: form.errors.get(&name).cloned().unwrap_or_default(),
            is_secret: field.is_secret,
            is_required: field.is_required,
            is_kept: field.is_secret && known.is_some(),
            choices: match field.kind {
                FieldKind::OneOf(words) => words.to_vec(),
                FieldKind::Flag => vec!["on", "off"],
                _ => Vec::new(),
            },
            value,
            name,
        }
    };
    about.fields.iter().map(row).collect()
}

fn given(about: &About, form: &Form) -> Given {
    let own = |field: &Field| {
        let text = form.get(&format!("{OWN}{}", field.name)).to_owned();
        (!text.is_empty()).then(|| (field.name.to_owned(), text))
    };
    about.fields.iter().filter_map(own).collect()
}

/// The form again after an error: without what is secret.
fn failed(about: &About, view: FormView, form: &Form, error: Error) -> Result<FormView> {
    let mut view = view.typed(form);
    for field in about.fields {
        let typed = if field.is_secret { "" } else { form.get(&format!("{OWN}{}", field.name)) };
        view = view.with(&format!("{OWN}{}", field.name), typed);
    }
    let is_setting = |name: &str| about.fields.iter().any(|field| field.name == name);
    let error = match error {
        Error::Invalid(wrong) => Error::Invalid(
            wrong
                .into_iter()
                .map(|one| {
                    let is_own = FIELDS.contains(&one.field.as_ref());
                    let field = if !is_own && is_setting(&one.field) {
                        format!("{OWN}{}", one.field)
                    } else {
                        one.field.to_string()
                    };
                    FieldError::new(field, one.code, one.detail)
                })
                .collect(),
        ),
        other => other,
    };
    view.failed(error)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    kind: String,
}

#[derive(Serialize)]
struct NewPage {
    provider: &'static str,
    kind: &'static str,
    channel: &'static str,
    fields: Vec<FieldRow>,
    form: FormView,
}

fn new_page(user: &PageUser, status: StatusCode, about: &'static About, form: FormView) -> Result<Response> {
    let view = NewPage {
        provider: about.label,
        kind: about.kind,
        channel: about.channel.label(),
        fields: field_rows(about, &form, None),
        form,
    };
    user.render_with(status, "channels/new.html", &say!("Connect {}", about.label), &view)
}

fn empty_form(about: &About) -> FormView {
    FormView::empty(PATH, &FIELDS).with("label", about.label).with("is_active", "true").with("price", "0")
}

#[handler]
fn new_account(user: PageUser, Query(asked): Query<Asked>) -> poem::Result<Response> {
    if asked.kind.is_empty() {
        return Ok(see_other(PATH));
    }
    let about = about_of(&asked.kind).map_err(|_odd| Error::not_found("provider"))?;
    Ok(new_page(&user, StatusCode::OK, about, empty_form(about))?)
}

fn draft_of(form: &Form) -> Result<AccountDraft> {
    AccountDraft::parse(form.get("label"), form.get("price"), form.get("per_second"), form.has("is_active"))
}

fn said(done: &rules::Connected, what: &str) -> Flash {
    let label = &done.shown.account.label;
    match &done.unannounced {
        None => Flash::success(format!("{label} {what}")),
        Some(why) => Flash::error(say!("{} {} It could not be told where to call us: {}", label, what, why)),
    }
}

#[handler]
async fn connect(user: PageUser, messaging: Data<&Messaging>, form: CheckedForm) -> poem::Result<Response> {
    let about = about_of(form.get("kind")).map_err(|_odd| Error::not_found("provider"))?;
    let done = match draft_of(&form) {
        Ok(draft) => rules::connect(&messaging, &user.by, about.kind, &draft, &given(about, &form)).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(done) => {
            let flash = said(&done, say("was connected."));
            Ok(user.then(&format!("{PATH}/{}", done.shown.account.id), &flash))
        }
        Err(error) => {
            let ticked = if form.has("is_active") { "true" } else { "" };
            let view = failed(about, empty_form(about), &form, error)?.with("is_active", ticked);
            Ok(new_page(&user, StatusCode::UNPROCESSABLE_ENTITY, about, view)?)
        }
    }
}

#[derive(Serialize)]
struct DetailPage {
    action: String,
    label: String,
    provider: String,
    channel: &'static str,
    is_platform: bool,
    state: &'static str,
    tone: &'static str,
    reason: String,
    until: Option<Moment>,
    can_retry: bool,
    hook_url: Option<String>,
    needs_hook: bool,
    masked: Vec<Masked>,
    former_until: Option<Moment>,
    checked: Option<Moment>,
    checked_ok: bool,
    checked_note: String,
    to_hint: &'static str,
    /// None when this version of the program does not know the provider.
    fields: Option<Vec<FieldRow>>,
    form: FormView,
}

fn to_hint(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms | Channel::Whatsapp => say("A telephone number"),
        Channel::Email => say("An e-mail address"),
        Channel::Telegram => "A chat's number",
        Channel::Instagram => say("An Instagram id"),
        Channel::Push => "A device's token",
        Channel::InApp => "A user's id",
    }
}

async fn detail(
    user: &PageUser,
    messaging: &Messaging,
    id: AccountId,
    mend: Option<(Form, Error)>,
) -> Result<Response> {
    let shown = messaging.db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await?;
    let account = &shown.account;
    let action = format!("{PATH}/{id}");
    let about = account.about();
    let form = FormView::empty(&action, &FIELDS)
        .with("label", &account.label)
        .with("price", account.price.normalize().to_string())
        .with("per_second", account.per_second.map(|n| n.to_string()).unwrap_or_default())
        .with("is_active", if account.is_active { "true" } else { "" });
    let (status, form) = match (mend, about) {
        (None, _) => (StatusCode::OK, form),
        (Some((typed, error)), Some(about)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, failed(about, form, &typed, error)?)
        }
        (Some((_, error)), None) => return Err(error),
    };
    let zone = user.tenant().time_zone.0;
    let (state, tone) = state_of(&shown);
    let is_out = account.breaker.state != BreakerState::Closed;
    let calls_us = about.is_some_and(|about| about.proof != Proof::None);
    let fields =
        about.filter(|_| account.sender.is_none()).map(|about| field_rows(about, &form, Some(&shown.masked)));
    let view = DetailPage {
        action,
        label: account.label.clone(),
        provider: provider_label(&account.kind),
        channel: account.channel.label(),
        is_platform: account.sender.is_some(),
        state,
        tone,
        reason: account.breaker.reason.clone().filter(|_| is_out).unwrap_or_default(),
        until: account.breaker.until.map(|until| Moment::at(until, zone)),
        can_retry: is_out,
        hook_url: if calls_us {
            Some(hooks::url_of(&messaging.resolver, user.tenant(), account)?.to_string())
        } else {
            None
        },
        needs_hook: calls_us,
        former_until: shown.before_until.map(|until| Moment::at(until, zone)),
        checked: shown.checked_at.map(|at| Moment::at(at, zone)),
        checked_ok: shown.checked_ok == Some(true),
        checked_note: shown.checked_note.clone().unwrap_or_default(),
        to_hint: to_hint(account.channel),
        fields,
        masked: shown.masked.clone(),
        form,
    };
    let title = account.label.clone();
    user.render_with(status, "channels/detail.html", &title, &view)
}

#[handler]
async fn show_account(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    Ok(detail(&user, &messaging, id_of(&id, "account")?, None).await?)
}

#[handler]
async fn change_account(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: AccountId = id_of(&id, "account")?;
    let changed = match draft_of(&form) {
        Ok(draft) => {
            messaging
                .db
                .in_tenant(user.tenant(), async |tx| {
                    rules::change(tx, &user.by, id, |_| Ok(draft.clone())).await
                })
                .await
        }
        Err(error) => Err(error),
    };
    match changed {
        Ok(shown) => {
            let flash = Flash::success(say!("{} was saved.", shown.account.label));
            Ok(user.then(&format!("{PATH}/{id}"), &flash))
        }
        Err(error) => Ok(detail(&user, &messaging, id, Some((form.0.as_ref().clone(), error))).await?),
    }
}

#[handler]
async fn rotate(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: AccountId = id_of(&id, "account")?;
    let shown = messaging.db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await?;
    let about = about_of(&shown.account.kind).map_err(|_odd| Error::not_found("provider"))?;
    match rules::rotate(&messaging, &user.by, id, &given(about, &form)).await {
        Ok(done) => {
            let flash = said(&done, say("has its new credential. The old one is heard for another day."));
            Ok(user.then(&format!("{PATH}/{id}"), &flash))
        }
        Err(error) => Ok(detail(&user, &messaging, id, Some((form.0.as_ref().clone(), error))).await?),
    }
}

#[handler]
async fn test(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: AccountId = id_of(&id, "account")?;
    let to = Some(form.get("to")).filter(|to| !to.trim().is_empty());
    let flash = match rules::test(&messaging, &user.by, id, to).await {
        Ok(done) => match (done.is_ok, done.sent) {
            (true, None) => Flash::success(done.note),
            (true, Some(("accepted", _))) => Flash::success(say!("{} The message was taken.", done.note)),
            (true, Some(("unknown", why))) => {
                Flash::error(say!("{} Whether the message was taken is not known: {}", done.note, why))
            }
            (true, Some((_, why))) => Flash::error(say!("{} The message was refused: {}", done.note, why)),
            (false, _) => Flash::error(say!("It does not work: {}", done.note)),
        },
        Err(error @ Error::Invalid(_)) => Flash::error(error.detail()),
        Err(other) => return Err(other.into()),
    };
    Ok(user.then(&format!("{PATH}/{id}"), &flash))
}

#[handler]
async fn retry(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: AccountId = id_of(&id, "account")?;
    let shown =
        messaging.db.in_tenant(user.tenant(), async |tx| rules::try_again(tx, &user.by, id).await).await?;
    let flash = Flash::success(say!("The next message tries {}.", shown.account.label));
    Ok(user.then(&format!("{PATH}/{id}"), &flash))
}

#[handler]
async fn move_account(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: AccountId = id_of(&id, "account")?;
    let is_up = form.get("direction") == "up";
    messaging
        .db
        .in_tenant(user.tenant(), async |tx| {
            let channel = rules::get(tx, id).await?.account.channel;
            let all = store::list(tx).await?;
            let mut ids: Vec<AccountId> =
                all.iter().filter(|one| one.account.channel == channel).map(|one| one.account.id).collect();
            let at = ids.iter().position(|one| *one == id).unwrap_or_default();
            let to = if is_up { at.saturating_sub(1) } else { (at + 1).min(ids.len().saturating_sub(1)) };
            ids.swap(at, to);
            rules::order(tx, &user.by, channel, &ids).await
        })
        .await?;
    Ok(user.then(PATH, &Flash::success("The order was saved.")))
}

#[handler]
async fn delete_account(
    user: PageUser,
    messaging: Data<&Messaging>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: AccountId = id_of(&id, "account")?;
    let done = messaging.db.in_tenant(user.tenant(), async |tx| rules::remove(tx, &user.by, id).await).await;
    match done {
        Ok(label) => Ok(user.then(PATH, &Flash::success(say!("{} was deleted.", label)))),
        Err(error @ Error::Conflict { .. }) => {
            Ok(user.then(&format!("{PATH}/{id}"), &Flash::error(error.detail())))
        }
        Err(other) => Err(other.into()),
    }
}
