-- Campaigns, and lists of recipients that nobody keeps as contacts.

ALTER TABLE message
    -- Nothing of it goes out while it is paused.
    ADD COLUMN paused_at timestamptz;

-- Recipients out of a file, or who were the audience at one moment.
CREATE TABLE recipient_list (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    members integer NOT NULL DEFAULT 0 CHECK (members >= 0),
    created_by text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE recipient_list_member (
    list_id uuid NOT NULL REFERENCES recipient_list (id) ON DELETE CASCADE,
    n integer NOT NULL CHECK (n > 0),
    -- Somebody who is known already: read anew when something is sent. Nobody is written to who was erased in between.
    contact_id uuid,
    customer_id uuid,
    -- Somebody out of a file: {name, language, addresses: [[channel, address]], context}.
    person jsonb,
    PRIMARY KEY (list_id, n),
    CHECK (num_nonnulls(contact_id, customer_id, person) = 1)
);

-- A message to many, prepared, started and watched by people. What it sends is one message.
CREATE TABLE campaign (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    -- draft -> scheduled -> running -> done | cancelled; failed when it could not be started. What is paused is its message.
    status text NOT NULL CHECK (status IN ('draft', 'scheduled', 'running', 'done', 'cancelled', 'failed')),
    channels text[] NOT NULL CHECK (cardinality(channels) BETWEEN 1 AND 7),
    template_id uuid NOT NULL REFERENCES message_template (id),
    -- Values for the template's variables that hold for all.
    context jsonb NOT NULL DEFAULT '{}',
    -- {addresses, contacts, customers, groups, segments, lists}
    audience jsonb NOT NULL DEFAULT '{}',
    -- Who is in the audience is settled when the campaign is scheduled, not when it starts.
    is_frozen boolean NOT NULL DEFAULT false,
    -- The audience as it was settled, and how far the settling has come; NULL when it has come to its end.
    frozen_list_id uuid REFERENCES recipient_list (id),
    freezing jsonb,
    per_minute integer CHECK (per_minute BETWEEN 1 AND 600000),
    is_dry_run boolean NOT NULL DEFAULT false,
    starts_at timestamptz,
    message_id uuid UNIQUE REFERENCES message (id),
    -- Why it could not be started.
    failure text,
    created_by text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz
);
CREATE UNIQUE INDEX campaign_name_key ON campaign (lower(name)) WHERE status <> 'cancelled';
CREATE INDEX campaign_status_idx ON campaign (status, id DESC);
