-- Whoever was let in to a tenant that is erased isn't let in to another that gets its name: the name leaves the operators' tokens, and
-- a token for it alone ends. As the owner, since nobody else may change whom a token is for.
CREATE FUNCTION forget_tenant_of_operators(its_tenant text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(its_tenant);
    UPDATE public.operator_tokens SET revoked_at = coalesce(revoked_at, now()) WHERE tenants = ARRAY[its_tenant];
    UPDATE public.operator_tokens SET tenants = array_remove(tenants, its_tenant) WHERE its_tenant = ANY (tenants) AND cardinality(tenants) > 1;
END $$;
REVOKE ALL ON FUNCTION forget_tenant_of_operators FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_tenant_of_operators TO ticketstream_operator;
