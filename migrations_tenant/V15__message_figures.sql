-- What all messages came to.

-- What came of a message's deliveries, counted up as it happens. A delivery moves from one word to another.
CREATE TABLE message_count (
    message_id uuid NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    status text NOT NULL,
    -- Settling workers write to different shards, so that they do not wait for each other.
    shard smallint NOT NULL,
    amount bigint NOT NULL DEFAULT 0,
    price numeric(14, 4) NOT NULL DEFAULT 0,
    PRIMARY KEY (message_id, status, shard)
);

-- Sums of an hour. Made from deliveries and attempts as they settle; each row's key is what the figures are asked by.
CREATE TABLE message_hour (
    hour timestamptz NOT NULL,
    channel text NOT NULL,
    provider text NOT NULL DEFAULT '',
    template_id uuid,
    -- accepted, delivered, read, failed, unknown, suppressed, cancelled, expired
    outcome text NOT NULL,
    class text NOT NULL DEFAULT '',
    amount bigint NOT NULL DEFAULT 0,
    segments bigint NOT NULL DEFAULT 0,
    price numeric(14, 4) NOT NULL DEFAULT 0,
    -- How many took so long (to be accepted, or delivered), by power of two of milliseconds: bucket n holds [2^n, 2^(n+1)).
    buckets bigint[] NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX message_hour_key ON message_hour (hour, channel, provider, outcome, class,
    coalesce(template_id, '00000000-0000-0000-0000-000000000000'::uuid));
