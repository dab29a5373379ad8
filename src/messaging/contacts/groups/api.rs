//! Groups as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{Colour, Group, GroupDraft, Mark};
use crate::{
    access::ApiUser,
    db::Db,
    error::Result,
    messaging::contacts::{DeleteContacts, EditContacts, ViewContacts},
    types::{Cursor, GroupId, Limit, search::plain},
    web::{Body, Created, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// Groups of contacts.
    ContactGroups,
}

/// A group of contacts.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ContactGroup")]
pub struct GroupView {
    id: Uuid,
    name: String,
    colour: Colour,
    description: String,
    /// How many contacts are in it.
    members: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        Self {
            id: group.id.0,
            name: group.name,
            colour: group.colour,
            description: group.description,
            members: group.members,
            created_at: group.created_at,
            updated_at: group.updated_at,
        }
    }
}

/// One page of groups.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ContactGroupList")]
pub struct GroupList {
    items: Vec<GroupView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// A new group.
#[derive(Debug, Object)]
#[oai(rename = "NewContactGroup")]
pub struct NewGroupBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// `slate` unless said otherwise.
    #[oai(nullable)]
    colour: Option<Colour>,
    #[oai(nullable, validator(max_length = 500))]
    description: Option<String>,
}

/// Changes of a group; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ContactGroupChanges")]
pub struct GroupChangesBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    name: Option<String>,
    colour: Option<Colour>,
    #[oai(validator(max_length = 500))]
    description: Option<String>,
}

impl GroupChangesBody {
    fn over(self, was: GroupDraft) -> Result<GroupDraft> {
        GroupDraft::parse(
            &self.name.unwrap_or(was.name),
            self.colour.unwrap_or(was.colour).as_str(),
            &self.description.unwrap_or(was.description),
        )
    }
}

/// The operations on groups of contacts.
pub struct GroupsApi {
    db: Db,
}

impl GroupsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::ContactGroups")]
impl GroupsApi {
    /// List groups.
    #[oai(path = "/contact-groups", method = "get")]
    async fn list_contact_groups(
        &self,
        by: ApiUser<ViewContacts>,
        /// Found in names.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<GroupList>> {
        let limit = Limit::parse(limit.0)?;
        let mark = cursor.0.as_deref().map(Mark::decode).transpose()?;
        let q = q.0.as_deref().and_then(plain);
        let (items, more) = self
            .db
            .read_tenant(&by.tenant, async |tx| super::list(tx, q.as_deref(), mark.as_ref(), limit).await)
            .await?;
        let next_cursor = match items.last() {
            Some(last) if more => Some(Cursor(Mark::of(last)).encode()?),
            _ => None,
        };
        Ok(Json(GroupList { items: items.into_iter().map(GroupView::from).collect(), next_cursor }))
    }

    /// Add a group.
    ///
    /// Names are unique in any case: 409 `name_taken`. At most 500 groups: 409 `too_many`.
    #[oai(path = "/contact-groups", method = "post")]
    async fn create_contact_group(
        &self,
        by: ApiUser<EditContacts>,
        body: Body<NewGroupBody>,
    ) -> Result<Created<GroupView>> {
        let NewGroupBody { name, colour, description } = body.0;
        let colour = colour.map_or("", Colour::as_str);
        let draft = GroupDraft::parse(&name, colour, &description.unwrap_or_default())?;
        let group = self.db.in_tenant(&by.tenant, async |tx| super::create(tx, &by, &draft).await).await?;
        Ok(Created(group.into()))
    }

    /// Show a group.
    #[oai(path = "/contact-groups/:id", method = "get")]
    async fn get_contact_group(&self, by: ApiUser<ViewContacts>, id: Path<Uuid>) -> Result<Json<GroupView>> {
        let group = self.db.read_tenant(&by.tenant, async |tx| super::get(tx, GroupId(id.0)).await).await?;
        Ok(Json(group.into()))
    }

    /// Change a group.
    #[oai(path = "/contact-groups/:id", method = "patch")]
    async fn update_contact_group(
        &self,
        by: ApiUser<EditContacts>,
        id: Path<Uuid>,
        body: Body<GroupChangesBody>,
    ) -> Result<Json<GroupView>> {
        let body = &body.0;
        let group = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                super::change(tx, &by, GroupId(id.0), |was| body.clone().over(was)).await
            })
            .await?;
        Ok(Json(group.into()))
    }

    /// Delete a group.
    ///
    /// Its members stay contacts.
    #[oai(path = "/contact-groups/:id", method = "delete")]
    async fn delete_contact_group(&self, by: ApiUser<DeleteContacts>, id: Path<Uuid>) -> Result<NoContent> {
        self.db.in_tenant(&by.tenant, async |tx| super::remove(tx, &by, GroupId(id.0)).await).await?;
        Ok(NoContent)
    }
}
