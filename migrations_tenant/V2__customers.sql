CREATE TABLE area (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    code text CHECK (length(code) BETWEEN 1 AND 20),
    description text NOT NULL DEFAULT '',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX area_name_key ON area (lower(name));
CREATE UNIQUE INDEX area_code_key ON area (lower(code));

CREATE TABLE customer (
    id uuid PRIMARY KEY,
    -- What the ISP's own books call this customer.
    reference text CHECK (length(reference) BETWEEN 1 AND 50),
    first_name text NOT NULL CHECK (length(first_name) BETWEEN 1 AND 100),
    last_name text NOT NULL CHECK (length(last_name) BETWEEN 1 AND 100),
    email text CHECK (length(email) <= 254),
    phone_primary text CHECK (length(phone_primary) <= 20),
    street_address text CHECK (length(street_address) <= 255),
    area_id uuid REFERENCES area (id),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'suspended', 'terminated')),
    notes text CHECK (length(notes) <= 5000),
    latitude numeric(10, 7) CHECK (latitude BETWEEN -90 AND 90),
    longitude numeric(10, 7) CHECK (longitude BETWEEN -180 AND 180),
    location_accuracy text NOT NULL DEFAULT 'manual' CHECK (location_accuracy IN ('exact', 'approximate', 'address', 'manual')),
    location_notes text CHECK (length(location_notes) <= 255),
    merged_into uuid REFERENCES customer (id),
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- What the search looks through; written with the row.
    search_text text NOT NULL GENERATED ALWAYS AS (
        lower(first_name || ' ' || last_name || ' ' || coalesce(email, '') || ' ' || coalesce(phone_primary, '') || ' '
            || coalesce(reference, '') || ' ' || coalesce(street_address, ''))
    ) STORED,
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);
CREATE UNIQUE INDEX customer_email_key ON customer (lower(email)) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX customer_reference_key ON customer (lower(reference)) WHERE deleted_at IS NULL;
CREATE INDEX customer_created_idx ON customer (created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX customer_updated_idx ON customer (updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX customer_deleted_idx ON customer (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX customer_name_idx ON customer (lower(last_name), lower(first_name), id) WHERE deleted_at IS NULL;
CREATE INDEX customer_status_idx ON customer (status, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX customer_area_idx ON customer (area_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX customer_phone_idx ON customer (phone_primary) WHERE deleted_at IS NULL;
CREATE INDEX customer_place_idx ON customer (latitude, longitude) WHERE deleted_at IS NULL AND latitude IS NOT NULL;
CREATE INDEX customer_search_idx ON customer USING gin (search_text ext.gin_trgm_ops) WHERE deleted_at IS NULL;

-- One upload of customers: the file, the choices made for it, how far it came.
CREATE TABLE customer_import (
    id uuid PRIMARY KEY,
    -- None once the file was forgotten.
    file_id uuid REFERENCES file (id),
    file_name text NOT NULL,
    encoding text NOT NULL,
    delimiter text,
    header text[] NOT NULL,
    -- The first rows, so that a page need not read the file again.
    sample jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('mapping', 'queued', 'running', 'finished', 'failed', 'cancelled')),
    is_dry_run boolean NOT NULL DEFAULT false,
    mapping jsonb NOT NULL DEFAULT '{}',
    match_by text NOT NULL DEFAULT 'any' CHECK (match_by IN ('any', 'reference', 'email', 'phone_name')),
    -- What to do with a row that matches a customer who is already here.
    on_match text NOT NULL DEFAULT 'update' CHECK (on_match IN ('update', 'skip')),
    default_status text NOT NULL DEFAULT 'active' CHECK (default_status IN ('active', 'inactive', 'suspended', 'terminated')),
    creates_areas boolean NOT NULL DEFAULT false,
    rows_total integer NOT NULL DEFAULT 0,
    rows_done integer NOT NULL DEFAULT 0,
    rows_created integer NOT NULL DEFAULT 0,
    rows_updated integer NOT NULL DEFAULT 0,
    rows_unchanged integer NOT NULL DEFAULT 0,
    rows_failed integer NOT NULL DEFAULT 0,
    failure text,
    created_by uuid REFERENCES staff (id),
    created_by_label text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz
);

CREATE TABLE customer_import_error (
    import_id uuid NOT NULL REFERENCES customer_import (id) ON DELETE CASCADE,
    line integer NOT NULL,
    errors jsonb NOT NULL,
    cells jsonb NOT NULL,
    PRIMARY KEY (import_id, line)
);

-- Which customer which line of the file turned out to be, so that no second line is taken for the same one.
CREATE TABLE customer_import_match (
    import_id uuid NOT NULL REFERENCES customer_import (id) ON DELETE CASCADE,
    customer_id uuid NOT NULL REFERENCES customer (id) ON DELETE CASCADE,
    line integer NOT NULL,
    PRIMARY KEY (import_id, customer_id)
);
CREATE INDEX customer_import_match_customer_idx ON customer_import_match (customer_id);
