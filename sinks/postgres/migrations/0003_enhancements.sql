-- What becomes of a ticket: enhancements, answers with their leases, notes, feedback, and what waits.

CREATE TABLE enhancements (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    ticket_id text NOT NULL,
    content_hash text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'success', 'failed', 'dropped')),
    error_message text,
    reason text,
    event_id uuid NOT NULL,
    enhancement_id uuid,
    note_id text,
    writer text,
    model text,
    prompt_version text,
    prompt_tokens integer,
    completion_tokens integer,
    cost_usd double precision,
    degraded text,
    received_at timestamptz,
    synthesized_at timestamptz,
    posted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, ticket_id, content_hash)
);
CREATE INDEX enhancements_id ON enhancements (tenant_id, enhancement_id);
CREATE INDEX enhancements_created ON enhancements (tenant_id, created_at);
COMMENT ON COLUMN enhancements.event_id IS 'The TicketReceived event that this content is answered for.';

CREATE TABLE synthesized_answers (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    input_id uuid NOT NULL,
    answer text NOT NULL CHECK (octet_length(answer) <= 1048576),
    stored_by text NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, input_id)
);
CREATE INDEX synthesized_answers_age ON synthesized_answers (tenant_id, stored_at);

CREATE TABLE synthesis_leases (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    input_id uuid NOT NULL,
    owner text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, input_id)
);

CREATE TABLE note_intents (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    marker text NOT NULL,
    ticket_id text NOT NULL,
    content_hash text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'done')),
    event_id uuid NOT NULL,
    note_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    done_at timestamptz,
    PRIMARY KEY (tenant_id, marker),
    CHECK ((state = 'done') = (done_at IS NOT NULL AND note_id IS NOT NULL))
);
CREATE INDEX note_intents_ticket ON note_intents (tenant_id, ticket_id, done_at DESC);
COMMENT ON COLUMN note_intents.marker IS 'Derived from what makes the note one; visible in the note, so that it can be found again.';
COMMENT ON COLUMN note_intents.event_id IS 'The input that led to the note, or that asked for it last.';

CREATE TABLE note_drops (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    event_id uuid NOT NULL,
    marker text NOT NULL,
    reason text NOT NULL,
    dropped_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
);
COMMENT ON TABLE note_drops IS 'Inputs for which no note was written, so that a redelivery says the same.';

CREATE TABLE note_leases (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    ticket_id text NOT NULL,
    owner text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, ticket_id)
);

CREATE TABLE enhancement_feedback (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    feedback_id uuid NOT NULL,
    ticket_id text NOT NULL,
    enhancement_id uuid,
    feedback_type text NOT NULL CHECK (feedback_type IN ('thumbs_up', 'thumbs_down', 'rating')),
    rating integer CHECK (rating BETWEEN 1 AND 5),
    comment text,
    submitted_by text,
    minutes_saved integer,
    respondent text,
    counts boolean NOT NULL DEFAULT true,
    submitted_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, feedback_id),
    CHECK (feedback_type <> 'rating' OR rating IS NOT NULL)
);
CREATE INDEX enhancement_feedback_time ON enhancement_feedback (tenant_id, submitted_at DESC);
CREATE INDEX enhancement_feedback_ticket ON enhancement_feedback (tenant_id, ticket_id);
CREATE INDEX enhancement_feedback_respondent ON enhancement_feedback (tenant_id, enhancement_id, respondent) WHERE respondent IS NOT NULL;
COMMENT ON COLUMN enhancement_feedback.counts IS 'False once the same browser gave a later answer on the same note.';

CREATE TABLE feedback_aggregates (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    input_id uuid NOT NULL,
    ticket_id text NOT NULL,
    total integer NOT NULL,
    ratings integer NOT NULL,
    thumbs_up integer NOT NULL,
    thumbs_down integer NOT NULL,
    average_rating double precision,
    recent_average double precision,
    trend double precision,
    minutes_saved_total integer NOT NULL,
    minutes_saved_count integer NOT NULL,
    aggregated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, input_id)
);

CREATE TABLE lane_holds (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    stage text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    ticket_id text NOT NULL,
    event_id text NOT NULL,
    scope text NOT NULL CHECK (scope IN ('lane', 'ticket')),
    reason text NOT NULL,
    detail text NOT NULL DEFAULT '',
    until timestamptz NOT NULL,
    first_failed_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, stage, topic, partition, record_offset)
);

CREATE TABLE lane_breakers (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    stage text NOT NULL,
    state text NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    failures integer NOT NULL,
    until timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, stage)
);
