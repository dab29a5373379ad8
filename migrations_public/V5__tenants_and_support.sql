-- What the console shows of tenants without entering them, and support access.

-- Sizes and counts as PostgreSQL's own statistics have them: measured now and then, never by a request.
CREATE TABLE public.tenant_figure (
    tenant_id uuid PRIMARY KEY REFERENCES public.tenant (id) ON DELETE CASCADE,
    bytes bigint NOT NULL,
    customers bigint NOT NULL,
    staff bigint NOT NULL,
    dead_letters bigint NOT NULL,
    -- How many rows the trail ever got: it grows with every change and every sign-in.
    events bigint NOT NULL,
    -- When it was last seen to have grown.
    active_at timestamptz,
    measured_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tenant_created_at_idx ON public.tenant (created_at DESC, id DESC);

-- Whether the tenant's owner lets the platform's people be let in at all.
ALTER TABLE public.tenant ADD COLUMN support_allowed boolean NOT NULL DEFAULT false;

-- A door that the owner opened for the platform's support, for a while.
CREATE TABLE public.support_grant (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES public.tenant (id) ON DELETE CASCADE,
    access text NOT NULL CHECK (access IN ('read', 'full')),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 300),
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by text,
    CHECK (expires_at > opened_at AND expires_at <= opened_at + interval '72 hours')
);
CREATE INDEX support_grant_tenant_idx ON public.support_grant (tenant_id, opened_at DESC);
CREATE INDEX support_grant_expires_at_idx ON public.support_grant (expires_at) WHERE ended_at IS NULL;

-- The way from the console to the portal's door: a code that counts once, for a minute.
CREATE TABLE public.support_entry (
    code_hash bytea PRIMARY KEY,
    grant_id uuid NOT NULL REFERENCES public.support_grant (id) ON DELETE CASCADE,
    staff_id uuid NOT NULL REFERENCES public.platform_staff (id),
    expires_at timestamptz NOT NULL
);

-- A stay in a portal under a grant. It counts while the grant does, and the person still may.
CREATE TABLE public.support_session (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    grant_id uuid NOT NULL REFERENCES public.support_grant (id) ON DELETE CASCADE,
    staff_id uuid NOT NULL REFERENCES public.platform_staff (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX support_session_grant_idx ON public.support_session (grant_id);
CREATE INDEX support_session_staff_idx ON public.support_session (staff_id) WHERE ended_at IS NULL;

-- An id in the order of time, as the program makes them: the log is read in that order.
CREATE FUNCTION public.time_id() RETURNS uuid
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 'hex')::uuid
$$;
REVOKE ALL ON FUNCTION public.time_id() FROM PUBLIC;

-- Whether the entered tenant lets support be let in, and the grant that is open.
CREATE FUNCTION gate.support_standing()
RETURNS TABLE (is_allowed boolean, grant_id uuid, access text, reason text, opened_by text, opened_at timestamptz, expires_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    RETURN QUERY SELECT t.support_allowed, g.id, g.access, g.reason, g.opened_by, g.opened_at, g.expires_at
    FROM public.tenant t LEFT JOIN LATERAL (
        SELECT o.id, o.access, o.reason, o.opened_by, o.opened_at, o.expires_at FROM public.support_grant o
        WHERE o.tenant_id = t.id AND o.ended_at IS NULL AND o.expires_at > now() ORDER BY o.opened_at DESC LIMIT 1) g ON true
    WHERE t.id = entered;
END $$;

CREATE FUNCTION gate.list_support_grants()
RETURNS TABLE (id uuid, access text, reason text, opened_by text, opened_at timestamptz, expires_at timestamptz, ended_at timestamptz,
    ended_by text, visitors text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    RETURN QUERY SELECT g.id, g.access, g.reason, g.opened_by, g.opened_at, g.expires_at, g.ended_at, g.ended_by,
        ARRAY(SELECT DISTINCT p.name FROM public.support_session s JOIN public.platform_staff p ON p.id = s.staff_id
            WHERE s.grant_id = g.id ORDER BY p.name)
    FROM public.support_grant g WHERE g.tenant_id = entered ORDER BY g.opened_at DESC LIMIT 50;
END $$;

-- Ends what is open of the entered tenant: the grant named, or all.
CREATE FUNCTION gate.end_support(of_grant uuid, by_whom text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant(); ended bigint;
BEGIN
    UPDATE public.support_grant g SET ended_at = now(), ended_by = by_whom
    WHERE g.tenant_id = entered AND (of_grant IS NULL OR g.id = of_grant) AND g.ended_at IS NULL AND g.expires_at > now();
    GET DIAGNOSTICS ended = ROW_COUNT;
    IF ended > 0 THEN
        INSERT INTO public.platform_event (id, actor, actor_kind, action, tenant_id, object_label)
        SELECT public.time_id(), by_whom, 'tenant', 'support.ended', t.id, t.name FROM public.tenant t WHERE t.id = entered;
    END IF;
    PERFORM pg_notify('lastmile_news', 'access:' || entered);
    RETURN ended;
END $$;

CREATE FUNCTION gate.allow_support(is_allowed boolean, by_whom text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    UPDATE public.tenant t SET support_allowed = is_allowed WHERE t.id = entered AND t.support_allowed <> is_allowed;
    IF FOUND THEN
        INSERT INTO public.platform_event (id, actor, actor_kind, action, tenant_id, object_label)
        SELECT public.time_id(), by_whom, 'tenant', CASE WHEN is_allowed THEN 'support.allowed' ELSE 'support.forbidden' END, t.id, t.name
        FROM public.tenant t WHERE t.id = entered;
    END IF;
    IF NOT is_allowed THEN
        PERFORM gate.end_support(NULL, by_whom);
    END IF;
    PERFORM pg_notify('lastmile_news', 'access:' || entered);
END $$;

-- Opens a grant; says why not: `off`, or `open` when one is.
CREATE FUNCTION gate.open_support(new_id uuid, new_access text, new_reason text, by_whom text, hours integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant(); is_allowed boolean;
BEGIN
    -- Of two at once the second sees what the first opened.
    SELECT t.support_allowed INTO is_allowed FROM public.tenant t WHERE t.id = entered FOR UPDATE;
    IF NOT is_allowed THEN
        RETURN 'off';
    END IF;
    IF EXISTS (SELECT FROM public.support_grant g WHERE g.tenant_id = entered AND g.ended_at IS NULL AND g.expires_at > now()) THEN
        RETURN 'open';
    END IF;
    INSERT INTO public.support_grant (id, tenant_id, access, reason, opened_by, expires_at)
    VALUES (new_id, entered, new_access, new_reason, by_whom, now() + make_interval(hours => hours));
    INSERT INTO public.platform_event (id, actor, actor_kind, action, tenant_id, object_label, reason, detail)
    SELECT public.time_id(), by_whom, 'tenant', 'support.opened', t.id, t.name, new_reason,
        jsonb_build_object('access', new_access, 'hours', hours, 'grant', new_id)
    FROM public.tenant t WHERE t.id = entered;
    PERFORM pg_notify('lastmile_news', 'access:' || entered);
    RETURN 'opened';
END $$;

-- Redeems a code from the console, at the door of the tenant that it is for: a stay begins.
CREATE FUNCTION gate.enter_support(code bytea, new_session uuid, new_token bytea) RETURNS TABLE (grant_id uuid, name text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant(); of_grant uuid; of_staff uuid;
BEGIN
    DELETE FROM public.support_entry e USING public.support_grant g, public.platform_staff p, public.tenant t
    WHERE e.code_hash = code AND e.expires_at > now() AND g.id = e.grant_id AND g.tenant_id = entered AND g.ended_at IS NULL
        AND g.expires_at > now() AND t.id = g.tenant_id AND t.support_allowed
        AND p.id = e.staff_id AND p.is_active AND p.role IN ('super_admin', 'support_admin')
    RETURNING e.grant_id, e.staff_id INTO of_grant, of_staff;
    IF of_grant IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO public.support_session (id, token_hash, grant_id, staff_id) VALUES (new_session, new_token, of_grant, of_staff);
    RETURN QUERY SELECT of_grant, p.name FROM public.platform_staff p WHERE p.id = of_staff;
END $$;

-- The stay behind a cookie, while its grant counts and its person still may.
CREATE FUNCTION gate.support_session(token bytea)
RETURNS TABLE (session_id uuid, grant_id uuid, name text, email text, access text, expires_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    RETURN QUERY SELECT s.id, g.id, p.name, p.email, g.access, g.expires_at
    FROM public.support_session s JOIN public.support_grant g ON g.id = s.grant_id JOIN public.tenant t ON t.id = g.tenant_id
    JOIN public.platform_staff p ON p.id = s.staff_id
    WHERE s.token_hash = token AND s.ended_at IS NULL AND g.tenant_id = entered AND g.ended_at IS NULL AND g.expires_at > now()
        AND t.support_allowed AND p.is_active AND p.role IN ('super_admin', 'support_admin');
END $$;

CREATE FUNCTION gate.leave_support(of_session uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    UPDATE public.support_session s SET ended_at = now() FROM public.support_grant g
    WHERE s.id = of_session AND g.id = s.grant_id AND g.tenant_id = entered AND s.ended_at IS NULL;
    PERFORM pg_notify('lastmile_news', 'access:' || entered);
END $$;

-- What is done under a grant stands in the platform's log, too: which action on what kind of thing, and nothing of the data.
CREATE FUNCTION gate.note_support(of_grant uuid, by_whom text, what text, on_what text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    INSERT INTO public.platform_event (id, actor, actor_kind, actor_id, action, tenant_id, object_label, detail)
    SELECT public.time_id(), by_whom, 'support', g.id,
        left(CASE WHEN starts_with(what, 'support.') THEN what ELSE 'support.' || what END, 80), t.id, t.name,
        jsonb_build_object('grant', g.id, 'on', left(on_what, 60))
    FROM public.support_grant g JOIN public.tenant t ON t.id = g.tenant_id WHERE g.id = of_grant AND g.tenant_id = entered;
END $$;

REVOKE ALL ON FUNCTION gate.support_standing(), gate.list_support_grants(), gate.end_support(uuid, text),
    gate.allow_support(boolean, text), gate.open_support(uuid, text, text, text, integer), gate.enter_support(bytea, uuid, bytea),
    gate.support_session(bytea), gate.leave_support(uuid), gate.note_support(uuid, text, text, text) FROM PUBLIC;

-- How the deployment is run: one row.
CREATE TABLE public.platform_setting (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    -- Whoever wants to; after somebody of the platform said yes; nobody.
    signups text NOT NULL DEFAULT 'open' CHECK (signups IN ('open', 'approval', 'closed'))
);
INSERT INTO public.platform_setting DEFAULT VALUES;

-- Sign-ups that wait for a decision, and what became of them. The id becomes the tenant's.
CREATE TABLE public.signup_request (
    id uuid PRIMARY KEY,
    slug text NOT NULL,
    company_name text NOT NULL,
    owner_name text NOT NULL,
    owner_email text NOT NULL,
    -- Erased with the decision.
    password_hash text,
    time_zone text NOT NULL,
    currency text NOT NULL,
    country text NOT NULL,
    key_hash bytea,
    request_hash bytea NOT NULL,
    answer jsonb NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected')),
    reason text NOT NULL DEFAULT '',
    decided_by text,
    decided_at timestamptz,
    address text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (status <> 'pending' OR password_hash IS NOT NULL)
);
CREATE UNIQUE INDEX signup_request_slug_key ON public.signup_request (lower(slug)) WHERE status = 'pending';
CREATE UNIQUE INDEX signup_request_key_hash_key ON public.signup_request (key_hash) WHERE key_hash IS NOT NULL;
CREATE INDEX signup_request_created_at_idx ON public.signup_request (created_at DESC, id DESC);

-- Letters of the platform itself. The body is sealed with the deployment's own key.
CREATE TABLE public.platform_mail (
    id uuid PRIMARY KEY,
    recipient text NOT NULL,
    subject text NOT NULL,
    sealed_body bytea,
    status text NOT NULL CHECK (status IN ('queued', 'sent', 'refused', 'unknown')),
    failure text,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    send_before timestamptz NOT NULL,
    sent_at timestamptz
);
CREATE INDEX platform_mail_due_at_idx ON public.platform_mail (due_at) WHERE status = 'queued';
