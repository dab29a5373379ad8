//! Pages of groups.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{may, tone};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::Result,
    messaging::contacts::{
        DeleteContacts, EditContacts,
        groups::{self, Colour, Group, GroupDraft, Mark},
    },
    types::{Cursor, GroupId, Limit, search::plain},
    web::parts::{Choice, Pager, address, grouped, id_of, shown},
    web::{Flash, Form, FormView},
    words::say,
};

pub const PATH: &str = "/groups";
const PAGE: Limit = Limit::of(50);
const FIELDS: [&str; 3] = ["name", "colour", "description"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    cursor: String,
    from: i64,
}

#[derive(Serialize)]
struct ListPage {
    q: String,
    rows: Vec<Row>,
    pager: Pager,
    can_edit: bool,
}

#[derive(Serialize)]
struct Row {
    name: String,
    href: String,
    tone: &'static str,
    colour: &'static str,
    description: String,
    members: String,
    members_href: String,
}

fn row_of(group: Group) -> Row {
    Row {
        href: format!("{PATH}/{}", group.id),
        members_href: format!("/contacts?group={}", group.id),
        tone: tone(group.colour.as_str()),
        colour: group.colour.label(),
        members: grouped(group.members),
        description: group.description,
        name: group.name,
    }
}

#[handler]
pub async fn list(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let q: String = plain(&asked.q).unwrap_or_default().chars().take(100).collect();
    let mark = match asked.cursor.as_str() {
        "" => None,
        text => Some(Mark::decode(text)?),
    };
    let wanted = Some(q.as_str()).filter(|q| !q.is_empty());
    let (found, more) =
        db.read_tenant(user.tenant(), async |tx| groups::list(tx, wanted, mark.as_ref(), PAGE).await).await?;
    let state: Vec<(&str, &str)> = wanted.map(|q| ("q", q)).into_iter().collect();
    let first = if mark.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let (cursor, from) = (Cursor(Mark::of(last)).encode()?, (first + PAGE.get()).to_string());
            let mut pairs = state.clone();
            pairs.extend([("cursor", cursor.as_str()), ("from", from.as_str())]);
            Some(address(PATH, pairs))
        }
        None => None,
    };
    let view = ListPage {
        pager: Pager {
            prev_href: mark.is_some().then(|| address(PATH, state)),
            next_href,
            shown: shown(first, found.len()),
            total: None,
        },
        rows: found.into_iter().map(row_of).collect(),
        can_edit: may::<EditContacts>(&user),
        q: q.clone(),
    };
    Ok(user.render("groups/list.html", say("Groups"), &view)?)
}

#[derive(Serialize)]
struct FormPage {
    group: Option<Shown>,
    colours: Vec<Choice>,
    form: FormView,
    can_edit: bool,
    can_delete: bool,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    members: String,
    members_href: String,
    delete_action: String,
}

fn draft_of(form: &Form) -> Result<GroupDraft> {
    GroupDraft::parse(form.get("name"), form.get("colour"), form.get("description"))
}

fn new_page(user: &PageUser, status: StatusCode, form: FormView) -> Result<Response> {
    let view = FormPage { group: None, colours: Colour::options(), form, can_edit: true, can_delete: false };
    user.render_with(status, "groups/form.html", say("New group"), &view)
}

#[handler]
pub fn new(user: PageUser) -> poem::Result<Response> {
    let form = FormView::empty(PATH, &FIELDS).with("colour", "slate");
    Ok(new_page(&user, StatusCode::OK, form)?)
}

#[handler]
pub async fn add(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let added = match draft_of(&form) {
        Ok(draft) => db.in_tenant(user.tenant(), async |tx| groups::create(tx, &user.by, &draft).await).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(group) => Ok(user.then(PATH, &Flash::success(say!("{} was added.", group.name)))),
        Err(error) => {
            let shown = FormView::empty(PATH, &FIELDS).typed(&form).failed(error)?;
            Ok(new_page(&user, StatusCode::UNPROCESSABLE_ENTITY, shown)?)
        }
    }
}

async fn page_of(user: &PageUser, db: &Db, id: GroupId, mend: Option<FormView>) -> Result<Response> {
    let group = db.read_tenant(user.tenant(), async |tx| groups::get(tx, id).await).await?;
    let status = if mend.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let form = mend.unwrap_or_else(|| {
        FormView::empty(format!("{PATH}/{id}"), &FIELDS)
            .with("name", &group.name)
            .with("colour", group.colour.as_str())
            .with("description", &group.description)
    });
    let title = group.name.clone();
    let view = FormPage {
        group: Some(Shown {
            members: grouped(group.members),
            members_href: format!("/contacts?group={id}"),
            delete_action: format!("{PATH}/{id}/delete"),
            name: group.name,
        }),
        colours: Colour::options(),
        form,
        can_edit: may::<EditContacts>(user),
        can_delete: may::<DeleteContacts>(user),
    };
    user.render_with(status, "groups/form.html", &title, &view)
}

#[handler]
pub async fn show(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    Ok(page_of(&user, &db, id_of(&id, "group")?, None).await?)
}

#[handler]
pub async fn change(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: GroupId = id_of(&id, "group")?;
    let changed = match draft_of(&form) {
        Ok(draft) => {
            db.in_tenant(user.tenant(), async |tx| {
                groups::change(tx, &user.by, id, |_| Ok(draft.clone())).await
            })
            .await
        }
        Err(error) => Err(error),
    };
    match changed {
        Ok(group) => Ok(user.then(PATH, &Flash::success(say!("{} was saved.", group.name)))),
        Err(error) => {
            let shown = FormView::empty(format!("{PATH}/{id}"), &FIELDS).typed(&form).failed(error)?;
            Ok(page_of(&user, &db, id, Some(shown)).await?)
        }
    }
}

#[handler]
pub async fn delete(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: GroupId = id_of(&id, "group")?;
    let gone = db.in_tenant(user.tenant(), async |tx| groups::remove(tx, &user.by, id).await).await?;
    Ok(user.then(PATH, &Flash::success(say!("{} was deleted. Its members are still here.", gone.name))))
}
