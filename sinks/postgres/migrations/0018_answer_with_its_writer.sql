-- Answers.store with what wrote the answer: both were a call of their own, one after the other for each ticket.

-- As store_answer; and if this answer is kept now, the ticket's enhancement says what wrote it, as by enhancement_synthesized.
CREATE OR REPLACE FUNCTION store_written_answer(
    its_tenant text, its_input uuid, its_owner text, its_answer text, ticket text, content text, enhancement uuid, written_by text,
    its_model text, its_prompt text, tokens_in integer, tokens_out integer, cost double precision, degraded_by text,
    written_at timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    DELETE FROM synthesis_leases WHERE tenant_id = its_tenant AND input_id = its_input AND owner = its_owner;
    INSERT INTO synthesized_answers (tenant_id, input_id, answer, stored_by) VALUES (its_tenant, its_input, its_answer, its_owner)
    ON CONFLICT (tenant_id, input_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN (SELECT a.answer FROM synthesized_answers a WHERE a.tenant_id = its_tenant AND a.input_id = its_input);
    END IF;
    UPDATE enhancements SET enhancement_id = enhancement, writer = written_by, model = its_model, prompt_version = its_prompt,
        prompt_tokens = tokens_in, completion_tokens = tokens_out, cost_usd = cost, degraded = degraded_by,
        synthesized_at = written_at, updated_at = now()
    WHERE tenant_id = its_tenant AND ticket_id = ticket AND content_hash = content
        AND (enhancement_id, synthesized_at) IS DISTINCT FROM (enhancement, written_at);
    RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION store_written_answer FROM PUBLIC;
GRANT EXECUTE ON FUNCTION store_written_answer TO ticketstream_synthesize;
