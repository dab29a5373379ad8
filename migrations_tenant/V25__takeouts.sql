-- What an owner takes along: all that is the provider's, as one file, for a week.

CREATE TABLE takeout (
    id uuid PRIMARY KEY,
    -- readable: CSV, JSON and files. archive: what another deployment takes in.
    kind text NOT NULL CHECK (kind IN ('readable', 'archive')),
    -- gone: it was made, and its time is over or somebody removed it.
    status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'made', 'failed', 'gone')),
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    -- Opens an archive elsewhere. Nobody needs it here once the archive is made.
    sealed_passphrase bytea,
    finished_at timestamptz,
    expires_at timestamptz,
    size_bytes bigint,
    row_count bigint,
    sha256 bytea,
    failure text,
    CHECK (sealed_passphrase IS NULL OR status = 'waiting'),
    CHECK ((status = 'waiting') = (finished_at IS NULL)),
    CHECK ((status = 'failed') = (failure IS NOT NULL)),
    CHECK (status <> 'made' OR (expires_at IS NOT NULL AND size_bytes IS NOT NULL AND sha256 IS NOT NULL))
);
-- One is made at a time.
CREATE UNIQUE INDEX takeout_waiting_key ON takeout ((true)) WHERE status = 'waiting';

-- A takeout's bytes, a mebibyte each, packed already.
CREATE TABLE takeout_part (
    takeout_id uuid NOT NULL REFERENCES takeout (id) ON DELETE CASCADE,
    position integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (takeout_id, position)
);
ALTER TABLE takeout_part ALTER content SET STORAGE EXTERNAL;
