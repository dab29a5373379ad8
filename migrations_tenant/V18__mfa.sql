-- A second factor at sign-in: codes of an authenticator app, and codes for the day when the app is lost.

-- At most one for a person. It counts once its first code was confirmed.
CREATE TABLE totp (
    id uuid PRIMARY KEY,
    staff_id uuid NOT NULL CONSTRAINT totp_staff_key UNIQUE REFERENCES staff (id) ON DELETE CASCADE,
    sealed_secret bytea NOT NULL,
    confirmed_at timestamptz,
    -- The latest step of time whose code was taken: neither it nor an earlier one is taken again.
    last_step bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Each of them counts once. The hash is keyed with the secret, which is sealed: the rows alone let nobody guess.
CREATE TABLE recovery_code (
    totp_id uuid NOT NULL REFERENCES totp (id) ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (totp_id, code_hash)
);

-- Browsers between the password and the code. Only the hash of the cookie is kept.
CREATE TABLE sign_in_step (
    token_hash bytea PRIMARY KEY,
    staff_id uuid NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    -- A digest of the password's hash: another password since then, and the step leads nowhere.
    seen_password bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sign_in_step_staff_idx ON sign_in_step (staff_id);

-- Whoever has the role signs in with a second factor, and does nothing before it is set up.
ALTER TABLE role ADD COLUMN requires_mfa boolean NOT NULL DEFAULT false;
