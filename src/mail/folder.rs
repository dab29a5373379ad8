//! Letters as files, for development: one `.eml` each, which every mail program opens.

use std::path::{Path, PathBuf};

use tokio::fs;

use super::{letter::Envelope, post::Outcome};
use crate::error::{OrInternal, Result};

/// A folder that letters are written into.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub fn describe(&self) -> String {
        format!("files in {}", self.path.display())
    }

    pub async fn check(&self) -> Result<()> {
        self.make().await.internal()
    }

    /// The name comes of the letter alone, so a second time writes the same file.
    pub async fn carry(&self, envelope: &Envelope) -> Outcome {
        let name = format!("{}-{}", envelope.written_at.format("%Y%m%dT%H%M%S"), envelope.id);
        match self.write(&name, &envelope.bytes).await {
            Ok(()) => Outcome::Accepted,
            Err(error) => Outcome::NotTaken(format!("{}: {error}", self.path.display())),
        }
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        self.make().await?;
        // Written beside and renamed: whoever watches the folder never sees half a letter.
        let unfinished = self.path.join(format!(".{name}.part"));
        write_private(&unfinished, bytes).await?;
        fs::rename(&unfinished, self.path.join(format!("{name}.eml"))).await
    }

    async fn make(&self) -> std::io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        builder.mode(0o700);
        builder.create(&self.path).await
    }
}

/// Letters hold links that let people in: nobody else on this machine may read them.
async fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use tokio::io::AsyncWriteExt;

    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path).await?;
    file.write_all(bytes).await?;
    file.sync_all().await
}
