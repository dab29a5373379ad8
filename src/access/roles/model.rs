//! A role, and who may give away what.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    access::{by::By, right::Catalogue},
    error::{Error, Result},
    types::{Check, RoleId, line, optional_line},
    words::say,
};

pub(super) const NAME_MAX_CHARS: usize = 50;
const DESCRIPTION_MAX_CHARS: usize = 200;

/// A role with the number of staff who have it.
#[derive(Debug, Clone)]
pub struct Role {
    pub id: RoleId,
    pub name: String,
    pub description: String,
    pub permissions: Vec<String>,
    pub is_active: bool,
    pub is_default: bool,
    pub is_owner: bool,
    /// Whoever has it signs in with a second factor.
    pub requires_mfa: bool,
    pub staff_count: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Role {
    /// As the audit trail remembers it.
    pub(super) fn told(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "permissions": self.permissions,
            "is_active": self.is_active,
            "requires_mfa": self.requires_mfa,
        })
    }
}

/// A role that is to be, checked.
#[derive(Debug, Clone)]
pub struct NewRole {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) permissions: Vec<String>,
    pub(super) requires_mfa: bool,
}

impl NewRole {
    pub fn parse(
        catalogue: &Catalogue,
        name: &str,
        description: &str,
        permissions: &[String],
        requires_mfa: bool,
    ) -> Result<Self> {
        let mut check = Check::new();
        let name = check.field("name", line(name, NAME_MAX_CHARS));
        let description = check.field("description", optional_line(description, DESCRIPTION_MAX_CHARS));
        let permissions = known_codes(&mut check, catalogue, permissions);
        let whole = name.zip(description).map(|(name, description)| Self {
            name,
            description: description.unwrap_or_default(),
            permissions,
            requires_mfa,
        });
        check.finish(whole)
    }
}

/// What is to change of a role; None stays as it is.
#[derive(Debug, Clone, Default)]
pub struct RoleChanges {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) permissions: Option<Vec<String>>,
    pub(super) is_active: Option<bool>,
    pub(super) requires_mfa: Option<bool>,
}

impl RoleChanges {
    pub fn parse(
        catalogue: &Catalogue,
        name: Option<&str>,
        description: Option<&str>,
        permissions: Option<&[String]>,
        is_active: Option<bool>,
    ) -> Result<Self> {
        let mut check = Check::new();
        let mut changes = Self { is_active, ..Self::default() };
        if let Some(name) = name {
            changes.name = check.field("name", line(name, NAME_MAX_CHARS));
        }
        if let Some(description) = description {
            let parsed = check.field("description", optional_line(description, DESCRIPTION_MAX_CHARS));
            changes.description = parsed.map(Option::unwrap_or_default);
        }
        if let Some(permissions) = permissions {
            changes.permissions = Some(known_codes(&mut check, catalogue, permissions));
        }
        check.finish(Some(changes))
    }

    /// Only switched on or off.
    pub fn switched(is_active: bool) -> Self {
        Self { is_active: Some(is_active), ..Self::default() }
    }

    /// With the second factor asked for, or no longer.
    pub fn requiring_mfa(self, requires_mfa: Option<bool>) -> Self {
        Self { requires_mfa, ..self }
    }

    /// Whether nothing but the second factor is to change: all that may change of the owner's role.
    pub(super) fn is_about_mfa_alone(&self) -> bool {
        let Self { name, description, permissions, is_active, requires_mfa: _ } = self;
        name.is_none() && description.is_none() && permissions.is_none() && is_active.is_none()
    }

    pub(super) fn over(&self, was: &Role) -> Role {
        let now = was.clone();
        Role {
            name: self.name.clone().unwrap_or(now.name),
            description: self.description.clone().unwrap_or(now.description),
            permissions: self.permissions.clone().unwrap_or(now.permissions),
            is_active: self.is_active.unwrap_or(now.is_active),
            requires_mfa: self.requires_mfa.unwrap_or(now.requires_mfa),
            ..now
        }
    }
}

fn known_codes(check: &mut Check, catalogue: &Catalogue, codes: &[String]) -> Vec<String> {
    let mut known: Vec<String> = Vec::with_capacity(codes.len());
    for code in codes {
        match catalogue.find(code) {
            Some(permission) => known.push(permission.code.to_owned()),
            None => {
                let shown: String = code.chars().take(60).collect();
                check.wrong("permissions", "unknown_permission", say!("There is no permission {}.", shown));
            }
        }
    }
    known.sort_unstable();
    known.dedup();
    known
}

/// Whether the caller holds all of this, and so may give it, take it and change who has it. A code of a feature that is gone
/// gives nobody anything and binds nobody.
pub fn may_grant<S: AsRef<str>>(by: &By, catalogue: &Catalogue, permissions: &[S]) -> bool {
    by.rights.is_owner
        || permissions
            .iter()
            .map(AsRef::as_ref)
            .all(|code| by.rights.holds(code) || catalogue.find(code).is_none())
}

/// 403 unless the caller holds all of this.
pub fn must_hold<S: AsRef<str>>(by: &By, catalogue: &Catalogue, permissions: &[S]) -> Result<()> {
    if may_grant(by, catalogue, permissions) {
        return Ok(());
    }
    let missing: Vec<&str> = permissions
        .iter()
        .map(AsRef::as_ref)
        .filter(|code| !by.rights.holds(code) && catalogue.find(code).is_some())
        .take(5)
        .collect();
    Err(Error::forbidden(
        "beyond_own_rights",
        say!("This needs rights that you do not have yourself: {}.", missing.join(", ")),
    ))
}
