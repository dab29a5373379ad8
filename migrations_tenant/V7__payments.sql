-- Money: what came in, what it was for, the account of each customer, receipts and the cashier's drawer.

-- A cashier's stay at the drawer.
CREATE TABLE cash_shift (
    id uuid PRIMARY KEY,
    staff_id uuid NOT NULL REFERENCES staff (id),
    opened_at timestamptz NOT NULL DEFAULT now(),
    opening_cash numeric(12, 2) NOT NULL CHECK (opening_cash >= 0),
    closed_at timestamptz,
    -- What should be there, what was counted; the difference is counted minus expected.
    expected_cash numeric(12, 2),
    counted_cash numeric(12, 2) CHECK (counted_cash >= 0),
    note text CHECK (length(note) <= 1000),
    CHECK ((closed_at IS NULL) = (counted_cash IS NULL)),
    CHECK ((closed_at IS NULL) = (expected_cash IS NULL))
);
CREATE UNIQUE INDEX cash_shift_open_key ON cash_shift (staff_id) WHERE closed_at IS NULL;
CREATE INDEX cash_shift_opened_idx ON cash_shift (opened_at DESC, id DESC);

CREATE TABLE payment (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customer (id),
    amount numeric(12, 2) NOT NULL CHECK (amount > 0),
    -- How much of it went to periods, and how much was given back; the rest is the customer's credit.
    allocated_amount numeric(12, 2) NOT NULL DEFAULT 0 CHECK (allocated_amount >= 0),
    refunded_amount numeric(12, 2) NOT NULL DEFAULT 0 CHECK (refunded_amount >= 0),
    method text NOT NULL CHECK (method IN ('cash', 'gcash', 'maya', 'bank', 'card', 'other')),
    reference text CHECK (length(reference) BETWEEN 1 AND 100),
    received_by uuid REFERENCES staff (id),
    received_by_label text NOT NULL,
    received_at timestamptz NOT NULL,
    shift_id uuid REFERENCES cash_shift (id),
    note text CHECK (length(note) <= 1000),
    status text NOT NULL DEFAULT 'valid' CHECK (status IN ('valid', 'void')),
    voided_at timestamptz,
    voided_by text,
    void_reason text CHECK (length(void_reason) BETWEEN 1 AND 500),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (allocated_amount + refunded_amount <= amount),
    CHECK ((status = 'void') = (voided_at IS NOT NULL)),
    CHECK (status = 'valid' OR (allocated_amount = 0 AND refunded_amount = 0 AND void_reason IS NOT NULL))
);
-- The same reference twice is the same money; a void payment's may be used again.
CREATE UNIQUE INDEX payment_reference_key ON payment (method, lower(reference)) WHERE reference IS NOT NULL AND status = 'valid';
CREATE INDEX payment_received_idx ON payment (received_at DESC, id DESC);
CREATE INDEX payment_customer_idx ON payment (customer_id, received_at DESC, id DESC);
CREATE INDEX payment_method_idx ON payment (method, received_at DESC, id DESC);
CREATE INDEX payment_received_by_idx ON payment (received_by, received_at DESC, id DESC);
CREATE INDEX payment_void_idx ON payment (received_at DESC, id DESC) WHERE status = 'void';
CREATE INDEX payment_shift_idx ON payment (shift_id) WHERE shift_id IS NOT NULL;
CREATE INDEX payment_credit_idx ON payment (customer_id, received_at) WHERE status = 'valid' AND allocated_amount + refunded_amount < amount;

-- Which money paid which period. Taken back by a row of its own with the negative amount.
CREATE TABLE payment_allocation (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payment (id),
    subscription_id uuid NOT NULL REFERENCES subscription (id),
    amount numeric(12, 2) NOT NULL CHECK (amount <> 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
-- Whole, so that reports over many payments need not look into the table.
CREATE INDEX payment_allocation_payment_idx ON payment_allocation (payment_id) INCLUDE (subscription_id, amount);
CREATE INDEX payment_allocation_subscription_idx ON payment_allocation (subscription_id);

CREATE TABLE refund (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payment (id),
    customer_id uuid NOT NULL REFERENCES customer (id),
    amount numeric(12, 2) NOT NULL CHECK (amount > 0),
    method text NOT NULL CHECK (method IN ('cash', 'gcash', 'maya', 'bank', 'card', 'other')),
    reference text CHECK (length(reference) BETWEEN 1 AND 100),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    refunded_by uuid REFERENCES staff (id),
    refunded_by_label text NOT NULL,
    shift_id uuid REFERENCES cash_shift (id),
    refunded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refund_payment_idx ON refund (payment_id);
CREATE INDEX refund_refunded_idx ON refund (refunded_at DESC, id DESC);
CREATE INDEX refund_shift_idx ON refund (shift_id) WHERE shift_id IS NOT NULL;

-- One row per customer: whoever writes the ledger holds it.
CREATE TABLE customer_account (
    customer_id uuid PRIMARY KEY REFERENCES customer (id),
    -- What the customer owes; negative is credit.
    balance numeric(14, 2) NOT NULL DEFAULT 0,
    entries bigint NOT NULL DEFAULT 0,
    -- The earliest period, by its start, that anything was paid for: what tells new customers' money from renewals.
    first_paid_id uuid REFERENCES subscription (id)
);
CREATE INDEX customer_account_owing_idx ON customer_account (balance DESC, customer_id) WHERE balance > 0;

-- Append-only. A charge raises what the customer owes, money lowers it.
CREATE TABLE ledger_entry (
    customer_id uuid NOT NULL REFERENCES customer (id),
    position bigint NOT NULL,
    id uuid NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('charge', 'payment', 'void', 'refund', 'credit')),
    amount numeric(12, 2) NOT NULL,
    balance numeric(14, 2) NOT NULL,
    subscription_id uuid REFERENCES subscription (id),
    payment_id uuid REFERENCES payment (id),
    refund_id uuid REFERENCES refund (id),
    description text NOT NULL CHECK (length(description) BETWEEN 1 AND 300),
    occurred_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (customer_id, position)
);
CREATE INDEX ledger_entry_occurred_idx ON ledger_entry (occurred_at DESC, id DESC);

-- A logo that a receipt was printed with, by its digest: receipts keep theirs when the company changes its own.
CREATE TABLE receipt_logo (
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    content bytea NOT NULL
);

-- A receipt is issued once and never changes: all that it prints is in it.
CREATE TABLE receipt (
    id uuid PRIMARY KEY,
    series text NOT NULL,
    number bigint NOT NULL,
    -- As it is printed, such as AR-2026-11-21-0001.
    label text NOT NULL UNIQUE,
    payment_id uuid NOT NULL UNIQUE REFERENCES payment (id),
    customer_id uuid NOT NULL REFERENCES customer (id),
    issued_at timestamptz NOT NULL,
    printed jsonb NOT NULL,
    logo bytea REFERENCES receipt_logo (digest),
    -- In the address that its QR code names; says nothing by itself.
    verification_code text NOT NULL UNIQUE,
    UNIQUE (series, number)
);
CREATE INDEX receipt_issued_idx ON receipt (issued_at DESC, id DESC);
CREATE INDEX receipt_customer_idx ON receipt (customer_id, issued_at DESC);
