-- Texts that the platform offers to all providers: a provider takes a copy, which is its own from then on.
CREATE TABLE public.library_template (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    channels text[] NOT NULL CHECK (cardinality(channels) BETWEEN 1 AND 7),
    language text NOT NULL,
    -- Of a letter; heads notifications, too.
    subject text,
    text text NOT NULL,
    -- Whether providers see it.
    is_offered boolean NOT NULL DEFAULT false,
    changed_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX library_template_name_key ON public.library_template (lower(name), language);
