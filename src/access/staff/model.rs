//! A member of staff, and who may change them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    access::{by::By, right::Catalogue, roles::may_grant},
    error::{Error, FieldError, Result},
    types::{Check, EmailAddress, FileId, RoleId, StaffId, line},
    words::say,
};

const NAME_MAX_CHARS: usize = 100;
const ROLES_MAX: usize = 50;

/// A role as somebody has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRole {
    pub id: RoleId,
    pub name: String,
    pub permissions: Vec<String>,
    pub is_owner: bool,
    /// One that is switched off gives nothing.
    pub is_active: bool,
    /// Whoever has it signs in with a second factor.
    pub requires_mfa: bool,
}

/// A person who works for the tenant.
#[derive(Debug, Clone)]
pub struct Member {
    pub id: StaffId,
    pub name: String,
    pub email: String,
    pub phone: Option<String>,
    pub avatar: Option<FileId>,
    pub is_active: bool,
    pub has_password: bool,
    /// They chose a password, or accepted the invitation without one.
    pub has_accepted: bool,
    /// They sign in with a second factor.
    pub has_mfa: bool,
    /// The issuer of single sign-on knows them.
    pub has_sso: bool,
    /// Until when the invitation counts of somebody who has not accepted it yet; None when it is too old, or there is no link.
    pub invited_until: Option<DateTime<Utc>>,
    pub last_signed_in_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// By name, the owner's first. Also those that are switched off.
    pub roles: Vec<HeldRole>,
}

impl Member {
    pub fn is_owner(&self) -> bool {
        self.roles.iter().any(|role| role.is_owner)
    }

    /// They have been added and have not accepted the invitation yet.
    pub fn is_invited(&self) -> bool {
        self.is_active && !self.has_accepted
    }

    /// As the audit trail remembers the person.
    pub(super) fn told(&self) -> Value {
        let roles: Vec<&str> = self.roles.iter().map(|role| role.name.as_str()).collect();
        json!({"name": self.name, "email": self.email, "is_active": self.is_active, "roles": roles})
    }
}

/// Whether the caller is this very person.
pub(super) fn is_self(by: &By, member: &Member) -> bool {
    by.staff() == Some(member.id)
}

/// Whether the caller may give and take this role.
pub(super) fn may_give(by: &By, catalogue: &Catalogue, role: &HeldRole) -> bool {
    if role.is_owner { by.rights.is_owner } else { may_grant(by, catalogue, &role.permissions) }
}

/// 403 for a person who may do more than the caller: whoever can change an address or make a sign-in link can become that
/// person. Roles that are switched off count, because they can be switched on again.
pub(super) fn must_reach(by: &By, catalogue: &Catalogue, member: &Member) -> Result<()> {
    if is_self(by, member) || member.roles.iter().all(|role| may_give(by, catalogue, role)) {
        return Ok(());
    }
    Err(Error::forbidden(
        "beyond_own_rights",
        "This person may do more than you: ask an owner, or somebody with the same rights.",
    ))
}

/// A person who is to be.
#[derive(Debug, Clone)]
pub struct NewStaff {
    pub(super) name: String,
    pub(super) email: EmailAddress,
    pub(super) role_ids: Vec<RoleId>,
}

impl NewStaff {
    pub fn parse(name: &str, email: &str, role_ids: &[Uuid]) -> Result<Self> {
        let mut check = Check::new();
        let name = check.field("name", line(name, NAME_MAX_CHARS));
        let email = check.field("email", EmailAddress::parse(email));
        if let Some(wrong) = wrong_roles(role_ids) {
            check.wrong("role_ids", wrong.code, wrong.detail);
        }
        let role_ids = distinct(role_ids);
        check.finish(name.zip(email).map(|(name, email)| Self { name, email, role_ids }))
    }
}

/// What is to change of a person; None stays as it is.
#[derive(Debug, Clone, Default)]
pub struct StaffChanges {
    pub(super) name: Option<String>,
    pub(super) email: Option<EmailAddress>,
    pub(super) role_ids: Option<Vec<RoleId>>,
    pub(super) is_active: Option<bool>,
}

impl StaffChanges {
    pub fn parse(
        name: Option<&str>,
        email: Option<&str>,
        role_ids: Option<&[Uuid]>,
        is_active: Option<bool>,
    ) -> Result<Self> {
        let mut check = Check::new();
        let mut changes = Self { is_active, ..Self::default() };
        if let Some(name) = name {
            changes.name = check.field("name", line(name, NAME_MAX_CHARS));
        }
        if let Some(email) = email {
            changes.email = check.field("email", EmailAddress::parse(email));
        }
        if let Some(role_ids) = role_ids {
            if role_ids.len() > ROLES_MAX {
                check.wrong("role_ids", "too_many", say!("At most {} roles.", ROLES_MAX));
            }
            changes.role_ids = Some(distinct(role_ids));
        }
        check.finish(Some(changes))
    }

    /// Only switched on or off.
    pub fn switched(is_active: bool) -> Self {
        Self { is_active: Some(is_active), ..Self::default() }
    }
}

fn wrong_roles(role_ids: &[Uuid]) -> Option<FieldError> {
    if role_ids.is_empty() {
        return Some(no_role());
    }
    let too_many = role_ids.len() > ROLES_MAX;
    too_many.then(|| FieldError::new("role_ids", "too_many", say!("At most {} roles.", ROLES_MAX)))
}

/// Somebody without any role could sign in and do nothing.
pub(super) fn no_role() -> FieldError {
    FieldError::new("role_ids", "required", "Choose at least one role.")
}

fn distinct(role_ids: &[Uuid]) -> Vec<RoleId> {
    let mut ids: Vec<RoleId> = role_ids.iter().copied().map(RoleId).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Which staff a list shows.
#[derive(Debug, Clone, Default)]
pub struct StaffFilter {
    /// A part of the name or address.
    pub search: Option<String>,
    pub is_active: Option<bool>,
    /// Those who have not chosen a password yet, or those who have.
    pub is_invited: Option<bool>,
}

/// How many people a search finds, for the tabs of the list.
#[derive(Debug, Clone, Copy)]
pub struct StaffCounts {
    pub active: i64,
    /// Of those who are active.
    pub invited: i64,
    pub disabled: i64,
}

impl StaffFilter {
    /// The search as a pattern in which nothing that was typed is special.
    pub(super) fn pattern(&self) -> Option<String> {
        let text = self.search.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
        let mut pattern = String::from("%");
        for c in text.chars().take(100).filter(|c| !c.is_control()) {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('%');
        Some(pattern)
    }
}

/// Where a list of staff goes on: after this name, and among equals after this id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffMark {
    pub name: String,
    pub id: StaffId,
}
