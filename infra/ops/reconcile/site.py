"""The adapters of reconcile, for the process and for the command: its database role, its key, the desks, Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from infra.ops.reconcile import metrics
from infra.ops.reconcile.backlog import EnrichBacklog
from infra.ops.reconcile.pace import Pace
from infra.ops.reconcile.ports import Ports, Report
from infra.ops.reconcile.rounds import Reconciler
from infra.ops.reconcile.settings import ReconcileSettings
from infra.runtime.clock import SystemClock
from infra.runtime.kafka.producer import Producer
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.kafka.schema_registry import codec_with
from infra.runtime.kafka.topics import check_partition_counts
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.availability import UNAVAILABLE
from infra.runtime.postgres.pool import Pool
from infra.runtime.telemetry.logs import get_logger
from sinks.postgres.credentials import DeskCredentials, forget_replaced
from sinks.postgres.desk_access_tokens import StoredAccessTokens
from sinks.postgres.reconcile import ReconcileState
from sinks.postgres.tenant_directory import TenantDirectory
from sinks.postgres.tenant_settings import TenantSettings
from sinks.servicedesk.accounts import StoredDeskAccounts
from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.authentication import Authentication
from sinks.servicedesk.client import DeskClient
from sinks.servicedesk.listing import ServiceDeskListing
from sinks.servicedesk.transport import Transport

log = get_logger(__name__)

SERVICE = "reconcile"
PUBLISH_SECONDS = 10.0
FLUSH_SECONDS = 3.0
_AWAY: tuple[type[BaseException], ...] = (*UNAVAILABLE, TimeoutError)


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that a round needs."""

    tenants: TenantDirectory
    reconciler: Reconciler
    pool: Pool

    async def round(self) -> list[Report]:
        """All enabled tenants as they are now; of all, what was kept of replaced credentials for long enough is deleted."""
        await self._forget()
        reports = await self.reconciler.round([tenant for tenant in self.all() if tenant.enabled])
        metrics.LAST_ROUND.set_to_current_time()
        return reports

    def all(self) -> Sequence[TenantSettings]:
        return self.tenants.all()

    async def _forget(self) -> None:
        """The next round deletes what this one can't."""
        try:
            for tenant in self.all():
                await forget_replaced(self.pool, tenant.tenant_id)
        except _AWAY as error:
            log.warning("Replaced credentials not deleted, the next round tries again", error=repr(error))


@asynccontextmanager
async def open_site(settings: ReconcileSettings, kafka: dict[str, Any], pool: Pool) -> AsyncIterator[Site]:
    """`kafka` are librdkafka's settings. Raises SigningKeyError, TopicsError, SchemaRegistryError."""
    signer = SigningKey.load(settings.signing_key_file, service=SERVICE)
    await check_partition_counts(kafka, settings.topic_prefix)
    codec = await codec_with(settings.schema_registry_url, settings.topic_prefix)
    tenants = TenantDirectory(pool)
    await tenants.start()
    producer = Producer(kafka, delivery_timeout=PUBLISH_SECONDS)
    backlog = EnrichBacklog(kafka, settings.topic_prefix)
    try:
        async with Transport(AddressPolicy(local=settings.local)) as transport:
            ring = settings.credential_ring
            accounts = StoredDeskAccounts(tenants, DeskCredentials(pool, ring))
            authentication = Authentication(transport, tokens=StoredAccessTokens(pool, ring))
            client = DeskClient(transport, accounts, authentication=authentication)
            ports = Ports(
                state=ReconcileState(pool),
                listing=ServiceDeskListing(client),
                backlog=backlog,
                publisher=Publisher(producer, signer, codec=codec, prefix=settings.topic_prefix),
                pace=Pace(settings.reconcile_calls_per_minute),
                clock=SystemClock(),
            )
            yield Site(tenants, Reconciler(ports, settings.limits), pool)
    finally:
        await tenants.stop()
        await producer.stop(FLUSH_SECONDS)
        await asyncio.to_thread(backlog.close)
