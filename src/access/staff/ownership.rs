//! The owner hands the provider over to a colleague: the role of the owner goes from one to the other in one step.

use serde_json::json;

use super::{
    model::{HeldRole, Member},
    rules::lock_within_reach,
    store,
};
use crate::{
    access::{by::By, right::Catalogue, roles::lock_owner_role, sessions::end_stays, store as access_store},
    audit::Event,
    db::TenantTx,
    error::{Error, Result},
    types::{RoleId, SessionId, StaffId},
};

/// Makes a colleague the owner in the caller's place, who has `role` from then on. The caller has shown their password again.
pub async fn transfer_ownership(tx: &TenantTx, by: &By, to: StaffId, role: RoleId) -> Result<Member> {
    let from = by.staff().filter(|_| by.rights.is_owner);
    let from =
        from.ok_or_else(|| Error::forbidden("owner_only", "Only an owner hands the ownership over."))?;
    // Whatever else changes owners waits here.
    lock_owner_role(tx).await?;
    let (was, heir) = (store::lock_member(tx, from).await?, store::lock_member(tx, to).await?);
    let owner_role = was.roles.iter().find(|role| role.is_owner).map(|role| role.id);
    let owner_role = owner_role
        .ok_or_else(|| Error::forbidden("owner_only", "Only an owner hands the ownership over."))?;
    let own = own_role(tx, role).await?;
    refuse_unfit(from, &heir)?;
    store::give_roles(tx, to, &[owner_role]).await?;
    store::take_roles(tx, from, &[owner_role]).await?;
    store::give_roles(tx, from, &[own.id]).await?;
    let event = Event {
        action: "staff.ownership_transferred",
        object_type: "staff",
        object_id: Some(to.0),
        object_label: &heir.name,
        before: Some(json!({"owner": was.name})),
        after: Some(json!({"owner": heir.name, "former_owner_role": own.name})),
    };
    by.record(tx, event).await?;
    store::get_member(tx, to).await
}

/// An owner who cannot sign in would be none.
fn refuse_unfit(from: StaffId, heir: &Member) -> Result<()> {
    let (code, detail) = match heir {
        heir if heir.id == from => ("own_account", "You are the owner already."),
        Member { is_active: false, .. } => ("staff_disabled", "This person is switched off."),
        Member { has_accepted: false, .. } => {
            ("not_accepted", "This person has not accepted the invitation yet.")
        }
        heir if heir.is_owner() => ("already_owner", "This person is an owner already."),
        _ => return Ok(()),
    };
    Err(Error::conflict(code, detail))
}

/// What the former owner is from then on: a role that is switched on, and not the owner's.
async fn own_role(tx: &TenantTx, id: RoleId) -> Result<HeldRole> {
    let role = store::lock_roles(tx, &[id]).await?.pop().filter(|role| !role.is_owner);
    role.ok_or_else(|| Error::invalid("role_id", "unknown_role", "There is no such role."))
}

fn not_ones_own(by: &By, member: &Member) -> Result<()> {
    if by.staff() == Some(member.id) {
        return Err(Error::conflict("own_account", "End your own sessions on your account's page."));
    }
    Ok(())
}

/// Ends one stay of a colleague's in a browser. One that is not theirs is unknown, whoever they are; what is refused after that takes
/// the whole unit back.
pub async fn end_session_of(
    tx: &TenantTx,
    by: &By,
    catalogue: &Catalogue,
    id: StaffId,
    session: SessionId,
) -> Result<Member> {
    if access_store::delete_session(tx, id, session).await? == 0 {
        return Err(Error::not_found("session"));
    }
    let member = lock_within_reach(tx, by, catalogue, id).await?;
    not_ones_own(by, &member)?;
    let event = Event {
        action: "staff.session_ended",
        object_type: "staff",
        object_id: Some(member.id.0),
        object_label: &member.name,
        before: None,
        after: None,
    };
    by.record(tx, event).await?;
    Ok(member)
}

/// Ends everything that a colleague is signed in to: browsers and programs. The caller has made sure that they are within reach.
pub async fn end_sessions_of(tx: &TenantTx, by: &By, member: &Member) -> Result<u64> {
    not_ones_own(by, member)?;
    let ended = end_stays(tx, member.id, None).await?;
    let event = Event {
        action: "staff.sessions_ended",
        object_type: "staff",
        object_id: Some(member.id.0),
        object_label: &member.name,
        before: None,
        after: Some(json!({"ended": ended})),
    };
    by.record(tx, event).await?;
    Ok(ended)
}
