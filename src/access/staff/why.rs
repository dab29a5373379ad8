//! Why somebody may do something, or may not. Pure.

use super::model::{HeldRole, Member};
use crate::words::say;
use crate::{access::right::Permission, tenancy::Status};

/// What decides, and in which roles it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub is_allowed: bool,
    /// `owner`, `role`; `no_role`, `role_off`, `second_step_missing`, `invitation_open`, `staff_disabled`, `tenant_not_active`, `unknown_right`.
    pub reason: &'static str,
    /// One sentence for people.
    pub detail: String,
    /// The roles that it comes down to, by name.
    pub roles: Vec<String>,
}

fn names<'a>(roles: impl Iterator<Item = &'a HeldRole>) -> Vec<String> {
    roles.map(|role| role.name.clone()).collect()
}

fn refused(reason: &'static str, detail: String, roles: Vec<String>) -> Decided {
    Decided { is_allowed: false, reason, detail, roles }
}

/// What decides whether this person has this right now. What keeps them from everything comes before what this right is about.
pub fn decided(member: &Member, status: Status, right: Option<&Permission>) -> Decided {
    let name = &member.name;
    let Some(right) = right else {
        return refused("unknown_right", say("There is no such right.").into(), Vec::new());
    };
    if status != Status::Active {
        let detail = say!("This provider is {}: nobody works here.", status.as_str());
        return refused("tenant_not_active", detail, Vec::new());
    }
    if !member.is_active {
        return refused("staff_disabled", say!("{} is switched off.", name), Vec::new());
    }
    if !member.has_accepted {
        let detail = say!("{} is invited, and has not accepted the invitation yet.", name);
        return refused("invitation_open", detail, Vec::new());
    }
    let holds = |role: &&HeldRole| role.is_owner || role.permissions.iter().any(|code| code == right.code);
    let giving = names(member.roles.iter().filter(|role| role.is_active).filter(holds));
    if giving.is_empty() {
        let off = names(member.roles.iter().filter(|role| !role.is_active).filter(holds));
        if off.is_empty() {
            return refused("no_role", say!("No role of {} has \"{}\".", name, right.label), off);
        }
        let detail = say!("It lies in {}, which is switched off.", off.join(", "));
        return refused("role_off", detail, off);
    }
    let asking = names(member.roles.iter().filter(|role| role.is_active && role.requires_mfa));
    if !asking.is_empty() && !member.has_mfa {
        let detail = say!(
            "{} asks for a second step, and {} has not set one up: until then nothing opens.",
            asking.join(", "),
            name
        );
        return refused("second_step_missing", detail, asking);
    }
    let reason = if member.is_owner_now() { "owner" } else { "role" };
    let detail = match reason {
        "owner" => say!("{} is an owner, and may do everything.", name),
        _ => say!("It is given by {}.", giving.join(", ")),
    };
    Decided { is_allowed: true, reason, detail, roles: giving }
}

impl Member {
    fn is_owner_now(&self) -> bool {
        self.roles.iter().any(|role| role.is_owner && role.is_active)
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::types::{RoleId, StaffId};

    static RIGHT: Permission = Permission {
        code: "a.do",
        category: "A",
        label: "Do it",
        description: "",
        scope: "a.write",
        default_roles: &[],
    };

    fn role(name: &str, codes: &[&str]) -> HeldRole {
        HeldRole {
            id: RoleId::new(),
            name: name.into(),
            permissions: codes.iter().map(|code| (*code).to_owned()).collect(),
            is_owner: false,
            is_active: true,
            requires_mfa: false,
        }
    }

    fn member(roles: Vec<HeldRole>) -> Member {
        Member {
            id: StaffId::new(),
            name: "Kim".into(),
            email: "kim@x.example".into(),
            phone: None,
            avatar: None,
            is_active: true,
            has_password: true,
            has_accepted: true,
            has_mfa: false,
            has_sso: false,
            invited_until: None,
            last_signed_in_at: None,
            created_at: Utc::now(),
            updated_at: Utc::now(),
            roles,
        }
    }

    #[test]
    fn what_decides_is_named_in_the_order_in_which_it_decides() {
        let reason = |member: &Member| decided(member, Status::Active, Some(&RIGHT)).reason;
        let mut kim = member(vec![role("Clerk", &["a.see"])]);
        assert_eq!(reason(&kim), "no_role");
        kim.roles.push(HeldRole { is_active: false, ..role("Old", &["a.do"]) });
        let off = decided(&kim, Status::Active, Some(&RIGHT));
        assert_eq!((off.reason, off.roles), ("role_off", vec!["Old".to_owned()]));
        kim.roles.push(role("Doer", &["a.do"]));
        let given = decided(&kim, Status::Active, Some(&RIGHT));
        assert_eq!((given.is_allowed, given.reason, given.roles), (true, "role", vec!["Doer".to_owned()]));
        // Another role of theirs asks for it: it keeps them from everything.
        kim.roles.push(HeldRole { requires_mfa: true, ..role("Careful", &[]) });
        let asked = decided(&kim, Status::Active, Some(&RIGHT));
        assert_eq!(
            (asked.is_allowed, asked.reason, asked.roles),
            (false, "second_step_missing", vec!["Careful".to_owned()])
        );
        kim.has_mfa = true;
        assert_eq!(reason(&kim), "role");
        kim.roles.push(HeldRole { is_owner: true, ..role("Owner", &[]) });
        assert_eq!(reason(&kim), "owner");
        kim.has_accepted = false;
        assert_eq!(reason(&kim), "invitation_open");
        kim.is_active = false;
        assert_eq!(reason(&kim), "staff_disabled");
        assert_eq!(decided(&kim, Status::Suspended, Some(&RIGHT)).reason, "tenant_not_active");
        assert_eq!(decided(&kim, Status::Closed, Some(&RIGHT)).reason, "tenant_not_active");
        assert_eq!(decided(&kim, Status::Active, None).reason, "unknown_right");
    }
}
