-- What somebody of the platform may have to look at: what every process saw, by the minute, and the alerts that it led to.

-- Counts alone. Networks and accounts are digests under a key of the deployment's, credentials the hash under which they are kept;
-- nothing here outlives the longest look back, and nothing is lost with it.
CREATE UNLOGGED TABLE public.sighting (
    minute timestamptz NOT NULL,
    kind text NOT NULL,
    -- Where it was seen, and whose it was.
    tenant_id uuid,
    other_id uuid,
    source bytea NOT NULL DEFAULT '',
    subject bytea NOT NULL DEFAULT '',
    amount bigint NOT NULL,
    -- How much of the amount an alert has counted.
    told bigint NOT NULL DEFAULT 0,
    -- A credential that nobody here knows was looked for elsewhere, and perhaps found.
    looked_for boolean NOT NULL DEFAULT false,
    found_in uuid,
    CONSTRAINT sighting_key UNIQUE NULLS NOT DISTINCT (minute, kind, tenant_id, other_id, source, subject)
);

CREATE TABLE public.alert (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    -- Of several open alerts no two are about the same.
    about text NOT NULL,
    tenant_id uuid,
    other_id uuid,
    amount bigint NOT NULL CHECK (amount > 0),
    accounts bigint,
    addresses bigint,
    opened_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    -- When the threshold was last reached.
    over_at timestamptz NOT NULL DEFAULT now(),
    -- When a letter about it was last written.
    told_at timestamptz,
    closed_at timestamptz,
    -- None for one that closed by itself.
    acknowledged_by text,
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 500)
);
CREATE UNIQUE INDEX alert_open_key ON public.alert (about) WHERE closed_at IS NULL;
CREATE INDEX alert_closed_at_idx ON public.alert (closed_at);

-- Whether somebody wants letters about alerts. NULL: as their role has it.
ALTER TABLE public.platform_staff ADD COLUMN alert_letters boolean;
