//! `lastmile config` and `lastmile version`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Global, output};
use crate::{
    config::Settings,
    error::{Error, Result},
    tenancy,
};

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the settings as `serve` would and print them, without secrets
    Check {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print every setting with its default, as a settings file
    PrintDefaults {
        /// The defaults of `lastmile dev`
        #[arg(long)]
        dev: bool,
    },
}

pub fn run(command: ConfigCommand, global: &Global) -> Result<()> {
    match command {
        ConfigCommand::Check { json } => {
            let settings = global.settings()?;
            if json {
                output::json(&settings.redacted())?;
            } else {
                output::print(&as_toml(&settings.redacted()))?;
            }
            if settings.database.url.is_none() {
                return Err(Error::invalid(
                    "database.url",
                    "required",
                    "database.url is not set: LASTMILE_DATABASE_URL.",
                ));
            }
            Ok(())
        }
        ConfigCommand::PrintDefaults { dev } => {
            let defaults = if dev { Settings::development() } else { Settings::default() };
            output::print(&as_toml(&defaults.redacted()))
        }
    }
}

pub fn version(json: bool) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    if json {
        let schema = tenancy::latest_tenant_version();
        output::json(&json!({"name": "lastmile", "version": version, "tenant_schema_version": schema}))
    } else {
        output::line(&format!("lastmile {version}"))
    }
}

/// As a settings file; what has no value stands there as a comment, so that its name can be found.
fn as_toml(settings: &Value) -> String {
    let mut text = String::new();
    let Value::Object(members) = settings else { return text };
    let (sections, plain): (Vec<_>, Vec<_>) = members.iter().partition(|(_, value)| value.is_object());
    for (name, value) in plain {
        entry(&mut text, name, value);
    }
    for (name, value) in sections {
        text.push_str(&format!("\n[{name}]\n"));
        for (key, value) in value.as_object().into_iter().flatten() {
            entry(&mut text, key, value);
        }
    }
    text
}

fn entry(text: &mut String, name: &str, value: &Value) {
    text.push_str(&match value {
        Value::Null => format!("# {name} =\n"),
        // Numbers, booleans, lists and texts of ours are written alike in JSON and TOML.
        value => format!("{name} = {value}\n"),
    });
}
