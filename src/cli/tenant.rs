//! `lastmile tenant`.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Global, any_tenant_of,
    archives::{self, PassphraseArg},
    operator, output, tenant_of,
};
use crate::{
    app::{App, Parts},
    audit,
    error::{Error, OrInternal, Result},
    platform::{NewSignup, SignupInput},
    secrets::TenantKeys,
    tenancy::{self, Status, Tenant},
    types::Slug,
};

/// More than any list that a person reads.
const LIST_MAX: i64 = 100_000;

#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Make a provider, as sign-up does, and print a link that signs its owner in once
    Create {
        /// The company's name
        name: String,
        /// Its web address [default: made from the name]
        #[arg(long)]
        slug: Option<String>,
        #[arg(long, value_name = "NAME")]
        owner_name: String,
        #[arg(long, value_name = "EMAIL")]
        owner_email: String,
        /// A file with the owner's password in its first line [default: a random one that nobody knows]
        #[arg(long, value_name = "FILE")]
        owner_password_file: Option<PathBuf>,
        /// Such as Asia/Manila
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<String>,
        /// Such as PHP
        #[arg(long, value_name = "CODE")]
        currency: Option<String>,
        /// Such as PH
        #[arg(long, value_name = "CODE")]
        country: Option<String>,
        /// Print what was made as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the providers, newest first
    List {
        /// Closed ones, too
        #[arg(long)]
        closed: bool,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one provider: state, address, domains, schema, usage
    Show {
        /// Slug or id
        slug: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop serving a provider, at once and in every process; nothing of it changes
    Suspend {
        slug: String,
        /// Kept with it, for the platform's people
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Serve a suspended or closing provider again
    Resume { slug: String },
    /// Close a provider: not served at once; after a grace period schema, role, keys and files go
    Delete {
        slug: String,
        /// Do not ask for the slug to be typed
        #[arg(long)]
        yes: bool,
        /// No grace period: everything goes now
        #[arg(long)]
        now: bool,
    },
    /// Write a provider into an archive, as of one instant, while it is in use
    Export {
        slug: String,
        /// The file; it appears when it is whole
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// CSV, JSON and files for people and other programs, instead of an archive that can be imported
        #[arg(long, conflicts_with = "passphrase_file")]
        readable: bool,
        #[command(flatten)]
        passphrase: PassphraseArg,
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a copy of a provider with made-up people, that sends nothing, to try things out in
    Sandbox {
        slug: String,
        /// The copy's web address [default: the original's and -sandbox]
        #[arg(long = "as", value_name = "SLUG")]
        copy: Option<String>,
        /// Print what was made as JSON
        #[arg(long)]
        json: bool,
    },
    /// Bring a provider in from an archive, all of it or nothing
    Import {
        file: PathBuf,
        /// Another web address than the archive's
        #[arg(long)]
        slug: Option<String>,
        #[command(flatten)]
        passphrase: PassphraseArg,
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
    /// See that nothing is left of a provider that was closed; exit code 1 when something is
    VerifyErased {
        /// Slug or id
        slug: String,
        /// Print what was looked at as JSON
        #[arg(long)]
        json: bool,
    },
    /// Hold a provider's audit trail against its seals and anchors; exit code 1 when anything does not fit
    VerifyAudit {
        slug: String,
        /// Print the findings as JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: TenantCommand, global: &Global) -> Result<()> {
    let parts = global.parts().await?;
    match command {
        TenantCommand::VerifyErased { slug, json } => verify_erased(&parts, &slug, json).await,
        TenantCommand::List { closed, json } => list(&parts, closed, json).await,
        TenantCommand::Show { slug, json } => show(&parts, &slug, json).await,
        TenantCommand::Suspend { slug, reason } => {
            let tenant = tenant_of(&parts, &slug).await?;
            tenancy::suspend(&parts.registry, &tenant, &operator(), &reason).await?;
            output::line(&format!("{slug} is suspended"))
        }
        TenantCommand::Resume { slug } => {
            let tenant = tenant_of(&parts, &slug).await?;
            tenancy::resume(&parts.registry, &tenant, &operator()).await?;
            output::line(&format!("{slug} is served again"))
        }
        TenantCommand::Delete { slug, yes, now } => delete(&parts, &slug, yes, now).await,
        TenantCommand::Export { slug, out, readable: true, json, .. } => {
            archives::export_readable(&parts, &slug, &out, json).await
        }
        TenantCommand::Export { slug, out, passphrase, json, .. } => {
            archives::export(&parts, &slug, &out, &passphrase, json).await
        }
        TenantCommand::Sandbox { slug, copy, json } => {
            archives::sandbox(&parts, &slug, slug_of(copy, "as")?, json).await
        }
        TenantCommand::Import { file, slug, passphrase, json } => {
            archives::import(&parts, &file, slug_of(slug, "slug")?, &passphrase, json).await
        }
        TenantCommand::VerifyAudit { slug, json } => verify_audit(&parts, &slug, json).await,
        create @ TenantCommand::Create { .. } => make(parts, create).await,
    }
}

fn slug_of(typed: Option<String>, field: &'static str) -> Result<Option<Slug>> {
    typed
        .map(|slug| Slug::parse_field(&slug).map_err(|wrong| Error::Invalid(vec![wrong.at(field)])))
        .transpose()
}

#[derive(Serialize)]
struct Listed {
    id: String,
    slug: String,
    name: String,
    status: &'static str,
    url: String,
    is_current: bool,
    created_at: String,
}

fn listed(parts: &Parts, tenant: &Tenant) -> Listed {
    Listed {
        id: tenant.id().to_string(),
        slug: tenant.slug.to_string(),
        name: tenant.name.clone(),
        status: tenant.status.as_str(),
        url: parts.resolver.url_of(tenant),
        is_current: tenant.is_current,
        created_at: tenant.created_at.to_rfc3339(),
    }
}

async fn list(parts: &Parts, closed: bool, json: bool) -> Result<()> {
    let tenants = tenancy::list(&parts.db, closed, LIST_MAX).await?;
    let rows: Vec<Listed> = tenants.iter().map(|tenant| listed(parts, tenant)).collect();
    if json {
        return output::json(&rows);
    }
    let heading = ["SLUG", "STATUS", "SCHEMA", "CREATED", "NAME"].map(str::to_owned).to_vec();
    let lines = rows.into_iter().map(|row| {
        let schema = if row.is_current { "current" } else { "behind" };
        let created = row.created_at.split('T').next().unwrap_or_default().to_owned();
        vec![row.slug, row.status.to_owned(), schema.to_owned(), created, row.name]
    });
    output::table(&std::iter::once(heading).chain(lines).collect::<Vec<_>>())
}

async fn show(parts: &Parts, slug: &str, json: bool) -> Result<()> {
    let tenant = tenant_of(parts, slug).await?;
    let account = tenancy::account_of(&parts.db, &tenant).await?;
    let mut shown = serde_json::to_value(listed(parts, &tenant)).internal()?;
    if let (Value::Object(all), Value::Object(more)) =
        (&mut shown, serde_json::to_value(&account).internal()?)
    {
        all.extend(more);
        all.insert("time_zone".into(), tenant.time_zone.to_string().into());
        all.insert("currency".into(), tenant.currency.clone().into());
        all.insert("country".into(), tenant.country.clone().into());
    }
    if json {
        return output::json(&shown);
    }
    for (name, value) in shown.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        output::line(&format!("{:16} {value}", name.replace('_', " ")))?;
    }
    Ok(())
}

async fn delete(parts: &Parts, slug: &str, yes: bool, now: bool) -> Result<()> {
    let tenant = tenant_of(parts, slug).await?;
    if !yes {
        let what = if now { "at once and for good" } else { "after a grace period" };
        eprintln!("{} ({slug}) goes {what}: all its data.", tenant.name);
        match output::ask("Type its slug to go on:")? {
            Some(typed) if typed == tenant.slug.as_str() => {}
            Some(_) => {
                return Err(Error::conflict("not_confirmed", "That is not its slug: nothing was done."));
            }
            None => {
                return Err(Error::conflict(
                    "not_confirmed",
                    "Nobody is there to type the slug: give --yes.",
                ));
            }
        }
    }
    if now {
        tenancy::close_now(&parts.registry, &tenant, &operator()).await?;
        return output::line(&format!("{slug} is closed; its data is gone"));
    }
    if tenant.status == Status::Closing {
        return Err(Error::conflict(
            "closing",
            format!("{slug} is closing already; --now ends its grace period."),
        ));
    }
    let days = parts.settings.tenants.closing_grace_days;
    let at = tenancy::close(&parts.registry, &tenant, &operator(), "", days).await?;
    output::line(&format!(
        "{slug} is closing; its data goes on {}; until then: tenant resume",
        at.date_naive()
    ))
}

async fn verify_erased(parts: &Parts, slug: &str, json: bool) -> Result<()> {
    let tenant = any_tenant_of(parts, slug).await?;
    let places = tenancy::verify_erased(&parts.db, &tenant).await?;
    let left = places.iter().filter(|place| place.is_left_over()).count();
    if json {
        output::json(&json!({ "tenant": tenant.id(), "is_erased": left == 0, "places": places }))?;
    } else {
        for place in places.iter().filter(|place| place.amount > 0) {
            let why = place.kept_for.map_or("LEFT OVER".to_owned(), |why| format!("kept: {why}"));
            output::line(&format!("{}: {} ({why})", place.what, place.amount))?;
        }
        output::line(&format!("{slug}: {} places looked at, {left} hold what should be gone", places.len()))?;
    }
    match left {
        0 => Ok(()),
        _ => Err(Error::conflict("not_erased", format!("Something of {slug} is left."))),
    }
}

async fn verify_audit(parts: &Parts, slug: &str, json: bool) -> Result<()> {
    let tenant = tenant_of(parts, slug).await?;
    let key = archives::anchor_key(parts).await?;
    let keys = TenantKeys::new(parts.db.clone(), parts.keyring.clone()).of(tenant.id()).await?;
    let report = audit::verify(&parts.db, &key, &keys, &tenant).await?;
    if json {
        output::json(&report)?;
    } else {
        for finding in &report.findings {
            output::line(&serde_json::to_string(finding).internal()?)?;
        }
        let (sealed, unsealed, anchors) = (report.sealed, report.unsealed, report.anchors);
        output::line(&format!(
            "{slug}: {sealed} events sealed, {unsealed} wait for their seal, {anchors} anchors"
        ))?;
    }
    if report.is_whole() {
        Ok(())
    } else {
        Err(Error::conflict("audit_tampered", format!("The audit trail of {slug} is not as it was sealed.")))
    }
}

async fn make(parts: Parts, command: TenantCommand) -> Result<()> {
    let TenantCommand::Create {
        name,
        slug,
        owner_name,
        owner_email,
        owner_password_file,
        time_zone,
        currency,
        country,
        json,
    } = command
    else {
        return Ok(());
    };
    let password = match owner_password_file {
        Some(file) => first_line(&file)?,
        None => super::user::random_password(),
    };
    let new = NewSignup::parse(SignupInput {
        company_name: name,
        slug,
        owner_name,
        owner_email,
        password,
        time_zone,
        currency,
        country,
    })?;
    let app = App::build(parts).await?;
    let done = app.signups().sign_up(new, None, None).await?;
    let url = &done.answer.tenant.portal_url;
    let link = done.landing_code.map(|code| format!("{url}/landing?code={code}"));
    if json {
        let answer = &done.answer;
        return output::json(&json!({"tenant": answer.tenant, "owner": answer.owner, "landing_url": link}));
    }
    output::line(&format!("{} at {url}", done.answer.tenant.slug))?;
    match link {
        Some(link) => output::line(&format!("the owner signs in once with {link}")),
        None => Ok(()),
    }
}

fn first_line(file: &std::path::Path) -> Result<String> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Error::invalid("file", "unreadable_file", format!("{}: {error}.", file.display()))
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
