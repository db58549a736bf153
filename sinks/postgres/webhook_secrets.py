"""Webhook secrets: 256 random bits each, encrypted, two valid while they are exchanged."""

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from infra.runtime.keys.rings import KeyRing
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction
from sinks.postgres import audit_log
from sinks.postgres.audit_log import MASKED, Audited

COLUMN = "webhook_secret"
BOTH_VALID = timedelta(hours=24)
FINGERPRINT_DIGITS = 8


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """`raw` is 43 printable characters, the HMAC key itself, for tools whose key is a text; `whsec` holds them in base64."""

    raw: str

    @classmethod
    def generate(cls) -> WebhookSecret:
        return cls(secrets.token_urlsafe(32))

    @property
    def whsec(self) -> str:
        return "whsec_" + b64encode(self.raw.encode()).decode()

    @property
    def fingerprint(self) -> str:
        """Tells secrets apart without showing them: what `fingerprint` says of the raw key."""
        return fingerprint(self.raw.encode())

    def __repr__(self) -> str:
        return f"WebhookSecret({MASKED})"


def fingerprint(raw_key: bytes) -> str:
    """The first 8 hex digits of the SHA-256 of the raw key, its 43 characters: the signing scripts' `--test` prints the same."""
    return sha256(raw_key).hexdigest()[:FINGERPRINT_DIGITS]


class WebhookSecrets:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool, ring: KeyRing) -> None:
        self._pool, self._ring = pool, ring

    async def add(self, connection: Connection, tenant_id: str, *, who: str) -> WebhookSecret:
        """A tenant's first secret, in the caller's tenant transaction."""
        secret = WebhookSecret.generate()
        stored = self._ring.encrypt(secret.whsec.encode(), tenant_id=tenant_id, column=COLUMN)
        await connection.execute(
            "INSERT INTO webhook_secrets (tenant_id, secret, created_by) VALUES ($1, $2, $3)", tenant_id, stored, who
        )
        return secret

    async def rotate(
        self, tenant_id: str, *, who: str, reason: str, both_valid: timedelta = BOTH_VALID
    ) -> WebhookSecret:
        """A new secret beside the old one, which ends after `both_valid`."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await connection.execute(
                "UPDATE webhook_secrets SET valid_until = now() + $2 WHERE tenant_id = $1 AND valid_until IS NULL",
                tenant_id,
                both_valid,
            )
            secret = await self.add(connection, tenant_id, who=who)
            entry = Audited(tenant_id, who, "tenant rotate-secret", COLUMN, MASKED, MASKED, reason)
            await audit_log.write(connection, entry)
        return secret

    async def due(self, tenant_id: str) -> datetime | None:
        """When the current secret should be exchanged; None without one."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            due: datetime | None = await connection.fetchval(
                "SELECT due FROM webhook_secrets WHERE tenant_id = $1 AND valid_until IS NULL", tenant_id
            )
            return due
