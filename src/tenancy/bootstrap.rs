//! Sets a deployment up on an empty database: login roles, schemas `ext` and `gate`, and who may do what.
//!
//! Done with the operator's own role, under a lock, and again without harm. After it only the deployment's roles are used.

use secrecy::ExposeSecret;
use tokio_postgres::Client;

use super::shards::ensure_shard;
use crate::{
    db::{Db, Server},
    error::{Error, OrInternal, Result},
};

/// The named secret that the login roles' passwords are derived from.
pub const ROLE_KEY: &str = "database-roles";

/// Whether the deployment's roles are there and can log in.
pub async fn is_set_up(db: &Db) -> bool {
    match db.connect_as(&db.roles().owner()).await {
        Ok((client, connection)) => {
            let _connection = tokio::spawn(connection);
            client
                // The last thing that `bootstrap` makes: whoever finds it finds everything before it.
                .query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&db.roles().app(1)])
                .await
                .is_ok_and(|row| row.is_some())
        }
        Err(_) => false,
    }
}

/// Connects as the operator and sets everything up. Five processes may do so at once.
pub async fn bootstrap(db: &Db, server: &Server) -> Result<()> {
    // The operator's own role, before ours exist.
    let (client, connection) = server.connect(server.config()).await.map_err(|error| {
        tracing::error!(%error, "cannot connect with database.url");
        Error::unavailable("database_unavailable", "The database cannot be reached with database.url.")
    })?;
    let driving = tokio::spawn(connection);
    client.execute("SELECT pg_advisory_lock(hashtext('lastmile bootstrap'))", &[]).await.internal()?;
    roles(db, &client).await?;
    schemas(db, &client).await?;
    superusers_step(db, &client).await?;
    tenants_group(db).await?;
    // The lock goes with the connection, now that everything is there.
    drop(client);
    driving.await.internal()?.internal()
}

/// The group and the first shard, in one transaction of the owner's, who must be able to admit members.
async fn tenants_group(db: &Db) -> Result<()> {
    db.as_owner(async |tx| {
        tx.execute("SELECT pg_advisory_xact_lock(hashtext('lastmile shards'))", &[]).await?;
        let group = group_of(db);
        if tx.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&group]).await?.is_none() {
            tx.run(&format!(
                "CREATE ROLE {group} NOLOGIN NOINHERIT;
                 GRANT USAGE ON SCHEMA ext, gate TO {group};"
            ))
            .await?;
        }
        ensure_shard(db, tx, 1).await
    })
    .await
}

/// The role whose rights every tenant's role has in common: the gate's functions and the extensions.
pub(super) fn group_of(db: &Db) -> String {
    format!("{}_tenant", db.roles().prefix)
}

async fn roles(db: &Db, client: &Client) -> Result<()> {
    let (owner, control) = (db.roles().owner(), db.roles().control());
    for (role, attributes) in [(&owner, "CREATEROLE"), (&control, "NOCREATEROLE NOINHERIT")] {
        let password = (db.roles().password)(role);
        let verb =
            match client.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[role]).await.internal()? {
                Some(_) => "ALTER",
                None => "CREATE",
            };
        let sql = format!(
            "{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB {attributes} PASSWORD '{}';
             ALTER ROLE {role} SET jit = off",
            password.expose_secret()
        );
        client.batch_execute(&sql).await.internal()?;
    }
    let sql = format!(
        "ALTER ROLE {control} SET search_path = pg_catalog, pg_temp;
         ALTER ROLE {control} SET statement_timeout = '15s';
         ALTER ROLE {control} SET idle_in_transaction_session_timeout = '60s'"
    );
    client.batch_execute(&sql).await.internal()
}

async fn schemas(db: &Db, client: &Client) -> Result<()> {
    let (owner, control) = (db.roles().owner(), db.roles().control());
    let database: String =
        client.query_one("SELECT quote_ident(current_database())", &[]).await.internal()?.get(0);
    let sql = format!(
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC;
         GRANT CONNECT ON DATABASE {database} TO {owner}, {control};
         GRANT CONNECT, CREATE ON DATABASE {database} TO {owner} WITH GRANT OPTION;
         REVOKE ALL ON SCHEMA public FROM PUBLIC;
         GRANT USAGE, CREATE ON SCHEMA public TO {owner};
         GRANT USAGE ON SCHEMA public TO {control};
         CREATE SCHEMA IF NOT EXISTS ext;
         REVOKE ALL ON SCHEMA ext FROM PUBLIC;
         GRANT USAGE ON SCHEMA ext TO {owner} WITH GRANT OPTION;
         CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA ext;
         CREATE SCHEMA IF NOT EXISTS gate;
         REVOKE ALL ON SCHEMA gate FROM PUBLIC;
         GRANT USAGE, CREATE ON SCHEMA gate TO {owner} WITH GRANT OPTION;
         REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
         GRANT USAGE ON LANGUAGE plpgsql TO {owner}"
    );
    client.batch_execute(&sql).await.internal()
}

/// What only a superuser can take from everybody: the way out of a role that a plain SELECT has.
async fn superusers_step(db: &Db, client: &Client) -> Result<()> {
    let row = client
        .query_one("SELECT rolsuper FROM pg_roles WHERE rolname = current_user", &[])
        .await
        .internal()?;
    if !row.get::<_, bool>(0) {
        tracing::info!("not a superuser: see docs/security.md for the two rights that PUBLIC still has");
        return Ok(());
    }
    let owner = db.roles().owner();
    let sql = format!(
        "REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO {owner};
         REVOKE EXECUTE ON FUNCTION pg_catalog.lo_create(oid), pg_catalog.lo_creat(integer),
             pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC"
    );
    client.batch_execute(&sql).await.internal()
}
