-- Files that go along with messages. A message keeps what they were: [{id, name, media_type, size}]; the bytes lie in `file`.

CREATE INDEX message_attachments_idx ON message USING gin (attachments jsonb_path_ops) WHERE attachments <> '[]';

ALTER TABLE campaign
    -- The same, for the message that it will send.
    ADD COLUMN attachments jsonb NOT NULL DEFAULT '[]';
