-- Outages: a plant node is down, whom it hits, and what they get for it.

CREATE TABLE outage_policy (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    -- What becomes of the minutes that subscribers lost.
    extension text NOT NULL DEFAULT 'propose' CHECK (extension IN ('off', 'propose', 'automatic')),
    -- Shorter outages give nothing back.
    minimum_minutes integer NOT NULL DEFAULT 60 CHECK (minimum_minutes BETWEEN 0 AND 10080),
    -- So many open tickets under one node within so many hours propose an outage.
    propose_tickets smallint NOT NULL DEFAULT 2 CHECK (propose_tickets BETWEEN 2 AND 50),
    propose_hours smallint NOT NULL DEFAULT 4 CHECK (propose_hours BETWEEN 1 AND 72),
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO outage_policy DEFAULT VALUES;

CREATE TABLE outage (
    id uuid PRIMARY KEY,
    -- OUT-2026-0001.
    number text NOT NULL UNIQUE,
    -- proposed by tickets; dismissed when it was none.
    status text NOT NULL CHECK (status IN ('proposed', 'down', 'restored', 'dismissed')),
    -- Exactly one of them; the label stays when the node is gone.
    lcp_id uuid REFERENCES lcp (id) ON DELETE SET NULL,
    splitter_id uuid REFERENCES splitter (id) ON DELETE SET NULL,
    nap_id uuid REFERENCES nap (id) ON DELETE SET NULL,
    node_kind text NOT NULL CHECK (node_kind IN ('lcp', 'splitter', 'nap')),
    node_label text NOT NULL,
    cause text NOT NULL DEFAULT 'unknown' CHECK (cause IN ('unknown', 'fibre_cut', 'power', 'equipment', 'weather', 'third_party', 'planned', 'other')),
    note text CHECK (length(note) <= 2000),
    -- What subscribers are to be told; messaging sends it.
    message text CHECK (length(message) <= 1000),
    started_at timestamptz NOT NULL,
    restored_at timestamptz,
    opened_by text NOT NULL,
    restored_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((status = 'restored') = (restored_at IS NOT NULL)),
    CHECK (num_nonnulls(lcp_id, splitter_id, nap_id) <= 1),
    CHECK (restored_at >= started_at)
);
-- A node is down once at a time.
CREATE UNIQUE INDEX outage_lcp_key ON outage (lcp_id) WHERE status IN ('proposed', 'down');
CREATE UNIQUE INDEX outage_splitter_key ON outage (splitter_id) WHERE status IN ('proposed', 'down');
CREATE UNIQUE INDEX outage_nap_key ON outage (nap_id) WHERE status IN ('proposed', 'down');
-- What is down or may be, for the banner and for new tickets.
CREATE INDEX outage_current_idx ON outage (started_at, id) WHERE status IN ('proposed', 'down');
CREATE INDEX outage_started_idx ON outage (started_at DESC, id DESC);
CREATE INDEX outage_status_idx ON outage (status, started_at DESC, id DESC);
ALTER TABLE ticket ADD CONSTRAINT ticket_outage_fkey FOREIGN KEY (outage_id) REFERENCES outage (id);

-- Whom it hits; at the end the minutes that each was without, and what was given for them.
CREATE TABLE outage_subscriber (
    outage_id uuid NOT NULL REFERENCES outage (id) ON DELETE CASCADE,
    installation_id uuid NOT NULL REFERENCES installation (id),
    customer_id uuid NOT NULL REFERENCES customer (id),
    -- Whether service ran when it was marked down.
    was_active boolean NOT NULL,
    -- At the end: from when to when service that ran was out, and the whole minutes of it.
    from_at timestamptz,
    to_at timestamptz,
    minutes bigint CHECK (minutes >= 0),
    -- none: nothing ran or too short; proposed: waits for a decision; extended; declined.
    extension text NOT NULL DEFAULT 'none' CHECK (extension IN ('none', 'proposed', 'extended', 'declined')),
    extended_minutes bigint NOT NULL DEFAULT 0 CHECK (extended_minutes >= 0),
    PRIMARY KEY (outage_id, installation_id),
    CHECK ((from_at IS NULL) = (to_at IS NULL)),
    CHECK (to_at >= from_at)
);
CREATE INDEX outage_subscriber_installation_idx ON outage_subscriber (installation_id);
CREATE INDEX outage_subscriber_customer_idx ON outage_subscriber (customer_id);
