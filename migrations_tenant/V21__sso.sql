-- Signing in on the word of an OpenID Connect issuer that the tenant chose.

CREATE TABLE sso (
    id uuid PRIMARY KEY,
    is_only boolean NOT NULL DEFAULT true CONSTRAINT sso_only_key UNIQUE CHECK (is_only),
    preset text NOT NULL CHECK (preset IN ('google', 'microsoft', 'other')),
    issuer text NOT NULL,
    client_id text NOT NULL,
    sealed_secret bytea,
    -- Whose addresses are believed; in lower case, never empty.
    domains text[] NOT NULL,
    -- What somebody becomes who comes for the first time; nobody comes unknown when it is null.
    default_role_id uuid REFERENCES role (id) ON DELETE SET NULL,
    is_on boolean NOT NULL,
    -- No other door is open, but to owners.
    is_required boolean NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Who somebody is to an issuer. The address may change, this does not.
CREATE TABLE sso_identity (
    staff_id uuid PRIMARY KEY REFERENCES staff (id) ON DELETE CASCADE,
    issuer text NOT NULL,
    subject text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sso_identity_subject_key UNIQUE (issuer, subject)
);

-- Browsers that were sent to the issuer. Each comes back once, within ten minutes, and the same browser.
CREATE TABLE sso_attempt (
    state_hash bytea PRIMARY KEY,
    browser_hash bytea NOT NULL,
    host text NOT NULL,
    issuer text NOT NULL,
    nonce text NOT NULL,
    -- Of the code challenge (RFC 7636). Of no use without the code, which the browser brings.
    verifier text NOT NULL,
    next text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sso_attempt_expiry_idx ON sso_attempt (expires_at);
