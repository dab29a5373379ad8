-- Reports that are made by themselves, and their files.

CREATE TABLE report_schedule (
    id uuid PRIMARY KEY,
    -- The name of a report of the catalogue.
    report text NOT NULL CHECK (length(report) BETWEEN 1 AND 60),
    format text NOT NULL CHECK (format IN ('csv', 'xlsx')),
    area_id uuid REFERENCES area (id) ON DELETE SET NULL,
    every text NOT NULL CHECK (every IN ('day', 'week', 'month')),
    -- The hour on the tenant's clocks.
    at_hour smallint NOT NULL CHECK (at_hour BETWEEN 0 AND 23),
    -- Monday is 1. The day of the month is one that every month has.
    weekday smallint CHECK (weekday BETWEEN 1 AND 7),
    month_day smallint CHECK (month_day BETWEEN 1 AND 28),
    is_active boolean NOT NULL DEFAULT true,
    -- Occurrences before this instant are nobody's: it did not stand then, or stood otherwise.
    stands_since timestamptz NOT NULL DEFAULT now(),
    -- The local day of the last occurrence that was made.
    made_on date,
    failure text,
    created_by_label text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((weekday IS NOT NULL) = (every = 'week')),
    CHECK ((month_day IS NOT NULL) = (every = 'month'))
);
CREATE INDEX report_schedule_created_idx ON report_schedule (created_at, id);

CREATE TABLE report_file (
    id uuid PRIMARY KEY,
    -- None when the schedule was deleted.
    schedule_id uuid REFERENCES report_schedule (id) ON DELETE SET NULL,
    -- The occurrence that it was made for.
    due_on date NOT NULL,
    report text NOT NULL,
    from_on date NOT NULL,
    to_on date NOT NULL,
    file_id uuid NOT NULL REFERENCES file (id),
    file_name text NOT NULL,
    size_bytes bigint NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
-- Once per occurrence.
CREATE UNIQUE INDEX report_file_occurrence_key ON report_file (schedule_id, due_on);
CREATE INDEX report_file_made_idx ON report_file (made_at DESC, id DESC);

-- Of each customer, which paid period was the first one.
CREATE INDEX subscription_first_paid_idx ON subscription (customer_id, starts_at, id) WHERE paid_amount > 0;
