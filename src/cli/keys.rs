//! `lastmile keys`.

use clap::Subcommand;
use serde_json::json;

use super::{Global, output};
use crate::{access::SigningKeys, error::Result, secrets::rewrap_all};

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a new master key, wrap every provider's data keys with it, and make a new key for access tokens
    ///
    /// Tokens of the old key are good until they expire.
    ///
    /// Nothing is down meanwhile: keys say which one wrapped them, and the old one stays. Interrupted, it is run again with --resume.
    Rotate {
        /// Make no new keys; only wrap what an interrupted rotation left
        #[arg(long)]
        resume: bool,
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: KeysCommand, global: &Global) -> Result<()> {
    let KeysCommand::Rotate { resume, json } = command;
    let parts = global.parts().await?;
    let (masters, token_key) = if resume {
        (parts.keyring.masters().await, None)
    } else {
        (parts.keyring.rotate().await?, SigningKeys::rotate(parts.store.as_ref()).await?)
    };
    let wrapped = rewrap_all(&parts.db, &parts.keyring).await?;
    if json {
        output::json(
            &json!({"master_version": masters.current(), "wrapped": wrapped, "token_key": token_key}),
        )
    } else {
        output::line(&format!("master key {}; {wrapped} data keys wrapped with it", masters.current()))?;
        match token_key {
            Some(key) => output::line(&format!("token key {}; {} keys are accepted", key.kid, key.accepted)),
            None => Ok(()),
        }
    }
}
