"""The chain for tests that kill: every service killable and supervised, further workers beside them, and what is left to do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.ops.cli.tenancy import create_tenant
from infra.ops.cli.webhook_request import Answer
from infra.ops.local.model_server import ModelServer
from infra.ops.local.servicedesk_simulator import DeskSettings
from infra.ops.local.stack.service import ServiceSpec
from infra.ops.local.stack.services import Site, environment, service_groups
from schemas.topics import Stage, Topic
from sinks.postgres.tenant_directory import POLL_SECONDS
from sinks.postgres.tenants import Change, NewTenant
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tenant import SUBJECT, Tenant
from tests.integration.kills.gaps import GAPS
from tests.integration.own_chain import Premises

KILLABLE = frozenset(gap.service for gap in GAPS)
PREMISES = Premises("kills", 64)
FOLLOW_SECONDS = POLL_SECONDS + 0.5
PATIENCE = 90.0


@dataclass(slots=True)
class Extra:
    """A worker beside the supervised one."""

    process: asyncio.subprocess.Process
    ports_file: Path


@dataclass(slots=True)
class Groups:
    """The stack's services, each that has gaps as its killable process."""

    folder: Path
    site: Site | None = None

    def __call__(self, site: Site) -> Sequence[Sequence[ServiceSpec]]:
        self.site = site
        return [[self._killable(spec) for spec in group] for group in service_groups(site)]

    def plan(self, service: str) -> Path:
        return self.folder / f"{service}.plan"

    @property
    def short(self) -> Path:
        """While it is there, processes that start have short sessions and leases."""
        return self.folder / "short"

    def killable(self, service: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "tests.integration.kills.killable", service)

    def _killable(self, spec: ServiceSpec) -> ServiceSpec:
        if spec.name not in KILLABLE:
            return spec
        known = {**spec.environment, "KILL_PLAN": str(self.plan(spec.name)), "KILL_SHORT": str(self.short)}
        return replace(spec, command=self.killable(spec.name), environment=known)


@dataclass(slots=True)
class Town:
    chain: RunningChain
    model: ModelServer
    groups: Groups
    extras: list[Extra] = field(default_factory=list)

    async def tenants(self, count: int, *, jobs: int = 5, without_model: frozenset[int] = frozenset()) -> list[Tenant]:
        """Fresh ones, that agreed to the model but for the numbers `without_model`; every stage knows them."""
        made = [await self._tenant(jobs, model=number not in without_model) for number in range(count)]

        async def edge_knows() -> bool:
            return (await made[-1].send(b"{}")).status == 422

        await until(edge_knows, "the edge knows the new tenants", seconds=PATIENCE)
        await asyncio.sleep(FOLLOW_SECONDS)  # no stage tells whom it knows, and who is unknown is held
        return made

    def tell(self, service: str, gaps: dict[str, str]) -> None:
        """The service's process will be killed when each of these tickets has got to its gap."""
        plan = self.groups.plan(service)
        plan.with_suffix(".done").unlink(missing_ok=True)
        plan.with_suffix(".new").write_text(json.dumps(gaps))
        plan.with_suffix(".new").replace(plan)

    async def killed(self, service: str) -> None:
        await until(self.groups.plan(service).with_suffix(".done").exists, f"{service} was killed", seconds=PATIENCE)

    async def start(self, service: str) -> Extra:
        """A further worker, the real one, ready."""
        assert self.groups.site
        file = self.groups.folder / f"{service}-{uuid4().hex[:8]}.json"
        known = {
            **environment(self.groups.site, service),
            "TICKETSTREAM_PORTS_FILE": str(file),
        }
        command, log = (sys.executable, "-m", f"processors.{service}"), file.with_suffix(".log")
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(*command, env=known, stdout=out, stderr=out)
        extra = Extra(process, file)
        self.extras.append(extra)

        async def ready() -> bool:
            assert process.returncode is None, f"{service} ended with {process.returncode}: {log.read_text()[-2000:]}"
            if not file.exists():
                return False
            url = json.loads(file.read_text())["internal"]
            try:
                async with self.chain.session.get(f"{url}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(ready, f"a further {service} is ready", seconds=PATIENCE)
        return extra

    async def works(self, extra: Extra, service: str, *, events: int) -> None:
        """It has so many events in flight."""
        url, line = (
            json.loads(extra.ports_file.read_text())["internal"],
            f'ticketstream_events_in_flight{{stage="{service}"}} ',
        )

        async def busy() -> bool:
            async with self.chain.session.get(f"{url}/metrics") as answer:
                shown = next((text for text in (await answer.text()).splitlines() if text.startswith(line)), f"{line}0")
            return float(shown.removeprefix(line)) >= events

        await until(busy, f"a further {service} has {events} events in flight", seconds=PATIENCE)

    def supervised(self, service: str) -> int:
        """Its process id."""
        pid = self.chain.stack.supervisor.status(service).pid
        assert pid, f"{service} isn't running"
        return pid

    async def real_times(self) -> None:
        """From here on all sessions and leases are as long as in production."""
        if self.groups.short.exists():
            self.groups.short.unlink()
            await asyncio.gather(*(self.restart(stage.value) for stage in Stage))

    async def restart(self, service: str) -> None:
        """SIGTERM; the supervisor starts it again."""
        before = self.supervised(service)
        os.kill(before, signal.SIGTERM)

        def again() -> bool:
            return self.chain.stack.supervisor.status(service).pid not in (None, before)

        await until(again, f"{service} runs again", seconds=PATIENCE)

    async def send(self, tenant: Tenant, ticket_id: str) -> Answer:
        """As ServiceDesk Plus's sender does it: the same webhook again until it is accepted."""
        webhook_id, deadline = f"msg_{ticket_id}", asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                answer = await tenant.webhook(ticket_id, webhook_id=webhook_id)
                if answer.status in (200, 202):
                    return answer
                assert answer.status == 503, answer
            except (aiohttp.ClientError, TimeoutError):
                pass
            assert asyncio.get_running_loop().time() < deadline, f"{ticket_id} was never accepted"
            await asyncio.sleep(0.2)

    async def all_committed(self) -> None:
        """Nothing is left to do at any stage."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.chain.kafka)
        await admin.start()
        try:
            for stage in Stage:

                async def done(stage: Stage = stage) -> bool:
                    try:
                        found = await admin.list_consumer_group_offsets(stage.group(PREMISES.prefix))
                    except KafkaError:
                        return False
                    offsets = {at.partition: offset.offset for at, offset in found.items()}
                    return all(
                        offsets.get(partition, 0) >= end for partition, end in self._ends(stage.consumes).items()
                    )

                await until(done, f"{stage} has committed everything", seconds=PATIENCE)
        finally:
            await admin.close()

    def calls(self, words: str) -> list[int]:
        """How the calls to the model ended whose prompt has these words: 200, or 0 where the caller was gone."""
        calls = self.model.ledger.calls()
        return [call["status"] for call in calls if words in json.dumps(call["body"], ensure_ascii=False)]

    def _ends(self, topic: Topic) -> dict[int, int]:
        ends: dict[int, int] = {}
        for partition in range(PREMISES.partitions):
            if records := self.chain.tap.records(topic, partition):
                ends[partition] = records[-1].offset + 1
        return ends

    async def _tenant(self, jobs: int, *, model: bool) -> Tenant:
        chain, tenant_id = self.chain, f"msp-{uuid4().hex[:10]}"
        key = f"authtoken-of-{tenant_id}"
        base = await chain.desks.put_desk(tenant_id, DeskSettings(kind="onprem", key=key))
        settings = {"external_model": model, "max_concurrent_jobs": jobs, "enhancement_timeout_seconds": 120}
        new = NewTenant(tenant_id, base, key, settings=settings)
        change = Change("tests", "signed order", agreed_by="Head of IT")
        created = await create_tenant(chain.surroundings(), chain.pool, new, change)
        return Tenant(chain, tenant_id, created.settings.partition, created.secret.whsec)


def subject(tenant: Tenant, number: int) -> str:
    """Words that no other ticket's prompt has."""
    return f"{SUBJECT}, room {tenant.tenant_id} {number:04}."
