//! Staff as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    ManageStaff, ViewStaff,
    model::{Member, NewStaff, StaffChanges, StaffFilter},
};
use crate::{
    access::{
        extract::ApiUser,
        pages::device_of,
        people::{Invitation, Link, People},
        right::Owner,
        sessions::Stay,
    },
    error::Result,
    types::{Cursor, Limit},
    web::{Body, Created, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// People who work here, and what they may do.
    Staff,
}

/// A role, as somebody has it.
#[derive(Debug, Serialize, Object)]
pub struct StaffRole {
    id: Uuid,
    name: String,
}

/// A person who works here.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Staff")]
pub struct StaffView {
    id: Uuid,
    name: String,
    email: String,
    /// As the person wrote it on their own page; E.164 where the country's numbering plan knows it.
    #[oai(nullable)]
    phone: Option<String>,
    has_avatar: bool,
    is_active: bool,
    /// May do everything.
    is_owner: bool,
    /// False until an invited person has chosen a password, and for those who sign in without one.
    has_password: bool,
    /// Signs in with a second step.
    has_mfa: bool,
    /// Has come by single sign-on.
    has_sso: bool,
    /// Until when an invitation that was not accepted yet counts; null when it is too old, and for everybody else.
    #[oai(nullable)]
    invited_until: Option<DateTime<Utc>>,
    roles: Vec<StaffRole>,
    #[oai(nullable)]
    last_signed_in_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Member> for StaffView {
    fn from(member: Member) -> Self {
        Self {
            id: member.id.0,
            is_owner: member.is_owner(),
            name: member.name,
            email: member.email,
            phone: member.phone,
            has_avatar: member.avatar.is_some(),
            is_active: member.is_active,
            has_password: member.has_password,
            has_mfa: member.has_mfa,
            has_sso: member.has_sso,
            invited_until: member.invited_until,
            roles: member
                .roles
                .into_iter()
                .map(|role| StaffRole { id: role.id.0, name: role.name })
                .collect(),
            last_signed_in_at: member.last_signed_in_at,
            created_at: member.created_at,
            updated_at: member.updated_at,
        }
    }
}

/// One page of staff.
#[derive(Debug, Serialize, Object)]
pub struct StaffList {
    items: Vec<StaffView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

/// A new person.
#[derive(Debug, Object)]
#[oai(rename = "NewStaff")]
pub struct NewStaffBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// They sign in with it. It may be in use at other providers.
    #[oai(validator(max_length = 254))]
    email: String,
    /// None that holds more than the caller does.
    #[oai(validator(min_items = 1, max_items = 50))]
    role_ids: Vec<Uuid>,
    /// Mail a link by which the person chooses a password; true unless said otherwise.
    #[oai(nullable)]
    send_mail: Option<bool>,
}

/// Changes of a person; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename = "StaffChanges")]
pub struct StaffChangesBody {
    #[oai(nullable, validator(min_length = 1, max_length = 100))]
    name: Option<String>,
    #[oai(nullable, validator(max_length = 254))]
    email: Option<String>,
    /// The roles that the person is to have. Those that the caller may not take stay, listed or not.
    #[oai(nullable, validator(max_items = 50))]
    role_ids: Option<Vec<Uuid>>,
    #[oai(nullable)]
    is_active: Option<bool>,
}

/// How a sign-in link is handed over.
#[derive(Debug, Object)]
#[oai(rename = "NewResetLink")]
pub struct ResetLinkBody {
    /// Mail it to the person; else the answer holds it. True unless said otherwise.
    #[oai(nullable)]
    send_mail: Option<bool>,
}

/// A link by which a person chooses a password, once.
#[derive(Debug, Serialize, Object)]
pub struct ResetLink {
    /// The person's address.
    email: String,
    was_mailed: bool,
    /// Only when it was not mailed. It is shown this once, and lets in whoever opens it first.
    #[oai(nullable)]
    link: Option<String>,
    expires_at: DateTime<Utc>,
}

/// A browser in which somebody is signed in.
#[derive(Debug, Serialize, Object)]
pub struct StaffSession {
    id: Uuid,
    /// As far as the browser's name for itself says so: "Chrome on Linux".
    device: String,
    #[oai(nullable)]
    address: Option<String>,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
}

impl From<Stay> for StaffSession {
    fn from(stay: Stay) -> Self {
        Self {
            id: stay.id.0,
            device: device_of(stay.user_agent.as_deref().unwrap_or_default()),
            address: stay.address,
            created_at: stay.created_at,
            last_seen_at: stay.last_seen_at,
        }
    }
}

/// Where somebody is signed in.
#[derive(Debug, Serialize, Object)]
pub struct StaffSessions {
    items: Vec<StaffSession>,
}

impl StaffSessions {
    pub fn of(stays: Vec<Stay>) -> Self {
        Self { items: stays.into_iter().map(StaffSession::from).collect() }
    }
}

/// What decides whether a person has a right.
#[derive(Debug, Serialize, Object)]
pub struct StaffRight {
    right: String,
    is_allowed: bool,
    /// `owner` or `role` where it is allowed; else `no_role`, `role_off`, `second_step_missing`, `invitation_open`, `staff_disabled`, `tenant_not_active` or
    /// `unknown_right`.
    reason: String,
    /// The same as a sentence.
    detail: String,
    /// The names of the roles that it comes down to.
    roles: Vec<String>,
}

/// What handing the ownership over takes.
#[derive(Debug, Object)]
#[oai(rename = "OwnershipTransfer")]
pub struct OwnershipBody {
    /// The caller's own, once more.
    #[oai(validator(min_length = 1, max_length = 200))]
    current_password: String,
    /// The role that the caller has from then on.
    role_id: Uuid,
}

impl ResetLink {
    fn of(member: Member, link: Link, by_mail: bool) -> Self {
        Self {
            email: member.email,
            was_mailed: link.was_mailed,
            link: (!by_mail).then_some(link.url),
            expires_at: link.expires_at,
        }
    }
}

/// Operations on staff.
pub struct StaffApi {
    people: People,
}

impl StaffApi {
    pub fn new(people: People) -> Self {
        Self { people }
    }
}

#[OpenApi(tag = "Tag::Staff")]
impl StaffApi {
    /// List staff
    ///
    /// By name.
    #[oai(path = "/staff", method = "get", operation_id = "list_staff")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the query")]
    async fn list_staff(
        &self,
        by: ApiUser<ViewStaff>,
        /// A part of the name or address.
        #[oai(validator(max_length = 100))]
        search: Query<Option<String>>,
        is_active: Query<Option<bool>>,
        /// Those who have been invited and have not chosen a password yet; or those who have.
        is_invited: Query<Option<bool>>,
        /// 1-200; 25 unless said otherwise.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
        /// Count them all as well.
        total: Query<Option<bool>>,
    ) -> Result<Json<StaffList>> {
        let limit = Limit::parse(limit.0)?;
        let after = cursor.0.as_deref().map(Cursor::decode).transpose()?;
        let filter = StaffFilter { search: search.0, is_active: is_active.0, is_invited: is_invited.0 };
        let after = after.as_ref().map(|cursor| &cursor.0);
        let (members, next) = self.people.list_staff(&by, &filter, after, limit).await?;
        let total =
            if total.0 == Some(true) { Some(self.people.count_staff(&by, &filter).await?) } else { None };
        Ok(Json(StaffList {
            items: members.into_iter().map(StaffView::from).collect(),
            next_cursor: next.map(|mark| Cursor(mark).encode()).transpose()?,
            total,
        }))
    }

    /// Add a person
    ///
    /// They are invited: a mailed link lets them choose a password, once, within seven days. 403 when a role holds more than the caller does.
    #[oai(path = "/staff", method = "post", operation_id = "create_staff")]
    async fn create_staff(
        &self,
        by: ApiUser<ManageStaff>,
        body: Body<NewStaffBody>,
    ) -> Result<Created<StaffView>> {
        let NewStaffBody { name, email, role_ids, send_mail } = body.0;
        let new = NewStaff::parse(&name, &email, &role_ids)?;
        let invitation = if send_mail == Some(false) { Invitation::None } else { Invitation::Mailed };
        let (member, _link) = self.people.create_staff(&by, &new, invitation).await?;
        Ok(Created(member.into()))
    }

    /// Read a person
    #[oai(path = "/staff/:id", method = "get", operation_id = "get_staff")]
    async fn get_staff(&self, by: ApiUser<ViewStaff>, id: Path<Uuid>) -> Result<Json<StaffView>> {
        Ok(Json(self.people.get_staff(&by, id.0.into()).await?.into()))
    }

    /// Change a person
    ///
    /// 403 for an owner unless the caller is one, and for the address or state of a person who may do more than the caller. 409
    /// `last_owner` and `own_account` keep an owner, and the caller, from being switched off.
    #[oai(path = "/staff/:id", method = "patch", operation_id = "change_staff")]
    async fn change_staff(
        &self,
        by: ApiUser<ManageStaff>,
        id: Path<Uuid>,
        body: Body<StaffChangesBody>,
    ) -> Result<Json<StaffView>> {
        let changes = StaffChanges::parse(
            body.0.name.as_deref(),
            body.0.email.as_deref(),
            body.0.role_ids.as_deref(),
            body.0.is_active,
        )?;
        Ok(Json(self.people.change_staff(&by, id.0.into(), &changes).await?.into()))
    }

    /// Send an invitation again
    ///
    /// The link before leads nowhere from now on; the new one counts once, for seven days. 409 `already_accepted` when the person
    /// has chosen a password, `staff_disabled` when the invitation was revoked; 403 for a person who may do more than the caller.
    #[oai(path = "/staff/:id/invitation", method = "post", operation_id = "resend_invitation")]
    async fn resend_invitation(
        &self,
        by: ApiUser<ManageStaff>,
        id: Path<Uuid>,
        body: Body<ResetLinkBody>,
    ) -> Result<Created<ResetLink>> {
        let by_mail = body.0.send_mail != Some(false);
        let (member, link) = self.people.resend_invitation(&by, id.0.into(), by_mail).await?;
        Ok(Created(ResetLink::of(member, link, by_mail)))
    }

    /// Revoke an invitation
    ///
    /// Its link leads nowhere, and the person is switched off. 409 `already_accepted` when they have chosen a password.
    #[oai(path = "/staff/:id/invitation", method = "delete", operation_id = "revoke_invitation")]
    async fn revoke_invitation(&self, by: ApiUser<ManageStaff>, id: Path<Uuid>) -> Result<NoContent> {
        self.people.revoke_invitation(&by, id.0.into()).await?;
        Ok(NoContent)
    }

    /// List a person's sessions
    ///
    /// Browsers in which they are signed in now, the one seen last first, at most fifty.
    #[oai(path = "/staff/:id/sessions", method = "get", operation_id = "list_staff_sessions")]
    async fn list_staff_sessions(
        &self,
        by: ApiUser<ManageStaff>,
        id: Path<Uuid>,
    ) -> Result<Json<StaffSessions>> {
        let stays = self.people.sessions_of(&by, id.0.into()).await?;
        Ok(Json(StaffSessions::of(stays)))
    }

    /// End one session of a person
    ///
    /// In one browser. 404 for a session that is not theirs or has ended, 403 for a person who may do more than the caller, 409 `own_account`
    /// for oneself.
    #[oai(path = "/staff/:id/sessions/:session_id", method = "delete", operation_id = "end_staff_session")]
    async fn end_staff_session(
        &self,
        by: ApiUser<ManageStaff>,
        id: Path<Uuid>,
        session_id: Path<Uuid>,
    ) -> Result<NoContent> {
        self.people.end_session_of(&by, id.0.into(), session_id.0.into()).await?;
        Ok(NoContent)
    }

    /// Ask why a person may do something, or may not
    ///
    /// What decides at this moment: the roles that give the right, or what keeps the person from it. Asks for `roles.view`, too.
    #[oai(path = "/staff/:id/rights/:right", method = "get", operation_id = "explain_staff_right")]
    async fn explain_staff_right(
        &self,
        by: ApiUser<ViewStaff>,
        id: Path<Uuid>,
        /// A code of the permission catalogue, such as `customers.view`.
        right: Path<String>,
    ) -> Result<Json<StaffRight>> {
        let (_, decided) = self.people.why(&by, id.0.into(), &right.0).await?;
        Ok(Json(StaffRight {
            right: right.0,
            is_allowed: decided.is_allowed,
            reason: decided.reason.to_owned(),
            detail: decided.detail,
            roles: decided.roles,
        }))
    }

    /// Sign a person out
    ///
    /// Everywhere: every session ends, and every sign-in of a program. 403 for a person who may do more than the caller, 409
    /// `own_account` for oneself.
    #[oai(path = "/staff/:id/sessions", method = "delete", operation_id = "end_staff_sessions")]
    async fn end_staff_sessions(&self, by: ApiUser<ManageStaff>, id: Path<Uuid>) -> Result<NoContent> {
        self.people.end_sessions_of(&by, id.0.into()).await?;
        Ok(NoContent)
    }

    /// Hand the ownership over
    ///
    /// The person becomes an owner in the caller's place, who has `role_id` from then on. Owners only, with their password. 409
    /// `not_accepted`, `staff_disabled`, `already_owner` and `own_account` say who cannot become it.
    #[oai(path = "/staff/:id/ownership", method = "post", operation_id = "transfer_ownership")]
    async fn transfer_ownership(
        &self,
        by: ApiUser<Owner>,
        id: Path<Uuid>,
        body: Body<OwnershipBody>,
    ) -> Result<Json<StaffView>> {
        let OwnershipBody { current_password, role_id } = body.0;
        let heir =
            self.people.transfer_ownership(&by, id.0.into(), role_id.into(), &current_password).await?;
        Ok(Json(heir.into()))
    }

    /// Take a person's second step away
    ///
    /// For somebody who has lost the app and the recovery codes: they are signed out, and their password alone signs them in until
    /// they set up another. 403 for a person who may do more than the caller; 409 `mfa_off` when there is nothing to take away,
    /// `own_account` for oneself.
    #[oai(path = "/staff/:id/mfa", method = "delete", operation_id = "remove_staff_mfa")]
    async fn remove_staff_mfa(&self, by: ApiUser<ManageStaff>, id: Path<Uuid>) -> Result<NoContent> {
        self.people.remove_mfa(&by, id.0.into()).await?;
        Ok(NoContent)
    }

    /// Make a sign-in link
    ///
    /// The old password works until the link is used.
    #[oai(path = "/staff/:id/reset-link", method = "post", operation_id = "create_reset_link")]
    async fn create_reset_link(
        &self,
        by: ApiUser<ManageStaff>,
        id: Path<Uuid>,
        body: Body<ResetLinkBody>,
    ) -> Result<Created<ResetLink>> {
        let by_mail = body.0.send_mail != Some(false);
        let (member, link) = self.people.issue_reset_link(&by, id.0.into(), by_mail).await?;
        Ok(Created(ResetLink::of(member, link, by_mail)))
    }
}
