"""Tokens for tests that run commands as somebody."""

from __future__ import annotations

from infra.runtime.postgres.pool import open_pool
from sinks.postgres.audit_log import Change
from sinks.postgres.operator_tokens import NewOperatorToken, OperatorTokens, Role


async def operator_token(dsn: str, person: str, role: Role = Role.ENGINEER, *tenants: str) -> str:
    """A new one, under the operator's DSN; no tenants stand for all."""
    pool = await open_pool(dsn, service="operator", size=1)
    token, _ = await OperatorTokens(pool).create(
        NewOperatorToken(person, role, frozenset(tenants) or None), Change("test")
    )
    await pool.close()
    return token
