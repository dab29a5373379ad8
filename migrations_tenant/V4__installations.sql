-- Routers as inventory, installations at customers' places, and the visits of technicians.

CREATE TABLE router (
    id uuid PRIMARY KEY,
    brand text NOT NULL CHECK (length(brand) BETWEEN 1 AND 50),
    model text CHECK (length(model) <= 100),
    serial_number text NOT NULL CHECK (length(serial_number) BETWEEN 1 AND 100),
    -- The one canonical form: upper case, with colons.
    mac_address text NOT NULL CHECK (mac_address ~ '^([0-9A-F]{2}:){5}[0-9A-F]{2}$'),
    state text NOT NULL DEFAULT 'in_stock' CHECK (state IN ('in_stock', 'assigned', 'returned', 'faulty', 'retired')),
    notes text CHECK (length(notes) <= 5000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- The MAC both with and without its colons, so that it is found however it is typed.
    search_text text NOT NULL GENERATED ALWAYS AS (
        lower(brand || ' ' || coalesce(model, '') || ' ' || serial_number || ' ' || mac_address || ' ' || replace(mac_address, ':', ''))
    ) STORED
);
CREATE UNIQUE INDEX router_serial_key ON router (lower(serial_number));
CREATE UNIQUE INDEX router_mac_key ON router (mac_address);
CREATE INDEX router_created_idx ON router (created_at DESC, id DESC);
CREATE INDEX router_state_idx ON router (state, created_at DESC, id DESC);
CREATE INDEX router_search_idx ON router USING gin (search_text ext.gin_trgm_ops);

CREATE TABLE installation (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customer (id),
    -- scheduled: not there yet; active: a period runs; inactive: none does; suspended and terminated: by a person.
    status text NOT NULL DEFAULT 'scheduled' CHECK (status IN ('scheduled', 'active', 'inactive', 'suspended', 'terminated')),
    nap_id uuid,
    nap_port smallint,
    router_id uuid REFERENCES router (id),
    technician_id uuid REFERENCES staff (id),
    -- Its place; the customer's own when nothing is said.
    street_address text CHECK (length(street_address) <= 255),
    area_id uuid REFERENCES area (id),
    latitude numeric(10, 7) CHECK (latitude BETWEEN -90 AND 90),
    longitude numeric(10, 7) CHECK (longitude BETWEEN -180 AND 180),
    location_accuracy text NOT NULL DEFAULT 'manual' CHECK (location_accuracy IN ('exact', 'approximate', 'address', 'manual')),
    location_notes text CHECK (length(location_notes) <= 255),
    -- The drop, from the NAP to the house.
    drop_m integer CHECK (drop_m BETWEEN 0 AND 10000),
    drop_connectors smallint CHECK (drop_connectors BETWEEN 0 AND 50),
    drop_splices smallint CHECK (drop_splices BETWEEN 0 AND 200),
    installed_on date,
    -- The end of the last period that was sold and not cancelled; billing writes it.
    paid_until timestamptz,
    terminated_at timestamptz,
    -- What it held until then, in words: the port and the router are others' now.
    held_port text CHECK (length(held_port) <= 300),
    held_router text CHECK (length(held_router) <= 300),
    termination_reason text CHECK (length(termination_reason) <= 500),
    notes text CHECK (length(notes) <= 5000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((nap_id IS NULL) = (nap_port IS NULL)),
    CHECK ((latitude IS NULL) = (longitude IS NULL)),
    CHECK ((status = 'terminated') = (terminated_at IS NOT NULL)),
    CHECK (status IN ('scheduled', 'terminated') OR installed_on IS NOT NULL),
    -- What was terminated holds neither port nor router.
    CHECK (status <> 'terminated' OR (nap_id IS NULL AND router_id IS NULL)),
    -- Several hold one port over time, one at a time (below).
    CONSTRAINT installation_nap_port_fkey FOREIGN KEY (nap_id, nap_port) REFERENCES nap_port (nap_id, number)
);
-- One at a time on a port, and one with a router.
CREATE UNIQUE INDEX installation_port_key ON installation (nap_id, nap_port);
CREATE UNIQUE INDEX installation_router_key ON installation (router_id);
CREATE INDEX installation_customer_idx ON installation (customer_id, created_at DESC);
CREATE INDEX installation_created_idx ON installation (created_at DESC, id DESC);
CREATE INDEX installation_status_idx ON installation (status, created_at DESC, id DESC);
CREATE INDEX installation_paid_until_idx ON installation (paid_until, id) WHERE status IN ('active', 'inactive');
CREATE INDEX installation_technician_idx ON installation (technician_id, installed_on);
CREATE INDEX installation_area_idx ON installation (area_id) WHERE area_id IS NOT NULL;
CREATE INDEX installation_installed_idx ON installation (installed_on);
CREATE INDEX installation_place_idx ON installation (latitude, longitude) WHERE status <> 'terminated' AND latitude IS NOT NULL;

-- What files brought of installations, beside customers: how many were made, and how many periods were brought forward.
ALTER TABLE customer_import
    ADD COLUMN rows_connected integer NOT NULL DEFAULT 0,
    ADD COLUMN rows_brought integer NOT NULL DEFAULT 0;

-- Where a router was, and what became of it.
CREATE TABLE router_move (
    id uuid PRIMARY KEY,
    router_id uuid NOT NULL REFERENCES router (id) ON DELETE CASCADE,
    from_state text,
    to_state text NOT NULL,
    installation_id uuid REFERENCES installation (id),
    note text CHECK (length(note) <= 500),
    moved_by text NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX router_move_router_idx ON router_move (router_id, id DESC);
CREATE INDEX router_move_installation_idx ON router_move (installation_id) WHERE installation_id IS NOT NULL;

-- Somebody goes there: to install, to repair, to look, to fetch.
CREATE TABLE visit (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('installation', 'repair', 'survey', 'pickup', 'other')),
    customer_id uuid NOT NULL REFERENCES customer (id),
    installation_id uuid REFERENCES installation (id),
    -- The ticket that asks for it; tickets refer back by it.
    ticket_id uuid,
    technician_id uuid REFERENCES staff (id),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'planned' CHECK (status IN ('planned', 'done', 'missed', 'cancelled')),
    note text CHECK (length(note) <= 2000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (ends_at > starts_at)
);
CREATE INDEX visit_starts_idx ON visit (starts_at, id);
CREATE INDEX visit_technician_idx ON visit (technician_id, starts_at);
CREATE INDEX visit_installation_idx ON visit (installation_id) WHERE installation_id IS NOT NULL;
CREATE INDEX visit_customer_idx ON visit (customer_id, starts_at);
CREATE INDEX visit_ticket_idx ON visit (ticket_id) WHERE ticket_id IS NOT NULL;
