-- What the platform asks providers for: invoices with numbers that have no gap, and payments of them and of credit for messages.

-- What invoices say of who sends them, and what follows when they are not paid. One row, which also holds the numbers.
CREATE TABLE public.invoicing (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    -- The registered name. Empty: no invoices are issued.
    seller text NOT NULL DEFAULT '' CHECK (length(seller) <= 200),
    seller_address text NOT NULL DEFAULT '' CHECK (length(seller_address) <= 300),
    seller_tax_number text NOT NULL DEFAULT '' CHECK (length(seller_tax_number) <= 40),
    prefix text NOT NULL DEFAULT 'INV' CHECK (prefix ~ '^[A-Z0-9]{1,10}$'),
    -- Prices contain it. Empty: the seller charges none.
    tax_name text NOT NULL DEFAULT '' CHECK (length(tax_name) <= 20),
    tax_percent numeric(5, 2) NOT NULL DEFAULT 0 CHECK (tax_percent BETWEEN 0 AND 50),
    -- How to pay otherwise than online, and whatever else stands below.
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
    due_days smallint NOT NULL DEFAULT 14 CHECK (due_days BETWEEN 0 AND 90),
    -- Days after the due date on which a reminder goes out, the first one first.
    reminder_days smallint[] NOT NULL DEFAULT '{1,7}',
    -- Days after the due date on which the provider is suspended; NULL: never.
    suspend_days smallint CHECK (suspend_days BETWEEN 1 AND 180),
    -- Statements made before are not invoiced.
    begun_at timestamptz,
    last_number bigint NOT NULL DEFAULT 0
);
INSERT INTO public.invoicing DEFAULT VALUES;

-- Outlives the tenant's data, as accounts must.
CREATE TABLE public.invoice (
    id uuid PRIMARY KEY,
    number bigint NOT NULL UNIQUE CHECK (number > 0),
    label text NOT NULL UNIQUE,
    tenant_id uuid NOT NULL REFERENCES public.tenant (id),
    -- NULL: of credit that was paid for.
    statement_id uuid UNIQUE REFERENCES public.statement (id),
    -- Everything on the paper, as text.
    printed jsonb NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total numeric(12, 2) NOT NULL CHECK (total > 0),
    issued_on date NOT NULL,
    due_on date NOT NULL CHECK (due_on >= issued_on),
    status text NOT NULL CHECK (status IN ('open', 'paid', 'void')),
    settled_at timestamptz CHECK ((settled_at IS NULL) = (status = 'open')),
    -- How it was paid, or why it is void.
    settled_note text NOT NULL DEFAULT '',
    settled_by text NOT NULL DEFAULT '',
    -- Whoever knows it sees the invoice and can pay it.
    pay_token text NOT NULL UNIQUE,
    -- How many of the reminders went out.
    reminded smallint NOT NULL DEFAULT 0,
    -- When the provider was suspended for it: once, even if somebody lets it go on.
    suspended_at timestamptz
);
CREATE INDEX invoice_tenant_idx ON public.invoice (tenant_id, number DESC);
CREATE INDEX invoice_open_idx ON public.invoice (due_on) WHERE status = 'open';

-- What was issued stays as it is; an invoice is paid or made void once, and never deleted.
CREATE FUNCTION public.keep_invoice() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an invoice is not deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.id, NEW.number, NEW.label, NEW.tenant_id, NEW.statement_id, NEW.printed, NEW.currency, NEW.total, NEW.issued_on, NEW.due_on)
        IS DISTINCT FROM
        (OLD.id, OLD.number, OLD.label, OLD.tenant_id, OLD.statement_id, OLD.printed, OLD.currency, OLD.total, OLD.issued_on, OLD.due_on)
        OR (OLD.status <> 'open' AND (NEW.status, NEW.settled_at, NEW.settled_note, NEW.settled_by)
            IS DISTINCT FROM (OLD.status, OLD.settled_at, OLD.settled_note, OLD.settled_by)) THEN
        RAISE EXCEPTION 'an invoice that was issued is not changed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION public.keep_invoice() FROM PUBLIC;
CREATE TRIGGER invoice_is_kept BEFORE UPDATE OR DELETE ON public.invoice FOR EACH ROW EXECUTE FUNCTION public.keep_invoice();

-- An attempt to pay online. Its id is what the processor is told as our reference.
CREATE TABLE public.platform_payment (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES public.tenant (id),
    -- NULL: for credit for messages.
    invoice_id uuid REFERENCES public.invoice (id),
    processor text NOT NULL CHECK (processor IN ('paystack', 'paymongo')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount numeric(12, 2) NOT NULL CHECK (amount > 0),
    -- `held`: the processor has money that was not what we asked for, or came twice. Somebody must look.
    status text NOT NULL DEFAULT 'begun' CHECK (status IN ('begun', 'paid', 'failed', 'held')),
    -- What the processor calls it.
    outside_id text,
    pay_url text,
    detail text NOT NULL DEFAULT '' CHECK (length(detail) <= 300),
    begun_by text NOT NULL,
    pay_token text NOT NULL UNIQUE,
    begun_at timestamptz NOT NULL DEFAULT now(),
    asked_at timestamptz,
    settled_at timestamptz
);
CREATE UNIQUE INDEX platform_payment_outside_key ON public.platform_payment (processor, outside_id);
CREATE INDEX platform_payment_tenant_idx ON public.platform_payment (tenant_id, begun_at DESC);
CREATE INDEX platform_payment_invoice_idx ON public.platform_payment (invoice_id, begun_at DESC);
CREATE INDEX platform_payment_begun_idx ON public.platform_payment (begun_at) WHERE status = 'begun';
CREATE INDEX platform_payment_held_idx ON public.platform_payment (begun_at) WHERE status = 'held';
