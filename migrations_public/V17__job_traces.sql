-- The trace of the request that enqueued a job, or called a standing one: `traceparent` of W3C Trace Context. Only where traces are
-- collected; NULL else.
ALTER TABLE public.job ADD COLUMN traceparent text CHECK (length(traceparent) = 55);

-- The two that a tenant knows already, with a trace. Those without it stay: processes that collect nothing ask for no more.
CREATE FUNCTION gate.enqueue_job(job_id uuid, job_kind text, job_subject uuid, job_due timestamptz, job_trace text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.job (id, tenant_id, kind, subject_id, due_at, traceparent)
    VALUES (job_id, gate.entered_tenant(), job_kind, job_subject, job_due, job_trace);
END $$;

-- A job that is due early enough is only held: it keeps the trace of whoever called first.
CREATE FUNCTION gate.call_at(job_kind text, at timestamptz, job_trace text) RETURNS void
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
        INSERT INTO public.job AS j (id, tenant_id, kind, subject_id, due_at, is_standing, traceparent)
        VALUES (gen_random_uuid(), entered, job_kind, entered, at, true, job_trace)
        ON CONFLICT (tenant_id, kind) WHERE is_standing
        DO UPDATE SET due_at = least(j.due_at, excluded.due_at), called = j.called + 1, traceparent = excluded.traceparent;
    END IF;
END $$;
REVOKE ALL ON FUNCTION gate.enqueue_job(uuid, text, uuid, timestamptz, text), gate.call_at(text, timestamptz, text) FROM PUBLIC;
