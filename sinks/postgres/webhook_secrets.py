"""Webhook secrets: 256 random bits each, encrypted, two valid while they are exchanged."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from infra.runtime.keys.rings import KeyRing, KeyRingError
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction
from sinks.postgres import audit_log
from sinks.postgres.audit_log import MASKED, Change

COLUMN = "webhook_secret"
BOTH_VALID = timedelta(hours=24)
FINGERPRINT_DIGITS = 8
_PREFIX = "whsec_"


class TwoSecretsValid(RuntimeError):
    """The secret before the current one is still valid: a third would make three."""

    def __init__(self, old: KnownSecret) -> None:
        super().__init__("two secrets are valid")
        self.old = old


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """`raw` is 43 printable characters, the HMAC key itself, for tools whose key is a text; `whsec` holds them in base64."""

    raw: str

    @classmethod
    def generate(cls) -> WebhookSecret:
        return cls(secrets.token_urlsafe(32))

    @classmethod
    def stored(cls, plain: bytes) -> WebhookSecret:
        """As it is kept, once decrypted: `whsec_…`, or the raw key."""
        text = plain.decode("ascii")
        return cls(b64decode(text.removeprefix(_PREFIX)).decode("ascii") if text.startswith(_PREFIX) else text)

    @property
    def whsec(self) -> str:
        return _PREFIX + b64encode(self.raw.encode()).decode()

    @property
    def fingerprint(self) -> str:
        """Tells secrets apart without showing them: what `fingerprint` says of the raw key."""
        return fingerprint(self.raw.encode())

    def __repr__(self) -> str:
        return f"WebhookSecret({MASKED})"


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """What may be told of a secret. `valid_until` is None for the current one; the times of use are None before any, and up to 5 s
    late. `fingerprint` is None for one older than fingerprints that wasn't opened since."""

    secret_id: str
    fingerprint: str | None
    valid_from: datetime
    valid_until: datetime | None
    due: datetime
    first_used_at: datetime | None = None
    last_used_at: datetime | None = None
    uses: int = 0


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new secret, which can't be shown again, and the one that it replaces; None where the tenant had none."""

    secret: WebhookSecret
    old: KnownSecret | None


def fingerprint(raw_key: bytes) -> str:
    """The first 8 hex digits of the SHA-256 of the raw key, its 43 characters: the signing scripts' `--test` prints the same."""
    return sha256(raw_key).hexdigest()[:FINGERPRINT_DIGITS]


def fingerprint_of(stored: str, tenant_id: str, ring: KeyRing) -> str | None:
    """Of a stored secret; None where the ring doesn't open it: such a one must be exchanged all the more."""
    try:
        return WebhookSecret.stored(ring.decrypt(stored, tenant_id=tenant_id, column=COLUMN)).fingerprint
    except (KeyRingError, ValueError):
        return None


_VALID = """
SELECT s.secret_id, s.fingerprint, s.valid_from, s.valid_until, s.due, u.first_used_at, u.last_used_at, u.uses, s.secret
FROM webhook_secrets s LEFT JOIN webhook_secret_uses u USING (tenant_id, secret_id)
WHERE s.tenant_id = $1 AND (s.valid_until IS NULL OR s.valid_until > now()) ORDER BY s.valid_from DESC
"""


class WebhookSecrets:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool, ring: KeyRing) -> None:
        self._pool, self._ring = pool, ring

    async def add(self, connection: Connection, tenant_id: str, *, who: str) -> WebhookSecret:
        """A tenant's first secret, in the caller's tenant transaction."""
        secret = WebhookSecret.generate()
        stored = self._ring.encrypt(secret.whsec.encode(), tenant_id=tenant_id, column=COLUMN)
        await connection.execute(
            "INSERT INTO webhook_secrets (tenant_id, secret, fingerprint, created_by) VALUES ($1, $2, $3, $4)",
            tenant_id, stored, secret.fingerprint, who,
        )  # fmt: skip
        return secret

    async def rotate(self, tenant_id: str, change: Change, *, both_valid: timedelta = BOTH_VALID) -> Rotated:
        """A new secret beside the old one, which ends after `both_valid`. Raises TwoSecretsValid; then nothing was changed."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await connection.execute("SELECT FROM tenant_configs WHERE tenant_id = $1 FOR NO KEY UPDATE", tenant_id)
            valid = await _valid(connection, tenant_id, self._ring)
            if len(valid) > 1:
                raise TwoSecretsValid(valid[1])
            old = valid[0] if valid else None
            until: datetime | None = await connection.fetchval(
                """UPDATE webhook_secrets SET valid_until = now() + $2, fingerprint = coalesce(fingerprint, $3)
                   WHERE tenant_id = $1 AND valid_until IS NULL RETURNING valid_until""",
                tenant_id,
                both_valid,
                old and old.fingerprint,
            )
            secret = await self.add(connection, tenant_id, who=change.who)
            await audit_log.write(connection, change.entry(tenant_id, "tenant rotate-secret", COLUMN, MASKED, MASKED))
        return Rotated(secret, replace(old, valid_until=until) if old else None)

    async def end_old(self, tenant_id: str, change: Change) -> KnownSecret | None:
        """The old secret ends now; the one that ended, None where only the current one is valid."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            valid = [
                known for known in await _valid(connection, tenant_id, self._ring) if known.valid_until is not None
            ]
            ended: datetime | None = await connection.fetchval(
                """UPDATE webhook_secrets SET valid_until = greatest(now(), valid_from)
                   WHERE tenant_id = $1 AND valid_until > now() RETURNING valid_until""",
                tenant_id,
            )
            if not valid or ended is None:
                return None
            entry = change.entry(tenant_id, "tenant rotate-secret --end-old", COLUMN, MASKED)
            await audit_log.write(connection, entry)
        return replace(valid[0], valid_until=ended)

    async def valid(self, tenant_id: str) -> list[KnownSecret]:
        """Those that the edge takes now, the current one first."""
        return await known_secrets(self._pool, tenant_id, self._ring)


async def known_secrets(pool: Pool, tenant_id: str, ring: KeyRing | None) -> list[KnownSecret]:
    """A tenant's valid secrets, the current one first. Without a ring those older than fingerprints have none."""
    async with tenant_transaction(pool, tenant_id) as connection:
        return await _valid(connection, tenant_id, ring)


async def _valid(connection: Connection, tenant_id: str, ring: KeyRing | None) -> list[KnownSecret]:
    rows = [dict(row) for row in await connection.fetch(_VALID, tenant_id)]
    for row in rows:
        if row["fingerprint"] is None and ring is not None:
            row["fingerprint"] = fingerprint_of(row["secret"], tenant_id, ring)
    return [known_secret(row) for row in rows]


def known_secret(row: Mapping[str, Any]) -> KnownSecret:
    """From a row with KnownSecret's names; others are passed over."""
    names = ("fingerprint", "valid_from", "valid_until", "due", "first_used_at", "last_used_at")
    return KnownSecret(str(row["secret_id"]), **{name: row[name] for name in names}, uses=row["uses"] or 0)
