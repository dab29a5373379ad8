-- The people who run the deployment, how they sign in, and the sealed log of what they did.

-- Read-only: sees everything of the console, changes nothing.
ALTER TABLE public.platform_staff DROP CONSTRAINT platform_staff_role_check;
ALTER TABLE public.platform_staff ADD CONSTRAINT platform_staff_role_check
    CHECK (role IN ('super_admin', 'support_admin', 'read_only'));
ALTER TABLE public.platform_staff
    ADD COLUMN last_signed_in_at timestamptz,
    ADD CONSTRAINT platform_staff_name_check CHECK (length(name) BETWEEN 1 AND 100);

-- The second factor, without which nothing opens. The secret is sealed with the deployment's own key.
CREATE TABLE public.platform_totp (
    staff_id uuid PRIMARY KEY REFERENCES public.platform_staff (id),
    sealed_secret bytea NOT NULL,
    -- The newest step whose code was taken: no code counts twice.
    last_step bigint NOT NULL DEFAULT 0,
    confirmed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.platform_recovery_code (
    staff_id uuid NOT NULL REFERENCES public.platform_totp (staff_id) ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (staff_id, code_hash)
);

CREATE TABLE public.platform_session (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    staff_id uuid NOT NULL REFERENCES public.platform_staff (id),
    -- Whether the second step was taken. Until then it opens nothing but that step.
    is_whole boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    address text,
    user_agent text
);
CREATE INDEX platform_session_staff_idx ON public.platform_session (staff_id);
CREATE INDEX platform_session_expires_at_idx ON public.platform_session (expires_at);

-- Single-use links by which somebody chooses a password.
CREATE TABLE public.platform_link (
    token_hash bytea PRIMARY KEY,
    staff_id uuid NOT NULL REFERENCES public.platform_staff (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX platform_link_staff_idx ON public.platform_link (staff_id);

CREATE TABLE public.platform_sign_in_failure (
    subject text PRIMARY KEY CHECK (length(subject) <= 320),
    failures integer NOT NULL,
    last_failed_at timestamptz NOT NULL,
    blocked_until timestamptz
);

-- The log says more: who it was, from where, on what, and why.
ALTER TABLE public.platform_event
    ADD COLUMN actor_kind text NOT NULL DEFAULT 'system'
        CHECK (actor_kind IN ('staff', 'command_line', 'system', 'anonymous', 'support', 'tenant')),
    ADD COLUMN actor_id uuid,
    ADD COLUMN object_label text NOT NULL DEFAULT '',
    ADD COLUMN reason text NOT NULL DEFAULT '',
    ADD COLUMN address text,
    ADD COLUMN request_id uuid,
    -- Who seals looks for events by the transaction that wrote them, so that a late commit is not passed over.
    ADD COLUMN written_by xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX platform_event_written_by_idx ON public.platform_event (written_by);

-- Its seals, chained as those of the tenants' trails are, and the anchors of the chain's head.
CREATE TABLE public.platform_seal (
    position bigint PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    payload_digest bytea NOT NULL,
    digest bytea NOT NULL,
    chain bytea NOT NULL
);
CREATE TABLE public.platform_anchor (
    sealed_to bigint PRIMARY KEY,
    mac bytea NOT NULL,
    anchored_at timestamptz NOT NULL DEFAULT now()
);

-- The only way by which seals are written. Another sealer that came first answers false.
CREATE FUNCTION public.seal_platform(after_position bigint, event_ids uuid[], payload_digests bytea[], digests bytea[],
    chains bytea[], head_mac bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE head bigint; anchored bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('lastmile audit'), hashtext('platform')) THEN
        RETURN false;
    END IF;
    SELECT coalesce(max(s.position), 0) INTO head FROM public.platform_seal s;
    SELECT coalesce(max(a.sealed_to), 0) INTO anchored FROM public.platform_anchor a;
    IF head <> after_position OR anchored <> head OR cardinality(event_ids) = 0 THEN
        RETURN false;
    END IF;
    INSERT INTO public.platform_seal (position, event_id, payload_digest, digest, chain)
    SELECT after_position + s.n, s.event_id, s.payload_digest, s.digest, s.chain
    FROM unnest(event_ids, payload_digests, digests, chains) WITH ORDINALITY AS s (event_id, payload_digest, digest, chain, n);
    -- One anchor a day is kept, and the newest.
    DELETE FROM public.platform_anchor a WHERE a.anchored_at >= date_trunc('day', now());
    INSERT INTO public.platform_anchor (sealed_to, mac) VALUES (after_position + cardinality(event_ids), head_mac);
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION public.seal_platform(bigint, uuid[], bytea[], bytea[], bytea[], bytea) FROM PUBLIC;
