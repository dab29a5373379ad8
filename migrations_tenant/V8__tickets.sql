-- Tickets: what subscribers need help with.

CREATE TABLE ticket (
    id uuid PRIMARY KEY,
    -- TKT-2026-0001: allocated once, without a gap within the tenant's year.
    number text NOT NULL UNIQUE,
    customer_id uuid NOT NULL REFERENCES customer (id),
    installation_id uuid REFERENCES installation (id),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 10000),
    category text NOT NULL DEFAULT 'other' CHECK (category IN ('no_connection', 'slow_connection', 'intermittent', 'router_issue',
        'billing', 'relocation', 'upgrade', 'downgrade', 'other')),
    priority text NOT NULL DEFAULT 'medium' CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'assigned', 'in_progress', 'waiting', 'resolved', 'cancelled')),
    source text NOT NULL DEFAULT 'phone' CHECK (source IN ('phone', 'messenger', 'walk_in', 'email', 'sms', 'portal', 'other')),
    -- The plant node it is about, when it is about one.
    lcp_id uuid REFERENCES lcp (id) ON DELETE SET NULL,
    splitter_id uuid REFERENCES splitter (id) ON DELETE SET NULL,
    nap_id uuid REFERENCES nap (id) ON DELETE SET NULL,
    outage_id uuid,
    reported_by uuid REFERENCES staff (id),
    reported_by_label text NOT NULL,
    assigned_to uuid REFERENCES staff (id),
    -- The clock of the promise: when it runs out, and what it stood still for while the customer was to answer.
    sla_due_at timestamptz NOT NULL,
    waiting_since timestamptz,
    waited_seconds bigint NOT NULL DEFAULT 0 CHECK (waited_seconds >= 0),
    resolved_at timestamptz,
    resolution_notes text CHECK (length(resolution_notes) <= 5000),
    merged_into uuid REFERENCES ticket (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    search_text text NOT NULL GENERATED ALWAYS AS (lower(number || ' ' || title)) STORED,
    CHECK ((status = 'resolved') = (resolved_at IS NOT NULL)),
    CHECK ((status = 'waiting') = (waiting_since IS NOT NULL)),
    CHECK (status NOT IN ('assigned', 'in_progress') OR assigned_to IS NOT NULL)
);
CREATE INDEX ticket_created_idx ON ticket (created_at DESC, id DESC);
CREATE INDEX ticket_status_idx ON ticket (status, created_at DESC, id DESC);
CREATE INDEX ticket_customer_idx ON ticket (customer_id, created_at DESC, id DESC);
CREATE INDEX ticket_assigned_idx ON ticket (assigned_to, created_at DESC, id DESC);
CREATE INDEX ticket_installation_idx ON ticket (installation_id) WHERE installation_id IS NOT NULL;
-- What is open, by when it is due; and all of it in that order.
CREATE INDEX ticket_open_idx ON ticket (sla_due_at, id) WHERE status NOT IN ('resolved', 'cancelled');
CREATE INDEX ticket_due_idx ON ticket (sla_due_at, id);
CREATE INDEX ticket_nap_idx ON ticket (nap_id, created_at DESC) WHERE nap_id IS NOT NULL;
CREATE INDEX ticket_outage_idx ON ticket (outage_id) WHERE outage_id IS NOT NULL;
CREATE INDEX ticket_merged_idx ON ticket (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX ticket_resolved_idx ON ticket (resolved_at) WHERE resolved_at IS NOT NULL;
CREATE INDEX ticket_search_idx ON ticket USING gin (search_text ext.gin_trgm_ops);
ALTER TABLE visit ADD CONSTRAINT visit_ticket_fkey FOREIGN KEY (ticket_id) REFERENCES ticket (id);

CREATE TABLE ticket_comment (
    id uuid PRIMARY KEY,
    ticket_id uuid NOT NULL REFERENCES ticket (id) ON DELETE CASCADE,
    -- Staff, or the subscriber, or neither when the program itself says so.
    staff_id uuid REFERENCES staff (id),
    customer_id uuid REFERENCES customer (id),
    author_label text NOT NULL,
    -- Internal ones are for staff alone.
    is_internal boolean NOT NULL DEFAULT false,
    is_automatic boolean NOT NULL DEFAULT false,
    comment text NOT NULL CHECK (length(comment) BETWEEN 1 AND 10000),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ticket_comment_ticket_idx ON ticket_comment (ticket_id, id);

CREATE TABLE ticket_attachment (
    id uuid PRIMARY KEY,
    ticket_id uuid NOT NULL REFERENCES ticket (id) ON DELETE CASCADE,
    comment_id uuid REFERENCES ticket_comment (id) ON DELETE CASCADE,
    file_id uuid NOT NULL REFERENCES file (id),
    is_internal boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ticket_attachment_ticket_idx ON ticket_attachment (ticket_id, id);

CREATE TABLE canned_reply (
    id uuid PRIMARY KEY,
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 100),
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 5000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX canned_reply_title_key ON canned_reply (lower(title));
