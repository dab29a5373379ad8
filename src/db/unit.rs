//! The unit of work: a closure that runs inside one transaction, so that there is no commit to forget and no query outside.
//!
//! BEGIN and the entry into a tenant are sent, not awaited: the unit's first query travels right behind them. When the entry
//! fails, PostgreSQL refuses every later query of that transaction, so a unit can never run in the wrong place. A connection goes
//! back to its pool only after the server has answered its COMMIT or ROLLBACK; a cancelled unit's connection is closed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::ClientWrapper;
use futures_util::future::join;
use tokio_postgres::{CopyInSink, CopyOutStream, Row, Statement, ToStatement, error::SqlState};

use super::{
    Db, Params,
    errors::{from_driver, is_worth_another_run},
    plans::Plan,
    pool::{Connection, Pooled, Room},
    recent::{Question, Recent},
    traced::Traced,
};
use crate::{
    error::{Error, Result},
    types::TenantId,
};

/// Of statements that were sent together one fails, and those behind it say only that one did: they let it speak first, whichever is
/// polled before the other.
async fn last_word<T>(answer: Result<T, tokio_postgres::Error>) -> Result<T, tokio_postgres::Error> {
    if answer.as_ref().is_err_and(|error| error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)) {
        tokio::task::yield_now().await;
    }
    answer
}

/// A connection that must not go back to its pool unless its transaction is known to be over.
struct Checkout(Option<Pooled>);

impl Checkout {
    fn connection(&self) -> Result<&Connection> {
        self.0.as_deref().ok_or_else(|| Error::internal("the connection was given back"))
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some(unclean) = self.0.take() {
            drop(Pooled::take(unclean));
        }
    }
}

struct Inner {
    checkout: Checkout,
    /// Whose schema it works in, if it is one tenant's.
    tenant: Option<TenantId>,
    ending: Ending,
    /// Set when a statement failed: such a transaction can only be rolled back, whatever the unit says.
    failed: AtomicBool,
    /// Set when the last statement was sent, its COMMIT behind it.
    is_closing: AtomicBool,
    /// Set when that COMMIT was answered.
    is_over: AtomicBool,
    /// How many were asked, for the traces.
    statements: AtomicU32,
}

/// An open transaction. Statements are prepared once per connection; their texts are static.
#[derive(Clone)]
pub struct Tx {
    inner: Arc<Inner>,
    is_last: bool,
}

impl Tx {
    fn open(pooled: Pooled, tenant: Option<TenantId>, ending: Ending) -> Self {
        let inner = Inner {
            checkout: Checkout(Some(pooled)),
            tenant,
            ending,
            failed: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            statements: AtomicU32::new(0),
        };
        Self { inner: Arc::new(inner), is_last: false }
    }

    /// The same transaction, for its last statement. A unit that writes ends as always.
    fn last(&self) -> Self {
        Self { inner: self.inner.clone(), is_last: self.inner.ending == Ending::Unawaited }
    }

    fn client(&self) -> Result<&ClientWrapper> {
        self.inner.checkout.connection().map(|connection| &connection.client)
    }

    fn count(&self) {
        self.inner.statements.fetch_add(1, Ordering::Relaxed);
    }

    #[track_caller]
    fn seen<T>(&self, answer: Result<T, tokio_postgres::Error>) -> Result<T> {
        answer.map_err(|error| {
            self.inner.failed.store(true, Ordering::Relaxed);
            from_driver(error)
        })
    }

    /// Awaits a statement's answer; the COMMIT travels right behind the last one. Nothing is sent before this is awaited.
    async fn answer<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        self.count();
        let is_closing = &self.inner.is_closing;
        let too_late = if self.is_last {
            is_closing.swap(true, Ordering::AcqRel)
        } else {
            is_closing.load(Ordering::Acquire)
        };
        if too_late {
            return Err(Error::internal("a unit of work went on after its last statement"));
        }
        if !self.is_last {
            return self.seen(last_word(statement.await).await);
        }
        let (answer, ended) = join(statement, self.client()?.batch_execute("COMMIT")).await;
        self.inner.is_over.store(ended.is_ok(), Ordering::Release);
        self.seen(last_word(answer).await)
    }

    async fn prepare(&self, sql: &'static str) -> Result<Statement> {
        let connection = self.inner.checkout.connection()?;
        let plan = match self.inner.tenant {
            Some(tenant) => connection.plans.find(tenant, sql),
            None => Plan::Shared,
        };
        match (plan, self.inner.tenant) {
            (Plan::Own(own), _) => Ok(own),
            (Plan::Wanted, Some(tenant)) => {
                let own = self.seen(last_word(connection.client.prepare(sql).await).await)?;
                connection.plans.keep(tenant, sql, own.clone());
                Ok(own)
            }
            _ => self.seen(last_word(connection.client.prepare_cached(sql).await).await),
        }
    }

    /// All rows of a statement.
    pub async fn query(&self, sql: &'static str, params: Params<'_>) -> Result<Vec<Row>> {
        let statement = self.prepare(sql).await?;
        self.answer(self.client()?.query(&statement, params)).await
    }

    /// The one row of a statement, or none.
    pub async fn query_opt(&self, sql: &'static str, params: Params<'_>) -> Result<Option<Row>> {
        let statement = self.prepare(sql).await?;
        self.answer(self.client()?.query_opt(&statement, params)).await
    }

    /// The row that a statement always answers with, such as an `INSERT .. RETURNING` or an aggregate.
    pub async fn query_one(&self, sql: &'static str, params: Params<'_>) -> Result<Row> {
        let statement = self.prepare(sql).await?;
        self.answer(self.client()?.query_one(&statement, params)).await
    }

    /// Runs a statement; the number of rows that it touched.
    pub async fn execute(&self, sql: &'static str, params: Params<'_>) -> Result<u64> {
        let statement = self.prepare(sql).await?;
        self.answer(self.client()?.execute(&statement, params)).await
    }

    /// From here on statements of this unit of work are planned for what they are asked, each time: PostgreSQL would settle on one
    /// plan for all ranges of time or place, and takes all of them to be small. No helpers are started, each of which costs more than
    /// it saves here, and what lies together in time is read by index. For units that read much.
    pub async fn plan_for_each(&self) -> Result<()> {
        self.execute("SET LOCAL plan_cache_mode = force_custom_plan", &[]).await?;
        self.execute("SET LOCAL max_parallel_workers_per_gather = 0", &[]).await?;
        self.execute("SET LOCAL random_page_cost = 1.1", &[]).await.map(drop)
    }

    /// Simple-protocol text. Only `tenancy/` has texts that are not constants, and only schema and role names stand in them.
    pub(super) async fn batch(&self, sql: &str) -> Result<()> {
        let done = self.client()?.batch_execute(sql).await;
        self.seen(done)
    }

    /// Ends the transaction and gives the connection back, without anybody waiting for it.
    fn end_unawaited(self, sql: &'static str) {
        let Some(inner) = Arc::into_inner(self.inner) else { return };
        tokio::spawn(async move {
            let ended = match inner.checkout.connection() {
                Ok(connection) => connection.client.batch_execute(sql).await.is_ok(),
                Err(_) => false,
            };
            if ended {
                inner.checkout.give_back();
            }
        });
    }

    /// Gives the connection of a transaction back that is known to be over.
    fn give_back(self) {
        if let Some(inner) = Arc::into_inner(self.inner) {
            inner.checkout.give_back();
        }
    }

    async fn commit(self) -> Result<()> {
        if self.inner.failed.load(Ordering::Relaxed) {
            self.end_unawaited("ROLLBACK");
            return Err(Error::internal("a unit of work hid a failed statement"));
        }
        self.batch("COMMIT").await?;
        self.give_back();
        Ok(())
    }
}

/// A unit of work inside one tenant: the only way to tenant data.
#[derive(Clone)]
pub struct TenantTx {
    tx: Tx,
    room: Room,
    /// Of a reading unit.
    recent: Option<Arc<Recent>>,
}

impl TenantTx {
    /// What `read` finds, or what it found in the last three seconds with the same `which`, if this process has written nothing
    /// for the tenant since. `what` names the question in the whole program. A unit that writes always reads.
    pub async fn recently<T: Clone + Send + Sync + 'static>(
        &self,
        what: &'static str,
        which: String,
        read: impl AsyncFnOnce() -> Result<T>,
    ) -> Result<T> {
        let Some(recent) = &self.recent else { return Box::pin(read()).await };
        let question = Question { tenant: self.room.tenant(), what, which };
        let asked = recent.ask(question.tenant);
        if let Some(found) = recent.find(&question, asked) {
            return Ok(found);
        }
        let found = Box::pin(read()).await?;
        recent.keep(question, asked, &found);
        Ok(found)
    }

    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Does something and takes it back; what it answered stays. Whatever fails on the way fails the unit, as ever.
    pub async fn trial<T>(&self, work: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        self.tx.batch("SAVEPOINT trial").await?;
        let answer = work().await?;
        self.tx.batch("ROLLBACK TO SAVEPOINT trial; RELEASE SAVEPOINT trial").await?;
        Ok(answer)
    }

    /// For the one statement with which a reading unit ends, and which none runs beside: its COMMIT travels with it, and costs
    /// neither side another turn. What a unit asks afterwards is refused. A unit that writes ends as always.
    pub fn last(&self) -> Self {
        Self { tx: self.tx.last(), room: self.room.clone(), recent: self.recent.clone() }
    }
}

/// A unit of work in the control plane (schema `public`).
#[derive(Clone)]
pub struct ControlTx {
    tx: Tx,
}

/// A unit of work of the role that owns everything. `tenancy/` alone asks for one.
#[derive(Clone)]
pub struct OwnerTx {
    tx: Tx,
}

macro_rules! deref_to_tx {
    ($($name:ident),*) => {$(
        impl std::ops::Deref for $name {
            type Target = Tx;

            fn deref(&self) -> &Tx {
                &self.tx
            }
        }
    )*};
}
deref_to_tx!(TenantTx, ControlTx, OwnerTx);

impl OwnerTx {
    /// Simple-protocol text with schema and role names in it.
    pub async fn run(&self, sql: &str) -> Result<()> {
        self.count();
        self.batch(sql).await
    }

    /// Works inside one tenant's schema with the owner's rights, in the same transaction.
    pub async fn inside<T>(&self, room: &Room, f: impl AsyncFnOnce(&TenantTx) -> Result<T>) -> Result<T> {
        self.batch(&format!("SET LOCAL search_path = {}, ext, pg_temp", room.schema())).await?;
        let inside = TenantTx { tx: self.tx.clone(), room: room.clone(), recent: None };
        let done = f(&inside).await?;
        drop(inside);
        self.batch("SET LOCAL search_path = pg_catalog, pg_temp").await?;
        Ok(done)
    }

    /// The instant that this unit sees, for other units to see it, too.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let id: String = self.query_one("SELECT pg_export_snapshot() AS id", &[]).await?.get("id");
        // It is put into a statement; PostgreSQL makes it of digits and dashes.
        if id.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
            Ok(Snapshot(id))
        } else {
            Err(Error::internal("a snapshot of an odd name"))
        }
    }

    /// Reads what `COPY .. TO STDOUT` sends.
    pub async fn copy_out(&self, sql: &str) -> Result<CopyOutStream> {
        self.count();
        let stream = self.client()?.copy_out(sql).await;
        self.seen(stream)
    }

    /// Writes what `COPY .. FROM STDIN` takes.
    pub async fn copy_in(&self, sql: &str) -> Result<CopyInSink<bytes::Bytes>> {
        self.count();
        let sink = self.client()?.copy_in(sql).await;
        self.seen(sink)
    }

    /// A statement whose text holds schema or role names.
    pub async fn query_named(
        &self,
        sql: &(impl ToStatement + ?Sized),
        params: Params<'_>,
    ) -> Result<Vec<Row>> {
        self.count();
        let rows = self.client()?.query(sql, params).await;
        self.seen(rows)
    }
}

/// How a unit ended that did not end well.
enum Failure {
    /// Nothing was committed: the unit may run again.
    Before(Error),
    /// COMMIT was sent and its answer is missing or bad: the unit must not run again.
    AtCommit(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Self::Before(error) | Self::AtCommit(error) => error,
        }
    }
}

/// A unit that may have written for a tenant: whatever was found before is not believed after it.
struct Wrote<'a> {
    db: &'a Db,
    tenant: TenantId,
}

impl Drop for Wrote<'_> {
    fn drop(&mut self) {
        self.db.recent().wrote(self.tenant);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Ending {
    /// A write: the COMMIT is awaited.
    Awaited,
    /// A read: nobody waits for its COMMIT.
    Unawaited,
}

impl Db {
    /// Runs `f` inside the tenant's schema and commits when it answers Ok. Any Err rolls everything back.
    pub async fn in_tenant<T, F>(&self, tenant: &impl AsRef<Room>, f: F) -> Result<T>
    where
        F: AsyncFnOnce(&TenantTx) -> Result<T> + Clone,
    {
        let room = tenant.as_ref();
        let entry = format!("BEGIN; SET LOCAL ROLE {}", room.schema());
        self.tenant_unit(room, &entry, Ending::Awaited, f).await
    }

    /// The same for work that may take longer than a request, such as an import: the time-out is the caller's.
    pub async fn in_tenant_for<T, F>(&self, tenant: &impl AsRef<Room>, at_most: Duration, f: F) -> Result<T>
    where
        F: AsyncFnOnce(&TenantTx) -> Result<T> + Clone,
    {
        let room = tenant.as_ref();
        let entry = format!(
            "BEGIN; SET LOCAL ROLE {}; SET LOCAL statement_timeout = {}",
            room.schema(),
            at_most.as_millis()
        );
        self.tenant_unit(room, &entry, Ending::Awaited, f).await
    }

    /// Runs `f` inside the tenant's schema, reading only.
    pub async fn read_tenant<T, F>(&self, tenant: &impl AsRef<Room>, f: F) -> Result<T>
    where
        F: AsyncFnOnce(&TenantTx) -> Result<T> + Clone,
    {
        let room = tenant.as_ref();
        let entry = format!("BEGIN READ ONLY; SET LOCAL ROLE {}", room.schema());
        self.tenant_unit(room, &entry, Ending::Unawaited, f).await
    }

    async fn tenant_unit<T, F>(&self, room: &Room, entry: &str, ending: Ending, f: F) -> Result<T>
    where
        F: AsyncFnOnce(&TenantTx) -> Result<T> + Clone,
    {
        // Told in the end however it ends, also when nobody waits for it any more.
        let _told = (ending == Ending::Awaited).then(|| Wrote { db: self, tenant: room.tenant() });
        let again = f.clone();
        let open = |pooled: Pooled| {
            pooled.begin_for(room.tenant());
            let tx = Tx::open(pooled, Some(room.tenant()), ending);
            let recent = (ending == Ending::Unawaited).then(|| self.recent().clone());
            TenantTx { tx, room: room.clone(), recent }
        };
        let name = if ending == Ending::Awaited { "db.write tenant" } else { "db.read tenant" };
        let mut traced = Traced::begin(name, Some(room.tenant()));
        let first = open(traced.waiting(self.shard(room)).await?);
        let done = match unit(first, entry, f, &mut traced).await {
            Err(Failure::Before(error)) if is_worth_another_run(&error) => {
                let second = open(traced.waiting(self.shard(room)).await?);
                second.inner.checkout.connection()?.forget_plans();
                unit(second, entry, again, &mut traced).await
            }
            other => other,
        };
        traced.with(done.map_err(Failure::into_error))
    }

    /// Runs `f` in the control plane and commits when it answers Ok.
    pub async fn in_public<T, F>(&self, f: F) -> Result<T>
    where
        F: AsyncFnOnce(&ControlTx) -> Result<T> + Clone,
    {
        self.control_unit("BEGIN", Ending::Awaited, f).await
    }

    /// Runs `f` in the control plane, reading only.
    pub async fn read_public<T, F>(&self, f: F) -> Result<T>
    where
        F: AsyncFnOnce(&ControlTx) -> Result<T> + Clone,
    {
        self.control_unit("BEGIN READ ONLY", Ending::Unawaited, f).await
    }

    async fn control_unit<T, F>(&self, entry: &str, ending: Ending, f: F) -> Result<T>
    where
        F: AsyncFnOnce(&ControlTx) -> Result<T> + Clone,
    {
        let again = f.clone();
        let name = if ending == Ending::Awaited { "db.write public" } else { "db.read public" };
        let mut traced = Traced::begin(name, None);
        let first = ControlTx { tx: Tx::open(traced.waiting(self.control()).await?, None, ending) };
        let done = match unit(first, entry, f, &mut traced).await {
            Err(Failure::Before(error)) if is_worth_another_run(&error) => {
                let second = ControlTx { tx: Tx::open(traced.waiting(self.control()).await?, None, ending) };
                second.inner.checkout.connection()?.forget_plans();
                unit(second, entry, again, &mut traced).await
            }
            other => other,
        };
        traced.with(done.map_err(Failure::into_error))
    }

    /// Runs `f` as the role that owns everything. Only `tenancy/` may call this.
    pub async fn as_owner<T, F>(&self, f: F) -> Result<T>
    where
        F: AsyncFnOnce(&OwnerTx) -> Result<T>,
    {
        let mut traced = Traced::begin("db.write owner", None);
        let tx = OwnerTx { tx: Tx::open(traced.waiting(self.owner()).await?, None, Ending::Awaited) };
        let entry = "BEGIN; SET LOCAL search_path = pg_catalog, pg_temp";
        let done = unit(tx, entry, f, &mut traced).await;
        traced.with(done.map_err(Failure::into_error))
    }
}

impl Db {
    /// Reads as the role that owns everything, all of it as it was at one instant; or at the instant of another such unit,
    /// whose [`OwnerTx::snapshot`] is given. Only backups may call this.
    pub async fn as_owner_reading<T, F>(&self, snapshot: Option<&Snapshot>, f: F) -> Result<T>
    where
        F: AsyncFnOnce(&OwnerTx) -> Result<T>,
    {
        let mut traced = Traced::begin("db.read owner", None);
        let tx = OwnerTx { tx: Tx::open(traced.waiting(self.owner()).await?, None, Ending::Unawaited) };
        let shared =
            snapshot.map(|Snapshot(id)| format!("SET TRANSACTION SNAPSHOT '{id}';")).unwrap_or_default();
        let entry = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {shared} SET LOCAL search_path = pg_catalog, pg_temp"
        );
        let done = unit(tx, &entry, f, &mut traced).await;
        traced.with(done.map_err(Failure::into_error))
    }
}

/// One instant of the database, for as long as the unit that made it is open.
#[derive(Debug, Clone)]
pub struct Snapshot(String);

/// One run: the entry and the work side by side, then the end.
async fn unit<X, T, F>(tx: X, entry: &str, f: F, traced: &mut Traced) -> Result<T, Failure>
where
    X: std::ops::Deref<Target = Tx> + IntoTx,
    F: AsyncFnOnce(&X) -> Result<T>,
{
    let (entered, worked) = join(tx.batch(entry), f(&tx)).await;
    // What the unit met after a failed entry is only "transaction is aborted".
    let done = entered.and(worked);
    let tx = tx.into_tx();
    traced.ran(tx.inner.statements.load(Ordering::Relaxed));
    traced.ended(if done.is_ok() { "committed" } else { "rolled back" });
    if tx.inner.is_over.load(Ordering::Acquire) {
        tx.give_back();
        return done.map_err(Failure::Before);
    }
    match (done, tx.inner.ending) {
        (Err(error), _) => {
            tx.end_unawaited("ROLLBACK");
            Err(Failure::Before(error))
        }
        (Ok(done), Ending::Awaited) => {
            let is_spoilt = tx.inner.failed.load(Ordering::Relaxed);
            traced.ended(if is_spoilt { "rolled back" } else { "unknown" });
            tx.commit().await.map_err(Failure::AtCommit)?;
            traced.ended("committed");
            Ok(done)
        }
        (Ok(done), Ending::Unawaited) => {
            tx.end_unawaited("COMMIT");
            Ok(done)
        }
    }
}

/// Gives up the kind of a transaction, to end it.
trait IntoTx {
    fn into_tx(self) -> Tx;
}

impl IntoTx for TenantTx {
    fn into_tx(self) -> Tx {
        self.tx
    }
}

impl IntoTx for ControlTx {
    fn into_tx(self) -> Tx {
        self.tx
    }
}

impl IntoTx for OwnerTx {
    fn into_tx(self) -> Tx {
        self.tx
    }
}
