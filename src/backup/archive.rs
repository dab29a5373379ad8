//! The file: written beside its place and moved there when it is whole; looked through before it is believed.
//!
//! Only commands of their own process come here, so reading and writing files in between the awaits holds nobody up.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, pin_mut};
use sha2::{Digest, Sha256};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::manifest::Part;
use crate::error::{Error, OrInternal, Result};

const MANIFEST: &str = "manifest.json";
const PROOF: &str = "manifest.mac";
const MANIFEST_MAX: u64 = 64 * 1_048_576;
const CHUNK: usize = 64 * 1024;

/// An archive that is being written.
pub struct Writer {
    zip: ZipWriter<BufWriter<File>>,
    temporary: PathBuf,
    place: PathBuf,
    is_whole: bool,
}

impl Writer {
    /// Nobody but its owner may read what it holds.
    pub fn create(place: &Path) -> Result<Self> {
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".part-{}", std::process::id()));
        let temporary = place.with_file_name(name);
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|error| cannot_write(&temporary, &error))?;
        let zip = ZipWriter::new(BufWriter::with_capacity(CHUNK, file));
        Ok(Self { zip, temporary, place: place.to_owned(), is_whole: false })
    }

    fn begin(&mut self, entry: &str) -> Result<()> {
        let options = SimpleFileOptions::default().large_file(true);
        self.zip.start_file(entry, options).internal()
    }

    /// Writes one table's part; (bytes, digest in hexadecimal).
    pub async fn part<E>(
        &mut self,
        entry: &str,
        stream: impl Stream<Item = std::result::Result<Bytes, E>>,
    ) -> Result<(u64, String)>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.begin(entry)?;
        let (mut digest, mut bytes) = (Sha256::new(), 0_u64);
        pin_mut!(stream);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| Error::internal(error))?;
            digest.update(&chunk);
            bytes += chunk.len() as u64;
            self.zip.write_all(&chunk).map_err(|error| cannot_write(&self.temporary, &error))?;
        }
        Ok((bytes, data_encoding::HEXLOWER.encode(&digest.finalize())))
    }

    /// Ends the archive and puts it into its place.
    pub fn finish(mut self, manifest: &[u8], proof: Option<&[u8]>) -> Result<()> {
        self.begin(MANIFEST)?;
        self.zip.write_all(manifest).map_err(|error| cannot_write(&self.temporary, &error))?;
        if let Some(proof) = proof {
            self.begin(PROOF)?;
            self.zip.write_all(proof).map_err(|error| cannot_write(&self.temporary, &error))?;
        }
        let empty = ZipWriter::new(BufWriter::new(tempfile::tempfile().internal()?));
        let zip = std::mem::replace(&mut self.zip, empty);
        let mut file = zip.finish().internal()?;
        file.flush().map_err(|error| cannot_write(&self.temporary, &error))?;
        file.get_ref().sync_all().map_err(|error| cannot_write(&self.temporary, &error))?;
        fs::rename(&self.temporary, &self.place).map_err(|error| cannot_write(&self.place, &error))?;
        self.is_whole = true;
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.is_whole {
            // Half an archive is of no use; that it could not be removed changes nothing.
            drop(fs::remove_file(&self.temporary));
        }
    }
}

/// An archive that is read.
pub struct Reader {
    zip: ZipArchive<BufReader<File>>,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| {
            Error::invalid("file", "unreadable_file", format!("{}: {error}.", path.display()))
        })?;
        let zip = ZipArchive::new(BufReader::with_capacity(CHUNK, file))
            .map_err(|error| damaged(&format!("{} is no archive ({error})", path.display())))?;
        Ok(Self { zip })
    }

    /// The manifest, and the proof of whoever knew the passphrase.
    pub fn manifest(&mut self) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        let manifest = self.small(MANIFEST)?.ok_or_else(|| damaged("it has no manifest"))?;
        Ok((manifest, self.small(PROOF)?))
    }

    fn small(&mut self, entry: &str) -> Result<Option<Vec<u8>>> {
        let file = match self.zip.by_name(entry) {
            Ok(file) => file,
            Err(zip::result::ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(damaged(&format!("{entry}: {error}"))),
        };
        let mut bytes = Vec::new();
        file.take(MANIFEST_MAX)
            .read_to_end(&mut bytes)
            .map_err(|error| damaged(&format!("{entry}: {error}")))?;
        Ok(Some(bytes))
    }

    /// Looks through all parts: each as long as the manifest says and of the digest that it says, none missing, none more.
    pub fn verify(&mut self, parts: &[Part]) -> Result<()> {
        let expected: BTreeSet<String> = parts.iter().map(Part::entry).collect();
        if expected.len() != parts.len() {
            return Err(damaged("a table stands in the manifest twice"));
        }
        let mut there = BTreeSet::new();
        for name in self.zip.file_names() {
            let name = name.map_err(|error| damaged(&error.to_string()))?;
            if name != MANIFEST && name != PROOF && !there.insert(name.to_string()) {
                return Err(damaged(&format!("{name} is there twice")));
            }
        }
        if let Some(odd) = there.symmetric_difference(&expected).next() {
            return Err(damaged(&format!("{odd} is missing, or not in the manifest")));
        }
        for part in parts {
            let (mut digest, mut bytes) = (Sha256::new(), 0_u64);
            self.chunks(part, |chunk| {
                digest.update(chunk);
                bytes += chunk.len() as u64;
                // A part that unpacks to more than it should is not unpacked to its end.
                if bytes <= part.bytes {
                    Ok(())
                } else {
                    Err(damaged(&format!("{} is too long", part.entry())))
                }
            })?;
            if bytes != part.bytes || data_encoding::HEXLOWER.encode(&digest.finalize()) != part.sha256 {
                return Err(damaged(&format!("{} was changed", part.entry())));
            }
        }
        Ok(())
    }

    fn chunks(&mut self, part: &Part, mut seen: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut reading = self.part(part)?;
        while let Some(chunk) = reading.next()? {
            seen(&chunk)?;
        }
        Ok(())
    }

    /// One table's part, piece by piece.
    pub fn part(&mut self, part: &Part) -> Result<PartReader<'_>> {
        let entry = part.entry();
        let file = self.zip.by_name(&entry).map_err(|error| damaged(&format!("{entry}: {error}")))?;
        Ok(PartReader { file: Box::new(file), entry })
    }
}

/// See [`Reader::part`].
pub struct PartReader<'a> {
    file: Box<dyn Read + 'a>,
    entry: String,
}

impl PartReader<'_> {
    /// The next piece; None at the end. A wrong checksum of the container shows as a failure of the last one.
    pub fn next(&mut self) -> Result<Option<Bytes>> {
        let mut chunk = vec![0; CHUNK];
        let n = self.file.read(&mut chunk).map_err(|error| damaged(&format!("{}: {error}", self.entry)))?;
        chunk.truncate(n);
        Ok((n > 0).then(|| chunk.into()))
    }
}

pub fn damaged(what: &str) -> Error {
    Error::conflict(
        "archive_damaged",
        format!("The archive is damaged or was changed: {what}. Nothing was written."),
    )
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::invalid("out", "cannot_write", format!("{} cannot be written: {error}.", path.display()))
}
