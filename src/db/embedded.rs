//! A private PostgreSQL for `lastmile dev`, the tests and the benches: found binaries, a folder of its own, a port of its own.
//!
//! ```text
//! <dir>/lock           one starter at a time
//! <dir>/elsewhere      only when the server's user cannot reach <dir>: the folder that is used in its place
//! <home>/data/         the cluster; <home> is <dir> or what `elsewhere` names
//! <home>/password      of the bootstrap superuser, mode 0600
//! <home>/settings.conf what the server is started with, the port among it
//! ```
//!
//! The server outlives the process that started it, so that a second start takes milliseconds and a killed parent loses
//! nothing: whoever comes next attaches.

mod account;
mod binaries;
mod cluster;
mod connection;
mod home;
mod postmaster;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use account::Account;
use binaries::Binaries;
use cluster::{Cluster, Launch};
use connection::Session;
use home::Home;
use postmaster::State;
use tokio_postgres::error::SqlState;

use crate::error::{Error, OrInternal, Result};

/// How long recovery after a crash, or a server that is still shutting down, may take.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Where the server lives and how it is set. Attaching to a running one changes none of its settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// Made when missing.
    pub dir: PathBuf,
    pub max_connections: u32,
    /// `false` switches fsync off: for tests, whose data need not outlive the machine.
    pub durable: bool,
    /// The folder with `postgres`, `initdb` and `pg_ctl`; looked for in the usual places when absent.
    pub bin: Option<PathBuf>,
}

/// A PostgreSQL of our own in a folder of our own.
///
/// Dropping it leaves the server running, so that the next start attaches; [`Embedded::stop`] ends it.
#[derive(Debug)]
pub struct Embedded {
    cluster: Cluster,
    options: Options,
    port: u16,
    started_here: bool,
}

impl Embedded {
    /// Starts it, or attaches to the one that already runs in this folder. Many may call this at once.
    pub async fn start(options: &Options) -> Result<Self> {
        if options.max_connections == 0 {
            return Err(Error::invalid(
                "max_connections",
                "too_small",
                "max_connections must be at least 1.",
            ));
        }
        home::make(&options.dir)?;
        let turn = home::take_turn(&options.dir).await?;
        let embedded = bring_up(options).await;
        drop(turn);
        embedded
    }

    /// The server that already runs in this folder, if one does. Never starts one.
    pub async fn attach(options: &Options) -> Result<Option<Self>> {
        if !options.dir.is_dir() {
            return Ok(None);
        }
        let turn = home::take_turn(&options.dir).await?;
        let found = find_running(options).await;
        drop(turn);
        found
    }

    /// URL of the bootstrap superuser for the database `name`, which is created when missing.
    pub async fn database(&self, name: &str) -> Result<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
            return Err(Error::invalid(
                "database",
                "not_a_database_name",
                "A database name has 1 to 63 characters out of a-z, A-Z, 0-9, _ and -.",
            ));
        }
        let password = self.cluster.password()?;
        let session = connection::open(self.port, &password).await?;
        let ready = ensure_database(&session, name).await;
        session.close().await;
        ready.internal()?;
        Ok(format!("postgres://postgres:{password}@127.0.0.1:{}/{name}", self.port))
    }

    /// The port on 127.0.0.1 that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether this call started it, rather than found it running.
    pub fn started_here(&self) -> bool {
        self.started_here
    }

    /// Stops the server cleanly: sessions are ended, what was committed is kept.
    pub async fn stop(self) -> Result<()> {
        let turn = home::take_turn(&self.options.dir).await?;
        let stopped = self.shut_down().await;
        drop(turn);
        stopped
    }

    async fn shut_down(&self) -> Result<()> {
        if matches!(self.cluster.state().await?, State::Down) {
            return Ok(());
        }
        let binaries = Binaries::choose(self.options.bin.as_deref(), self.cluster.major()?).await?;
        self.cluster.stop(&binaries, Account::of_server().await?.as_ref(), "fast").await
    }
}

/// `name` holds nothing that would need quoting.
async fn ensure_database(session: &Session, name: &str) -> Result<(), tokio_postgres::Error> {
    if session.finds("SELECT FROM pg_database WHERE datname = $1", name).await? {
        return Ok(());
    }
    // template0, because nobody can be connected to it: from template1 two at once would refuse each other.
    let made = session.run(&format!("CREATE DATABASE \"{name}\" TEMPLATE template0")).await;
    match made {
        // Another made it since: told by its name, or by the unique index behind that.
        Err(refusal)
            if matches!(
                refusal.code(),
                Some(&SqlState::DUPLICATE_DATABASE | &SqlState::UNIQUE_VIOLATION)
            ) =>
        {
            Ok(())
        }
        made => made,
    }
}

async fn find_running(options: &Options) -> Result<Option<Embedded>> {
    let Some(home) = Home::known(&options.dir)? else { return Ok(None) };
    let cluster = Cluster::new(home);
    match until_settled(&cluster).await? {
        Some(port) => Ok(Some(Embedded { cluster, options: options.clone(), port, started_here: false })),
        None => Ok(None),
    }
}

async fn bring_up(options: &Options) -> Result<Embedded> {
    if let Some(running) = find_running(options).await? {
        running.cluster.warn_of_other_settings(options);
        return Ok(running);
    }
    let account = Account::of_server().await?;
    let cluster = Cluster::new(Home::choose(&options.dir, account.as_ref(), options.bin.as_deref()).await?);
    let binaries = Binaries::choose(options.bin.as_deref(), cluster.major()?).await?;
    binaries.check_reachable_by(account.as_ref()).await?;
    if !cluster.exists() {
        cluster.init(&binaries, account.as_ref(), options.durable).await?;
    }
    let give_up = Instant::now() + PATIENCE;
    let mut started_here = false;
    loop {
        if let Some(port) = until_settled(&cluster).await? {
            return Ok(Embedded { cluster, options: options.clone(), port, started_here });
        }
        match cluster.launch(&binaries, account.as_ref(), options).await? {
            Launch::Started => started_here = true,
            // Processes of a killed server still hold its memory, or somebody took the port in this moment.
            Launch::TryAgain(reason) if Instant::now() >= give_up => return Err(cluster.failure(&reason)),
            Launch::TryAgain(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Waits while the server is coming up or going down. The port when it is up, None when there is none.
async fn until_settled(cluster: &Cluster) -> Result<Option<u16>> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match cluster.state().await? {
            State::Up { port } => return Ok(Some(port)),
            State::Down => return Ok(None),
            State::Changing { reason } if Instant::now() >= give_up => return Err(cluster.failure(&reason)),
            State::Changing { .. } => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}
