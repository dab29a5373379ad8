//! One contact: new, shown, changed, deleted.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;

use super::{PATH, may};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    messaging::{
        Channel,
        contacts::{
            DeleteContacts, EditContacts, api,
            conflicts::{self, Conflict},
            groups::{self, GroupChoice},
            model::{Asked, Contact, Draft, Fields, IfTaken, country_of},
            rules::{self, Wanted},
        },
        suppression::Reason,
    },
    types::{ContactId, GroupId},
    web::parts::id_of,
    web::{Flash, Form, FormView, Moment},
    words::say,
};

/// The channels that have a field of their own. Devices and users of apps come by programs alone.
const TYPED: [Channel; 5] =
    [Channel::Sms, Channel::Email, Channel::Whatsapp, Channel::Telegram, Channel::Instagram];
const FIELDS: [&str; 11] = [
    "name",
    "language",
    "tags",
    "note",
    "attributes",
    "sms",
    "email",
    "whatsapp",
    "telegram",
    "instagram",
    "addresses",
];

#[derive(Serialize)]
struct FormPage {
    contact: Option<Shown>,
    groups: Vec<Ticked>,
    form: FormView,
    /// An address is another's, and the form may be saved without it.
    may_record: bool,
    can_edit: bool,
    can_delete: bool,
}

#[derive(Serialize)]
struct Ticked {
    id: GroupId,
    name: String,
    is_in: bool,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    delete_action: String,
    erase_href: String,
    addresses: Vec<ShownAddress>,
    conflicts: Vec<ShownConflict>,
    created: Moment,
    updated: Moment,
}

#[derive(Serialize)]
struct ShownAddress {
    channel: &'static str,
    address: String,
    consent: Option<&'static str>,
    suppressed: Option<&'static str>,
}

#[derive(Serialize)]
struct ShownConflict {
    address: String,
    other: String,
    is_owner: bool,
}

fn conflict_of(one: Conflict, id: ContactId) -> ShownConflict {
    let is_owner = one.owner == id;
    let other = if is_owner { one.claimed_name } else { one.owner_name };
    ShownConflict { address: one.address, other, is_owner }
}

/// `key: value` lines.
fn attributes(text: &str) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        (key.trim().to_owned(), value.trim().to_owned())
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(pair).collect()
}

/// What was typed over what was there: a field has the first address of its channel, all others stay.
fn asked(form: &Form, was: Option<&Draft>) -> Asked {
    let mut addresses: Vec<(Channel, String)> = Vec::new();
    for channel in TYPED {
        let typed = form.get(channel.as_str()).trim();
        if !typed.is_empty() {
            addresses.push((channel, typed.to_owned()));
        }
    }
    let mut seen: Vec<Channel> = Vec::new();
    for address in was.map(|was| was.addresses.as_slice()).unwrap_or_default() {
        let channel = address.channel();
        let is_first = TYPED.contains(&channel) && !seen.contains(&channel);
        seen.push(channel);
        if !is_first {
            addresses.push((channel, address.as_str().to_owned()));
        }
    }
    Asked {
        name: form.get("name").to_owned(),
        language: form.get("language").to_owned(),
        attributes: attributes(form.get("attributes")),
        tags: form.get("tags").split(',').map(|tag| tag.trim().to_owned()).collect(),
        note: form.get("note").to_owned(),
        addresses,
    }
}

fn groups_of(form: &Form) -> Result<Vec<GroupId>> {
    let id = |text: &str| {
        let wrong = || Error::invalid("group_ids", "unknown", "There is no such group.");
        text.parse::<GroupId>().map_err(|_odd| wrong())
    };
    form.all("group_ids").map(id).collect()
}

fn if_taken(form: &Form) -> IfTaken {
    if form.get("if_address_taken") == "record" { IfTaken::Record } else { IfTaken::Refuse }
}

fn filled(id: ContactId, draft: &Draft) -> FormView {
    let attributes: Vec<String> = draft
        .attributes
        .iter()
        .map(|(key, value)| format!("{key}: {}", value.as_str().unwrap_or_default()))
        .collect();
    let empty = FormView::empty(format!("{PATH}/{id}"), &FIELDS)
        .with("name", &draft.name)
        .with("language", draft.language.clone().unwrap_or_default())
        .with("tags", draft.tags.join(", "))
        .with("note", &draft.note)
        .with("attributes", attributes.join("\n"));
    TYPED
        .iter()
        .fold(empty, |form, channel| form.with(channel.as_str(), draft.first(*channel).unwrap_or_default()))
}

/// What was typed, with what is wrong; whether it may be saved all the same.
struct Mend {
    form: FormView,
    groups: Vec<GroupId>,
    may_record: bool,
}

fn mend(view: FormView, form: &Form, error: Error) -> Result<Mend> {
    let may_record = matches!(&error, Error::Conflict { code: "address_taken", .. });
    let groups = form.all("group_ids").filter_map(|text| text.parse().ok()).collect();
    Ok(Mend { form: view.typed(form).failed(error)?, groups, may_record })
}

fn ticked(all: Vec<GroupChoice>, own: &[GroupId]) -> Vec<Ticked> {
    all.into_iter().map(|one| Ticked { is_in: own.contains(&one.id), id: one.id, name: one.name }).collect()
}

async fn new_page(user: &PageUser, db: &Db, mend: Option<Mend>) -> Result<Response> {
    let all = db.read_tenant(user.tenant(), async |tx| groups::choices(tx).await).await?;
    let status = if mend.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let mend = mend.unwrap_or_else(|| Mend {
        form: FormView::empty(PATH, &FIELDS),
        groups: Vec::new(),
        may_record: false,
    });
    let view = FormPage {
        contact: None,
        groups: ticked(all, &mend.groups),
        form: mend.form,
        may_record: mend.may_record,
        can_edit: true,
        can_delete: false,
    };
    user.render_with(status, "contacts/form.html", say("New contact"), &view)
}

#[handler]
pub async fn new(user: PageUser, db: Data<&Db>) -> poem::Result<Response> {
    Ok(new_page(&user, &db, None).await?)
}

#[handler]
pub async fn add(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let added = async {
        let draft = Draft::parse(&asked(&form, None), &country_of(user.tenant())?, Fields::Form)?;
        let groups = groups_of(&form)?;
        db.in_tenant(user.tenant(), async |tx| {
            let wanted = Wanted {
                draft: draft.clone(),
                groups: Some(groups.clone()),
                if_taken: if_taken(&form),
                source: "page",
            };
            rules::create(tx, &user.by, wanted).await
        })
        .await
    }
    .await;
    match added {
        Ok(contact) => {
            let said = say!("{} was added.", contact.draft.name);
            Ok(user.then(&format!("{PATH}/{}", contact.id), &Flash::success(said)))
        }
        Err(error) => {
            let mend = mend(FormView::empty(PATH, &FIELDS), &form, error)?;
            Ok(new_page(&user, &db, Some(mend)).await?)
        }
    }
}

async fn page_of(user: &PageUser, db: &Db, id: ContactId, mend: Option<Mend>) -> Result<Response> {
    let (contact, known, all, open) = db
        .read_tenant(user.tenant(), async |tx| {
            let contact = rules::get(tx, id).await?;
            let known = api::known(tx, std::slice::from_ref(&contact)).await?;
            let (all, open) = futures_util::try_join!(groups::choices(tx), conflicts::open_of(tx, id))?;
            Ok((contact, known, all, open))
        })
        .await?;
    let status = if mend.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let zone = user.tenant().time_zone.0;
    let Contact { draft, groups: own, created_at, updated_at, .. } = contact;
    let mend = mend.unwrap_or_else(|| Mend {
        form: filled(id, &draft),
        groups: own.iter().map(|group| group.id).collect(),
        may_record: false,
    });
    let addresses = draft
        .addresses
        .iter()
        .map(|one| {
            let key = (one.channel(), one.as_str().to_lowercase());
            ShownAddress {
                channel: one.channel().label(),
                address: one.as_str().to_owned(),
                consent: known.consents.get(&key).map(|consent| consent.label()),
                suppressed: known.suppressed.get(&key).map(|reason| Reason::from_column(reason).label()),
            }
        })
        .collect();
    let title = draft.name.clone();
    let view = FormPage {
        contact: Some(Shown {
            name: draft.name,
            delete_action: format!("{PATH}/{id}/delete"),
            erase_href: format!("/erasures/new?contact={id}"),
            addresses,
            conflicts: open.into_iter().map(|one| conflict_of(one, id)).collect(),
            created: Moment::at(created_at, zone),
            updated: Moment::at(updated_at, zone),
        }),
        groups: ticked(all, &mend.groups),
        form: mend.form,
        may_record: mend.may_record,
        can_edit: may::<EditContacts>(user),
        can_delete: may::<DeleteContacts>(user),
    };
    user.render_with(status, "contacts/form.html", &title, &view)
}

#[handler]
pub async fn show(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    Ok(page_of(&user, &db, id_of(&id, "contact")?, None).await?)
}

#[handler]
pub async fn change(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: ContactId = id_of(&id, "contact")?;
    let changed = async {
        let (country, groups) = (country_of(user.tenant())?, groups_of(&form)?);
        db.in_tenant(user.tenant(), async |tx| {
            let wanted = |was: &Contact| {
                Ok(Wanted {
                    draft: Draft::parse(&asked(&form, Some(&was.draft)), &country, Fields::Form)?,
                    groups: Some(groups.clone()),
                    if_taken: if_taken(&form),
                    source: "page",
                })
            };
            rules::change(tx, &user.by, id, wanted).await
        })
        .await
    }
    .await;
    match changed {
        Ok(contact) => {
            let said = say!("{} was saved.", contact.draft.name);
            Ok(user.then(&format!("{PATH}/{id}"), &Flash::success(said)))
        }
        Err(error) => {
            let mend = mend(FormView::empty(format!("{PATH}/{id}"), &FIELDS), &form, error)?;
            Ok(page_of(&user, &db, id, Some(mend)).await?)
        }
    }
}

#[handler]
pub async fn delete(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: ContactId = id_of(&id, "contact")?;
    let gone = db.in_tenant(user.tenant(), async |tx| rules::remove(tx, &user.by, id).await).await?;
    Ok(user.then(PATH, &Flash::success(say!("{} was deleted.", gone.draft.name))))
}
