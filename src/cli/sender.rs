//! `lastmile sender` and `lastmile credit`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use rust_decimal::Decimal;

use super::{Global, operator, output, tenant_of};
use crate::{
    app::Parts,
    error::{Error, OrInternal, Result},
    messaging::accounts::senders::{self, SenderKey},
};

#[derive(Debug, Subcommand)]
pub enum SenderCommand {
    /// Add a sender of the platform's own
    Add {
        /// What it is called
        name: String,
        /// The provider, such as hubtel or smtp
        #[arg(long)]
        kind: String,
        /// What a provider pays for a segment or a message, in the currency of its credit
        #[arg(long, default_value = "0")]
        price: String,
        /// A file with its credential: a JSON object of texts
        #[arg(long, value_name = "FILE")]
        credential_file: PathBuf,
    },
    /// List the senders and who has them
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Lend a sender to a provider
    Assign { name: String, tenant: String },
    /// Take a sender back from a provider
    Unassign { name: String, tenant: String },
    /// Give a sender another credential
    Rotate {
        name: String,
        /// A file with its credential: a JSON object of texts
        #[arg(long, value_name = "FILE")]
        credential_file: PathBuf,
    },
    /// Limit how many messages go out a second, for all providers together
    Limit {
        /// A sender; everything when absent
        #[arg(long)]
        name: Option<String>,
        /// So many a second
        #[arg(long, conflicts_with = "none", required_unless_present = "none")]
        per_second: Option<i32>,
        /// Take the limit away
        #[arg(long)]
        none: bool,
    },
    /// Stop a sender, for everybody who has it
    Suspend { name: String },
    /// Lend a suspended sender again
    Resume { name: String },
}

#[derive(Debug, Subcommand)]
pub enum CreditCommand {
    /// Add to a provider's prepaid credit; a negative amount corrects it
    Add {
        tenant: String,
        #[arg(allow_negative_numbers = true)]
        amount: Decimal,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Show a provider's prepaid credit
    Show {
        tenant: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

fn credential(file: &Path) -> Result<std::collections::BTreeMap<String, String>> {
    let unreadable =
        |why: String| Error::invalid("file", "unreadable_file", format!("{}: {why}.", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    // What is in the file is not said again.
    serde_json::from_str(&text).map_err(|_odd| unreadable("this is no JSON object of texts".into()))
}

pub async fn run(command: SenderCommand, global: &Global) -> Result<()> {
    let parts = global.parts().await?;
    let db = &parts.db;
    match command {
        SenderCommand::Add { name, kind, price, credential_file } => {
            let key = SenderKey::open(parts.store.as_ref()).await?;
            let given = credential(&credential_file)?;
            senders::add(db, &key, &operator(), &name, &kind, &price, &given).await?;
            output::line(&format!("{name} was added"))
        }
        SenderCommand::List { json } => {
            let found = senders::list(db).await?;
            if json {
                return output::json(&found);
            }
            let rows: Vec<Vec<String>> = found
                .into_iter()
                .map(|one| {
                    vec![
                        one.name,
                        one.channel,
                        one.kind,
                        one.price.normalize().to_string(),
                        one.per_second.map(|n| format!("{n}/s")).unwrap_or_default(),
                        one.status,
                        one.tenants.join(" "),
                    ]
                })
                .collect();
            output::table(&rows)
        }
        SenderCommand::Assign { name, tenant } => {
            let (sender, tenant) = (senders::find(db, &name).await?, tenant_of(&parts, &tenant).await?);
            senders::assign(db, &operator(), &sender, &tenant).await?;
            output::line(&format!("{} has {}", tenant.slug, sender.name))
        }
        SenderCommand::Unassign { name, tenant } => {
            let (sender, tenant) = (senders::find(db, &name).await?, tenant_of(&parts, &tenant).await?);
            senders::unassign(db, &operator(), &sender, &tenant).await?;
            output::line(&format!("{} has {} no more", tenant.slug, sender.name))
        }
        SenderCommand::Rotate { name, credential_file } => {
            let key = SenderKey::open(parts.store.as_ref()).await?;
            let sender = senders::find(db, &name).await?;
            senders::rotate(db, &key, &operator(), &sender, &credential(&credential_file)?).await?;
            output::line(&format!("{} has another credential", sender.name))
        }
        SenderCommand::Limit { name, per_second, none: _ } => {
            let sender = match &name {
                Some(name) => Some(senders::find(db, name).await?),
                None => None,
            };
            senders::limit(db, &operator(), sender.as_ref(), per_second).await?;
            let what = name.as_deref().unwrap_or("All together");
            output::line(&match per_second {
                Some(n) => format!("{what}: at most {n} a second"),
                None => format!("{what}: no limit"),
            })
        }
        SenderCommand::Suspend { name } => suspend(&parts, &name, true).await,
        SenderCommand::Resume { name } => suspend(&parts, &name, false).await,
    }
}

async fn suspend(parts: &Parts, name: &str, is_suspended: bool) -> Result<()> {
    let sender = senders::find(&parts.db, name).await?;
    senders::suspend(&parts.db, &operator(), &sender, is_suspended).await?;
    output::line(&format!("{} is {}", sender.name, if is_suspended { "suspended" } else { "lent again" }))
}

pub async fn credit(command: CreditCommand, global: &Global) -> Result<()> {
    let parts = global.parts().await?;
    let (tenant, credit, json) = match command {
        CreditCommand::Add { tenant, amount, note } => {
            let tenant = tenant_of(&parts, &tenant).await?;
            let credit = senders::add_credit(&parts.db, &operator(), &tenant, amount, &note).await?;
            (tenant, credit, false)
        }
        CreditCommand::Show { tenant, json } => {
            let tenant = tenant_of(&parts, &tenant).await?;
            let credit = senders::credit_of(&parts.db, &tenant).await?;
            (tenant, credit, json)
        }
    };
    if json {
        return output::print(&serde_json::to_string(&credit).internal()?);
    }
    let (available, reserved, spent) = (credit.available, credit.reserved, credit.spent);
    output::line(&format!("{}: {available} available, {reserved} set aside, {spent} spent", tenant.slug))
}
