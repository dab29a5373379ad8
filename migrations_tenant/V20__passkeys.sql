-- Passkeys: keys that a device keeps for one host, and uses only after a finger, a face or a PIN. And how long ago somebody showed
-- that it is them.

CREATE TABLE passkey (
    id uuid PRIMARY KEY,
    staff_id uuid NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    credential_id bytea NOT NULL CONSTRAINT passkey_credential_key UNIQUE,
    -- It counts at this host and at no other.
    host text NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    -- The public key, and the counter that was seen last. Nothing of it is secret.
    credential jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    -- Its counter went back, as that of a copy does: it opens nothing any more.
    suspected_at timestamptz
);
CREATE INDEX passkey_staff_idx ON passkey (staff_id, created_at);

-- What a device was asked to sign. Each counts once, for a few minutes, at one host and for one thing.
CREATE TABLE passkey_challenge (
    token_hash bytea PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('add', 'accept', 'sign_in', 'second_step', 'proof')),
    -- Nobody's when it is to say who it is.
    staff_id uuid REFERENCES staff (id) ON DELETE CASCADE,
    host text NOT NULL,
    state jsonb NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX passkey_challenge_expiry_idx ON passkey_challenge (expires_at);

-- Set for those who accepted their invitation without choosing a password.
ALTER TABLE staff ADD COLUMN accepted_at timestamptz;

-- When the person last showed that it is them; since the stay began when it is null.
ALTER TABLE portal_session ADD COLUMN proved_at timestamptz;
