-- Plans, and the prepaid periods that are sold of them.

-- How money and time are treated, for the whole tenant.
CREATE TABLE billing_policy (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    -- After the end of a period, service goes on for so long.
    grace_days smallint NOT NULL DEFAULT 0 CHECK (grace_days BETWEEN 0 AND 60),
    -- Days before the end on which a reminder is due; 0 is the end itself.
    reminder_days smallint[] NOT NULL DEFAULT '{7,3,1,0}' CHECK (cardinality(reminder_days) <= 10),
    is_vat_registered boolean NOT NULL DEFAULT false,
    -- Percent; prices contain it.
    vat_rate numeric(5, 2) NOT NULL DEFAULT 12 CHECK (vat_rate BETWEEN 0 AND 100),
    -- `daily` numbers receipts AR-2026-11-21-0001, `yearly` AR-2026-000001, `continuous` AR-000001.
    receipt_series text NOT NULL DEFAULT 'daily' CHECK (receipt_series IN ('daily', 'yearly', 'continuous')),
    receipt_prefix text NOT NULL DEFAULT 'AR' CHECK (receipt_prefix ~ '^[A-Z0-9]{1,8}$'),
    receipt_title text NOT NULL DEFAULT 'Acknowledgement Receipt' CHECK (length(receipt_title) BETWEEN 1 AND 60),
    receipt_note text CHECK (length(receipt_note) <= 500),
    -- The authority that the numbers were registered with, if any.
    registration_number text CHECK (length(registration_number) <= 60),
    registered_on date,
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO billing_policy DEFAULT VALUES;

-- Numbers that are allocated once and without a gap: the row is locked by whoever writes what it numbers.
CREATE TABLE number_series (
    series text PRIMARY KEY CHECK (length(series) BETWEEN 1 AND 40),
    last bigint NOT NULL CHECK (last > 0)
);

CREATE TABLE plan (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 2000),
    download_mbps integer NOT NULL CHECK (download_mbps BETWEEN 1 AND 100000),
    upload_mbps integer NOT NULL CHECK (upload_mbps BETWEEN 1 AND 100000),
    -- For period_days days.
    price numeric(12, 2) NOT NULL CHECK (price BETWEEN 0 AND 99999999.99),
    period_days smallint NOT NULL DEFAULT 30 CHECK (period_days BETWEEN 1 AND 366),
    tax text NOT NULL DEFAULT 'vatable' CHECK (tax IN ('vatable', 'exempt', 'zero_rated')),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX plan_name_key ON plan (lower(name));
CREATE INDEX plan_price_idx ON plan (price, lower(name), id);

-- What it cost, and from when.
CREATE TABLE plan_price (
    plan_id uuid NOT NULL REFERENCES plan (id) ON DELETE CASCADE,
    valid_from timestamptz NOT NULL DEFAULT now(),
    price numeric(12, 2) NOT NULL,
    period_days smallint NOT NULL,
    changed_by text NOT NULL,
    PRIMARY KEY (plan_id, valid_from)
);

-- A period of service that was sold. It keeps what it was sold as: later changes of the plan do not touch it.
CREATE TABLE subscription (
    id uuid PRIMARY KEY,
    installation_id uuid NOT NULL REFERENCES installation (id),
    -- The installation's, so that a customer's history is one index away.
    customer_id uuid NOT NULL REFERENCES customer (id),
    plan_id uuid NOT NULL REFERENCES plan (id),
    plan_name text NOT NULL,
    -- one_period is the plan's own; one_month is 30 days, fifteen_days 15; custom is what the amount buys; change carries the
    -- unused value of another plan over; opening is what was left of a period that another system had sold: it was paid for
    -- there, so that it costs nothing here.
    kind text NOT NULL CHECK (kind IN ('one_period', 'one_month', 'fifteen_days', 'custom', 'change', 'opening')),
    price numeric(12, 2) NOT NULL,
    period_days smallint NOT NULL,
    tax text NOT NULL CHECK (tax IN ('vatable', 'exempt', 'zero_rated')),
    -- What it costs the customer, and how much of that was paid.
    amount numeric(12, 2) NOT NULL CHECK (amount >= 0),
    paid_amount numeric(12, 2) NOT NULL DEFAULT 0 CHECK (paid_amount >= 0),
    -- What of it was taken off again, when the rest was cancelled or carried over to another plan.
    credited_amount numeric(12, 2) NOT NULL DEFAULT 0 CHECK (credited_amount BETWEEN 0 AND amount),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    -- Minutes that the amount buys; and those days as they are shown, rounded.
    sold_minutes bigint NOT NULL CHECK (sold_minutes > 0),
    days_added numeric(10, 2) NOT NULL,
    -- Minutes given on top (an outage), and minutes taken back (cancelled, or changed to another plan).
    extended_minutes bigint NOT NULL DEFAULT 0 CHECK (extended_minutes >= 0),
    returned_minutes bigint NOT NULL DEFAULT 0 CHECK (returned_minutes >= 0),
    paused_at timestamptz,
    paused_minutes bigint NOT NULL DEFAULT 0 CHECK (paused_minutes >= 0),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'expired', 'cancelled', 'changed')),
    cancelled_at timestamptz,
    cancel_reason text CHECK (length(cancel_reason) <= 500),
    notes text CHECK (length(notes) <= 2000),
    sold_by uuid REFERENCES staff (id),
    sold_by_label text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (paid_amount <= amount - credited_amount),
    -- Minutes sold are minutes given, to the minute.
    CONSTRAINT subscription_minutes_check CHECK (extract(epoch FROM ends_at - starts_at)
        = 60 * (sold_minutes + extended_minutes - returned_minutes + paused_minutes)),
    CHECK (ends_at >= starts_at),
    CONSTRAINT subscription_opening_check CHECK (kind <> 'opening' OR amount = 0),
    CHECK ((status = 'paused') = (paused_at IS NOT NULL)),
    CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL))
);
CREATE INDEX subscription_created_idx ON subscription (created_at DESC, id DESC);
CREATE INDEX subscription_installation_idx ON subscription (installation_id, ends_at DESC) INCLUDE (starts_at, status);
CREATE INDEX subscription_customer_idx ON subscription (customer_id, created_at DESC, id DESC);
CREATE INDEX subscription_status_idx ON subscription (status, created_at DESC, id DESC);
CREATE INDEX subscription_plan_idx ON subscription (plan_id, created_at DESC);
-- What the clock looks through: running periods by their end.
CREATE INDEX subscription_ends_idx ON subscription (ends_at, id) WHERE status = 'active';
CREATE INDEX subscription_ended_idx ON subscription (ends_at, id);
CREATE INDEX subscription_due_idx ON subscription (customer_id, starts_at) WHERE paid_amount < amount - credited_amount;
-- Installations whose grace may have run out.
CREATE INDEX installation_lapse_idx ON installation (paid_until, id) WHERE status = 'active';

-- A stay on hold.
CREATE TABLE subscription_pause (
    id uuid PRIMARY KEY,
    subscription_id uuid NOT NULL REFERENCES subscription (id) ON DELETE CASCADE,
    paused_at timestamptz NOT NULL,
    resumed_at timestamptz,
    reason text CHECK (length(reason) <= 500),
    paused_by text NOT NULL
);
CREATE UNIQUE INDEX subscription_pause_open_key ON subscription_pause (subscription_id) WHERE resumed_at IS NULL;

-- Each reminder goes out once per period and day: whoever inserts the row sends it.
CREATE TABLE subscription_reminder (
    subscription_id uuid NOT NULL REFERENCES subscription (id) ON DELETE CASCADE,
    days_before smallint NOT NULL,
    reminded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subscription_id, days_before)
);
