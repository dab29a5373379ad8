-- API keys that count from named networks, change their secret without a gap and are counted; machine clients of an outside issuer;
-- what people show of themselves.

ALTER TABLE api_key
    -- From where the key counts, as CIDR; anywhere when empty.
    ADD COLUMN networks text[] NOT NULL DEFAULT '{}',
    ADD COLUMN last_used_from text,
    -- When it was last written down that the key came from elsewhere.
    ADD COLUMN network_refused_at timestamptz,
    -- The secret before this one, while both count.
    ADD COLUMN old_key_hash bytea,
    ADD COLUMN old_prefix text,
    ADD COLUMN old_until timestamptz,
    ADD CONSTRAINT api_key_old_check CHECK (num_nulls(old_key_hash, old_prefix, old_until) IN (0, 3));
CREATE UNIQUE INDEX api_key_old_hash_key ON api_key (old_key_hash) WHERE old_key_hash IS NOT NULL;
CREATE INDEX api_key_expiry_idx ON api_key (expires_at) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX api_key_created_by_idx ON api_key (created_by) WHERE created_by IS NOT NULL;

-- How often a key was used on a day of the tenant's. Refusals are among the requests.
CREATE TABLE api_key_day (
    key_id uuid NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
    day date NOT NULL,
    requests bigint NOT NULL,
    refusals bigint NOT NULL,
    PRIMARY KEY (key_id, day)
);

-- Which warnings of a key's end have been given. Another end is warned of anew.
CREATE TABLE api_key_warning (
    key_id uuid NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    days_before smallint NOT NULL CHECK (days_before IN (0, 3, 14)),
    told_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, expires_at, days_before)
);

-- Whose tokens machine clients may come with.
CREATE TABLE machine_issuer (
    id uuid PRIMARY KEY,
    is_only boolean NOT NULL DEFAULT true CONSTRAINT machine_issuer_only_key UNIQUE CHECK (is_only),
    is_on boolean NOT NULL,
    issuer text NOT NULL,
    -- Where its keys are; its own document says so when this is null.
    jwks_url text,
    audience text NOT NULL,
    algorithms text[] NOT NULL CHECK (algorithms <@ ARRAY['RS256', 'ES256'] AND cardinality(algorithms) > 0),
    tenant_claim text NOT NULL,
    role_claim text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- What a value of the issuer's role claim makes of a machine client.
CREATE TABLE machine_role (
    value text NOT NULL,
    role_id uuid NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    PRIMARY KEY (value, role_id)
);
CREATE INDEX machine_role_role_idx ON machine_role (role_id);

-- What machine clients did is told as such.
ALTER TABLE audit_event DROP CONSTRAINT audit_event_actor_kind_check;
ALTER TABLE audit_event ADD CONSTRAINT audit_event_actor_kind_check
    CHECK (actor_kind IN ('staff', 'api_key', 'system', 'platform', 'anonymous', 'subscriber', 'support', 'machine'));

ALTER TABLE staff
    ADD COLUMN phone text,
    ADD COLUMN avatar_file_id uuid;
