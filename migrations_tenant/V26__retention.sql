-- How long what is kept. A kind without a row is kept as the program says.
CREATE TABLE retention (
    kind text PRIMARY KEY CHECK (kind IN ('messages', 'inbound', 'hook_calls', 'letters', 'notices', 'report_files', 'import_files',
        'tickets', 'former_customers')),
    -- NULL: until somebody deletes it.
    days integer CHECK (days BETWEEN 1 AND 3650),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
-- What is older is looked for every night.
CREATE INDEX customer_import_file_idx ON customer_import (created_at) WHERE file_id IS NOT NULL;
CREATE INDEX ticket_closed_idx ON ticket (coalesce(resolved_at, updated_at))
    WHERE status IN ('resolved', 'cancelled') AND title <> 'Removed';
CREATE INDEX customer_left_idx ON customer (coalesce(deleted_at, updated_at))
    WHERE (status = 'terminated' OR deleted_at IS NOT NULL) AND merged_into IS NULL;
