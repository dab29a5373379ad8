-- What others hear of, and what staff and subscribers are told inside the product.

-- Written in the transaction of what happened. Whoever listens (messaging, webhooks) keeps its own place in it.
CREATE TABLE event (
    id uuid PRIMARY KEY,
    -- Past tense, such as `payment.recorded`.
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 100),
    -- What it is about.
    subject_id uuid,
    customer_id uuid,
    payload jsonb NOT NULL DEFAULT '{}',
    occurred_at timestamptz NOT NULL DEFAULT now(),
    -- The transaction that wrote it: a reader goes on from there without missing a late commit.
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX event_written_by_idx ON event (written_by, id);
CREATE INDEX event_customer_idx ON event (customer_id, id DESC) WHERE customer_id IS NOT NULL;

-- A line in somebody's bell: of staff who hold a permission, or of one subscriber.
CREATE TABLE notice (
    id uuid PRIMARY KEY,
    -- Staff with this permission see it; none when it is a subscriber's.
    permission text,
    customer_id uuid REFERENCES customer (id) ON DELETE CASCADE,
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 500),
    href text CHECK (length(href) <= 500),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((permission IS NULL) <> (customer_id IS NULL))
);
CREATE INDEX notice_permission_idx ON notice (permission, id DESC) WHERE permission IS NOT NULL;
CREATE INDEX notice_customer_idx ON notice (customer_id, id DESC) WHERE customer_id IS NOT NULL;
CREATE INDEX notice_created_idx ON notice (created_at);

-- How far a member of staff has read.
CREATE TABLE notice_seen (
    staff_id uuid PRIMARY KEY REFERENCES staff (id) ON DELETE CASCADE,
    -- The newest notice that this person has been shown: ids are in time order.
    notice_id uuid NOT NULL
);
