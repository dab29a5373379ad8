-- Every web address that a provider has or had: those that it gave up lead to the one of now, and none is ever another's.

CREATE TABLE public.tenant_slug (
    slug text PRIMARY KEY CHECK (slug = lower(slug)),
    tenant_id uuid NOT NULL REFERENCES public.tenant (id),
    claimed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tenant_slug_tenant_idx ON public.tenant_slug (tenant_id);
INSERT INTO public.tenant_slug (slug, tenant_id, claimed_at) SELECT lower(t.slug), t.id, t.created_at FROM public.tenant t;

-- A claim is never given back: whoever wants an address in the moment in which it is given up finds it claimed all the same.
CREATE FUNCTION public.claim_slug() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.tenant_slug (slug, tenant_id) VALUES (lower(NEW.slug), NEW.id) ON CONFLICT (slug) DO NOTHING;
    IF (SELECT s.tenant_id FROM public.tenant_slug s WHERE s.slug = lower(NEW.slug)) IS DISTINCT FROM NEW.id THEN
        RAISE EXCEPTION 'this web address is another provider''s' USING ERRCODE = 'unique_violation', CONSTRAINT = 'tenant_slug_key';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION public.claim_slug() FROM PUBLIC;
CREATE TRIGGER slug_is_claimed AFTER INSERT OR UPDATE OF slug ON public.tenant
    FOR EACH ROW EXECUTE FUNCTION public.claim_slug();

-- The entered tenant takes another web address: `changed`, or why not: `same`, `taken`, `too_many`.
CREATE FUNCTION gate.change_slug(wanted text, by_whom text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant(); has text;
BEGIN
    SELECT t.slug INTO has FROM public.tenant t WHERE t.id = entered FOR UPDATE;
    IF has = wanted THEN
        RETURN 'same';
    ELSIF (SELECT count(*) FROM public.tenant_slug s WHERE s.tenant_id = entered AND s.slug <> wanted) > 10 THEN
        RETURN 'too_many';
    ELSIF EXISTS (SELECT FROM public.signup_request r WHERE r.status = 'pending' AND lower(r.slug) = wanted) THEN
        RETURN 'taken';
    END IF;
    BEGIN
        UPDATE public.tenant t SET slug = wanted WHERE t.id = entered;
    EXCEPTION WHEN unique_violation THEN
        RETURN 'taken';
    END;
    INSERT INTO public.platform_event (id, actor, actor_kind, action, tenant_id, object_label, detail)
    SELECT public.time_id(), by_whom, 'tenant', 'tenant.address_changed', t.id, t.name, jsonb_build_object('from', has, 'to', wanted)
    FROM public.tenant t WHERE t.id = entered;
    PERFORM pg_notify('lastmile_news', 'tenant:' || entered);
    RETURN 'changed';
END $$;
REVOKE ALL ON FUNCTION gate.change_slug(text, text) FROM PUBLIC;

-- What the control plane holds of a tenant: the rows of every table that names tenants, whichever tables there are, and whether its
-- schema and its role are there.
CREATE FUNCTION public.holds_of_tenant(of_tenant uuid) RETURNS TABLE (what text, amount bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE schema_of text; one record;
BEGIN
    SELECT t.schema_name INTO schema_of FROM public.tenant t WHERE t.id = of_tenant;
    what := 'schema';
    amount := (SELECT count(*) FROM pg_namespace n WHERE n.nspname = schema_of);
    RETURN NEXT;
    what := 'role';
    amount := (SELECT count(*) FROM pg_roles r WHERE r.rolname = schema_of);
    RETURN NEXT;
    what := 'tenant_schema_state';
    amount := (SELECT count(*) FROM public.tenant_schema_state s WHERE s.schema_name = schema_of);
    RETURN NEXT;
    what := 'signup_request';
    amount := (SELECT count(*) FROM public.signup_request r WHERE r.id = of_tenant);
    RETURN NEXT;
    FOR one IN
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname
    LOOP
        what := one.relname;
        EXECUTE format('SELECT count(*) FROM public.%I WHERE tenant_id = $1', one.relname) INTO amount USING of_tenant;
        RETURN NEXT;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION public.holds_of_tenant(uuid) FROM PUBLIC;

-- The processes that take requests now: limits are shared out between them. Nothing is lost with it.
CREATE UNLOGGED TABLE public.web_process (
    id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);

-- What the platform's people tell the staff of all providers, on every page of their portals.
CREATE TABLE public.announcement (
    id uuid PRIMARY KEY,
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 300),
    is_warning boolean NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at >= starts_at),
    made_by text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX announcement_ends_at_idx ON public.announcement (ends_at);
