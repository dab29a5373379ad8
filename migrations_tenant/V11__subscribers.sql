-- The subscriber portal: who of the customers may sign in at /my, and where they are signed in.

-- An account exists only through the invitation of exactly this customer.
CREATE TABLE subscriber_login (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL UNIQUE REFERENCES customer (id),
    -- An e-mail address in lower case, or a telephone number: what they chose.
    sign_in_name text NOT NULL CONSTRAINT subscriber_login_name_key UNIQUE CHECK (length(sign_in_name) BETWEEN 3 AND 254),
    password_hash text NOT NULL,
    -- A mailbox that they have shown to be theirs, by a link that was mailed to it.
    proved_email text,
    last_signed_in_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- A browser's stay. Only the hash of the cookie is kept.
CREATE TABLE subscriber_session (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    login_id uuid NOT NULL REFERENCES subscriber_login (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    address text,
    user_agent text
);
CREATE INDEX subscriber_session_login_idx ON subscriber_session (login_id, last_seen_at DESC);
CREATE INDEX subscriber_session_expires_idx ON subscriber_session (expires_at);

-- Single-use links: open the account of a customer, or choose a new password for it. Only the hash of the code is kept.
CREATE TABLE subscriber_link (
    token_hash bytea PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('invitation', 'reset')),
    customer_id uuid NOT NULL REFERENCES customer (id),
    -- The mailbox that it was sent to, if it was: whoever uses it has shown that they read there.
    mailed_to text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX subscriber_link_customer_idx ON subscriber_link (customer_id, created_at);

-- Subscribers do things too, and the trail says that it was they.
ALTER TABLE audit_event DROP CONSTRAINT audit_event_actor_kind_check;
ALTER TABLE audit_event ADD CONSTRAINT audit_event_actor_kind_check
    CHECK (actor_kind IN ('staff', 'api_key', 'system', 'platform', 'anonymous', 'subscriber'));

-- The trail is searched by a part of a name or an address, and by a whole id.
CREATE INDEX audit_event_search_idx ON audit_event
    USING gin ((object_label || E'\n' || actor_label || E'\n' || coalesce(address, '')) ext.gin_trgm_ops);
CREATE INDEX audit_event_object_id_idx ON audit_event (object_id, id DESC) WHERE object_id IS NOT NULL;
CREATE INDEX audit_event_request_idx ON audit_event (request_id) WHERE request_id IS NOT NULL;
-- By what was done: `deleted` of anything, or `customer.deleted`.
CREATE INDEX audit_event_verb_idx ON audit_event (split_part(action, '.', 2), action, id DESC);
