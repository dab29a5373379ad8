-- Jobs that stand: one row per tenant and kind, which is never done but always waits for its next time.

ALTER TABLE public.job
    ADD COLUMN is_standing boolean NOT NULL DEFAULT false,
    -- Counts the calls. A handler that was called while it ran runs once more: what it did may not have seen what it was called for.
    ADD COLUMN called bigint NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX job_standing_key ON public.job (tenant_id, kind) WHERE is_standing;

-- Calls a standing job of the entered tenant: it runs at `at`, or earlier when it was due earlier anyway.
--
-- The caller's change is not committed yet. A job that is due early enough is only held where it is (FOR SHARE; callers do not
-- wait for each other), because the worker leases no row that is held: it runs after the commit, and sees the change.
CREATE FUNCTION gate.call_at(job_kind text, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE entered uuid := gate.entered_tenant(); is_early boolean;
BEGIN
    SELECT j.due_at <= at AND j.leased_until IS NULL INTO is_early
    FROM public.job j WHERE j.tenant_id = entered AND j.kind = job_kind AND j.is_standing;
    IF is_early THEN
        SELECT j.due_at <= at AND j.leased_until IS NULL INTO is_early
        FROM public.job j WHERE j.tenant_id = entered AND j.kind = job_kind AND j.is_standing FOR SHARE;
    END IF;
    IF is_early IS NOT TRUE THEN
        INSERT INTO public.job AS j (id, tenant_id, kind, subject_id, due_at, is_standing)
        VALUES (gen_random_uuid(), entered, job_kind, entered, at, true)
        ON CONFLICT (tenant_id, kind) WHERE is_standing
        DO UPDATE SET due_at = least(j.due_at, excluded.due_at), called = j.called + 1;
    END IF;
END $$;
REVOKE ALL ON FUNCTION gate.call_at(text, timestamptz) FROM PUBLIC;
