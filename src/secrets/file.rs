//! Secrets in a folder that only its owner may read: for development and for a single server.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use futures_util::future::BoxFuture;
use secrecy::zeroize::Zeroizing;

use super::store::{SecretBytes, SecretName, SecretStore};
use crate::error::{Error, OrInternal, Result};

/// Everything but the owner's own rights.
const OTHERS: u32 = 0o077;

/// Secrets are small: what AWS takes at most is the most here too, so that a store can be exchanged for another.
const MAX_BYTES: u64 = 64 << 10;

/// A folder (0700) with one file (0600) per secret.
pub struct FileStore {
    folder: PathBuf,
}

impl FileStore {
    pub async fn open(folder: &Path) -> Result<Self> {
        let store = Self { folder: folder.to_owned() };
        store
            .blocking(|folder| {
                // Recursive, so that it is no failure when five processes make it at once.
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(&folder.0)
                    .map_err(|e| folder.broken("be made", &e))?;
                folder.check()
            })
            .await?;
        Ok(store)
    }

    /// File systems block; so does waiting for another process's lock.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(Folder) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = Folder(self.folder.clone());
        tokio::task::spawn_blocking(move || work(folder)).await.internal()?
    }
}

impl SecretStore for FileStore {
    fn get<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<Option<SecretBytes>>> {
        let name = name.clone();
        Box::pin(self.blocking(move |folder| {
            folder.check()?;
            folder.read(&name)
        }))
    }

    fn put<'a>(&'a self, name: &'a SecretName, value: &'a SecretBytes) -> BoxFuture<'a, Result<()>> {
        let (name, value) = (name.clone(), value.clone());
        Box::pin(self.blocking(move |folder| {
            let _lock = folder.lock()?;
            folder.write(&name, &value)
        }))
    }

    fn put_if_absent<'a>(
        &'a self,
        name: &'a SecretName,
        value: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<SecretBytes>> {
        let (name, value) = (name.clone(), value.clone());
        Box::pin(self.blocking(move |folder| {
            let _lock = folder.lock()?;
            if let Some(winner) = folder.read(&name)? {
                return Ok(winner);
            }
            folder.write(&name, &value)?;
            Ok(value)
        }))
    }

    fn replace<'a>(
        &'a self,
        name: &'a SecretName,
        expected: &'a SecretBytes,
        new: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<bool>> {
        let (name, expected, new) = (name.clone(), expected.clone(), new.clone());
        Box::pin(self.blocking(move |folder| {
            let _lock = folder.lock()?;
            if folder.read(&name)?.as_ref() != Some(&expected) {
                return Ok(false);
            }
            folder.write(&name, &new)?;
            Ok(true)
        }))
    }

    fn delete<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<()>> {
        let name = name.clone();
        Box::pin(self.blocking(move |folder| {
            let _lock = folder.lock()?;
            let path = folder.path(&name);
            match fs::remove_file(&path) {
                Ok(()) => folder.sync(),
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
                Err(e) => Err(broken(&path, "be deleted", &e)),
            }
        }))
    }

    fn describe(&self) -> String {
        format!("files in {}", self.folder.display())
    }
}

/// The folder as the blocking half sees it.
struct Folder(PathBuf);

impl Folder {
    /// Names may have slashes and never a '%': flat files keep one folder's mode the only one to get right.
    fn path(&self, name: &SecretName) -> PathBuf {
        self.0.join(name.as_str().replace('/', "%2F"))
    }

    fn check(&self) -> Result<()> {
        let meta = fs::metadata(&self.0).map_err(|e| self.broken("be opened", &e))?;
        if !meta.is_dir() {
            return Err(Error::internal(format!("{} must be a folder", self.0.display())));
        }
        check_mode(&self.0, meta.mode(), 0o700)
    }

    /// Held by every writer; the kernel gives it back when a process dies.
    fn lock(&self) -> Result<File> {
        self.check()?;
        let path = self.0.join(".lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| broken(&path, "be opened", &e))?;
        lock.lock().map_err(|e| broken(&path, "be locked", &e))?;
        Ok(lock)
    }

    fn read(&self, name: &SecretName) -> Result<Option<SecretBytes>> {
        let path = self.path(name);
        let meta = match fs::symlink_metadata(&path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(broken(&path, "be read", &e)),
        };
        if !meta.is_file() {
            return Err(Error::internal(format!("{} must be a plain file", path.display())));
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(broken(&path, "be read", &e)),
        };
        // The mode of the very file that is read, not of one that was there a moment ago.
        let meta = file.metadata().map_err(|e| broken(&path, "be read", &e))?;
        check_mode(&path, meta.mode(), 0o600)?;
        if meta.len() > MAX_BYTES {
            return Err(Error::internal(format!("{} is too large for a secret", path.display())));
        }
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut bytes =
            Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len()).internal()?.saturating_add(1)));
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|e| broken(&path, "be read", &e))?;
        Ok(Some(SecretBytes::new(std::mem::take(&mut *bytes))))
    }

    /// Whoever reads sees the old value or the new one, also after a power cut. Called with the lock held, so that one
    /// name for the temporary file is enough and a leftover of a killed process is simply written over.
    fn write(&self, name: &SecretName, value: &SecretBytes) -> Result<()> {
        let (path, temporary) = (self.path(name), self.0.join(".new"));
        if u64::try_from(value.expose().len()).internal()? > MAX_BYTES {
            return Err(Error::internal(format!("the secret {name} is larger than {MAX_BYTES} bytes")));
        }
        match fs::remove_file(&temporary) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(broken(&temporary, "be removed", &e)),
            _ => {}
        }
        let written = (|| {
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
            file.write_all(value.expose())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        })();
        written.map_err(|e| broken(&path, "be written", &e))?;
        self.sync()
    }

    /// A rename lasts only when the folder itself has reached the disk.
    fn sync(&self) -> Result<()> {
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(|e| self.broken("be written", &e))
    }

    fn broken(&self, what: &str, source: &std::io::Error) -> Error {
        broken(&self.0, what, source)
    }
}

#[track_caller]
fn broken(path: &Path, what: &str, source: &std::io::Error) -> Error {
    Error::internal(format!("{} cannot {what}: {source}", path.display()))
}

fn check_mode(path: &Path, mode: u32, wanted: u32) -> Result<()> {
    if mode & OTHERS == 0 {
        return Ok(());
    }
    Err(Error::internal(format!(
        "{path} is open to others (mode {mode:04o}), so its secrets are not used; run: chmod {wanted:o} {path}",
        path = path.display(),
        mode = mode & 0o7777,
    )))
}
