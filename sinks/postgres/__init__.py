"""postgres: our own database. Stores by subject, the migrations, and what applies them.

A store gets a pool and reaches a tenant's rows through `tenant_transaction` only. All of them raise one of
`infra.runtime.postgres.tenant.UNAVAILABLE` while PostgreSQL is away.
"""
