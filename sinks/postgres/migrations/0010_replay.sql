-- What was replayed: runs over a window of a topic, one row a tenant, and dead letters one by one.

CREATE TABLE replay_runs (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    run_id uuid NOT NULL,
    stage text NOT NULL CHECK (stage IN ('enrich', 'synthesize', 'deliver', 'feedback_aggregate')),
    target_stage text NOT NULL CHECK (target_stage IN ('enrich', 'synthesize', 'deliver', 'feedback_aggregate')),
    since timestamptz NOT NULL,
    until timestamptz NOT NULL CHECK (until > since),
    ticket_id text,
    again boolean NOT NULL,
    rate double precision NOT NULL CHECK (rate > 0),
    who text NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
    first_offset bigint NOT NULL CHECK (first_offset >= 0),
    end_offset bigint NOT NULL,
    source_first bigint NOT NULL CHECK (source_first >= 0),
    source_end bigint NOT NULL,
    next_offset bigint NOT NULL,
    selected bigint NOT NULL DEFAULT 0,
    replayed bigint NOT NULL DEFAULT 0,
    answered bigint NOT NULL DEFAULT 0,
    skipped jsonb NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, run_id),
    CHECK ((state = 'done') = (finished_at IS NOT NULL))
);
CREATE INDEX replay_runs_started ON replay_runs (tenant_id, started_at DESC);
COMMENT ON COLUMN replay_runs.first_offset IS 'The window as offsets of the tenant''s partition of the stage''s input topic, fixed when the run began.';
COMMENT ON COLUMN replay_runs.source_first IS 'The offsets of the target stage''s input topic that are replayed from; the window itself where both stages are one.';
COMMENT ON COLUMN replay_runs.next_offset IS 'Where the run goes on after a kill, in the target stage''s input topic.';

CREATE TABLE replayed_letters (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    letter_id uuid NOT NULL,
    run_id uuid NOT NULL,
    who text NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz,
    PRIMARY KEY (tenant_id, letter_id, run_id)
);
CREATE INDEX replayed_letters_age ON replayed_letters (tenant_id, claimed_at);
COMMENT ON COLUMN replayed_letters.replayed_at IS 'Null while its event may or may not have been published: whoever goes on publishes it under the same run, so with the same id.';

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['replay_runs', 'replayed_letters'] LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON public.%I USING (tenant_id = NULLIF(current_setting(''app.current_tenant_id'', true), ''''))',
            name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON replay_runs, replayed_letters TO ticketstream_operator;
GRANT SELECT ON replay_runs, replayed_letters TO ticketstream_console;
