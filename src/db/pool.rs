//! Pools of connections of each login role, made when first asked for.
//!
//! A backend keeps what it learnt of every tenant that it served: tables, indexes, plans. So each tenant has a home among the
//! connections of its role and comes back to it, and goes elsewhere only rather than wait. A connection then knows a part of the
//! tenants well instead of all of them a little.

use std::{
    collections::{BTreeMap, HashSet},
    iter,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use deadpool::managed::{self, Metrics, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts};
use deadpool_postgres::{ClientWrapper, ManagerConfig, RecyclingMethod};
use futures_util::future::select_ok;
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

/// So long a tenant waits for its home before it takes whichever connection is free first.
const WAIT_FOR_HOME: Duration = Duration::from_millis(100);

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

type Pool = managed::Pool<Manager>;
/// The pools of one login role.
type Homes = Arc<[Pool]>;
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
    pools: Mutex<BTreeMap<String, Homes>>,
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
            .map(|(name, homes)| {
                let mut gauge = PoolGauge { pool: name.clone(), size: 0, available: 0, waiting: 0 };
                for status in homes.iter().map(Pool::status) {
                    gauge.size += status.size;
                    gauge.available += status.available;
                    gauge.waiting += status.waiting;
                }
                gauge
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
        let homes = self.homes(&role, 1, self.inner.settings.control_connections)?;
        self.checkout(&role, &homes, 0).await
    }

    pub(super) async fn owner(&self) -> Result<Pooled> {
        let role = self.inner.roles.owner();
        let homes = self.homes(&role, 1, self.inner.settings.owner_connections)?;
        self.checkout(&role, &homes, 0).await
    }

    /// A connection that may enter the tenant's schema.
    pub(super) async fn shard(&self, room: &Room) -> Result<Pooled> {
        let role = self.inner.roles.app(room.shard());
        let homes = self.homes(&role, self.inner.settings.shard_connections, 1)?;
        self.checkout(&role, &homes, home_of(room.tenant(), homes.len())).await
    }

    /// A connection of a role's: at `home` if it is free, else wherever one is.
    async fn checkout(&self, role: &str, homes: &[Pool], home: usize) -> Result<Pooled> {
        take(homes, home, Duration::from_millis(self.inner.settings.wait_ms)).await.map_err(|error| {
            match error {
                PoolError::Timeout(_) => Error::unavailable("busy", "All database connections are in use."),
                PoolError::Backend(source) => {
                    tracing::error!(role, error = %source, "cannot connect to the database");
                    Error::unavailable("database_unavailable", "The database cannot be reached right now.")
                }
                other => Error::internal(other),
            }
        })
    }

    /// So many pools with so many connections each.
    fn homes(&self, role: &str, pools: usize, size: usize) -> Result<Homes> {
        let mut known = self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(homes) = known.get(role) {
            return Ok(homes.clone());
        }
        let homes: Homes = (0..pools.max(1)).map(|_| self.pool(role, size)).collect::<Result<_>>()?;
        known.insert(role.to_owned(), homes.clone());
        Ok(homes)
    }

    fn pool(&self, role: &str, size: usize) -> Result<Pool> {
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
        Pool::builder(manager)
            .max_size(size)
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(Error::internal)
    }
}

/// Where among so many a tenant is at home.
fn home_of(tenant: TenantId, homes: usize) -> usize {
    let last_bits = usize::from(tenant.0.as_bytes().last().copied().unwrap_or_default());
    last_bits % homes.max(1)
}

/// At home if that is free; else where another connection lies idle; else at home for a moment; else wherever one is free first,
/// so that nobody waits behind somebody's long report while there is room.
#[expect(clippy::disallowed_methods, reason = "the one place that takes connections out of pools")]
async fn take<M: managed::Manager>(
    homes: &[managed::Pool<M>],
    home: usize,
    at_most: Duration,
) -> Result<managed::Object<M>, PoolError<M::Error>> {
    let place = |wait| Timeouts { wait: Some(wait), create: Some(at_most), recycle: Some(at_most) };
    let Some(own) = homes.get(home) else { return Err(PoolError::Timeout(TimeoutType::Wait)) };
    let elsewhere = || homes.iter().cycle().skip(home + 1).take(homes.len() - 1);
    let idle = elsewhere().filter(|pool| pool.status().available > 0);
    for pool in iter::once(own).chain(idle) {
        match pool.timeout_get(&place(Duration::ZERO)).await {
            Err(PoolError::Timeout(TimeoutType::Wait)) => {}
            taken => return taken,
        }
    }
    let alone = homes.len() == 1;
    match own.timeout_get(&place(if alone { at_most } else { WAIT_FOR_HOME })).await {
        Err(PoolError::Timeout(TimeoutType::Wait)) if !alone => {}
        taken => return taken,
    }
    let wait = place(at_most);
    let anywhere = iter::once(own).chain(elsewhere()).map(|pool| Box::pin(pool.timeout_get(&wait)));
    select_ok(anywhere).await.map(|(taken, _others)| taken)
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Connections that are the numbers of their pools.
    struct Numbered(usize);

    impl managed::Manager for Numbered {
        type Type = usize;
        type Error = Infallible;

        async fn create(&self) -> Result<usize, Infallible> {
            Ok(self.0)
        }

        async fn recycle(&self, _: &mut usize, _: &Metrics) -> RecycleResult<Infallible> {
            Ok(())
        }
    }

    fn homes(many: usize) -> Vec<managed::Pool<Numbered>> {
        let one = |n| {
            let builder = managed::Pool::builder(Numbered(n)).max_size(1);
            builder.runtime(deadpool::Runtime::Tokio1).build().unwrap()
        };
        (0..many).map(one).collect()
    }

    const LONG: Duration = Duration::from_secs(60);

    async fn taken(homes: &[managed::Pool<Numbered>], home: usize) -> managed::Object<Numbered> {
        take(homes, home, LONG).await.unwrap()
    }

    #[tokio::test]
    async fn a_tenant_comes_back_to_its_home() {
        let homes = homes(3);
        for _ in 0..5 {
            assert_eq!((*taken(&homes, 1).await, *taken(&homes, 2).await), (1, 2));
        }
        assert_eq!(homes[0].status().size, 0, "nothing is opened that nobody needs");
    }

    #[tokio::test]
    async fn who_finds_the_home_taken_goes_where_one_is_idle_before_one_is_opened() {
        let homes = homes(3);
        drop(taken(&homes, 2).await);
        let at_home = taken(&homes, 0).await;
        let guest = taken(&homes, 0).await;
        assert_eq!((*at_home, *guest, homes[1].status().size), (0, 2, 0));
        // Nothing is idle now, and waiting at home comes to nothing: a place is still free.
        assert_eq!(*taken(&homes, 0).await, 1);
    }

    #[tokio::test]
    async fn nobody_waits_at_home_while_there_is_room() {
        let homes = homes(2);
        let (_report, other) = (taken(&homes, 0).await, taken(&homes, 1).await);
        let mut waiting = Box::pin(taken(&homes, 0));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(other);
        assert_eq!(*waiting.await, 1);
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told() {
        let homes = homes(2);
        let _all = (taken(&homes, 0).await, taken(&homes, 1).await);
        let late = take(&homes, 1, Duration::from_millis(1)).await;
        assert!(matches!(late, Err(PoolError::Timeout(TimeoutType::Wait))));
    }

    #[test]
    fn tenants_live_all_over() {
        let homes: HashSet<usize> =
            (0..1_000).map(|n| home_of(TenantId(uuid::Uuid::from_u128(n * 7_919)), 8)).collect();
        assert_eq!(homes.len(), 8);
        assert_eq!(home_of(TenantId(uuid::Uuid::max()), 1), 0);
    }
}
