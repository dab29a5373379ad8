//! The whole deployment: every tenant's archive, and one of the control plane, all of one instant.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use chrono::Utc;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    archive::{Reader, Writer, damaged},
    manifest::{ControlManifest, FORMAT, Kind, TenantPart, TombstonePart, parse},
    tenant::{Export, Import, Progress, export_tenant, fill, import_tenant, write_part},
};
use crate::{
    db::OwnerTx,
    error::{Error, OrInternal, Result},
    secrets::{Keyring, Passphrase},
    tenancy::{self, Filling, Reading, Registry, Tenant},
    types::TenantId,
};

const INDEX: &str = "backup.json";
const CONTROL: &str = "control-plane.zip";

/// What goes into the tenants' archives, or is made anew with their schemas.
const NOT_OF_THE_CONTROL_PLANE: &[&str] = &[
    "acme_challenge",
    "audit_anchor",
    "schema_pool",
    "tenant",
    "tenant_certificate",
    "tenant_domain",
    "tenant_figure",
    "tenant_key",
    "tenant_schema_state",
    "usage",
    "web_process",
];

/// The list of a backup's files.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    format: u32,
    lastmile: String,
    taken_at: chrono::DateTime<Utc>,
    control_plane: FilePart,
    tenants: Vec<TenantFile>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantFile {
    id: Uuid,
    slug: String,
    file: FilePart,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePart {
    name: String,
    bytes: u64,
    sha256: String,
}

/// What a backup came to.
#[derive(Debug, Serialize)]
pub struct BackedUp {
    pub tenants: usize,
    pub rows: u64,
    pub bytes: u64,
}

/// Writes everything into a folder that is new or empty. One instant for all of it, one tenant's locks at a time.
pub async fn back_up(
    registry: &Registry,
    keyring: &Keyring,
    dir: &Path,
    passphrase: Option<&Passphrase>,
    seen: Progress<'_>,
) -> Result<BackedUp> {
    make_empty(dir)?;
    let (index, rows) = tenancy::read_control_plane(registry.db(), async |reading, snapshot| {
        let ids = list_ids(reading.tx()).await?;
        let (mut tenants, mut rows) = (Vec::with_capacity(ids.len()), 0);
        for (done, id) in ids.iter().enumerate() {
            seen(done, ids.len());
            let tenant: Tenant =
                registry.find_by_id(*id).await?.ok_or_else(|| Error::internal("a tenant is gone"))?;
            let name = format!("tenants/{id}.zip");
            let path = dir.join(&name);
            let export = Export { out: &path, passphrase, snapshot: Some(&snapshot) };
            let exported = export_tenant(registry, keyring, &tenant, export, &|_, _| {}).await?;
            rows += exported.rows;
            tenants.push(TenantFile { id: exported.id, slug: exported.slug, file: file_part(dir, &name)? });
        }
        write_control_plane(reading, &dir.join(CONTROL)).await?;
        seen(ids.len(), ids.len());
        let index = Index {
            format: FORMAT,
            lastmile: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at: Utc::now(),
            control_plane: file_part(dir, CONTROL)?,
            tenants,
        };
        Ok((index, rows))
    })
    .await?;
    let text = serde_json::to_vec_pretty(&index).internal()?;
    // The index comes last: a folder without one is a backup that did not end.
    fs::write(dir.join(INDEX), text).map_err(|error| cannot(dir, &error))?;
    let bytes = index.control_plane.bytes + index.tenants.iter().map(|tenant| tenant.file.bytes).sum::<u64>();
    Ok(BackedUp { tenants: index.tenants.len(), rows, bytes })
}

fn make_empty(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let private = |path: PathBuf| fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    private(dir.to_owned()).map_err(|error| cannot(dir, &error))?;
    if fs::read_dir(dir).map_err(|error| cannot(dir, &error))?.next().is_some() {
        return Err(Error::conflict("not_empty", format!("{} is not empty.", dir.display())));
    }
    private(dir.join("tenants")).map_err(|error| cannot(dir, &error))
}

fn cannot(dir: &Path, error: &std::io::Error) -> Error {
    Error::invalid("dir", "unusable_folder", format!("{}: {error}.", dir.display()))
}

async fn list_ids(tx: &OwnerTx) -> Result<Vec<TenantId>> {
    let rows = tx
        .query("SELECT id FROM public.tenant WHERE status <> 'closed' ORDER BY created_at, id", &[])
        .await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

fn file_part(dir: &Path, name: &str) -> Result<FilePart> {
    let path = dir.join(name);
    let mut file = fs::File::open(&path).map_err(|error| cannot(&path, &error))?;
    let mut digest = Sha256::new();
    let bytes =
        std::io::copy(&mut file, &mut Digesting(&mut digest)).map_err(|error| cannot(&path, &error))?;
    let sha256 = data_encoding::HEXLOWER.encode(&digest.finalize());
    Ok(FilePart { name: name.to_owned(), bytes, sha256 })
}

struct Digesting<'a>(&'a mut Sha256);

impl std::io::Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn write_control_plane(reading: &Reading<'_>, out: &Path) -> Result<()> {
    let mut writer = Writer::create(out)?;
    let mut manifest = ControlManifest {
        format: FORMAT,
        kind: Kind::ControlPlane,
        lastmile: env!("CARGO_PKG_VERSION").to_owned(),
        exported_at: Utc::now(),
        schema_version: reading.version().await?,
        parts: Vec::new(),
        tombstones: tombstones(reading.tx()).await?,
    };
    for table in reading.tables().await? {
        if !NOT_OF_THE_CONTROL_PLANE.contains(&table.name.as_str()) {
            manifest.parts.push(write_part(reading, &mut writer, &table).await?);
        }
    }
    writer.finish(&serde_json::to_vec_pretty(&manifest).internal()?, None)
}

async fn tombstones(tx: &OwnerTx) -> Result<Vec<TombstonePart>> {
    let rows = tx
        .query(
            "SELECT id, slug, name, status, time_zone, currency, country, created_at, schema_name, shard, closes_at
             FROM public.tenant WHERE status = 'closed' ORDER BY id",
            &[],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| TombstonePart {
            tenant: TenantPart {
                id: row.get("id"),
                slug: row.get("slug"),
                name: row.get("name"),
                status: row.get("status"),
                time_zone: row.get("time_zone"),
                currency: row.get("currency"),
                country: row.get("country"),
                created_at: row.get("created_at"),
                sandbox_of: None,
            },
            schema_name: row.get("schema_name"),
            shard: row.get("shard"),
            closes_at: row.get("closes_at"),
        })
        .collect())
}

/// What a restore came to.
#[derive(Debug, Serialize)]
pub struct Restored {
    pub tenants: usize,
    /// Tenants that an earlier, broken-off restore had brought in already.
    pub skipped: usize,
    pub rows: u64,
    /// Tenants whose audit trail has to be anchored anew.
    #[serde(skip)]
    pub unanchored: Vec<Tenant>,
}

/// Brings a backup into an empty deployment. Broken off, it can be run again: tenants that are there already are skipped. The
/// control plane comes last, in one transaction.
pub async fn restore(
    registry: &Registry,
    keyring: &Keyring,
    dir: &Path,
    passphrase: Option<&Passphrase>,
    seen: Progress<'_>,
) -> Result<Restored> {
    let index = read_index(dir)?;
    let there = present(registry).await?;
    let ours: BTreeSet<Uuid> = index.tenants.iter().map(|tenant| tenant.id).collect();
    if there.iter().any(|id| !ours.contains(id)) {
        return Err(Error::conflict(
            "not_empty",
            "A backup is restored into an empty deployment: there are others here.",
        ));
    }
    let mut restored = Restored { tenants: 0, skipped: 0, rows: 0, unanchored: Vec::new() };
    for (done, tenant) in index.tenants.iter().enumerate() {
        seen(done, index.tenants.len());
        if there.contains(&tenant.id) {
            restored.skipped += 1;
            continue;
        }
        let file = dir.join(&tenant.file.name);
        let import = Import {
            file: &file,
            slug: None,
            passphrase,
            keeps_domains: true,
            sandbox_of: None,
            asked_by: "restore",
        };
        let (made, imported) = import_tenant(registry, keyring, &import, &|_, _| {}).await?;
        restored.tenants += 1;
        restored.rows += imported.rows;
        if !imported.is_anchored {
            restored.unanchored.push(made);
        }
    }
    restore_control_plane(registry, &dir.join(CONTROL)).await?;
    seen(index.tenants.len(), index.tenants.len());
    Ok(restored)
}

/// The index, after every file was held against it.
fn read_index(dir: &Path) -> Result<Index> {
    let path = dir.join(INDEX);
    let text = fs::read(&path).map_err(|error| {
        Error::invalid(
            "dir",
            "no_backup",
            format!("{}: {error}. A backup without it did not end.", path.display()),
        )
    })?;
    let index: Index = serde_json::from_slice(&text)
        .map_err(|error| damaged(&format!("{INDEX} cannot be read: {error}")))?;
    if index.format != FORMAT {
        return Err(Error::conflict("archive_format", format!("The backup is of format {}.", index.format)));
    }
    for file in index.tenants.iter().map(|tenant| &tenant.file).chain([&index.control_plane]) {
        let is_plain = file.name == CONTROL
            || file.name.strip_prefix("tenants/").is_some_and(|name| !name.contains(['/', '\\']));
        if !is_plain {
            return Err(damaged(&format!("{} is an odd name", file.name)));
        }
        if file_part(dir, &file.name)?.sha256 != file.sha256 {
            return Err(damaged(&format!("{} was changed", file.name)));
        }
    }
    Ok(index)
}

async fn present(registry: &Registry) -> Result<BTreeSet<Uuid>> {
    let rows = registry
        .db()
        .read_public(async |tx| tx.query("SELECT id FROM public.tenant WHERE status <> 'closed'", &[]).await)
        .await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

async fn restore_control_plane(registry: &Registry, file: &Path) -> Result<()> {
    let mut reader = Reader::open(file)?;
    let (bytes, _) = reader.manifest()?;
    let manifest: ControlManifest = parse(&bytes, Kind::ControlPlane)?;
    reader.verify(&manifest.parts)?;
    let here = tenancy::read_control_plane(registry.db(), async |reading, _| reading.version().await).await?;
    if here != manifest.schema_version {
        return Err(Error::conflict(
            "archive_version",
            format!(
                "The control plane was backed up by lastmile {} at version {}, this one is at {here}: restore with that program, then upgrade.",
                manifest.lastmile, manifest.schema_version
            ),
        ));
    }
    tenancy::fill_control_plane(registry.db(), async |filling: &Filling<'_>| {
        for tombstone in &manifest.tombstones {
            insert_tombstone(filling.tx(), tombstone).await?;
        }
        fill(filling, &mut reader, &manifest.parts, &|_, _| {}).await?;
        Ok(())
    })
    .await
}

async fn insert_tombstone(tx: &OwnerTx, tombstone: &TombstonePart) -> Result<()> {
    let tenant = &tombstone.tenant;
    tx.execute(
        "INSERT INTO public.tenant (id, slug, name, schema_name, shard, status, time_zone, currency, country, created_at, closes_at)
         VALUES ($1, $2, $3, $4, $5, 'closed', $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING",
        &[
            &tenant.id,
            &tenant.slug,
            &tenant.name,
            &tombstone.schema_name,
            &tombstone.shard,
            &tenant.time_zone,
            &tenant.currency,
            &tenant.country,
            &tenant.created_at,
            &tombstone.closes_at,
        ],
    )
    .await?;
    Ok(())
}
