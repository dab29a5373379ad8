//! The page that shows two roles side by side.

use poem::{
    Response, handler,
    http::Method,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    ViewRoles,
    compare::{Comparison, compare},
    model::Role,
    pages::id_of,
};
use crate::{
    access::{
        guard::{Guarded, PageUser},
        people::People,
    },
    error::Result,
    types::RoleId,
    web::{
        RouteTable,
        parts::{Choice, address, counted},
    },
    words::say,
};

const PATH: &str = "/roles/compare";

/// Mounts the page.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewRoles>(Method::GET, PATH, show);
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    a: String,
    b: String,
    /// `differences`, or everything.
    only: String,
}

#[derive(Serialize)]
struct ComparePage {
    roles: Vec<Choice>,
    a: String,
    b: String,
    only: bool,
    compared: Option<Compared>,
}

#[derive(Serialize)]
struct Compared {
    a: Head,
    b: Head,
    differing: String,
    toggle_href: String,
    categories: Vec<Category>,
}

#[derive(Serialize)]
struct Head {
    name: String,
    is_active: bool,
    requires_mfa: bool,
}

#[derive(Serialize)]
struct Category {
    name: &'static str,
    rights: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    label: &'static str,
    in_a: bool,
    in_b: bool,
    differs: bool,
}

fn head(role: &Role) -> Head {
    Head { name: role.name.clone(), is_active: role.is_active, requires_mfa: role.requires_mfa }
}

fn shown(compared: &Comparison, only: bool) -> Compared {
    let (a, b) = (compared.a.id.to_string(), compared.b.id.to_string());
    let mut pairs = vec![("a", a.as_str()), ("b", b.as_str())];
    if !only {
        pairs.push(("only", "differences"));
    }
    let categories = compared.categories.iter().map(|category| Category {
        name: category.name,
        rights: category
            .rights
            .iter()
            .filter(|one| !only || one.differs())
            .map(|one| Line {
                label: one.right.label,
                in_a: one.in_a,
                in_b: one.in_b,
                differs: one.differs(),
            })
            .collect(),
    });
    let differing = i64::try_from(compared.differing).unwrap_or(i64::MAX);
    Compared {
        a: head(&compared.a),
        b: head(&compared.b),
        differing: match differing {
            0 => say("Both hold the same rights.").to_owned(),
            n => format!("{}.", counted(n, "right differs", "rights differ")),
        },
        toggle_href: address(PATH, pairs),
        categories: categories.filter(|category| !category.rights.is_empty()).collect(),
    }
}

/// An id, or nothing chosen yet.
fn chosen(text: &str) -> Result<Option<RoleId>> {
    if text.is_empty() { Ok(None) } else { id_of(text).map(Some) }
}

#[handler]
async fn show(user: PageUser, asked: Query<Asked>, people: Data<&People>) -> poem::Result<Response> {
    let (a, b) = (chosen(&asked.a)?, chosen(&asked.b)?);
    let only = asked.only == "differences";
    let compared = match (a, b) {
        (Some(a), Some(b)) => {
            let (a, b) = people.get_roles(&user.by, a, b).await?;
            Some(shown(&compare(people.catalogue(), a, b), only))
        }
        (Some(one), None) | (None, Some(one)) => {
            people.get_role(&user.by, one).await?;
            None
        }
        (None, None) => None,
    };
    let roles = people.all_roles(&user.by).await?;
    let view = ComparePage {
        roles: roles.into_iter().map(|role| Choice::new(role.id, role.name)).collect(),
        a: a.map(|id| id.to_string()).unwrap_or_default(),
        b: b.map(|id| id.to_string()).unwrap_or_default(),
        only,
        compared,
    };
    Ok(user.render("access/roles_compare.html", say("Compare roles"), &view)?)
}
