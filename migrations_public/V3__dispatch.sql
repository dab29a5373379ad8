-- Which tenant has messages due, and in which lane. Never what they say.

-- One row per tenant and lane that was ever used. Workers take turns on these rows; enqueuing touches them only when it must.
CREATE TABLE public.dispatch (
    tenant_id uuid NOT NULL REFERENCES public.tenant (id) ON DELETE CASCADE,
    -- 0 transactional, 1 conversation, 2 bulk
    lane smallint NOT NULL CHECK (lane BETWEEN 0 AND 2),
    -- When there is something to look at; infinity: nothing.
    due_at timestamptz NOT NULL,
    -- Fairness: what was spent on it, as virtual time. The one with least is next.
    spent double precision NOT NULL DEFAULT 0,
    lease uuid,
    leased_until timestamptz,
    -- Set when the lane was put to rest: first to the highest number there is, then to that of the next transaction by then. While
    -- an older one is open, somebody may have seen the lane as due and not called.
    settling xid8,
    PRIMARY KEY (tenant_id, lane)
) WITH (fillfactor = 50);
CREATE INDEX dispatch_due_idx ON public.dispatch (due_at);
CREATE INDEX dispatch_settling_idx ON public.dispatch (settling) WHERE settling IS NOT NULL;

-- Calls: this lane of this tenant has something due then. Inserted, never updated, so that callers do not wait for each other.
CREATE TABLE public.dispatch_call (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES public.tenant (id) ON DELETE CASCADE,
    lane smallint NOT NULL CHECK (lane BETWEEN 0 AND 2),
    due_at timestamptz NOT NULL
);

-- Calls a lane of the entered tenant, unless it is known to be due by then anyway.
CREATE FUNCTION gate.call_lane(called smallint, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    -- From here on this transaction has a number: whoever puts the lane to rest can wait for it (see settling).
    PERFORM pg_current_xact_id();
    IF NOT EXISTS (SELECT FROM public.dispatch d WHERE d.tenant_id = entered AND d.lane = called AND d.due_at <= at) THEN
        INSERT INTO public.dispatch_call (tenant_id, lane, due_at) VALUES (entered, called, at);
    END IF;
END $$;

-- Senders that belong to the platform and are lent to tenants. The credential is sealed with the deployment's own key.
CREATE TABLE public.platform_sender (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    channel text NOT NULL CHECK (channel IN ('sms', 'email', 'whatsapp', 'telegram', 'instagram', 'push')),
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 40),
    sealed bytea NOT NULL,
    masked jsonb NOT NULL DEFAULT '[]',
    -- What a tenant pays for a segment, or a message, in the currency of its credit.
    price numeric(12, 4) NOT NULL DEFAULT 0 CHECK (price >= 0),
    status text NOT NULL DEFAULT 'available' CHECK (status IN ('available', 'suspended')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX platform_sender_name_key ON public.platform_sender (lower(name));

CREATE TABLE public.platform_sender_assignment (
    sender_id uuid NOT NULL REFERENCES public.platform_sender (id),
    tenant_id uuid NOT NULL REFERENCES public.tenant (id) ON DELETE CASCADE,
    assigned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, sender_id)
);
CREATE INDEX platform_sender_assignment_sender_idx ON public.platform_sender_assignment (sender_id);

-- A tenant's prepaid credit for senders of the platform. What was set aside is not available, and not spent yet.
CREATE TABLE public.message_credit (
    tenant_id uuid PRIMARY KEY REFERENCES public.tenant (id) ON DELETE CASCADE,
    available numeric(14, 4) NOT NULL DEFAULT 0 CHECK (available >= 0),
    reserved numeric(14, 4) NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    spent numeric(14, 4) NOT NULL DEFAULT 0 CHECK (spent >= 0)
);

-- Each line that changed the credit from outside: top-ups, corrections.
CREATE TABLE public.message_credit_entry (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES public.tenant (id) ON DELETE CASCADE,
    amount numeric(14, 4) NOT NULL CHECK (amount <> 0),
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 200),
    actor text NOT NULL,
    entered_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX message_credit_entry_tenant_idx ON public.message_credit_entry (tenant_id, id DESC);

-- Sets credit aside; false when there is not enough. One statement, so that two callers never spend the same.
CREATE FUNCTION gate.reserve_credit(amount numeric) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    IF amount < 0 THEN
        RAISE EXCEPTION 'credit is set aside, not made' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE public.message_credit c SET available = c.available - amount, reserved = c.reserved + amount
    WHERE c.tenant_id = entered AND c.available >= amount;
    RETURN FOUND OR amount = 0;
END $$;

-- What was set aside is spent, or given back. Neither can be more than was set aside.
CREATE FUNCTION gate.settle_credit(was_spent numeric, was_released numeric) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    IF was_spent < 0 OR was_released < 0 THEN
        RAISE EXCEPTION 'credit is settled, not made' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE public.message_credit c SET reserved = c.reserved - was_spent - was_released,
        available = c.available + was_released, spent = c.spent + was_spent
    WHERE c.tenant_id = entered AND c.reserved >= was_spent + was_released;
    IF NOT FOUND AND was_spent + was_released > 0 THEN
        RAISE EXCEPTION 'so much was never set aside' USING ERRCODE = 'check_violation';
    END IF;
END $$;

CREATE FUNCTION gate.message_credit() RETURNS TABLE (available numeric, reserved numeric, spent numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    RETURN QUERY SELECT c.available, c.reserved, c.spent FROM public.message_credit c WHERE c.tenant_id = entered;
END $$;

-- The sealed credential of a sender that is assigned to the entered tenant; NULL when it is not, or is suspended. Only the program can
-- open it: the key is the deployment's.
CREATE FUNCTION gate.sender_credential(sender uuid) RETURNS bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant();
BEGIN
    RETURN (SELECT s.sealed FROM public.platform_sender s JOIN public.platform_sender_assignment a ON a.sender_id = s.id
        WHERE s.id = sender AND a.tenant_id = entered AND s.status = 'available');
END $$;

-- Something in the entered tenant's bells or lists changed: every process tells those who are watching. `topic` is a word and at
-- most an id: no data of the tenant's travels here.
CREATE FUNCTION gate.tell_live(topic text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF topic !~ '^[a-z_]{1,20}(:[0-9a-f-]{36})?$' THEN
        RAISE EXCEPTION 'this is no topic' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_notify('lastmile_live', gate.entered_tenant() || ' ' || topic);
END $$;

REVOKE ALL ON FUNCTION gate.call_lane(smallint, timestamptz), gate.reserve_credit(numeric), gate.settle_credit(numeric, numeric),
    gate.message_credit(), gate.sender_credential(uuid), gate.tell_live(text) FROM PUBLIC;
