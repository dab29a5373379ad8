//! What a tenant's role may do with each table of its schema: this list and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use crate::{
    error::{OrInternal, Result},
    types::SchemaName,
};

/// Table and rights. Whatever is not here, the tenant's role cannot touch.
pub const TABLE_RIGHTS: &[(&str, &str)] = &[
    ("api_key", "SELECT, INSERT, UPDATE"),
    ("api_key_day", "SELECT, INSERT, UPDATE, DELETE"),
    ("api_key_warning", "SELECT, INSERT"),
    ("area", "SELECT, INSERT, UPDATE, DELETE"),
    ("audit_event", "SELECT, INSERT"),
    ("audit_seal", "SELECT"),
    ("billing_policy", "SELECT, UPDATE"),
    ("campaign", "SELECT, INSERT, UPDATE, DELETE"),
    ("canned_reply", "SELECT, INSERT, UPDATE, DELETE"),
    ("cash_shift", "SELECT, INSERT, UPDATE"),
    ("company", "SELECT, UPDATE"),
    ("consent", "SELECT, INSERT, UPDATE, DELETE"),
    ("contact", "SELECT, INSERT, UPDATE, DELETE"),
    ("contact_address", "SELECT, INSERT, UPDATE, DELETE"),
    ("contact_conflict", "SELECT, INSERT, UPDATE, DELETE"),
    ("contact_group", "SELECT, INSERT, UPDATE, DELETE"),
    ("contact_group_member", "SELECT, INSERT, DELETE"),
    ("contact_import", "SELECT, INSERT, UPDATE, DELETE"),
    ("customer", "SELECT, INSERT, UPDATE, DELETE"),
    ("customer_account", "SELECT, INSERT, UPDATE"),
    ("customer_import", "SELECT, INSERT, UPDATE, DELETE"),
    ("customer_import_error", "SELECT, INSERT, DELETE"),
    ("customer_import_match", "SELECT, INSERT, DELETE"),
    ("dead_letter", "SELECT, INSERT, UPDATE, DELETE"),
    ("delivery", "SELECT, INSERT, UPDATE, DELETE"),
    ("delivery_attempt", "SELECT, INSERT, UPDATE"),
    ("delivery_poll", "SELECT, INSERT, UPDATE, DELETE"),
    ("delivery_queue", "SELECT, INSERT, UPDATE, DELETE"),
    ("delivery_receipt", "SELECT, INSERT, UPDATE"),
    ("erasure", "SELECT, INSERT, UPDATE"),
    ("event", "SELECT, INSERT, DELETE"),
    ("file", "SELECT, INSERT, UPDATE, DELETE"),
    ("hook_call", "SELECT, INSERT, UPDATE, DELETE"),
    ("idempotency", "SELECT, INSERT, UPDATE, DELETE"),
    ("inbound_message", "SELECT, INSERT, UPDATE, DELETE"),
    ("installation", "SELECT, INSERT, UPDATE"),
    ("lcp", "SELECT, INSERT, UPDATE, DELETE"),
    ("ledger_entry", "SELECT, INSERT"),
    ("machine_issuer", "SELECT, INSERT, UPDATE"),
    ("machine_role", "SELECT, INSERT, DELETE"),
    ("mail", "SELECT, INSERT, UPDATE, DELETE"),
    ("message", "SELECT, INSERT, UPDATE, DELETE"),
    ("message_count", "SELECT, INSERT, UPDATE"),
    ("message_hour", "SELECT, INSERT, UPDATE"),
    ("message_template", "SELECT, INSERT, UPDATE, DELETE"),
    ("messaging_policy", "SELECT, UPDATE"),
    ("nap", "SELECT, INSERT, UPDATE, DELETE"),
    ("nap_port", "SELECT, INSERT, UPDATE, DELETE"),
    ("notice", "SELECT, INSERT, UPDATE, DELETE"),
    ("notice_seen", "SELECT, INSERT, UPDATE"),
    ("number_series", "SELECT, INSERT, UPDATE"),
    ("one_time_link", "SELECT, INSERT, UPDATE, DELETE"),
    ("outage", "SELECT, INSERT, UPDATE"),
    ("outage_policy", "SELECT, UPDATE"),
    ("outage_subscriber", "SELECT, INSERT, UPDATE, DELETE"),
    ("passkey", "SELECT, INSERT, UPDATE, DELETE"),
    ("passkey_challenge", "SELECT, INSERT, UPDATE, DELETE"),
    ("payment", "SELECT, INSERT, UPDATE"),
    ("payment_allocation", "SELECT, INSERT"),
    ("plan", "SELECT, INSERT, UPDATE, DELETE"),
    ("plan_price", "SELECT, INSERT"),
    ("plant_policy", "SELECT, UPDATE"),
    ("portal_session", "SELECT, INSERT, UPDATE, DELETE"),
    ("provider_account", "SELECT, INSERT, UPDATE, DELETE"),
    ("receipt", "SELECT, INSERT"),
    ("receipt_logo", "SELECT, INSERT"),
    ("recipient_list", "SELECT, INSERT, UPDATE, DELETE"),
    ("recipient_list_member", "SELECT, INSERT, DELETE"),
    ("recovery_code", "SELECT, INSERT, UPDATE, DELETE"),
    ("refresh_token", "SELECT, INSERT, UPDATE, DELETE"),
    ("refund", "SELECT, INSERT"),
    ("report_file", "SELECT, INSERT, UPDATE, DELETE"),
    ("report_schedule", "SELECT, INSERT, UPDATE, DELETE"),
    ("retention", "SELECT, INSERT, UPDATE, DELETE"),
    ("role", "SELECT, INSERT, UPDATE, DELETE"),
    ("router", "SELECT, INSERT, UPDATE, DELETE"),
    ("router_move", "SELECT, INSERT, UPDATE"),
    ("send_rate", "SELECT, INSERT, UPDATE"),
    ("sign_in_failure", "SELECT, INSERT, UPDATE, DELETE"),
    ("sign_in_step", "SELECT, INSERT, UPDATE, DELETE"),
    ("splitter", "SELECT, INSERT, UPDATE, DELETE"),
    ("splitter_output", "SELECT, INSERT, UPDATE, DELETE"),
    ("sso", "SELECT, INSERT, UPDATE, DELETE"),
    ("sso_attempt", "SELECT, INSERT, UPDATE, DELETE"),
    ("sso_identity", "SELECT, INSERT, UPDATE, DELETE"),
    ("staff", "SELECT, INSERT, UPDATE"),
    ("staff_role", "SELECT, INSERT, DELETE"),
    ("subscriber_link", "SELECT, INSERT, UPDATE, DELETE"),
    ("subscriber_login", "SELECT, INSERT, UPDATE, DELETE"),
    ("subscriber_session", "SELECT, INSERT, UPDATE, DELETE"),
    ("subscription", "SELECT, INSERT, UPDATE"),
    ("subscription_pause", "SELECT, INSERT, UPDATE"),
    ("subscription_reminder", "SELECT, INSERT"),
    ("suppression", "SELECT, INSERT, UPDATE, DELETE"),
    ("takeout", "SELECT, INSERT, UPDATE"),
    ("takeout_part", "SELECT, INSERT, DELETE"),
    ("template_default", "SELECT, INSERT, UPDATE, DELETE"),
    ("template_version", "SELECT, INSERT, UPDATE, DELETE"),
    ("ticket", "SELECT, INSERT, UPDATE"),
    ("ticket_attachment", "SELECT, INSERT, UPDATE, DELETE"),
    ("ticket_comment", "SELECT, INSERT, UPDATE"),
    ("totp", "SELECT, INSERT, UPDATE, DELETE"),
    ("visit", "SELECT, INSERT, UPDATE"),
];

/// A table on which a tenant's role has rights.
struct Held {
    /// As it stands in a statement.
    quoted: String,
    rights: BTreeSet<String>,
    /// Whether it has rights of single columns besides: it should not.
    by_column: bool,
}

/// The statements that give a tenant's role exactly these rights, whatever it had before; none for tables where it has them. Each of them
/// would write to the catalogue, and make everybody who works in the schema learn the table anew.
pub(super) async fn mend(client: &Client, schema: &SchemaName) -> Result<String> {
    let mut held = held(client, schema).await?;
    let mut sql = String::new();
    for (table, rights) in TABLE_RIGHTS {
        let wanted: BTreeSet<String> = rights.split(", ").map(str::to_owned).collect();
        let found = held.remove(*table);
        if found.as_ref().is_some_and(|held| held.rights == wanted && !held.by_column) {
            continue;
        }
        if found.is_some() {
            sql.push_str(&format!("REVOKE ALL ON {schema}.{table} FROM {schema};"));
        }
        sql.push_str(&format!("GRANT {rights} ON {schema}.{table} TO {schema};"));
    }
    for other in held.values() {
        sql.push_str(&format!("REVOKE ALL ON {schema}.{} FROM {schema};", other.quoted));
    }
    Ok(sql)
}

/// Every table, view and the like of its schema on which the tenant's role has any right, by their names. A right that it may hand on
/// is another one than the same without. Asked from the role's side: a schema's tables cannot be found without looking at all of everybody's.
async fn held(client: &Client, schema: &SchemaName) -> Result<BTreeMap<String, Held>> {
    let rows = client
        .query(
            "SELECT c.relname::text, quote_ident(c.relname), bool_or(d.objsubid <> 0),
                ARRAY(SELECT x.privilege_type || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
                    FROM aclexplode(c.relacl) x WHERE x.grantee = d.refobjid)
             FROM pg_shdepend d JOIN pg_class c ON c.oid = d.objid
             WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = $1::text::regrole AND d.deptype = 'a'
                AND d.classid = 'pg_class'::regclass AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
             GROUP BY c.oid, c.relname, c.relacl, d.refobjid",
            &[&schema.as_str()],
        )
        .await
        .internal()?;
    Ok(rows
        .iter()
        .map(|row| {
            let rights: Vec<String> = row.get(3);
            let held =
                Held { quoted: row.get(1), by_column: row.get(2), rights: rights.into_iter().collect() };
            (row.get(0), held)
        })
        .collect())
}
