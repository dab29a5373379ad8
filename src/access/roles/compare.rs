//! Two roles side by side.

use super::model::Role;
use crate::access::right::{Catalogue, Permission};

/// Two roles, and what each of them holds of every feature.
#[derive(Debug)]
pub struct Comparison {
    pub a: Role,
    pub b: Role,
    /// In the order of the catalogue.
    pub categories: Vec<Category>,
    /// How many rights one of them holds and the other does not.
    pub differing: usize,
}

/// The rights of one feature.
#[derive(Debug)]
pub struct Category {
    pub name: &'static str,
    pub rights: Vec<Compared>,
}

/// A right, and who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    pub right: &'static Permission,
    pub in_a: bool,
    pub in_b: bool,
}

impl Compared {
    pub fn differs(&self) -> bool {
        self.in_a != self.in_b
    }
}

/// What a role holds, switched on or off: an owner's holds everything.
fn holds(role: &Role, right: &Permission) -> bool {
    role.is_owner || role.permissions.iter().any(|code| code == right.code)
}

pub fn compare(catalogue: &Catalogue, a: Role, b: Role) -> Comparison {
    let mut categories: Vec<Category> = Vec::new();
    for right in catalogue.all().iter().copied() {
        let one = Compared { right, in_a: holds(&a, right), in_b: holds(&b, right) };
        match categories.iter_mut().find(|category| category.name == right.category) {
            Some(category) => category.rights.push(one),
            None => categories.push(Category { name: right.category, rights: vec![one] }),
        }
    }
    let all = categories.iter().flat_map(|category| &category.rights);
    let differing = all.filter(|one| one.differs()).count();
    Comparison { a, b, categories, differing }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::types::RoleId;

    const fn right(code: &'static str, category: &'static str) -> Permission {
        Permission { code, category, label: code, description: "", scope: "x.read", default_roles: &[] }
    }

    static SEE: Permission = right("a.see", "A");
    static DO: Permission = right("a.do", "A");
    static GO: Permission = right("b.go", "B");

    fn role(codes: &[&str], is_owner: bool) -> Role {
        Role {
            id: RoleId::new(),
            name: "x".into(),
            description: String::new(),
            permissions: codes.iter().map(|code| (*code).to_owned()).collect(),
            is_active: true,
            is_default: false,
            is_owner,
            requires_mfa: false,
            staff_count: 0,
            created_at: Utc::now(),
            updated_at: Utc::now(),
        }
    }

    #[test]
    fn each_right_stands_once_under_its_feature_and_what_differs_is_known() {
        let catalogue = Catalogue::new(&[&[&SEE, &DO], &[&GO]]);
        let compared =
            compare(&catalogue, role(&["a.see", "b.go"], false), role(&["a.see", "gone.long"], false));
        type Held<'a> = Vec<(&'a str, bool, bool)>;
        let told: Vec<(&str, Held<'_>)> = compared
            .categories
            .iter()
            .map(|one| (one.name, one.rights.iter().map(|r| (r.right.code, r.in_a, r.in_b)).collect()))
            .collect();
        let a = vec![("a.see", true, true), ("a.do", false, false)];
        assert_eq!(told, [("A", a), ("B", vec![("b.go", true, false)])]);
        assert_eq!(compared.differing, 1);
        let owner = compare(&catalogue, role(&[], true), role(&["a.do"], false));
        assert_eq!(owner.differing, 2);
    }
}
