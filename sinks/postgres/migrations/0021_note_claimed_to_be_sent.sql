-- A claim may say that the note is about to be sent, so that an ordinary note takes two calls instead of three: note_sent (0017) is
-- left for a note that had to be looked for first. What the other functions of 0015 and 0017 promise is as there.

-- Every update of these rows leaves what is indexed as it was, and finds room beside the row, so that no index is written.
DROP INDEX note_intents_ticket;
CREATE INDEX note_intents_ticket ON note_intents (tenant_id, ticket_id);
ALTER TABLE note_intents SET (fillfactor = 70);
ALTER TABLE enhancements SET (fillfactor = 70);

DROP FUNCTION claim_note(
    text, text, text, text, uuid, text, integer, uuid, text, text, text, integer, integer, double precision, text, timestamptz
);

-- The intent, made if there is none, and the lease if it is free, run out or this worker's; `intent` is 'busy' where it is none of
-- these. What is done takes no lease. Where it is claimed, what wrote the enhancement is noted down too, as enhancement_synthesized
-- does.
-- With `most_others` it is also `noted` that the desk may have the note from now on, as note_sent does, if the desk surely has nothing
-- yet, the ticket got fewer other notes within 24 hours and still says the same. That is waited for on the disk; no other claim is: a
-- crash of the database may only lose it together with all that follows from it, and then the lease is nobody's, so nothing is sent.
CREATE FUNCTION claim_note(
    tenant text, ticket text, content text, mark text, input uuid, worker text, lease_seconds integer, most_others integer,
    enhancement uuid, written_by text, its_model text, its_prompt text, tokens_in integer, tokens_out integer, cost double precision,
    degraded_by text, written_at timestamptz
) RETURNS TABLE (
    intent text, by_event text, note text, at timestamptz, why text, sent_ago double precision, earlier_event text,
    earlier_note text, earlier_at timestamptz, others_lately bigint, noted boolean
)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    INSERT INTO public.note_leases AS lease (tenant_id, ticket_id, owner, until)
        VALUES (tenant, ticket, worker, now() + make_interval(secs => lease_seconds))
        ON CONFLICT (tenant_id, ticket_id) DO UPDATE SET owner = excluded.owner, until = excluded.until
        WHERE lease.until < now() OR lease.owner = excluded.owner;
    IF NOT FOUND THEN
        SELECT * INTO intent, by_event, note, at, why, sent_ago FROM public.note_intent(tenant, mark, input);
        IF intent IS DISTINCT FROM 'done' THEN
            intent := 'busy';
        END IF;
        RETURN NEXT;
        RETURN;
    END IF;
    SELECT count(*) FILTER (WHERE coalesce(other.sent_at, other.done_at) > now() - interval '24 hours'), max(other.done_at)
        INTO others_lately, earlier_at
        FROM public.note_intents other WHERE other.tenant_id = tenant AND other.ticket_id = ticket AND other.marker <> mark;
    noted := coalesce(others_lately < most_others, false) AND NOT EXISTS (
        SELECT FROM public.tickets t WHERE t.tenant_id = tenant AND t.ticket_id = ticket AND t.content_hash <> content);
    INSERT INTO public.note_intents (tenant_id, marker, ticket_id, content_hash, event_id, state, sent_at)
        VALUES (tenant, mark, ticket, content, input, CASE WHEN noted THEN 'sent' ELSE 'pending' END,
            CASE WHEN noted THEN clock_timestamp() END)
        ON CONFLICT (tenant_id, marker) DO NOTHING;
    IF FOUND THEN
        intent := 'pending'; -- nobody else sees the row before this call ends
    ELSE
        SELECT * INTO intent, by_event, note, at, why, sent_ago FROM public.note_intent(tenant, mark, input);
        IF intent IS NULL OR intent = 'done' THEN
            DELETE FROM public.note_leases WHERE tenant_id = tenant AND ticket_id = ticket AND owner = worker;
            RETURN NEXT;
            RETURN;
        END IF;
        IF noted THEN
            UPDATE public.note_intents SET state = 'sent', sent_at = clock_timestamp()
            WHERE tenant_id = tenant AND marker = mark AND state = 'pending';
            noted := FOUND;
        END IF;
    END IF;
    IF NOT noted THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    IF earlier_at IS NOT NULL THEN
        SELECT other.event_id::text, other.note_id, other.done_at INTO earlier_event, earlier_note, earlier_at
            FROM public.note_intents other WHERE other.tenant_id = tenant AND other.ticket_id = ticket AND other.marker <> mark
                AND other.state = 'done' ORDER BY other.done_at DESC LIMIT 1;
    END IF;
    UPDATE public.enhancements SET enhancement_id = enhancement, writer = written_by, model = its_model, prompt_version = its_prompt,
        prompt_tokens = tokens_in, completion_tokens = tokens_out, cost_usd = cost, degraded = degraded_by,
        synthesized_at = written_at, updated_at = now()
    WHERE tenant_id = tenant AND ticket_id = ticket AND content_hash = content
        AND (enhancement_id, synthesized_at) IS DISTINCT FROM (enhancement, written_at);
    RETURN NEXT;
END $$;

REVOKE ALL ON FUNCTION claim_note FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_note TO ticketstream_deliver;
