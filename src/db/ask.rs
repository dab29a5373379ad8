//! One question to the control plane: a statement that reads, with no unit of work around it.

use tokio_postgres::Row;

use super::{
    Db, Params,
    errors::{from_driver, is_worth_another_run},
    pool::Pooled,
    traced::Traced,
};
use crate::error::Result;

impl Db {
    /// The one row that a `SELECT` answers with, seen at one instant. PostgreSQL takes a lone statement for a transaction of its own:
    /// BEGIN and COMMIT around it would be two thirds of the work. For what is asked all the time; whoever asks twice needs
    /// [`Db::read_public`].
    pub async fn ask_public(&self, sql: &'static str, params: Params<'_>) -> Result<Row> {
        debug_assert!(sql.starts_with("SELECT "), "a question reads: {sql}");
        let mut traced = Traced::begin("db.read public", None);
        let first = traced.waiting(self.control()).await?;
        let answer = match answer(&first, sql, params, &mut traced).await {
            Err(error) if is_worth_another_run(&error) => {
                drop(first);
                let second = traced.waiting(self.control()).await?;
                second.forget_plans();
                answer(&second, sql, params, &mut traced).await
            }
            other => other,
        };
        traced.with(answer)
    }
}

/// Nothing is left open behind it, also when nobody waits for it any more: the connection goes back to its pool as it is.
async fn answer(
    connection: &Pooled,
    sql: &'static str,
    params: Params<'_>,
    traced: &mut Traced,
) -> Result<Row> {
    let client = &connection.client;
    let answer = match client.prepare_cached(sql).await {
        Ok(statement) => client.query_one(&statement, params).await,
        Err(error) => Err(error),
    };
    traced.ran(1);
    traced.ended(if answer.is_ok() { "committed" } else { "rolled back" });
    answer.map_err(from_driver)
}
