//! What changed, told to every process: caches are believed only while this process listens.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream::poll_fn};
use tokio::{sync::mpsc, time::timeout};
use tokio_postgres::AsyncMessage;

use crate::{db::Db, types::TenantId};

const CHANNEL: &str = "lastmile_news";
const BUCKETS: usize = 4096;
const HEARTBEAT: Duration = Duration::from_millis(400);
const RETRY: Duration = Duration::from_millis(200);

/// Counts changes. A cached value carries the count it was loaded under and is believed only while the count stands:
/// a loader that began before a change can never put stale data back.
pub struct News {
    is_listening: AtomicBool,
    /// Rises at every (re)connection: what happened in between was not heard.
    connections: AtomicU64,
    registry: AtomicU64,
    /// Changes of staff, roles, keys and sessions, by tenant. Tenants that share a bucket only forget too often.
    access: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// The count under which something was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(u64, u64);

impl News {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            is_listening: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            registry: AtomicU64::new(0),
            access: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        })
    }

    /// The registry's count, or None while nobody listens: then nothing cached may be believed.
    pub fn registry_epoch(&self) -> Option<Epoch> {
        self.epoch(&self.registry)
    }

    /// The same for staff, roles, keys and sessions of one tenant.
    pub fn access_epoch(&self, tenant: TenantId) -> Option<Epoch> {
        self.epoch(self.bucket(tenant)?)
    }

    fn epoch(&self, counter: &AtomicU64) -> Option<Epoch> {
        self.is_listening
            .load(Ordering::Acquire)
            .then(|| Epoch(self.connections.load(Ordering::Acquire), counter.load(Ordering::Acquire)))
    }

    fn bucket(&self, tenant: TenantId) -> Option<&AtomicU64> {
        let hash = usize::try_from(self.hasher.hash_one(tenant) % 4096).unwrap_or_default();
        self.access.get(hash)
    }

    /// A tenant's registry entry or domains changed. Seen at once in this process.
    pub fn tenant_changed(&self) {
        self.registry.fetch_add(1, Ordering::AcqRel);
    }

    /// A tenant's staff, roles, keys or sessions changed. Seen at once in this process.
    pub fn access_changed(&self, tenant: TenantId) {
        if let Some(bucket) = self.bucket(tenant) {
            bucket.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn heard(&self, payload: &str) {
        match payload.split_once(':') {
            Some(("access", id)) => match id.parse() {
                Ok(tenant) => self.access_changed(tenant),
                Err(_) => tracing::warn!(payload, "news of no tenant"),
            },
            _ => self.tenant_changed(),
        }
    }

    /// Listens for as long as the process lives.
    pub async fn listen(self: Arc<Self>, db: Db) {
        loop {
            if let Err(error) = self.listen_once(&db).await {
                tracing::warn!(%error, "not listening for changes: caches are bypassed");
            }
            self.is_listening.store(false, Ordering::Release);
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn listen_once(&self, db: &Db) -> Result<(), tokio_postgres::Error> {
        let (client, mut connection) = db.connect_as(&db.roles().control()).await?;
        let (sender, mut messages) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut stream = poll_fn(move |cx| connection.poll_message(cx));
            while let Some(Ok(message)) = stream.next().await {
                if let AsyncMessage::Notification(news) = message
                    && sender.send(news.payload().to_owned()).is_err()
                {
                    break;
                }
            }
        });
        client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        self.connections.fetch_add(1, Ordering::AcqRel);
        self.is_listening.store(true, Ordering::Release);
        loop {
            match timeout(HEARTBEAT, messages.recv()).await {
                Ok(Some(payload)) => self.heard(&payload),
                Ok(None) => return Ok(()),
                // A dead peer never says so: ask it, and bypass the caches when no answer comes.
                Err(_quiet) => match timeout(HEARTBEAT, client.batch_execute("")).await {
                    Ok(answer) => answer?,
                    Err(_silent) => return Ok(()),
                },
            }
        }
    }
}
