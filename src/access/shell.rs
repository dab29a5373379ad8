//! What every staff page shows around its content: brand, navigation by permission, the person.

use std::collections::BTreeMap;

use chrono::Utc;
use serde::Serialize;

use super::{by::Rights, right::Catalogue, support::Banner};
use crate::{
    tenancy::{Announcement, Tenant},
    types::TimeZone,
    web::Shared,
    words::say,
};

/// One entry of the navigation. Features declare theirs; those without the permission do not see it.
#[derive(Debug, Clone, Serialize)]
pub struct NavItem {
    /// The heading that it stands under; empty for none.
    #[serde(skip)]
    pub group: &'static str,
    pub label: &'static str,
    pub href: &'static str,
    pub icon: &'static str,
    /// A permission's code; None for everybody.
    #[serde(skip)]
    pub permission: Option<&'static str>,
}

/// How a tenant shows itself.
#[derive(Debug, Clone, Serialize)]
pub struct Brand {
    pub name: String,
    pub slug: String,
    pub logo_url: Option<String>,
    pub initials: String,
    pub version: i32,
    /// `#rrggbb`
    #[serde(skip)]
    pub accent: String,
    /// What this tenant calls an area: `Barangay`.
    #[serde(skip)]
    pub area_word: String,
}

/// The frame of a staff page, in the template as `shell`.
#[derive(Debug, Clone, Serialize)]
pub struct Shell {
    pub csrf: String,
    pub environment: String,
    pub base_domain: String,
    pub brand: Brand,
    pub user: Person,
    /// Where the person reads times in another zone than the tenant's.
    pub own_zone: Option<OwnZone>,
    /// What the tenant calls its areas: `Barangays`.
    pub areas_word: String,
    /// The entry of the navigation that this page belongs to.
    pub active: &'static str,
    /// Whether the person has to set a second step up before anything else: nothing of the frame asks for anything.
    pub is_enrolling: bool,
    /// What the platform's people tell everybody.
    pub announcements: Vec<Announced>,
    /// The platform's support is let in.
    pub support: Option<Banner>,
    #[serde(flatten)]
    pub frame: Frame,
}

impl Shell {
    /// What an entry is called here.
    pub fn label_of<'a>(&'a self, item: &'a NavItem) -> &'a str {
        if item.href == "/areas" { &self.areas_word } else { say(item.label) }
    }
}

/// Whose times are shown and whose count, where they differ.
#[derive(Debug, Clone, Serialize)]
pub struct OwnZone {
    /// What the person is shown times in.
    pub name: &'static str,
    /// What days are of, and what is typed in.
    pub provider: &'static str,
}

impl OwnZone {
    pub(super) fn of(own: Option<TimeZone>, tenant: &Tenant) -> Option<Self> {
        let own = own.filter(|own| *own != tenant.time_zone)?;
        Some(Self { name: own.0.name(), provider: tenant.time_zone.0.name() })
    }
}

/// A sentence of the platform's people.
#[derive(Debug, Clone, Serialize)]
pub struct Announced {
    pub text: String,
    pub is_warning: bool,
}

/// What is on top of every page: in a sandbox that it is one, and what the platform announces now.
pub fn announced(tenant: &Tenant, all: &[Announcement]) -> Vec<Announced> {
    let now = Utc::now();
    let text =
        say("This is a sandbox: a copy with made-up people. Nothing that you do here reaches a customer.");
    let sandbox = tenant.is_sandbox.then(|| Announced { text: text.into(), is_warning: true });
    let counting = all.iter().filter(|one| one.counts_at(now));
    let platform = counting.map(|one| Announced { text: one.text.clone(), is_warning: one.is_warning });
    sandbox.into_iter().chain(platform).collect()
}

/// What of the frame follows from a person's rights alone: made once for each stay.
#[derive(Debug, Clone, Serialize)]
pub struct Frame {
    /// [`NavGroup`]s.
    nav: Shared,
    /// Every permission's code, and whether the person holds it; and `is_owner`.
    can: Shared,
}

impl Frame {
    pub(super) fn of(catalogue: &Catalogue, items: &[NavItem], rights: &Rights) -> Self {
        let held = catalogue.all().iter().map(|right| (right.code, rights.holds(right.code)));
        let can: BTreeMap<&str, bool> = held.chain([("is_owner", rights.is_owner)]).collect();
        Self { nav: Shared::of(&navigation(items, rights)), can: Shared::of(&can) }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Person {
    pub name: String,
    pub email: String,
    pub initials: String,
    /// Their picture, where they have put one up.
    pub avatar_url: Option<String>,
    /// The names of the person's roles.
    pub role: String,
}

#[derive(Serialize)]
struct NavGroup<'a> {
    label: &'static str,
    items: Vec<&'a NavItem>,
}

/// The first letters of the first two words.
pub fn initials(name: &str) -> String {
    name.split_whitespace()
        .filter_map(|word| word.chars().next())
        .take(2)
        .flat_map(char::to_uppercase)
        .collect()
}

/// The entries that a caller sees, in their order.
pub fn visible<'a>(items: &'a [NavItem], rights: &Rights) -> impl Iterator<Item = &'a NavItem> {
    items.iter().filter(|item| item.permission.is_none_or(|code| rights.holds(code)))
}

fn navigation<'a>(items: &'a [NavItem], rights: &Rights) -> Vec<NavGroup<'a>> {
    let mut groups: Vec<NavGroup<'a>> = Vec::new();
    for item in visible(items, rights) {
        match groups.iter_mut().find(|group| group.label == item.group) {
            Some(group) => group.items.push(item),
            None => groups.push(NavGroup { label: item.group, items: vec![item] }),
        }
    }
    groups
}

/// The entry that a path belongs to: the longest that it begins with.
pub fn active(items: &[NavItem], path: &str) -> &'static str {
    let belongs = |href: &str| {
        path == href || (href != "/" && path.strip_prefix(href).is_some_and(|rest| rest.starts_with('/')))
    };
    items
        .iter()
        .map(|item| item.href)
        .filter(|href| belongs(href))
        .max_by_key(|href| href.len())
        .unwrap_or_default()
}

/// "Barangay" becomes "Barangays", "City" becomes "Cities".
pub fn plural(word: &str) -> String {
    match word.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{word}s"),
    }
}
