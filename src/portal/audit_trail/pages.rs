//! The page of the trail, and its download.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use poem::{
    Response, handler,
    http::Method,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    ExportAudit, ViewAudit,
    rules::{self, Sheet},
    words,
};
use crate::{
    access::{Guarded, PageUser},
    audit::{self, ActorKind, Entry, Filter, Who},
    db::Db,
    types::{AuditEventId, Cursor, Limit},
    web::{Moment, RouteTable},
    words::{locale, now_in_english, say},
};

const PATH: &str = "/audit";
const EXPORT_PATH: &str = "/audit/export";
const PAGE: Limit = Limit::of(50);
const TEXT_MAX_CHARS: usize = 100;
const KINDS: [(ActorKind, &str); 3] = [
    (ActorKind::System, "System"),
    (ActorKind::Platform, "Platform"),
    (ActorKind::Anonymous, "Not signed in"),
];

/// Registers the pages.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewAudit>(Method::GET, PATH, show_trail);
    table.page::<ExportAudit>(Method::GET, EXPORT_PATH, export_trail);
}

/// The filters as the form sends them. What cannot be read says nothing: the form shows what counts.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
struct Asked {
    q: String,
    actor: String,
    action: String,
    object: String,
    from: String,
    to: String,
    #[serde(skip_serializing)]
    cursor: String,
    #[serde(skip_serializing)]
    format: String,
}

impl Asked {
    fn tidied(mut self) -> Self {
        for text in [&mut self.q, &mut self.actor, &mut self.action, &mut self.object] {
            *text = text.trim().chars().filter(|c| !c.is_control()).take(TEXT_MAX_CHARS).collect();
        }
        if self.who().is_none() {
            self.actor.clear();
        }
        for day in [&mut self.from, &mut self.to] {
            if day.parse::<NaiveDate>().is_err() {
                day.clear();
            }
        }
        self
    }

    fn who(&self) -> Option<Who> {
        let kind =
            KINDS.iter().find(|(kind, _)| kind.as_str() == self.actor).map(|(kind, _)| Who::Kind(*kind));
        kind.or_else(|| self.actor.parse().ok().map(Who::Id))
    }

    fn filter(&self) -> Filter {
        let set = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
        Filter {
            who: self.who(),
            action: set(&self.action),
            object_type: set(&self.object),
            object_id: None,
            from: self.from.parse().ok(),
            to: self.to.parse().ok(),
            text: set(&self.q),
        }
    }

    fn named(&self) -> [(&'static str, &str); 6] {
        [
            ("q", &self.q),
            ("actor", &self.actor),
            ("action", &self.action),
            ("object", &self.object),
            ("from", &self.from),
            ("to", &self.to),
        ]
    }

    /// A path with these filters, without one of them, with something more.
    fn href(&self, path: &str, without: &str, more: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.named() {
            if name != without && !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.extend_pairs(more);
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

#[derive(Serialize)]
struct TrailPage {
    time_zone: &'static str,
    export_href: String,
    clear_href: &'static str,
    actors: Vec<Choice>,
    actions: Vec<Choice>,
    objects: Vec<Choice>,
    values: Asked,
    filters: Vec<Chip>,
    pager: Pager,
    events: Vec<EventRow>,
}

#[derive(Serialize)]
struct Choice {
    value: String,
    label: String,
}

#[derive(Serialize)]
struct Chip {
    label: &'static str,
    value: String,
    remove_href: String,
}

#[derive(Serialize)]
struct Pager {
    prev_href: Option<String>,
    next_href: Option<String>,
    shown: String,
    total: Option<String>,
}

#[derive(Serialize)]
struct EventRow {
    id: AuditEventId,
    at: Moment,
    action_label: String,
    tone: &'static str,
    object_type: String,
    object_label: String,
    object_href: Option<String>,
    actor: String,
    actor_kind: Option<&'static str>,
    address: Option<String>,
    request_id: String,
    user_agent: Option<String>,
    changes: Vec<ChangedField>,
}

#[derive(Serialize)]
struct ChangedField {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

/// The members of both sides, those of `after` in their order first.
fn changes_of(before: Option<&Value>, after: Option<&Value>) -> Vec<ChangedField> {
    let members = |side: Option<&Value>| side.and_then(Value::as_object).cloned().unwrap_or_default();
    let (was, is) = (members(before), members(after));
    let mut seen = BTreeSet::new();
    is.keys()
        .chain(was.keys())
        .filter(|name| seen.insert(name.as_str()))
        .map(|name| ChangedField {
            field: words::humanised(name),
            before: words::value(was.get(name)),
            after: words::value(is.get(name)),
        })
        .collect()
}

fn row_of(entry: Entry, zone: chrono_tz::Tz, area_word: &str) -> EventRow {
    let (action_label, tone) = words::action(&entry.action);
    let mut object_label = entry.object_label;
    if object_label.is_empty() {
        object_label = if entry.erased_at.is_some() { say("Erased").into() } else { "–".into() };
    }
    EventRow {
        id: entry.id,
        at: Moment::at(entry.occurred_at, zone),
        action_label,
        tone,
        object_type: words::object_type(&entry.object_type, area_word),
        object_label,
        object_href: entry.object_id.and_then(|id| words::href(&entry.object_type, id, &entry.action)),
        actor: entry.actor_label,
        actor_kind: words::actor_kind(&entry.actor_kind),
        address: entry.address,
        request_id: entry.request_id.map_or_else(|| "–".to_owned(), |id| id.to_string()),
        user_agent: entry.user_agent,
        changes: changes_of(entry.before.as_ref(), entry.after.as_ref()),
    }
}

/// What the form's lists offer.
struct Known {
    actors: Vec<(Uuid, String)>,
    object_types: Vec<String>,
}

impl Known {
    fn actors(&self) -> Vec<Choice> {
        let people =
            self.actors.iter().map(|(id, label)| Choice { value: id.to_string(), label: label.clone() });
        let kinds = KINDS
            .iter()
            .map(|(kind, label)| Choice { value: kind.as_str().into(), label: say(label).to_owned() });
        people.chain(kinds).collect()
    }

    fn objects(&self, area_word: &str) -> Vec<Choice> {
        let choice =
            |kind: &String| Choice { value: kind.clone(), label: words::object_type(kind, area_word) };
        self.object_types.iter().map(choice).collect()
    }
}

/// The verbs, and whatever else the address asks for.
fn action_choices(asked: &Asked) -> Vec<Choice> {
    let mut choices: Vec<Choice> = words::VERBS
        .iter()
        .map(|(verb, label, _)| Choice { value: (*verb).to_owned(), label: say(label).to_owned() })
        .collect();
    let known = choices.iter().any(|choice| choice.value == asked.action);
    if !asked.action.is_empty() && !known {
        choices.push(Choice { value: asked.action.clone(), label: asked.action.clone() });
    }
    choices
}

fn chips_of(asked: &Asked, page: (&[Choice], &[Choice], &[Choice])) -> Vec<Chip> {
    let (actors, actions, objects) = page;
    let labelled = |choices: &[Choice], value: &str| {
        let known = choices.iter().find(|choice| choice.value == value);
        known.map_or_else(|| value.to_owned(), |choice| choice.label.clone())
    };
    let day = |text: &str| {
        text.parse::<NaiveDate>()
            .map_or_else(|_| text.to_owned(), |day| day.format_localized("%-d %b %Y", locale()).to_string())
    };
    asked
        .named()
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            let (label, value) = match name {
                "actor" => (say("Who"), labelled(actors, value)),
                "action" => (say("What"), labelled(actions, value)),
                "object" => (say("On"), labelled(objects, value)),
                "from" => (say("From"), day(value)),
                "to" => (say("To"), day(value)),
                _ => (say("Text"), value.to_owned()),
            };
            Chip { label, value, remove_href: asked.href(PATH, name, &[]) }
        })
        .collect()
}

#[handler]
async fn show_trail(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let asked = asked.tidied();
    let after = match asked.cursor.as_str() {
        "" => None,
        text => Some(Cursor::<AuditEventId>::decode(text)?.0),
    };
    let (filter, zone) = (asked.filter(), user.tenant().time_zone.0);
    let (mut entries, known) = db
        .read_tenant(user.tenant(), async |tx| {
            let entries = audit::list(tx, &filter, zone, after, PAGE).await?;
            let actors = audit::known_actors(tx).await?;
            let object_types = audit::known_object_types(tx).await?;
            Ok((entries, Known { actors, object_types }))
        })
        .await?;
    let more = PAGE.cut(&mut entries);
    let next_href = match entries.last().filter(|_| more) {
        Some(last) => Some(asked.href(PATH, "", &[("cursor", &Cursor(last.id).encode()?)])),
        None => None,
    };
    let area_word = user.shell.brand.area_word.as_str();
    let (actors, actions, objects) = (known.actors(), action_choices(&asked), known.objects(area_word));
    let view = TrailPage {
        time_zone: zone.name(),
        export_href: asked.href(EXPORT_PATH, "", &[("format", "csv")]),
        clear_href: PATH,
        filters: chips_of(&asked, (&actors, &actions, &objects)),
        actors,
        actions,
        objects,
        pager: Pager { prev_href: None, next_href, shown: entries.len().to_string(), total: None },
        events: entries.into_iter().map(|entry| row_of(entry, zone, area_word)).collect(),
        values: asked,
    };
    Ok(user.render("audit/list.html", say("Audit trail"), &view)?)
}

#[handler]
async fn export_trail(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let asked = asked.tidied();
    now_in_english();
    let sheet = if asked.format == "xlsx" { Sheet::Xlsx } else { Sheet::Csv };
    let file = rules::export(&db, &user.by, &asked.filter(), sheet).await?;
    Ok(poem::IntoResponse::into_response(file))
}
