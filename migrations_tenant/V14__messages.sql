-- What was said to whom, and what became of it.

-- A message as it was asked for. Its recipients are written out as deliveries, at once or batch by batch.
CREATE TABLE message (
    id uuid PRIMARY KEY,
    -- Where it is sent; the ones after the first are used for who has none before.
    channels text[] NOT NULL CHECK (cardinality(channels) BETWEEN 1 AND 7),
    -- transactional before conversation before bulk
    lane smallint NOT NULL CHECK (lane BETWEEN 0 AND 2),
    -- Its own words, or a template's.
    content jsonb,
    template_id uuid,
    template_version integer,
    -- Values for the template's variables that hold for all.
    context jsonb NOT NULL DEFAULT '{}',
    -- {contacts, customers, groups, segments, addresses}: whom it was asked for.
    audience jsonb NOT NULL DEFAULT '{}',
    -- What a list shows of it.
    summary text NOT NULL DEFAULT '' CHECK (length(summary) <= 300),
    -- Deliveries are due so many a minute; NULL: at once.
    per_minute integer CHECK (per_minute BETWEEN 1 AND 600000),
    is_dry_run boolean NOT NULL DEFAULT false,
    scheduled_at timestamptz,
    -- cron in the tenant's zone: each time makes a message of its own, which names this one.
    recurrence text CHECK (length(recurrence) <= 100),
    recurs_of uuid,
    -- waiting: for its time. expanding: recipients are being written out. ready: all are there. cancelled, stopped.
    status text NOT NULL CHECK (status IN ('waiting', 'expanding', 'ready', 'cancelled')),
    -- How far the writing out has come.
    expansion jsonb,
    recipients integer NOT NULL DEFAULT 0,
    -- Left out: no address on any channel, doubles, too long.
    skipped integer NOT NULL DEFAULT 0,
    attachments jsonb NOT NULL DEFAULT '[]',
    expires_at timestamptz,
    created_by text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    cancelled_at timestamptz,
    FOREIGN KEY (template_id, template_version) REFERENCES template_version (template_id, version),
    CHECK ((content IS NULL) <> (template_id IS NULL)),
    CHECK ((template_id IS NULL) = (template_version IS NULL))
);
CREATE INDEX message_waiting_idx ON message (scheduled_at, id) WHERE status IN ('waiting', 'expanding');
CREATE INDEX message_template_idx ON message (template_id, template_version) WHERE template_id IS NOT NULL;

-- One recipient on one channel. What changes while it is under way lies in tables of its own: a delivery's row is written when it
-- is made and when something is known of it, and none of its indexes changes with it.
CREATE TABLE delivery (
    id uuid PRIMARY KEY,
    message_id uuid NOT NULL REFERENCES message (id),
    contact_id uuid,
    customer_id uuid,
    name text NOT NULL DEFAULT '',
    channel text NOT NULL,
    address text NOT NULL,
    language text,
    -- Values for this recipient alone, as they were when it was written out.
    context jsonb,
    lane smallint NOT NULL,
    -- queued -> accepted -> sent -> delivered -> read | failed | unknown | cancelled | suppressed | expired
    status text NOT NULL CHECK (status IN ('queued', 'accepted', 'sent', 'delivered', 'read', 'failed', 'unknown', 'cancelled',
        'suppressed', 'expired')),
    -- How often it was tried, and how often after a wait.
    attempts smallint NOT NULL DEFAULT 0,
    retries smallint NOT NULL DEFAULT 0,
    -- The account that it was last given to, and those that refused it.
    account_id uuid,
    refused_by uuid[] NOT NULL DEFAULT '{}',
    segments smallint,
    -- What was set aside of the tenant's credit, and what was spent.
    reserved numeric(12, 4) NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    price numeric(12, 4),
    failure_class text,
    failure_code text,
    failure text,
    -- What it answers, in the provider's words.
    reply_to text,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When a provider took it.
    accepted_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    -- When it came to its end without being delivered.
    ended_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX delivery_message_idx ON delivery (message_id, id);
-- One message reaches an address once; and what an address was ever sent.
CREATE UNIQUE INDEX delivery_recipient_key ON delivery (md5(lower(address)), message_id, channel);

-- What is to be sent yet. A row goes when its delivery has come to an end, or to a provider.
CREATE TABLE delivery_queue (
    delivery_id uuid PRIMARY KEY REFERENCES delivery (id) ON DELETE CASCADE,
    lane smallint NOT NULL,
    -- When somebody has to look at it: it is due, or whoever took it should long have been done.
    due_at timestamptz NOT NULL,
    -- Who is sending it. Set and committed right before it goes out: when the time is over and nobody wrote down what came of it, it
    -- may have been sent. Whoever lost the lease changes nothing.
    lease uuid
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX delivery_queue_due_idx ON delivery_queue (lane, due_at, delivery_id);

-- How far a rate limit is used up, for all workers together: the next sending is due then.
CREATE TABLE send_rate (
    -- `tenant`, or an account's id.
    key text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 40),
    next_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- One try. What a provider calls it is found by the provider's id.
CREATE TABLE delivery_attempt (
    delivery_id uuid NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    n smallint NOT NULL CHECK (n > 0),
    account_id uuid,
    provider text NOT NULL,
    provider_message_id text,
    started_at timestamptz NOT NULL,
    ms integer NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('accepted', 'refused', 'unknown', 'dry_run')),
    class text,
    code text,
    detail text,
    PRIMARY KEY (delivery_id, n)
);
CREATE INDEX delivery_attempt_provider_idx ON delivery_attempt (account_id, provider_message_id)
    WHERE provider_message_id IS NOT NULL;

-- Deliveries that came to a bad end: nobody tries them again by himself.
CREATE TABLE dead_letter (
    delivery_id uuid PRIMARY KEY REFERENCES delivery (id) ON DELETE CASCADE,
    -- failed, unknown, expired
    status text NOT NULL,
    died_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letter_status_idx ON dead_letter (status, delivery_id DESC);

-- Deliveries that a provider has and does not tell of: it is asked, at growing distances.
CREATE TABLE delivery_poll (
    delivery_id uuid PRIMARY KEY REFERENCES delivery (id) ON DELETE CASCADE,
    account_id uuid NOT NULL,
    provider_message_id text NOT NULL,
    due_at timestamptz NOT NULL,
    polls smallint NOT NULL DEFAULT 0,
    -- When it was asked last: hints that nobody signed cannot make us ask all the time.
    polled_at timestamptz
);
CREATE INDEX delivery_poll_due_idx ON delivery_poll (due_at);

-- What a provider called in, whole: it is stored before anything is made of it, and can be
-- heard again.
CREATE TABLE hook_call (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    is_get boolean NOT NULL DEFAULT false,
    url text NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    -- stored: to be done. done. refused: nobody proved it, or it is no sense. failed: to be done again.
    status text NOT NULL CHECK (status IN ('stored', 'done', 'refused', 'failed')),
    detail text,
    receipts integer NOT NULL DEFAULT 0,
    inbound integer NOT NULL DEFAULT 0,
    replays integer NOT NULL DEFAULT 0,
    -- How often it failed, and when it is tried again; infinity: not by itself.
    attempts smallint NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz
);
CREATE INDEX hook_call_due_idx ON hook_call (due_at, id) WHERE status IN ('stored', 'failed');
CREATE INDEX hook_call_refused_idx ON hook_call (account_id, id DESC) WHERE status = 'refused';
CREATE INDEX hook_call_status_idx ON hook_call (status, id DESC);
CREATE INDEX hook_call_received_idx ON hook_call (received_at);

-- What a provider said about a message. Unknown ones are kept: the message may still be on its way into this table's neighbour.
CREATE TABLE delivery_receipt (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    -- The same for the same event, however often it is told.
    event_key text NOT NULL,
    delivery_id uuid REFERENCES delivery (id) ON DELETE CASCADE,
    provider_message_id text NOT NULL,
    reference uuid,
    -- queued, sent, failed, delivered, read; NULL where the provider's word is not known here.
    state text,
    word text NOT NULL,
    class text,
    reason text,
    code text,
    detail text,
    price numeric(12, 4),
    said_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    hook_call_id uuid,
    -- Nobody signed it: the provider is asked.
    is_hint boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX delivery_receipt_key ON delivery_receipt (account_id, event_key);
CREATE INDEX delivery_receipt_delivery_idx ON delivery_receipt (delivery_id, received_at) WHERE delivery_id IS NOT NULL;
CREATE INDEX delivery_receipt_orphan_idx ON delivery_receipt (account_id, provider_message_id) WHERE delivery_id IS NULL;
CREATE INDEX delivery_receipt_orphan_reference_idx ON delivery_receipt (reference) WHERE delivery_id IS NULL AND reference IS NOT NULL;
CREATE INDEX delivery_receipt_orphan_late_idx ON delivery_receipt (received_at, id) WHERE delivery_id IS NULL;

-- What people wrote to the tenant.
CREATE TABLE inbound_message (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    to_address text NOT NULL DEFAULT '',
    name text NOT NULL DEFAULT '',
    text text NOT NULL DEFAULT '',
    media jsonb NOT NULL DEFAULT '[]',
    provider_message_id text NOT NULL,
    -- stop, start, or nothing of the kind
    keyword text CHECK (keyword IN ('stop', 'start')),
    contact_id uuid REFERENCES contact (id) ON DELETE SET NULL,
    hook_call_id uuid,
    said_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX inbound_message_key ON inbound_message (account_id, provider_message_id);
CREATE INDEX inbound_message_address_idx ON inbound_message (channel, md5(lower(address)), received_at DESC);
CREATE INDEX inbound_message_channel_idx ON inbound_message (channel, id DESC);
