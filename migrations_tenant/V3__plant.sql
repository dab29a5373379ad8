-- The fibre plant: cabinets (LCP), splitters in a tree below them, boxes at the street (NAP), and the ports of those.

-- How light is counted, for the whole tenant.
CREATE TABLE plant_policy (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    fibre_1310_db_km numeric(4, 3) NOT NULL DEFAULT 0.35 CHECK (fibre_1310_db_km BETWEEN 0 AND 5),
    fibre_1490_db_km numeric(4, 3) NOT NULL DEFAULT 0.25 CHECK (fibre_1490_db_km BETWEEN 0 AND 5),
    fibre_1550_db_km numeric(4, 3) NOT NULL DEFAULT 0.22 CHECK (fibre_1550_db_km BETWEEN 0 AND 5),
    connector_db numeric(4, 3) NOT NULL DEFAULT 0.3 CHECK (connector_db BETWEEN 0 AND 5),
    splice_db numeric(4, 3) NOT NULL DEFAULT 0.1 CHECK (splice_db BETWEEN 0 AND 5),
    -- What a path has when nobody wrote down what it has.
    usual_connectors smallint NOT NULL DEFAULT 4 CHECK (usual_connectors BETWEEN 0 AND 50),
    usual_splices smallint NOT NULL DEFAULT 6 CHECK (usual_splices BETWEEN 0 AND 200),
    -- A margin from here on is green; below it amber; below nothing red.
    green_margin_db numeric(4, 2) NOT NULL DEFAULT 3 CHECK (green_margin_db BETWEEN 0 AND 20),
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO plant_policy DEFAULT VALUES;

CREATE TABLE lcp (
    id uuid PRIMARY KEY,
    code text NOT NULL CHECK (length(code) BETWEEN 1 AND 50),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    location text CHECK (length(location) <= 255),
    area_id uuid REFERENCES area (id),
    is_active boolean NOT NULL DEFAULT true,
    notes text CHECK (length(notes) <= 5000),
    coverage_radius_m integer NOT NULL DEFAULT 1000 CHECK (coverage_radius_m BETWEEN 0 AND 50000),
    olt_name text CHECK (length(olt_name) <= 100),
    olt_class text NOT NULL DEFAULT 'b_plus' CHECK (olt_class IN ('b_plus', 'c_plus', 'n1', 'n2')),
    olt_tx_dbm numeric(4, 2) NOT NULL DEFAULT 3 CHECK (olt_tx_dbm BETWEEN -10 AND 15),
    -- From the OLT to here. Connectors and splices are those of this stretch; none when nobody counted them.
    fibre_m integer NOT NULL DEFAULT 0 CHECK (fibre_m BETWEEN 0 AND 100000),
    connectors smallint CHECK (connectors BETWEEN 0 AND 50),
    splices smallint CHECK (splices BETWEEN 0 AND 200),
    latitude numeric(10, 7) CHECK (latitude BETWEEN -90 AND 90),
    longitude numeric(10, 7) CHECK (longitude BETWEEN -180 AND 180),
    location_accuracy text NOT NULL DEFAULT 'manual' CHECK (location_accuracy IN ('exact', 'approximate', 'address', 'manual')),
    location_notes text CHECK (length(location_notes) <= 255),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);
CREATE UNIQUE INDEX lcp_code_key ON lcp (lower(code));
CREATE UNIQUE INDEX lcp_name_key ON lcp (lower(name));
CREATE INDEX lcp_area_idx ON lcp (area_id);

-- A splitter hangs on its LCP, or on an output of another splitter of the same LCP. The depth makes a cycle impossible: a
-- splitter's parent is always one step higher.
CREATE TABLE splitter (
    id uuid PRIMARY KEY,
    lcp_id uuid NOT NULL REFERENCES lcp (id),
    parent_id uuid,
    parent_output smallint,
    depth smallint NOT NULL CHECK (depth BETWEEN 1 AND 4),
    parent_depth smallint GENERATED ALWAYS AS (depth - 1) STORED,
    -- What hangs on an output of the parent: see splitter_output.feeds.
    hangs_as text GENERATED ALWAYS AS ('splitter') STORED,
    code text NOT NULL CHECK (length(code) BETWEEN 1 AND 50),
    -- 1:2 to 1:128 divide evenly; a tap has a loss of its own at each output.
    type text NOT NULL CHECK (type IN ('1:2', '1:4', '1:8', '1:16', '1:32', '1:64', '1:128', 'tap')),
    outputs smallint NOT NULL CHECK (outputs BETWEEN 2 AND 128),
    location text CHECK (length(location) <= 100),
    is_active boolean NOT NULL DEFAULT true,
    -- From the parent to here.
    fibre_m integer NOT NULL DEFAULT 0 CHECK (fibre_m BETWEEN 0 AND 100000),
    connectors smallint CHECK (connectors BETWEEN 0 AND 50),
    splices smallint CHECK (splices BETWEEN 0 AND 200),
    latitude numeric(10, 7) CHECK (latitude BETWEEN -90 AND 90),
    longitude numeric(10, 7) CHECK (longitude BETWEEN -180 AND 180),
    location_accuracy text NOT NULL DEFAULT 'manual' CHECK (location_accuracy IN ('exact', 'approximate', 'address', 'manual')),
    location_notes text CHECK (length(location_notes) <= 255),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, depth, lcp_id),
    UNIQUE (id, outputs),
    CONSTRAINT splitter_outputs_of_type CHECK (type = 'tap' OR outputs = split_part(type, ':', 2)::smallint),
    CHECK ((parent_id IS NULL) = (depth = 1)),
    CHECK ((parent_id IS NULL) = (parent_output IS NULL)),
    CHECK ((latitude IS NULL) = (longitude IS NULL)),
    -- Checked at the end of the transaction, so that a whole branch can move in one statement.
    CONSTRAINT splitter_parent_fkey FOREIGN KEY (parent_id, parent_depth, lcp_id) REFERENCES splitter (id, depth, lcp_id)
        DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX splitter_code_key ON splitter (lcp_id, lower(code));
CREATE UNIQUE INDEX splitter_parent_output_key ON splitter (parent_id, parent_output);

-- One row per output: what it loses, and what may hang on it. Several NAPs may share one output, a splitter has one alone.
CREATE TABLE splitter_output (
    splitter_id uuid NOT NULL,
    number smallint NOT NULL CHECK (number >= 1),
    -- How many the splitter has: no output beyond them.
    outputs smallint NOT NULL,
    loss_db numeric(5, 2) NOT NULL CHECK (loss_db BETWEEN 0 AND 60),
    feeds text NOT NULL DEFAULT 'nap' CHECK (feeds IN ('nap', 'splitter')),
    PRIMARY KEY (splitter_id, number),
    UNIQUE (splitter_id, number, feeds),
    CONSTRAINT splitter_output_within_outputs CHECK (number <= outputs),
    FOREIGN KEY (splitter_id, outputs) REFERENCES splitter (id, outputs) ON DELETE CASCADE ON UPDATE CASCADE
);
ALTER TABLE splitter ADD CONSTRAINT splitter_parent_output_fkey FOREIGN KEY (parent_id, parent_output, hangs_as)
    REFERENCES splitter_output (splitter_id, number, feeds) DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE nap (
    id uuid PRIMARY KEY,
    splitter_id uuid NOT NULL REFERENCES splitter (id),
    splitter_output smallint NOT NULL,
    hangs_as text GENERATED ALWAYS AS ('nap') STORED,
    code text NOT NULL CHECK (length(code) BETWEEN 1 AND 50),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    location text CHECK (length(location) <= 255),
    port_capacity smallint NOT NULL DEFAULT 8 CHECK (port_capacity IN (4, 8, 16, 24, 32)),
    is_active boolean NOT NULL DEFAULT true,
    notes text CHECK (length(notes) <= 5000),
    max_distance_m integer NOT NULL DEFAULT 100 CHECK (max_distance_m BETWEEN 0 AND 10000),
    -- From the splitter to here.
    fibre_m integer NOT NULL DEFAULT 0 CHECK (fibre_m BETWEEN 0 AND 100000),
    connectors smallint CHECK (connectors BETWEEN 0 AND 50),
    splices smallint CHECK (splices BETWEEN 0 AND 200),
    latitude numeric(10, 7) CHECK (latitude BETWEEN -90 AND 90),
    longitude numeric(10, 7) CHECK (longitude BETWEEN -180 AND 180),
    location_accuracy text NOT NULL DEFAULT 'manual' CHECK (location_accuracy IN ('exact', 'approximate', 'address', 'manual')),
    location_notes text CHECK (length(location_notes) <= 255),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, port_capacity),
    CHECK ((latitude IS NULL) = (longitude IS NULL)),
    CONSTRAINT nap_splitter_output_fkey FOREIGN KEY (splitter_id, splitter_output, hangs_as)
        REFERENCES splitter_output (splitter_id, number, feeds)
);
CREATE UNIQUE INDEX nap_code_key ON nap (splitter_id, lower(code));
CREATE INDEX nap_code_idx ON nap (lower(code), id);
CREATE INDEX nap_splitter_output_idx ON nap (splitter_id, splitter_output);
CREATE INDEX nap_place_idx ON nap (latitude, longitude) WHERE latitude IS NOT NULL;

-- A port is used when an installation that is not terminated holds it (see installation), and free when nothing else is said here.
CREATE TABLE nap_port (
    nap_id uuid NOT NULL,
    number smallint NOT NULL CHECK (number >= 1),
    -- How many the NAP has: no port beyond them, so that neither is an installation's.
    capacity smallint NOT NULL,
    is_faulty boolean NOT NULL DEFAULT false,
    reserved_until timestamptz,
    reserved_for uuid REFERENCES customer (id) ON DELETE SET NULL,
    note text CHECK (length(note) <= 255),
    PRIMARY KEY (nap_id, number),
    CONSTRAINT nap_port_within_capacity CHECK (number <= capacity),
    CHECK (reserved_until IS NOT NULL OR reserved_for IS NULL),
    FOREIGN KEY (nap_id, capacity) REFERENCES nap (id, port_capacity) ON DELETE CASCADE ON UPDATE CASCADE
);
-- The few that are not simply free or held.
CREATE INDEX nap_port_odd_idx ON nap_port (nap_id) WHERE is_faulty OR reserved_until IS NOT NULL;
CREATE INDEX nap_port_reserved_for_idx ON nap_port (reserved_for) WHERE reserved_for IS NOT NULL;
