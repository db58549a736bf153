-- What is known before a ticket comes: events received, tickets as history, articles, the inventory of addresses.

CREATE TABLE received_events (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    event_id uuid NOT NULL,
    ticket_id text NOT NULL,
    kind text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    body_hash text NOT NULL,
    received_at timestamptz NOT NULL,
    published boolean NOT NULL DEFAULT false,
    outcome text,
    reason text,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX received_events_ticket ON received_events (tenant_id, ticket_id);
CREATE INDEX received_events_age ON received_events (tenant_id, recorded_at);
COMMENT ON COLUMN received_events.published IS 'Wholly handled: its output is in Kafka, or it was dropped. A copy may be dropped from then on.';

-- The tenant and the exact tokens are lexemes of their own ("@tenant", "=token"; the parser makes none that begin so), so that
-- one GIN index answers for one tenant without reading another's rows.
CREATE FUNCTION search_document(tenant_id text, title text, body text, exact_tokens text[]) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    setweight(to_tsvector('pg_catalog.english', title), 'A') || setweight(to_tsvector('pg_catalog.english', body), 'B')
    || array_to_tsvector(exact_tokens) || array_to_tsvector(ARRAY['@' || tenant_id]);

CREATE TABLE tickets (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    ticket_id text NOT NULL,
    subject text NOT NULL,
    description text NOT NULL,
    requester_key text NOT NULL DEFAULT '',
    requester_name text,
    site text,
    end_customer text,
    category text,
    priority text,
    status text,
    resolution text NOT NULL DEFAULT '',
    ticket_created_at timestamptz,
    ticket_updated_at timestamptz,
    solved_at timestamptz,
    content_hash text NOT NULL,
    record_offset bigint NOT NULL,
    event_id uuid,
    exact_tokens text[] NOT NULL DEFAULT '{}',
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    search tsvector NOT NULL GENERATED ALWAYS AS
        (search_document(tenant_id, subject, left(description, 20000) || ' ' || left(resolution, 20000), exact_tokens)) STORED,
    PRIMARY KEY (tenant_id, ticket_id)
);
CREATE INDEX tickets_requester ON tickets (tenant_id, requester_key, ticket_created_at DESC) WHERE requester_key <> '';
CREATE INDEX tickets_solved ON tickets (tenant_id, solved_at DESC) WHERE solved_at IS NOT NULL;
CREATE INDEX tickets_search ON tickets USING gin (search);
COMMENT ON COLUMN tickets.record_offset IS 'Offset of the newest event of this ticket in the tenant''s partition of tickets.received; -1 if imported.';

CREATE TABLE ticket_addresses (
    tenant_id text NOT NULL,
    address inet NOT NULL,
    ticket_id text NOT NULL,
    PRIMARY KEY (tenant_id, address, ticket_id),
    FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets ON DELETE CASCADE
);
CREATE INDEX ticket_addresses_ticket ON ticket_addresses (tenant_id, ticket_id);

CREATE TABLE knowledge_articles (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    article_id text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    keywords text NOT NULL DEFAULT '',
    link text,
    source text NOT NULL DEFAULT 'import',
    exact_tokens text[] NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now(),
    search tsvector NOT NULL GENERATED ALWAYS AS
        (search_document(tenant_id, title, left(body, 100000) || ' ' || left(keywords, 2000), exact_tokens)) STORED,
    PRIMARY KEY (tenant_id, article_id)
);
CREATE INDEX knowledge_articles_search ON knowledge_articles USING gin (search);

-- A device is a range of one address. Ranges as two btree columns: inet's <= and >= are leakproof, <<= isn't and could not use
-- an index under row-level security.
CREATE TABLE inventory (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    item_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('device', 'subnet')),
    name text NOT NULL,
    lo inet NOT NULL,
    hi inet NOT NULL CHECK (hi >= lo AND family(hi) = family(lo)),
    details text NOT NULL DEFAULT '',
    link text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, item_id),
    CHECK (kind = 'subnet' OR lo = hi)
);
CREATE INDEX inventory_name ON inventory (tenant_id, lower(name));
CREATE INDEX inventory_range ON inventory (tenant_id, kind, lo, hi);
