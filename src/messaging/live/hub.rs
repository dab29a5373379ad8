//! One listener for the whole process, and what it hears passed on to those who watch that tenant.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream::poll_fn};
use tokio::{
    sync::{broadcast, mpsc},
    time::timeout,
};
use tokio_postgres::AsyncMessage;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    db::Db,
    error::{Error, Result},
    types::TenantId,
    words::say,
};

const CHANNEL: &str = "lastmile_live";
const HEARTBEAT: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(200);
/// Whoever lags behind by more than this reads everything anew instead.
const KEPT: usize = 256;
/// So many windows one person, or one key, may have open.
const WINDOWS_MAX: usize = 30;

/// What was heard. None: the listener was away, and anything may have happened.
pub type Topic = Option<Arc<str>>;

/// What this process hears, by tenant. Cheap to clone.
#[derive(Clone, Default)]
pub struct Hub(Arc<Parts>);

#[derive(Default)]
struct Parts {
    tenants: Mutex<HashMap<TenantId, broadcast::Sender<Topic>>>,
    windows: Mutex<HashMap<(TenantId, Uuid), usize>>,
    closing: CancellationToken,
}

/// An open window; it counts until it is dropped.
pub struct Window {
    hub: Hub,
    key: (TenantId, Uuid),
}

impl Drop for Window {
    fn drop(&mut self) {
        let mut windows = held(&self.hub.0.windows);
        if let Some(count) = windows.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                windows.remove(&self.key);
            }
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// What is told in this tenant from now on.
    pub fn watch(&self, tenant: TenantId) -> broadcast::Receiver<Topic> {
        let mut tenants = held(&self.0.tenants);
        tenants.entry(tenant).or_insert_with(|| broadcast::channel(KEPT).0).subscribe()
    }

    /// One more window of whoever it is.
    pub fn open(&self, tenant: TenantId, whose: Uuid) -> Result<Window> {
        let key = (tenant, whose);
        let mut windows = held(&self.0.windows);
        let count = windows.entry(key).or_default();
        if *count >= WINDOWS_MAX {
            return Err(Error::too_many(
                Duration::from_secs(30),
                say!("At most {} windows may be open at once.", WINDOWS_MAX),
            ));
        }
        *count += 1;
        Ok(Window { hub: self.clone(), key })
    }

    /// Sends everybody away: they come back to another process.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    pub fn closing(&self) -> CancellationToken {
        self.0.closing.clone()
    }

    fn heard(&self, payload: &str) {
        let Some((tenant, topic)) = payload.split_once(' ') else { return };
        let Ok(tenant) = tenant.parse::<TenantId>() else { return };
        let mut tenants = held(&self.0.tenants);
        // Nobody watches any more: the tenant is forgotten.
        if let Some(sender) = tenants.get(&tenant)
            && sender.send(Some(topic.into())).is_err()
        {
            tenants.remove(&tenant);
        }
    }

    fn anything(&self) {
        held(&self.0.tenants).retain(|_, sender| sender.send(None).is_ok());
    }

    /// Listens for as long as the process lives.
    pub async fn listen(self, db: Db) {
        loop {
            if let Err(error) = self.listen_once(&db).await {
                tracing::warn!(%error, "not listening for what is live");
            }
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
        self.anything();
        loop {
            match timeout(HEARTBEAT, messages.recv()).await {
                Ok(Some(payload)) => self.heard(&payload),
                Ok(None) => return Ok(()),
                // A dead peer never says so: it is asked.
                Err(_quiet) => match timeout(HEARTBEAT, client.batch_execute("")).await {
                    Ok(answer) => answer?,
                    Err(_silent) => return Ok(()),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_hears_of_its_own_alone() {
        let hub = Hub::default();
        let (ours, theirs) = (TenantId::new(), TenantId::new());
        let (mut a, mut b) = (hub.watch(ours), hub.watch(theirs));
        hub.heard(&format!("{ours} deliveries"));
        hub.heard("no tenant");
        hub.heard(&format!("{theirs} notices"));
        assert_eq!(a.try_recv().unwrap().as_deref(), Some("deliveries"));
        assert!(a.try_recv().is_err());
        assert_eq!(b.try_recv().unwrap().as_deref(), Some("notices"));
        hub.anything();
        assert_eq!((a.try_recv().unwrap(), b.try_recv().unwrap()), (None, None));
        drop((a, b));
        hub.anything();
        assert!(held(&hub.0.tenants).is_empty());
    }

    #[test]
    fn windows_are_counted() {
        let (hub, tenant, whose) = (Hub::default(), TenantId::new(), Uuid::new_v4());
        let open: Vec<Window> = (0..WINDOWS_MAX).map(|_| hub.open(tenant, whose).unwrap()).collect();
        assert!(hub.open(tenant, whose).is_err());
        assert!(hub.open(tenant, Uuid::new_v4()).is_ok());
        drop(open);
        assert!(held(&hub.0.windows).is_empty());
    }
}
