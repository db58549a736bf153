-- Short transactions of enrich and synthesize as one call each: `SELECT * FROM some_function($1, …)` is a transaction of its own, so
-- a round trip where BEGIN, every statement and COMMIT were one each. They run with the caller's rights, under row-level security.

-- Every call begins with this. The setting ends with the caller's transaction.
CREATE FUNCTION for_tenant(its_tenant text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF coalesce(its_tenant, '') = '' THEN
        RAISE EXCEPTION 'a call for a tenant needs a tenant id' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM set_config('app.current_tenant_id', its_tenant, true);
END $$;

-- ReceivedEvents.admit: 'fresh', 'copy' or 'conflict'; null where the tenant was erased meanwhile.
CREATE FUNCTION admit_event(
    its_tenant text, its_event uuid, its_ticket text, its_kind text, its_topic text, its_partition integer, its_offset bigint,
    its_body_hash text, its_receipt timestamptz, its_original uuid
) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    known record;
BEGIN
    PERFORM for_tenant(its_tenant);
    INSERT INTO received_events (tenant_id, event_id, ticket_id, kind, topic, partition, record_offset, body_hash, received_at, replay_of)
    VALUES (its_tenant, its_event, its_ticket, its_kind, its_topic, its_partition, its_offset, its_body_hash, its_receipt, its_original)
    ON CONFLICT (tenant_id, event_id) DO NOTHING;
    IF FOUND THEN RETURN 'fresh'; END IF;
    SELECT r.topic, r.partition, r.record_offset, r.body_hash, r.published INTO known FROM received_events r
    WHERE r.tenant_id = its_tenant AND r.event_id = its_event FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    IF known.topic = its_topic AND known.partition = its_partition AND known.record_offset = its_offset THEN RETURN 'fresh'; END IF;
    IF known.body_hash <> its_body_hash THEN RETURN 'conflict'; END IF;
    IF known.published THEN RETURN 'copy'; END IF;
    UPDATE received_events SET topic = its_topic, partition = its_partition, record_offset = its_offset, updated_at = now()
    WHERE tenant_id = its_tenant AND event_id = its_event;
    RETURN 'fresh';
END $$;

-- ReceivedEvents.mark
CREATE FUNCTION mark_event(its_tenant text, its_event uuid, its_outcome text, its_reason text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    UPDATE received_events SET published = true, outcome = coalesce(outcome, its_outcome), reason = coalesce(reason, its_reason),
        updated_at = now()
    WHERE tenant_id = its_tenant AND event_id = its_event;
END $$;

-- tickets.alone_with: until the transaction ends, no other that asks for the same ticket goes on.
CREATE FUNCTION alone_with_ticket(its_tenant text, its_ticket text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(its_tenant || '/' || its_ticket, 8));
END $$;

-- tickets.keep, and store_ticket below: whether it was taken, i.e. nothing newer was there. In the caller's tenant transaction.
CREATE FUNCTION keep_ticket(
    its_tenant text, its_ticket text, its_subject text, its_description text, its_requester_key text, its_requester_name text,
    its_site text, its_end_customer text, its_category text, its_priority text, its_status text, its_resolution text,
    its_creation timestamptz, its_change timestamptz, its_solution timestamptz, its_hash text, its_tokens text[], its_addresses inet[],
    its_offset bigint, its_event uuid, its_edit timestamptz, its_gathering interval
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO tickets AS kept (tenant_id, ticket_id, subject, description, requester_key, requester_name, site, end_customer,
        category, priority, status, resolution, ticket_created_at, ticket_updated_at, solved_at, content_hash, record_offset, event_id,
        exact_tokens)
    VALUES (its_tenant, its_ticket, its_subject, its_description, its_requester_key, its_requester_name, its_site, its_end_customer,
        its_category, its_priority, its_status, its_resolution, its_creation, its_change, its_solution, its_hash, its_offset, its_event,
        its_tokens)
    ON CONFLICT (tenant_id, ticket_id) DO UPDATE SET subject = excluded.subject, description = excluded.description,
        requester_key = excluded.requester_key, requester_name = excluded.requester_name, site = coalesce(excluded.site, kept.site),
        end_customer = coalesce(excluded.end_customer, kept.end_customer), category = excluded.category, priority = excluded.priority,
        status = excluded.status, resolution = coalesce(nullif(excluded.resolution, ''), kept.resolution),
        ticket_created_at = coalesce(excluded.ticket_created_at, kept.ticket_created_at),
        ticket_updated_at = coalesce(excluded.ticket_updated_at, kept.ticket_updated_at), solved_at = excluded.solved_at,
        content_hash = excluded.content_hash, record_offset = excluded.record_offset, event_id = excluded.event_id,
        exact_tokens = excluded.exact_tokens, updated_at = now(),
        edits_since = CASE WHEN kept.record_offset >= 0 AND kept.content_hash <> excluded.content_hash
            AND (its_edit >= kept.edits_since + its_gathering OR (its_edit IS NOT NULL AND kept.edits_since IS NULL))
            THEN least(its_edit, now()) ELSE kept.edits_since END
    WHERE kept.record_offset <= excluded.record_offset
        AND (kept.ticket_updated_at > excluded.ticket_updated_at AND kept.ticket_updated_at < now() + interval '1 day') IS NOT TRUE;
    IF NOT FOUND THEN RETURN false; END IF;
    DELETE FROM ticket_addresses WHERE tenant_id = its_tenant AND ticket_id = its_ticket;
    IF cardinality(its_addresses) > 0 THEN
        INSERT INTO ticket_addresses (tenant_id, address, ticket_id) SELECT its_tenant, unnest(its_addresses), its_ticket
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN true;
END $$;

-- store_ticket: the offset that says how old a replayed event's content is; null if what is known stays. Where the event stood that
-- it repeats decides. Where nobody knows any more (it never reached enrich, or the database was lost), the desk's own time of the
-- change does, and without it what was received stays; -1 is an import's offset.
CREATE FUNCTION replayed_offset(its_tenant text, its_ticket text, its_original uuid, its_change timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    original bigint;
    known record;
    is_known boolean;
BEGIN
    SELECT r.record_offset INTO original FROM received_events r
    WHERE r.tenant_id = its_tenant AND r.event_id = its_original AND r.replay_of IS NULL;
    SELECT t.record_offset, t.ticket_updated_at INTO known FROM tickets t WHERE t.tenant_id = its_tenant AND t.ticket_id = its_ticket;
    is_known := FOUND;
    IF original IS NOT NULL THEN
        RETURN CASE WHEN NOT is_known OR original > known.record_offset THEN original END;
    END IF;
    IF NOT is_known THEN RETURN -1; END IF;
    RETURN CASE WHEN coalesce(its_change > known.ticket_updated_at, known.record_offset = -1) THEN known.record_offset END;
END $$;

-- Tickets.store: keeps the ticket, and what is known of it then; no row where the tenant was erased meanwhile.
CREATE FUNCTION store_ticket(
    its_tenant text, its_ticket text, its_subject text, its_description text, its_requester_key text, its_requester_name text,
    its_site text, its_end_customer text, its_category text, its_priority text, its_status text, its_resolution text,
    its_creation timestamptz, its_change timestamptz, its_solution timestamptz, its_hash text, its_tokens text[], its_addresses inet[],
    its_offset bigint, its_event uuid, its_edit timestamptz, its_gathering interval, is_replayed boolean, its_original uuid
) RETURNS TABLE (newest_hash text, newest_offset bigint, closed boolean, gathered_since timestamptz)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    place bigint := its_offset;
BEGIN
    PERFORM for_tenant(its_tenant);
    PERFORM alone_with_ticket(its_tenant, its_ticket);
    IF is_replayed THEN
        place := replayed_offset(its_tenant, its_ticket, its_original, its_change);
    END IF;
    IF place IS NOT NULL THEN
        PERFORM keep_ticket(its_tenant, its_ticket, its_subject, its_description, its_requester_key, its_requester_name, its_site,
            its_end_customer, its_category, its_priority, its_status, its_resolution, its_creation, its_change, its_solution, its_hash,
            its_tokens, its_addresses, place, its_event, its_edit, its_gathering);
    END IF;
    RETURN QUERY SELECT t.content_hash, t.record_offset, t.solved_at IS NOT NULL, t.edits_since FROM tickets t
        WHERE t.tenant_id = its_tenant AND t.ticket_id = its_ticket;
END $$;

-- Tickets.newest
CREATE FUNCTION newest_content(its_tenant text, its_ticket text) RETURNS TABLE (content_hash text, record_offset bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT t.content_hash, t.record_offset FROM tickets t WHERE t.tenant_id = its_tenant AND t.ticket_id = its_ticket;
END $$;

-- Enhancements.begin: whether the content is this event's to answer.
CREATE FUNCTION begin_enhancement(
    its_tenant text, its_ticket text, its_hash text, its_event uuid, its_receipt timestamptz, its_original uuid
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    INSERT INTO enhancements AS kept (tenant_id, ticket_id, content_hash, event_id, received_at)
    VALUES (its_tenant, its_ticket, its_hash, its_event, its_receipt)
    ON CONFLICT (tenant_id, ticket_id, content_hash) DO UPDATE SET event_id = excluded.event_id, received_at = excluded.received_at,
        status = 'pending', reason = NULL, error_message = NULL, updated_at = now()
    WHERE kept.status IN ('dropped', 'failed') OR (kept.status = 'pending' AND (kept.event_id = its_original OR EXISTS (
        SELECT FROM received_events r WHERE r.tenant_id = kept.tenant_id AND r.event_id = kept.event_id AND r.replay_of = its_original)));
    IF FOUND THEN RETURN true; END IF;
    RETURN EXISTS (SELECT FROM enhancements e
        WHERE e.tenant_id = its_tenant AND e.ticket_id = its_ticket AND e.content_hash = its_hash AND e.event_id = its_event);
END $$;

-- Enhancements.anothers
CREATE FUNCTION anothers_enhancement(its_tenant text, its_ticket text, its_hash text, its_event uuid) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN EXISTS (SELECT FROM enhancements e WHERE e.tenant_id = its_tenant AND e.ticket_id = its_ticket AND e.content_hash = its_hash
        AND e.event_id <> its_event AND e.status IN ('pending', 'success'));
END $$;

-- Enhancements.limited: whether the ticket had its notes of a day; then the content ends without one.
CREATE FUNCTION limit_enhancement(its_tenant text, its_ticket text, its_hash text, notes integer, its_reason text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    IF (SELECT count(*) FROM enhancements e WHERE e.tenant_id = its_tenant AND e.ticket_id = its_ticket AND e.content_hash <> its_hash
            AND e.status = 'success' AND e.posted_at > now() - interval '24 hours') < notes THEN
        RETURN false;
    END IF;
    UPDATE enhancements SET status = 'dropped', reason = its_reason, error_message = NULL, updated_at = now()
    WHERE tenant_id = its_tenant AND ticket_id = its_ticket AND content_hash = its_hash AND status <> 'success';
    RETURN true;
END $$;

-- Enhancements.superseded
CREATE FUNCTION supersede_enhancement(its_tenant text, its_ticket text, its_hash text, its_reason text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    PERFORM alone_with_ticket(its_tenant, its_ticket);
    IF NOT EXISTS (SELECT FROM tickets t WHERE t.tenant_id = its_tenant AND t.ticket_id = its_ticket AND t.content_hash <> its_hash) THEN
        RETURN false;
    END IF;
    UPDATE enhancements SET status = 'dropped', reason = its_reason, error_message = NULL, updated_at = now()
    WHERE tenant_id = its_tenant AND ticket_id = its_ticket AND content_hash = its_hash AND status <> 'success';
    RETURN true;
END $$;

-- Arrivals.take_in: admit_event, store_ticket, and where nothing is in its way begin_enhancement and limit_enhancement; what wasn't
-- come to is null. In the way are: another content that is newer, a closed ticket, and edits that are gathered, which may wait.
CREATE FUNCTION take_in_event(
    its_tenant text, its_ticket text, its_subject text, its_description text, its_requester_key text, its_requester_name text,
    its_site text, its_end_customer text, its_category text, its_priority text, its_status text, its_resolution text,
    its_creation timestamptz, its_change timestamptz, its_solution timestamptz, its_hash text, its_tokens text[], its_addresses inet[],
    its_offset bigint, its_event uuid, its_edit timestamptz, its_gathering interval, is_replayed boolean, its_original uuid,
    its_kind text, its_topic text, its_partition integer, its_body_hash text, its_receipt timestamptz, is_limited boolean, notes integer,
    limit_reason text
) RETURNS TABLE (
    admission text, newest_hash text, newest_offset bigint, closed boolean, gathered_since timestamptz, begun boolean, limited boolean
) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    admission := admit_event(its_tenant, its_event, its_ticket, its_kind, its_topic, its_partition, its_offset, its_body_hash, its_receipt,
        its_original);
    IF admission = 'fresh' THEN
        SELECT s.newest_hash, s.newest_offset, s.closed, s.gathered_since INTO newest_hash, newest_offset, closed, gathered_since
        FROM store_ticket(its_tenant, its_ticket, its_subject, its_description, its_requester_key, its_requester_name, its_site,
            its_end_customer, its_category, its_priority, its_status, its_resolution, its_creation, its_change, its_solution, its_hash,
            its_tokens, its_addresses, its_offset, its_event, its_edit, its_gathering, is_replayed, its_original) s;
        IF newest_hash = its_hash AND NOT closed AND gathered_since IS NULL AND its_solution IS NULL THEN
            begun := begin_enhancement(its_tenant, its_ticket, its_hash, its_event, its_receipt, its_original);
            IF begun AND is_limited THEN
                limited := limit_enhancement(its_tenant, its_ticket, its_hash, notes, limit_reason);
            END IF;
        END IF;
    END IF;
    RETURN NEXT;
END $$;

-- Answers.take: the stored answer; or the lease, if it was free, run out or this owner's already. Then also what the ticket says now,
-- which decides whether an answer is to be written at all.
CREATE FUNCTION take_answer(its_tenant text, its_input uuid, its_owner text, its_ticket text, lease interval)
RETURNS TABLE (stored text, is_ours boolean, newest_hash text) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    -- The lease first: between looking for an answer and taking a lease another owner may have stored and let go.
    INSERT INTO synthesis_leases AS held (tenant_id, input_id, owner, until) VALUES (its_tenant, its_input, its_owner, now() + lease)
    ON CONFLICT (tenant_id, input_id) DO UPDATE SET owner = excluded.owner, until = excluded.until
    WHERE held.until < now() OR held.owner = excluded.owner;
    is_ours := FOUND;
    SELECT a.answer INTO stored FROM synthesized_answers a WHERE a.tenant_id = its_tenant AND a.input_id = its_input;
    IF FOUND AND is_ours THEN
        DELETE FROM synthesis_leases WHERE tenant_id = its_tenant AND input_id = its_input AND owner = its_owner;
    ELSIF is_ours THEN
        SELECT t.content_hash INTO newest_hash FROM tickets t WHERE t.tenant_id = its_tenant AND t.ticket_id = its_ticket;
    END IF;
    RETURN NEXT;
END $$;

-- Answers.renew: whether the lease was still this owner's.
CREATE FUNCTION renew_answer_lease(its_tenant text, its_input uuid, its_owner text, lease interval) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    UPDATE synthesis_leases SET until = now() + lease WHERE tenant_id = its_tenant AND input_id = its_input AND owner = its_owner;
    RETURN FOUND;
END $$;

-- Answers.store: null if this answer is kept now, else the one that was stored before.
CREATE FUNCTION store_answer(its_tenant text, its_input uuid, its_owner text, its_answer text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    DELETE FROM synthesis_leases WHERE tenant_id = its_tenant AND input_id = its_input AND owner = its_owner;
    INSERT INTO synthesized_answers (tenant_id, input_id, answer, stored_by) VALUES (its_tenant, its_input, its_answer, its_owner)
    ON CONFLICT (tenant_id, input_id) DO NOTHING;
    IF FOUND THEN RETURN NULL; END IF;
    RETURN (SELECT a.answer FROM synthesized_answers a WHERE a.tenant_id = its_tenant AND a.input_id = its_input);
END $$;

-- Answers.release
CREATE FUNCTION release_answer_lease(its_tenant text, its_input uuid, its_owner text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    DELETE FROM synthesis_leases WHERE tenant_id = its_tenant AND input_id = its_input AND owner = its_owner;
END $$;

-- Search.requester_history
CREATE FUNCTION requester_tickets(its_tenant text, its_requester text, its_ticket text, its_end_customer text, most integer)
RETURNS TABLE (ticket_id text, subject text, description text, resolution text)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT t.ticket_id, t.subject, t.description, t.resolution FROM tickets t
        WHERE t.tenant_id = its_tenant AND t.requester_key = its_requester AND t.requester_key <> '' AND t.ticket_id <> its_ticket
            AND (its_end_customer IS NULL OR t.end_customer IS NULL OR lower(t.end_customer) = lower(its_end_customer))
        ORDER BY t.ticket_created_at DESC NULLS LAST LIMIT most;
END $$;

-- Search: how many of the tenant's documents have each word.
CREATE FUNCTION ticket_word_counts(its_tenant text, words text[], ceiling integer) RETURNS TABLE (lexeme text, documents bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT c.lexeme, c.documents FROM ticket_lexeme_counts(words, ceiling) c;
END $$;

CREATE FUNCTION article_word_counts(its_tenant text, words text[], ceiling integer) RETURNS TABLE (lexeme text, documents bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT c.lexeme, c.documents FROM article_lexeme_counts(words, ceiling) c;
END $$;

-- similar_tickets and matching_articles below: what best_tickets and best_articles find, with the built-in functions where those call
-- ones of ours for every candidate, which was half of what a search cost. An exact token
-- ("=token") has no place in its document, and counts as one of the title.
GRANT CREATE ON SCHEMA public TO ticketstream_search;
SET LOCAL ROLE ticketstream_search;

CREATE FUNCTION alike_tickets(words text[], weights double precision[], exclude_ticket text, ceiling integer) RETURNS TABLE (
    ticket_id text, subject text, description text, resolution text, end_customer text, matched text[], in_title text[], size integer
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    of_tenant tsquery := public.lexeme_query('@' || tenant);
BEGIN
    RETURN QUERY
        WITH best AS MATERIALIZED (
            SELECT hit.id, array_agg(asked.word) AS lexemes
            FROM unnest(words, weights) AS asked(word, weight)
            CROSS JOIN LATERAL (
                SELECT d.ticket_id AS id FROM public.tickets d
                WHERE d.search @@ (of_tenant && ('''' || replace(replace(asked.word, '\', '\\'), '''', '''''') || '''')::tsquery)
                    AND d.tenant_id || '' = tenant
                    AND coalesce(d.solved_at, '-infinity') > '-infinity' AND d.ticket_id <> exclude_ticket
            ) AS hit
            GROUP BY hit.id ORDER BY sum(asked.weight) DESC, hit.id LIMIT ceiling)
        SELECT d.ticket_id, left(d.subject, 500), left(d.description, 4000), left(d.resolution, 8000), d.end_customer,
               best.lexemes, ARRAY(SELECT l FROM unnest(best.lexemes) l WHERE l LIKE '=%' OR l = ANY (title.lexemes)),
               length(d.search)
        FROM best JOIN public.tickets d ON d.tenant_id = tenant AND d.ticket_id = best.id
        CROSS JOIN LATERAL (SELECT tsvector_to_array(ts_filter(d.search, '{a}')) AS lexemes OFFSET 0) title;
END $$;

CREATE FUNCTION alike_articles(words text[], weights double precision[], ceiling integer) RETURNS TABLE (
    article_id text, title text, link text, matched text[], in_title text[], size integer
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    of_tenant tsquery := public.lexeme_query('@' || tenant);
BEGIN
    RETURN QUERY
        WITH best AS MATERIALIZED (
            SELECT hit.id, array_agg(asked.word) AS lexemes
            FROM unnest(words, weights) AS asked(word, weight)
            CROSS JOIN LATERAL (
                SELECT d.article_id AS id FROM public.knowledge_articles d
                WHERE d.search @@ (of_tenant && ('''' || replace(replace(asked.word, '\', '\\'), '''', '''''') || '''')::tsquery)
                    AND d.tenant_id || '' = tenant
            ) AS hit
            GROUP BY hit.id ORDER BY sum(asked.weight) DESC, hit.id LIMIT ceiling)
        SELECT d.article_id, left(d.title, 500), d.link,
               best.lexemes, ARRAY(SELECT l FROM unnest(best.lexemes) l WHERE l LIKE '=%' OR l = ANY (title.lexemes)),
               length(d.search)
        FROM best JOIN public.knowledge_articles d ON d.tenant_id = tenant AND d.article_id = best.id
        CROSS JOIN LATERAL (SELECT tsvector_to_array(ts_filter(d.search, '{a}')) AS lexemes OFFSET 0) title;
END $$;

REVOKE ALL ON FUNCTION alike_tickets, alike_articles FROM PUBLIC;
GRANT EXECUTE ON FUNCTION alike_tickets, alike_articles TO ticketstream_enrich, ticketstream_console, ticketstream_operator;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_search;

-- Search.similar_solved
CREATE FUNCTION similar_tickets(
    its_tenant text, words text[], weights double precision[], its_ticket text, its_end_customer text, ceiling integer
) RETURNS TABLE (
    ticket_id text, subject text, description text, resolution text, same_customer boolean, matched text[], in_title text[], size integer
) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT b.ticket_id, b.subject, b.description, b.resolution,
            coalesce(lower(b.end_customer) = lower(its_end_customer), false), b.matched, b.in_title, b.size
        FROM alike_tickets(words, weights, its_ticket, ceiling) b
        WHERE its_end_customer IS NULL OR b.end_customer IS NULL OR lower(b.end_customer) = lower(its_end_customer);
END $$;

-- Search.articles
CREATE FUNCTION matching_articles(its_tenant text, words text[], weights double precision[], ceiling integer) RETURNS TABLE (
    article_id text, title text, link text, matched text[], in_title text[], size integer
) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT b.article_id, b.title, b.link, b.matched, b.in_title, b.size FROM alike_articles(words, weights, ceiling) b;
END $$;

CREATE FUNCTION article_bodies(its_tenant text, articles text[]) RETURNS TABLE (article_id text, body text)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT a.article_id, a.body FROM knowledge_articles a WHERE a.tenant_id = its_tenant AND a.article_id = ANY(articles);
END $$;

-- Search.by_hostnames
CREATE FUNCTION named_items(its_tenant text, names text[]) RETURNS TABLE (item_id text, name text, details text, kind text, link text)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT i.item_id, i.name, i.details, i.kind, i.link FROM inventory i
        WHERE i.tenant_id = its_tenant AND lower(i.name) = ANY(names) ORDER BY i.item_id LIMIT 20;
END $$;

-- Search.by_addresses: devices and subnets, then the tickets that name most of the addresses; a row is one or the other.
CREATE FUNCTION addressed(its_tenant text, addresses inet[], its_end_customer text, most_tickets integer) RETURNS TABLE (
    item_id text, name text, details text, kind text, link text, bits integer,
    ticket_id text, subject text, description text, resolution text
) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT DISTINCT ON (i.item_id) i.item_id, i.name, i.details, i.kind, i.link, masklen(inet_merge(i.lo, i.hi)),
            NULL::text, NULL::text, NULL::text, NULL::text
        FROM unnest(addresses) AS asked(address) JOIN inventory i ON i.tenant_id = its_tenant AND i.lo <= asked.address
            AND i.hi >= asked.address AND family(i.lo) = family(asked.address);
    RETURN QUERY SELECT NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::integer,
            t.ticket_id, t.subject, t.description, t.resolution
        FROM ticket_addresses a JOIN tickets t ON t.tenant_id = a.tenant_id AND t.ticket_id = a.ticket_id
        WHERE a.tenant_id = its_tenant AND a.address = ANY(addresses)
            AND (its_end_customer IS NULL OR t.end_customer IS NULL OR lower(t.end_customer) = lower(its_end_customer))
        GROUP BY t.ticket_id, t.subject, t.description, t.resolution, t.solved_at, t.ticket_created_at
        ORDER BY count(*) DESC, t.ticket_created_at DESC NULLS LAST LIMIT most_tickets;
END $$;

REVOKE ALL ON FUNCTION for_tenant, admit_event, mark_event, alone_with_ticket, keep_ticket, replayed_offset, store_ticket, newest_content,
    begin_enhancement, anothers_enhancement, limit_enhancement, supersede_enhancement, take_in_event, take_answer, renew_answer_lease, store_answer,
    release_answer_lease, requester_tickets, ticket_word_counts, article_word_counts, similar_tickets, matching_articles, article_bodies,
    named_items, addressed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION for_tenant TO ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver, ticketstream_feedback_aggregate,
    ticketstream_console, ticketstream_operator;
GRANT EXECUTE ON FUNCTION admit_event, mark_event, replayed_offset, store_ticket, begin_enhancement, anothers_enhancement, limit_enhancement,
    take_in_event TO ticketstream_enrich;
GRANT EXECUTE ON FUNCTION keep_ticket TO ticketstream_enrich, ticketstream_operator;
GRANT EXECUTE ON FUNCTION newest_content TO ticketstream_deliver;
GRANT EXECUTE ON FUNCTION alone_with_ticket, supersede_enhancement TO ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver;
GRANT EXECUTE ON FUNCTION take_answer, renew_answer_lease, store_answer, release_answer_lease TO ticketstream_synthesize;
GRANT EXECUTE ON FUNCTION requester_tickets, ticket_word_counts, article_word_counts, similar_tickets, matching_articles, article_bodies,
    named_items, addressed TO ticketstream_enrich, ticketstream_console, ticketstream_operator;
