//! What a tenant's role may do with each table of its schema: this list and nothing else.

use crate::types::SchemaName;

/// Table and rights. Whatever is not here, the tenant's role cannot touch.
pub const TABLE_RIGHTS: &[(&str, &str)] = &[
    ("api_key", "SELECT, INSERT, UPDATE"),
    ("area", "SELECT, INSERT, UPDATE, DELETE"),
    ("audit_event", "SELECT, INSERT"),
    ("audit_seal", "SELECT"),
    ("billing_policy", "SELECT, UPDATE"),
    ("canned_reply", "SELECT, INSERT, UPDATE, DELETE"),
    ("cash_shift", "SELECT, INSERT, UPDATE"),
    ("company", "SELECT, UPDATE"),
    ("customer", "SELECT, INSERT, UPDATE, DELETE"),
    ("customer_account", "SELECT, INSERT, UPDATE"),
    ("customer_import", "SELECT, INSERT, UPDATE, DELETE"),
    ("customer_import_error", "SELECT, INSERT, DELETE"),
    ("customer_import_match", "SELECT, INSERT, DELETE"),
    ("event", "SELECT, INSERT, DELETE"),
    ("file", "SELECT, INSERT, DELETE"),
    ("idempotency", "SELECT, INSERT, UPDATE, DELETE"),
    ("installation", "SELECT, INSERT, UPDATE"),
    ("lcp", "SELECT, INSERT, UPDATE, DELETE"),
    ("ledger_entry", "SELECT, INSERT"),
    ("mail", "SELECT, INSERT, UPDATE, DELETE"),
    ("nap", "SELECT, INSERT, UPDATE, DELETE"),
    ("nap_port", "SELECT, INSERT, UPDATE, DELETE"),
    ("notice", "SELECT, INSERT, UPDATE, DELETE"),
    ("notice_seen", "SELECT, INSERT, UPDATE"),
    ("number_series", "SELECT, INSERT, UPDATE"),
    ("one_time_link", "SELECT, INSERT, UPDATE, DELETE"),
    ("outage", "SELECT, INSERT, UPDATE"),
    ("outage_policy", "SELECT, UPDATE"),
    ("outage_subscriber", "SELECT, INSERT, UPDATE, DELETE"),
    ("payment", "SELECT, INSERT, UPDATE"),
    ("payment_allocation", "SELECT, INSERT"),
    ("plan", "SELECT, INSERT, UPDATE, DELETE"),
    ("plan_price", "SELECT, INSERT"),
    ("plant_policy", "SELECT, UPDATE"),
    ("portal_session", "SELECT, INSERT, UPDATE, DELETE"),
    ("receipt", "SELECT, INSERT"),
    ("receipt_logo", "SELECT, INSERT"),
    ("refresh_token", "SELECT, INSERT, UPDATE, DELETE"),
    ("refund", "SELECT, INSERT"),
    ("report_file", "SELECT, INSERT, UPDATE, DELETE"),
    ("report_schedule", "SELECT, INSERT, UPDATE, DELETE"),
    ("role", "SELECT, INSERT, UPDATE, DELETE"),
    ("router", "SELECT, INSERT, UPDATE, DELETE"),
    ("router_move", "SELECT, INSERT"),
    ("sign_in_failure", "SELECT, INSERT, UPDATE, DELETE"),
    ("splitter", "SELECT, INSERT, UPDATE, DELETE"),
    ("splitter_output", "SELECT, INSERT, UPDATE, DELETE"),
    ("staff", "SELECT, INSERT, UPDATE"),
    ("staff_role", "SELECT, INSERT, DELETE"),
    ("subscriber_link", "SELECT, INSERT, UPDATE, DELETE"),
    ("subscriber_login", "SELECT, INSERT, UPDATE, DELETE"),
    ("subscriber_session", "SELECT, INSERT, UPDATE, DELETE"),
    ("subscription", "SELECT, INSERT, UPDATE"),
    ("subscription_pause", "SELECT, INSERT, UPDATE"),
    ("subscription_reminder", "SELECT, INSERT"),
    ("ticket", "SELECT, INSERT, UPDATE"),
    ("ticket_attachment", "SELECT, INSERT, UPDATE, DELETE"),
    ("ticket_comment", "SELECT, INSERT, UPDATE"),
    ("visit", "SELECT, INSERT, UPDATE"),
];

/// The statements that give a tenant's role exactly these rights, whatever it had before.
pub(super) fn grants(schema: &SchemaName) -> String {
    let mut sql = format!("REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {schema};");
    for (table, rights) in TABLE_RIGHTS {
        sql.push_str(&format!("GRANT {rights} ON {schema}.{table} TO {schema};"));
    }
    sql
}
