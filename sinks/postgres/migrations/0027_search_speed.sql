-- Search among hundreds of thousands of tickets. Until now every word was looked up among all tenants' documents and intersected with
-- all of the tenant's, and every document with one of 25 words was visited.
-- Writes of tickets and articles wait while their indexes are made: about a minute for 300,000 tickets; reads go on.

-- A key stands for one tenant's word, so that a look-up reads what it finds and no more. Two words with the same key are as likely as
-- any two numbers of 64 bits; the tenant is compared besides, so that it is never a question of chance.
CREATE FUNCTION search_key(tenant_id text, word text) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN pg_catalog.hashtextextended(word COLLATE "C", pg_catalog.hashtextextended(tenant_id COLLATE "C", 0));

CREATE FUNCTION search_keys(tenant_id text, document tsvector) RETURNS bigint[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (SELECT pg_catalog.array_agg(search_key(tenant_id, word)) FROM pg_catalog.unnest(pg_catalog.tsvector_to_array(document)) AS words(word));

REVOKE ALL ON FUNCTION search_key, search_keys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_key, search_keys TO ticketstream_search, ticketstream_enrich, ticketstream_sync, ticketstream_operator;

DROP INDEX tickets_search, knowledge_articles_search;
CREATE INDEX tickets_search ON tickets USING gin (search_keys(tenant_id, search)) WITH (fastupdate = off) WHERE search IS NOT NULL;
CREATE INDEX knowledge_articles_search ON knowledge_articles USING gin (search_keys(tenant_id, search)) WITH (fastupdate = off);

-- What a search visits are rows by the thousand, what it reads are the texts of ten: those stand outside of the rows, which then fit
-- in memory. Rows that were there before become narrow when they are next written, or all at once by VACUUM FULL.
ALTER TABLE tickets SET (toast_tuple_target = 400);
ALTER TABLE tickets ALTER COLUMN search_title SET STORAGE MAIN, ALTER COLUMN subject SET STORAGE MAIN;
ALTER TABLE knowledge_articles SET (toast_tuple_target = 400);
ALTER TABLE knowledge_articles ALTER COLUMN search_title SET STORAGE MAIN, ALTER COLUMN title SET STORAGE MAIN;

-- In the order in which a requester's tickets are asked for.
DROP INDEX tickets_requester;
CREATE INDEX tickets_requester ON tickets (tenant_id, requester_key, ticket_created_at DESC NULLS LAST) WHERE requester_key <> '';

DROP FUNCTION similar_solved_tickets(text, text[], double precision[], double precision, text, text, double precision, integer, integer);
DROP FUNCTION articles_about(text, text[], double precision[], double precision, integer, integer, integer);

GRANT CREATE ON SCHEMA public TO ticketstream_search;
SET LOCAL ROLE ticketstream_search;

DROP FUNCTION best_similar_tickets(text[], double precision[], double precision, text, text, double precision, integer, integer);
DROP FUNCTION best_matching_articles(text[], double precision[], double precision, integer, integer, integer);

-- As before any other plan than the GIN index's unpacks every document of the tenant, hence the conditions in a form that no other
-- index serves.

CREATE OR REPLACE FUNCTION ticket_lexeme_counts(lexemes text[], ceiling integer) RETURNS TABLE (lexeme text, documents bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
BEGIN
    RETURN QUERY
        SELECT asked.word, counted.documents FROM unnest(lexemes) AS asked(word)
        CROSS JOIN LATERAL (
            SELECT count(*) AS documents FROM (
                SELECT FROM public.tickets d
                WHERE public.search_keys(d.tenant_id, d.search) @> ARRAY[public.search_key(tenant, asked.word)]
                    AND d.tenant_id || '' = tenant LIMIT ceiling) found) counted
        WHERE counted.documents > 0;
END $$;

CREATE OR REPLACE FUNCTION article_lexeme_counts(lexemes text[], ceiling integer) RETURNS TABLE (lexeme text, documents bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
BEGIN
    RETURN QUERY
        SELECT asked.word, counted.documents FROM unnest(lexemes) AS asked(word)
        CROSS JOIN LATERAL (
            SELECT count(*) AS documents FROM (
                SELECT FROM public.knowledge_articles d
                WHERE public.search_keys(d.tenant_id, d.search) @> ARRAY[public.search_key(tenant, asked.word)]
                    AND d.tenant_id || '' = tenant LIMIT ceiling) found) counted
        WHERE counted.documents > 0;
END $$;

-- As in 0016, but only the first `leaders` of the words, which are the rarest, bring candidates. Of the best of those the documents are
-- read to see which of the other words they have: far fewer than the documents that have one of them. A word that nearly all have brings
-- some of them.
CREATE FUNCTION best_similar_tickets(
    words text[], weights double precision[], leaders integer, least_weight double precision, exclude_ticket text, its_end_customer text,
    for_same_customer double precision, ceiling integer, most integer
) RETURNS TABLE (ticket_id text, subject text, description text, resolution text, score double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    exact bigint := coalesce((SELECT bit_or(1::bigint << w.place::integer) FROM unnest(words) WITH ORDINALITY AS w(word, place) WHERE w.word LIKE '=%'), 0);
    others tsquery[] := ARRAY(
        SELECT ('''' || replace(replace(w.word, '\', '\\'), '''', '''''') || '''')::tsquery
        FROM unnest(words) WITH ORDINALITY AS w(word, place) WHERE w.place > leaders ORDER BY w.place);
BEGIN
    RETURN QUERY
        WITH candidates AS MATERIALIZED (
            SELECT hit.place, min(hit.id) AS id, bit_or(1::bigint << asked.place::integer) AS matched, sum(asked.weight) AS shared
            FROM unnest(words[:leaders], weights[:leaders]) WITH ORDINALITY AS asked(word, weight, place)
            CROSS JOIN LATERAL (
                SELECT d.ctid AS place, d.ticket_id AS id FROM public.tickets d
                WHERE public.search_keys(d.tenant_id, d.search) @> ARRAY[public.search_key(tenant, asked.word)]
                    AND d.tenant_id || '' = tenant AND d.ticket_id <> exclude_ticket LIMIT 5000
            ) AS hit
            GROUP BY hit.place ORDER BY sum(asked.weight) DESC, min(hit.id) LIMIT ceiling),
        judged AS MATERIALIZED (
            SELECT candidates.place, candidates.id, candidates.matched | rest.matched AS matched, candidates.shared + rest.shared AS shared,
                d.search_title, d.search_size, d.end_customer
            FROM candidates JOIN public.tickets d ON d.ctid = candidates.place
            CROSS JOIN LATERAL (SELECT CASE WHEN cardinality(others) > 0 THEN strip(d.search) END AS document OFFSET 0) read
            CROSS JOIN LATERAL (
                SELECT coalesce(bit_or(1::bigint << (leaders + o.place)::integer), 0) AS matched, coalesce(sum(weights[leaders + o.place]), 0) AS shared
                FROM unnest(others) WITH ORDINALITY AS o(word, place) WHERE read.document @@ o.word) rest
            WHERE its_end_customer IS NULL OR d.end_customer IS NULL OR lower(d.end_customer) = lower(its_end_customer)),
        best AS MATERIALIZED (
            SELECT judged.place, judged.id, round((
                    (judged.shared + title.weight)
                    * CASE WHEN lower(judged.end_customer) = lower(its_end_customer) THEN for_same_customer ELSE 1 END
                    / sqrt(1 + judged.search_size / 80::double precision))::numeric, 4) AS points
            FROM judged
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(w.weight), 0) AS weight FROM unnest(words, weights) WITH ORDINALITY AS w(word, weight, place)
                WHERE judged.matched & (1::bigint << w.place::integer) <> 0 AND (w.word LIKE '=%' OR w.word = ANY (judged.search_title))) title
            WHERE judged.shared >= least_weight AND (judged.matched & (judged.matched - 1) <> 0 OR judged.matched & exact <> 0)
            ORDER BY points DESC, judged.id COLLATE "C" LIMIT most)
        SELECT d.ticket_id, left(d.subject, 500), left(d.description, 4000), left(d.resolution, 8000), best.points::double precision
        FROM best JOIN public.tickets d ON d.ctid = best.place ORDER BY best.points DESC, best.id COLLATE "C";
END $$;

CREATE FUNCTION best_matching_articles(
    words text[], weights double precision[], leaders integer, least_weight double precision, ceiling integer, most integer, characters integer
) RETURNS TABLE (article_id text, title text, body text, link text, score double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    exact bigint := coalesce((SELECT bit_or(1::bigint << w.place::integer) FROM unnest(words) WITH ORDINALITY AS w(word, place) WHERE w.word LIKE '=%'), 0);
    others tsquery[] := ARRAY(
        SELECT ('''' || replace(replace(w.word, '\', '\\'), '''', '''''') || '''')::tsquery
        FROM unnest(words) WITH ORDINALITY AS w(word, place) WHERE w.place > leaders ORDER BY w.place);
BEGIN
    RETURN QUERY
        WITH candidates AS MATERIALIZED (
            SELECT hit.place, min(hit.id) AS id, bit_or(1::bigint << asked.place::integer) AS matched, sum(asked.weight) AS shared
            FROM unnest(words[:leaders], weights[:leaders]) WITH ORDINALITY AS asked(word, weight, place)
            CROSS JOIN LATERAL (
                SELECT d.ctid AS place, d.article_id AS id FROM public.knowledge_articles d
                WHERE public.search_keys(d.tenant_id, d.search) @> ARRAY[public.search_key(tenant, asked.word)]
                    AND d.tenant_id || '' = tenant LIMIT 5000
            ) AS hit
            GROUP BY hit.place ORDER BY sum(asked.weight) DESC, min(hit.id) LIMIT ceiling),
        judged AS MATERIALIZED (
            SELECT candidates.place, candidates.id, candidates.matched | rest.matched AS matched, candidates.shared + rest.shared AS shared,
                d.search_title, d.search_size
            FROM candidates JOIN public.knowledge_articles d ON d.ctid = candidates.place
            CROSS JOIN LATERAL (SELECT CASE WHEN cardinality(others) > 0 THEN strip(d.search) END AS document OFFSET 0) read
            CROSS JOIN LATERAL (
                SELECT coalesce(bit_or(1::bigint << (leaders + o.place)::integer), 0) AS matched, coalesce(sum(weights[leaders + o.place]), 0) AS shared
                FROM unnest(others) WITH ORDINALITY AS o(word, place) WHERE read.document @@ o.word) rest),
        best AS MATERIALIZED (
            SELECT judged.place, judged.id,
                round(((judged.shared + title.weight) / sqrt(1 + judged.search_size / 80::double precision))::numeric, 4) AS points
            FROM judged
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(w.weight), 0) AS weight FROM unnest(words, weights) WITH ORDINALITY AS w(word, weight, place)
                WHERE judged.matched & (1::bigint << w.place::integer) <> 0 AND (w.word LIKE '=%' OR w.word = ANY (judged.search_title))) title
            WHERE judged.shared >= least_weight AND (judged.matched & (judged.matched - 1) <> 0 OR judged.matched & exact <> 0)
            ORDER BY points DESC, judged.id COLLATE "C" LIMIT most)
        SELECT d.article_id, left(d.title, 500), left(d.body, characters), d.link, best.points::double precision
        FROM best JOIN public.knowledge_articles d ON d.ctid = best.place ORDER BY best.points DESC, best.id COLLATE "C";
END $$;

REVOKE ALL ON FUNCTION best_similar_tickets, best_matching_articles FROM PUBLIC;
GRANT EXECUTE ON FUNCTION best_similar_tickets, best_matching_articles TO ticketstream_enrich;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_search;

-- Search.similar_solved
CREATE FUNCTION similar_solved_tickets(
    its_tenant text, words text[], weights double precision[], leaders integer, least_weight double precision, its_ticket text,
    its_end_customer text, for_same_customer double precision, ceiling integer, most integer
) RETURNS TABLE (ticket_id text, subject text, description text, resolution text, score double precision)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT * FROM best_similar_tickets(words, weights, leaders, least_weight, its_ticket, its_end_customer, for_same_customer,
        ceiling, most);
END $$;

-- Search.articles
CREATE FUNCTION articles_about(
    its_tenant text, words text[], weights double precision[], leaders integer, least_weight double precision, ceiling integer, most integer,
    characters integer
) RETURNS TABLE (article_id text, title text, body text, link text, score double precision)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    RETURN QUERY SELECT * FROM best_matching_articles(words, weights, leaders, least_weight, ceiling, most, characters);
END $$;

REVOKE ALL ON FUNCTION similar_solved_tickets, articles_about FROM PUBLIC;
GRANT EXECUTE ON FUNCTION similar_solved_tickets, articles_about TO ticketstream_enrich;

-- Search.by_addresses: as in 0016, but of an address that thousands of tickets name (a gateway's) the last 100 by their ids are compared.
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
                SELECT last.ticket_id, count(*) AS shared FROM unnest(addresses) AS asked(address)
                CROSS JOIN LATERAL (
                    SELECT a.ticket_id FROM ticket_addresses a WHERE a.tenant_id = its_tenant AND a.address = asked.address
                    ORDER BY a.ticket_id DESC LIMIT 100) last
                GROUP BY last.ticket_id) named
            JOIN tickets t ON t.tenant_id = its_tenant AND t.ticket_id = named.ticket_id
            WHERE its_end_customer IS NULL OR t.end_customer IS NULL OR lower(t.end_customer) = lower(its_end_customer)
            ORDER BY named.shared DESC, t.ticket_created_at DESC NULLS LAST, t.ticket_id LIMIT most_tickets) best;
END $$;

-- Search.requester_history: as in 0016, one plan for whatever is asked.
ALTER FUNCTION requester_tickets(text, text, text, text, integer) SET plan_cache_mode = force_generic_plan;
