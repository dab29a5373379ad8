-- What every tenant's schema begins with. Run by the owner role with only this schema in the search path.
-- The tenant role's rights on these tables are listed in tenancy/rights.rs, nowhere else.

-- One row: how the company shows itself.
CREATE TABLE company (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    legal_name text,
    street_address text,
    phone text,
    email text,
    website text,
    tax_number text,
    accent text NOT NULL DEFAULT '#2563eb' CHECK (accent ~ '^#[0-9a-f]{6}$'),
    logo_file_id uuid,
    area_word text NOT NULL DEFAULT 'Area' CHECK (length(area_word) BETWEEN 1 AND 30),
    cors_origins text[] NOT NULL DEFAULT '{}',
    checklist_dismissed_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO company DEFAULT VALUES;

CREATE TABLE role (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 50),
    description text NOT NULL DEFAULT '',
    permissions text[] NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    -- Comes with every tenant; may be changed and switched off, not deleted.
    is_default boolean NOT NULL DEFAULT false,
    -- The one role that bypasses permissions inside the tenant.
    is_owner boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX role_name_key ON role (lower(name));
CREATE UNIQUE INDEX role_owner_key ON role (is_owner) WHERE is_owner;

CREATE TABLE staff (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- None until an invited person has chosen a password.
    password_hash text,
    is_active boolean NOT NULL DEFAULT true,
    last_signed_in_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX staff_email_key ON staff (lower(email));
CREATE INDEX staff_name_idx ON staff (lower(name), id);

CREATE TABLE staff_role (
    staff_id uuid NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    role_id uuid NOT NULL REFERENCES role (id),
    PRIMARY KEY (staff_id, role_id)
);
CREATE INDEX staff_role_role_idx ON staff_role (role_id);

-- A browser's stay. Only the hash of the cookie is kept.
CREATE TABLE portal_session (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    staff_id uuid NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    address text,
    user_agent text
);
CREATE INDEX portal_session_staff_idx ON portal_session (staff_id);

-- API sign-ins. A family is one sign-in; each refresh replaces its token, and reuse of an old one ends the family.
CREATE TABLE refresh_token (
    id uuid PRIMARY KEY,
    family_id uuid NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    staff_id uuid NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX refresh_token_family_idx ON refresh_token (family_id);
CREATE INDEX refresh_token_staff_idx ON refresh_token (staff_id);

CREATE TABLE api_key (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- The first characters, to recognise a key by.
    prefix text NOT NULL,
    key_hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created_by uuid REFERENCES staff (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);

-- Single-use links: choose a first password, choose a new one, sign in after signing up.
CREATE TABLE one_time_link (
    token_hash bytea PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('set_password', 'landing')),
    staff_id uuid NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX one_time_link_staff_idx ON one_time_link (staff_id);

-- Failed sign-ins, counted per account and per address, to slow the next ones.
CREATE TABLE sign_in_failure (
    subject text PRIMARY KEY,
    failures integer NOT NULL,
    last_failed_at timestamptz NOT NULL,
    blocked_until timestamptz
);

-- Append-only by grant: the tenant's role may INSERT and SELECT.
CREATE TABLE audit_event (
    id uuid PRIMARY KEY,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    actor_kind text NOT NULL CHECK (actor_kind IN ('staff', 'api_key', 'system', 'platform', 'anonymous')),
    actor_id uuid,
    actor_label text NOT NULL,
    action text NOT NULL,
    object_type text NOT NULL,
    object_id uuid,
    object_label text NOT NULL DEFAULT '',
    before jsonb,
    after jsonb,
    request_id uuid,
    address text,
    user_agent text,
    -- Makes the digest of a payload useless for guessing what an erased one said. Erased with it.
    salt bytea NOT NULL,
    -- When label, before and after were erased on a person's request.
    erased_at timestamptz,
    -- The transaction that wrote it: how the sealer finds what became visible since it last looked.
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX audit_event_object_idx ON audit_event (object_type, object_id, id DESC);
CREATE INDEX audit_event_actor_idx ON audit_event (actor_id, id DESC);
CREATE INDEX audit_event_written_by_idx ON audit_event (written_by);

-- The chain: committed events in the order in which they became visible. The tenant's role may read it; only
-- public.seal_audit writes it. No foreign key: it would lock, and so write, every event once more, and nobody may delete one.
CREATE TABLE audit_seal (
    position bigint PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    -- Of label, before and after with their salt: what stays when they are erased.
    payload_digest bytea NOT NULL,
    digest bytea NOT NULL,
    chain bytea NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE idempotency (
    key_hash bytea PRIMARY KEY,
    request_hash bytea NOT NULL,
    status smallint,
    -- Text, not jsonb: it is answered again byte for byte.
    answer text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idempotency_created_at_idx ON idempotency (created_at);

CREATE TABLE file (
    id uuid PRIMARY KEY,
    purpose text NOT NULL,
    name text NOT NULL,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 bytea NOT NULL,
    content bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX file_purpose_idx ON file (purpose, created_at);

-- Letters that are to go out. The body is sealed with the tenant's data key: it may hold a single-use link.
CREATE TABLE mail (
    id uuid PRIMARY KEY,
    recipient text NOT NULL,
    subject text NOT NULL,
    sealed_body bytea,
    status text NOT NULL CHECK (status IN ('queued', 'sent', 'refused', 'unknown')),
    failure text,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When it is no longer worth sending.
    send_before timestamptz NOT NULL,
    sent_at timestamptz
);
