-- Answers.keep: an answer that cost nothing needs no lease, so the ticket's two calls of synthesize become one.

-- earlier: the answer that was stored before, by whomever; null if this one is kept, or none is since the ticket was edited.
CREATE FUNCTION keep_answer(
    its_tenant text, its_input uuid, ticket text, content text, its_answer text, enhancement uuid, written_by text, its_model text,
    its_prompt text, tokens_in integer, tokens_out integer, cost double precision, degraded_by text, written_at timestamptz,
    superseded text, OUT earlier text, OUT overtaken boolean
) LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    SELECT (SELECT a.answer FROM synthesized_answers a WHERE a.tenant_id = its_tenant AND a.input_id = its_input),
        EXISTS (SELECT FROM tickets t WHERE t.tenant_id = its_tenant AND t.ticket_id = ticket AND t.content_hash <> content)
    INTO earlier, overtaken;
    IF earlier IS NOT NULL THEN
        overtaken := false;
        RETURN;
    END IF;
    IF overtaken THEN  -- or the ticket is edited back just now, see there
        overtaken := supersede_enhancement(its_tenant, ticket, content, superseded);
        IF overtaken THEN RETURN; END IF;
    END IF;
    INSERT INTO synthesized_answers (tenant_id, input_id, answer, stored_by) VALUES (its_tenant, its_input, its_answer, written_by)
    ON CONFLICT (tenant_id, input_id) DO NOTHING;
    IF NOT FOUND THEN
        SELECT a.answer INTO earlier FROM synthesized_answers a WHERE a.tenant_id = its_tenant AND a.input_id = its_input;
        RETURN;
    END IF;
    UPDATE enhancements SET enhancement_id = enhancement, writer = written_by, model = its_model, prompt_version = its_prompt,
        prompt_tokens = tokens_in, completion_tokens = tokens_out, cost_usd = cost, degraded = degraded_by,
        synthesized_at = written_at, updated_at = now()
    WHERE tenant_id = its_tenant AND ticket_id = ticket AND content_hash = content
        AND (enhancement_id, synthesized_at) IS DISTINCT FROM (enhancement, written_at);
END $$;

REVOKE ALL ON FUNCTION keep_answer FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_answer TO ticketstream_synthesize;

-- An answer of some 3 KiB was compressed and put into the table's side table, a third of what storing it cost, though hardly any is
-- read again. Now it stays in its row as it is, up to 8 KB: 4 KB of disk each instead of 2.6.
ALTER TABLE synthesized_answers ALTER COLUMN answer SET STORAGE EXTERNAL, SET (toast_tuple_target = 8160);
