//! Files that go along: read once for many deliveries, and never more of them in memory than there is room for.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    db::TenantTx,
    error::Result,
    messaging::{
        Messaging,
        messages::{Attached, Spoken, attachments},
        providers::{Attachment, Prepared},
    },
    tenancy::Tenant,
    types::{FileId, MessageId, TenantId},
};

/// Files that were read lately weigh at most so much together.
const REMEMBERED_BYTES: u64 = 64 * 1024 * 1024;
/// Requests that are ready to go out, or are going, weigh at most so much together, counting those alone that are not small.
const UNDER_WAY_KIB: u32 = 128 * 1024;
const SMALL_BYTES: usize = 64 * 1024;

/// The files of a message. None when one of them was deleted.
pub type Files = Option<Vec<Attachment>>;

/// Files that were read lately, and the room for requests that carry some.
pub struct FileRoom {
    known: moka::sync::Cache<(TenantId, FileId), Bytes>,
    under_way: Arc<Semaphore>,
}

impl FileRoom {
    pub fn new() -> Self {
        let weight = |_: &(TenantId, FileId), bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self {
            known: moka::sync::Cache::builder().max_capacity(REMEMBERED_BYTES).weigher(weight).build(),
            under_way: Arc::new(Semaphore::new(usize::try_from(UNDER_WAY_KIB).unwrap_or(usize::MAX))),
        }
    }

    /// The files of those of these messages that carry some.
    pub async fn of(
        &self,
        tx: &TenantTx,
        messaging: &Messaging,
        tenant: &Tenant,
        messages: &HashMap<MessageId, Arc<Spoken>>,
        now: DateTime<Utc>,
    ) -> Result<HashMap<MessageId, Files>> {
        let mut found = HashMap::new();
        for (id, spoken) in messages.iter().filter(|(_, spoken)| !spoken.attachments.is_empty()) {
            let mut files = Some(Vec::with_capacity(spoken.attachments.len()));
            for attached in &spoken.attachments {
                let bytes = self.bytes(tx, tenant, attached).await?;
                files = files.zip(bytes).map(|(mut files, bytes)| {
                    let link =
                        messaging.file_links.url(tenant, &messaging.resolver, attached.file(), now).ok();
                    let (name, content_type) = (attached.name.clone(), attached.media_type.clone());
                    files.push(Attachment { name, content_type, bytes, link });
                    files
                });
            }
            found.insert(*id, files);
        }
        Ok(found)
    }

    async fn bytes(&self, tx: &TenantTx, tenant: &Tenant, file: &Attached) -> Result<Option<Bytes>> {
        let key = (tenant.id(), file.file());
        if let Some(known) = self.known.get(&key) {
            return Ok(Some(known));
        }
        let read = attachments::bytes(tx, file.file()).await?;
        if let Some(bytes) = &read {
            self.known.insert(key, bytes.clone());
        }
        Ok(read)
    }

    /// Whether a request with these files can be made now. Asked before it is made: making it is the work.
    pub fn has_room(&self, files: &[Attachment]) -> bool {
        let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
        // As base64, with its wrapping.
        bytes == 0 || self.under_way.available_permits() > bytes / 1024 * 3 / 2
    }

    /// Room for a request until it is gone. `Ok(None)`: it needs none; `Err(())`: there is none.
    pub fn enter(&self, prepared: &Prepared) -> Result<Option<OwnedSemaphorePermit>, ()> {
        let bytes = prepared.weight();
        if bytes <= SMALL_BYTES {
            return Ok(None);
        }
        // One that is larger than all the room goes alone.
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).min(UNDER_WAY_KIB);
        self.under_way.clone().try_acquire_many_owned(kib).map(Some).map_err(drop)
    }
}
