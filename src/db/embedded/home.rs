//! The folder that holds the cluster: the one asked for, or another when the server's user cannot enter that one.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rand::distr::{Alphanumeric, SampleString};

use super::{account::Account, account::can_reach, binaries::Binaries, cluster::Cluster, postmaster::State};
use crate::error::{Error, OrInternal, Result};

/// Where a folder goes that the server's user can enter. /var/lib first: some systems tidy /var/tmp by age, and a cluster
/// with a few files gone is worse than none.
const ELSEWHERE: [&str; 2] = ["/var/lib", "/var/tmp"];
const ELSEWHERE_PREFIX: &str = "lastmile-pg-";

/// An existing folder, by its real path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home(PathBuf);

impl Home {
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The home that an earlier start chose for `dir`, if it is still there.
    pub(super) fn known(dir: &Path) -> Result<Option<Self>> {
        let dir = dir.canonicalize().internal()?;
        let note = dir.join("elsewhere");
        let Some(path) = read_if_there(&note)? else {
            return Ok(dir.join("data").is_dir().then_some(Self(dir)));
        };
        let home = PathBuf::from(path.trim_end());
        Ok(is_ours(&home, &note)?.then_some(Self(home)))
    }

    /// The home for `dir`: the known one, else `dir` itself, else a new folder that the server's user can enter.
    pub(super) async fn choose(dir: &Path, account: Option<&Account>, bin: Option<&Path>) -> Result<Self> {
        let dir = dir.canonicalize().internal()?;
        let home = Self::known(&dir)?.unwrap_or(Self(dir.clone()));
        if can_reach(home.path(), account).await? {
            return Ok(home);
        }
        if home.join("data").is_dir() {
            return Err(unreachable_now(&home, account));
        }
        for parent in ELSEWHERE.map(Path::new) {
            remove_abandoned(parent, &dir, account, bin).await?;
        }
        let home = Self::make_elsewhere(&dir, account).await?;
        tracing::info!(asked = %dir.display(), used = %home.path().display(), "PostgreSQL's user cannot enter the folder; another is used");
        Ok(home)
    }

    async fn make_elsewhere(dir: &Path, account: Option<&Account>) -> Result<Self> {
        for parent in ELSEWHERE.map(Path::new) {
            // Not to be guessed: in /var/tmp anybody could make a folder of a known name before us.
            let home = parent.join(format!("{ELSEWHERE_PREFIX}{}", random_text(12)));
            if DirBuilder::new().mode(0o711).create(&home).is_err() {
                continue;
            }
            open_to_others(&home)?;
            if can_reach(&home, account).await? {
                write_whole(&home.join("origin"), dir.display().to_string().as_bytes(), 0o600)?;
                write_whole(&dir.join("elsewhere"), home.display().to_string().as_bytes(), 0o600)?;
                return Ok(Self(home));
            }
            fs::remove_dir(&home).internal()?;
        }
        Err(Error::unavailable(
            "postgres_folder_unreachable",
            format!(
                "The user that PostgreSQL runs as can enter neither {} nor a folder in {}. Name a folder that it can enter.",
                dir.display(),
                ELSEWHERE.join(" or ")
            ),
        ))
    }
}

/// Makes the folder asked for. Another user's server must be able to pass through it, whatever the umask says.
pub(super) fn make(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let made = fs::create_dir_all(dir).and_then(|()| dir.metadata());
    made.map_err(|refusal| {
        Error::unavailable(
            "postgres_folder_unreachable",
            format!("Cannot make {}: {refusal}.", dir.display()),
        )
    })?;
    open_to_others(dir)
}

/// Waits until no other process starts or stops the server of this folder. The lock goes with the file, also by kill -9.
pub(super) async fn take_turn(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(|refusal| {
        Error::unavailable(
            "postgres_folder_unreachable",
            format!("Cannot write {}: {refusal}.", path.display()),
        )
    })?;
    tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await.internal()?.internal()
}

/// Letters and digits, fit for a password, a URL and a file's name.
pub(super) fn random_text(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length)
}

/// Writes a file so that readers see the old one or the whole new one.
pub(super) fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let fresh = path.with_extension("new");
    drop(fs::remove_file(&fresh));
    let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&fresh).internal()?;
    file.set_permissions(fs::Permissions::from_mode(mode)).internal()?;
    file.write_all(bytes).internal()?;
    file.sync_all().internal()?;
    fs::rename(&fresh, path).internal()
}

pub(super) fn read_if_there(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(refusal) if refusal.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(refusal) => Err(Error::internal(format!("{}: {refusal}", path.display()))),
    }
}

fn open_to_others(dir: &Path) -> Result<()> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o711)).internal()
}

/// A real folder, and of the same owner as the note that names it: never one that somebody else put there.
fn is_ours(home: &Path, note: &Path) -> Result<bool> {
    match home.symlink_metadata() {
        Ok(found) => Ok(found.is_dir() && found.uid() == note.metadata().internal()?.uid()),
        Err(_) => Ok(false),
    }
}

fn unreachable_now(home: &Home, account: Option<&Account>) -> Error {
    let user = account.map_or("this user", |account| account.name);
    Error::unavailable(
        "postgres_folder_unreachable",
        format!(
            "{} holds a database, but `{user}`, as which PostgreSQL runs, can no longer enter that folder. \
             Give the folders above it back their execute right (chmod o+x).",
            home.path().display()
        ),
    )
}

/// Whoever deletes the folder asked for means the database: what lies elsewhere for it goes when the next one is made.
async fn remove_abandoned(
    parent: &Path,
    dir: &Path,
    account: Option<&Account>,
    bin: Option<&Path>,
) -> Result<()> {
    let our_uid = dir.metadata().internal()?.uid();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let named_so = entry.file_name().to_string_lossy().starts_with(ELSEWHERE_PREFIX);
        let ours =
            named_so && path.symlink_metadata().is_ok_and(|found| found.is_dir() && found.uid() == our_uid);
        if !ours || read_if_there(&path.join("origin"))?.is_none_or(|origin| Path::new(&origin) != dir) {
            continue;
        }
        let cluster = Cluster::new(Home(path.clone()));
        if !matches!(cluster.state().await?, State::Down) {
            let binaries = Binaries::choose(bin, cluster.major()?).await?;
            cluster.stop(&binaries, account, "immediate").await?;
        }
        fs::remove_dir_all(&path).internal()?;
    }
    Ok(())
}
