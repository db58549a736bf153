"""The chain for investigations: tenants without data, stages that break as planned, and what the database says meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka.admin import AdminClient

from infra.ops.cli.tenancy import create_tenant
from infra.ops.investigate import Investigation, investigate
from infra.ops.investigate.sources import sources_around
from infra.ops.local.model_server import ModelServer
from infra.ops.local.servicedesk_simulator import DeskSettings
from infra.runtime.postgres.tenant import tenant_transaction
from schemas.topics import Stage, Topic
from sinks.postgres.tenant_directory import POLL_SECONDS
from sinks.postgres.tenant_settings import Value
from sinks.postgres.tenants import Change, NewTenant
from tests.integration.chain.forgery import Forger
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tenant import Tenant
from tests.integration.own_chain import Premises

PREMISES = Premises("investigate", 64)
FOLLOW_SECONDS = POLL_SECONDS + 0.5
PATIENCE = 150.0
TRIES = 5


@dataclass(slots=True)
class World:
    chain: RunningChain
    model: ModelServer
    folder: Path
    _few: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(3))
    _plans: dict[Stage, dict[str, str]] = field(default_factory=dict)

    @property
    def forger(self) -> Forger:
        return Forger(self.chain, PREMISES.prefix)

    def breaks(self, stage: Stage, ticket_id: str, how: str) -> None:
        """From now on the stage breaks so whenever it handles the ticket."""
        plan = self._plans.setdefault(stage, {})
        plan[ticket_id] = how
        file = self.folder / f"{stage}.plan"
        file.with_suffix(".new").write_text(json.dumps(plan))
        file.with_suffix(".new").replace(file)

    async def tenants(self, settings: Mapping[str, Mapping[str, Value]]) -> dict[str, Tenant]:
        """Fresh ones by the names of their settings, known everywhere."""
        made = {name: await self._tenant(values) for name, values in settings.items()}
        last = list(made.values())[-1]

        async def edge_knows() -> bool:
            return (await last.send(b"{}")).status == 422

        await until(edge_knows, "the edge knows the new tenants", seconds=PATIENCE)
        await asyncio.sleep(FOLLOW_SECONDS)  # no stage tells whom it knows, and who is unknown is held
        return made

    async def _tenant(self, values: Mapping[str, Value]) -> Tenant:
        chain, tenant_id = self.chain, f"msp-{uuid4().hex[:10]}"
        key = f"authtoken-of-{tenant_id}"
        base = await chain.desks.put_desk(tenant_id, DeskSettings(kind="onprem", key=key))
        change = Change("tests", "signed order", agreed_by="Head of IT")
        new = NewTenant(tenant_id, base, key, settings=dict(values))
        created = await create_tenant(chain.surroundings(), chain.pool, new, change)
        return Tenant(chain, tenant_id, created.settings.partition, created.secret.whsec)

    async def investigated(self, tenant: Tenant, ticket_id: str) -> Investigation:
        """A few at a time, and patiently: the machine is busy with all that fails. Where a server that runs was too slow to answer,
        it asks again, as the answer says."""
        async with self._few, sources_around(self.chain.surroundings(), self.chain.pool) as found:
            sources = replace(found, look_seconds=10.0, answer_seconds=30.0)
            for _ in range(TRIES):
                said = await investigate(sources, tenant.tenant_id, ticket_id)
                if not said.facts.missing.keys() & {"kafka", "postgres"}:
                    break
            return said

    async def rows(self, tenant: Tenant, statement: str, *arguments: object) -> list[Any]:
        async with tenant_transaction(self.chain.pool, tenant.tenant_id) as connection:
            return list(await connection.fetch(statement, *arguments))

    async def row(self, tenant: Tenant, statement: str, *arguments: object) -> Any:
        """The first row, once there is one."""
        return (await until(lambda: self.rows(tenant, statement, *arguments), statement, seconds=PATIENCE))[0]

    async def held(self, tenant: Tenant, ticket_id: str, reason: str) -> None:
        await self.row(tenant, "SELECT 1 FROM lane_holds WHERE ticket_id = $1 AND reason = $2", ticket_id, reason)

    async def refused(self, tenant: Tenant, reason: str) -> None:
        await self.row(tenant, "SELECT 1 FROM webhook_refusals WHERE reason = $1", reason)

    async def ended(self, tenant: Tenant, ticket_id: str, status: str, reason: str = "") -> None:
        """There is a content of the ticket that ended so."""
        statement = "SELECT 1 FROM enhancements WHERE ticket_id = $1 AND status = $2 AND coalesce(reason, '') = $3"
        await self.row(tenant, statement, ticket_id, status, reason)

    async def dropped(self, tenant: Tenant, ticket_id: str, reason: str, times: int = 1) -> None:
        """So many events of the ticket were dropped by enrich for that."""
        statement = "SELECT 1 FROM received_events WHERE ticket_id = $1 AND reason = $2 OFFSET $3"
        await self.row(tenant, statement, ticket_id, reason, times - 1)

    async def letter(self, tenant: Tenant, ticket_id: str) -> None:
        """A dead letter keeps an event of the ticket."""

        def look() -> bool:
            letters = self.chain.tap.records(Topic.DEAD_LETTERS, tenant.partition)
            headers = [{one.key: one.value for one in letter.event.original_headers} for letter in letters]
            return any(one.get("ce_subject") == ticket_id.encode() for one in headers)

        await until(look, f"a dead letter of {ticket_id}", seconds=PATIENCE)

    async def left(self, stage: Stage) -> None:
        """Nobody works for the stage, and its group knows."""
        admin, group = AdminClient({"bootstrap.servers": self.chain.kafka}), stage.group(PREMISES.prefix)

        async def empty() -> bool:
            described = admin.describe_consumer_groups([group], request_timeout=PATIENCE)[group]
            return not (await asyncio.to_thread(described.result, PATIENCE)).members

        await until(empty, f"nobody is left in {group}", seconds=PATIENCE)

    async def written(self, topic: Topic, tenant: Tenant, ticket_id: str) -> None:
        def look() -> bool:
            return bool(self.chain.tap.records(topic, tenant.partition, ticket_id))

        await until(look, f"{topic} has an event of {ticket_id}", seconds=PATIENCE)
