-- The control plane: which tenants there are, where they live, and what is due. Never a tenant's own data.
-- Run by the owner role. The role names are put in by tenancy/roles.rs before this runs (see the grants there).

CREATE TABLE public.tenant (
    id uuid PRIMARY KEY,
    slug text NOT NULL CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) BETWEEN 3 AND 40 AND slug !~ '^xn--'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    schema_name text NOT NULL CHECK (schema_name ~ '^t_[a-z2-7]{12}$'),
    shard smallint NOT NULL,
    status text NOT NULL CHECK (status IN ('provisioning', 'active', 'suspended', 'closing', 'closed')),
    time_zone text NOT NULL,
    currency text NOT NULL,
    country text NOT NULL,
    status_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    status_changed_at timestamptz NOT NULL DEFAULT now(),
    -- When a closing tenant's data goes; set while closing, kept on the tombstone.
    closes_at timestamptz,
    CHECK (status NOT IN ('closing', 'closed') OR closes_at IS NOT NULL)
);
-- A closed tenant keeps its slug: nobody may take over the links and bookmarks of another.
CREATE UNIQUE INDEX tenant_slug_key ON public.tenant (lower(slug));
CREATE UNIQUE INDEX tenant_schema_name_key ON public.tenant (schema_name);
CREATE INDEX tenant_closes_at_idx ON public.tenant (closes_at) WHERE status = 'closing';

CREATE TABLE public.tenant_domain (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES public.tenant (id),
    domain text NOT NULL CHECK (domain = lower(domain) AND length(domain) BETWEEN 4 AND 253),
    status text NOT NULL CHECK (status IN ('pending', 'proved', 'active', 'lost')),
    -- What the TXT record of _lastmile.<domain> must hold.
    proof_token text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    proved_at timestamptz,
    checked_at timestamptz,
    UNIQUE (tenant_id, domain)
);
CREATE UNIQUE INDEX tenant_domain_active_key ON public.tenant_domain (domain) WHERE status = 'active';

CREATE TABLE public.tenant_schema_state (
    schema_name text PRIMARY KEY,
    version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('current', 'migrating', 'failed')),
    error text,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Schemas made ahead. A row in state 'making' whose maker died is swept with whatever it left behind.
CREATE TABLE public.schema_pool (
    schema_name text PRIMARY KEY CHECK (schema_name ~ '^t_[a-z2-7]{12}$'),
    shard smallint NOT NULL,
    state text NOT NULL CHECK (state IN ('making', 'ready')),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.platform_staff (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text,
    role text NOT NULL CHECK (role IN ('super_admin', 'support_admin')),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX platform_staff_email_key ON public.platform_staff (lower(email));

-- A tenant's data keys, wrapped by a master key that never enters the database.
CREATE TABLE public.tenant_key (
    tenant_id uuid NOT NULL REFERENCES public.tenant (id),
    version integer NOT NULL CHECK (version > 0),
    master_version integer NOT NULL CHECK (master_version > 0),
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, version)
);

-- Sign-ups that were accepted, by their Idempotency-Key: the same request again gets the same answer.
CREATE TABLE public.signup (
    key_hash bytea PRIMARY KEY,
    request_hash bytea NOT NULL,
    tenant_id uuid NOT NULL REFERENCES public.tenant (id),
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX signup_created_at_idx ON public.signup (created_at);

-- What a tenant used of the deployment, per day.
CREATE TABLE public.usage (
    tenant_id uuid NOT NULL REFERENCES public.tenant (id),
    used_on date NOT NULL,
    metric text NOT NULL CHECK (length(metric) BETWEEN 1 AND 40),
    amount bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, used_on, metric)
);

-- Work that is due. It names the tenant and a row in the tenant's schema, and holds nothing of the tenant's.
CREATE TABLE public.job (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES public.tenant (id),
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 40),
    subject_id uuid NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    lease uuid,
    attempts integer NOT NULL DEFAULT 0
);
CREATE INDEX job_due_at_idx ON public.job (due_at);
CREATE INDEX job_tenant_idx ON public.job (tenant_id);

-- Anchors of the tenants' audit chains, kept outside the tenants' own schemas.
CREATE TABLE public.audit_anchor (
    tenant_id uuid NOT NULL REFERENCES public.tenant (id),
    sealed_to bigint NOT NULL,
    mac bytea NOT NULL,
    anchored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, sealed_to)
);

-- Appends to a tenant's chain of seals and anchors the new head, both or neither. The tenant's own role cannot write seals, so
-- what stands in a chain was put there by a holder of the anchor key or by the database's owner. A second sealer that comes in
-- between answers false and starts over; nobody waits, least of all the writers of events.
-- With is_adopted the head that is there is anchored for the first time: a chain that came with a restored schema.
CREATE FUNCTION public.seal_audit(of_tenant uuid, after_position bigint, event_ids uuid[], payload_digests bytea[],
    digests bytea[], chains bytea[], head_mac bytea, is_adopted boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE place text; head bigint; anchored bigint;
BEGIN
    SELECT t.schema_name INTO place FROM public.tenant t WHERE t.id = of_tenant AND t.status <> 'closed';
    IF place IS NULL OR NOT pg_try_advisory_xact_lock(hashtext('lastmile audit'), hashtext(place)) THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT coalesce(max(position), 0) FROM %I.audit_seal', place) INTO head;
    SELECT coalesce(max(a.sealed_to), 0) INTO anchored FROM public.audit_anchor a WHERE a.tenant_id = of_tenant;
    IF head <> after_position OR anchored <> (CASE WHEN is_adopted THEN 0 ELSE head END) THEN
        RETURN false;
    END IF;
    EXECUTE format('INSERT INTO %I.audit_seal (position, event_id, payload_digest, digest, chain)
        SELECT $1 + s.n, s.event_id, s.payload_digest, s.digest, s.chain
        FROM unnest($2, $3, $4, $5) WITH ORDINALITY AS s (event_id, payload_digest, digest, chain, n)', place)
    USING after_position, event_ids, payload_digests, digests, chains;
    -- One anchor a day is kept, and the newest.
    DELETE FROM public.audit_anchor a WHERE a.tenant_id = of_tenant AND a.anchored_at >= date_trunc('day', now());
    INSERT INTO public.audit_anchor (tenant_id, sealed_to, mac)
    VALUES (of_tenant, after_position + cardinality(event_ids), head_mac);
    RETURN true;
END $$;

-- Erases what sealed events say of a person: label, before, after, and the salt that would let their digest be guessed.
CREATE FUNCTION public.erase_audit_payloads(of_tenant uuid, event_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE place text; erased bigint;
BEGIN
    SELECT t.schema_name INTO STRICT place FROM public.tenant t WHERE t.id = of_tenant AND t.status <> 'closed';
    EXECUTE format('UPDATE %1$I.audit_event e SET before = NULL, after = NULL, object_label = '''', salt = '''', erased_at = now()
        WHERE e.id = ANY($1) AND e.erased_at IS NULL AND EXISTS (SELECT 1 FROM %1$I.audit_seal s WHERE s.event_id = e.id)', place)
    USING event_ids;
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;

-- What the platform's own people and programs did to tenants as accounts.
CREATE TABLE public.platform_event (
    id uuid PRIMARY KEY,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    tenant_id uuid REFERENCES public.tenant (id),
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX platform_event_tenant_idx ON public.platform_event (tenant_id, occurred_at DESC);

-- The gate: the only things outside its own schema that a tenant's role can reach. Each function takes the tenant from the
-- role that was entered (inside a definer function current_user is the definer), and refuses every other role.
CREATE FUNCTION gate.entered_tenant() RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid;
BEGIN
    SELECT id INTO entered FROM public.tenant
    WHERE schema_name = current_setting('role') AND status IN ('provisioning', 'active', 'suspended', 'closing');
    IF entered IS NULL THEN
        RAISE EXCEPTION 'no tenant was entered' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN entered;
END $$;

CREATE FUNCTION gate.enqueue_job(job_id uuid, job_kind text, job_subject uuid, job_due timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.job (id, tenant_id, kind, subject_id, due_at)
    VALUES (job_id, gate.entered_tenant(), job_kind, job_subject, job_due);
END $$;

-- NULL leaves a value as it is.
CREATE FUNCTION gate.set_company(new_name text, new_time_zone text, new_currency text, new_country text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    UPDATE public.tenant SET name = coalesce(new_name, name), time_zone = coalesce(new_time_zone, time_zone),
        currency = coalesce(new_currency, currency), country = coalesce(new_country, country)
    WHERE id = entered;
    PERFORM pg_notify('lastmile_news', 'tenant:' || entered);
END $$;

-- Rights, staff, keys or sessions of the entered tenant changed: every process forgets what it cached of them.
CREATE FUNCTION gate.tell_access_changed() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('lastmile_news', 'access:' || gate.entered_tenant());
END $$;

CREATE FUNCTION gate.list_domains()
RETURNS TABLE (id uuid, domain text, status text, proof_token text, created_at timestamptz, proved_at timestamptz, checked_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    RETURN QUERY SELECT d.id, d.domain, d.status, d.proof_token, d.created_at, d.proved_at, d.checked_at
    FROM public.tenant_domain d WHERE d.tenant_id = entered ORDER BY d.domain LIMIT 50;
END $$;

CREATE FUNCTION gate.add_domain(new_id uuid, new_domain text, new_token text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    INSERT INTO public.tenant_domain (id, tenant_id, domain, status, proof_token)
    VALUES (new_id, entered, new_domain, 'pending', new_token);
END $$;

-- The outcome of a look at the domain's TXT record: found makes it proved, absent makes an active one lost.
CREATE FUNCTION gate.record_domain_check(of_domain uuid, was_found boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant(); now_status text;
BEGIN
    UPDATE public.tenant_domain d SET
        checked_at = now(),
        proved_at = CASE WHEN was_found THEN now() ELSE d.proved_at END,
        status = CASE
            WHEN was_found AND d.status IN ('pending', 'lost') THEN 'proved'
            WHEN NOT was_found AND d.status = 'proved' THEN 'pending'
            WHEN NOT was_found AND d.status = 'active' THEN 'lost'
            ELSE d.status END
    WHERE d.id = of_domain AND d.tenant_id = entered RETURNING d.status INTO now_status;
    IF now_status = 'lost' THEN
        PERFORM pg_notify('lastmile_news', 'tenant:' || entered);
    END IF;
    RETURN now_status;
END $$;

CREATE FUNCTION gate.activate_domain(of_domain uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant(); now_status text;
BEGIN
    UPDATE public.tenant_domain d SET status = 'active'
    WHERE d.id = of_domain AND d.tenant_id = entered AND d.status IN ('proved', 'active') RETURNING d.status INTO now_status;
    PERFORM pg_notify('lastmile_news', 'tenant:' || entered);
    RETURN now_status;
END $$;

CREATE FUNCTION gate.remove_domain(of_domain uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant(); gone text;
BEGIN
    DELETE FROM public.tenant_domain d WHERE d.id = of_domain AND d.tenant_id = entered RETURNING d.domain INTO gone;
    PERFORM pg_notify('lastmile_news', 'tenant:' || entered);
    RETURN gone;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gate FROM PUBLIC;
