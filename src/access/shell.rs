//! What every staff page shows around its content: brand, navigation by permission, the person.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{by::By, right::Catalogue};

/// One entry of the navigation. Features declare theirs; those without the permission do not see it.
#[derive(Debug, Clone)]
pub struct NavItem {
    /// The heading that it stands under; empty for none.
    pub group: &'static str,
    pub label: &'static str,
    pub href: &'static str,
    pub icon: &'static str,
    /// A permission's code; None for everybody.
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
    pub nav: Vec<NavGroup>,
    pub can: BTreeMap<&'static str, bool>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Person {
    pub name: String,
    pub email: String,
    pub initials: String,
    /// The names of the person's roles.
    pub role: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct NavGroup {
    pub label: &'static str,
    pub items: Vec<NavLink>,
}

#[derive(Debug, Clone, Serialize)]
pub struct NavLink {
    pub label: String,
    pub href: &'static str,
    pub icon: &'static str,
    pub active: bool,
}

/// The first letters of the first two words.
pub fn initials(name: &str) -> String {
    name.split_whitespace()
        .filter_map(|word| word.chars().next())
        .take(2)
        .flat_map(char::to_uppercase)
        .collect()
}

/// The navigation that this caller sees, with the entry of `path` marked.
pub fn navigation(items: &[NavItem], by: &By, path: &str, area_word: &str) -> Vec<NavGroup> {
    let active = items
        .iter()
        .filter(|item| {
            path == item.href || (item.href != "/" && path.starts_with(&format!("{}/", item.href)))
        })
        .max_by_key(|item| item.href.len())
        .map(|item| item.href);
    let mut groups: Vec<NavGroup> = Vec::new();
    for item in items.iter().filter(|item| item.permission.is_none_or(|code| by.rights.holds(code))) {
        let label = if item.href == "/areas" { plural(area_word) } else { item.label.to_owned() };
        let link = NavLink { label, href: item.href, icon: item.icon, active: active == Some(item.href) };
        match groups.iter_mut().find(|group| group.label == item.group) {
            Some(group) => group.items.push(link),
            None => groups.push(NavGroup { label: item.group, items: vec![link] }),
        }
    }
    groups
}

/// "Barangay" becomes "Barangays", "City" becomes "Cities".
pub fn plural(word: &str) -> String {
    match word.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{word}s"),
    }
}

/// Every permission and whether this caller holds it, for templates that show or hide.
pub fn abilities(catalogue: &Catalogue, by: &By) -> BTreeMap<&'static str, bool> {
    catalogue.all().iter().map(|permission| (permission.code, by.may(permission))).collect()
}
