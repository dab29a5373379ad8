//! The proxy's folder: `NAME/fullchain.pem` and `NAME/privkey.pem` for every domain that is served, each `NAME` a link into `.held`.
//!
//! A link is exchanged in one step, so that a chain never stands beside the key of another. What is no link of ours was laid down by
//! somebody else, and is left as it is.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, DirEntry, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{
    orders::{COLUMN, TABLE},
    store::{self, Wanted},
};
use crate::{
    db::Db,
    error::{OrInternal, Result},
    secrets::TenantKeys,
};

/// Where what the links lead to lies. No domain's name begins with a dot.
const HELD: &str = ".held";
/// The group is the proxy's: what is made in a folder with the set-group-ID bit has the folder's.
const DIR_MODE: u32 = 0o750;
const SET_GROUP: u32 = 0o2000;
const FILE_MODE: u32 = 0o640;
const FILES: [&str; 2] = ["fullchain.pem", "privkey.pem"];
/// Ends the names of what is being written.
const NEW: &str = ".new";
const WRITTEN_WITHIN: Duration = Duration::from_secs(3_600);

/// Keeps a folder as the table says. Cheap to clone.
#[derive(Clone)]
pub struct Folder {
    db: Db,
    keys: TenantKeys,
    path: PathBuf,
}

impl Folder {
    pub fn new(db: Db, keys: TenantKeys, path: PathBuf) -> Self {
        Self { db, keys, path }
    }

    /// Lays down what is missing or older, then takes away what is not served any more.
    pub async fn round(&self) -> Result<()> {
        let wanted = store::list_wanted(&self.db).await?;
        for one in &wanted {
            if let Err(error) = self.lay_down(one).await {
                tracing::warn!(%error, domain = one.name, "a certificate could not be laid down");
            }
        }
        let wanted: HashSet<String> = wanted.iter().map(version_of).collect();
        let folder = self.path.clone();
        spawn_blocking(move || take_away(&folder, &wanted)).await.internal()?.internal()
    }

    async fn lay_down(&self, wanted: &Wanted) -> Result<()> {
        let version = version_of(wanted);
        let link = self.path.join(&wanted.name);
        match fs::read_link(&link) {
            Ok(target) if target == Path::new(HELD).join(&version) && is_whole(&link) => return Ok(()),
            Ok(target) if !target.starts_with(HELD) => return Ok(()),
            Ok(_older) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Somebody else's folder.
            Err(_no_link) => return Ok(()),
        }
        let Some((chain, sealed)) = store::find_held(&self.db, wanted).await? else { return Ok(()) };
        let private_key = self.keys.open(wanted.tenant, TABLE, COLUMN, wanted.domain.0, &sealed).await?;
        let (folder, name) = (self.path.clone(), wanted.name.clone());
        spawn_blocking(move || write(&folder, &name, &version, &[chain.as_bytes(), &private_key]))
            .await
            .internal()?
            .internal()?;
        tracing::info!(domain = wanted.name, "a certificate is laid down for the proxy");
        Ok(())
    }
}

/// Whether what a link leads to is there: what somebody cleared away comes back.
fn is_whole(link: &Path) -> bool {
    FILES.iter().all(|file| link.join(file).is_file())
}

/// The folder of one certificate: another one of the same domain has another.
fn version_of(wanted: &Wanted) -> String {
    format!("{}.{}", wanted.name, wanted.obtained_at.timestamp_micros())
}

/// Written whole under a name of its own first; only then it is what a link leads to. Two processes with one folder do it alike.
fn write(folder: &Path, name: &str, version: &str, contents: &[&[u8]; 2]) -> io::Result<()> {
    let held = folder.join(HELD);
    let own = Uuid::new_v4();
    let new = held.join(format!("{own}{NEW}"));
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(&held)?;
    if held.metadata()?.permissions().mode() & DIR_MODE != DIR_MODE {
        fs::set_permissions(&held, Permissions::from_mode(SET_GROUP | DIR_MODE))?;
    }
    DirBuilder::new().mode(DIR_MODE).create(&new)?;
    for (file, bytes) in FILES.iter().zip(contents) {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(FILE_MODE).open(new.join(file))?;
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    // Only now: it takes the set-group-ID bit away.
    fs::set_permissions(&new, Permissions::from_mode(DIR_MODE))?;
    File::open(&new)?.sync_all()?;
    match fs::rename(&new, held.join(version)) {
        // The other process was first, with the same.
        Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
            fs::remove_dir_all(&new)?;
        }
        renamed => renamed?,
    }
    let link = held.join(format!("{own}.link{NEW}"));
    symlink(Path::new(HELD).join(version), &link)?;
    fs::rename(&link, folder.join(name))?;
    File::open(folder)?.sync_all()
}

/// Links of ours that lead to nothing wanted go first, then what they led to.
fn take_away(folder: &Path, wanted: &HashSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let Ok(version) = target.strip_prefix(HELD) else { continue };
        if !wanted.contains(version.to_string_lossy().as_ref()) {
            fs::remove_file(entry.path())?;
            tracing::info!(domain = %entry.file_name().to_string_lossy(), "a certificate is taken away from the proxy");
        }
    }
    let held = match fs::read_dir(folder.join(HELD)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        held => held?,
    };
    for entry in held {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if wanted.contains(&name) || (name.ends_with(NEW) && is_young(&entry)?) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether another process may still be writing it.
fn is_young(entry: &DirEntry) -> io::Result<bool> {
    let changed = entry.path().symlink_metadata()?.modified()?;
    Ok(changed.elapsed().unwrap_or_default() < WRITTEN_WITHIN)
}
