//! Contacts as programs see them.

use poem_openapi::{
    OpenApi, Tags,
    param::{Path, Query},
};
use uuid::Uuid;

use super::{
    DeleteContacts, EditContacts, ViewContacts,
    body::{
        self, BulkAction, BulkBody, BulkOutcome, ConflictList, ConflictView, ContactChangesBody, ContactList,
        ContactView, IfTakenBody, Known, NewContactBody, SettleBody,
    },
    bulk::{self, Chosen},
    conflicts, export,
    list::{self, Filter, Mark, Sort},
    model::{Contact, Draft, Fields, country_of},
    rules::{self, Wanted},
};
use crate::{
    access::ApiUser,
    db::{Db, TenantTx},
    error::Result,
    messaging::{Channel, suppression},
    sheets::Bom,
    types::{ConflictId, ContactId, Cursor, GroupId, Limit, search::Words},
    web::{
        Body, Created, Json, NoContent,
        sheet::{Format, Sheet},
    },
};

#[derive(Tags)]
enum Tag {
    /// People to write to who are no customers.
    Contacts,
}

/// What is known of these contacts' addresses besides.
pub async fn known(tx: &TenantTx, contacts: &[Contact]) -> Result<Known> {
    let addresses: Vec<(Channel, &str)> = contacts
        .iter()
        .flat_map(|one| one.draft.addresses.iter().map(|address| (address.channel(), address.as_str())))
        .collect();
    let (consents, suppressed) =
        futures_util::try_join!(suppression::consents_of(tx, &addresses), suppression::of(tx, &addresses))?;
    Ok(Known { consents, suppressed })
}

async fn view(tx: &TenantTx, contact: Contact) -> Result<ContactView> {
    let known = known(tx, std::slice::from_ref(&contact)).await?;
    Ok(ContactView::of(contact, &known))
}

fn groups(ids: &[Uuid]) -> Vec<GroupId> {
    ids.iter().copied().map(GroupId).collect()
}

/// 404 when the list is of a group that is not there.
async fn check_filter(tx: &TenantTx, filter: &Filter) -> Result<()> {
    match filter.group {
        Some(group) => super::groups::get(tx, group).await.map(drop),
        None => Ok(()),
    }
}

/// The operations on contacts.
pub struct ContactsApi {
    db: Db,
}

impl ContactsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Contacts")]
impl ContactsApi {
    /// List contacts.
    #[oai(path = "/contacts", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_contacts(
        &self,
        by: ApiUser<ViewContacts>,
        /// Found in names and addresses.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        group_id: Query<Option<Uuid>>,
        /// In any case.
        #[oai(validator(max_length = 50))]
        tag: Query<Option<String>>,
        /// Who can be reached by it.
        channel: Query<Option<Channel>>,
        /// `name` (as it is without) or `-created`.
        sort: Query<Option<String>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
        /// Whether to count them all.
        total: Query<Option<bool>>,
    ) -> Result<Json<ContactList>> {
        let limit = Limit::parse(limit.0)?;
        let sort = Sort::parse(sort.0.as_deref().unwrap_or_default())?;
        let mark = cursor.0.as_deref().map(|text| Mark::decode(text, sort)).transpose()?;
        let filter = filter(q.0.as_deref(), group_id.0, tag.0, channel.0);
        let (items, more, known, total) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                check_filter(tx, &filter).await?;
                let (items, more) = list::page(tx, &filter, sort, mark.as_ref(), limit).await?;
                let known = known(tx, &items).await?;
                let total = match total.0 {
                    Some(true) => Some(list::count(tx, &filter).await?),
                    _ => None,
                };
                Ok((items, more, known, total))
            })
            .await?;
        let next_cursor = match items.last() {
            Some(last) if more => Some(Cursor(Mark::of(last, sort)).encode()?),
            _ => None,
        };
        let items = items.into_iter().map(|one| ContactView::of(one, &known)).collect();
        Ok(Json(ContactList { items, next_cursor, total }))
    }

    /// Add a contact.
    ///
    /// Numbers without a prefix are of the provider's own country. An address belongs to one contact, in any case: 409
    /// `address_taken`, unless `if_address_taken` says otherwise.
    #[oai(path = "/contacts", method = "post")]
    async fn create_contact(
        &self,
        by: ApiUser<EditContacts>,
        body: Body<NewContactBody>,
    ) -> Result<Created<ContactView>> {
        let body = &body.0;
        let draft = Draft::parse(&body.asked(), &country_of(&by.tenant)?, Fields::Api)?;
        let made = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let wanted = Wanted {
                    draft: draft.clone(),
                    groups: body.group_ids.as_deref().map(groups),
                    if_taken: IfTakenBody::or_refuse(body.if_address_taken),
                    source: "api",
                };
                view(tx, rules::create(tx, &by, wanted).await?).await
            })
            .await?;
        Ok(Created(made))
    }

    /// Change many contacts.
    ///
    /// All of them, or none: 422 `unknown` when one is not there.
    #[oai(path = "/contacts/bulk", method = "post")]
    async fn change_contacts(
        &self,
        by: ApiUser<EditContacts>,
        body: Body<BulkBody>,
    ) -> Result<Json<BulkOutcome>> {
        let BulkBody { action, contact_ids, group_id, tag } = body.0;
        if action == BulkAction::Delete {
            by.require::<DeleteContacts>()?;
        }
        let action = body::action(action, group_id, tag.as_deref())?;
        let chosen = Chosen::Ids(contact_ids.into_iter().map(ContactId).collect());
        let changed = self
            .db
            .in_tenant_for(&by.tenant, bulk::AT_MOST, async |tx| bulk::act(tx, &by, &chosen, &action).await)
            .await?;
        Ok(Json(BulkOutcome { changed }))
    }

    /// Download contacts.
    ///
    /// At most 100,000, in the form that an import reads.
    #[oai(path = "/contacts/export", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn export_contacts(
        &self,
        by: ApiUser<ViewContacts>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        group_id: Query<Option<Uuid>>,
        #[oai(validator(max_length = 50))] tag: Query<Option<String>>,
        channel: Query<Option<Channel>>,
        sort: Query<Option<String>>,
        format: Query<Format>,
    ) -> Result<Sheet> {
        let sort = Sort::parse(sort.0.as_deref().unwrap_or_default())?;
        let filter = filter(q.0.as_deref(), group_id.0, tag.0, channel.0);
        self.db.read_tenant(&by.tenant, async |tx| check_filter(tx, &filter).await).await?;
        export::export(&self.db, &by, &filter, sort, format.0, Bom::Without).await
    }

    /// Show a contact.
    #[oai(path = "/contacts/:id", method = "get")]
    async fn get_contact(&self, by: ApiUser<ViewContacts>, id: Path<Uuid>) -> Result<Json<ContactView>> {
        let found = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                let contact = rules::get(tx, ContactId(id.0)).await?;
                view(tx, contact).await
            })
            .await?;
        Ok(Json(found))
    }

    /// Change a contact.
    #[oai(path = "/contacts/:id", method = "patch")]
    async fn update_contact(
        &self,
        by: ApiUser<EditContacts>,
        id: Path<Uuid>,
        body: Body<ContactChangesBody>,
    ) -> Result<Json<ContactView>> {
        let (body, country) = (&body.0, country_of(&by.tenant)?);
        let changed = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let wanted = |was: &Contact| {
                    Ok(Wanted {
                        draft: Draft::parse(&body.over(&was.draft), &country, Fields::Api)?,
                        groups: body.group_ids.as_deref().map(groups),
                        if_taken: IfTakenBody::or_refuse(body.if_address_taken),
                        source: "api",
                    })
                };
                let contact = rules::change(tx, &by, ContactId(id.0), wanted).await?;
                view(tx, contact).await
            })
            .await?;
        Ok(Json(changed))
    }

    /// Delete a contact.
    ///
    /// What was sent stays. Suppressions of the contact's addresses stay, too.
    #[oai(path = "/contacts/:id", method = "delete")]
    async fn delete_contact(&self, by: ApiUser<DeleteContacts>, id: Path<Uuid>) -> Result<NoContent> {
        self.db.in_tenant(&by.tenant, async |tx| rules::remove(tx, &by, ContactId(id.0)).await).await?;
        Ok(NoContent)
    }

    /// List conflicts.
    ///
    /// Addresses that somebody claims and another contact has: those that wait, the newest first.
    #[oai(path = "/contact-conflicts", method = "get")]
    async fn list_contact_conflicts(
        &self,
        by: ApiUser<ViewContacts>,
        /// Those that were settled instead.
        settled: Query<Option<bool>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<ConflictList>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(Cursor::<ConflictId>::decode).transpose()?.map(|c| c.0);
        let is_open = settled.0 != Some(true);
        let (items, more) = self
            .db
            .read_tenant(&by.tenant, async |tx| conflicts::list(tx, is_open, before, limit).await)
            .await?;
        let next_cursor = match items.last() {
            Some(last) if more => Some(Cursor(last.id).encode()?),
            _ => None,
        };
        Ok(Json(ConflictList { items: items.into_iter().map(ConflictView::from).collect(), next_cursor }))
    }

    /// Settle a conflict.
    ///
    /// `keep`: the address stays with its owner. `move`: the claimant gets it; a name that only came in becomes a contact. `merge`:
    /// both are one person; the claimant goes into the owner, who keeps the name and gets what they lack. 409 `already_settled`.
    #[oai(path = "/contact-conflicts/:id/settle", method = "post")]
    async fn settle_contact_conflict(
        &self,
        by: ApiUser<EditContacts>,
        id: Path<Uuid>,
        body: Body<SettleBody>,
    ) -> Result<Json<ConflictView>> {
        let decision = body.0.decision;
        let settled = self
            .db
            .in_tenant(&by.tenant, async |tx| conflicts::settle(tx, &by, ConflictId(id.0), decision).await)
            .await?;
        Ok(Json(settled.into()))
    }
}

fn filter(q: Option<&str>, group: Option<Uuid>, tag: Option<String>, channel: Option<Channel>) -> Filter {
    let tag = tag.map(|tag| tag.replace('\0', "")).filter(|tag| !tag.is_empty());
    Filter { words: q.and_then(Words::parse), group: group.map(GroupId), tag, channel }
}
