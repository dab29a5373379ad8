//! Pools of connections, one per login role, made when first asked for.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use deadpool::managed::{self, Metrics, PoolError, RecycleError, RecycleResult, Timeouts};
use deadpool_postgres::{ClientWrapper, ManagerConfig, RecyclingMethod};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Client;

use super::{Driver, Server, plans::Plans, recent::Recent};
use crate::{
    error::{Error, Result},
    types::{SchemaName, TenantId},
};

/// How many connections each kind of pool may hold, and when a connection has seen enough.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    pub control_connections: usize,
    pub owner_connections: usize,
    /// Per shard of tenants.
    pub shard_connections: usize,
    /// How long a request waits for a connection before it is told to come back.
    pub wait_ms: u64,
    /// A backend keeps memory for every table it ever touched: a connection retires after so many tenants.
    pub tenants_per_connection: usize,
    pub connection_age_seconds: u64,
}

/// The login roles of this deployment and how their passwords are found.
pub struct LoginRoles {
    /// Names begin with it, so that several deployments can share one PostgreSQL.
    pub prefix: String,
    pub password: Box<dyn Fn(&str) -> SecretString + Send + Sync>,
}

impl LoginRoles {
    pub fn owner(&self) -> String {
        format!("{}_owner", self.prefix)
    }

    pub fn control(&self) -> String {
        format!("{}_control", self.prefix)
    }

    pub fn app(&self, shard: i16) -> String {
        format!("{}_app_{shard:02}", self.prefix)
    }
}

/// A connection and what it has seen.
pub struct Connection {
    pub(super) client: ClientWrapper,
    pub(super) plans: Plans,
    tenants_seen: HashSet<TenantId>,
}

impl Connection {
    /// Remembers that this connection served a tenant.
    pub(super) fn saw(&mut self, tenant: TenantId) {
        self.tenants_seen.insert(tenant);
    }

    /// Forgets every prepared statement, so that each is planned on what the tables are now.
    pub(super) fn forget_plans(&self) {
        self.client.statement_cache.clear();
        self.plans.forget();
    }
}

/// deadpool-postgres's manager, with connections that remember which tenants they served.
pub struct Manager {
    postgres: deadpool_postgres::Manager,
    tenants_per_connection: usize,
    max_age: Duration,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = tokio_postgres::Error;

    async fn create(&self) -> Result<Connection, tokio_postgres::Error> {
        let client = self.postgres.create().await?;
        Ok(Connection { client, plans: Plans::new(), tenants_seen: HashSet::new() })
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &Metrics,
    ) -> RecycleResult<tokio_postgres::Error> {
        if metrics.age() > self.max_age {
            return Err(RecycleError::message("old"));
        }
        if connection.tenants_seen.len() > self.tenants_per_connection {
            return Err(RecycleError::message("has seen enough tenants"));
        }
        self.postgres.recycle(&mut connection.client, metrics).await
    }

    fn detach(&self, connection: &mut Connection) {
        self.postgres.detach(&mut connection.client);
    }
}

pub(super) type Pool = managed::Pool<Manager>;
pub(super) type Pooled = managed::Object<Manager>;

/// A pool's state, for metrics.
#[derive(Debug, Clone)]
pub struct PoolGauge {
    pub pool: String,
    pub size: usize,
    pub available: usize,
    pub waiting: usize,
}

/// Every pool of this process. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    server: Server,
    roles: LoginRoles,
    settings: PoolSettings,
    pools: Mutex<BTreeMap<String, Pool>>,
    recent: Arc<Recent>,
}

impl Db {
    /// The user and password of the server's URL are not used.
    pub fn new(server: Server, roles: LoginRoles, settings: PoolSettings) -> Self {
        let (pools, recent) = (Mutex::default(), Arc::new(Recent::new()));
        Self { inner: Arc::new(Inner { server, roles, settings, pools, recent }) }
    }

    pub(super) fn recent(&self) -> &Arc<Recent> {
        &self.inner.recent
    }

    pub fn roles(&self) -> &LoginRoles {
        &self.inner.roles
    }

    pub fn gauges(&self) -> Vec<PoolGauge> {
        let pools = self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools
            .iter()
            .map(|(name, pool)| {
                let status = pool.status();
                PoolGauge {
                    pool: name.clone(),
                    size: status.size,
                    available: status.available,
                    waiting: status.waiting,
                }
            })
            .collect()
    }

    /// A connection of a login role for the few that need one of their own: to listen, to migrate, to look whether roles are there.
    pub async fn connect_as(&self, role: &str) -> Result<(Client, Driver), tokio_postgres::Error> {
        self.inner.server.connect(&self.config_of(role)).await
    }

    fn config_of(&self, role: &str) -> tokio_postgres::Config {
        let mut config = self.inner.server.config().clone();
        config
            .user(role)
            .password((self.inner.roles.password)(role).expose_secret())
            .application_name("lastmile")
            .connect_timeout(Duration::from_secs(5));
        config
    }

    pub(super) async fn control(&self) -> Result<Pooled> {
        let role = self.inner.roles.control();
        self.checkout(&role, self.inner.settings.control_connections).await
    }

    pub(super) async fn owner(&self) -> Result<Pooled> {
        let role = self.inner.roles.owner();
        self.checkout(&role, self.inner.settings.owner_connections).await
    }

    pub(super) async fn shard(&self, shard: i16) -> Result<Pooled> {
        let role = self.inner.roles.app(shard);
        self.checkout(&role, self.inner.settings.shard_connections).await
    }

    async fn checkout(&self, role: &str, size: usize) -> Result<Pooled> {
        let pool = self.pool(role, size)?;
        #[expect(clippy::disallowed_methods, reason = "the one place that takes connections out of pools")]
        let taken = pool.get().await;
        taken.map_err(|error| match error {
            PoolError::Timeout(_) => Error::unavailable("busy", "All database connections are in use."),
            PoolError::Backend(source) => {
                tracing::error!(role, error = %source, "cannot connect to the database");
                Error::unavailable("database_unavailable", "The database cannot be reached right now.")
            }
            other => Error::internal(other),
        })
    }

    fn pool(&self, role: &str, size: usize) -> Result<Pool> {
        let mut pools = self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(role) {
            return Ok(pool.clone());
        }
        let settings = &self.inner.settings;
        let postgres = deadpool_postgres::Manager::from_config(
            self.config_of(role),
            self.inner.server.tls(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let manager = Manager {
            postgres,
            tenants_per_connection: settings.tenants_per_connection,
            max_age: Duration::from_secs(settings.connection_age_seconds),
        };
        let wait = Duration::from_millis(settings.wait_ms);
        let pool = Pool::builder(manager)
            .max_size(size)
            .timeouts(Timeouts { wait: Some(wait), create: Some(wait), recycle: Some(wait) })
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(Error::internal)?;
        pools.insert(role.to_owned(), pool.clone());
        Ok(pool)
    }
}

/// The tenant that a unit of work is for: what entering its schema takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    tenant: TenantId,
    schema: SchemaName,
    shard: i16,
}

impl Room {
    /// Only `tenancy/` calls this, with what the registry says: a room made up elsewhere would be a way around the resolver.
    pub fn from_registry(tenant: TenantId, schema: SchemaName, shard: i16) -> Self {
        Self { tenant, schema, shard }
    }

    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub fn schema(&self) -> &SchemaName {
        &self.schema
    }

    pub fn shard(&self) -> i16 {
        self.shard
    }
}

impl AsRef<Room> for Room {
    fn as_ref(&self) -> &Room {
        self
    }
}
