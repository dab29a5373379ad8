//! `lastmile postgres`: the private PostgreSQL, for whoever wants one without the rest.

use std::path::PathBuf;

use clap::Args;

use crate::{
    db::embedded::{Embedded, Options},
    error::Result,
};

/// Start a private PostgreSQL in a folder, or attach to the one that runs there, and print its URL.
///
/// It keeps running after this command ends; --stop ends it.
#[derive(Debug, Args)]
pub struct PostgresArgs {
    /// The folder that holds it; made when missing
    #[arg(long, value_name = "FOLDER", default_value = ".lastmile/pg")]
    dir: PathBuf,

    /// The database that the URL names; created when missing
    #[arg(long, value_name = "NAME", default_value = "postgres")]
    database: String,

    /// Keep every commit through a crash of the machine, too (slower)
    #[arg(long)]
    durable: bool,

    /// Connections that it takes at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max_connections: u32,

    /// The folder with postgres, initdb and `pg_ctl` [default: looked for in PATH and where packages put them]
    #[arg(long, value_name = "FOLDER", env = "LASTMILE_PG_BIN")]
    pg_bin: Option<PathBuf>,

    /// Stop it; no error when it does not run
    #[arg(long, conflicts_with_all = ["database", "durable", "max_connections"])]
    stop: bool,
}

/// The URL is the only line on stdout, so that a script can take it; what was done is told on stderr.
pub async fn run(args: PostgresArgs) -> Result<()> {
    let options = Options {
        dir: args.dir,
        max_connections: args.max_connections,
        durable: args.durable,
        bin: args.pg_bin,
    };
    if args.stop {
        match Embedded::attach(&options).await? {
            Some(running) => {
                running.stop().await?;
                eprintln!("stopped");
            }
            None => eprintln!("not running"),
        }
        return Ok(());
    }
    let embedded = Embedded::start(&options).await?;
    let url = embedded.database(&args.database).await?;
    let done = if embedded.started_here() { "started" } else { "attached" };
    eprintln!("{done}, port {}", embedded.port());
    println!("{url}");
    Ok(())
}
