"""What benches of single stages share: a stack of chosen services, tenants by name, and events published straight to a stage."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp

from infra.ops.bench.call_spans import CallTimes
from infra.ops.cli.database import operator_pool
from infra.ops.cli.kafka_reader import client_config
from infra.ops.cli.surroundings import Surroundings
from infra.ops.demo.memory import Memory
from infra.ops.demo.setting_up import Stage as Place
from infra.ops.demo.setting_up import set_up
from infra.ops.demo.tenants import DemoTenant
from infra.ops.local.model_server import ModelFault, ModelServer
from infra.ops.local.servicedesk_simulator import SimulatorControl
from infra.ops.local.stack.options import StackOptions, WantedPorts
from infra.ops.local.stack.readiness import wait_until_ready
from infra.ops.local.stack.secrets import LocalSecrets
from infra.ops.local.stack.service import ServiceSpec
from infra.ops.local.stack.services import Site, service_groups
from infra.ops.local.stack.stack import LocalStack
from infra.runtime.kafka.producer import Producer
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.keys.signing import SigningKey
from schemas.topics import Stage, Topic
from sinks.postgres.tenants import Change, TenantStore

WHO = "ticketstream bench"
AT_ONCE = 500


@dataclass(slots=True)
class Feed:
    """A running stack and its tenants; `begin` starts the services that were left out."""

    stack: LocalStack
    place: Place
    tenants: Sequence[DemoTenant]
    partitions: Mapping[str, int]
    waiting: Mapping[str, ServiceSpec] = field(default_factory=dict)

    async def settings(self, tenant_ids: Iterable[str], values: Mapping[str, Any]) -> None:
        store = TenantStore(self.place.pool)
        for tenant_id in tenant_ids:
            await store.set(tenant_id, values, Change(WHO, "bench", agreed_by=WHO))

    async def enable(self, enabled: bool) -> None:
        store = TenantStore(self.place.pool)
        for tenant_id in self.partitions:
            await store.enable(tenant_id, enabled, Change(WHO, "bench"))

    async def begin(self, *names: str) -> None:
        """Returns when they are ready."""
        specs = [self.waiting[name] for name in names]
        await self.stack.supervisor.start(specs)
        await wait_until_ready(self.stack.supervisor, specs, seconds=self.stack.options.ready_seconds)

    def pid(self, service: str) -> int:
        return self.stack.supervisor.status(service).pid or 0

    async def publish(self, stage: Stage | None, topic: Topic, events: Iterable[Any]) -> None:
        """Signed as `stage` signs, or as the edge does; each on its tenant's partition."""
        service = stage.value if stage else "ingest"
        own = LocalSecrets(self.stack.state_dir / "secrets")
        producer = Producer(client_config(dict(self.place.around.variables)))
        key = SigningKey.load(own.signing_key_file(service), service=service)
        publisher = Publisher(producer, key, prefix=self.place.around.topic_prefix)
        left = iter(events)
        while several := list(islice(left, AT_ONCE)):
            await asyncio.gather(
                *(
                    publisher.publish(event, topic=topic, partition=self.partitions[event.tenant_id])
                    for event in several
                )
            )
        await producer.stop()


@asynccontextmanager
async def fed_stack(
    tell: Callable[[str], None], tenant_ids: Sequence[str], *, later: Sequence[str] = (), environment: Mapping[str, str]
) -> AsyncIterator[Feed]:
    """A stack with an own folder. Services in `later` aren't started yet."""
    held: dict[str, ServiceSpec] = {}

    def groups(site: Site) -> list[list[ServiceSpec]]:
        all_groups = service_groups(site)
        held.update({spec.name: spec for group in all_groups for spec in group if spec.name in later})
        return [kept for group in all_groups if (kept := [spec for spec in group if spec.name not in later])]

    with tempfile.TemporaryDirectory(prefix="ticketstream-bench-") as folder:
        options = StackOptions(Path(folder), WantedPorts.any_free(), environment=environment)
        async with LocalStack(options, tell=tell, groups=groups) as stack, AsyncExitStack() as opened:
            around = Surroundings.find(options.state_dir)
            pool = await opened.enter_async_context(operator_pool(around))
            session = await opened.enter_async_context(aiohttp.ClientSession())
            desks = SimulatorControl(stack.endpoints.servicedesk or "", session)
            place = Place(around, pool, session, desks, Memory.load(options.state_dir))
            tenants = [DemoTenant(name, "onprem", f"{name}-authtoken", Path(folder)) for name in tenant_ids]
            partitions = await set_up(place, tenants)
            yield Feed(stack, place, tenants, partitions, held)


@asynccontextmanager
async def slow_model(seconds: float) -> AsyncIterator[tuple[ModelServer, CallTimes]]:
    """A model server that answers every call after so many seconds, and what it saw."""
    calls = CallTimes()
    server = ModelServer()
    server.ledger = calls
    server.faults.set([ModelFault(kind="latency", seconds=seconds)])
    async with server:
        yield server, calls


def with_model(environment: Mapping[str, str], server: ModelServer) -> dict[str, str]:
    """The variables by which a stack's synthesize calls this server."""
    own = {"OPENROUTER_API_KEY": "bench-key", "TICKETSTREAM_MODEL_API_BASE": server.base_url}
    return {**environment, **own}
