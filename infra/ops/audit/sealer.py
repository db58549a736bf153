"""Seals what can be sealed, and drops what is old: one round."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from infra.ops.audit.verification import Chain, verify
from infra.runtime.clock import Clock
from infra.runtime.keys.directory import ServiceKey
from infra.runtime.keys.signing import SigningKey
from infra.runtime.telemetry.logs import get_logger
from sinks.postgres.audit_seals import AuditSeals, hour_named
from sinks.postgres.service_keys import ServiceKeys

log = get_logger(__name__)

SEALED = Counter("ticketstream_audit_hours_sealed_total", "Hours of the audit log that were sealed.")
DROPPED = Counter("ticketstream_audit_hours_dropped_total", "Sealed hours whose entries were dropped after 90 days.")
LAST_ROUND = Gauge("ticketstream_audit_sealer_timestamp_seconds", "When the sealer's last round ended well.")
PROBLEMS = Gauge("ticketstream_audit_problems", "What the last daily verification found changed, missing or unsealed.")


class Sealer:
    """`verify_all` is for once a day; `round` for every minute."""

    def __init__(self, seals: AuditSeals, keys: ServiceKeys, key: SigningKey, clock: Clock) -> None:
        self._seals, self._keys, self._key, self._clock = seals, keys, key, clock
        self.tenants: list[str] = []
        """Whose entries or seals there were at the last verification."""

    async def round(self) -> int:
        """How many hours were sealed. Raises PostgresUnavailable."""
        sealed = 0
        for tenant_id, hour in await self._seals.hours_to_seal():
            seal = await self._seals.seal(tenant_id, hour, self._key)
            if seal is not None:
                sealed += 1
                SEALED.inc()
                log.info("Audit hour sealed", **seal.as_json())
        LAST_ROUND.set_to_current_time()
        return sealed

    async def verify_and_drop(self) -> int:
        """How many problems there are. A tenant with one keeps its old entries: they are evidence."""
        keys, problems = await self._keys.load(), 0
        self.tenants = await self._seals.tenants()
        for tenant_id in self.tenants:
            problems += await self._tenant(tenant_id, keys)
        PROBLEMS.set(problems)
        return problems

    async def _tenant(self, tenant_id: str, keys: list[ServiceKey]) -> int:
        chain = Chain(tenant_id, await self._seals.seals(tenant_id), await self._seals.hours(tenant_id), {})
        found = verify(chain, keys, self._clock.now())
        for problem in found:
            log.error("Audit log altered", **problem.as_json())
        if not found:
            for hour in await self._seals.drop_old(tenant_id):
                DROPPED.inc()
                log.info("Audit hour dropped", tenant_id=tenant_id, hour=hour_named(hour))
        return len(found)
