//! Pools of connections of each login role, made when first asked for.
//!
//! A backend keeps what it learnt of every tenant that it served: tables, indexes, plans. Learning a tenant costs more than most of
//! what is asked. So each tenant has a home among the connections of its role and comes back to it; when that is taken it goes where
//! it is known, and waits a moment before it is learnt elsewhere. A connection then knows a part of the tenants well instead of all
//! of them a little, while a busy tenant is soon known everywhere.

use std::{
    collections::{BTreeMap, HashSet},
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// So long a tenant waits for its home before another connection, which is idle, learns it: less than what learning costs.
const WAIT_BEFORE_LEARNING: Duration = Duration::from_millis(10);
/// So long it waits for its home when no connection is idle, before it takes whichever is free first.
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
    seen: Arc<Seen>,
}

/// The tenants that the connection of a pool of one knows.
#[derive(Default)]
struct Seen(Mutex<HashSet<TenantId>>);

impl Seen {
    fn tenants(&self) -> MutexGuard<'_, HashSet<TenantId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Begins a unit of work for a tenant, and remembers that this connection served it.
    pub(super) fn begin_for(&self, tenant: TenantId) {
        self.seen.tenants().insert(tenant);
        self.plans.begin_unit();
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
    seen: Arc<Seen>,
    tenants_per_connection: usize,
    max_age: Duration,
}

/// Whether what a pool holds knows a tenant.
trait Knows {
    fn knows(&self, tenant: TenantId) -> bool;
}

impl Knows for Manager {
    fn knows(&self, tenant: TenantId) -> bool {
        self.seen.tenants().contains(&tenant)
    }
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = tokio_postgres::Error;

    async fn create(&self) -> Result<Connection, tokio_postgres::Error> {
        let client = self.postgres.create().await?;
        self.seen.tenants().clear();
        Ok(Connection { client, plans: Plans::new(), seen: self.seen.clone() })
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &Metrics,
    ) -> RecycleResult<tokio_postgres::Error> {
        if metrics.age() > self.max_age {
            return Err(RecycleError::message("old"));
        }
        if connection.seen.tenants().len() > self.tenants_per_connection {
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
        self.checkout(&role, &homes, None).await
    }

    pub(super) async fn owner(&self) -> Result<Pooled> {
        let role = self.inner.roles.owner();
        let homes = self.homes(&role, 1, self.inner.settings.owner_connections)?;
        self.checkout(&role, &homes, None).await
    }

    /// A connection that may enter the tenant's schema.
    pub(super) async fn shard(&self, room: &Room) -> Result<Pooled> {
        let role = self.inner.roles.app(room.shard());
        let homes = self.homes(&role, self.inner.settings.shard_connections, 1)?;
        self.checkout(&role, &homes, Some(room.tenant())).await
    }

    /// A connection of a role's, for a tenant or for none.
    async fn checkout(&self, role: &str, homes: &[Pool], tenant: Option<TenantId>) -> Result<Pooled> {
        take(homes, tenant, Duration::from_millis(self.inner.settings.wait_ms)).await.map_err(|error| {
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
            seen: Arc::default(),
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

/// At home if that is free; else where the tenant is known; else at home for a moment; else where another connection lies idle; else at
/// home for longer; else wherever one is free first, so that nobody waits behind somebody's long report while there is room.
async fn take<M: managed::Manager + Knows>(
    homes: &[managed::Pool<M>],
    tenant: Option<TenantId>,
    at_most: Duration,
) -> Result<managed::Object<M>, PoolError<M::Error>> {
    let home = tenant.map_or(0, |tenant| home_of(tenant, homes.len()));
    let Some(own) = homes.get(home) else { return Err(PoolError::Timeout(TimeoutType::Wait)) };
    let elsewhere = || homes.iter().cycle().skip(home + 1).take(homes.len() - 1);
    let idle = || elsewhere().filter(|pool| pool.status().available > 0);
    let knows = |pool: &&managed::Pool<M>| tenant.is_some_and(|tenant| pool.manager().knows(tenant));
    if let Some(taken) = first(iter::once(own).chain(idle().filter(knows)), Duration::ZERO, at_most).await {
        return taken;
    }
    if homes.len() > 1 {
        if let Some(taken) = first(iter::once(own), WAIT_BEFORE_LEARNING, at_most).await {
            return taken;
        }
        if let Some(taken) = first(idle(), Duration::ZERO, at_most).await {
            return taken;
        }
        if let Some(taken) = first(iter::once(own), WAIT_FOR_HOME, at_most).await {
            return taken;
        }
    }
    let anywhere = iter::once(own).chain(elsewhere()).map(|pool| Box::pin(get(pool, at_most, at_most)));
    select_ok(anywhere).await.map(|(taken, _others)| taken)
}

/// Goes from pool to pool, and waits so long at each: what came of the first that had a place.
async fn first<'a, M: managed::Manager + 'a>(
    pools: impl Iterator<Item = &'a managed::Pool<M>>,
    wait: Duration,
    at_most: Duration,
) -> Option<Result<managed::Object<M>, PoolError<M::Error>>> {
    for pool in pools {
        match get(pool, wait, at_most).await {
            Err(PoolError::Timeout(TimeoutType::Wait)) => {}
            taken => return Some(taken),
        }
    }
    None
}

/// Waits so long for a place, and at most so long for the connection in it.
#[expect(clippy::disallowed_methods, reason = "the one place that takes connections out of pools")]
async fn get<M: managed::Manager>(
    pool: &managed::Pool<M>,
    wait: Duration,
    at_most: Duration,
) -> Result<managed::Object<M>, PoolError<M::Error>> {
    pool.timeout_get(&Timeouts { wait: Some(wait), create: Some(at_most), recycle: Some(at_most) }).await
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

    /// A connection that is the number of its pool, and knows these tenants.
    struct Numbered(usize, Vec<TenantId>);

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

    impl Knows for Numbered {
        fn knows(&self, tenant: TenantId) -> bool {
            self.1.contains(&tenant)
        }
    }

    /// So many pools of one; the last one knows the tenant who lives at the first.
    fn homes(many: usize) -> Vec<managed::Pool<Numbered>> {
        let one = |n| {
            let known = if n + 1 == many { vec![tenant(0)] } else { Vec::new() };
            let builder = managed::Pool::builder(Numbered(n, known)).max_size(1);
            builder.runtime(deadpool::Runtime::Tokio1).build().unwrap()
        };
        (0..many).map(one).collect()
    }

    /// A tenant who lives there.
    fn tenant(home: u128) -> TenantId {
        TenantId(uuid::Uuid::from_u128(home))
    }

    const LONG: Duration = Duration::from_secs(60);

    async fn taken(homes: &[managed::Pool<Numbered>], home: u128) -> managed::Object<Numbered> {
        take(homes, Some(tenant(home)), LONG).await.unwrap()
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
    async fn who_finds_the_home_taken_goes_where_they_are_known() {
        let homes = homes(4);
        drop((taken(&homes, 1).await, taken(&homes, 3).await));
        let at_home = taken(&homes, 0).await;
        let mut guest = Box::pin(taken(&homes, 0));
        let std::task::Poll::Ready(guest) = futures_util::poll!(&mut guest) else {
            panic!("it waited, though it is known")
        };
        assert_eq!((*at_home, *guest), (0, 3));
    }

    #[tokio::test]
    async fn who_is_not_known_waits_a_moment_and_goes_where_one_is_idle_before_one_is_opened() {
        let homes = homes(4);
        drop(taken(&homes, 2).await);
        let at_home = taken(&homes, 1).await;
        let mut guest = Box::pin(taken(&homes, 1));
        assert!(futures_util::poll!(&mut guest).is_pending(), "it is learnt at once");
        let guest = guest.await;
        assert_eq!((*at_home, *guest, homes[3].status().size), (1, 2, 0));
        // Nothing is idle now, and waiting at home comes to nothing: a place is still free.
        assert!([0, 3].contains(&*taken(&homes, 1).await));
    }

    #[tokio::test]
    async fn who_waited_a_moment_is_at_home_again() {
        let homes = homes(3);
        drop(taken(&homes, 2).await);
        let at_home = taken(&homes, 1).await;
        let mut next = Box::pin(taken(&homes, 1));
        assert!(futures_util::poll!(&mut next).is_pending());
        drop(at_home);
        assert_eq!(*next.await, 1);
    }

    #[tokio::test]
    async fn nobody_waits_at_home_while_there_is_room() {
        let homes = homes(2);
        let (_report, other) = (taken(&homes, 1).await, taken(&homes, 0).await);
        let mut waiting = Box::pin(taken(&homes, 1));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(other);
        assert_eq!(*waiting.await, 0);
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told() {
        let homes = homes(2);
        let _all = (taken(&homes, 0).await, taken(&homes, 1).await);
        let late = take(&homes, Some(tenant(1)), Duration::from_millis(1)).await;
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
