//! What a tenant's role may do with each table of its schema: this list and nothing else.

use crate::types::SchemaName;

/// Table and rights. Whatever is not here, the tenant's role cannot touch.
pub const TABLE_RIGHTS: &[(&str, &str)] = &[
    ("api_key", "SELECT, INSERT, UPDATE"),
    ("area", "SELECT, INSERT, UPDATE, DELETE"),
    ("audit_event", "SELECT, INSERT"),
    ("audit_seal", "SELECT"),
    ("company", "SELECT, UPDATE"),
    ("customer", "SELECT, INSERT, UPDATE, DELETE"),
    ("customer_import", "SELECT, INSERT, UPDATE, DELETE"),
    ("customer_import_error", "SELECT, INSERT, DELETE"),
    ("customer_import_match", "SELECT, INSERT, DELETE"),
    ("file", "SELECT, INSERT, DELETE"),
    ("idempotency", "SELECT, INSERT, UPDATE, DELETE"),
    ("mail", "SELECT, INSERT, UPDATE, DELETE"),
    ("one_time_link", "SELECT, INSERT, UPDATE, DELETE"),
    ("portal_session", "SELECT, INSERT, UPDATE, DELETE"),
    ("refresh_token", "SELECT, INSERT, UPDATE, DELETE"),
    ("role", "SELECT, INSERT, UPDATE, DELETE"),
    ("sign_in_failure", "SELECT, INSERT, UPDATE, DELETE"),
    ("staff", "SELECT, INSERT, UPDATE"),
    ("staff_role", "SELECT, INSERT, DELETE"),
];

/// The statements that give a tenant's role exactly these rights, whatever it had before.
pub(super) fn grants(schema: &SchemaName) -> String {
    let mut sql = format!("REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {schema};");
    for (table, rights) in TABLE_RIGHTS {
        sql.push_str(&format!("GRANT {rights} ON {schema}.{table} TO {schema};"));
    }
    sql
}
