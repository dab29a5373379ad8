-- How many messages go out a second for all tenants together: at all, and by each sender that is lent to several.
CREATE TABLE public.message_rate (
    -- A sender of the platform; NULL: everything.
    sender_id uuid UNIQUE NULLS NOT DISTINCT REFERENCES public.platform_sender (id) ON DELETE CASCADE,
    per_second integer NOT NULL CHECK (per_second BETWEEN 1 AND 100000),
    -- When the next one may go.
    next_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- How many of `wanted` may go now, and when the next one may; no row when this is not limited, or the sender is not the entered
-- tenant's. A tenth of a second may be ahead of the clock.
CREATE FUNCTION gate.take_message_rate(sender uuid, wanted integer)
RETURNS TABLE (granted integer, next_at timestamptz, per_second integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entered uuid := gate.entered_tenant();
    rate integer;
    starts timestamptz;
BEGIN
    IF sender IS NOT NULL AND NOT EXISTS (SELECT FROM public.platform_sender_assignment a
            WHERE a.sender_id = sender AND a.tenant_id = entered) THEN
        RETURN;
    END IF;
    SELECT r.per_second, r.next_at INTO rate, starts FROM public.message_rate r
    WHERE r.sender_id IS NOT DISTINCT FROM sender FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    starts := greatest(starts, clock_timestamp());
    granted := greatest(0, least(wanted, 1000,
        1 + floor(extract(epoch FROM clock_timestamp() + interval '100 ms' - starts) * rate)::integer));
    next_at := starts + make_interval(secs => granted::float8 / rate);
    per_second := rate;
    IF granted > 0 THEN
        UPDATE public.message_rate r SET next_at = take_message_rate.next_at WHERE r.sender_id IS NOT DISTINCT FROM sender;
    END IF;
    RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION gate.take_message_rate(uuid, integer) FROM PUBLIC;
