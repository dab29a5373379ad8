//! The PostgreSQL of the tests: the program's own embedded one, kept in the target folder between runs.

use std::{path::PathBuf, process::Command};

use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lastmile");

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("postgres")
}

/// The superuser's URL of a fresh database.
pub async fn database(name: &str) -> String {
    static STARTED: OnceCell<()> = OnceCell::const_new();
    STARTED
        .get_or_init(|| async {
            let url = url_of("postgres");
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            tokio::spawn(connection);
            drop_leftovers(&client).await;
        })
        .await;
    url_of(&format!("it_{}_{name}", std::process::id()))
}

fn url_of(name: &str) -> String {
    let output = Command::new(PROGRAM)
        .args(["postgres", "--max-connections", "800", "--dir"])
        .arg(folder())
        .args(["--database", name])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Databases and roles of earlier runs go, unless their test process still lives.
async fn drop_leftovers(client: &Client) {
    let rows =
        client.query("SELECT datname FROM pg_database WHERE datname LIKE 'it\\_%'", &[]).await.unwrap();
    for row in rows {
        let name: String = row.get(0);
        let alive =
            name.split('_').nth(1).is_some_and(|pid| std::path::Path::new("/proc").join(pid).exists());
        if alive {
            continue;
        }
        let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await;
    }
    let orphans = client
        .query(
            "SELECT rolname FROM pg_roles r WHERE (rolname LIKE 'it\\_%' OR rolname ~ '^t_[a-z2-7]{12}$')
             AND NOT EXISTS (SELECT 1 FROM pg_database WHERE datname LIKE 'it\\_%')",
            &[],
        )
        .await
        .unwrap();
    for row in orphans {
        let name: String = row.get(0);
        let _ = client.batch_execute(&format!("DROP ROLE IF EXISTS \"{name}\"")).await;
    }
}

/// A superuser's connection to a database, to look behind the scenes or to break things.
pub async fn sql(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
