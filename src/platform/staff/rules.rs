//! What people of the platform do to each other: invite, give another role, switch off, let in again.

use uuid::Uuid;

use super::{
    door::Door,
    model::{Person, Role},
    store::{self, Stay},
};
use crate::{
    access::{check_password, hash_of, hash_password, random_token},
    db::{ControlTx, Db},
    error::{Error, Result},
    tenancy::{Deed, Operator, note},
    types::{Check, EmailAddress, line},
};

const NAME_MAX_CHARS: usize = 100;
/// How long the link of an invitation counts.
pub const LINK_HOURS: i32 = 48;

/// An invitation that was made: the person, and the code of the link, which is in no table.
pub struct Invited {
    pub person: Person,
    pub code: String,
}

fn last_super_admin() -> Error {
    Error::conflict(
        "last_super_admin",
        "Nobody else could do what a super admin may. Invite another one first, and let them sign in.",
    )
}

fn own_account() -> Error {
    Error::conflict("own_account", "That is your own account. Somebody else has to do it.")
}

/// Everybody, those who are switched off last.
pub async fn list(db: &Db) -> Result<Vec<Person>> {
    db.read_public(async |tx| store::list_people(tx).await).await
}

pub async fn get(db: &Db, id: Uuid) -> Result<Person> {
    let found = db.read_public(async |tx| store::find_person(tx, id).await).await?;
    found.ok_or(Error::not_found("person"))
}

/// The person of this address.
pub async fn find_by_email(db: &Db, email: &str) -> Result<Option<Person>> {
    let Ok(email) = EmailAddress::parse(email) else { return Ok(None) };
    db.read_public(async |tx| store::find_by_email(tx, &email).await).await
}

/// Where somebody is signed in.
pub async fn stays(db: &Db, id: Uuid) -> Result<Vec<Stay>> {
    db.read_public(async |tx| store::list_stays(tx, id).await).await
}

pub async fn codes_left(db: &Db, id: Uuid) -> Result<i64> {
    db.read_public(async |tx| store::count_recovery_codes(tx, id).await).await
}

/// Makes a person who cannot come in yet, and the code of the link by which they can.
pub async fn invite(db: &Db, who: &Operator, name: &str, email: &str, role: &str) -> Result<Invited> {
    let mut check = Check::new();
    let name = check.field("name", line(name, NAME_MAX_CHARS));
    let email = check.field("email", EmailAddress::parse(email));
    let role = Role::parse(role);
    if role.is_none() {
        check.wrong("role", "unknown_role", "A role is super_admin, support_admin or read_only.");
    }
    let whole = (|| Some((name?, email?, role?)))();
    let (name, email, role) = check.finish(whole)?;
    let (id, code) = (Uuid::now_v7(), random_token());
    let person = db
        .in_public(async |tx| {
            store::insert_person(tx, id, &name, &email, role).await?;
            store::insert_link(tx, &hash_of(&code), id, LINK_HOURS).await?;
            let detail = serde_json::json!({"role": role.as_str()});
            note(
                tx,
                who,
                Deed { detail: Some(detail), ..Deed::on("platform_staff.invited", email.as_str()) },
            )
            .await?;
            store::find_person(tx, id).await?.ok_or(Error::not_found("person"))
        })
        .await?;
    Ok(Invited { person, code })
}

/// Another link by which the person chooses a password. Their second step stays what it is.
pub async fn renew_link(db: &Db, who: &Operator, id: Uuid) -> Result<Invited> {
    let code = random_token();
    let person = db
        .in_public(async |tx| {
            let person = store::find_person(tx, id).await?.ok_or(Error::not_found("person"))?;
            if !person.is_active {
                return Err(Error::conflict("disabled", "This person is switched off."));
            }
            store::insert_link(tx, &hash_of(&code), id, LINK_HOURS).await?;
            note(tx, who, Deed::on("platform_staff.link_made", &person.email)).await?;
            Ok(person)
        })
        .await?;
    Ok(Invited { person, code })
}

/// Gives somebody another role. Nobody changes their own, and the last super admin stays one.
pub async fn change_role(db: &Db, who: &Operator, by: Option<Uuid>, id: Uuid, role: &str) -> Result<()> {
    let role = Role::parse(role)
        .ok_or_else(|| Error::invalid("role", "unknown_role", "Choose one of the roles."))?;
    db.in_public(async |tx| {
        let person = store::lock_with_super_admins(tx, id).await?;
        if person.role == role {
            return Ok(());
        }
        keep_one(tx, &person).await?;
        if by == Some(id) {
            return Err(own_account());
        }
        store::update_role(tx, id, role).await?;
        if role < Role::SupportAdmin {
            store::end_support_stays(tx, id).await?;
        }
        let detail = serde_json::json!({"from": person.role.as_str(), "to": role.as_str()});
        note(tx, who, Deed { detail: Some(detail), ..Deed::on("platform_staff.role_changed", &person.email) })
            .await
    })
    .await
}

/// Refuses to take the powers of the last who has them.
async fn keep_one(tx: &ControlTx, person: &Person) -> Result<()> {
    let is_one = person.role == Role::SuperAdmin && person.is_active;
    if is_one && store::count_other_super_admins(tx, person.id).await? == 0 {
        return Err(last_super_admin());
    }
    Ok(())
}

/// Switches somebody off: out at once, everywhere. Nobody does it to themselves, and not to the last super admin.
pub async fn disable(db: &Db, who: &Operator, by: Option<Uuid>, id: Uuid) -> Result<()> {
    db.in_public(async |tx| {
        let person = store::lock_with_super_admins(tx, id).await?;
        if !person.is_active {
            return Ok(());
        }
        keep_one(tx, &person).await?;
        if by == Some(id) {
            return Err(own_account());
        }
        store::update_active(tx, id, false).await?;
        store::delete_sessions(tx, id, None).await?;
        store::end_support_stays(tx, id).await?;
        store::delete_links(tx, id).await?;
        note(tx, who, Deed::on("platform_staff.disabled", &person.email)).await
    })
    .await
}

/// Lets somebody in again who was switched off.
pub async fn enable(db: &Db, who: &Operator, id: Uuid) -> Result<()> {
    db.in_public(async |tx| {
        let person = store::lock_with_super_admins(tx, id).await?;
        if person.is_active {
            return Ok(());
        }
        store::update_active(tx, id, true).await?;
        note(tx, who, Deed::on("platform_staff.enabled", &person.email)).await
    })
    .await
}

/// Takes the second step away from somebody who has lost the app and the codes: they set up another before anything opens.
/// Nobody does it to themselves.
pub async fn reset_second_step(db: &Db, who: &Operator, by: Option<Uuid>, id: Uuid) -> Result<()> {
    db.in_public(async |tx| {
        let person = store::lock_with_super_admins(tx, id).await?;
        if by == Some(id) {
            return Err(own_account());
        }
        if !store::delete_app(tx, id).await? {
            return Err(Error::conflict("second_step_off", "This person has not set the second step up."));
        }
        store::delete_sessions(tx, id, None).await?;
        store::end_support_stays(tx, id).await?;
        note(tx, who, Deed::on("platform_staff.second_step_reset", &person.email)).await
    })
    .await
}

/// Signs somebody out everywhere but in the session named.
pub async fn end_sessions(db: &Db, who: &Operator, id: Uuid, except: Option<Uuid>) -> Result<()> {
    db.in_public(async |tx| {
        let person = store::find_person(tx, id).await?.ok_or(Error::not_found("person"))?;
        store::delete_sessions(tx, id, except).await?;
        note(tx, who, Deed::on("platform_staff.sessions_ended", &person.email)).await
    })
    .await
}

/// Signs the caller's own browser out.
pub async fn sign_out(db: &Db, who: &Operator, session: Uuid, email: &str) -> Result<()> {
    db.in_public(async |tx| {
        store::delete_session(tx, session).await?;
        note(tx, who, Deed::on("console.signed_out", email)).await
    })
    .await
}

/// Another password of one's own; every other stay ends.
pub async fn change_password(
    door: &Door,
    who: &Operator,
    person: &Person,
    session: Uuid,
    (current, new): (&str, &str),
) -> Result<()> {
    check_password(new, &[&person.email, &person.name])
        .map_err(|wrong| Error::Invalid(vec![wrong.at("password")]))?;
    door.prove_self(person, current, who).await?;
    let hash = hash_password(new).await?;
    door.db
        .in_public(async |tx| {
            store::update_password(tx, person.id, &hash).await?;
            store::delete_sessions(tx, person.id, Some(session)).await?;
            store::delete_links(tx, person.id).await?;
            note(tx, who, Deed::on("console.password_changed", &person.email)).await
        })
        .await
}
