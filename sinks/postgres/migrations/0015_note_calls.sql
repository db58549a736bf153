-- What deliver does to its rows and to those of enhancements, each a transaction in one call: round trips are most of what a short
-- transaction costs. As the caller, so that grants and row-level security hold as they do for statements; each takes its tenant first.

-- Enhancements.

-- Writes only where the row says something else, since both synthesize and deliver note it down.
CREATE FUNCTION enhancement_synthesized(
    tenant text, ticket text, content text, enhancement uuid, written_by text, its_model text, its_prompt text, tokens_in integer,
    tokens_out integer, cost double precision, degraded_by text, written_at timestamptz
) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    UPDATE public.enhancements SET enhancement_id = enhancement, writer = written_by, model = its_model, prompt_version = its_prompt,
        prompt_tokens = tokens_in, completion_tokens = tokens_out, cost_usd = cost, degraded = degraded_by,
        synthesized_at = written_at, updated_at = now()
    WHERE tenant_id = tenant AND ticket_id = ticket AND content_hash = content
        AND (enhancement_id, synthesized_at) IS DISTINCT FROM (enhancement, written_at);
END $$;

CREATE FUNCTION enhancement_posted(tenant text, ticket text, content text, note text) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    UPDATE public.enhancements SET status = 'success', note_id = note, error_message = NULL, reason = NULL,
        posted_at = coalesce(posted_at, now()), updated_at = now()
    WHERE tenant_id = tenant AND ticket_id = ticket AND content_hash = content;
END $$;

-- As superseded only if it still is.
CREATE FUNCTION enhancement_dropped(tenant text, ticket text, content text, why text) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF why = 'superseded' THEN
        PERFORM public.supersede_enhancement(tenant, ticket, content, 'superseded');
        RETURN;
    END IF;
    PERFORM public.for_tenant(tenant);
    UPDATE public.enhancements SET status = 'dropped', reason = why, error_message = NULL, updated_at = now()
    WHERE tenant_id = tenant AND ticket_id = ticket AND content_hash = content AND status <> 'success';
END $$;

CREATE FUNCTION enhancement_failed(
    tenant text, ticket text, content text, why text, message text, received uuid, enhancement uuid
) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    UPDATE public.enhancements SET status = 'failed', reason = why, error_message = message, updated_at = now()
    WHERE tenant_id = tenant AND ticket_id = ticket AND content_hash = content AND status <> 'success'
        AND (event_id = received OR (received IS NULL AND enhancement_id = enhancement));
END $$;

-- Intents. `mark` is the note's marker, `input` the event that asks for it, `worker` who wants or has the ticket's lease.

-- The intent as it is: `intent` its state, for a note `by_event`, `note` and `at`, for a drop of this input `why` and `at`.
CREATE FUNCTION note_intent(tenant text, mark text, input uuid)
RETURNS TABLE (intent text, by_event text, note text, at timestamptz, why text, sent_ago double precision)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    RETURN QUERY
        SELECT CASE WHEN dropped.event_id IS NULL THEN kept.state ELSE 'done' END,
            CASE kept.state WHEN 'done' THEN kept.event_id::text ELSE dropped.event_id::text END,
            kept.note_id, coalesce(kept.done_at, dropped.dropped_at), CASE WHEN kept.state <> 'done' THEN dropped.reason END,
            CASE kept.state WHEN 'sent' THEN greatest(0, extract(epoch FROM clock_timestamp() - kept.sent_at))::float8 END
        FROM public.note_intents kept
            LEFT JOIN public.note_drops dropped ON dropped.tenant_id = kept.tenant_id AND dropped.event_id = input
        WHERE kept.tenant_id = tenant AND kept.marker = mark;
END $$;

-- The intent, made if there is none, and the lease if it is free, run out or this worker's; `intent` is 'busy' where it is none of
-- these. What is done takes no lease. Where it is claimed, what wrote the enhancement is noted down too. It isn't waited for on the
-- disk: a crash of the database may only lose it together with all that follows from it, as the log keeps its order, and then the
-- lease is nobody's, so nothing is sent.
CREATE FUNCTION claim_note(
    tenant text, ticket text, content text, mark text, input uuid, worker text, lease_seconds integer, enhancement uuid,
    written_by text, its_model text, its_prompt text, tokens_in integer, tokens_out integer, cost double precision,
    degraded_by text, written_at timestamptz
) RETURNS TABLE (
    intent text, by_event text, note text, at timestamptz, why text, sent_ago double precision, earlier_event text,
    earlier_note text, earlier_at timestamptz, others_lately bigint
)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO public.note_intents (tenant_id, marker, ticket_id, content_hash, event_id) VALUES (tenant, mark, ticket, content, input)
        ON CONFLICT (tenant_id, marker) DO NOTHING;
    IF NOT FOUND THEN
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
    -- Again under the lease: the last owner may have ended it between the look and the lease.
    SELECT * INTO intent, by_event, note, at, why, sent_ago FROM public.note_intent(tenant, mark, input);
    IF intent IS NULL OR intent = 'done' THEN
        DELETE FROM public.note_leases WHERE tenant_id = tenant AND ticket_id = ticket AND owner = worker;
        RETURN NEXT;
        RETURN;
    END IF;
    SELECT count(*) FILTER (WHERE coalesce(other.sent_at, other.done_at) > now() - interval '24 hours'), max(other.done_at)
        INTO others_lately, earlier_at
        FROM public.note_intents other WHERE other.tenant_id = tenant AND other.ticket_id = ticket AND other.marker <> mark;
    IF earlier_at IS NOT NULL THEN
        SELECT other.event_id::text, other.note_id, other.done_at INTO earlier_event, earlier_note, earlier_at
            FROM public.note_intents other WHERE other.tenant_id = tenant AND other.ticket_id = ticket AND other.marker <> mark
                AND other.state = 'done' ORDER BY other.done_at DESC LIMIT 1;
    END IF;
    PERFORM public.enhancement_synthesized(tenant, ticket, content, enhancement, written_by, its_model, its_prompt, tokens_in,
        tokens_out, cost, degraded_by, written_at);
    RETURN NEXT;
END $$;

CREATE FUNCTION renew_note_lease(tenant text, ticket text, worker text, lease_seconds integer) RETURNS boolean
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    UPDATE public.note_leases SET until = clock_timestamp() + make_interval(secs => lease_seconds)
    WHERE tenant_id = tenant AND ticket_id = ticket AND owner = worker;
    RETURN FOUND;
END $$;

CREATE FUNCTION end_note_lease(tenant text, ticket text, worker text) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    DELETE FROM public.note_leases WHERE tenant_id = tenant AND ticket_id = ticket AND owner = worker;
END $$;

-- Right before the desk is called: 'superseded' if the ticket says something else now, noted down as supersede_enhancement does;
-- 'lease_lost' if the lease isn't this worker's; else 'noted'. By the clock as it is after any wait for the lock.
CREATE FUNCTION note_sent(tenant text, ticket text, content text, mark text, worker text, lease_seconds integer) RETURNS text
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    PERFORM FROM public.tickets WHERE tenant_id = tenant AND ticket_id = ticket AND content_hash <> content;
    IF FOUND AND public.supersede_enhancement(tenant, ticket, content, 'superseded') THEN
        RETURN 'superseded';
    END IF;
    IF NOT public.renew_note_lease(tenant, ticket, worker, lease_seconds) THEN
        RETURN 'lease_lost';
    END IF;
    UPDATE public.note_intents SET state = 'sent', sent_at = clock_timestamp()
    WHERE tenant_id = tenant AND marker = mark AND state <> 'done';
    RETURN 'noted';
END $$;

CREATE FUNCTION note_withdrawn(tenant text, ticket text, mark text, worker text, lease_seconds integer) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF public.renew_note_lease(tenant, ticket, worker, lease_seconds) THEN
        UPDATE public.note_intents SET state = 'pending', sent_at = NULL
        WHERE tenant_id = tenant AND marker = mark AND state = 'sent';
    END IF;
END $$;

-- Keeps the ending, a note or why there is none, ends the lease and says so in enhancements; the ending that is kept: the first note
-- wins over everything, and the first drop of an input over later ones of it.
CREATE FUNCTION note_done(
    tenant text, ticket text, content text, mark text, input uuid, worker text, ended_at timestamptz, posted text, dropped_for text
) RETURNS TABLE (intent text, by_event text, note text, at timestamptz, why text)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    IF posted IS NOT NULL THEN
        UPDATE public.note_intents SET state = 'done', note_id = posted, done_at = ended_at, event_id = input
        WHERE tenant_id = tenant AND marker = mark AND state <> 'done';
    ELSE
        INSERT INTO public.note_drops (tenant_id, event_id, marker, reason, dropped_at) VALUES (tenant, input, mark, dropped_for, ended_at)
            ON CONFLICT (tenant_id, event_id) DO NOTHING;
    END IF;
    DELETE FROM public.note_leases WHERE tenant_id = tenant AND ticket_id = ticket AND owner = worker;
    SELECT kept.intent, kept.by_event, kept.note, kept.at, kept.why INTO intent, by_event, note, at, why
        FROM public.note_intent(tenant, mark, input) kept;
    IF note IS NOT NULL THEN
        PERFORM public.enhancement_posted(tenant, ticket, content, note);
    ELSIF why IS NOT NULL THEN
        PERFORM public.enhancement_dropped(tenant, ticket, content, why);
    END IF;
    RETURN NEXT;
END $$;

-- The tenant's current one, encrypted; no row if there is none.
CREATE FUNCTION desk_credential(tenant text) RETURNS TABLE (stored text)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    RETURN QUERY SELECT c.credential FROM public.servicedesk_credentials c WHERE c.tenant_id = tenant AND c.replaced_at IS NULL;
END $$;

REVOKE ALL ON FUNCTION enhancement_synthesized, enhancement_posted, enhancement_dropped, enhancement_failed,
    note_intent, claim_note, renew_note_lease, end_note_lease, note_sent, note_withdrawn, note_done,
    desk_credential FROM PUBLIC;
GRANT EXECUTE ON FUNCTION for_tenant TO ticketstream_sync, ticketstream_reconcile;
GRANT EXECUTE ON FUNCTION enhancement_dropped, enhancement_failed TO ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver;
GRANT EXECUTE ON FUNCTION enhancement_synthesized TO ticketstream_synthesize, ticketstream_deliver;
GRANT EXECUTE ON FUNCTION enhancement_posted, note_intent, claim_note, renew_note_lease, end_note_lease, note_sent, note_withdrawn,
    note_done TO ticketstream_deliver;
GRANT EXECUTE ON FUNCTION desk_credential TO ticketstream_deliver, ticketstream_sync, ticketstream_reconcile, ticketstream_console,
    ticketstream_operator;
