//! `lastmile verify-isolation` against a database of its own: quiet when all is well, and exactly one finding for each hole.

use serde_json::Value;

use crate::harness::{Server, Settings, Tenant, program, sql, tenant_on};

/// What `verify-isolation --json` says, and whether it was content.
fn verify(server: &Server) -> (Value, bool) {
    let output = program(&server.database, server.folder.path())
        .args(["verify-isolation", "--json"])
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    (report, output.status.success())
}

/// A hole: how it is opened, how it is closed, and the check and object that must name it.
struct Hole {
    what: &'static str,
    open: &'static str,
    close: &'static str,
    check: &'static str,
    object: &'static str,
}

const fn hole(
    what: &'static str,
    open: &'static str,
    close: &'static str,
    check: &'static str,
    object: &'static str,
) -> Hole {
    Hole { what, open, close, check, object }
}

/// `A` and `B` stand for the schemas of two tenants, `APP` for their login role, `P` for what the roles' names begin with.
const HOLES: &[Hole] = &[
    hole(
        "a direct grant to the login role",
        "GRANT USAGE ON SCHEMA {A} TO {APP}",
        "REVOKE USAGE ON SCHEMA {A} FROM {APP}",
        "schema_grant",
        "{A}",
    ),
    hole(
        "a direct grant of a table to another tenant",
        "GRANT SELECT ON {A}.customer TO {B}",
        "REVOKE SELECT ON {A}.customer FROM {B}",
        "table_grant",
        "{A}.customer",
    ),
    hole(
        "a direct grant of a table to the control role",
        "GRANT SELECT ON {A}.staff TO {P}_control",
        "REVOKE SELECT ON {A}.staff FROM {P}_control",
        "table_grant",
        "{A}.staff",
    ),
    hole(
        "a right more than is listed",
        "GRANT DELETE ON {A}.audit_event TO {A}",
        "REVOKE DELETE ON {A}.audit_event FROM {A}",
        "table_grant",
        "{A}.audit_event",
    ),
    hole(
        "a right that may be passed on",
        "GRANT SELECT ON {A}.area TO {A} WITH GRANT OPTION",
        "REVOKE GRANT OPTION FOR SELECT ON {A}.area FROM {A}",
        "table_grant",
        "{A}.area",
    ),
    hole(
        "a right of the control plane for a tenant",
        "GRANT SELECT ON public.tenant TO {A}",
        "REVOKE SELECT ON public.tenant FROM {A}",
        "table_grant",
        "public.tenant",
    ),
    hole(
        "the platform's log made writable",
        "GRANT UPDATE ON public.platform_event TO {P}_control",
        "REVOKE UPDATE ON public.platform_event FROM {P}_control",
        "table_grant",
        "public.platform_event",
    ),
    hole(
        "a grant to PUBLIC",
        "GRANT SELECT ON {A}.customer TO PUBLIC",
        "REVOKE SELECT ON {A}.customer FROM PUBLIC",
        "table_grant",
        "{A}.customer",
    ),
    hole(
        "a grant of one column",
        "GRANT SELECT (email) ON {A}.staff TO {B}",
        "REVOKE SELECT (email) ON {A}.staff FROM {B}",
        "column_grant",
        "{A}.staff.email",
    ),
    hole(
        "a listed right that is missing",
        "REVOKE UPDATE ON {A}.customer FROM {A}",
        "GRANT UPDATE ON {A}.customer TO {A}",
        "right_missing",
        "{A}.customer",
    ),
    hole(
        "a listed table that is missing",
        "ALTER TABLE {A}.area RENAME TO barangay; REVOKE ALL ON {A}.barangay FROM {A}",
        "ALTER TABLE {A}.barangay RENAME TO area; GRANT SELECT, INSERT, UPDATE, DELETE ON {A}.area TO {A}",
        "right_missing",
        "{A}.area",
    ),
    hole(
        "a definer function without a pinned path",
        "CREATE FUNCTION gate.hole() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
         REVOKE ALL ON FUNCTION gate.hole() FROM PUBLIC; ALTER FUNCTION gate.hole() OWNER TO {P}_owner",
        "DROP FUNCTION gate.hole()",
        "definer_path",
        "gate.hole()",
    ),
    hole(
        "a definer function that anybody may call",
        "GRANT EXECUTE ON FUNCTION gate.entered_tenant() TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION gate.entered_tenant() FROM PUBLIC",
        "function_grant",
        "gate.entered_tenant()",
    ),
    hole(
        "a definer function in a tenant's schema",
        "CREATE FUNCTION {A}.hole() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT 1';
         ALTER FUNCTION {A}.hole() OWNER TO {P}_owner",
        "DROP FUNCTION {A}.hole()",
        "definer_place",
        "{A}.hole()",
    ),
    hole(
        "the control role's way to the audit trail opened to a tenant",
        "GRANT EXECUTE ON FUNCTION public.erase_audit_payloads(uuid, uuid[]) TO {A}",
        "REVOKE EXECUTE ON FUNCTION public.erase_audit_payloads(uuid, uuid[]) FROM {A}",
        "function_grant",
        "public.erase_audit_payloads(uuid,uuid[])",
    ),
    hole(
        "a definer function of the control plane without a pinned path",
        "ALTER FUNCTION public.erase_audit_payloads(uuid, uuid[]) RESET search_path",
        "ALTER FUNCTION public.erase_audit_payloads(uuid, uuid[]) SET search_path = pg_catalog, pg_temp",
        "definer_path",
        "public.erase_audit_payloads(uuid,uuid[])",
    ),
    hole(
        "a function of the server granted to a login role",
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {APP}",
        "REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM {APP}",
        "function_grant",
        "pg_read_file(text)",
    ),
    hole(
        "a login role with INHERIT",
        "ALTER ROLE {APP} INHERIT",
        "ALTER ROLE {APP} NOINHERIT",
        "role_attribute",
        "{APP}",
    ),
    hole(
        "a login role that may create roles",
        "ALTER ROLE {APP} CREATEROLE",
        "ALTER ROLE {APP} NOCREATEROLE",
        "role_attribute",
        "{APP}",
    ),
    hole(
        "a tenant's role that may log in",
        "ALTER ROLE {A} LOGIN",
        "ALTER ROLE {A} NOLOGIN",
        "role_attribute",
        "{A}",
    ),
    hole(
        "public in a search_path",
        "ALTER ROLE {APP} SET search_path = \"$user\", public, ext, pg_temp",
        "ALTER ROLE {APP} SET search_path = \"$user\", ext, pg_temp",
        "role_setting",
        "{APP}",
    ),
    hole(
        "a search_path that is one quoted name",
        "ALTER ROLE {APP} SET search_path = '\"$user\", ext, pg_temp'",
        "ALTER ROLE {APP} SET search_path = \"$user\", ext, pg_temp",
        "role_setting",
        "{APP}",
    ),
    hole(
        "a search_path for this database alone",
        "ALTER ROLE {APP} IN DATABASE {P} SET search_path = public",
        "ALTER ROLE {APP} IN DATABASE {P} RESET search_path",
        "role_setting",
        "{APP}",
    ),
    hole(
        "no search_path at all",
        "ALTER ROLE {APP} RESET search_path",
        "ALTER ROLE {APP} SET search_path = \"$user\", ext, pg_temp",
        "search_path_missing",
        "{APP}",
    ),
    hole(
        "a table owned by the tenant's role",
        "ALTER TABLE {A}.customer_import_error OWNER TO {A}",
        "ALTER TABLE {A}.customer_import_error OWNER TO {P}_owner; REVOKE ALL ON {A}.customer_import_error FROM {A};
         GRANT SELECT, INSERT, DELETE ON {A}.customer_import_error TO {A}",
        "ownership",
        "{A}.customer_import_error",
    ),
    hole(
        "a schema owned by the tenant's role",
        "GRANT ALL ON SCHEMA {A} TO {A}; ALTER SCHEMA {A} OWNER TO {A}",
        "ALTER SCHEMA {A} OWNER TO {P}_owner; REVOKE ALL ON SCHEMA {A} FROM {A}; GRANT USAGE ON SCHEMA {A} TO {A}",
        "ownership",
        "{A}",
    ),
    hole(
        "a table owned by somebody else",
        "CREATE TABLE {A}.stray (id int)",
        "DROP TABLE {A}.stray",
        "foreign_owner",
        "{A}.stray",
    ),
    hole(
        "a view with its owner's rights",
        "CREATE VIEW {A}.everyone AS SELECT 1 AS one; ALTER VIEW {A}.everyone OWNER TO {P}_owner",
        "DROP VIEW {A}.everyone",
        "view_rights",
        "{A}.everyone",
    ),
    hole(
        "a copy of what its owner could read",
        "CREATE MATERIALIZED VIEW {A}.everyone AS SELECT 1 AS one; ALTER MATERIALIZED VIEW {A}.everyone OWNER TO {P}_owner",
        "DROP MATERIALIZED VIEW {A}.everyone",
        "view_rights",
        "{A}.everyone",
    ),
    hole(
        "a tenant's role in another tenant's",
        "GRANT {A} TO {B}",
        "REVOKE {A} FROM {B}",
        "membership_stray",
        "{B}",
    ),
    hole(
        "the control role in a tenant's",
        "GRANT {A} TO {P}_control",
        "REVOKE {A} FROM {P}_control",
        "membership_stray",
        "{P}_control",
    ),
    hole(
        "a tenant's role in a second shard",
        "CREATE ROLE {P}_app_02 LOGIN NOINHERIT; ALTER ROLE {P}_app_02 SET search_path = \"$user\", ext, pg_temp; GRANT {A} TO {P}_app_02",
        "DROP ROLE {P}_app_02",
        "membership_stray",
        "{P}_app_02",
    ),
    hole(
        "a login role that may admit others",
        "GRANT {A} TO {APP} WITH ADMIN OPTION",
        "REVOKE ADMIN OPTION FOR {A} FROM {APP}",
        "membership_stray",
        "{APP}",
    ),
    hole(
        "a tenant that cannot be entered",
        "REVOKE {A} FROM {APP}",
        "GRANT {A} TO {APP}",
        "membership_missing",
        "{APP}",
    ),
    hole(
        "a loose default privilege",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {P}_owner IN SCHEMA {A} GRANT SELECT ON TABLES TO {APP}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {P}_owner IN SCHEMA {A} REVOKE SELECT ON TABLES FROM {APP}",
        "default_privilege",
        "{P}_owner",
    ),
    hole(
        "a loose default privilege of a superuser's",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC",
        "default_privilege",
        "postgres",
    ),
    hole(
        "temporary tables",
        "GRANT TEMPORARY ON DATABASE {P} TO PUBLIC",
        "REVOKE TEMPORARY ON DATABASE {P} FROM PUBLIC",
        "database_grant",
        "{P}",
    ),
    hole(
        "schemas made by a login role",
        "GRANT CREATE ON DATABASE {P} TO {APP}",
        "REVOKE CREATE ON DATABASE {P} FROM {APP}",
        "database_grant",
        "{P}",
    ),
    hole(
        "CREATE for a tenant in its own schema",
        "GRANT CREATE ON SCHEMA {A} TO {A}",
        "REVOKE CREATE ON SCHEMA {A} FROM {A}",
        "schema_grant",
        "{A}",
    ),
    hole(
        "CREATE for everybody in public",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "schema_grant",
        "public",
    ),
    hole(
        "a table among the extensions",
        "CREATE TABLE ext.stray (id int)",
        "DROP TABLE ext.stray",
        "stranger_in_ext",
        "ext.stray",
    ),
    hole(
        "a function among the extensions",
        "CREATE FUNCTION ext.stray() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION ext.stray()",
        "stranger_in_ext",
        "ext.stray()",
    ),
    hole(
        "an enum in a tenant's schema",
        "CREATE TYPE {A}.mood AS ENUM ('fine')",
        "DROP TYPE {A}.mood",
        "type_in_schema",
        "{A}.mood",
    ),
    hole(
        "a domain in a tenant's schema",
        "CREATE DOMAIN {A}.positive AS int CHECK (VALUE > 0)",
        "DROP DOMAIN {A}.positive",
        "type_in_schema",
        "{A}.positive",
    ),
    hole(
        "a composite type in a tenant's schema",
        "CREATE TYPE {A}.pair AS (a int, b int)",
        "DROP TYPE {A}.pair",
        "type_in_schema",
        "{A}.pair",
    ),
    hole(
        "a foreign key into another tenant",
        "ALTER TABLE {A}.customer ADD CONSTRAINT across FOREIGN KEY (area_id) REFERENCES {B}.area (id)",
        "ALTER TABLE {A}.customer DROP CONSTRAINT across",
        "crossing_reference",
        "{A}.customer",
    ),
    hole(
        "a schema of nobody",
        "CREATE SCHEMA t_abcdefghijkl",
        "DROP SCHEMA t_abcdefghijkl",
        "schema_leftover",
        "t_abcdefghijkl",
    ),
    hole(
        "injected SQL could leave its role",
        "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC",
        "superuser_step",
        "set_config(text,text,boolean)",
    ),
    hole(
        "injected SQL could run blocks of code",
        "GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC",
        "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
        "superuser_step",
        "plpgsql",
    ),
];

/// Two tenants on a deployment of their own.
async fn deployment() -> (&'static Server, Tenant, Tenant) {
    let server = Server::own("isolation", Settings::default().with("POOL__WARM_SCHEMAS", 2)).await;
    let (a, b) = (tenant_on(server).await, tenant_on(server).await);
    (server, a, b)
}

#[tokio::test]
async fn each_hole_alone_is_found_and_nothing_else() {
    let (server, a, b) = deployment().await;
    let admin = sql(&server.database).await;
    let prefix: String = admin.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    let (a, b) = (a.schema().await, b.schema().await);
    let filled = |text: &str| {
        text.replace("{A}", &a)
            .replace("{B}", &b)
            .replace("{APP}", &format!("{prefix}_app_01"))
            .replace("{P}", &prefix)
    };
    // The server itself goes: nothing else may change the catalogue meanwhile.
    assert!(server.terminate());
    let (report, content) = verify(server);
    assert!(content, "{report:#}");
    assert_eq!(report["findings"], Value::Array(Vec::new()), "{report:#}");
    assert!(report["schemas"].as_u64().unwrap() >= 2);
    let mut failures = Vec::new();
    for hole in HOLES {
        admin.batch_execute(&filled(hole.open)).await.unwrap_or_else(|e| panic!("{}: {e}", hole.what));
        let (report, content) = verify(server);
        let findings = report["findings"].as_array().unwrap();
        let seen = findings.len() == 1
            && findings[0]["check"] == hole.check
            && findings[0]["object"] == filled(hole.object).as_str();
        if !seen || content != (hole.check == "superuser_step") {
            failures.push(format!("{}: {report:#}", hole.what));
        }
        // What the finding says about mending it does mend it, where it is a statement.
        let mend = findings.first().and_then(|finding| finding["mend"].as_str()).unwrap_or_default();
        let is_statement = ["REVOKE ", "GRANT ", "ALTER ", "DROP "].iter().any(|verb| mend.starts_with(verb));
        if is_statement {
            if let Err(error) = admin.batch_execute(mend).await {
                failures.push(format!("{}: {mend}: {error:?}", hole.what));
            }
            let (report, _) = verify(server);
            if report["findings"].as_array().unwrap().iter().any(|finding| finding["check"] == hole.check) {
                failures.push(format!("{}: {mend} did not mend it: {report:#}", hole.what));
            }
        }
        // Dropping what the mend has dropped already is no failure of this test.
        let closed = admin.batch_execute(&filled(hole.close)).await;
        assert!(closed.is_ok() || is_statement, "{}: {closed:?}", hole.what);
        let (report, _) = verify(server);
        assert_eq!(report["findings"], Value::Array(Vec::new()), "{} is not closed: {report:#}", hole.what);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A connection as a login role, with a password of the test's own. The server must not run any more.
async fn log_in_as(server: &Server, role: &str) -> tokio_postgres::Client {
    let admin = sql(&server.database).await;
    admin.batch_execute(&format!("ALTER ROLE {role} PASSWORD 'of-the-test'")).await.unwrap();
    let mut url = url::Url::parse(&server.database).unwrap();
    url.set_username(role).unwrap();
    url.set_password(Some("of-the-test")).unwrap();
    sql(url.as_str()).await
}

/// The SQLSTATE of a statement that must be refused.
async fn refused(client: &tokio_postgres::Client, statement: &str) -> String {
    match client.query(statement, &[]).await {
        Ok(rows) => panic!("{statement} answered {} rows", rows.len()),
        Err(error) => error.code().unwrap_or_else(|| panic!("{statement}: {error:?}")).code().to_owned(),
    }
}

const NO_RIGHT: &str = "42501";
const NO_TABLE: &str = "42P01";

#[tokio::test]
async fn a_query_outside_a_tenant_sees_nothing() {
    let server = Server::own("outside", Settings::default().with("POOL__WARM_SCHEMAS", 1)).await;
    let (a, b) = (tenant_on(server).await.schema().await, tenant_on(server).await.schema().await);
    assert!(server.terminate());
    let prefix: String =
        sql(&server.database).await.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    let app = log_in_as(server, &format!("{prefix}_app_01")).await;
    let count_staff = "SELECT count(*) FROM staff";
    assert_eq!(refused(&app, count_staff).await, NO_TABLE, "a forgotten entry found a table");
    for forbidden in [
        format!("SELECT count(*) FROM {a}.staff"),
        "SELECT count(*) FROM public.tenant".into(),
        "SELECT gate.entered_tenant()".into(),
        "CREATE TEMP TABLE t (id int)".into(),
        format!("CREATE TABLE {a}.t (id int)"),
        "CREATE SCHEMA mine".into(),
        "SELECT set_config('role', 'none', false)".into(),
        "DO $$ BEGIN END $$".into(),
        format!("ALTER ROLE {prefix}_app_01 INHERIT"),
    ] {
        assert_eq!(refused(&app, &forbidden).await, NO_RIGHT, "{forbidden}");
    }
    // Outside a transaction the entry is only a warning: still nothing.
    app.batch_execute(&format!("SET LOCAL ROLE {a}")).await.unwrap();
    assert_eq!(refused(&app, count_staff).await, NO_TABLE);
    // Inside one it opens exactly one schema, and closes it at the end.
    app.batch_execute(&format!("BEGIN; SET LOCAL ROLE {a}")).await.unwrap();
    assert_eq!(app.query_one(count_staff, &[]).await.unwrap().get::<_, i64>(0), 1);
    app.batch_execute("COMMIT").await.unwrap();
    assert_eq!(refused(&app, count_staff).await, NO_TABLE);
    for forbidden in [
        format!("SELECT count(*) FROM {b}.staff"),
        "SELECT count(*) FROM public.tenant".into(),
        "SELECT count(*) FROM public.tenant_key".into(),
        "UPDATE audit_event SET action = ''".into(),
        "DELETE FROM audit_event".into(),
        "TRUNCATE area".into(),
        "CREATE TABLE mine (id int)".into(),
        "ALTER TABLE area ADD COLUMN x int".into(),
        "SELECT public.erase_audit_payloads(gate.entered_tenant(), '{}')".into(),
        "SELECT set_config('role', 'none', false)".into(),
    ] {
        app.batch_execute(&format!("BEGIN; SET LOCAL ROLE {a}")).await.unwrap();
        assert_eq!(refused(&app, &forbidden).await, NO_RIGHT, "{forbidden}");
        app.batch_execute("ROLLBACK").await.unwrap();
    }
    // An entry that fails leaves nothing that could run.
    let entered = app.batch_execute("BEGIN; SET LOCAL ROLE t_aaaaaaaaaaaa").await;
    assert!(entered.is_err());
    assert_eq!(refused(&app, "SELECT 1").await, "25P02");
    // The control role reads the registry and no tenant's tables, and enters no tenant.
    let control = log_in_as(server, &format!("{prefix}_control")).await;
    assert_eq!(
        control.query_one("SELECT count(*) FROM public.tenant", &[]).await.unwrap().get::<_, i64>(0),
        2
    );
    for forbidden in [
        format!("SELECT count(*) FROM {a}.staff"),
        format!("SET ROLE {a}"),
        format!("SET ROLE {prefix}_owner"),
        "UPDATE public.platform_event SET action = ''".into(),
        "CREATE TABLE public.mine (id int)".into(),
    ] {
        assert_eq!(refused(&control, &forbidden).await, NO_RIGHT, "{forbidden}");
    }
}
