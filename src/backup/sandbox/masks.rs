//! What of a provider's data says something about a person, and what stands there instead in a sandbox.
//!
//! A mask depends on the value and on a random salt of the copy: the same number is the same made-up number in every table, and nobody
//! finds the true one by trying. `tests/plain_columns.txt` lists the columns that stay as they are; a test holds every column to being
//! in one of the two.

/// What stands in a column instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    FirstName,
    LastName,
    /// First and last name.
    Name,
    Email,
    /// A number of the country code +999, which no country has.
    Phone,
    /// An address of the row's column `channel`.
    Reach,
    Street,
    /// Free text: that there was one.
    Text,
    /// A reference that others must not have.
    Code,
    Mac,
    /// Up to half a kilometre away.
    Place,
    Null,
    /// `{}`
    Object,
    /// `[]`
    List,
    /// This SQL.
    Sql(&'static str),
}

use Mask::{
    Code, Email, FirstName, LastName, List, Mac, Name, Null, Object, Phone, Place, Reach, Sql, Street, Text,
};

/// Tables of which nothing comes along: people's ways in, what came from outside, the trail, files of data.
pub const EMPTIED: &[&str] = &[
    "api_key",
    "api_key_day",
    "api_key_warning",
    "audit_event",
    "audit_seal",
    "contact_conflict",
    "contact_import",
    "customer_import",
    "customer_import_error",
    "customer_import_match",
    "dead_letter",
    "delivery_poll",
    "delivery_queue",
    "delivery_receipt",
    "erasure",
    "event",
    "hook_call",
    "inbound_message",
    "machine_issuer",
    "machine_role",
    "mail",
    "notice",
    "notice_seen",
    "passkey",
    "passkey_challenge",
    "recipient_list_member",
    "recovery_code",
    "report_file",
    "send_rate",
    "sso",
    "sso_attempt",
    "sso_identity",
    "subscriber_link",
    "subscriber_login",
    "subscriber_session",
    "totp",
];

const CONTENT: &str = "CASE WHEN content IS NULL THEN NULL ELSE
    (SELECT jsonb_object_agg(c, '{\"en\": {\"text\": \"Masked\"}}'::jsonb) FROM unnest(channels) c) END";
const PRINTED: &str = "printed || '{\"customer\": [{\"label\": \"Customer\", \"text\": \"Masked\"}], \"payment\": [], \"notes\": [],
    \"issuer\": \"Masked\", \"verify_url\": \"https://example.invalid/\"}'";
const NOT_OWNER: &str = "NOT EXISTS (SELECT FROM staff_role h JOIN role r ON r.id = h.role_id WHERE h.staff_id = staff.id AND r.is_owner)";
const IS_PICTURE: &str = "purpose <> 'logo'";
const EVERYTHING: &str = "true";

/// A table, which of its rows are masked, and how.
pub type Table = (&'static str, &'static str, &'static [(&'static str, Mask)]);

/// Who may come in are the owners, as they are. Nothing is sent: credentials are gone, and what was to be sent is cancelled.
pub const MASKED: &[Table] = &[
    (
        "campaign",
        EVERYTHING,
        &[
            ("context", Object),
            ("audience", Object),
            ("freezing", Null),
            ("failure", Text),
            ("created_by", Name),
            ("attachments", List),
            ("status", Sql("CASE WHEN status IN ('scheduled', 'running') THEN 'cancelled' ELSE status END")),
        ],
    ),
    ("cash_shift", EVERYTHING, &[("note", Text)]),
    ("consent", EVERYTHING, &[("address", Reach)]),
    ("contact", EVERYTHING, &[("name", Name), ("attributes", Object), ("note", Text)]),
    ("contact_address", EVERYTHING, &[("address", Reach)]),
    (
        "customer",
        EVERYTHING,
        &[
            ("first_name", FirstName),
            ("last_name", LastName),
            ("email", Email),
            ("phone_primary", Phone),
            ("street_address", Street),
            ("notes", Text),
            ("location_notes", Text),
            ("latitude", Place),
            ("longitude", Place),
        ],
    ),
    (
        "delivery",
        EVERYTHING,
        &[
            ("name", Name),
            ("address", Reach),
            ("context", Null),
            ("failure", Text),
            ("reply_to", Null),
            ("status", Sql("CASE status WHEN 'queued' THEN 'cancelled' ELSE status END")),
        ],
    ),
    ("delivery_attempt", EVERYTHING, &[("provider_message_id", Code), ("detail", Text)]),
    (
        "file",
        IS_PICTURE,
        &[
            ("name", Sql("'masked.txt'")),
            ("media_type", Sql("'text/plain'")),
            ("content", Sql("'Masked'::bytea")),
            ("size_bytes", Sql("6")),
            ("sha256", Sql("sha256('Masked'::bytea)")),
        ],
    ),
    (
        "installation",
        EVERYTHING,
        &[
            ("street_address", Street),
            ("location_notes", Text),
            ("termination_reason", Text),
            ("notes", Text),
            ("latitude", Place),
            ("longitude", Place),
        ],
    ),
    ("ledger_entry", EVERYTHING, &[("description", Text)]),
    (
        "message",
        EVERYTHING,
        &[
            ("content", Sql(CONTENT)),
            ("context", Object),
            ("audience", Object),
            ("summary", Text),
            ("expansion", Null),
            ("traceparent", Null),
            ("attachments", List),
            ("created_by", Name),
            ("status", Sql("CASE WHEN status IN ('waiting', 'expanding') THEN 'cancelled' ELSE status END")),
        ],
    ),
    ("nap_port", EVERYTHING, &[("note", Text)]),
    ("outage", EVERYTHING, &[("note", Text), ("opened_by", Name), ("restored_by", Name)]),
    (
        "payment",
        EVERYTHING,
        &[
            ("reference", Code),
            ("received_by_label", Name),
            ("note", Text),
            ("voided_by", Name),
            ("void_reason", Text),
        ],
    ),
    ("plan_price", EVERYTHING, &[("changed_by", Name)]),
    (
        "provider_account",
        EVERYTHING,
        &[
            // A column that must not be empty, and that nothing opens.
            ("sealed", Sql("CASE WHEN sealed IS NULL THEN NULL ELSE '\\x00'::bytea END")),
            ("sealed_before", Null),
            ("before_until", Null),
            ("masked", List),
            ("hook_id", Sql("replace(gen_random_uuid()::text, '-', '')")),
            ("is_active", Sql("false")),
            ("checked_note", Text),
            ("breaker_reason", Text),
        ],
    ),
    ("receipt", EVERYTHING, &[("printed", Sql(PRINTED)), ("verification_code", Code)]),
    ("recipient_list", EVERYTHING, &[("created_by", Name)]),
    ("refund", EVERYTHING, &[("reference", Code), ("reason", Text), ("refunded_by_label", Name)]),
    ("report_schedule", EVERYTHING, &[("failure", Text), ("created_by_label", Name)]),
    ("retention", EVERYTHING, &[("changed_by", Name)]),
    ("router", EVERYTHING, &[("serial_number", Code), ("mac_address", Mac), ("notes", Text)]),
    ("router_move", EVERYTHING, &[("note", Text), ("moved_by", Name)]),
    (
        "staff",
        NOT_OWNER,
        &[
            ("email", Email),
            ("name", Name),
            ("phone", Phone),
            ("password_hash", Null),
            ("is_active", Sql("false")),
        ],
    ),
    ("subscription", EVERYTHING, &[("cancel_reason", Text), ("notes", Text), ("sold_by_label", Name)]),
    ("subscription_pause", EVERYTHING, &[("reason", Text), ("paused_by", Name)]),
    ("suppression", EVERYTHING, &[("address", Reach), ("note", Text)]),
    ("template_version", EVERYTHING, &[("written_by", Name), ("decided_by", Name), ("decision_note", Text)]),
    (
        "ticket",
        EVERYTHING,
        &[("title", Text), ("description", Text), ("reported_by_label", Name), ("resolution_notes", Text)],
    ),
    ("ticket_comment", EVERYTHING, &[("author_label", Name), ("comment", Text)]),
    ("visit", EVERYTHING, &[("note", Text)]),
];

const FIRST: &str = "ARRAY['Amihan','Bayani','Corazon','Dalisay','Efren','Florante','Gloria','Hiraya','Isagani','Jovita','Kidlat','Ligaya',
    'Mayumi','Narciso','Ofelia','Pilar','Querubin','Rosario','Sinag','Tala','Urduja','Violeta','Wilfredo','Xandra','Yumi','Zosimo']";
const LAST: &str = "ARRAY['Abad','Bautista','Castillo','Domingo','Escudero','Flores','Garcia','Herrera','Ibarra','Javier','Katigbak','Lacson',
    'Mercado','Navarro','Ocampo','Padilla','Quizon','Ramos','Salazar','Tolentino','Umali','Villanueva','Wenceslao','Yap','Zamora']";

/// The SQL that stands in a column instead. `$1` is the salt.
pub fn expression(column: &str, mask: Mask) -> String {
    let hash = |part: &str| {
        format!("encode(sha256($1::bytea || convert_to('{part}' || lower({column}::text), 'UTF8')), 'hex')")
    };
    let number = |part: &str| format!("('x' || left({}, 15))::bit(60)::bigint", hash(part));
    let one_of = |list: &str, part: &str| format!("({list})[1 + {} % cardinality({list})]", number(part));
    let kept_empty =
        |value: String| format!("CASE WHEN {column} IS NULL OR {column} = '' THEN {column} ELSE {value} END");
    let email = || format!("'person-' || left({}, 16) || '@example.invalid'", hash("email"));
    let phone = || format!("'+999' || lpad(({} % 100000000000)::text, 11, '0')", number("phone"));
    match mask {
        FirstName => kept_empty(one_of(FIRST, "first")),
        LastName => kept_empty(one_of(LAST, "last")),
        Name => kept_empty(format!("{} || ' ' || {}", one_of(FIRST, "first"), one_of(LAST, "last"))),
        Email => kept_empty(email()),
        Phone => kept_empty(phone()),
        Reach => kept_empty(format!(
            "CASE channel WHEN 'email' THEN {} WHEN 'sms' THEN {} WHEN 'whatsapp' THEN {} ELSE {} END",
            email(),
            phone(),
            phone(),
            hash("reach")
        )),
        Street => kept_empty(format!("(1 + {} % 999)::text || ' Sampaguita Street'", number("street"))),
        Text => kept_empty("'Masked'".to_owned()),
        Code => kept_empty(format!("left({}, 16)", hash("code"))),
        Mac => kept_empty(format!(
            "upper('02:' || regexp_replace(left({}, 10), '(..)(?=.)', '\\1:', 'g'))",
            hash("mac")
        )),
        // A hundred thousandth of a degree is about a metre.
        Place => format!("{column} + (({} % 1001) - 500) * 0.00001", number("place")),
        Null => "NULL".to_owned(),
        Object => "'{}'::jsonb".to_owned(),
        List => "'[]'::jsonb".to_owned(),
        Sql(text) => text.to_owned(),
    }
}

/// One statement for a table of the schema that was entered.
pub fn statement((table, which, columns): &Table) -> String {
    let set: Vec<String> =
        columns.iter().map(|(column, mask)| format!("{column} = {}", expression(column, *mask))).collect();
    // Not every table's masks use the salt, and PostgreSQL wants to know of what type it is.
    format!("UPDATE {table} SET {} WHERE {which} AND $1::bytea IS NOT NULL", set.join(", "))
}
