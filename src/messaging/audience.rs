//! Whom a tenant can reach without entering them here: its customers. What knows them implements [`Directory`] and is plugged in
//! by `app`, so that messaging knows nothing of an internet provider's business.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Channel;
use crate::{
    db::TenantTx,
    error::Result,
    tenancy::Tenant,
    types::{ContactId, CustomerId},
};

/// Somebody who can be reached, with what a template may say of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    pub contact: Option<ContactId>,
    pub customer: Option<CustomerId>,
    pub name: String,
    /// BCP 47; None: the tenant's own language.
    pub language: Option<String>,
    /// As they were written down: parsed again before anything is sent to them. The first of a channel is used, with push all.
    pub addresses: Vec<(Channel, String)>,
    /// Values for templates: `name`, `first_name`, and what the directory knows besides.
    pub context: Map<String, Value>,
}

/// A part of those whom a directory knows: `{"kind": "area", "id": ".."}`, `{"kind": "expiring", "days": 7}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Segment {
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<i32>,
}

/// What a segment of some kind asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentNeeds {
    Nothing,
    /// One of [`Directory::choices`].
    One,
    /// A number of days, from 0 to 365.
    Days,
}

/// A kind of segment.
#[derive(Debug, Clone, Copy)]
pub struct SegmentKind {
    pub kind: &'static str,
    /// As a page offers it: "Customers of an area".
    pub label: &'static str,
    pub needs: SegmentNeeds,
}

/// Those whom the tenant knows from elsewhere. Every answer is of the entered tenant.
pub trait Directory: Send + Sync {
    fn kinds(&self) -> &'static [SegmentKind];

    /// What a segment that needs one can be of: (id, label), at most a thousand.
    fn choices<'a>(&'a self, tx: &'a TenantTx, kind: &'a str) -> BoxFuture<'a, Result<Vec<(Uuid, String)>>>;

    /// What people call the segment, "Expiring within 7 days"; None when there is no such one.
    fn label<'a>(&'a self, tx: &'a TenantTx, segment: &'a Segment) -> BoxFuture<'a, Result<Option<String>>>;

    /// One page of a segment in the order of customers' ids, after `after`.
    fn page<'a>(
        &'a self,
        tx: &'a TenantTx,
        tenant: &'a Tenant,
        segment: &'a Segment,
        after: Option<CustomerId>,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<Person>>>;

    /// How many a segment has.
    fn count<'a>(
        &'a self,
        tx: &'a TenantTx,
        tenant: &'a Tenant,
        segment: &'a Segment,
    ) -> BoxFuture<'a, Result<i64>>;

    /// Those of these customers who are there.
    fn find<'a>(
        &'a self,
        tx: &'a TenantTx,
        tenant: &'a Tenant,
        ids: &'a [CustomerId],
    ) -> BoxFuture<'a, Result<Vec<Person>>>;

    /// Customers whom typed words find: at most `limit`.
    fn search<'a>(
        &'a self,
        tx: &'a TenantTx,
        tenant: &'a Tenant,
        words: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<Person>>>;
}
