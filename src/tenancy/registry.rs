//! The registry of tenants, and what this process remembers of it.

use std::{ops::Deref, sync::Arc};

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::{
    announcements::Known,
    migrations::latest_tenant_version,
    news::{Epoch, News},
    plans::{Entitlements, EntitlementsRow},
    sightings::Sightings,
};
use crate::{
    db::{ControlTx, Db, Room},
    error::{Error, Result},
    types::{SchemaName, Slug, TenantId, TimeZone},
};

const CACHED_ENTRIES: u64 = 20_000;

/// What may be done with a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Provisioning,
    Active,
    Suspended,
    Closing,
    Closed,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }

    fn from_registry(text: &str) -> Result<Self> {
        Ok(match text {
            "provisioning" => Self::Provisioning,
            "active" => Self::Active,
            "suspended" => Self::Suspended,
            "closing" => Self::Closing,
            "closed" => Self::Closed,
            other => return Err(Error::internal(format!("a tenant of status {other}"))),
        })
    }
}

/// A tenant as the registry knows it. Cheap to clone; it is only ever made here.
#[derive(Debug, Clone)]
pub struct Tenant(Arc<Record>);

/// What the registry says of a tenant.
#[derive(Debug)]
pub struct Record {
    room: Room,
    pub slug: Slug,
    pub name: String,
    pub status: Status,
    pub time_zone: TimeZone,
    pub currency: String,
    pub country: String,
    pub created_at: DateTime<Utc>,
    /// The custom domain that is active, if one is.
    pub domain: Option<String>,
    /// Whether the schema is at the version this program was built for.
    pub is_current: bool,
    /// Whether it is a copy with made-up people, to try things out in.
    pub is_sandbox: bool,
    /// What its plan, and what was agreed with it, lets it have.
    pub entitlements: Entitlements,
}

impl Tenant {
    pub fn id(&self) -> TenantId {
        self.0.room.tenant()
    }

    /// Whether requests are served: active, and its schema not behind the code.
    pub fn is_active(&self) -> bool {
        self.status == Status::Active
    }
}

impl Deref for Tenant {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0
    }
}

impl AsRef<Room> for Tenant {
    fn as_ref(&self) -> &Room {
        &self.0.room
    }
}

pub(super) fn tenant_of(row: &Row) -> Result<Tenant> {
    let schema: String = row.get("schema_name");
    let schema =
        SchemaName::parse(&schema).map_err(|_odd| Error::internal("a schema name in the registry is odd"))?;
    let zone: String = row.get("time_zone");
    let version: Option<i32> = row.get("version");
    let state: Option<String> = row.get("state");
    Ok(Tenant(Arc::new(Record {
        room: Room::from_registry(row.get("id"), schema, row.get("shard")),
        slug: Slug::from_registry(row.get("slug")),
        name: row.get("name"),
        status: Status::from_registry(row.get("status"))?,
        time_zone: TimeZone::parse(&zone).unwrap_or(TimeZone(chrono_tz::UTC)),
        currency: row.get("currency"),
        country: row.get("country"),
        created_at: row.get("created_at"),
        domain: row.get("domain"),
        is_current: version.is_some_and(|v| v >= latest_tenant_version())
            && state.as_deref() == Some("current"),
        is_sandbox: row.get("is_sandbox"),
        entitlements: Entitlements::from(EntitlementsRow {
            plan: row.get("plan"),
            features: row.get("features"),
            limits: row.get("limits"),
        }),
    })))
}

macro_rules! select_tenant {
    ($where:literal) => {
        concat!(
            "SELECT t.id, t.slug, t.name, t.schema_name, t.shard, t.status, t.time_zone, t.currency, t.country, t.created_at, ",
            "t.sandbox_of IS NOT NULL AS is_sandbox, ",
            "s.version, s.state, p.name AS plan, p.features, ",
            "(SELECT jsonb_object_agg(metric, CASE WHEN o.metric IS NULL THEN l.amount ELSE o.amount END) FROM ",
            "(SELECT metric, amount FROM public.plan_limit WHERE plan_id = p.id) l FULL JOIN ",
            "(SELECT metric, amount FROM public.tenant_limit WHERE tenant_id = t.id) o USING (metric)) AS limits, ",
            "(SELECT d.domain FROM public.tenant_domain d WHERE d.tenant_id = t.id AND d.status = 'active' ",
            "ORDER BY d.proved_at LIMIT 1) AS domain ",
            "FROM public.tenant t LEFT JOIN public.tenant_schema_state s USING (schema_name) ",
            "LEFT JOIN public.tenant_plan h ON h.tenant_id = t.id AND h.until IS NULL ",
            "LEFT JOIN public.plan p ON p.id = h.plan_id ",
            $where
        )
    };
}
pub(super) use select_tenant;

/// What a tenant is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Slug(String),
    Id(TenantId),
    Domain(String),
}

#[derive(Clone)]
struct Cached {
    epoch: Epoch,
    found: Option<Tenant>,
}

/// Finds tenants. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    db: Db,
    news: Arc<News>,
    cache: moka::future::Cache<Key, Cached>,
    pub(super) announced: Known,
    sightings: Sightings,
}

impl Registry {
    pub fn new(db: Db, news: Arc<News>, sightings: Sightings) -> Self {
        let cache = moka::future::Cache::new(CACHED_ENTRIES);
        Self { db, news, cache, announced: Known::default(), sightings }
    }

    /// Where what happens at tenants' doors is counted for the platform's people.
    pub fn sightings(&self) -> &Sightings {
        &self.sightings
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    pub fn news(&self) -> &Arc<News> {
        &self.news
    }

    /// By the web address that it has, or had before.
    pub async fn find_by_slug(&self, slug: &str) -> Result<Option<Tenant>> {
        self.find(Key::Slug(slug.to_ascii_lowercase())).await
    }

    pub async fn find_by_id(&self, id: TenantId) -> Result<Option<Tenant>> {
        self.find(Key::Id(id)).await
    }

    /// The sandbox of a tenant, if it has one. Asks the database each time.
    pub async fn find_sandbox(&self, of: TenantId) -> Result<Option<Tenant>> {
        self.db
            .read_public(async |tx| {
                let sql = select_tenant!("WHERE t.sandbox_of = $1 AND t.status <> 'closed'");
                tx.query_opt(sql, &[&of]).await?.as_ref().map(tenant_of).transpose()
            })
            .await
    }

    /// By a custom domain that is active.
    pub async fn find_by_domain(&self, domain: &str) -> Result<Option<Tenant>> {
        self.find(Key::Domain(domain.to_owned())).await
    }

    async fn find(&self, key: Key) -> Result<Option<Tenant>> {
        let epoch = self.news.registry_epoch();
        if let Some(cached) = self.cache.get(&key).await
            && Some(cached.epoch) == epoch
        {
            return Ok(cached.found);
        }
        let found = self.db.read_public(async |tx| load(tx, &key).await).await?;
        if let Some(epoch) = epoch {
            self.cache.insert(key, Cached { epoch, found: found.clone() }).await;
        }
        Ok(found)
    }
}

async fn load(tx: &ControlTx, key: &Key) -> Result<Option<Tenant>> {
    let row = match key {
        Key::Slug(slug) => {
            let sql = select_tenant!(
                "WHERE t.id = (SELECT c.tenant_id FROM public.tenant_slug c WHERE c.slug = $1)"
            );
            tx.query_opt(sql, &[slug]).await?
        }
        Key::Id(id) => tx.query_opt(select_tenant!("WHERE t.id = $1"), &[id]).await?,
        Key::Domain(domain) => {
            let sql = select_tenant!(
                "JOIN public.tenant_domain a ON a.tenant_id = t.id WHERE a.domain = $1 AND a.status = 'active'"
            );
            tx.query_opt(sql, &[domain]).await?
        }
    };
    row.as_ref().map(tenant_of).transpose()
}
