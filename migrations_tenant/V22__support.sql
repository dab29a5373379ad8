-- What the platform's support did under a grant of the owner's is told as such.
ALTER TABLE audit_event DROP CONSTRAINT audit_event_actor_kind_check;
ALTER TABLE audit_event ADD CONSTRAINT audit_event_actor_kind_check
    CHECK (actor_kind IN ('staff', 'api_key', 'system', 'platform', 'anonymous', 'subscriber', 'support'));
