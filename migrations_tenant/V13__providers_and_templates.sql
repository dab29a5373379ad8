-- By whom messages go out, and what they say.

-- The tenant's own account at a provider, or a sender of the platform that was assigned to it.
CREATE TABLE provider_account (
    id uuid PRIMARY KEY,
    channel text NOT NULL CHECK (channel IN ('sms', 'email', 'whatsapp', 'telegram', 'instagram', 'push')),
    -- hubtel, twilio_sms, smtp, ..: the word of the provider's file.
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 40),
    label text NOT NULL CHECK (length(label) BETWEEN 1 AND 100),
    -- The first active one of a channel is the primary, those after it are its fallbacks.
    position smallint NOT NULL DEFAULT 0,
    is_active boolean NOT NULL DEFAULT true,
    -- The credential, sealed with the tenant's key. NULL for a sender of the platform, whose credential never comes here.
    sealed bytea,
    -- What a page may show of it: [{name, label, value}], secrets by their tail.
    masked jsonb NOT NULL DEFAULT '[]',
    -- The credential before the last rotation: what providers signed with it is still heard until then.
    sealed_before bytea,
    before_until timestamptz,
    platform_sender_id uuid,
    -- The last part of the address that the provider calls. Nobody else knows it.
    hook_id text NOT NULL CHECK (length(hook_id) BETWEEN 20 AND 64),
    -- What the tenant pays for one segment, or one message, in its own currency; figures and estimates use it.
    price numeric(12, 4) NOT NULL DEFAULT 0 CHECK (price >= 0),
    -- At most so many a second; NULL: as fast as it goes.
    per_second integer CHECK (per_second BETWEEN 1 AND 10000),
    -- closed: in use. open: not before breaker_until. half_open: one message probes it.
    breaker text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'open', 'half_open')),
    breaker_until timestamptz,
    breaker_reason text,
    -- Refusals of the account or unreachability in a row.
    failures integer NOT NULL DEFAULT 0,
    checked_at timestamptz,
    -- What the last check said, for people.
    checked_note text,
    checked_ok boolean,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((sealed IS NULL) = (platform_sender_id IS NOT NULL)),
    -- An open one is tried again then; a probe that never came back counts as failed then.
    CHECK ((breaker = 'closed') = (breaker_until IS NULL))
);
CREATE UNIQUE INDEX provider_account_hook_key ON provider_account (hook_id);
CREATE UNIQUE INDEX provider_account_sender_key ON provider_account (platform_sender_id) WHERE platform_sender_id IS NOT NULL;
CREATE INDEX provider_account_channel_idx ON provider_account (channel, position, id);

-- One row: how this tenant sends.
CREATE TABLE messaging_policy (
    is_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_only_row),
    -- Everything is done but the wire.
    is_dry_run boolean NOT NULL DEFAULT false,
    -- In the tenant's zone: bulk waits for the end. Both or neither.
    quiet_from time,
    quiet_to time,
    -- How often a message that may pass later is tried again.
    retries smallint NOT NULL DEFAULT 3 CHECK (retries BETWEEN 0 AND 10),
    -- A second, over all channels of the tenant; NULL: as fast as it goes.
    per_second integer CHECK (per_second BETWEEN 1 AND 10000),
    default_language text NOT NULL DEFAULT 'en' CHECK (length(default_language) BETWEEN 2 AND 35),
    -- Whole messages, lower case, that mean stop and start.
    stop_words text[] NOT NULL DEFAULT '{stop,stopall,unsubscribe,cancel,end,quit,arret,baja,ihinto,undang}',
    start_words text[] NOT NULL DEFAULT '{start,unstop,subscribe,simulan,alta}',
    CHECK ((quiet_from IS NULL) = (quiet_to IS NULL)),
    CHECK (quiet_from IS DISTINCT FROM quiet_to OR quiet_from IS NULL)
);
INSERT INTO messaging_policy DEFAULT VALUES;

CREATE TABLE message_template (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    -- The newest version, and the newest that was approved.
    latest integer NOT NULL DEFAULT 0,
    approved integer,
    is_archived boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX message_template_name_key ON message_template (lower(name)) WHERE NOT is_archived;

-- What a template said at one time. Only a draft may still change; what was approved stays as it was, messages point at it.
CREATE TABLE template_version (
    template_id uuid NOT NULL REFERENCES message_template (id) ON DELETE CASCADE,
    version integer NOT NULL CHECK (version > 0),
    state text NOT NULL CHECK (state IN ('draft', 'pending', 'approved', 'rejected')),
    -- {channel: {language: {subject, title, text, html, data, provider: {name, language, parameters}}}}
    contents jsonb NOT NULL,
    -- [{name, fallback, is_required}]
    variables jsonb NOT NULL DEFAULT '[]',
    -- Said below the text on channels that have room for it.
    footer text NOT NULL DEFAULT '' CHECK (length(footer) <= 2000),
    written_by text NOT NULL DEFAULT '',
    decided_by text,
    decided_at timestamptz,
    decision_note text CHECK (length(decision_note) <= 500),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (template_id, version)
);

-- The template that a channel takes when none is named.
CREATE TABLE template_default (
    channel text PRIMARY KEY,
    template_id uuid NOT NULL REFERENCES message_template (id) ON DELETE CASCADE
);
CREATE INDEX template_default_template_idx ON template_default (template_id);
