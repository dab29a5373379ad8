//! The list of contacts, and what is done to many of them.

use poem::{
    IntoResponse, Response, handler,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{Badge, PATH, may};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    messaging::{
        Channel,
        contacts::{
            DeleteContacts, EditContacts,
            bulk::{self, Action, Chosen},
            conflicts, export, groups,
            list::{self, Filter, Mark, Sort},
            model::{self, Contact},
        },
        suppression,
    },
    sheets::Bom,
    types::{ContactId, Cursor, GroupId, Limit, search::Words},
    web::parts::{Chip, Choice, Column, Pager, address, counted, grouped, shown},
    web::{Flash, Form, sheet::Format},
    words::say,
};

const PAGE: Limit = Limit::of(50);
const Q_MAX: usize = 100;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    group: String,
    tag: String,
    channel: String,
    sort: String,
    cursor: String,
    from: i64,
    format: String,
}

impl Asked {
    /// What a form carries along of the list that it stands under.
    fn of_text(query: &str) -> Self {
        let form = Form::of_query(query);
        let get = |name: &str| form.get(name).to_owned();
        Self { q: get("q"), group: get("group"), tag: get("tag"), channel: get("channel"), ..Self::default() }
    }

    fn q(&self) -> String {
        self.q.chars().filter(|c| !c.is_control()).take(Q_MAX).collect::<String>().trim().to_owned()
    }

    /// What cannot be read says nothing: the page shows what counts.
    fn filter(&self) -> Filter {
        Filter {
            words: Words::parse(&self.q()),
            group: self.group.parse().ok(),
            tag: model::tag(&self.tag).ok().flatten(),
            channel: self.channel.parse().ok(),
        }
    }

    fn pairs<'a>(&self, filter: &'a Filter, q: &'a str, group: &'a str) -> Vec<(&'static str, &'a str)> {
        let all = [
            ("q", q),
            ("group", group),
            ("tag", filter.tag.as_deref().unwrap_or_default()),
            ("channel", filter.channel.map_or("", Channel::as_str)),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

#[derive(Serialize)]
struct ListPage {
    q: String,
    group: String,
    tag: String,
    channel: &'static str,
    sort: &'static str,
    groups: Vec<Choice>,
    tags: Vec<String>,
    channels: Vec<Choice>,
    filters: Vec<Chip>,
    columns: Columns,
    rows: Vec<Row>,
    pager: Pager,
    list_total: i64,
    /// How many claims wait.
    conflicts: i64,
    csv_href: String,
    xlsx_href: String,
    bulk_filter: String,
    can_edit: bool,
    can_delete: bool,
}

#[derive(Serialize)]
struct Columns {
    name: Column,
    phone: Column,
    email: Column,
    other: Column,
    groups: Column,
    tags: Column,
}

#[derive(Serialize)]
struct Row {
    id: ContactId,
    href: String,
    name: String,
    phone: String,
    email: String,
    /// The other channels.
    other: String,
    groups: Vec<Badge>,
    tags: Vec<String>,
}

fn row_of(one: &Contact) -> Row {
    let first = |channel| one.draft.first(channel).unwrap_or_default().to_owned();
    let mut other: Vec<&str> = one
        .draft
        .addresses
        .iter()
        .map(crate::messaging::Address::channel)
        .filter(|channel| !matches!(channel, Channel::Sms | Channel::Email))
        .map(Channel::label)
        .collect();
    other.dedup();
    Row {
        id: one.id,
        href: format!("{PATH}/{}", one.id),
        phone: first(Channel::Sms),
        email: first(Channel::Email),
        other: other.join(", "),
        groups: one.groups.iter().map(Badge::from).collect(),
        tags: one.draft.tags.clone(),
        name: one.draft.name.clone(),
    }
}

fn chips(
    pairs: &[(&'static str, &str)],
    groups: &[groups::GroupChoice],
    group: Option<GroupId>,
) -> Vec<Chip> {
    let without = |name: &str| {
        address(PATH, pairs.iter().copied().filter(|(known, _)| *known != name).collect::<Vec<_>>())
    };
    pairs
        .iter()
        .map(|(name, value)| {
            let (label, value) = match *name {
                "q" => (say("Search"), (*value).to_owned()),
                "group" => {
                    let known = groups.iter().find(|one| Some(one.id) == group);
                    (say("Group"), known.map_or_else(|| say("unknown").to_owned(), |one| one.name.clone()))
                }
                "tag" => (say("Tag"), (*value).to_owned()),
                _ => (say("Channel"), value.parse::<Channel>().map_or("", Channel::label).to_owned()),
            };
            Chip { label: label.to_owned(), value, remove_href: without(name) }
        })
        .collect()
}

fn columns(pairs: &[(&'static str, &str)], sort: Sort) -> Columns {
    let by = |label: &str, to: Sort, now: &'static str| {
        let mut all = pairs.to_vec();
        all.push(("sort", to.as_str()));
        Column { label: label.to_owned(), href: address(PATH, all), sort: if sort == to { now } else { "" } }
    };
    Columns {
        name: by(say("Name"), Sort::Name, "ascending"),
        phone: Column::plain(say("Phone")),
        email: Column::plain("E-mail"),
        other: Column::plain(say("Other channels")),
        groups: Column::plain(say("Groups")),
        tags: Column::plain(say("Tags")),
    }
}

#[handler]
pub async fn list_contacts(
    user: PageUser,
    db: Data<&Db>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let (filter, q, sort) = (asked.filter(), asked.q(), Sort::parse(&asked.sort).unwrap_or_default());
    let mark = match asked.cursor.as_str() {
        "" => None,
        text => Some(Mark::decode(text, sort)?),
    };
    let ((found, more), total, groups, tags, conflicts) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(
                list::page(tx, &filter, sort, mark.as_ref(), PAGE),
                list::count(tx, &filter),
                groups::choices(tx),
                list::known_tags(tx),
                conflicts::count_open(tx)
            )
        })
        .await?;
    let group = filter.group.map(|id| id.to_string()).unwrap_or_default();
    let pairs = asked.pairs(&filter, &q, &group);
    let with = |more: &[(&'static str, &str)], path: &str| {
        let mut all = pairs.clone();
        if sort != Sort::Name {
            all.push(("sort", sort.as_str()));
        }
        all.extend_from_slice(more);
        address(path, all)
    };
    let first = if mark.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let (cursor, from) = (Cursor(Mark::of(last, sort)).encode()?, (first + PAGE.get()).to_string());
            Some(with(&[("cursor", &cursor), ("from", &from)], PATH))
        }
        None => None,
    };
    let view = ListPage {
        filters: chips(&pairs, &groups, filter.group),
        columns: columns(&pairs, sort),
        pager: Pager {
            prev_href: mark.is_some().then(|| with(&[], PATH)),
            next_href,
            shown: shown(first, found.len()),
            total: Some(grouped(total)),
        },
        rows: found.iter().map(row_of).collect(),
        list_total: total,
        conflicts,
        csv_href: with(&[("format", "csv")], "/contacts/export"),
        xlsx_href: with(&[("format", "xlsx")], "/contacts/export"),
        bulk_filter: address("", pairs.clone()).trim_start_matches('?').to_owned(),
        can_edit: may::<EditContacts>(&user),
        can_delete: may::<DeleteContacts>(&user),
        groups: groups.into_iter().map(|one| Choice::new(one.id, one.name)).collect(),
        tags,
        channels: suppression::channels(),
        channel: filter.channel.map_or("", Channel::as_str),
        tag: filter.tag.clone().unwrap_or_default(),
        sort: if sort == Sort::Name { "" } else { sort.as_str() },
        group: group.clone(),
        q: q.clone(),
    };
    Ok(user.render("contacts/list.html", say("Contacts"), &view)?)
}

#[handler]
pub async fn download(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let sort = Sort::parse(&asked.sort).unwrap_or_default();
    let format = Format::of_page(&asked.format);
    let sheet = export::export(&db, &user.by, &asked.filter(), sort, format, Bom::With).await?;
    Ok(sheet.into_response())
}

fn chosen(form: &Form, asked: &Asked) -> Chosen {
    if form.get("scope") == "all" {
        return Chosen::Matching(asked.filter());
    }
    Chosen::Ids(form.all("ids").filter_map(|text| text.parse().ok()).collect())
}

fn wanted(form: &Form) -> Result<Action> {
    let group = || {
        let wrong = || Error::invalid("group_id", "unknown", "There is no such group.");
        form.get("group_id").parse::<GroupId>().map_err(|_odd| wrong())
    };
    let tag = || {
        let wrong = || Error::invalid("tag", "required", "Say which tag.");
        model::tag(form.get("tag")).map_err(|wrong| Error::Invalid(vec![wrong.at("tag")]))?.ok_or_else(wrong)
    };
    match form.get("action") {
        "add_to_group" => Ok(Action::AddToGroup(group()?)),
        "remove_from_group" => Ok(Action::RemoveFromGroup(group()?)),
        "add_tag" => Ok(Action::AddTag(tag()?)),
        "remove_tag" => Ok(Action::RemoveTag(tag()?)),
        "delete" => Ok(Action::Delete),
        _ => Err(Error::invalid("action", "not_a_choice", "There is no such action.")),
    }
}

#[handler]
pub async fn change_many(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let asked = Asked::of_text(form.get("filter"));
    let (filter, q) = (asked.filter(), asked.q());
    let group = filter.group.map(|id| id.to_string()).unwrap_or_default();
    let back = address(PATH, asked.pairs(&filter, &q, &group));
    let done = async {
        let (chosen, action) = (chosen(&form, &asked), wanted(&form)?);
        if action == Action::Delete {
            user.by.require::<DeleteContacts>()?;
        }
        let changed = db
            .in_tenant_for(user.tenant(), bulk::AT_MOST, async |tx| {
                bulk::act(tx, &user.by, &chosen, &action).await
            })
            .await?;
        Ok((changed, action))
    }
    .await;
    let flash = match done {
        Ok((changed, action)) => {
            let n = i64::try_from(changed).unwrap_or(i64::MAX);
            let people = counted(n, "contact was", "contacts were");
            Flash::success(match action {
                Action::AddToGroup(_) => say!("{} added to the group.", people),
                Action::RemoveFromGroup(_) => say!("{} taken out of the group.", people),
                Action::AddTag(tag) => format!("{people} tagged “{tag}”."),
                Action::RemoveTag(tag) => say!("{} freed of “{}”.", people, tag),
                Action::Delete => format!("{people} deleted."),
            })
        }
        // Nothing was changed, and the list says why.
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(&back, &flash))
}
