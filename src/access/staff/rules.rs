//! What is done with staff, and by whom.

use super::{
    model::{HeldRole, Member, NewStaff, StaffChanges, is_self, may_give, must_reach, no_role},
    store,
};
use crate::{
    access::{by::By, links, right::Catalogue, roles::lock_owner_role, sessions::end_stays},
    audit::{self, Event},
    db::TenantTx,
    error::{Error, Result},
    tenancy::plans::{Metric, must_fit},
    types::{RoleId, StaffId},
    words::say,
};

/// Adds a person, who has no password yet.
pub async fn create_staff(tx: &TenantTx, by: &By, catalogue: &Catalogue, new: &NewStaff) -> Result<Member> {
    let roles = known_roles(tx, &new.role_ids).await?;
    for role in &roles {
        must_give(by, catalogue, role)?;
    }
    must_have_seat(tx, by).await?;
    let id = StaffId::new();
    store::insert_staff(tx, id, &new.name, &new.email).await?;
    store::give_roles(tx, id, &new.role_ids).await?;
    let member = store::get_member(tx, id).await?;
    record(tx, by, "staff.created", &member, None, Some(member.told())).await?;
    Ok(member)
}

/// Changes a person. Roles that the caller may not take stay, whatever list was sent.
pub async fn change_staff(
    tx: &TenantTx,
    by: &By,
    catalogue: &Catalogue,
    id: StaffId,
    changes: &StaffChanges,
) -> Result<Member> {
    let was = store::lock_member(tx, id).await?;
    if was.is_owner() && !by.rights.is_owner && !is_self(by, &was) {
        return Err(Error::forbidden("owner_only", "Only an owner may change an owner."));
    }
    let mut member = was.clone();
    if let Some(name) = &changes.name {
        member.name.clone_from(name);
    }
    if let Some(email) = &changes.email {
        email.as_str().clone_into(&mut member.email);
    }
    if member.email != was.email {
        // Whoever has the address has the way back in: an open browser is not enough for that.
        by.must_have_proved()?;
    }
    member.is_active = changes.is_active.unwrap_or(was.is_active);
    if member.email != was.email || member.is_active != was.is_active {
        must_reach(by, catalogue, &was)?;
    }
    if member.is_active && !was.is_active {
        must_have_seat(tx, by).await?;
    }
    if was.is_active && !member.is_active && is_self(by, &was) {
        return Err(Error::conflict("own_account", "You cannot switch yourself off."));
    }
    let exchange = match &changes.role_ids {
        Some(wanted) => Exchange::of(tx, by, catalogue, &was, wanted).await?,
        None => Exchange::default(),
    };
    exchange.apply(&mut member);
    if member.roles.is_empty() {
        return Err(Error::Invalid(vec![no_role()]));
    }
    keep_an_owner(tx, &was, &member).await?;
    let (before, after) = audit::changes(&was.told(), &member.told());
    if after.is_none() {
        return Ok(was);
    }
    store::update_staff(tx, &member).await?;
    exchange.store(tx, id).await?;
    end_what_ends(tx, &was, &member).await?;
    record(tx, by, action_of(&was, &member), &member, before, after).await?;
    store::get_member(tx, id).await
}

/// The person, locked, when the caller may let them in again; for sign-in links.
pub async fn lock_within_reach(tx: &TenantTx, by: &By, catalogue: &Catalogue, id: StaffId) -> Result<Member> {
    let member = store::lock_member(tx, id).await?;
    must_reach(by, catalogue, &member)?;
    if !member.is_active {
        return Err(Error::conflict(
            "staff_disabled",
            "This person is switched off. Switch them on first, then make a link.",
        ));
    }
    Ok(member)
}

/// The person, locked, who has not accepted the invitation yet.
pub async fn lock_invited(tx: &TenantTx, by: &By, catalogue: &Catalogue, id: StaffId) -> Result<Member> {
    let member = lock_within_reach(tx, by, catalogue, id).await?;
    if member.has_accepted {
        return Err(Error::conflict("already_accepted", "This person has accepted the invitation already."));
    }
    Ok(member)
}

/// Takes an invitation back: its link leads nowhere, and the person is switched off.
pub async fn revoke_invitation(tx: &TenantTx, by: &By, catalogue: &Catalogue, id: StaffId) -> Result<Member> {
    let was = lock_invited(tx, by, catalogue, id).await?;
    let member = Member { is_active: false, invited_until: None, ..was.clone() };
    keep_an_owner(tx, &was, &member).await?;
    let (before, after) = audit::changes(&was.told(), &member.told());
    store::update_staff(tx, &member).await?;
    end_what_ends(tx, &was, &member).await?;
    record(tx, by, "staff.invitation_revoked", &member, before, after).await?;
    Ok(member)
}

fn action_of(was: &Member, now: &Member) -> &'static str {
    match (was.is_active, now.is_active) {
        (true, false) => "staff.disabled",
        (false, true) => "staff.enabled",
        _ => "staff.updated",
    }
}

/// Somebody who is switched off is signed out for good, and links to an address that is no longer theirs lead nowhere.
async fn end_what_ends(tx: &TenantTx, was: &Member, now: &Member) -> Result<()> {
    if was.is_active && !now.is_active {
        end_stays(tx, now.id, None).await?;
    }
    if was.email != now.email || was.is_active != now.is_active {
        links::forget_links(tx, now.id).await?;
    }
    Ok(())
}

/// 409 when this change would leave the tenant without an owner who can sign in.
async fn keep_an_owner(tx: &TenantTx, was: &Member, now: &Member) -> Result<()> {
    let led = was.is_active && was.is_owner();
    let leads = now.is_active && now.is_owner();
    if !led || leads {
        return Ok(());
    }
    lock_owner_role(tx).await?;
    if store::count_other_active_owners(tx, was.id).await? == 0 {
        return Err(Error::conflict(
            "last_owner",
            "There must be an active owner: make somebody else one first.",
        ));
    }
    Ok(())
}

/// 409 `plan_limit_reached` when the plan has no seat left for one more.
async fn must_have_seat(tx: &TenantTx, by: &By) -> Result<()> {
    must_fit(tx, &by.tenant, Metric::Staff, 1, async || store::count_active(tx).await).await
}

fn must_give(by: &By, catalogue: &Catalogue, role: &HeldRole) -> Result<()> {
    if may_give(by, catalogue, role) {
        return Ok(());
    }
    Err(if role.is_owner {
        Error::forbidden("owner_only", "Only an owner gives or takes the owner's role.")
    } else {
        Error::forbidden(
            "beyond_own_rights",
            say!("The role {} holds rights that you do not have yourself.", role.name),
        )
    })
}

async fn known_roles(tx: &TenantTx, ids: &[RoleId]) -> Result<Vec<HeldRole>> {
    let roles = store::lock_roles(tx, ids).await?;
    if roles.len() < ids.len() {
        return Err(Error::invalid("role_ids", "unknown_role", "There is no such role."));
    }
    Ok(roles)
}

/// The roles that a change gives and takes.
#[derive(Default)]
struct Exchange {
    given: Vec<HeldRole>,
    taken: Vec<RoleId>,
}

impl Exchange {
    async fn of(
        tx: &TenantTx,
        by: &By,
        catalogue: &Catalogue,
        was: &Member,
        wanted: &[RoleId],
    ) -> Result<Self> {
        let has = |id: &RoleId| was.roles.iter().any(|role| role.id == *id);
        let given: Vec<HeldRole> =
            known_roles(tx, wanted).await?.into_iter().filter(|role| !has(&role.id)).collect();
        for role in &given {
            must_give(by, catalogue, role)?;
        }
        let taken = was
            .roles
            .iter()
            .filter(|role| !wanted.contains(&role.id) && may_give(by, catalogue, role))
            .map(|role| role.id)
            .collect();
        Ok(Self { given, taken })
    }

    fn apply(&self, member: &mut Member) {
        member.roles.retain(|role| !self.taken.contains(&role.id));
        member.roles.extend(self.given.iter().cloned());
    }

    async fn store(&self, tx: &TenantTx, staff: StaffId) -> Result<()> {
        let given: Vec<RoleId> = self.given.iter().map(|role| role.id).collect();
        store::take_roles(tx, staff, &self.taken).await?;
        store::give_roles(tx, staff, &given).await
    }
}

async fn record(
    tx: &TenantTx,
    by: &By,
    action: &'static str,
    member: &Member,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
) -> Result<()> {
    let event = Event {
        action,
        object_type: "staff",
        object_id: Some(member.id.0),
        object_label: &member.name,
        before,
        after,
    };
    by.record(tx, event).await
}
