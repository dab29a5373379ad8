//! Asking for a takeout, fetching it, removing it.

use std::sync::Arc;

use bytes::Bytes;
use chrono::Utc;
use futures_util::{Stream, stream};
use serde_json::json;
use uuid::Uuid;

use super::{
    make::MAKE,
    model::{Order, Status, Takeout},
    store,
};
use crate::{
    access::By,
    audit::Event,
    db::{Db, TenantTx},
    error::{Error, Result},
    jobs,
    secrets::{Keyring, TenantKeys},
    tenancy::{Registry, Tenant},
};

pub(super) const TABLE: &str = "takeout";
pub(super) const COLUMN: &str = "sealed_passphrase";
/// So many are listed.
const LISTED: i64 = 20;

/// What takeouts are made with.
#[derive(Clone)]
pub struct Takeouts {
    pub(super) registry: Registry,
    pub(super) keyring: Arc<Keyring>,
    pub(super) keys: TenantKeys,
}

impl Takeouts {
    pub fn new(registry: Registry, keyring: Arc<Keyring>, keys: TenantKeys) -> Self {
        Self { registry, keyring, keys }
    }

    pub(super) fn db(&self) -> &Db {
        self.registry.db()
    }

    /// Asks for one. It is made by a worker. 409 `takeout_under_way` while another one is.
    pub async fn ask(&self, by: &By, order: &Order) -> Result<Takeout> {
        by.must_have_proved()?;
        let id = Uuid::now_v7();
        let keys = self.keys.of(by.tenant.id()).await?;
        let sealed = order
            .passphrase
            .as_ref()
            .map(|passphrase| keys.seal(TABLE, COLUMN, id, passphrase.expose().as_bytes()))
            .transpose()?;
        self.db()
            .in_tenant(&by.tenant, async |tx| {
                store::insert(tx, id, order, &by.actor.label, sealed.as_deref()).await?;
                jobs::enqueue(tx, MAKE, id, Utc::now()).await?;
                by.record(tx, event("takeout.asked", id, order.kind.as_str())).await?;
                found(store::find(tx, id).await?)
            })
            .await
    }

    /// The newest first.
    pub async fn list(&self, tenant: &Tenant) -> Result<Vec<Takeout>> {
        self.db().read_tenant(tenant, async |tx| store::list(tx, LISTED).await).await
    }

    pub async fn find(&self, tenant: &Tenant, id: Uuid) -> Result<Takeout> {
        self.db().read_tenant(tenant, async |tx| found(store::find(tx, id).await?)).await
    }

    /// The file, part by part; the trail says who took it. 404 unless it was made and is kept.
    pub async fn fetch(
        &self,
        by: &By,
        id: Uuid,
    ) -> Result<(Takeout, impl Stream<Item = std::io::Result<Bytes>> + Send + use<>)> {
        by.must_have_proved()?;
        let takeout = self
            .db()
            .in_tenant(&by.tenant, async |tx| {
                let takeout = found(store::find(tx, id).await?.filter(is_there))?;
                by.record(tx, event("takeout.fetched", id, takeout.kind.as_str())).await?;
                Ok(takeout)
            })
            .await?;
        Ok((takeout, self.parts(by.tenant.clone(), id)))
    }

    fn parts(&self, tenant: Tenant, id: Uuid) -> impl Stream<Item = std::io::Result<Bytes>> + Send + use<> {
        let db = self.db().clone();
        stream::try_unfold(0_i32, move |position| {
            let (db, tenant) = (db.clone(), tenant.clone());
            async move {
                let part = db.read_tenant(&tenant, async |tx| store::part(tx, id, position).await).await;
                let part = part.map_err(|error| {
                    // The head of the answer is gone: the transfer breaks off, short of the length that it named.
                    tracing::warn!(%error, "a takeout broke off");
                    std::io::Error::other("the takeout broke off")
                })?;
                Ok(part.map(|part| (Bytes::from(part), position + 1)))
            }
        })
    }

    /// Removes the file; that there was one stays known.
    pub async fn remove(&self, by: &By, id: Uuid) -> Result<()> {
        self.db()
            .in_tenant(&by.tenant, async |tx| {
                let takeout = there(store::lock(tx, id).await?)?;
                forget(tx, id).await?;
                by.record(tx, event("takeout.removed", id, takeout.kind.as_str())).await
            })
            .await
    }
}

/// The bytes go, the row stays.
pub(super) async fn forget(tx: &TenantTx, id: Uuid) -> Result<()> {
    store::delete_parts(tx, id).await?;
    store::set_gone(tx, id).await
}

fn found(takeout: Option<Takeout>) -> Result<Takeout> {
    takeout.ok_or(Error::not_found("takeout"))
}

/// Whether it was made, and is kept yet.
fn is_there(takeout: &Takeout) -> bool {
    takeout.status == Status::Made && takeout.expires_at.is_some_and(|at| at > Utc::now())
}

fn there(takeout: Option<Takeout>) -> Result<Takeout> {
    let takeout = found(takeout)?;
    if is_there(&takeout) {
        return Ok(takeout);
    }
    Err(Error::conflict("takeout_not_there", "There is no file: it is not made yet, or not kept any more."))
}

pub(super) fn event(action: &'static str, id: Uuid, kind: &'static str) -> Event<'static> {
    Event {
        action,
        object_type: "takeout",
        object_id: Some(id),
        object_label: kind,
        before: None,
        after: Some(json!({ "kind": kind })),
    }
}
