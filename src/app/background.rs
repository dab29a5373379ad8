//! What runs beside the requests: warm schemas, jobs, closing tenants, domains looked at again.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::{App, Role, processes::Process};
use crate::{
    audit::{PlatformSealer, Sealer},
    certificates::{Folder, Orders},
    error::Result,
    platform,
    tenancy::{self, Registry},
};

const WARM_EVERY: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const FIGURES_EVERY: Duration = Duration::from_secs(300);
const PLATFORM_MAIL_EVERY: Duration = Duration::from_secs(2);
const PLATFORM_LOG_EVERY: Duration = Duration::from_secs(5);
const INVOICES_EVERY: Duration = Duration::from_secs(60);
const PAYMENTS_EVERY: Duration = Duration::from_secs(15);
const KEY_USE_EVERY: Duration = Duration::from_secs(2);
const SIGHTINGS_EVERY: Duration = Duration::from_secs(2);
const ALERTS_EVERY: Duration = Duration::from_secs(5);
const PROCESSES_EVERY: Duration = Duration::from_secs(1);
const CERTIFICATES_EVERY: Duration = Duration::from_secs(2);
const LIMITS_EVERY: Duration = Duration::from_secs(300);

/// Runs `work` now and then until told to stop. A failure is logged and tried again at the next turn.
pub async fn every<F: Future<Output = Result<()>>>(
    name: &'static str,
    pause: Duration,
    stop: CancellationToken,
    mut work: impl FnMut() -> F,
) {
    loop {
        if let Err(error) = work().await {
            tracing::warn!(work = name, %error, "background work failed");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The worker's tasks. They end when `stop` is cancelled and what they are at is done.
pub async fn work(app: App, stop: CancellationToken) {
    let warm = app.clone();
    let closing = app.parts.registry.clone();
    let domains = app.clone();
    let sealer = Sealer::new(app.parts.registry.clone(), app.anchor.clone());
    let letters = (app.parts.db.clone(), app.platform_post.clone());
    let figures = app.parts.db.clone();
    let (invoices, payments) = (app.invoicing.clone(), app.invoicing.clone());
    let alerts = app.alerts.clone();
    let log = (app.parts.db.clone(), Arc::new(PlatformSealer::new(app.anchor.clone())));
    tokio::join!(
        every("the platform's log", PLATFORM_LOG_EVERY, stop.clone(), move || {
            let (db, sealer) = log.clone();
            async move { sealer.round(&db).await }
        }),
        every("letters of the platform", PLATFORM_MAIL_EVERY, stop.clone(), move || {
            let (db, post) = letters.clone();
            async move { post.round(&db).await }
        }),
        every("figures of tenants", FIGURES_EVERY, stop.clone(), move || {
            let db = figures.clone();
            async move { platform::measure(&db).await.map(drop) }
        }),
        every("invoices", INVOICES_EVERY, stop.clone(), move || {
            let invoicing = invoices.clone();
            async move { invoicing.round(Utc::now().date_naive()).await }
        }),
        every("payments", PAYMENTS_EVERY, stop.clone(), move || {
            let invoicing = payments.clone();
            async move { invoicing.reconcile().await }
        }),
        every("alerts", ALERTS_EVERY, stop.clone(), move || {
            let alerts = alerts.clone();
            async move { alerts.round().await }
        }),
        sealer.run(stop.clone()),
        app.runner().run(stop.clone()),
        app.dispatcher().run(stop.clone()),
        every("warm schemas", WARM_EVERY, stop.clone(), move || keep_warm(warm.clone())),
        every("closing tenants", SWEEP_EVERY, stop.clone(), move || finish_closing(closing.clone())),
        every("domains", SWEEP_EVERY, stop.clone(), move || recheck_domains(domains.clone())),
        order_certificates(app.orders.clone(), stop),
    );
}

async fn keep_warm(app: App) -> Result<()> {
    tenancy::keep_warm(&app.parts.db, app.parts.settings.pool.warm_schemas).await
}

async fn finish_closing(registry: Registry) -> Result<()> {
    tenancy::finish_closing(&registry).await.map(drop)
}

async fn recheck_domains(app: App) -> Result<()> {
    let hours = app.parts.settings.tenants.domain_recheck_hours;
    tenancy::recheck_domains(&app.parts.registry, &app.dns, hours).await.map(drop)
}

/// Where the settings name an authority.
async fn order_certificates(orders: Option<Orders>, stop: CancellationToken) {
    let Some(orders) = orders else { return };
    every("certificates", CERTIFICATES_EVERY, stop, || {
        let orders = orders.clone();
        async move { orders.round().await }
    })
    .await;
}

/// Where the settings name the proxy's folder on this machine.
async fn lay_certificates_down(app: App, stop: CancellationToken) {
    let Some(path) = app.parts.settings.acme.folder.clone() else { return };
    let folder = Folder::new(app.parts.db.clone(), app.tenant_keys.clone(), path);
    every("the proxy's certificates", CERTIFICATES_EVERY, stop, || {
        let folder = folder.clone();
        async move { folder.round().await }
    })
    .await;
}

/// What a process does beside its requests.
pub async fn attend(app: App, role: Role, stop: CancellationToken) {
    let access = app.access.clone();
    let sharer = app.clone();
    let registry = app.parts.registry.clone();
    let seen = registry.clone();
    tokio::join!(
        share_limits(sharer, role, stop.clone()),
        lay_certificates_down(app.clone(), stop.clone()),
        every("use of API keys", KEY_USE_EVERY, stop.clone(), move || {
            let access = access.clone();
            async move {
                access.write_use().await;
                Ok(())
            }
        }),
        every("sightings", SIGHTINGS_EVERY, stop.clone(), move || {
            let registry = seen.clone();
            async move { registry.sightings().write(registry.db()).await }
        }),
        every("rate limits", LIMITS_EVERY, stop, move || {
            app.limits.sweep();
            std::future::ready(Ok(()))
        }),
    );
    if let Err(error) = registry.sightings().write(registry.db()).await {
        tracing::warn!(%error, "what was seen last is not written down");
    }
}

/// Shares limits out between the processes that take requests. One that only works takes none, and is not counted.
async fn share_limits(app: App, role: Role, stop: CancellationToken) {
    if role == Role::Worker {
        return;
    }
    let (process, limits, db) = (Arc::new(Process::new()), app.limits.clone(), app.parts.db.clone());
    every("processes", PROCESSES_EVERY, stop, || {
        let (process, limits, db) = (process.clone(), limits.clone(), db.clone());
        async move {
            limits.share(process.beat(&db).await?);
            Ok(())
        }
    })
    .await;
    if let Err(error) = process.leave(&db).await {
        tracing::warn!(%error, "the others learn only in a moment that this process is going");
    }
}
