//! The use cases of staff, roles and sign-in links, each one unit of work: what the API, the pages and the command line call.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    by::By,
    gate::Access,
    letters::{Desk, LinkLetter},
    links::{self, LinkOwner, Validity},
    lockout::forgive_account,
    mfa,
    passwords::{check_password, hash_password},
    right::Catalogue,
    roles::{self, NewRole, Role, RoleChanges},
    sessions::{Stay, end_stays},
    sso,
    staff::{self, Decided, Member, NewStaff, StaffChanges, StaffCounts, StaffFilter, StaffMark},
    store,
};
use crate::{
    audit::{self, Actor, ActorKind, Event},
    db::TenantTx,
    error::{Error, Result},
    secrets::TenantKeys,
    tenancy::{Resolver, Tenant},
    types::{Cursor, EmailAddress, Limit, RoleId, SessionId, StaffId},
    web::Origin,
};

/// A single-use link, as it is shown once.
#[derive(Debug, Clone)]
pub struct Link {
    pub url: String,
    pub expires_at: DateTime<Utc>,
    /// How long it counts, in words.
    pub valid_for: &'static str,
    pub was_mailed: bool,
}

/// What a new person is given to choose their first password with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invitation {
    /// Nothing: a link is made later.
    None,
    /// A link that is handed over by whoever asked.
    Shown,
    /// A link by mail; whoever asked sees it too.
    Mailed,
}

/// Staff, roles and links of every tenant. Cheap to clone.
#[derive(Clone)]
pub struct People(Arc<Parts>);

struct Parts {
    access: Access,
    keys: TenantKeys,
    resolver: Resolver,
}

impl People {
    pub fn new(access: Access, keys: TenantKeys, resolver: Resolver) -> Self {
        Self(Arc::new(Parts { access, keys, resolver }))
    }

    pub fn access(&self) -> &Access {
        &self.0.access
    }

    pub fn catalogue(&self) -> &Catalogue {
        self.0.access.catalogue()
    }

    async fn read<T>(
        &self,
        tenant: &Tenant,
        f: impl AsyncFnOnce(&TenantTx) -> Result<T> + Clone,
    ) -> Result<T> {
        self.0.access.0.db.read_tenant(tenant, f).await
    }

    /// What writing to this tenant's people takes.
    pub(super) async fn desk(&self, tenant: &Tenant) -> Result<Desk> {
        Ok(Desk {
            pages: self.0.access.pages().clone(),
            keys: self.0.keys.of(tenant.id()).await?,
            brand: self.0.access.brand(tenant).await?,
            portal_url: self.0.resolver.url_of(tenant),
        })
    }
}

/// Roles.
impl People {
    pub async fn list_roles(
        &self,
        by: &By,
        after: Option<&Cursor<String>>,
        limit: Limit,
        with_total: bool,
    ) -> Result<(Vec<Role>, Option<String>, Option<i64>)> {
        self.read(&by.tenant, async |tx| roles::list_roles(tx, after, limit, with_total).await).await
    }

    /// Every role, for pages and for the command line.
    pub async fn all_roles(&self, by: &By) -> Result<Vec<Role>> {
        self.read(&by.tenant, async |tx| roles::list_all(tx).await).await
    }

    pub async fn get_role(&self, by: &By, id: RoleId) -> Result<Role> {
        self.read(&by.tenant, async |tx| roles::get_role(tx, id).await).await
    }

    /// Two roles, as they are at the same moment.
    pub async fn get_roles(&self, by: &By, a: RoleId, b: RoleId) -> Result<(Role, Role)> {
        let look = async |tx: &TenantTx| Ok((roles::get_role(tx, a).await?, roles::get_role(tx, b).await?));
        self.read(&by.tenant, look).await
    }

    pub async fn create_role(&self, by: &By, new: &NewRole) -> Result<Role> {
        let catalogue = self.catalogue();
        self.0.access.change(&by.tenant, async |tx| roles::create_role(tx, by, catalogue, new).await).await
    }

    pub async fn change_role(&self, by: &By, id: RoleId, changes: &RoleChanges) -> Result<Role> {
        let catalogue = self.catalogue();
        let change = async |tx: &TenantTx| roles::change_role(tx, by, catalogue, id, changes).await;
        self.0.access.change(&by.tenant, change).await
    }

    pub async fn copy_role(&self, by: &By, id: RoleId, name: Option<&str>) -> Result<Role> {
        let catalogue = self.catalogue();
        let copy = async |tx: &TenantTx| roles::copy_role(tx, by, catalogue, id, name).await;
        self.0.access.change(&by.tenant, copy).await
    }

    pub async fn delete_role(&self, by: &By, id: RoleId) -> Result<Role> {
        let catalogue = self.catalogue();
        self.0.access.change(&by.tenant, async |tx| roles::delete_role(tx, by, catalogue, id).await).await
    }
}

/// Staff.
impl People {
    /// One page of people, and where the next one begins.
    pub async fn list_staff(
        &self,
        by: &By,
        filter: &StaffFilter,
        after: Option<&StaffMark>,
        limit: Limit,
    ) -> Result<(Vec<Member>, Option<StaffMark>)> {
        self.read(&by.tenant, async |tx| staff::list_page(tx, filter, after, limit).await).await
    }

    /// How many people a filter finds.
    pub async fn count_staff(&self, by: &By, filter: &StaffFilter) -> Result<i64> {
        self.read(&by.tenant, async |tx| staff::count_members(tx, filter).await).await
    }

    /// How many people a search finds in each state.
    pub async fn count_staff_by_state(&self, by: &By, filter: &StaffFilter) -> Result<StaffCounts> {
        self.read(&by.tenant, async |tx| staff::count_by_state(tx, filter).await).await
    }

    pub async fn get_staff(&self, by: &By, id: StaffId) -> Result<Member> {
        self.read(&by.tenant, async |tx| staff::get_member(tx, id).await).await
    }

    pub async fn find_staff_by_email(&self, by: &By, email: &EmailAddress) -> Result<Option<Member>> {
        self.read(&by.tenant, async |tx| staff::find_by_email(tx, email).await).await
    }

    /// Adds a person. With an invitation there is a link by which they choose their password.
    pub async fn create_staff(
        &self,
        by: &By,
        new: &NewStaff,
        invitation: Invitation,
    ) -> Result<(Member, Option<Link>)> {
        let catalogue = self.catalogue();
        let desk = self.desk(&by.tenant).await?;
        let create = async |tx: &TenantTx| {
            let member = staff::create_staff(tx, by, catalogue, new).await?;
            let link = match invitation {
                Invitation::None => None,
                Invitation::Shown => Some(make_link(tx, by, &desk, &member, false).await?),
                Invitation::Mailed => Some(make_link(tx, by, &desk, &member, true).await?),
            };
            Ok((member, link))
        };
        self.0.access.change(&by.tenant, create).await
    }

    pub async fn change_staff(&self, by: &By, id: StaffId, changes: &StaffChanges) -> Result<Member> {
        let catalogue = self.catalogue();
        let change = async |tx: &TenantTx| staff::change_staff(tx, by, catalogue, id, changes).await;
        self.0.access.change(&by.tenant, change).await
    }

    /// Makes a new link for somebody who has not accepted the invitation yet; the one before leads nowhere.
    pub async fn resend_invitation(&self, by: &By, id: StaffId, by_mail: bool) -> Result<(Member, Link)> {
        let catalogue = self.catalogue();
        let desk = self.desk(&by.tenant).await?;
        let resend = async |tx: &TenantTx| {
            let member = staff::lock_invited(tx, by, catalogue, id).await?;
            let link = make_link(tx, by, &desk, &member, by_mail).await?;
            Ok((member, link))
        };
        self.0.access.0.db.in_tenant(&by.tenant, resend).await
    }

    /// Takes an invitation back that was not accepted yet.
    pub async fn revoke_invitation(&self, by: &By, id: StaffId) -> Result<Member> {
        let catalogue = self.catalogue();
        let revoke = async |tx: &TenantTx| staff::revoke_invitation(tx, by, catalogue, id).await;
        self.0.access.change(&by.tenant, revoke).await
    }

    /// Hands the ownership over to a colleague. The caller has `role` from then on, and shows their password again for it.
    pub async fn transfer_ownership(
        &self,
        by: &By,
        to: StaffId,
        role: RoleId,
        password: &str,
    ) -> Result<Member> {
        let own = by.staff().ok_or_else(|| Error::forbidden("owner_only", "Only an owner hands it over."))?;
        let look = async |tx: &TenantTx| {
            // Whom there is not, nobody shows a password for.
            staff::get_member(tx, to).await?;
            store::find_email(tx, own).await
        };
        let email = self.read(&by.tenant, look).await?;
        self.0.access.prove_self(by, &email.unwrap_or_default(), password).await?;
        let transfer = async |tx: &TenantTx| staff::transfer_ownership(tx, by, to, role).await;
        self.0.access.change(&by.tenant, transfer).await
    }

    /// Where a colleague is signed in: browsers, the one seen last first, at most fifty.
    pub async fn sessions_of(&self, by: &By, id: StaffId) -> Result<Vec<Stay>> {
        let look = async |tx: &TenantTx| {
            let member = staff::get_member(tx, id).await?;
            store::list_sessions(tx, member.id).await
        };
        self.read(&by.tenant, look).await
    }

    /// What decides whether a person has a right. Asks for the right to see roles, too: the answer tells what they hold.
    pub async fn why(&self, by: &By, id: StaffId, right: &str) -> Result<(Member, Decided)> {
        by.require::<roles::ViewRoles>()?;
        let member = self.get_staff(by, id).await?;
        let decided = staff::decided(&member, by.tenant.status, self.catalogue().find(right));
        Ok((member, decided))
    }

    /// Ends one stay of a colleague's.
    pub async fn end_session_of(&self, by: &By, id: StaffId, session: SessionId) -> Result<Member> {
        let catalogue = self.catalogue();
        let end = async |tx: &TenantTx| staff::end_session_of(tx, by, catalogue, id, session).await;
        self.0.access.change(&by.tenant, end).await
    }

    /// Signs a colleague out everywhere.
    pub async fn end_sessions_of(&self, by: &By, id: StaffId) -> Result<Member> {
        let catalogue = self.catalogue();
        let end = async |tx: &TenantTx| {
            let member = staff::lock_within_reach(tx, by, catalogue, id).await?;
            staff::end_sessions_of(tx, by, &member).await?;
            Ok(member)
        };
        self.0.access.change(&by.tenant, end).await
    }

    /// Takes away the second factor of somebody who has lost it.
    pub async fn remove_mfa(&self, by: &By, id: StaffId) -> Result<Member> {
        by.must_have_proved()?;
        let catalogue = self.catalogue();
        let remove = async |tx: &TenantTx| {
            let member = staff::lock_within_reach(tx, by, catalogue, id).await?;
            mfa::remove_of(tx, by, &member).await?;
            Ok(member)
        };
        self.0.access.change(&by.tenant, remove).await
    }

    /// Forgets who a colleague is to the issuer of single sign-on.
    pub async fn forget_sso(&self, by: &By, id: StaffId) -> Result<Member> {
        by.must_have_proved()?;
        let catalogue = self.catalogue();
        let forget = async |tx: &TenantTx| {
            let member = staff::lock_within_reach(tx, by, catalogue, id).await?;
            sso::forget_identity(tx, by, &member).await?;
            Ok(member)
        };
        self.0.access.0.db.in_tenant(&by.tenant, forget).await
    }

    /// Makes a link by which this person chooses a password. The old password works until then.
    pub async fn issue_reset_link(&self, by: &By, id: StaffId, by_mail: bool) -> Result<(Member, Link)> {
        by.must_have_proved()?;
        let catalogue = self.catalogue();
        let desk = self.desk(&by.tenant).await?;
        let issue = async |tx: &TenantTx| {
            let member = staff::lock_within_reach(tx, by, catalogue, id).await?;
            let link = make_link(tx, by, &desk, &member, by_mail).await?;
            Ok((member, link))
        };
        self.0.access.0.db.in_tenant(&by.tenant, issue).await
    }
}

async fn make_link(tx: &TenantTx, by: &By, desk: &Desk, member: &Member, by_mail: bool) -> Result<Link> {
    let validity = if member.has_accepted { Validity::Reset } else { Validity::Welcome };
    if validity == Validity::Welcome {
        // Of an invitation there is one link at a time.
        links::forget_links(tx, member.id).await?;
    }
    let (code, expires_at) = links::issue(tx, member.id, validity).await?;
    let url = desk.link_of(&code);
    if by_mail {
        let letter = LinkLetter {
            name: &member.name,
            email: &member.email,
            link: &url,
            valid_for: validity.text(),
            send_before: expires_at,
            invited_by: (validity == Validity::Welcome).then_some(by.actor.label.as_str()),
        };
        desk.queue(tx, &letter).await?;
    }
    let event = Event {
        action: "staff.link_made",
        object_type: "staff",
        object_id: Some(member.id.0),
        object_label: &member.name,
        before: None,
        after: Some(json!({"mailed": by_mail, "expires_at": expires_at})),
    };
    by.record(tx, event).await?;
    Ok(Link { url, expires_at, valid_for: validity.text(), was_mailed: by_mail })
}

/// Forgotten passwords.
impl People {
    /// Mails a link to the person of this address. Whether there is one, the caller is never told; either way it is written
    /// into the audit trail.
    pub async fn ask_for_link(
        &self,
        tenant: &Tenant,
        origin: Option<&Origin>,
        email: &EmailAddress,
    ) -> Result<()> {
        let desk = self.desk(tenant).await?;
        let ask = async |tx: &TenantTx| {
            let found = staff::find_by_email(tx, email).await?.filter(|member| member.is_active);
            // Who is invited has forgotten nothing: else nobody's invitation would ever be too old.
            let mailed_to = found.as_ref().filter(|member| member.has_accepted);
            if let Some(member) = mailed_to
                && links::may_ask_again(tx, member.id).await?
                && !sso::is_closed_to(tx, member.id).await?
            {
                mail_reset_link(tx, &desk, member).await?;
            }
            let event = Event {
                action: "staff.link_asked",
                object_type: "staff",
                object_id: found.as_ref().map(|member| member.id.0),
                object_label: email.as_str(),
                before: None,
                after: None,
            };
            audit::record(tx, &Actor::anonymous(email.as_str()), origin, event).await
        };
        self.0.access.0.db.in_tenant(tenant, ask).await
    }

    /// Whom a link that still counts is for. Looking at it does not use it up.
    pub async fn look_at_link(&self, tenant: &Tenant, code: &str) -> Result<Option<LinkOwner>> {
        self.read(tenant, async |tx| links::find_live(tx, code).await).await
    }

    /// Whether single sign-on is the only way in for whom a link is for.
    pub async fn must_come_by_sso(&self, tenant: &Tenant, owner: &LinkOwner) -> Result<bool> {
        self.read(tenant, async |tx| sso::is_closed_to(tx, owner.id).await).await
    }

    /// Sets the password that a link lets its owner choose, and ends everything that went on under the old one. False when the
    /// link does not count (any more).
    pub async fn redeem_link(
        &self,
        tenant: &Tenant,
        origin: Option<&Origin>,
        code: &str,
        password: &str,
    ) -> Result<bool> {
        let Some(owner) = self.look_at_link(tenant, code).await? else { return Ok(false) };
        if self.must_come_by_sso(tenant, &owner).await? {
            return Err(sso::only());
        }
        check_password(password, &[&owner.email, &owner.name, &tenant.name])
            .map_err(|wrong| Error::Invalid(vec![wrong.at("password")]))?;
        let (hash, owner) = (hash_password(password).await?, &owner);
        let redeem = async |tx: &TenantTx| {
            let Some(staff) = links::use_up(tx, code).await? else { return Ok(false) };
            links::set_password(tx, staff, &hash).await?;
            end_stays(tx, staff, None).await?;
            links::forget_links(tx, staff).await?;
            forgive_account(tx, &owner.email).await?;
            let actor = Actor { kind: ActorKind::Staff, id: Some(staff.0), label: owner.name.clone() };
            let event = Event {
                action: "staff.password_set",
                object_type: "staff",
                object_id: Some(staff.0),
                object_label: &owner.name,
                before: None,
                after: None,
            };
            audit::record(tx, &actor, origin, event).await?;
            Ok(true)
        };
        self.0.access.change(tenant, redeem).await
    }
}

async fn mail_reset_link(tx: &TenantTx, desk: &Desk, member: &Member) -> Result<()> {
    let (code, expires_at) = links::issue(tx, member.id, Validity::Reset).await?;
    let letter = LinkLetter {
        name: &member.name,
        email: &member.email,
        link: &desk.link_of(&code),
        valid_for: Validity::Reset.text(),
        send_before: expires_at,
        invited_by: None,
    };
    desk.queue(tx, &letter).await
}
