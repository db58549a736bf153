-- What a ticket costs in the search. Only solved tickets are ever found, so only they have a document and stand in the index: a new
-- ticket pays for neither, and no search reads one to discard it. What a candidate is scored by (the lexemes of its title, its size)
-- stands beside the document, which is long and compressed; and the scores are computed here, so that only the best travel.

DROP INDEX tickets_search;
ALTER TABLE tickets DROP COLUMN search;
ALTER TABLE tickets
    ADD COLUMN search tsvector GENERATED ALWAYS AS (CASE WHEN solved_at IS NOT NULL THEN
        search_document(tenant_id, subject, left(description, 20000) || ' ' || left(resolution, 20000), exact_tokens) END) STORED,
    ADD COLUMN search_title text[] GENERATED ALWAYS AS
        (CASE WHEN solved_at IS NOT NULL THEN tsvector_to_array(to_tsvector('pg_catalog.english', subject)) END) STORED,
    ADD COLUMN search_size integer GENERATED ALWAYS AS (CASE WHEN solved_at IS NOT NULL THEN
        length(search_document(tenant_id, subject, left(description, 20000) || ' ' || left(resolution, 20000), exact_tokens)) END) STORED;
CREATE INDEX tickets_search ON tickets USING gin (search) WITH (fastupdate = off) WHERE search IS NOT NULL;

ALTER TABLE knowledge_articles
    ADD COLUMN search_title text[] NOT NULL GENERATED ALWAYS AS (tsvector_to_array(to_tsvector('pg_catalog.english', title))) STORED,
    ADD COLUMN search_size integer NOT NULL GENERATED ALWAYS AS
        (length(search_document(tenant_id, title, left(body, 100000) || ' ' || left(keywords, 2000), exact_tokens))) STORED;

GRANT CREATE ON SCHEMA public TO ticketstream_search;
SET LOCAL ROLE ticketstream_search;

-- The condition `search @@ …` is what the planner needs to take the partial index; the query is written out, since a function of ours
-- isn't inlined and costs more than the look-up.

CREATE OR REPLACE FUNCTION ticket_lexeme_counts(lexemes text[], ceiling integer) RETURNS TABLE (lexeme text, documents bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    of_tenant tsquery := public.lexeme_query('@' || tenant);
BEGIN
    RETURN QUERY
        SELECT asked.word, counted.documents FROM unnest(lexemes) AS asked(word)
        CROSS JOIN LATERAL (
            SELECT count(*) AS documents FROM (
                SELECT FROM public.tickets d
                WHERE d.search @@ (of_tenant && ('''' || replace(replace(asked.word, '\', '\\'), '''', '''''') || '''')::tsquery)
                    AND d.tenant_id || '' = tenant LIMIT ceiling) found) counted
        WHERE counted.documents > 0;
END $$;

CREATE OR REPLACE FUNCTION article_lexeme_counts(lexemes text[], ceiling integer) RETURNS TABLE (lexeme text, documents bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    of_tenant tsquery := public.lexeme_query('@' || tenant);
BEGIN
    RETURN QUERY
        SELECT asked.word, counted.documents FROM unnest(lexemes) AS asked(word)
        CROSS JOIN LATERAL (
            SELECT count(*) AS documents FROM (
                SELECT FROM public.knowledge_articles d
                WHERE d.search @@ (of_tenant && ('''' || replace(replace(asked.word, '\', '\\'), '''', '''''') || '''')::tsquery)
                    AND d.tenant_id || '' = tenant LIMIT ceiling) found) counted
        WHERE counted.documents > 0;
END $$;

-- Of at most `ceiling` candidates that share the most weight the `most` with the best score: the weights of the words that a document
-- has, doubled in its title, with a mild discount for its length. Less shared than `least_weight`, or one plain word, is accident.
-- An exact token ("=token") has no place in its document, and counts as one of the title. Which words matched is a bit each (hence at
-- most 62 words): candidates may be thousands, and an array for each is what took longest.
CREATE FUNCTION best_similar_tickets(
    words text[], weights double precision[], least_weight double precision, exclude_ticket text, its_end_customer text,
    for_same_customer double precision, ceiling integer, most integer
) RETURNS TABLE (ticket_id text, subject text, description text, resolution text, score double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    of_tenant tsquery := public.lexeme_query('@' || tenant);
    exact bigint := coalesce((SELECT bit_or(1::bigint << w.place::integer) FROM unnest(words) WITH ORDINALITY AS w(word, place) WHERE w.word LIKE '=%'), 0);
BEGIN
    RETURN QUERY
        WITH candidates AS MATERIALIZED (
            SELECT hit.place, min(hit.id) AS id, bit_or(1::bigint << asked.place::integer) AS matched, sum(asked.weight) AS shared
            FROM unnest(words, weights) WITH ORDINALITY AS asked(word, weight, place)
            CROSS JOIN LATERAL (
                SELECT d.ctid AS place, d.ticket_id AS id FROM public.tickets d
                WHERE d.search @@ (of_tenant && ('''' || replace(replace(asked.word, '\', '\\'), '''', '''''') || '''')::tsquery)
                    AND d.tenant_id || '' = tenant AND d.ticket_id <> exclude_ticket
            ) AS hit
            GROUP BY hit.place ORDER BY sum(asked.weight) DESC, min(hit.id) LIMIT ceiling),
        best AS MATERIALIZED (
            SELECT candidates.place, candidates.id, round((
                    (candidates.shared + title.weight)
                    * CASE WHEN lower(d.end_customer) = lower(its_end_customer) THEN for_same_customer ELSE 1 END
                    / sqrt(1 + d.search_size / 80::double precision))::numeric, 4) AS points
            FROM candidates JOIN public.tickets d ON d.ctid = candidates.place
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(w.weight), 0) AS weight FROM unnest(words, weights) WITH ORDINALITY AS w(word, weight, place)
                WHERE candidates.matched & (1::bigint << w.place::integer) <> 0 AND (w.word LIKE '=%' OR w.word = ANY (d.search_title))) title
            WHERE candidates.shared >= least_weight AND (candidates.matched & (candidates.matched - 1) <> 0 OR candidates.matched & exact <> 0)
                AND (its_end_customer IS NULL OR d.end_customer IS NULL OR lower(d.end_customer) = lower(its_end_customer))
            ORDER BY points DESC, candidates.id COLLATE "C" LIMIT most)
        SELECT d.ticket_id, left(d.subject, 500), left(d.description, 4000), left(d.resolution, 8000), best.points::double precision
        FROM best JOIN public.tickets d ON d.ctid = best.place ORDER BY best.points DESC, best.id COLLATE "C";
END $$;

CREATE FUNCTION best_matching_articles(
    words text[], weights double precision[], least_weight double precision, ceiling integer, most integer, characters integer
) RETURNS TABLE (article_id text, title text, body text, link text, score double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    of_tenant tsquery := public.lexeme_query('@' || tenant);
    exact bigint := coalesce((SELECT bit_or(1::bigint << w.place::integer) FROM unnest(words) WITH ORDINALITY AS w(word, place) WHERE w.word LIKE '=%'), 0);
BEGIN
    RETURN QUERY
        WITH candidates AS MATERIALIZED (
            SELECT hit.place, min(hit.id) AS id, bit_or(1::bigint << asked.place::integer) AS matched, sum(asked.weight) AS shared
            FROM unnest(words, weights) WITH ORDINALITY AS asked(word, weight, place)
            CROSS JOIN LATERAL (
                SELECT d.ctid AS place, d.article_id AS id FROM public.knowledge_articles d
                WHERE d.search @@ (of_tenant && ('''' || replace(replace(asked.word, '\', '\\'), '''', '''''') || '''')::tsquery)
                    AND d.tenant_id || '' = tenant
            ) AS hit
            GROUP BY hit.place ORDER BY sum(asked.weight) DESC, min(hit.id) LIMIT ceiling),
        best AS MATERIALIZED (
            SELECT candidates.place, candidates.id,
                round(((candidates.shared + title.weight) / sqrt(1 + d.search_size / 80::double precision))::numeric, 4) AS points
            FROM candidates JOIN public.knowledge_articles d ON d.ctid = candidates.place
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(w.weight), 0) AS weight FROM unnest(words, weights) WITH ORDINALITY AS w(word, weight, place)
                WHERE candidates.matched & (1::bigint << w.place::integer) <> 0 AND (w.word LIKE '=%' OR w.word = ANY (d.search_title))) title
            WHERE candidates.shared >= least_weight AND (candidates.matched & (candidates.matched - 1) <> 0 OR candidates.matched & exact <> 0)
            ORDER BY points DESC, candidates.id COLLATE "C" LIMIT most)
        SELECT d.article_id, left(d.title, 500), left(d.body, characters), d.link, best.points::double precision
        FROM best JOIN public.knowledge_articles d ON d.ctid = best.place ORDER BY best.points DESC, best.id COLLATE "C";
END $$;

REVOKE ALL ON FUNCTION best_similar_tickets, best_matching_articles FROM PUBLIC;
GRANT EXECUTE ON FUNCTION best_similar_tickets, best_matching_articles TO ticketstream_enrich, ticketstream_console, ticketstream_operator;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_search;

-- Search: how many of the tenant's solved tickets and of its articles have each word.
CREATE FUNCTION word_counts(its_tenant text, of_tickets text[], of_articles text[], ceiling integer)
RETURNS TABLE (corpus text, lexeme text, documents bigint) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    IF cardinality(of_tickets) > 0 THEN
        RETURN QUERY SELECT 'tickets', c.lexeme, c.documents FROM ticket_lexeme_counts(of_tickets, ceiling) c;
    END IF;
    IF cardinality(of_articles) > 0 THEN
        RETURN QUERY SELECT 'articles', c.lexeme, c.documents FROM article_lexeme_counts(of_articles, ceiling) c;
    END IF;
END $$;

-- Search.similar_solved
CREATE FUNCTION similar_solved_tickets(
    its_tenant text, words text[], weights double precision[], least_weight double precision, its_ticket text, its_end_customer text,
    for_same_customer double precision, ceiling integer, most integer
) RETURNS TABLE (ticket_id text, subject text, description text, resolution text, score double precision)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT * FROM best_similar_tickets(words, weights, least_weight, its_ticket, its_end_customer, for_same_customer, ceiling, most);
END $$;

-- Search.articles
CREATE FUNCTION articles_about(
    its_tenant text, words text[], weights double precision[], least_weight double precision, ceiling integer, most integer, characters integer
) RETURNS TABLE (article_id text, title text, body text, link text, score double precision)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT * FROM best_matching_articles(words, weights, least_weight, ceiling, most, characters);
END $$;

-- Search.by_addresses: as before, but a device is looked up by its very address, tickets are counted before their texts are read, and
-- the texts travel no longer than an excerpt needs. One plan for whatever is asked: planning it anew takes longer than answering.
CREATE OR REPLACE FUNCTION addressed(its_tenant text, addresses inet[], its_end_customer text, most_tickets integer) RETURNS TABLE (
    item_id text, name text, details text, kind text, link text, bits integer,
    ticket_id text, subject text, description text, resolution text
) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT DISTINCT ON (i.item_id) i.item_id, i.name, i.details, i.kind, i.link, masklen(inet_merge(i.lo, i.hi)),
            NULL::text, NULL::text, NULL::text, NULL::text
        FROM (
            SELECT d.* FROM unnest(addresses) AS asked(address) JOIN inventory d
                ON d.tenant_id = its_tenant AND d.kind = 'device' AND d.lo = asked.address
            UNION ALL
            SELECT d.* FROM unnest(addresses) AS asked(address) JOIN inventory d
                ON d.tenant_id = its_tenant AND d.kind = 'subnet' AND d.lo <= asked.address AND d.hi >= asked.address
                    AND family(d.lo) = family(asked.address)) i;
    RETURN QUERY SELECT NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::integer,
            best.ticket_id, best.subject, left(best.description, 4000), left(best.resolution, 8000)
        FROM (
            SELECT t.ticket_id, t.subject, t.description, t.resolution
            FROM (
                SELECT a.ticket_id, count(*) AS shared FROM ticket_addresses a
                WHERE a.tenant_id = its_tenant AND a.address = ANY(addresses) GROUP BY a.ticket_id) named
            JOIN tickets t ON t.tenant_id = its_tenant AND t.ticket_id = named.ticket_id
            WHERE its_end_customer IS NULL OR t.end_customer IS NULL OR lower(t.end_customer) = lower(its_end_customer)
            ORDER BY named.shared DESC, t.ticket_created_at DESC NULLS LAST, t.ticket_id LIMIT most_tickets) best;
END $$;

-- Search.requester_history
CREATE OR REPLACE FUNCTION requester_tickets(its_tenant text, its_requester text, its_ticket text, its_end_customer text, most integer)
RETURNS TABLE (ticket_id text, subject text, description text, resolution text)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT newest.ticket_id, newest.subject, left(newest.description, 4000), left(newest.resolution, 8000) FROM (
        SELECT t.ticket_id, t.subject, t.description, t.resolution FROM tickets t
        WHERE t.tenant_id = its_tenant AND t.requester_key = its_requester AND t.requester_key <> '' AND t.ticket_id <> its_ticket
            AND (its_end_customer IS NULL OR t.end_customer IS NULL OR lower(t.end_customer) = lower(its_end_customer))
        ORDER BY t.ticket_created_at DESC NULLS LAST LIMIT most) newest;
END $$;

-- tickets.keep, and store_ticket: as before, but a ticket that is new has no addresses to be taken away.
CREATE OR REPLACE FUNCTION keep_ticket(
    its_tenant text, its_ticket text, its_subject text, its_description text, its_requester_key text, its_requester_name text,
    its_site text, its_end_customer text, its_category text, its_priority text, its_status text, its_resolution text,
    its_creation timestamptz, its_change timestamptz, its_solution timestamptz, its_hash text, its_tokens text[], its_addresses inet[],
    its_offset bigint, its_event uuid, its_edit timestamptz, its_gathering interval
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    is_new boolean;
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
        AND (kept.ticket_updated_at > excluded.ticket_updated_at AND kept.ticket_updated_at < now() + interval '1 day') IS NOT TRUE
    RETURNING xmax = 0 INTO is_new;
    IF NOT FOUND THEN RETURN false; END IF;
    IF NOT is_new THEN
        DELETE FROM ticket_addresses WHERE tenant_id = its_tenant AND ticket_id = its_ticket;
    END IF;
    IF cardinality(its_addresses) > 0 THEN
        INSERT INTO ticket_addresses (tenant_id, address, ticket_id) SELECT its_tenant, unnest(its_addresses), its_ticket
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION word_counts, similar_solved_tickets, articles_about FROM PUBLIC;
GRANT EXECUTE ON FUNCTION word_counts, similar_solved_tickets, articles_about TO ticketstream_enrich, ticketstream_console, ticketstream_operator;
