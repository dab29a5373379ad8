-- Certificates of tenants' own domains, obtained from an ACME authority.

-- Our account at an authority, made at the first order.
CREATE TABLE public.acme_account (
    directory text PRIMARY KEY,
    -- Sealed with a key of the deployment.
    credentials bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One for each domain that was ever served. It stays while the domain does: one that is lost and proved again needs no new order.
CREATE TABLE public.tenant_certificate (
    domain_id uuid PRIMARY KEY REFERENCES public.tenant_domain (id) ON DELETE CASCADE,
    tenant_id uuid NOT NULL REFERENCES public.tenant (id),
    -- PEM, the domain's own first. None before the first order came to its end.
    chain text,
    -- PEM, sealed with the tenant's data key.
    private_key bytea,
    obtained_at timestamptz,
    ends_at timestamptz,
    -- The next order: at once, after a refusal, or when two thirds of a certificate's life are over.
    due_at timestamptz NOT NULL DEFAULT now(),
    -- Orders since the last one that came to its end.
    attempts integer NOT NULL DEFAULT 0,
    tried_at timestamptz,
    -- Why the last order was refused.
    problem text,
    problem_detail text,
    lease uuid,
    leased_until timestamptz,
    CHECK (num_nulls(chain, private_key, obtained_at, ends_at) IN (0, 4)),
    CHECK (num_nulls(problem, problem_detail) IN (0, 2))
);
CREATE INDEX tenant_certificate_due_at_idx ON public.tenant_certificate (due_at);
CREATE INDEX tenant_certificate_tenant_id_idx ON public.tenant_certificate (tenant_id);

-- What the authority is to find at the domain while an order is open. Public by its nature.
CREATE UNLOGGED TABLE public.acme_challenge (
    token text PRIMARY KEY,
    domain_id uuid NOT NULL REFERENCES public.tenant_domain (id) ON DELETE CASCADE,
    answer text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX acme_challenge_domain_id_idx ON public.acme_challenge (domain_id);

CREATE FUNCTION gate.list_certificates()
RETURNS TABLE (domain_id uuid, obtained_at timestamptz, ends_at timestamptz, due_at timestamptz, tried_at timestamptz, problem text, problem_detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    RETURN QUERY SELECT c.domain_id, c.obtained_at, c.ends_at, c.due_at, c.tried_at, c.problem, c.problem_detail
    FROM public.tenant_certificate c WHERE c.tenant_id = entered LIMIT 50;
END $$;

-- Orders again at once what was refused a while ago. False where nothing was refused, or only just now.
CREATE FUNCTION gate.order_certificate_again(of_domain uuid, pause interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    UPDATE public.tenant_certificate c SET due_at = now()
    WHERE c.domain_id = of_domain AND c.tenant_id = entered AND c.problem IS NOT NULL
        AND c.tried_at < now() - pause AND (c.leased_until IS NULL OR c.leased_until < now());
    RETURN FOUND;
END $$;

REVOKE ALL ON FUNCTION gate.list_certificates(), gate.order_certificate_again(uuid, interval) FROM PUBLIC;
