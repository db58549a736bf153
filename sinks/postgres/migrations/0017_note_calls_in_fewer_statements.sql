-- deliver's three calls a note without what they read twice: an intent that this call made, or ended, needs no look, and what other
-- functions of 0015 do in one statement stands here as that statement. What they promise is as there.

-- The intent, made if there is none, and the lease if it is free, run out or this worker's; `intent` is 'busy' where it is none of
-- these. What is done takes no lease. Where it is claimed, what wrote the enhancement is noted down too, as enhancement_synthesized
-- does. Not waited for on the disk, see 0015.
CREATE OR REPLACE FUNCTION claim_note(
    tenant text, ticket text, content text, mark text, input uuid, worker text, lease_seconds integer, enhancement uuid,
    written_by text, its_model text, its_prompt text, tokens_in integer, tokens_out integer, cost double precision,
    degraded_by text, written_at timestamptz
) RETURNS TABLE (
    intent text, by_event text, note text, at timestamptz, why text, sent_ago double precision, earlier_event text,
    earlier_note text, earlier_at timestamptz, others_lately bigint
)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made boolean;
BEGIN
    PERFORM public.for_tenant(tenant);
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO public.note_intents (tenant_id, marker, ticket_id, content_hash, event_id) VALUES (tenant, mark, ticket, content, input)
        ON CONFLICT (tenant_id, marker) DO NOTHING;
    made := FOUND;
    IF NOT made THEN
        SELECT * INTO intent, by_event, note, at, why, sent_ago FROM public.note_intent(tenant, mark, input);
        IF intent = 'done' THEN
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    INSERT INTO public.note_leases AS lease (tenant_id, ticket_id, owner, until)
        VALUES (tenant, ticket, worker, now() + make_interval(secs => lease_seconds))
        ON CONFLICT (tenant_id, ticket_id) DO UPDATE SET owner = excluded.owner, until = excluded.until
        WHERE lease.until < now() OR lease.owner = excluded.owner;
    IF NOT FOUND THEN
        intent := 'busy';
        RETURN NEXT;
        RETURN;
    END IF;
    IF made THEN
        intent := 'pending'; -- nobody else sees the row before this call ends
    ELSE
        -- Again under the lease: the last owner may have ended it between the look and the lease.
        SELECT * INTO intent, by_event, note, at, why, sent_ago FROM public.note_intent(tenant, mark, input);
        IF intent IS NULL OR intent = 'done' THEN
            DELETE FROM public.note_leases WHERE tenant_id = tenant AND ticket_id = ticket AND owner = worker;
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    SELECT count(*) FILTER (WHERE coalesce(other.sent_at, other.done_at) > now() - interval '24 hours'), max(other.done_at)
        INTO others_lately, earlier_at
        FROM public.note_intents other WHERE other.tenant_id = tenant AND other.ticket_id = ticket AND other.marker <> mark;
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

-- Right before the desk is called: 'superseded', 'lease_lost' or 'noted'.
CREATE OR REPLACE FUNCTION note_sent(tenant text, ticket text, content text, mark text, worker text, lease_seconds integer) RETURNS text
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    PERFORM FROM public.tickets WHERE tenant_id = tenant AND ticket_id = ticket AND content_hash <> content;
    IF FOUND AND public.supersede_enhancement(tenant, ticket, content, 'superseded') THEN
        RETURN 'superseded';
    END IF;
    UPDATE public.note_leases SET until = clock_timestamp() + make_interval(secs => lease_seconds)
    WHERE tenant_id = tenant AND ticket_id = ticket AND owner = worker;
    IF NOT FOUND THEN
        RETURN 'lease_lost';
    END IF;
    UPDATE public.note_intents SET state = 'sent', sent_at = clock_timestamp()
    WHERE tenant_id = tenant AND marker = mark AND state <> 'done';
    RETURN 'noted';
END $$;

-- Keeps the ending, ends the lease and says so in enhancements, as enhancement_posted does; the ending that is kept.
CREATE OR REPLACE FUNCTION note_done(
    tenant text, ticket text, content text, mark text, input uuid, worker text, ended_at timestamptz, posted text, dropped_for text
) RETURNS TABLE (intent text, by_event text, note text, at timestamptz, why text)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    IF posted IS NOT NULL THEN
        UPDATE public.note_intents SET state = 'done', note_id = posted, done_at = ended_at, event_id = input
        WHERE tenant_id = tenant AND marker = mark AND state <> 'done'
        RETURNING 'done', event_id::text, note_id, done_at INTO intent, by_event, note, at;
    ELSE
        INSERT INTO public.note_drops (tenant_id, event_id, marker, reason, dropped_at) VALUES (tenant, input, mark, dropped_for, ended_at)
            ON CONFLICT (tenant_id, event_id) DO NOTHING;
    END IF;
    DELETE FROM public.note_leases WHERE tenant_id = tenant AND ticket_id = ticket AND owner = worker;
    IF intent IS NULL THEN
        SELECT kept.intent, kept.by_event, kept.note, kept.at, kept.why INTO intent, by_event, note, at, why
            FROM public.note_intent(tenant, mark, input) kept;
    END IF;
    IF note IS NOT NULL THEN
        UPDATE public.enhancements SET status = 'success', note_id = note, error_message = NULL, reason = NULL,
            posted_at = coalesce(posted_at, now()), updated_at = now()
        WHERE tenant_id = tenant AND ticket_id = ticket AND content_hash = content;
    ELSIF why IS NOT NULL THEN
        PERFORM public.enhancement_dropped(tenant, ticket, content, why);
    END IF;
    RETURN NEXT;
END $$;
