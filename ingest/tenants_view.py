"""The tenants and their webhook secrets, in memory: followed every 2 s, kept while PostgreSQL is away, aware of its age."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Protocol

from infra.runtime.keys.rings import KeyRingError
from infra.runtime.telemetry.logs import get_logger
from ingest import edge_metrics
from ingest.bearer_webhook import networks
from ingest.ports import TenantAccess, TenantRow, TenantSnapshot, TenantSource
from ingest.source_address import Network
from ingest.verifier import SECRET_PREFIX, BadSecret, raw_key

log = get_logger(__name__)

POLL_SECONDS = 2.0
ANSWER_SECONDS = 4.0
FULL_LOAD_SECONDS = 300.0
SECRET_COLUMN = "webhook_secret"  # noqa: S105 — the column that a ciphertext is bound to


class Decrypts(Protocol):
    def decrypt(self, stored: str, *, tenant_id: str, column: str) -> bytes:
        """Raises KeyRingError."""


class TenantsView:
    """Implements `Tenants`. Loads everything when the version changed, and every 5 minutes in case a change was missed."""

    def __init__(
        self,
        source: TenantSource,
        ring: Decrypts,
        *,
        column: str = SECRET_COLUMN,
        monotonic: Callable[[], float] = time.monotonic,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._source, self._ring, self._column = source, ring, column
        self._monotonic, self._poll_seconds = monotonic, poll_seconds
        self._tenants: Mapping[str, TenantAccess] = {}
        self._opened: dict[tuple[str, str], bytes] = {}
        self._version: int | None = None
        self._confirmed_at: float | None = None
        self._reload_at = 0.0

    @property
    def loaded(self) -> bool:
        return self._confirmed_at is not None

    @property
    def age_seconds(self) -> float:
        return float("inf") if self._confirmed_at is None else self._monotonic() - self._confirmed_at

    def get(self, tenant_id: str) -> TenantAccess | None:
        return self._tenants.get(tenant_id)

    def ids(self) -> list[str]:
        """Of all tenants, disabled ones too."""
        return list(self._tenants)

    async def refresh(self) -> bool:
        """One look at the source; false, and the last view goes on, when it doesn't answer."""
        asked_at = self._monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                version = await self._source.version()
                if version != self._version or asked_at >= self._reload_at:
                    self._take(await self._source.load(), asked_at)
                    self._version = version
        except Exception as error:  # whatever is wrong with the source, the last view goes on
            edge_metrics.TENANTS_REFRESH_FAILED.inc()
            log.warning("Tenants not refreshed", error=f"{type(error).__name__}: {error}", age=self.age_seconds)
            return False
        self._confirmed_at = asked_at
        return True

    async def run(self) -> None:
        """Follow the source until cancelled. `refresh` raises nothing, so that nothing else ends it."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._poll_seconds)

    def _take(self, snapshot: TenantSnapshot, asked_at: float) -> None:
        opened: dict[tuple[str, str], bytes] = {}
        self._tenants = {row.tenant_id: self._access(row, opened) for row in snapshot.rows}
        _show_due(snapshot.rows)
        edge_metrics.known_tenants(self._tenants)
        self._opened = opened
        self._reload_at = asked_at + min(FULL_LOAD_SECONDS, snapshot.changes_in or FULL_LOAD_SECONDS)

    def _access(self, row: TenantRow, opened: dict[tuple[str, str], bytes]) -> TenantAccess:
        keys: list[bytes] = []
        secret_ids: list[str] = []
        for stored, secret_id in zip_longest(row.secrets, row.secret_ids, fillvalue=""):
            try:
                key = self._opened.get((row.tenant_id, stored)) or self._open(row.tenant_id, stored)
            except (KeyRingError, BadSecret, UnicodeDecodeError) as error:
                log.error("Webhook secret unreadable", tenant_id=row.tenant_id, error=str(error))
                continue
            opened[row.tenant_id, stored] = key
            keys.append(key)
            secret_ids.append(secret_id)
        return TenantAccess(
            tenant_id=row.tenant_id,
            partition=row.partition,
            enabled=row.enabled,
            rate_per_second=row.rate_per_second,
            burst=row.burst,
            secrets=tuple(keys),
            readable=len(keys) == len(row.secrets),
            secret_ids=tuple(secret_ids),
            bearer_from=_bearer_from(row),
        )

    def _open(self, tenant_id: str, stored: str) -> bytes:
        """Kept either as shown (`whsec_…`) or as the raw key's 43 characters."""
        plain = self._ring.decrypt(stored, tenant_id=tenant_id, column=self._column)
        return raw_key(plain.decode("ascii")) if plain.startswith(SECRET_PREFIX.encode()) else plain


def _bearer_from(row: TenantRow) -> tuple[Network, ...]:
    try:
        return networks(row.bearer_from)
    except ValueError as error:
        log.error("Bearer mode's addresses can't be read", tenant_id=row.tenant_id, error=str(error))
        return ()


def _show_due(rows: Sequence[TenantRow]) -> None:
    edge_metrics.SECRET_DUE.clear()  # and of no tenant that is gone
    for row in rows:
        if row.enabled and row.secret_due is not None:
            edge_metrics.SECRET_DUE.labels(row.tenant_id).set(row.secret_due)
