//! `lastmile backup` and `restore`, and what `tenant export` and `import` share with them.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{ACTOR, Global, output, tenant_of};
use crate::{
    app::{self, Parts},
    audit::{self, AnchorKey},
    backup::{self, Import, sandbox::Sandboxes},
    error::Result,
    secrets::Passphrase,
    tenancy::Tenant,
    types::Slug,
};

/// Write every provider and the control plane into a folder, as of one instant, while all is in use
///
/// The keys are not in it: they stay wrapped by the secret store's. Back that up, too, and elsewhere. For big deployments
/// physical backups (`pg_basebackup` with WAL archiving) bring back any moment.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// A folder that is new or empty
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArg,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Bring a backup into an empty deployment
///
/// Every file is looked at before anything is written. Broken off, it can be run again. No server may run meanwhile.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup's folder
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArg,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Shared by everything that writes or reads archives.
#[derive(Debug, Args)]
pub struct PassphraseArg {
    /// A file whose first line (12 characters or more) also opens the keys: for another deployment, with another secret store
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArg {
    pub fn read(&self) -> Result<Option<Passphrase>> {
        self.passphrase_file.as_deref().map(Passphrase::read).transpose()
    }
}

pub async fn back_up(args: BackupArgs, global: &Global) -> Result<()> {
    let passphrase = args.passphrase.read()?;
    let parts = global.parts().await?;
    let bar = output::bar("backing up");
    let done =
        backup::back_up(&parts.registry, &parts.keyring, &args.dir, passphrase.as_ref(), &|done, total| {
            output::advance(&bar, done, total);
        })
        .await?;
    bar.finish_and_clear();
    if args.json {
        return output::json(&done);
    }
    output::line(&format!("{} providers, {} rows, {} bytes", done.tenants, done.rows, done.bytes))
}

pub async fn restore(args: RestoreArgs, global: &Global) -> Result<()> {
    let passphrase = args.passphrase.read()?;
    let parts = Parts::open(global.settings_for_command().await?).await?;
    super::doctor::reach(&parts.settings).await?;
    parts.prepare().await?;
    let bar = output::bar("restoring");
    let done =
        backup::restore(&parts.registry, &parts.keyring, &args.dir, passphrase.as_ref(), &|done, total| {
            output::advance(&bar, done, total);
        })
        .await?;
    bar.finish_and_clear();
    for tenant in &done.unanchored {
        anchor_anew(&parts, tenant).await?;
    }
    if args.json {
        return output::json(&done);
    }
    output::line(&format!(
        "{} providers and {} rows restored, {} were there",
        done.tenants, done.rows, done.skipped
    ))
}

/// The key that the audit trails are anchored with.
pub async fn anchor_key(parts: &Parts) -> Result<AnchorKey> {
    app::anchor_key(parts.store.as_ref()).await
}

/// A trail that came without anchors which hold here is walked once, and its end anchored.
async fn anchor_anew(parts: &Parts, tenant: &Tenant) -> Result<()> {
    let key = anchor_key(parts).await?;
    let position = audit::adopt(&parts.db, &key, tenant).await?;
    eprintln!("{}: the audit trail was verified and anchored anew, {position} events", tenant.slug);
    Ok(())
}

/// `tenant export`.
pub async fn export(
    parts: &Parts,
    slug: &str,
    out: &Path,
    passphrase: &PassphraseArg,
    json: bool,
) -> Result<()> {
    let passphrase = passphrase.read()?;
    let tenant = tenant_of(parts, slug).await?;
    let bar = output::bar("exporting");
    let seen = |done, total| output::advance(&bar, done, total);
    let done = backup::export_tenant(
        &parts.registry,
        &parts.keyring,
        &tenant,
        backup::Export { out, passphrase: passphrase.as_ref(), snapshot: None },
        &seen,
    )
    .await?;
    bar.finish_and_clear();
    if done.sealed_values > 0 && !done.has_passphrase {
        eprintln!(
            "note: {} sealed values are in it, which only this deployment can open; --passphrase-file makes it open elsewhere",
            done.sealed_values
        );
    }
    if json {
        return output::json(&done);
    }
    output::line(&format!("{}: {} rows of {} tables in {}", done.slug, done.rows, done.tables, out.display()))
}

/// `tenant export --readable`.
pub async fn export_readable(parts: &Parts, slug: &str, out: &Path, json: bool) -> Result<()> {
    let tenant = tenant_of(parts, slug).await?;
    let bar = output::bar("exporting");
    let seen = |done, total| output::advance(&bar, done, total);
    let done = backup::export_readable(&parts.registry, &tenant, out, &seen).await?;
    bar.finish_and_clear();
    if json {
        return output::json(&done);
    }
    let backup::Written { slug, tables, rows, files } = done;
    output::line(&format!("{slug}: {rows} rows of {tables} tables and {files} files in {}", out.display()))
}

/// `tenant sandbox`.
pub async fn sandbox(parts: &Parts, slug: &str, copy: Option<Slug>, json: bool) -> Result<()> {
    let tenant = tenant_of(parts, slug).await?;
    let bar = output::bar("copying");
    let seen = |done, total| output::advance(&bar, done, total);
    let sandboxes = Sandboxes::new(parts.registry.clone(), parts.keyring.clone());
    let (sandbox, done) = sandboxes.make(&tenant, copy, ACTOR, &seen).await?;
    bar.finish_and_clear();
    let url = parts.resolver.url_of(&sandbox);
    if json {
        return output::json(
            &json!({"id": done.id, "slug": done.slug, "rows": done.rows, "portal_url": url}),
        );
    }
    output::line(&format!("{}: {} rows, at {url}", done.slug, done.rows))
}

/// `tenant import`.
pub async fn import(
    parts: &Parts,
    file: &Path,
    slug: Option<Slug>,
    passphrase: &PassphraseArg,
    json: bool,
) -> Result<()> {
    let passphrase = passphrase.read()?;
    let import = Import {
        file,
        slug,
        passphrase: passphrase.as_ref(),
        keeps_domains: false,
        sandbox_of: None,
        asked_by: ACTOR,
    };
    let bar = output::bar("importing");
    let seen = |done, total| output::advance(&bar, done, total);
    let (tenant, done) = backup::import_tenant(&parts.registry, &parts.keyring, &import, &seen).await?;
    bar.finish_and_clear();
    if !done.is_anchored {
        anchor_anew(parts, &tenant).await?;
    }
    let url = parts.resolver.url_of(&tenant);
    if json {
        let (id, slug, rows) = (done.id, &done.slug, done.rows);
        return output::json(
            &json!({"id": id, "slug": slug, "rows": rows, "is_same_id": done.is_same_id, "portal_url": url}),
        );
    }
    output::line(&format!("{}: {} rows, at {url}", done.slug, done.rows))
}
