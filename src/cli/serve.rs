//! `lastmile serve`, and the documents of what it serves.

use clap::{Args, ValueEnum};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::output;
use crate::{
    app::{self, App, Parts, Role},
    config::{SecretStoreSettings, Settings},
    error::{OrInternal, Result},
    telemetry,
};

/// Serve requests and do the background work
///
/// SIGTERM and SIGINT drain: no new connection is taken, what is under way is finished, then it exits with 0.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// What this process does
    #[arg(long, value_enum, default_value_t = RoleArg::All)]
    role: RoleArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArg {
    /// Both
    All,
    /// Requests only
    Web,
    /// Background work only; probes are answered, too
    Worker,
}

pub async fn run(args: ServeArgs, settings: Settings) -> Result<()> {
    let _log = telemetry::init(&settings)?;
    tracing::info!(settings = %settings.redacted(), version = env!("CARGO_PKG_VERSION"), "starting");
    let role = match args.role {
        RoleArg::All => Role::All,
        RoleArg::Web => Role::Web,
        RoleArg::Worker => Role::Worker,
    };
    let stop = CancellationToken::new();
    let waiting = tokio::spawn(stop_at_signal(stop.clone())?);
    let parts = Parts::open(settings).await?;
    let served = app::serve(parts, role, stop, |address| {
        tracing::info!(%address, "ready");
        notify(NotifyState::Ready);
    })
    .await;
    waiting.abort();
    tracing::info!("stopped");
    served
}

/// Tells systemd, where it started this process.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// Cancels `stop` at the first SIGTERM or SIGINT.
pub fn stop_at_signal(stop: CancellationToken) -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).internal()?;
    let mut interrupt = signal(SignalKind::interrupt()).internal()?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        notify(NotifyState::Stopping);
        stop.cancel();
    })
}

pub async fn openapi(settings: Result<Settings>, platform: bool) -> Result<()> {
    let app = Box::pin(documents(settings)).await?;
    output::line(&format!("{:#}", app.app.openapi(platform)))
}

pub async fn routes(settings: Result<Settings>) -> Result<()> {
    let app = Box::pin(documents(settings)).await?;
    output::json(&app.app.routes())
}

/// The program as far as its documents need it: no database is asked, and no secret is made where it would stay.
struct Documents {
    app: App,
    _secrets: tempfile::TempDir,
}

async fn documents(settings: Result<Settings>) -> Result<Documents> {
    let mut settings = settings?;
    let secrets = tempfile::tempdir().internal()?;
    settings.secrets = SecretStoreSettings::File { path: secrets.path().join("secrets") };
    settings.database.url = Some("postgres://nobody@127.0.0.1/none".to_owned().into());
    Ok(Documents { app: App::build(Parts::open(settings).await?).await?, _secrets: secrets })
}
