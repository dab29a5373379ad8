//! The server: starts, serves, drains, ends.

use std::{net::SocketAddr, time::Duration};

use poem::{Server, listener::TcpAcceptor};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{App, Parts, background, front::Front, probes::Draining};
use crate::{
    error::{Error, OrInternal, Result},
    telemetry::{self, Sources},
    tenancy,
};

/// Longer than the pause after which a proxy gives an idle connection up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a proxy is given to notice that this server is not ready for more.
const DRAIN_NOTICE: Duration = Duration::from_millis(300);
const MIGRATE_PARALLEL: usize = 2;

/// What this process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    All,
    Web,
    Worker,
}

/// Serves until `stop` is cancelled, then finishes what runs. `ready` hears the address once requests are taken.
pub async fn serve(
    parts: Parts,
    role: Role,
    stop: CancellationToken,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    if parts.settings.migrate_on_start {
        parts.prepare().await?;
    }
    let app = App::build(parts.clone()).await?;
    let measuring = match parts.settings.metrics_listen {
        Some(listen) => {
            parts.metrics.install();
            let sources = Sources::new(parts.metrics.clone(), parts.db.clone());
            let (address, serving) = telemetry::serve_metrics(listen, sources, stop.clone()).await?;
            tracing::info!(%address, "metrics are served");
            Some(serving)
        }
        None => None,
    };
    let listen = parts.settings.listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| Error::invalid("listen", "cannot_listen", format!("listen {listen}: {error}.")))?;
    let address = listener.local_addr().internal()?;
    let mut tasks = JoinSet::new();
    let news = parts.registry.news().clone();
    let listening = tokio::spawn(news.listen(parts.db.clone()));
    let hub = app.hub.clone();
    let live = tokio::spawn(hub.clone().listen(parts.db.clone()));
    if parts.settings.migrate_on_start {
        let db = parts.db.clone();
        tasks.spawn(async move {
            if let Err(error) = tenancy::migrate_tenants(&db, None, MIGRATE_PARALLEL, |_, _| {}).await {
                tracing::error!(%error, "schemas could not be migrated");
            }
        });
    }
    tasks.spawn(background::attend(app.clone(), role, stop.clone()));
    if role != Role::Web {
        tasks.spawn(background::work(app.clone(), stop.clone()));
    }
    let draining = Draining::default();
    let access = app.access.clone();
    let front = Front::new(app, draining.clone());
    ready(address);
    let told = async move {
        stop.cancelled().await;
        draining.begin();
        tokio::time::sleep(DRAIN_NOTICE).await;
        // What would be open for ever comes back to another process.
        hub.close();
    };
    let grace = parts.settings.shutdown_grace();
    Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).internal()?)
        .idle_timeout(IDLE_TIMEOUT)
        .run_with_graceful_shutdown(front, told, Some(grace))
        .await
        .internal()?;
    let finishing = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, finishing).await.is_err() {
        tracing::warn!("background work did not end in time; its leases will run out");
    }
    // No request comes any more: what was counted last is written down.
    access.write_use().await;
    if let Some(serving) = measuring
        && let Err(error) = serving.await
    {
        tracing::warn!(%error, "metrics did not end well");
    }
    listening.abort();
    live.abort();
    Ok(())
}
