//! `lastmile dev`: everything on this machine, in one folder, without a database of one's own.

pub mod seed;

use std::{
    fs::{self, File, TryLockError},
    net::{SocketAddr, TcpListener},
    path::Path,
};

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{output, serve::stop_at_signal};
use crate::{
    app::{self, App, Parts, Role},
    config::Settings,
    db::embedded::{Embedded, Options},
    error::{Error, OrInternal, Result},
    telemetry,
};

pub const DATABASE: &str = "lastmile";
pub const MAX_CONNECTIONS: u32 = 100;
/// Which port the last start took, so that links of other commands lead there.
const PORT_FILE: &str = "port";
const IN_USE_FILE: &str = "in-use";
const PORTS_TRIED: u16 = 50;

/// Start everything on this machine: a private PostgreSQL, a demo provider, the server
///
/// Keeps all of it in .lastmile (dev.dir). With `LASTMILE_DATABASE_URL` it uses that server instead of its own. Ctrl-C stops
/// server and PostgreSQL; a killed one is taken up again by the next start.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Make no demo provider
    #[arg(long)]
    no_demo: bool,
    /// How many customers the demo provider has
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    customers: u32,
}

pub async fn run(args: DevArgs, mut settings: Settings) -> Result<()> {
    let dir = settings.dev.dir.clone();
    fs::create_dir_all(&dir).map_err(|error| {
        Error::invalid("dev.dir", "unusable_folder", format!("{}: {error}.", dir.display()))
    })?;
    let (address, listening) = take_port(&settings)?;
    settings.listen = address;
    settings.public_port = settings.public_port.or(Some(address.port()));
    settings.metrics_listen = settings.metrics_listen.filter(|address| TcpListener::bind(address).is_ok());
    let _log = telemetry::init(&settings)?;
    let stop = CancellationToken::new();
    let waiting = tokio::spawn(stop_at_signal(stop.clone())?);
    let in_use = take_share(&dir)?;
    let embedded = match settings.database.url {
        Some(_) => None,
        None => Some(start_postgres(&mut settings).await?),
    };
    drop(listening);
    let served = Box::pin(with_database(&args, settings, stop)).await;
    waiting.abort();
    let stopped = match embedded {
        Some(embedded) => stop_postgres(embedded, &in_use).await,
        None => Ok(()),
    };
    served.and(stopped)
}

async fn with_database(args: &DevArgs, settings: Settings, stop: CancellationToken) -> Result<()> {
    let dir = settings.dev.dir.clone();
    let parts = Parts::open(settings).await?;
    parts.prepare().await?;
    let app = App::build(parts.clone()).await?;
    let demo =
        if args.no_demo { seed::Demo::None } else { seed::make(&app, args.customers as usize).await? };
    if stop.is_cancelled() {
        return Ok(());
    }
    let told = parts.clone();
    app::serve(parts, Role::All, stop, move |address| {
        // Without the file other commands only print links with the usual port.
        drop(fs::write(dir.join(PORT_FILE), address.port().to_string()));
        if let Err(error) = tell(&told.settings, &demo) {
            tracing::warn!(%error, "the addresses could not be printed");
        }
    })
    .await
}

/// The port that the settings name; when they leave it open, the next one that is free. It is held until the server takes it.
fn take_port(settings: &Settings) -> Result<(SocketAddr, TcpListener)> {
    let usual = Settings::development().listen;
    let wanted = settings.listen;
    let tries = if wanted == usual { PORTS_TRIED } else { 1 };
    for step in 0..tries {
        let mut address = wanted;
        address.set_port(wanted.port().saturating_add(step));
        match TcpListener::bind(address) {
            Ok(listener) => return Ok((listener.local_addr().internal()?, listener)),
            Err(error) if step + 1 == tries => {
                return Err(Error::invalid("listen", "cannot_listen", format!("listen {address}: {error}.")));
            }
            Err(_taken) => {}
        }
    }
    Err(Error::invalid("listen", "cannot_listen", "No port is free."))
}

/// Says that somebody uses the PostgreSQL of this folder, for as long as the file is open.
fn take_share(dir: &Path) -> Result<File> {
    let file =
        File::options().create(true).truncate(false).write(true).open(dir.join(IN_USE_FILE)).internal()?;
    file.lock_shared().internal()?;
    Ok(file)
}

async fn start_postgres(settings: &mut Settings) -> Result<Embedded> {
    let options = Options {
        dir: settings.dev.dir.join("pg"),
        max_connections: MAX_CONNECTIONS,
        durable: true,
        bin: settings.dev.pg_bin.clone(),
    };
    let embedded = Embedded::start(&options).await?;
    let done = if embedded.started_here() { "PostgreSQL is started" } else { "PostgreSQL was running" };
    tracing::info!(port = embedded.port(), "{done}");
    settings.database.url = Some(embedded.database(DATABASE).await?.into());
    Ok(embedded)
}

/// Stops PostgreSQL, unless another `lastmile dev` uses it, too.
async fn stop_postgres(embedded: Embedded, in_use: &File) -> Result<()> {
    in_use.unlock().internal()?;
    match in_use.try_lock() {
        Ok(()) => embedded.stop().await,
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error).internal(),
    }
}

/// Links of other commands lead to the port that was taken.
pub fn recall_port(settings: &mut Settings) {
    let port =
        fs::read_to_string(settings.dev.dir.join(PORT_FILE)).ok().and_then(|text| text.trim().parse().ok());
    settings.public_port = settings.public_port.or(port).or(Some(settings.listen.port()));
}

fn tell(settings: &Settings, demo: &seed::Demo) -> Result<()> {
    let base = &settings.base_domain;
    let mut text = String::from("\n  Lastmile is ready.\n\n");
    let mut row = |what: &str, value: &str| {
        text.push_str(&format!("    {what:12} {value}\n"));
    };
    if let seed::Demo::Made { slug, .. } | seed::Demo::There { slug } = demo {
        row("Demo portal", &settings.url_of(&format!("{slug}.{base}")));
    }
    row("Sign up", &format!("{}/signup", settings.url_of(base)));
    row("API", &format!("{}/api/docs", settings.url_of(&format!("api.{base}"))));
    if settings.mail.kind == crate::config::MailKind::Folder {
        row("Mail", &settings.mail.folder.display().to_string());
    }
    if let Some(metrics) = settings.metrics_listen {
        row("Metrics", &format!("http://{metrics}/metrics"));
    }
    text.push('\n');
    match demo {
        seed::Demo::Made { logins, .. } => {
            text.push_str("  Staff of the demo provider. These passwords are shown this once:\n\n");
            for login in logins {
                text.push_str(&format!("    {:12} {:28} {}\n", login.role, login.email, login.password));
            }
        }
        seed::Demo::There { slug } => {
            text.push_str(
                "  The demo's passwords were shown at the first start. A link to choose a new one:\n\n",
            );
            text.push_str(&format!("    lastmile user reset-link {} --tenant {slug}\n", seed::OWNER_EMAIL));
        }
        seed::Demo::None => {}
    }
    text.push_str("\n  Ctrl-C stops it.\n\n");
    output::print(&text)
}
