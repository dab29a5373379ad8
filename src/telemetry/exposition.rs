//! The port that Prometheus asks.

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use poem::{
    EndpointExt, IntoResponse, Response, Route, Server, get, handler,
    http::header,
    listener::{Acceptor, Listener, TcpListener},
    web::Data,
};
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;
use crate::{
    certificates,
    db::Db,
    error::{Error, Result},
    tenancy,
};

/// How often the database is asked for what it knows, however often somebody scrapes.
const ASK_EVERY: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const KEEP_UP_EVERY: Duration = Duration::from_secs(5);

/// Where the gauges come from.
#[derive(Clone)]
pub struct Sources {
    metrics: Arc<Metrics>,
    db: Db,
    asked: Arc<Mutex<Option<Instant>>>,
    /// Statuses that were shown once must fall to 0, not stay, when the last tenant leaves them.
    statuses: Arc<RwLock<Vec<String>>>,
}

impl Sources {
    pub fn new(metrics: Arc<Metrics>, db: Db) -> Self {
        Self { metrics, db, asked: Arc::default(), statuses: Arc::default() }
    }

    async fn render(&self) -> String {
        for pool in self.db.gauges() {
            let of = [("pool", pool.pool.as_str())];
            self.metrics.set("lastmile_db_pool_size", &of, count(pool.size));
            self.metrics.set("lastmile_db_pool_available", &of, count(pool.available));
            self.metrics.set("lastmile_db_pool_waiting", &of, count(pool.waiting));
        }
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|at| at.elapsed() >= ASK_EVERY) {
            match tokio::time::timeout(ANSWER_WITHIN, self.ask()).await {
                Ok(Ok(())) => *asked = Some(Instant::now()),
                Ok(Err(error)) => tracing::warn!(%error, "the database did not tell its gauges"),
                Err(_slow) => tracing::warn!("the database took too long over its gauges"),
            }
        }
        drop(asked);
        self.metrics.render()
    }

    async fn ask(&self) -> Result<()> {
        let counts = tenancy::count_by_status(&self.db).await?;
        {
            let mut shown = self.statuses.write().unwrap_or_else(PoisonError::into_inner);
            for gone in shown.iter().filter(|status| !counts.iter().any(|(of, _)| of == *status)) {
                self.metrics.set("lastmile_tenants", &[("status", gone)], 0.0);
            }
            *shown = counts.iter().map(|(status, _)| status.clone()).collect();
        }
        for (status, tenants) in &counts {
            self.metrics.set("lastmile_tenants", &[("status", status)], whole(*tenants));
        }
        for (state, certificates) in certificates::count_by_state(&self.db).await? {
            self.metrics.set("lastmile_certificates", &[("state", state)], whole(certificates));
        }
        let standing = tenancy::standing(&self.db).await?;
        self.metrics.set("lastmile_migrations_behind", &[], whole(standing.behind + standing.failed));
        self.metrics.set("lastmile_schema_pool_ready", &[], whole(tenancy::warm_count(&self.db).await?));
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn count(n: usize) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn whole(n: i64) -> f64 {
    n as f64
}

/// Answers `GET /metrics` until told to stop. The address is the one that was bound, for a port of 0.
pub async fn serve_metrics(
    listen: SocketAddr,
    sources: Sources,
    stop: CancellationToken,
) -> Result<(SocketAddr, JoinHandle<()>)> {
    let acceptor = TcpListener::bind(listen).into_acceptor().await.map_err(|error| {
        Error::invalid("metrics_listen", "cannot_listen", format!("metrics_listen {listen}: {error}."))
    })?;
    let bound =
        acceptor.local_addr().iter().find_map(|address| address.as_socket_addr().copied()).unwrap_or(listen);
    let metrics = sources.metrics.clone();
    let app = Route::new().at("/metrics", get(show)).data(sources);
    let serving = tokio::spawn(async move {
        let ended = stop.clone();
        let server = Server::new_with_acceptor(acceptor).run_with_graceful_shutdown(
            app,
            async move { ended.cancelled().await },
            Some(ANSWER_WITHIN),
        );
        tokio::select! {
            served = server => if let Err(error) = served {
                tracing::error!(%error, "metrics are no longer served");
            },
            () = keep_up(&metrics) => {}
        }
    });
    Ok((bound, serving))
}

async fn keep_up(metrics: &Metrics) {
    loop {
        tokio::time::sleep(KEEP_UP_EVERY).await;
        metrics.keep_up();
    }
}

#[handler]
async fn show(sources: Data<&Sources>) -> Response {
    sources.render().await.with_header(header::CONTENT_TYPE, "text/plain; version=0.0.4").into_response()
}
