//! Cmd-K: finds customers, pages and actions from anywhere; and the list of keyboard shortcuts.

use poem::{
    Request, Response, handler,
    http::Method,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use crate::{
    access::{Guarded, PageUser, SignedIn},
    db::Db,
    error::Result,
    isp::customers,
    web::RouteTable,
    words::say,
};

const HITS: i64 = 8;
const TYPED_MAX_CHARS: usize = 100;

/// Something that can be done from anywhere: label, hint, icon, target and the permission that it takes.
type Action = (&'static str, &'static str, &'static str, &'static str, &'static str);

const ACTIONS: &[Action] = &[
    ("New customer", "C", "plus", "/customers/new", "customers.create"),
    ("Import customers", "", "import", "/customers/import", "customers.import"),
    ("New installation", "", "plus", "/installations/new", "installations.create"),
    ("New visit", "", "plus", "/visits/new", "visits.plan"),
    ("New router", "", "plus", "/routers/new", "routers.edit"),
    ("Import routers", "", "import", "/routers/import", "routers.edit"),
    ("New ticket", "N", "tickets", "/tickets/new", "tickets.create"),
    ("Mark a node as down", "", "wifi-off", "/outages/new", "outages.manage"),
    ("New area", "", "plus", "/areas/new", "areas.create"),
    ("Add a colleague", "", "plus", "/staff/new", "staff.manage"),
    ("New role", "", "plus", "/roles/new", "roles.manage"),
    ("Change the logo and colour", "", "settings", "/settings/branding", "settings.manage"),
    ("Add a domain", "", "settings", "/settings/domains", "settings.manage"),
];

/// Mounts the search.
pub fn pages(table: &mut RouteTable) {
    table.page::<SignedIn>(Method::GET, "/search", search).page::<SignedIn>(
        Method::GET,
        "/shortcuts",
        shortcuts,
    );
}

#[derive(Deserialize)]
struct Typed {
    #[serde(default)]
    q: String,
}

#[derive(Serialize)]
struct SearchPage {
    q: String,
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    label: &'static str,
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    label: String,
    hint: String,
    icon: &'static str,
    href: String,
}

#[handler]
async fn search(user: PageUser, typed: Query<Typed>, request: &Request, db: Data<&Db>) -> Result<Response> {
    let q: String = typed.q.trim().chars().take(TYPED_MAX_CHARS).collect();
    let found = if q.is_empty() || !user.by.rights.holds("customers.view") {
        Vec::new()
    } else {
        db.read_tenant(user.tenant(), async |tx| customers::search(tx, &q, HITS).await).await?
    };
    let people = found
        .into_iter()
        .map(|hit| Item { label: hit.label, hint: hit.hint, icon: "user", href: hit.href })
        .collect();
    let groups =
        [(say("Customers"), people), (say("Actions"), actions(&user, &q)), (say("Pages"), places(&user, &q))]
            .into_iter()
            .filter(|(_, items): &(_, Vec<Item>)| !items.is_empty())
            .map(|(label, items)| Group { label, items })
            .collect();
    let view = SearchPage { q, groups };
    if request.header("hx-request").is_some() {
        return user.access.pages().page("portal/search_results.html", &view);
    }
    user.render("portal/search.html", say("Search"), &view)
}

fn matches(label: &str, q: &str) -> bool {
    let label = label.to_lowercase();
    q.to_lowercase().split_whitespace().all(|word| label.contains(word))
}

fn actions(user: &PageUser, q: &str) -> Vec<Item> {
    ACTIONS
        .iter()
        .filter(|(label, .., permission)| matches(say(label), q) && user.by.rights.holds(permission))
        .map(|(label, hint, icon, href, _)| Item {
            label: say(label).to_owned(),
            hint: say(hint).to_owned(),
            icon,
            href: (*href).to_owned(),
        })
        .collect()
}

fn places(user: &PageUser, q: &str) -> Vec<Item> {
    user.places()
        .filter(|(_, label)| matches(label, q))
        .map(|(item, label)| Item {
            label: label.to_owned(),
            hint: String::new(),
            icon: item.icon,
            href: item.href.to_owned(),
        })
        .collect()
}

#[derive(Serialize)]
struct ShortcutsPage {}

#[handler]
async fn shortcuts(user: PageUser) -> Result<Response> {
    user.render("portal/shortcuts.html", say("Keyboard shortcuts"), &ShortcutsPage {})
}
