//! Migrations: of the control plane once, of every tenant's schema one by one.
//!
//! Each runs as `owner` on a connection of its own, under an advisory lock. One tenant's failure never stops the others.

use std::sync::LazyLock;

use futures_util::{StreamExt, stream};
use tokio_postgres::Client;

use super::{bootstrap::group_of, rights};
use crate::{
    db::Db,
    error::{Error, OrInternal, Result},
    types::SchemaName,
};

mod public {
    refinery::embed_migrations!("migrations_public");
}

mod tenant {
    refinery::embed_migrations!("migrations_tenant");
}

static LATEST: LazyLock<i32> = LazyLock::new(|| {
    tenant::migrations::runner()
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max()
        .unwrap_or_default()
});

/// The version that this program's tenant schemas are at.
pub fn latest_tenant_version() -> i32 {
    *LATEST
}

/// A connection of the owner role, and the task that drives it.
pub(super) struct OwnerConnection {
    pub client: Client,
}

impl OwnerConnection {
    pub async fn open(db: &Db) -> Result<Self> {
        // Migrations set session settings: no pool may have such a connection.
        let (client, connection) = db.connect_as(&db.roles().owner()).await.internal()?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an owner connection ended");
            }
        });
        Ok(Self { client })
    }
}

/// Brings schema `public` up to date, and gives `control` and the tenants' group their rights on it.
pub async fn migrate_public(db: &Db) -> Result<()> {
    let mut owner = OwnerConnection::open(db).await?;
    owner
        .client
        .execute("SELECT pg_advisory_lock(hashtext('lastmile migrate public'))", &[])
        .await
        .internal()?;
    refuse_functions_of_others(&owner.client).await?;
    let mut runner = public::migrations::runner();
    runner.set_migration_table_name("public.schema_history");
    runner.run_async(&mut owner.client).await.internal()?;
    let (control, group) = (db.roles().control(), group_of(db));
    let sql = format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {control};
         REVOKE INSERT, UPDATE, DELETE ON public.schema_history FROM {control};
         REVOKE UPDATE, DELETE ON public.platform_event FROM {control};
         REVOKE INSERT, UPDATE, DELETE ON public.audit_anchor, public.platform_seal, public.platform_anchor FROM {control};
         REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {control};
         REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gate FROM PUBLIC;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA gate TO {group}"
    );
    owner.client.batch_execute(&sql).await.internal()
}

/// Everybody loses their rights on the functions of `public`, and the owner cannot take away what is not the owner's: an extension whose
/// functions are kept from all but superusers would stop the first migration with words that help nobody.
async fn refuse_functions_of_others(client: &Client) -> Result<()> {
    let row = client
        .query_one(
            "SELECT coalesce(string_agg(DISTINCT coalesce(x.extname, p.proname)::text, ', '), '') FROM pg_proc p
             LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
             LEFT JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND x.oid = d.refobjid
             WHERE p.pronamespace = 'public'::regnamespace AND NOT has_function_privilege(p.oid, 'EXECUTE')",
            &[],
        )
        .await
        .internal()?;
    match row.get::<_, &str>(0) {
        "" => Ok(()),
        names => Err(Error::invalid(
            "database",
            "functions_of_others",
            format!(
                "The schema public has functions of others: {names}. Give them a schema of their own, an extension with \
                 \"ALTER EXTENSION ... SET SCHEMA monitoring\"."
            ),
        )),
    }
}

/// How many schemas are current, behind and failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    pub current: i64,
    pub behind: i64,
    pub failed: i64,
}

/// Looks at every tenant's schema with one query.
pub async fn standing(db: &Db) -> Result<Standing> {
    let latest = latest_tenant_version();
    db.read_public(async |tx| {
        let row = tx
            .query_one(
                "SELECT count(*) FILTER (WHERE s.state = 'current' AND s.version >= $1) AS current,
                        count(*) FILTER (WHERE s.state IS NULL OR s.version < $1 AND s.state <> 'failed') AS behind,
                        count(*) FILTER (WHERE s.state = 'failed') AS failed
                 FROM public.tenant t LEFT JOIN public.tenant_schema_state s USING (schema_name)
                 WHERE t.status <> 'closed'",
                &[&latest],
            )
            .await?;
        Ok(Standing { current: row.get("current"), behind: row.get("behind"), failed: row.get("failed") })
    })
    .await
}

/// What became of one schema.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    pub schema: String,
    /// The tenant's slug; none for a schema of the warm pool.
    pub slug: Option<String>,
    /// What went wrong, if anything did.
    pub error: Option<String>,
}

/// Migrates every schema that is behind (or only that of `slug`), warm ones first, `parallel` at a time.
/// `seen` hears of each as it is done: (done, of how many).
pub async fn migrate_tenants(
    db: &Db,
    slug: Option<&str>,
    parallel: usize,
    seen: impl Fn(usize, usize),
) -> Result<Vec<Outcome>> {
    let behind = schemas_behind(db, slug).await?;
    let total = behind.len();
    let mut outcomes = Vec::with_capacity(total);
    let workers = parallel.clamp(1, 32);
    let lanes: Vec<Vec<(SchemaName, Option<String>)>> =
        (0..workers).map(|lane| behind.iter().skip(lane).step_by(workers).cloned().collect()).collect();
    let mut running = stream::iter(lanes)
        .map(|lane| {
            stream::unfold((lane.into_iter(), None::<OwnerConnection>), async |(mut lane, kept)| {
                let (schema, slug) = lane.next()?;
                let (outcome, kept) = migrate_one_on(db, kept, &schema).await;
                let error = outcome.err().map(|error| error.to_string());
                Some((Outcome { schema: schema.to_string(), slug, error }, (lane, kept)))
            })
            .boxed()
        })
        .collect::<stream::SelectAll<_>>()
        .await;
    while let Some(outcome) = running.next().await {
        if let Some(error) = &outcome.error {
            tracing::error!(schema = outcome.schema, slug = outcome.slug, error, "a schema did not migrate");
        }
        outcomes.push(outcome);
        seen(outcomes.len(), total);
    }
    Ok(outcomes)
}

async fn schemas_behind(db: &Db, slug: Option<&str>) -> Result<Vec<(SchemaName, Option<String>)>> {
    let latest = latest_tenant_version();
    let rows = db
        .read_public(async |tx| {
            tx.query(
                "SELECT schema_name, slug FROM (
                     SELECT p.schema_name, NULL AS slug, p.created_at FROM public.schema_pool p WHERE p.state = 'ready'
                     UNION ALL
                     SELECT t.schema_name, t.slug, t.created_at FROM public.tenant t WHERE t.status <> 'closed'
                 ) every LEFT JOIN public.tenant_schema_state s USING (schema_name)
                 WHERE (s.version IS NULL OR s.version < $1 OR s.state <> 'current') AND ($2::text IS NULL OR slug = $2)
                 ORDER BY slug IS NOT NULL, every.created_at",
                &[&latest, &slug],
            )
            .await
        })
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| Some((SchemaName::parse(row.get("schema_name")).ok()?, row.get("slug"))))
        .collect())
}

/// One schema on a kept connection; after a failure the connection is not used again.
async fn migrate_one_on(
    db: &Db,
    kept: Option<OwnerConnection>,
    schema: &SchemaName,
) -> (Result<()>, Option<OwnerConnection>) {
    let mut owner = match kept {
        Some(owner) => owner,
        None => match OwnerConnection::open(db).await {
            Ok(owner) => owner,
            Err(error) => return (Err(error), None),
        },
    };
    match migrate_schema(&mut owner, schema).await {
        Ok(()) => (Ok(()), Some(owner)),
        Err(error) => {
            record_failure(db, schema, &error.to_string()).await;
            (Err(error), None)
        }
    }
}

/// Brings a schema that nobody uses yet to an older version: what an archive of that version is put into.
pub(super) async fn migrate_schema_to(
    owner: &mut OwnerConnection,
    schema: &SchemaName,
    version: i32,
) -> Result<()> {
    owner.client.batch_execute(&format!("SET search_path TO {schema}, ext")).await.internal()?;
    tenant::migrations::runner()
        .set_grouped(true)
        .set_target(refinery::Target::Version(version))
        .run_async(&mut owner.client)
        .await
        .internal()?;
    Ok(())
}

/// Migrates one schema, gives its role its rights, and records the version. Safe to run again after a crash at any line.
pub(super) async fn migrate_schema(owner: &mut OwnerConnection, schema: &SchemaName) -> Result<()> {
    let client = &mut owner.client;
    client
        .batch_execute(&format!(
            "SELECT pg_advisory_lock(hashtext('lastmile migrate {schema}')); SET search_path TO {schema}, ext"
        ))
        .await
        .internal()?;
    tenant::migrations::runner().set_grouped(true).run_async(client).await.internal()?;
    let latest = latest_tenant_version();
    let grants = rights::mend(client, schema).await?;
    client
        .batch_execute(&format!(
            "BEGIN; {grants}
             GRANT USAGE ON SCHEMA {schema} TO {schema};
             INSERT INTO public.tenant_schema_state (schema_name, version, state) VALUES ('{schema}', {latest}, 'current')
             ON CONFLICT (schema_name) DO UPDATE SET version = {latest}, state = 'current', error = NULL, updated_at = now();
             SELECT pg_notify('lastmile_news', 'tenant:migrated');
             COMMIT; SELECT pg_advisory_unlock(hashtext('lastmile migrate {schema}'))"
        ))
        .await
        .internal()
}

async fn record_failure(db: &Db, schema: &SchemaName, error: &str) {
    let recorded = db
        .in_public(async |tx| {
            tx.execute(
                "INSERT INTO public.tenant_schema_state (schema_name, version, state, error) VALUES ($1, 0, 'failed', $2)
                 ON CONFLICT (schema_name) DO UPDATE SET state = 'failed', error = $2, updated_at = now()",
                &[&schema.as_str(), &error],
            )
            .await
        })
        .await;
    if let Err(error) = recorded {
        tracing::error!(%schema, %error, "a failed migration could not be recorded");
    }
}
