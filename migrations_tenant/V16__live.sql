-- Lines in a bell may be one person's own, and what is in a bell is told at once.

ALTER TABLE notice
    ADD COLUMN staff_id uuid REFERENCES staff (id) ON DELETE CASCADE,
    -- Which transaction wrote it: who was shown all that another moment could see is shown the rest, and nothing twice.
    ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- The delivery that it is, where a message was sent in-app.
    ADD COLUMN delivery_id uuid,
    DROP CONSTRAINT notice_check,
    ADD CONSTRAINT notice_reader_check CHECK (num_nonnulls(permission, customer_id, staff_id) = 1);
CREATE INDEX notice_staff_idx ON notice (staff_id, id DESC) WHERE staff_id IS NOT NULL;
CREATE INDEX notice_xid_idx ON notice (xid);
