//! What is done to each table when a person is erased, in this order: one statement each, whose first words name the person.
//!
//! Rows of the person's own lose what they say, by their key; texts of others lose it where they name the person.

/// A table, whether its rows go or are emptied, and the statement.
pub struct Step {
    pub table: &'static str,
    pub what: &'static str,
    pub sql: &'static str,
}

/// `$1` customers, `$2` contacts, `$3` addresses and `$4` words in lower case, `$5` what stands in the place of the name.
macro_rules! step {
    ($table:literal, $what:literal, $($sql:expr),+) => {
        Step {
            table: $table,
            what: $what,
            sql: concat!(
                "WITH p AS (SELECT $1::uuid[] AS customers, $2::uuid[] AS contacts, $3::text[] AS addresses, \
                 $4::text[] AS words, $5::text AS label) ",
                $($sql),+
            ),
        }
    };
}

/// Whether a text names the person.
macro_rules! says {
    ($text:literal) => {
        concat!(
            "EXISTS (SELECT FROM unnest(p.words) w WHERE position(w IN lower(",
            $text,
            ")) > 0 OR position(w IN translate(",
            $text,
            ", ' ().-', '')) > 0)"
        )
    };
}

/// Whether a delivery went to the person.
macro_rules! theirs {
    ($of:literal) => {
        concat!(
            "(",
            $of,
            ".customer_id = ANY(p.customers) OR ",
            $of,
            ".contact_id = ANY(p.contacts) OR lower(",
            $of,
            ".address) = ANY(p.addresses))"
        )
    };
}

/// Whether a message went to the person and nobody else.
macro_rules! only_theirs {
    () => {
        concat!(
            "(EXISTS (SELECT FROM delivery d WHERE d.message_id = m.id AND ",
            theirs!("d"),
            ") AND NOT EXISTS (SELECT FROM delivery d WHERE d.message_id = m.id AND NOT coalesce(",
            theirs!("d"),
            ", false)))"
        )
    };
}

/// A list of JSON without what names the person.
macro_rules! cut {
    ($list:literal) => {
        concat!(
            "coalesce((SELECT jsonb_agg(e.one ORDER BY e.n) FROM jsonb_array_elements(",
            $list,
            ") WITH ORDINALITY e (one, n) WHERE NOT ",
            says!("e.one::text"),
            "), '[]')"
        )
    };
}

/// In the order in which it is done.
pub const STEPS: &[Step] = &[
    // Service.
    step!(
        "file",
        "deleted",
        ", gone AS (DELETE FROM ticket_attachment a USING ticket t, p WHERE a.ticket_id = t.id \
        AND t.customer_id = ANY(p.customers) RETURNING a.file_id) DELETE FROM file f USING gone WHERE f.id = gone.file_id"
    ),
    step!(
        "ticket_comment",
        "emptied",
        "UPDATE ticket_comment c SET comment = 'Erased.', \
        author_label = CASE WHEN c.customer_id IS NULL THEN c.author_label ELSE p.label END FROM ticket t, p \
        WHERE t.id = c.ticket_id AND (t.customer_id = ANY(p.customers) OR c.customer_id = ANY(p.customers))"
    ),
    step!(
        "ticket",
        "emptied",
        "UPDATE ticket t SET title = 'Erased', description = '', resolution_notes = NULL, \
        reported_by_label = CASE WHEN t.reported_by IS NULL THEN p.label ELSE t.reported_by_label END, updated_at = now() \
        FROM p WHERE t.customer_id = ANY(p.customers)"
    ),
    step!("visit", "emptied", "UPDATE visit v SET note = NULL FROM p WHERE v.customer_id = ANY(p.customers)"),
    step!(
        "nap_port",
        "emptied",
        "UPDATE nap_port n SET note = NULL, reserved_for = NULL, reserved_until = NULL FROM p \
        WHERE n.reserved_for = ANY(p.customers)"
    ),
    step!(
        "router_move",
        "emptied",
        "UPDATE router_move r SET note = NULL FROM installation i, p \
        WHERE r.installation_id = i.id AND i.customer_id = ANY(p.customers) AND r.note IS NOT NULL"
    ),
    step!(
        "installation",
        "emptied",
        "UPDATE installation i SET street_address = NULL, latitude = NULL, longitude = NULL, \
        location_accuracy = 'manual', location_notes = NULL, notes = NULL, termination_reason = NULL, updated_at = now() \
        FROM p WHERE i.customer_id = ANY(p.customers)"
    ),
    // Money: what it was for and how much stays.
    step!(
        "subscription",
        "emptied",
        "UPDATE subscription s SET notes = NULL, cancel_reason = NULL FROM p \
        WHERE s.customer_id = ANY(p.customers) AND num_nonnulls(s.notes, s.cancel_reason) > 0"
    ),
    step!(
        "subscription_pause",
        "emptied",
        "UPDATE subscription_pause b SET reason = NULL FROM subscription s, p \
        WHERE b.subscription_id = s.id AND s.customer_id = ANY(p.customers) AND b.reason IS NOT NULL"
    ),
    step!(
        "payment",
        "emptied",
        "UPDATE payment m SET note = NULL, \
        void_reason = CASE WHEN m.void_reason IS NULL THEN NULL ELSE 'Erased.' END FROM p \
        WHERE m.customer_id = ANY(p.customers) AND num_nonnulls(m.note, m.void_reason) > 0"
    ),
    // What was said to them, and by them.
    step!(
        "file",
        "deleted",
        "DELETE FROM file f USING p WHERE EXISTS (SELECT FROM message m, \
        jsonb_array_elements(m.attachments) a WHERE a ->> 'id' = f.id::text AND ",
        only_theirs!(),
        ") \
        AND NOT EXISTS (SELECT FROM message m WHERE m.attachments @> jsonb_build_array(jsonb_build_object('id', f.id)) \
            AND NOT ",
        only_theirs!(),
        ") AND NOT EXISTS (SELECT FROM campaign c \
            WHERE c.attachments @> jsonb_build_array(jsonb_build_object('id', f.id)))"
    ),
    step!(
        "message",
        "emptied",
        "UPDATE message m SET context = '{}', summary = 'Erased.', attachments = '[]', audience = '{}', \
        content = CASE WHEN m.content IS NULL THEN NULL ELSE (SELECT jsonb_object_agg(c, \
            jsonb_build_object('en', jsonb_build_object('text', 'Erased.'))) FROM unnest(m.channels) c) END \
        FROM p WHERE ",
        only_theirs!()
    ),
    step!(
        "message",
        "emptied",
        "UPDATE message m SET context = CASE WHEN ",
        says!("m.context::text"),
        " THEN '{}' ELSE m.context END, \
        summary = CASE WHEN ",
        says!("m.summary"),
        " THEN 'Erased.' ELSE m.summary END, \
        audience = CASE WHEN m.audience ? 'addresses' THEN jsonb_set(m.audience, '{addresses}', ",
        cut!("m.audience -> 'addresses'"),
        ") ELSE m.audience END, \
        content = CASE WHEN m.content IS NOT NULL AND ",
        says!("m.content::text"),
        " THEN (SELECT jsonb_object_agg(c, \
            jsonb_build_object('en', jsonb_build_object('text', 'Erased.'))) FROM unnest(m.channels) c) ELSE m.content END \
        FROM p WHERE ",
        says!("concat_ws(' ', m.content::text, m.context::text, m.summary, m.audience::text)")
    ),
    step!(
        "campaign",
        "emptied",
        "UPDATE campaign m SET context = CASE WHEN ",
        says!("m.context::text"),
        " THEN '{}' ELSE m.context END, audience = CASE WHEN m.audience ? 'addresses' THEN jsonb_set(m.audience, '{addresses}', ",
        cut!("m.audience -> 'addresses'"),
        ") ELSE m.audience END FROM p WHERE ",
        says!("concat_ws(' ', m.context::text, m.audience::text)")
    ),
    step!(
        "recipient_list_member",
        "deleted",
        ", gone AS (DELETE FROM recipient_list_member l USING p \
        WHERE l.contact_id = ANY(p.contacts) OR l.customer_id = ANY(p.customers) OR ",
        says!("l.person::text"),
        " RETURNING l.list_id), counted AS (SELECT list_id, count(*)::integer AS rows FROM gone GROUP BY list_id) \
        UPDATE recipient_list r SET members = greatest(r.members - c.rows, 0) FROM counted c WHERE r.id = c.list_id"
    ),
    step!(
        "hook_call",
        "deleted",
        "DELETE FROM hook_call h USING p WHERE h.status IN ('done', 'refused') AND (\
        h.id IN (SELECT r.hook_call_id FROM delivery_receipt r JOIN delivery d ON d.id = r.delivery_id WHERE ",
        theirs!("d"),
        ") \
        OR h.id IN (SELECT i.hook_call_id FROM inbound_message i WHERE i.contact_id = ANY(p.contacts) \
            OR lower(i.address) = ANY(p.addresses)) \
        OR ",
        says!("h.url || encode(h.body, 'escape')"),
        ")"
    ),
    step!(
        "inbound_message",
        "deleted",
        "DELETE FROM inbound_message i USING p WHERE i.contact_id = ANY(p.contacts) \
        OR lower(i.address) = ANY(p.addresses) OR ",
        says!("i.name || ' ' || i.text")
    ),
    step!(
        "delivery_attempt",
        "emptied",
        "UPDATE delivery_attempt a SET detail = NULL FROM delivery d, p \
        WHERE a.delivery_id = d.id AND a.detail IS NOT NULL AND ",
        theirs!("d")
    ),
    step!(
        "delivery_receipt",
        "emptied",
        "UPDATE delivery_receipt r SET detail = NULL, reason = NULL FROM delivery d, p \
        WHERE r.delivery_id = d.id AND num_nonnulls(r.detail, r.reason) > 0 AND ",
        theirs!("d")
    ),
    step!(
        "delivery_poll",
        "deleted",
        "DELETE FROM delivery_poll q USING delivery d, p WHERE q.delivery_id = d.id AND ",
        theirs!("d")
    ),
    step!(
        "dead_letter",
        "deleted",
        "DELETE FROM dead_letter l USING delivery d, p WHERE l.delivery_id = d.id AND ",
        theirs!("d")
    ),
    step!(
        "delivery",
        "emptied",
        "UPDATE delivery d SET name = '', address = 'erased:' || d.id, context = NULL, failure = NULL, \
        reply_to = NULL, contact_id = NULL FROM p WHERE ",
        theirs!("d")
    ),
    step!("consent", "deleted", "DELETE FROM consent c USING p WHERE lower(c.address) = ANY(p.addresses)"),
    step!(
        "suppression",
        "deleted",
        "DELETE FROM suppression s USING p WHERE lower(s.address) = ANY(p.addresses)"
    ),
    step!(
        "contact_conflict",
        "deleted",
        "DELETE FROM contact_conflict c USING p WHERE c.contact_id = ANY(p.contacts) \
        OR c.claimant_id = ANY(p.contacts) OR lower(c.address) = ANY(p.addresses) OR ",
        says!("c.claimed_name")
    ),
    step!(
        "contact_group_member",
        "deleted",
        "DELETE FROM contact_group_member g USING p WHERE g.contact_id = ANY(p.contacts)"
    ),
    step!(
        "contact_address",
        "deleted",
        "DELETE FROM contact_address a USING p WHERE a.contact_id = ANY(p.contacts)"
    ),
    step!("contact", "deleted", "DELETE FROM contact c USING p WHERE c.id = ANY(p.contacts)"),
    // Tables that were brought in. A workbook cannot be searched, so it goes whole.
    step!(
        "customer_import_error",
        "deleted",
        "DELETE FROM customer_import_error e USING p WHERE ",
        says!("e.cells::text || e.errors::text")
    ),
    step!(
        "customer_import_match",
        "deleted",
        "DELETE FROM customer_import_match i USING p WHERE i.customer_id = ANY(p.customers)"
    ),
    step!(
        "file",
        "deleted",
        ", old AS (SELECT i.id, i.file_id FROM p, customer_import i JOIN file f ON f.id = i.file_id \
            WHERE i.delimiter IS NULL OR ",
        says!("encode(f.content, 'escape')"),
        "), \
        gone AS (UPDATE customer_import i SET file_id = NULL, sample = '[]', finished_at = coalesce(i.finished_at, now()), \
            status = CASE i.status WHEN 'mapping' THEN 'cancelled' ELSE i.status END FROM old WHERE i.id = old.id) \
        DELETE FROM file f USING old WHERE f.id = old.file_id"
    ),
    step!(
        "customer_import",
        "emptied",
        "UPDATE customer_import i SET sample = '[]' FROM p WHERE ",
        says!("i.sample::text")
    ),
    step!(
        "contact_import",
        "emptied",
        "UPDATE contact_import i SET rows = ",
        cut!("i.rows"),
        ", errors = ",
        cut!("i.errors"),
        ", total = jsonb_array_length(",
        cut!("i.rows"),
        ") FROM p WHERE i.status = 'preview' AND ",
        says!("i.rows::text || i.errors::text")
    ),
    step!(
        "contact_import",
        "emptied",
        "UPDATE contact_import i SET rows = '[]', errors = ",
        cut!("i.errors"),
        " FROM p WHERE i.status <> 'preview' AND ",
        says!("i.rows::text || i.errors::text")
    ),
    step!(
        "report_file",
        "deleted",
        ", gone AS (DELETE FROM report_file r USING p, file f WHERE f.id = r.file_id \
            AND (r.file_name LIKE '%.xlsx' OR ",
        says!("encode(f.content, 'escape')"),
        ") RETURNING r.file_id) \
        DELETE FROM file f USING gone WHERE f.id = gone.file_id"
    ),
    // How they came in, and what they were told.
    step!(
        "subscriber_session",
        "deleted",
        "DELETE FROM subscriber_session s USING subscriber_login l, p \
        WHERE s.login_id = l.id AND l.customer_id = ANY(p.customers)"
    ),
    step!(
        "subscriber_login",
        "deleted",
        "DELETE FROM subscriber_login l USING p WHERE l.customer_id = ANY(p.customers)"
    ),
    step!(
        "subscriber_link",
        "deleted",
        "DELETE FROM subscriber_link l USING p WHERE l.customer_id = ANY(p.customers)"
    ),
    step!("sign_in_failure", "deleted", "DELETE FROM sign_in_failure s USING p WHERE ", says!("s.subject")),
    step!(
        "mail",
        "deleted",
        "DELETE FROM mail m USING p WHERE lower(m.recipient) = ANY(p.addresses) OR ",
        says!("m.subject")
    ),
    step!(
        "notice",
        "deleted",
        "DELETE FROM notice n USING p WHERE n.customer_id = ANY(p.customers) OR ",
        says!("n.text")
    ),
    step!(
        "event",
        "deleted",
        "DELETE FROM event e USING p WHERE e.customer_id = ANY(p.customers) \
        OR e.subject_id = ANY(p.customers || p.contacts) OR ",
        says!("e.payload::text")
    ),
    step!(
        "idempotency",
        "deleted",
        "DELETE FROM idempotency i USING p WHERE ",
        says!("i.answer"),
        " OR EXISTS (\
        SELECT FROM unnest(p.customers || p.contacts) id WHERE position(id::text IN i.answer) > 0)"
    ),
    // At last the person.
    step!(
        "customer",
        "emptied",
        "UPDATE customer c SET first_name = 'Erased', last_name = substr(p.label, 8), email = NULL, \
        phone_primary = NULL, street_address = NULL, reference = NULL, notes = NULL, latitude = NULL, longitude = NULL, \
        location_accuracy = 'manual', location_notes = NULL, status = 'terminated', updated_at = now() \
        FROM p WHERE c.id = ANY(p.customers)"
    ),
    // Files with all of the provider's data: those that are there, and the one that is being made.
    step!(
        "takeout_part",
        "deleted",
        ", gone AS (UPDATE takeout t SET status = CASE t.status WHEN 'made' THEN 'gone' ELSE 'failed' END, \
        failure = CASE t.status WHEN 'made' THEN NULL ELSE 'Somebody was erased meanwhile. Ask for another one.' END, \
        finished_at = coalesce(t.finished_at, now()), sealed_passphrase = NULL WHERE t.status IN ('made', 'waiting') RETURNING t.id) \
        DELETE FROM takeout_part x USING gone WHERE x.takeout_id = gone.id"
    ),
];

/// Tables that no step touches, and why.
#[cfg(test)]
pub const KEPT: &[(&str, &str)] = &[
    ("api_key", "staff's"),
    ("api_key_day", "counts"),
    ("api_key_warning", "no person"),
    ("area", "places"),
    ("audit_event", "goes by the control plane"),
    ("audit_seal", "digests"),
    ("billing_policy", "settings"),
    ("canned_reply", "staff's texts; searched"),
    ("cash_shift", "money of staff; searched"),
    ("company", "the provider's own"),
    ("contact_group", "no person"),
    ("customer_account", "sums"),
    ("delivery_queue", "withdrawn before"),
    ("erasure", "this"),
    ("lcp", "plant"),
    ("ledger_entry", "goes by the control plane"),
    ("machine_issuer", "settings"),
    ("machine_role", "settings"),
    ("message_count", "counts"),
    ("message_hour", "counts"),
    ("message_template", "texts for all; searched"),
    ("messaging_policy", "settings"),
    ("nap", "plant"),
    ("notice_seen", "staff's"),
    ("number_series", "counts"),
    ("one_time_link", "staff's"),
    ("outage", "plant; searched"),
    ("outage_policy", "settings"),
    ("outage_subscriber", "ids and minutes"),
    ("passkey", "staff's"),
    ("passkey_challenge", "staff's"),
    ("payment_allocation", "sums"),
    ("plan", "no person"),
    ("plan_price", "no person"),
    ("plant_policy", "settings"),
    ("portal_session", "staff's"),
    ("provider_account", "settings"),
    ("receipt", "goes by the control plane"),
    ("receipt_logo", "pictures of the provider"),
    ("recipient_list", "counts"),
    ("recovery_code", "staff's"),
    ("refresh_token", "staff's"),
    ("refund", "goes by the control plane"),
    ("report_schedule", "settings"),
    ("retention", "settings"),
    ("role", "settings"),
    ("router", "devices; searched"),
    ("send_rate", "counts"),
    ("sign_in_step", "staff's"),
    ("splitter", "plant"),
    ("splitter_output", "plant"),
    ("sso", "settings"),
    ("sso_attempt", "staff's"),
    ("sso_identity", "staff's"),
    ("staff", "people who work here"),
    ("staff_role", "people who work here"),
    ("subscription_reminder", "ids"),
    ("takeout", "who asked for it; its bytes go"),
    ("template_default", "settings"),
    ("template_version", "texts for all; searched"),
    ("ticket_attachment", "gone with its file"),
    ("totp", "staff's"),
];
