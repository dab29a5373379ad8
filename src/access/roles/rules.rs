//! What is done with roles, and by whom.

use super::{
    model::{NAME_MAX_CHARS, NewRole, Role, RoleChanges, must_hold},
    store::{self, After},
};
use crate::{
    access::{by::By, mfa, right::Catalogue},
    audit::{self, Event},
    db::TenantTx,
    error::{Error, Result},
    types::{Limit, RoleId, line},
    words::say,
};

/// One page of roles by name, where the next one begins, and how many there are when that was asked.
pub async fn list_roles(
    tx: &TenantTx,
    after: Option<&After>,
    limit: Limit,
    with_total: bool,
) -> Result<(Vec<Role>, Option<String>, Option<i64>)> {
    let mut roles = store::list_roles(tx, after, limit).await?;
    let next = match (limit.cut(&mut roles), roles.last()) {
        (true, Some(last)) => Some(crate::types::Cursor(last.name.clone()).encode()?),
        _ => None,
    };
    let total = if with_total { Some(store::count_roles(tx).await?) } else { None };
    Ok((roles, next, total))
}

pub async fn create_role(tx: &TenantTx, by: &By, catalogue: &Catalogue, new: &NewRole) -> Result<Role> {
    must_hold(by, catalogue, &new.permissions)?;
    if store::count_roles(tx).await? >= store::ROLES_MAX {
        return Err(Error::conflict("too_many_roles", say!("There can be {} roles.", store::ROLES_MAX)));
    }
    let id = RoleId::new();
    store::insert_role(tx, id, new).await?;
    let role = store::get_role(tx, id).await?;
    record(tx, by, "role.created", &role, None, Some(role.told())).await?;
    Ok(role)
}

/// Changes a role. Whoever is not an owner changes only roles that hold no more than they do, before and after.
pub async fn change_role(
    tx: &TenantTx,
    by: &By,
    catalogue: &Catalogue,
    id: RoleId,
    changes: &RoleChanges,
) -> Result<Role> {
    let was = store::lock_role(tx, id).await?;
    if !(was.is_owner && by.rights.is_owner && changes.is_about_mfa_alone()) {
        refuse_owner_role(&was)?;
    }
    must_hold(by, catalogue, &was.permissions)?;
    let role = changes.over(&was);
    must_hold(by, catalogue, &role.permissions)?;
    if role.requires_mfa && !was.requires_mfa {
        refuse_to_lock_oneself_out(tx, by, &role).await?;
    }
    let (before, after) = audit::changes(&was.told(), &role.told());
    if after.is_none() {
        return Ok(was);
    }
    store::update_role(tx, &role).await?;
    record(tx, by, "role.updated", &role, before, after).await?;
    store::get_role(tx, id).await
}

/// Makes a role with the same rights. Without a name it gets one of its own.
pub async fn copy_role(
    tx: &TenantTx,
    by: &By,
    catalogue: &Catalogue,
    id: RoleId,
    name: Option<&str>,
) -> Result<Role> {
    let of = store::get_role(tx, id).await?;
    refuse_owner_role(&of)?;
    let name = match name {
        Some(name) => line(name, NAME_MAX_CHARS).map_err(|wrong| Error::Invalid(vec![wrong.at("name")]))?,
        None => store::free_copy_name(tx, &of.name, NAME_MAX_CHARS).await?,
    };
    // Codes of features that are gone are not copied.
    let permissions = of.permissions.into_iter().filter(|code| catalogue.find(code).is_some()).collect();
    let requires_mfa = of.requires_mfa;
    create_role(tx, by, catalogue, &NewRole { name, description: of.description, permissions, requires_mfa })
        .await
}

pub async fn delete_role(tx: &TenantTx, by: &By, catalogue: &Catalogue, id: RoleId) -> Result<Role> {
    let role = store::lock_role(tx, id).await?;
    refuse_owner_role(&role)?;
    if role.is_default {
        return Err(Error::conflict(
            "default_role",
            "This role comes with every provider: it can be switched off, not deleted.",
        ));
    }
    must_hold(by, catalogue, &role.permissions)?;
    if role.staff_count > 0 {
        return Err(store::in_use());
    }
    store::delete_role(tx, id).await?;
    record(tx, by, "role.deleted", &role, Some(role.told()), None).await?;
    Ok(role)
}

/// Who asks a second factor of others and of themselves has one first: else their next click would lead away from what they do.
async fn refuse_to_lock_oneself_out(tx: &TenantTx, by: &By, role: &Role) -> Result<()> {
    let Some(staff) = by.staff() else { return Ok(()) };
    if store::has_role(tx, staff, role.id).await? && !mfa::is_on(tx, staff).await? {
        return Err(Error::conflict(
            "own_mfa_first",
            "You have this role yourself: set up your own two-step sign-in first, on your account's page.",
        ));
    }
    Ok(())
}

fn refuse_owner_role(role: &Role) -> Result<()> {
    if role.is_owner {
        return Err(Error::conflict("owner_role", "The owner's role holds everything, and stays as it is."));
    }
    Ok(())
}

async fn record(
    tx: &TenantTx,
    by: &By,
    action: &'static str,
    role: &Role,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
) -> Result<()> {
    let event = Event {
        action,
        object_type: "role",
        object_id: Some(role.id.0),
        object_label: &role.name,
        before,
        after,
    };
    by.record(tx, event).await
}
