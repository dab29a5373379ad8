-- A copy of a provider with made-up people, to try things out in. No foreign key: a restore may bring the copy before its original.
ALTER TABLE public.tenant
    ADD COLUMN sandbox_of uuid,
    ADD CONSTRAINT tenant_sandbox_check CHECK (sandbox_of <> id);
-- One at a time.
CREATE UNIQUE INDEX tenant_sandbox_key ON public.tenant (sandbox_of) WHERE sandbox_of IS NOT NULL AND status <> 'closed';
