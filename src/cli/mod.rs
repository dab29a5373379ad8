//! Commands. Exit codes: 0 done, 1 failed or something was found wrong, 2 the command line cannot be understood.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use figment::value::Dict;

mod archives;
mod demo;
mod dev;
mod doctor;
mod keys;
mod message;
mod migrate;
mod output;
mod platform;
mod postgres;
mod sender;
mod serve;
mod settings;
mod tenant;
mod user;
mod verify_isolation;

use crate::{
    app::Parts,
    config::Settings,
    db::embedded::{Embedded, Options},
    error::{Error, Result},
    telemetry::{self, Telemetry},
    tenancy::{self, Operator, Tenant},
};

/// Operations and customer communication for internet providers: many providers in one deployment, a database schema each.
#[derive(Debug, Parser)]
#[command(
    name = "lastmile",
    version,
    about,
    after_help = "Settings: flags, then LASTMILE_* variables (and LASTMILE_*_FILE), then lastmile.toml, then defaults; see \
        `lastmile config print-defaults`.\nExit codes: 0 done, 1 failed or something was found wrong, 2 not understood."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// The settings file [default: lastmile.toml, when it is there]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// One setting, over file and environment; may be given again: --set log.format=text
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = pair, help_heading = "Settings")]
    set: Vec<(String, String)>,
    /// What is logged: error, warn, info, debug, or a filter such as lastmile=debug,info
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Settings")]
    log_level: Option<String>,
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("give it as KEY=VALUE".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::DevArgs),
    Serve(serve::ServeArgs),
    Migrate(migrate::MigrateArgs),
    /// Providers: make, look at, suspend, close, take out and bring in
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Staff of a provider: make one, let one in again
    #[command(subcommand)]
    User(user::UserCommand),
    /// The keys over the providers' data keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Messages by a provider's own accounts: send one, see how it stands
    #[command(subcommand)]
    Message(message::MessageCommand),
    /// Senders of the platform's own: add, lend, stop
    #[command(subcommand)]
    Sender(sender::SenderCommand),
    /// What providers have paid ahead for senders of the platform
    #[command(subcommand)]
    Credit(sender::CreditCommand),
    /// The people who run the deployment, and the log of what they did
    #[command(subcommand)]
    Platform(platform::PlatformCommand),
    Backup(archives::BackupArgs),
    Restore(archives::RestoreArgs),
    Demo(demo::DemoArgs),
    VerifyIsolation(verify_isolation::VerifyIsolationArgs),
    Doctor(doctor::DoctorArgs),
    /// Settings: check them, print them
    #[command(subcommand)]
    Config(settings::ConfigCommand),
    /// Print the API's OpenAPI document
    Openapi {
        /// The platform's own API instead of the providers'
        #[arg(long)]
        platform: bool,
    },
    /// Print the completions of a shell, to be sourced or put where it looks for them
    Completions {
        shell: clap_complete::Shell,
    },
    Postgres(postgres::PostgresArgs),
    /// Print the version
    Version {
        /// Print it as JSON, with the schema versions
        #[arg(long)]
        json: bool,
    },
    /// Print every route with its authority
    #[command(hide = true)]
    Routes,
}

impl Global {
    fn flags(&self) -> Dict {
        let level = self.log_level.as_deref().map(|level| ("log.level", level));
        let given = self.set.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Settings::flags(given.chain(level))
    }

    /// The settings of a server.
    fn settings(&self) -> Result<Settings> {
        Settings::load(self.config.as_deref(), self.flags())
    }

    /// The settings of `lastmile dev`.
    fn development(&self) -> Result<Settings> {
        Settings::load_for_development(self.config.as_deref(), self.flags())
    }

    /// A command's own log: to standard error, and quiet unless asked.
    fn log(&self) -> Result<Telemetry> {
        telemetry::init_for_command(self.log_level.as_deref().unwrap_or("warn"))
    }

    /// The settings that a command works with: those of the server, or of the `lastmile dev` of this folder when no database is
    /// named and its PostgreSQL runs.
    async fn settings_for_command(&self) -> Result<Settings> {
        let settings = self.settings()?;
        if settings.database.url.is_some() {
            return Ok(settings);
        }
        let mut development = self.development()?;
        let options = Options {
            dir: development.dev.dir.join("pg"),
            max_connections: dev::MAX_CONNECTIONS,
            durable: true,
            bin: development.dev.pg_bin.clone(),
        };
        let Some(running) = Embedded::attach(&options).await? else { return Ok(settings) };
        development.database.url = Some(running.database(dev::DATABASE).await?.into());
        dev::recall_port(&mut development);
        eprintln!("using the PostgreSQL of `lastmile dev` in {}", development.dev.dir.display());
        Ok(development)
    }

    /// The parts of a deployment that is set up.
    async fn parts(&self) -> Result<Parts> {
        let parts = Parts::open(self.settings_for_command().await?).await?;
        if tenancy::is_set_up(&parts.db).await {
            return Ok(parts);
        }
        doctor::reach(&parts.settings).await?;
        Err(Error::conflict(
            "not_set_up",
            "This database is not set up: run `lastmile migrate`, or start a server.",
        ))
    }
}

/// The provider of this slug (or id), closed ones left out.
async fn tenant_of(parts: &Parts, text: &str) -> Result<Tenant> {
    let found = any_tenant_of(parts, text).await?;
    Some(found).filter(|tenant| tenant.status != tenancy::Status::Closed).ok_or_else(|| no_such(text))
}

/// The same with those that are closed.
async fn any_tenant_of(parts: &Parts, text: &str) -> Result<Tenant> {
    let found = match text.parse() {
        Ok(id) => parts.registry.find_by_id(id).await?,
        Err(_) => parts.registry.find_by_slug(text).await?,
    };
    found.ok_or_else(|| no_such(text))
}

fn no_such(text: &str) -> Error {
    Error::conflict("no_such_provider", format!("There is no provider {text}."))
}

/// Who did it, for the platform's log and the trails of the providers.
const ACTOR: &str = "command line";

/// The same for the platform's own log.
fn operator() -> Operator {
    Operator::command_line()
}

/// Runs the command that the process was started with.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    match Box::pin(dispatch(cli.command, &cli.global)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command, global: &Global) -> Result<()> {
    match command {
        Command::Serve(args) => return Box::pin(serve::run(args, global.settings()?)).await,
        Command::Dev(args) => return Box::pin(dev::run(args, global.development()?)).await,
        _ => {}
    }
    let _log = global.log()?;
    match command {
        Command::Serve(_) | Command::Dev(_) => Ok(()),
        Command::Migrate(args) => migrate::run(args, global).await,
        Command::Tenant(command) => Box::pin(tenant::run(command, global)).await,
        Command::User(command) => user::run(command, global).await,
        Command::Keys(command) => keys::run(command, global).await,
        Command::Message(command) => Box::pin(message::run(command, global)).await,
        Command::Sender(command) => Box::pin(sender::run(command, global)).await,
        Command::Credit(command) => sender::credit(command, global).await,
        Command::Platform(command) => platform::run(command, global).await,
        Command::Backup(args) => archives::back_up(args, global).await,
        Command::Restore(args) => archives::restore(args, global).await,
        Command::Demo(args) => demo::run(args, global).await,
        Command::VerifyIsolation(args) => {
            Box::pin(verify_isolation::run(args, global.settings_for_command().await)).await
        }
        Command::Doctor(args) => Box::pin(doctor::run(args, global)).await,
        Command::Config(command) => settings::run(command, global),
        Command::Openapi { platform } => Box::pin(serve::openapi(global.settings(), platform)).await,
        Command::Completions { shell } => completions(shell),
        Command::Postgres(args) => postgres::run(args).await,
        Command::Version { json } => settings::version(json),
        Command::Routes => Box::pin(serve::routes(global.settings())).await,
    }
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lastmile", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
