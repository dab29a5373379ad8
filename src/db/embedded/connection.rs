//! Short sessions of the bootstrap superuser.

use std::{path::Path, time::Duration};

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls};

use crate::error::{OrInternal, Result};

pub(super) struct Session {
    client: Client,
    driver: JoinHandle<()>,
}

pub(super) async fn open(port: u16, password: &str) -> Result<Session> {
    connect(port, password).await.internal()
}

/// Whether the server on this port takes our password and serves this folder. `Err` when it refused us.
pub(super) async fn is_cluster_at(
    port: u16,
    password: &str,
    data: &Path,
) -> Result<bool, tokio_postgres::Error> {
    let session = connect(port, password).await?;
    let row = session.client.query_one("SELECT current_setting('data_directory')", &[]).await;
    session.close().await;
    let folder: String = row?.try_get(0)?;
    Ok(Path::new(&folder) == data)
}

impl Session {
    pub(super) async fn run(&self, statement: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(statement).await
    }

    /// Whether the query has a row for `text`.
    pub(super) async fn finds(&self, query: &str, text: &str) -> Result<bool, tokio_postgres::Error> {
        Ok(self.client.query_opt(query, &[&text]).await?.is_some())
    }

    /// Waits until the connection is gone, so that it holds nobody up.
    pub(super) async fn close(self) {
        drop(self.client);
        drop(self.driver.await);
    }
}

async fn connect(port: u16, password: &str) -> Result<Session, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user("postgres").password(password).dbname("postgres");
    config.connect_timeout(Duration::from_secs(5)).application_name("lastmile embedded");
    #[expect(clippy::disallowed_methods, reason = "the superuser of our own server, to set it up")]
    let (client, connection) = config.connect(NoTls).await?;
    // Its failure is also the failure of the query that waits on it.
    let driver = tokio::spawn(async move { drop(connection.await) });
    Ok(Session { client, driver })
}
