//! What lies around a server: mail, names, the folders that it writes into.

use std::path::Path;

use tokio::time::timeout;

use super::{Findings, PATIENCE};
use crate::{
    certificates,
    config::{MailKind, SecretStoreSettings, Settings},
    mail::Post,
};

const SPACE_MIN_KIB: u64 = 512 * 1024;

pub(super) async fn mail(findings: &mut Findings, settings: &Settings) {
    let smtp = "mail.url must be smtps://user:password@host:465 or smtp://user:password@host:587.";
    let post = match Post::open(&settings.mail) {
        Ok(post) => post,
        Err(error) => return findings.problem("mail", error.to_string(), smtp),
    };
    if settings.mail.kind == MailKind::Folder && settings.environment == "production" {
        return findings.warning(
            "mail",
            "letters are written into a folder",
            "Set mail.kind to smtp, and mail.url.",
        );
    }
    let place = post.describe();
    match timeout(PATIENCE, post.check()).await {
        Ok(Ok(())) => findings.ok("mail", format!("letters go to {place}")),
        Ok(Err(error)) => findings.problem("mail", error.to_string(), smtp),
        Err(_late) => findings.problem("mail", format!("{place} does not answer"), smtp),
    }
}

pub(super) async fn names(findings: &mut Findings, settings: &Settings) {
    let base = &settings.base_domain;
    let mut silent = Vec::new();
    for name in [base.clone(), format!("api.{base}"), format!("any-provider.{base}")] {
        let has_address = match timeout(PATIENCE, tokio::net::lookup_host((name.as_str(), 443))).await {
            Ok(Ok(mut addresses)) => addresses.next().is_some(),
            _ => false,
        };
        if !has_address {
            silent.push(name);
        }
    }
    if silent.is_empty() {
        findings.ok("names", format!("{base} and names below it resolve"));
    } else {
        findings.warning(
            "names",
            format!("no address for {}", silent.join(", ")),
            "Point base_domain and *.base_domain at the proxy.",
        );
    }
}

pub(super) async fn log_folder(findings: &mut Findings, settings: &Settings) {
    let Some(dir) = &settings.log.dir else { return };
    let probe = dir.join(format!(".doctor-{}", std::process::id()));
    let written = tokio::fs::write(&probe, b"").await;
    if let Err(error) = written {
        let detail = format!("{} cannot be written to: {error}", dir.display());
        findings.problem("log folder", detail, "Make it, and let this user write into it.");
        return;
    }
    // It was just made; that it stays behind does no harm.
    drop(tokio::fs::remove_file(&probe).await);
    findings.ok("log folder", format!("{} is writable", dir.display()));
}

/// The authority that certificates are ordered from, and the folder that they are laid down in.
pub(super) async fn acme(findings: &mut Findings, settings: &Settings) {
    const CHECK: &str = "acme";
    let Some(directory) = &settings.acme.directory else { return };
    match timeout(PATIENCE, certificates::reach(&settings.acme, &settings.outbound)).await {
        Ok(Ok(())) => findings.ok(CHECK, format!("{directory} answers")),
        Ok(Err(error)) => {
            findings.problem(CHECK, error.to_string(), "Check acme.directory, and acme.ca_certificates.")
        }
        Err(_late) => {
            findings.problem(CHECK, format!("{directory} does not answer"), "Check acme.directory.")
        }
    }
    let Some(folder) = &settings.acme.folder else { return };
    let probe = folder.join(format!(".doctor-{}", std::process::id()));
    if let Err(error) = tokio::fs::write(&probe, b"").await {
        let detail = format!("{} cannot be written to: {error}", folder.display());
        findings.problem(
            CHECK,
            detail,
            "Make it, and let this user write into it; see operations.md, Custom domains.",
        );
        return;
    }
    // It was just made; that it stays behind does no harm.
    drop(tokio::fs::remove_file(&probe).await);
    findings.ok(CHECK, format!("{} is writable", folder.display()));
}

/// Room wherever this process writes. The database's own disk is on its own machine.
pub(super) async fn disk(findings: &mut Findings, settings: &Settings) {
    let mut folders = vec![Path::new(".")];
    folders.extend(settings.log.dir.as_deref());
    if settings.mail.kind == MailKind::Folder {
        folders.push(&settings.mail.folder);
    }
    if let SecretStoreSettings::File { path } = &settings.secrets {
        folders.push(path);
    }
    let mut short = Vec::new();
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        if let Some(free) = free_kib(folder).await.filter(|free| *free < SPACE_MIN_KIB) {
            short.push(format!("{} MiB are free in {}", free / 1024, folder.display()));
        }
    }
    if short.is_empty() {
        findings.ok("disk", "there is room wherever this process writes");
    } else {
        findings.warning("disk", short.join(", "), "Make room; fewer logs are kept with log.keep_files.");
    }
}

/// What df says; None where it says nothing that can be read.
async fn free_kib(dir: &Path) -> Option<u64> {
    let told = tokio::process::Command::new("df").arg("-Pk").arg(dir).output().await.ok()?;
    let text = String::from_utf8(told.stdout).ok()?;
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}
