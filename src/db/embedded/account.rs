//! The unix user that the server runs as: ourselves, or, because PostgreSQL refuses root, a user with fewer rights.

use std::{ffi::OsStr, os::unix::fs::chown, path::Path, process::Stdio};

use tokio::process::Command;

use crate::error::{Error, OrInternal, Result};

/// Users that root hands the server to, the fitting one first.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) name: &'static str,
    uid: u32,
    gid: u32,
}

impl Account {
    /// Whom the server runs as; None when we run it as ourselves.
    pub(super) async fn of_server() -> Result<Option<Self>> {
        if id(&["-u"]).await? != Some(0) {
            return Ok(None);
        }
        for name in STAND_INS {
            if let (Some(uid), Some(gid)) = (id(&["-u", name]).await?, id(&["-g", name]).await?) {
                return Ok(Some(Self { name, uid, gid }));
            }
        }
        Err(Error::unavailable(
            "postgres_account_missing",
            "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as. \
             Create one (useradd --system postgres), or start Lastmile as an ordinary user.",
        ))
    }
}

/// What `id` answers; None for a user that does not exist.
async fn id(args: &[&str]) -> Result<Option<u32>> {
    let answer = Command::new("id").args(args).stderr(Stdio::null()).output().await.internal()?;
    Ok(String::from_utf8_lossy(&answer.stdout).trim().parse().ok())
}

/// A command with the rights of the server's user, and nothing of our environment that could change what it does.
pub(super) fn command(program: impl AsRef<OsStr>, account: Option<&Account>) -> Command {
    let mut command = Command::new(program);
    // LC_ALL: messages are read by us. "/": our own folder may be closed to that user.
    command.env_clear().env("LC_ALL", "C").current_dir("/").stdin(Stdio::null()).kill_on_drop(true);
    for kept in ["PATH", "LD_LIBRARY_PATH"] {
        #[expect(
            clippy::disallowed_methods,
            reason = "what the machine needs to find programs, not a setting"
        )]
        let value = std::env::var_os(kept);
        if let Some(value) = value {
            command.env(kept, value);
        }
    }
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// Hands a file or folder to the server's user.
pub(super) fn give(path: &Path, account: Option<&Account>) -> Result<()> {
    match account {
        Some(account) => chown(path, Some(account.uid), Some(account.gid)).internal(),
        None => Ok(()),
    }
}

/// Whether the server's user can execute this file, or enter this folder. Asked by trying: modes do not tell all.
pub(super) async fn can_reach(path: &Path, account: Option<&Account>) -> Result<bool> {
    let mut trial = command("sh", account);
    trial.args(["-c", "test -x \"$1\"", "sh"]).arg(path);
    Ok(trial.status().await.internal()?.success())
}
