-- Tenants, their secrets and tokens, the services' public keys, and the version that processes poll.

CREATE TABLE config_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL
);
INSERT INTO config_version (version) VALUES (1);

-- Runs as the owner, so that nobody else needs to write the version.
CREATE FUNCTION bump_config_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.config_version SET version = version + 1;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION bump_config_version() FROM PUBLIC;

CREATE TABLE tenant_configs (
    tenant_id text PRIMARY KEY CHECK (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    partition integer NOT NULL UNIQUE CHECK (partition >= 0),
    enabled boolean NOT NULL DEFAULT true,
    servicedesk_base_url text NOT NULL CHECK (servicedesk_base_url ~ '^https?://' AND length(servicedesk_base_url) <= 500),
    servicedesk_form text NOT NULL DEFAULT 'onprem' CHECK (servicedesk_form IN ('onprem', 'cloud')),
    max_concurrent_jobs integer NOT NULL DEFAULT 5 CHECK (max_concurrent_jobs BETWEEN 1 AND 50),
    enhancement_timeout_seconds integer NOT NULL DEFAULT 120 CHECK (enhancement_timeout_seconds BETWEEN 30 AND 300),
    enable_context_caching boolean NOT NULL DEFAULT true,
    gpt4_model text NOT NULL DEFAULT 'gpt-4-turbo' CHECK (length(gpt4_model) BETWEEN 1 AND 100),
    gpt4_temperature double precision NOT NULL DEFAULT 0.7 CHECK (gpt4_temperature BETWEEN 0.0 AND 1.0),
    external_model boolean NOT NULL DEFAULT false,
    external_model_agreed_by text CHECK (length(external_model_agreed_by) BETWEEN 1 AND 200),
    external_model_agreed_at timestamptz,
    webhook_rate_per_second double precision NOT NULL DEFAULT 20 CHECK (webhook_rate_per_second BETWEEN 0.1 AND 1000),
    webhook_burst integer NOT NULL DEFAULT 100 CHECK (webhook_burst BETWEEN 1 AND 10000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (NOT external_model OR (external_model_agreed_by IS NOT NULL AND external_model_agreed_at IS NOT NULL))
);
COMMENT ON COLUMN tenant_configs.partition IS 'The tenant''s partition number in every topic; never changed, never shared.';
COMMENT ON COLUMN tenant_configs.external_model IS 'Whether ticket text may be sent to the language model provider: off until an operator records who agreed.';

CREATE TABLE webhook_secrets (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    secret_id uuid NOT NULL DEFAULT gen_random_uuid(),
    secret text NOT NULL,
    valid_from timestamptz NOT NULL DEFAULT now(),
    valid_until timestamptz CHECK (valid_until >= valid_from),
    due timestamptz NOT NULL DEFAULT now() + interval '90 days',
    created_by text NOT NULL,
    PRIMARY KEY (tenant_id, secret_id)
);
CREATE UNIQUE INDEX webhook_secrets_current ON webhook_secrets (tenant_id) WHERE valid_until IS NULL;
COMMENT ON COLUMN webhook_secrets.secret IS 'Encrypted with the ring TICKETSTREAM_WEBHOOK_KEYS, column "webhook_secret".';
COMMENT ON COLUMN webhook_secrets.valid_until IS 'Null for the current one; set when it was replaced, and valid until then.';

CREATE TABLE servicedesk_credentials (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    credential_id uuid NOT NULL DEFAULT gen_random_uuid(),
    credential text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL,
    replaced_at timestamptz,
    delete_after timestamptz,
    PRIMARY KEY (tenant_id, credential_id),
    CHECK ((replaced_at IS NULL) = (delete_after IS NULL))
);
CREATE UNIQUE INDEX servicedesk_credentials_current ON servicedesk_credentials (tenant_id) WHERE replaced_at IS NULL;
COMMENT ON COLUMN servicedesk_credentials.credential IS 'Encrypted with the ring TICKETSTREAM_CREDENTIAL_KEYS, column "servicedesk_api_key".';
COMMENT ON COLUMN servicedesk_credentials.delete_after IS 'A replaced credential can be rolled back to until then (7 days).';

CREATE TABLE api_tokens (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    token_id uuid NOT NULL DEFAULT gen_random_uuid(),
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    name text NOT NULL DEFAULT '' CHECK (length(name) <= 200),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, token_id)
);
COMMENT ON COLUMN api_tokens.token_hash IS 'SHA-256 of the token, which is 256 random bits and shown once.';

CREATE TABLE service_keys (
    key_id text PRIMARY KEY CHECK (length(key_id) <= 100),
    service text NOT NULL,
    topics text[] NOT NULL,
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    published_at timestamptz NOT NULL DEFAULT now(),
    not_before timestamptz NOT NULL,
    not_after timestamptz,
    revoked_at timestamptz
);

CREATE TABLE audit_log (
    tenant_id text NOT NULL,
    audit_id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL,
    operation text NOT NULL,
    subject text NOT NULL DEFAULT '',
    old_value text,
    new_value text,
    reason text NOT NULL DEFAULT '',
    details jsonb NOT NULL DEFAULT '{}',
    database_role text NOT NULL DEFAULT session_user,
    PRIMARY KEY (tenant_id, audit_id)
);
CREATE INDEX audit_log_at ON audit_log (tenant_id, at);
COMMENT ON TABLE audit_log IS 'Append only: no service may update or delete. Outlives its tenant, hence no foreign key.';

CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON tenant_configs FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON webhook_secrets FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON servicedesk_credentials FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON api_tokens FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON service_keys FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();
