"""Sessions of persons at the console: the browser has 256 random bits, the row their hash and the operator token, sealed.

Whose session it is, is the token's business: whoever uses a session looks the token up, so that revoking it ends the session.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from infra.runtime.keys.rings import KeyRing, KeyRingError
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection
from sinks.postgres.audit_log import PLATFORM

IDLE = timedelta(minutes=30)
WHOLE = timedelta(hours=8)
MOST_OF_A_TOKEN = 8
"""Sessions; one more ends the oldest."""
SESSION_BYTES = 32
SESSION_CHARACTERS = 43


@dataclass(frozen=True, slots=True)
class KeptSession:
    """`token` is the operator token that was shown at the login."""

    token: str
    made_at: datetime
    expires_at: datetime


class ConsoleSessions:
    """Raises PostgresUnavailable when PostgreSQL is away; so does `pool` while there is none yet."""

    def __init__(
        self, pool: Callable[[], Pool], ring: KeyRing, *, idle: timedelta = IDLE, whole: timedelta = WHOLE
    ) -> None:
        self._pool, self._ring, self._idle, self._whole = pool, ring, idle, whole

    async def begin(self, token: str, token_id: str) -> str:
        """A new session's id for the browser, which isn't kept here. What has ended goes at this occasion."""
        session_id = secrets.token_urlsafe(SESSION_BYTES)
        key = _hash(session_id)
        sealed = self._ring.encrypt(token.encode(), tenant_id=PLATFORM, column=_column(key))
        async with connection(self._pool()) as connected, connected.transaction():
            await connected.execute(
                "DELETE FROM console_sessions WHERE expires_at <= now() OR last_used_at <= now() - $1::interval",
                self._idle,
            )
            await connected.execute(
                """DELETE FROM console_sessions WHERE session_hash IN (
                       SELECT session_hash FROM console_sessions WHERE token_id = $1::text::uuid
                       ORDER BY made_at DESC OFFSET $2)""",
                token_id,
                MOST_OF_A_TOKEN - 1,
            )
            await connected.execute(
                """INSERT INTO console_sessions (session_hash, token_id, sealed_token, expires_at)
                   VALUES ($1, $2::text::uuid, $3, now() + $4::interval)""",
                key,
                token_id,
                sealed,
                self._whole,
            )
        return session_id

    async def find(self, session_id: str) -> KeptSession | None:
        """None for one that is unknown, has ended, or was sealed under a key that is gone. Being found is being used."""
        if len(session_id) != SESSION_CHARACTERS:
            return None
        key = _hash(session_id)
        async with connection(self._pool()) as connected:
            row = await connected.fetchrow(
                """SELECT sealed_token, made_at, expires_at, last_used_at < now() - interval '1 minute' AS note
                   FROM console_sessions
                   WHERE session_hash = $1 AND expires_at > now() AND last_used_at > now() - $2::interval""",
                key,
                self._idle,
            )
            if row is None:
                return None
            if row["note"]:
                await connected.execute("UPDATE console_sessions SET last_used_at = now() WHERE session_hash = $1", key)
        try:
            token = self._ring.decrypt(row["sealed_token"], tenant_id=PLATFORM, column=_column(key)).decode()
        except KeyRingError:
            return None
        return KeptSession(token, row["made_at"], row["expires_at"])

    async def end(self, session_id: str) -> None:
        async with connection(self._pool()) as connected:
            await connected.execute("DELETE FROM console_sessions WHERE session_hash = $1", _hash(session_id))


def _hash(session_id: str) -> bytes:
    return sha256(session_id.encode("utf-8", "replace")).digest()


def _column(key: bytes) -> str:
    """Bound to its row, so that a token that is copied to another doesn't open."""
    return f"console_sessions.sealed_token {key.hex()}"
