-- People who were erased on request: that it was done, when, why and how much; not who they were.
CREATE TABLE erasure (
    id uuid PRIMARY KEY,
    -- ERA-2026-0001: what stands in the place of the name.
    number text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('customer', 'contact')),
    -- Nobody is erased twice.
    subject_id uuid NOT NULL CONSTRAINT erasure_subject_key UNIQUE,
    -- The rows that were this person: customers, with those that were merged into them, and contacts.
    people uuid[] NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    -- removing: the books, the trail and the search are still to come.
    status text NOT NULL DEFAULT 'removing' CHECK (status IN ('removing', 'clean', 'found')),
    -- [{table, what, rows}], in the order in which it was done.
    removed jsonb NOT NULL DEFAULT '[]',
    -- Of each name, number and address a code that only the tenant's key makes: it tells whether somebody was erased, not who.
    identity bytea[] NOT NULL,
    -- What is searched for. Gone with the search.
    sealed_words bytea,
    -- [{table, column, rows}]: where the person still stands.
    found jsonb NOT NULL DEFAULT '[]',
    tables_searched integer NOT NULL DEFAULT 0,
    searched_at timestamptz,
    CHECK ((status = 'removing') = (searched_at IS NULL)),
    CHECK ((status = 'removing') = (sealed_words IS NOT NULL))
);
CREATE INDEX erasure_asked_idx ON erasure (id DESC);
CREATE INDEX erasure_identity_idx ON erasure USING gin (identity);
