//! Asking for a sandbox, making it, removing it.

use std::{path::Path, sync::Arc};

use chrono::Utc;

use super::exists;
use crate::{
    access::By,
    audit::Event,
    backup::{Export, Import, Imported, Progress, export_tenant, import_tenant},
    error::{Error, OrInternal, Result},
    jobs::{self, Job, Next, Runner},
    secrets::Keyring,
    tenancy::{self, Operator, Registry, Tenant},
    types::Slug,
};

const MAKE: &str = "sandbox.make";
/// After so many attempts its maker gives up.
const ATTEMPTS: i32 = 5;
const SLUG_MAX_CHARS: usize = 40;

/// What sandboxes are made with.
#[derive(Clone)]
pub struct Sandboxes {
    registry: Registry,
    keyring: Arc<Keyring>,
}

/// How far it is with a provider's sandbox.
pub enum Standing {
    None,
    /// It was asked for, and a worker makes it.
    Making,
    Ready(Tenant),
}

/// Gives the worker the job of sandboxes.
pub fn handlers(runner: &mut Runner, sandboxes: &Sandboxes) {
    let sandboxes = sandboxes.clone();
    runner.on_heavy(
        MAKE,
        Arc::new(move |tenant, job| {
            let sandboxes = sandboxes.clone();
            Box::pin(async move { sandboxes.work(tenant, job).await })
        }),
    );
}

impl Sandboxes {
    pub fn new(registry: Registry, keyring: Arc<Keyring>) -> Self {
        Self { registry, keyring }
    }

    pub async fn standing(&self, tenant: &Tenant) -> Result<Standing> {
        if let Some(sandbox) = self.registry.find_sandbox(tenant.id()).await? {
            return Ok(Standing::Ready(sandbox));
        }
        let is_waiting =
            self.registry.db().read_public(async |tx| jobs::is_waiting(tx, tenant.id(), MAKE).await).await?;
        Ok(if is_waiting { Standing::Making } else { Standing::None })
    }

    /// Has one made by a worker. 409 `sandbox_exists`, `sandbox_under_way`, `is_sandbox`.
    pub async fn ask(&self, by: &By) -> Result<()> {
        by.must_have_proved()?;
        self.must_be_free(&by.tenant).await?;
        if let Standing::Making = self.standing(&by.tenant).await? {
            return Err(Error::conflict("sandbox_under_way", "It is being made already."));
        }
        self.registry
            .db()
            .in_tenant(&by.tenant, async |tx| {
                jobs::enqueue(tx, MAKE, by.tenant.id().0, Utc::now()).await?;
                by.record(tx, event("sandbox.asked", by.tenant.slug.as_str())).await
            })
            .await
    }

    /// Removes it, and all that is in it, at once. 404 when there is none.
    pub async fn remove(&self, by: &By) -> Result<()> {
        by.must_have_proved()?;
        let sandbox = self.registry.find_sandbox(by.tenant.id()).await?.ok_or(Error::not_found("sandbox"))?;
        self.registry
            .db()
            .in_tenant(&by.tenant, async |tx| {
                by.record(tx, event("sandbox.removed", sandbox.slug.as_str())).await
            })
            .await?;
        tenancy::close_now(&self.registry, &sandbox, &Operator::anonymous(by.actor.label.clone())).await
    }

    async fn must_be_free(&self, tenant: &Tenant) -> Result<()> {
        if tenant.is_sandbox {
            return Err(Error::conflict("is_sandbox", "This is a sandbox itself."));
        }
        match self.registry.find_sandbox(tenant.id()).await? {
            Some(_) => Err(exists()),
            None => Ok(()),
        }
    }

    async fn work(&self, tenant: Tenant, job: Job) -> Result<Next> {
        let (sandboxes, original) = (self.clone(), tenant.clone());
        let runtime = tokio::runtime::Handle::current();
        // Packing takes the processor for minutes: on a thread of its own, where it holds nobody up.
        let made = tokio::task::spawn_blocking(move || {
            runtime.block_on(sandboxes.make(&original, None, "owner", &|_, _| {}))
        });
        let (action, slug) = match made.await.internal()? {
            Ok((sandbox, _)) => ("sandbox.made", sandbox.slug.to_string()),
            // Somebody else was quicker.
            Err(Error::Conflict { code: "sandbox_exists", .. }) => return Ok(Next::Done),
            Err(error) if job.attempt < ATTEMPTS => return Err(error),
            Err(error) => {
                tracing::error!(tenant = %tenant.id(), %error, "a sandbox could not be made");
                ("sandbox.failed", String::new())
            }
        };
        let by = By::system(tenant.clone());
        self.registry.db().in_tenant(&tenant, async |tx| by.record(tx, event(action, &slug)).await).await?;
        Ok(Next::Done)
    }

    /// Makes a sandbox of a tenant, as it is at this moment. 409 `sandbox_exists`, `is_sandbox`, `schema_behind`, `slug_taken`.
    pub async fn make(
        &self,
        tenant: &Tenant,
        slug: Option<Slug>,
        asked_by: &str,
        seen: Progress<'_>,
    ) -> Result<(Tenant, Imported)> {
        self.must_be_free(tenant).await?;
        if !tenant.is_current {
            let detail = "The provider's schema is behind the program: migrate it first.";
            return Err(Error::conflict("schema_behind", detail));
        }
        let folder = tempfile::TempDir::new().internal()?;
        let file = folder.path().join("original.zip");
        let export = Export { out: &file, passphrase: None, snapshot: None };
        export_tenant(&self.registry, &self.keyring, tenant, export, seen).await?;
        if let Some(slug) = slug {
            return self.take_in(tenant, slug, asked_by, &file, seen).await;
        }
        match self.take_in(tenant, slug_of(tenant, "sandbox")?, asked_by, &file, seen).await {
            Err(Error::Conflict { code: "slug_taken", .. }) => {
                let other = format!("sandbox-{:04x}", rand::random::<u16>());
                self.take_in(tenant, slug_of(tenant, &other)?, asked_by, &file, seen).await
            }
            done => done,
        }
    }

    async fn take_in(
        &self,
        tenant: &Tenant,
        slug: Slug,
        asked_by: &str,
        file: &Path,
        seen: Progress<'_>,
    ) -> Result<(Tenant, Imported)> {
        let import = Import {
            file,
            slug: Some(slug),
            passphrase: None,
            keeps_domains: false,
            sandbox_of: Some(tenant.id()),
            asked_by,
        };
        import_tenant(&self.registry, &self.keyring, &import, seen).await
    }
}

/// The original's, and what it is.
fn slug_of(tenant: &Tenant, ending: &str) -> Result<Slug> {
    let head: String = tenant.slug.as_str().chars().take(SLUG_MAX_CHARS - 1 - ending.len()).collect();
    Slug::parse(&format!("{}-{ending}", head.trim_end_matches('-')))
        .map_err(|odd| Error::internal(format!("a sandbox's slug: {}", odd.detail())))
}

fn event<'a>(action: &'static str, slug: &'a str) -> Event<'a> {
    Event { action, object_type: "sandbox", object_id: None, object_label: slug, before: None, after: None }
}
