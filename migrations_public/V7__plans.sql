-- What the platform sells to providers, what each of them has, and the statements of it. Whoever has no plan is not limited.

CREATE TABLE public.plan (
    id uuid PRIMARY KEY,
    -- What programs call it; never changes.
    code text NOT NULL CHECK (code ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(code) BETWEEN 2 AND 40),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    summary text NOT NULL DEFAULT '' CHECK (length(summary) <= 200),
    -- Of a calendar month.
    monthly_price numeric(12, 2) NOT NULL CHECK (monthly_price >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    features text[] NOT NULL,
    -- Whether owners of providers may choose it by themselves.
    is_offered boolean NOT NULL,
    -- What new providers begin with.
    is_default boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX plan_code_key ON public.plan (code);
CREATE UNIQUE INDEX plan_default_key ON public.plan (is_default) WHERE is_default;

-- A metric that has no row here is not limited.
CREATE TABLE public.plan_limit (
    plan_id uuid NOT NULL REFERENCES public.plan (id) ON DELETE CASCADE,
    metric text NOT NULL CHECK (metric IN ('staff', 'customers', 'messages', 'storage', 'api_rate')),
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000),
    PRIMARY KEY (plan_id, metric)
);

-- Which plan a tenant has had, and for which price: what was agreed stays when the plan's price changes.
CREATE TABLE public.tenant_plan (
    tenant_id uuid NOT NULL REFERENCES public.tenant (id) ON DELETE CASCADE,
    since timestamptz NOT NULL DEFAULT now(),
    until timestamptz CHECK (until >= since),
    plan_id uuid NOT NULL REFERENCES public.plan (id),
    plan_name text NOT NULL,
    monthly_price numeric(12, 2) NOT NULL,
    currency text NOT NULL,
    chosen_by text NOT NULL,
    PRIMARY KEY (tenant_id, since)
);
CREATE UNIQUE INDEX tenant_plan_now_key ON public.tenant_plan (tenant_id) WHERE until IS NULL;
CREATE INDEX tenant_plan_plan_idx ON public.tenant_plan (plan_id) WHERE until IS NULL;

-- What was agreed with one tenant, instead of its plan's limit; NULL: no limit.
CREATE TABLE public.tenant_limit (
    tenant_id uuid NOT NULL REFERENCES public.tenant (id) ON DELETE CASCADE,
    metric text NOT NULL CHECK (metric IN ('staff', 'customers', 'messages', 'storage', 'api_rate')),
    amount bigint CHECK (amount BETWEEN 1 AND 1000000000),
    PRIMARY KEY (tenant_id, metric)
);

-- What a month came to. Never changed; it outlives the tenant's data, as accounts must.
CREATE TABLE public.statement (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES public.tenant (id),
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    currency text NOT NULL,
    -- [{text, days, amount}]: what is charged.
    lines jsonb NOT NULL,
    -- {metric: amount}: what was used, for the record.
    used jsonb NOT NULL,
    total numeric(12, 2) NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX statement_month_key ON public.statement (tenant_id, month, currency);

-- Gives a tenant a plan from now on. The caller holds the tenant's row.
CREATE FUNCTION public.give_plan(of_tenant uuid, of_plan uuid, by_whom text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE moment timestamptz := clock_timestamp();
BEGIN
    UPDATE public.tenant_plan p SET until = moment WHERE p.tenant_id = of_tenant AND p.until IS NULL;
    INSERT INTO public.tenant_plan (tenant_id, since, plan_id, plan_name, monthly_price, currency, chosen_by)
    SELECT of_tenant, moment, p.id, p.name, p.monthly_price, p.currency, by_whom FROM public.plan p WHERE p.id = of_plan;
    PERFORM pg_notify('lastmile_news', 'tenant:' || of_tenant);
END $$;
REVOKE ALL ON FUNCTION public.give_plan(uuid, uuid, text) FROM PUBLIC;

-- The entered tenant's owner chooses a plan. Says why not: `unknown` (none that is offered), `same`, or `currency` when it is priced in
-- another one.
CREATE FUNCTION gate.choose_plan(of_code text, by_whom text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant(); wanted uuid; wanted_name text; wanted_currency text; has uuid; has_currency text;
BEGIN
    PERFORM FROM public.tenant t WHERE t.id = entered FOR UPDATE;
    SELECT p.id, p.name, p.currency INTO wanted, wanted_name, wanted_currency
    FROM public.plan p WHERE p.code = of_code AND p.is_offered;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    SELECT p.plan_id, p.currency INTO has, has_currency FROM public.tenant_plan p WHERE p.tenant_id = entered AND p.until IS NULL;
    IF has = wanted THEN
        RETURN 'same';
    ELSIF has_currency <> wanted_currency THEN
        RETURN 'currency';
    END IF;
    PERFORM public.give_plan(entered, wanted, by_whom);
    INSERT INTO public.platform_event (id, actor, actor_kind, action, tenant_id, object_label, detail)
    SELECT public.time_id(), by_whom, 'tenant', 'tenant.plan_chosen', t.id, t.name, jsonb_build_object('plan', wanted_name)
    FROM public.tenant t WHERE t.id = entered;
    RETURN 'chosen';
END $$;
REVOKE ALL ON FUNCTION gate.choose_plan(text, text) FROM PUBLIC;
