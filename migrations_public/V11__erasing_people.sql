-- Erasing a person: what of it lies where a tenant's role cannot change anything, in the trail and in the books.

-- Beside the payload, who did it and from where: for what the person did. The caller has vouched for the rest in an event.
CREATE FUNCTION public.erase_audit_people(of_tenant uuid, event_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE place text; erased bigint;
BEGIN
    SELECT t.schema_name INTO STRICT place FROM public.tenant t WHERE t.id = of_tenant AND t.status <> 'closed';
    EXECUTE format('UPDATE %1$I.audit_event e SET before = NULL, after = NULL, object_label = '''', salt = '''',
            actor_label = ''Erased person'', address = NULL, user_agent = NULL, erased_at = coalesce(e.erased_at, now())
        WHERE e.id = ANY($1) AND EXISTS (SELECT 1 FROM %1$I.audit_seal s WHERE s.event_id = e.id)', place)
    USING event_ids;
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$;

-- The words of the books, for whom an erasure stands written: who paid, and what was noted. No number and no sum changes.
CREATE FUNCTION public.erase_from_books(of_tenant uuid, of_erasure uuid, said text[])
RETURNS TABLE (book text, changed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE place text; label text; people uuid[];
BEGIN
    SELECT t.schema_name INTO STRICT place FROM public.tenant t WHERE t.id = of_tenant AND t.status <> 'closed';
    EXECUTE format('SELECT ''Erased person '' || e.number, e.people FROM %1$I.erasure e WHERE e.id = $1', place)
        INTO STRICT label, people USING of_erasure;
    book := 'receipt';
    EXECUTE format('UPDATE %1$I.receipt r SET printed = jsonb_set(r.printed, ''{customer}'',
            jsonb_build_array(jsonb_build_object(''label'', ''Received from'', ''text'', $2)))
        WHERE r.customer_id = ANY($1)
            AND r.printed #>> ''{customer,0,text}'' IS DISTINCT FROM $2', place) USING people, label;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN NEXT;
    book := 'refund';
    EXECUTE format('UPDATE %1$I.refund r SET reason = ''Erased.'' WHERE r.customer_id = ANY($1) AND r.reason <> ''Erased.''', place)
        USING people;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN NEXT;
    book := 'ledger_entry';
    EXECUTE format('UPDATE %1$I.ledger_entry l SET description = ''Erased.'' WHERE l.customer_id = ANY($1)
        AND EXISTS (SELECT FROM unnest($2) w WHERE position(w IN lower(l.description)) > 0)', place) USING people, said;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN NEXT;
END $$;

REVOKE ALL ON FUNCTION public.erase_audit_people(uuid, uuid[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.erase_from_books(uuid, uuid, text[]) FROM PUBLIC;
