//! The jobs: making a takeout, and forgetting it when its week is over.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    model::{Kind, Status, Takeout},
    rules::{COLUMN, TABLE, Takeouts, event, forget},
    store::{self, Made},
};
use crate::{
    access::By,
    backup::{Export, export_readable, export_tenant},
    error::{Error, OrInternal, Result},
    jobs::{self, Job, Next, Runner},
    secrets::Passphrase,
    tenancy::Tenant,
};

pub(super) const MAKE: &str = "takeout.make";
const FORGET: &str = "takeout.forget";
/// A file is kept so long.
const KEPT: TimeDelta = TimeDelta::days(7);
/// So many files are kept at once; one more, and the oldest goes.
const KEPT_AT_ONCE: i64 = 3;
const PART_BYTES: usize = 1_048_576;
/// After so many attempts its maker gives up.
const ATTEMPTS: i32 = 5;

/// Gives the worker the jobs of takeouts.
pub fn handlers(runner: &mut Runner, takeouts: &Takeouts) {
    let making = takeouts.clone();
    runner.on_heavy(
        MAKE,
        Arc::new(move |tenant, job| {
            let takeouts = making.clone();
            Box::pin(async move { takeouts.make(tenant, job).await })
        }),
    );
    let forgetting = takeouts.clone();
    runner.on(
        FORGET,
        Arc::new(move |tenant, job| {
            let takeouts = forgetting.clone();
            Box::pin(async move { takeouts.forget(&tenant, job.subject).await })
        }),
    );
}

impl Takeouts {
    async fn make(&self, tenant: Tenant, job: Job) -> Result<Next> {
        let id = job.subject;
        let Some(takeout) = self.begin(&tenant, id).await? else { return Ok(Next::Done) };
        let made = self.write(&tenant, takeout).await;
        if let Err(error) = made {
            if job.attempt < ATTEMPTS {
                return Err(error);
            }
            tracing::error!(tenant = %tenant.id(), %error, "a takeout could not be made");
            let why = "It could not be made. Ask for another one, or tell those who run this deployment.";
            self.db()
                .in_tenant(&tenant, async |tx| {
                    store::delete_parts(tx, id).await?;
                    store::set_failed(tx, id, why).await
                })
                .await?;
        }
        Ok(Next::Done)
    }

    /// The takeout, if it is still to be made. What a worker that died left of it goes.
    async fn begin(&self, tenant: &Tenant, id: Uuid) -> Result<Option<Takeout>> {
        self.db()
            .in_tenant(tenant, async |tx| {
                let takeout = store::lock(tx, id).await?.filter(|takeout| takeout.status == Status::Waiting);
                if takeout.is_some() {
                    store::delete_parts(tx, id).await?;
                }
                Ok(takeout)
            })
            .await
    }

    async fn write(&self, tenant: &Tenant, takeout: Takeout) -> Result<()> {
        let folder = tempfile::TempDir::new().internal()?;
        let path = folder.path().join("takeout.zip");
        let passphrase = self.passphrase(tenant, &takeout).await?;
        let rows = self.export(tenant, takeout.kind, passphrase, &path).await?;
        let (size, sha256) = self.keep(tenant, takeout.id, &path).await?;
        let expires_at = Utc::now() + KEPT;
        let made = Made { rows: i64::try_from(rows).unwrap_or(i64::MAX), size, sha256, expires_at };
        self.finish(tenant, &takeout, &made).await
    }

    async fn passphrase(&self, tenant: &Tenant, takeout: &Takeout) -> Result<Option<Passphrase>> {
        let sealed =
            self.db().read_tenant(tenant, async |tx| store::sealed_passphrase(tx, takeout.id).await).await?;
        let Some(sealed) = sealed else { return Ok(None) };
        let opened = self.keys.of(tenant.id()).await?.open(TABLE, COLUMN, takeout.id, &sealed)?;
        Passphrase::parse(std::str::from_utf8(&opened).internal()?).map(Some)
    }

    /// Packing takes the processor for minutes: on a thread of its own, where it holds nobody up.
    async fn export(
        &self,
        tenant: &Tenant,
        kind: Kind,
        passphrase: Option<Passphrase>,
        path: &Path,
    ) -> Result<u64> {
        let (takeouts, tenant, path) = (self.clone(), tenant.clone(), path.to_owned());
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                match kind {
                    Kind::Readable => export_readable(&takeouts.registry, &tenant, &path, &|_, _| {})
                        .await
                        .map(|done| done.rows),
                    Kind::Archive => {
                        let export = Export { out: &path, passphrase: passphrase.as_ref(), snapshot: None };
                        export_tenant(&takeouts.registry, &takeouts.keyring, &tenant, export, &|_, _| {})
                            .await
                            .map(|done| done.rows)
                    }
                }
            })
        })
        .await
        .internal()?
    }

    /// Cuts the file into parts; its size and digest.
    async fn keep(&self, tenant: &Tenant, id: Uuid, path: &Path) -> Result<(i64, Vec<u8>)> {
        let mut file = File::open(path).internal()?;
        let (mut digest, mut size) = (Sha256::new(), 0_i64);
        for position in 0.. {
            let mut part = Vec::with_capacity(PART_BYTES);
            file.by_ref().take(PART_BYTES as u64).read_to_end(&mut part).internal()?;
            if part.is_empty() {
                break;
            }
            digest.update(&part);
            size += i64::try_from(part.len()).unwrap_or_default();
            self.db().in_tenant(tenant, async |tx| store::insert_part(tx, id, position, &part).await).await?;
        }
        Ok((size, digest.finalize().to_vec()))
    }

    async fn finish(&self, tenant: &Tenant, takeout: &Takeout, made: &Made) -> Result<()> {
        let by = By::system(tenant.clone());
        self.db()
            .in_tenant(tenant, async |tx| {
                let is_waiting =
                    store::lock(tx, takeout.id).await?.is_some_and(|found| found.status == Status::Waiting);
                if !is_waiting {
                    return Err(Error::internal("a takeout was made twice at the same time"));
                }
                store::set_made(tx, takeout.id, made).await?;
                for old in store::list_beyond(tx, KEPT_AT_ONCE).await? {
                    forget(tx, old).await?;
                }
                jobs::enqueue(tx, FORGET, takeout.id, made.expires_at).await?;
                by.record(tx, event("takeout.made", takeout.id, takeout.kind.as_str())).await
            })
            .await
    }

    async fn forget(&self, tenant: &Tenant, id: Uuid) -> Result<Next> {
        self.db()
            .in_tenant(tenant, async |tx| {
                let Some(takeout) = store::lock(tx, id).await? else { return Ok(Next::Done) };
                let expires: Option<DateTime<Utc>> = takeout.expires_at;
                match (takeout.status, expires) {
                    (Status::Made, Some(at)) if at > Utc::now() => Ok(Next::Again(at)),
                    (Status::Made, _) => forget(tx, id).await.map(|()| Next::Done),
                    _ => Ok(Next::Done),
                }
            })
            .await
    }
}
