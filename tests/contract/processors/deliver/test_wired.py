"""deliver as its process wires it: its own role in PostgreSQL, the real client, a simulated desk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from infra.ops.local.servicedesk_simulator import DeskFault, DeskSettings, Simulator
from infra.runtime.keys.rings import new_ring_key
from infra.runtime.postgres.pool import open_pool
from infra.runtime.postgres.tenant import tenant_transaction
from infra.runtime.stream.outcomes import Drop, Emit, Hold, Scope
from processors.deliver.__main__ import wired
from processors.deliver.ports import LEASE_SECONDS, Ports
from processors.deliver.processor import process
from processors.deliver.settings import DeliverSettings
from schemas.events import EnhancementSynthesized, Writer
from schemas.reasons import Reason
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.tenants import TenantDirectory
from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.transport import Times, Transport
from sinks.servicedesk.types import SETTLE_TIME
from sinks.stage_ports import StageContext

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TENANT, BARE_TENANT = "deliver-wired", "deliver-bare"


@dataclass
class Wired:
    ports: Ports
    simulator: Simulator
    superuser: asyncpg.Connection[asyncpg.Record]

    async def event(self, tenant_id: str = TENANT) -> EnhancementSynthesized:
        """An enhancement of a new ticket on the desk, with the row that enrich wrote for it."""
        ticket = self.simulator.api.create(
            self.simulator.state.desks[TENANT], {"id": uuid4().hex, "subject": "Printer"}
        )["id"]
        event = EnhancementSynthesized(
            event_id=str(uuid4()),
            input_id=str(uuid4()),
            tenant_id=tenant_id,
            ticket_id=ticket,
            enhancement_id=str(uuid4()),
            text="Restart the *spooler*.",
            citations=(),
            writer=Writer.MODEL,
            content_hash="a" * 64,
            received_at=NOW - timedelta(seconds=40),
            enriched_at=NOW - timedelta(seconds=30),
            synthesized_at=NOW,
        )
        await self.superuser.execute(
            "INSERT INTO enhancements (tenant_id, ticket_id, content_hash, event_id) VALUES ($1, $2, $3, $4)",
            tenant_id, ticket, event.content_hash, event.event_id,
        )  # fmt: skip
        return event

    async def later(self, event: EnhancementSynthesized, seconds: float, *, lease: float | None = None) -> None:
        """So many seconds pass for the event's intent, and for its ticket's lease unless that is told its own."""
        for what, passed in (
            ("note_intents SET sent_at = sent_at", seconds),
            ("note_leases SET until = until", seconds if lease is None else lease),
        ):
            await self.superuser.execute(
                f"UPDATE {what} - make_interval(secs => $3) WHERE tenant_id = $1 AND ticket_id = $2",
                event.tenant_id, event.ticket_id, passed,
            )  # fmt: skip

    def notes(self, event: EnhancementSynthesized) -> list[str]:
        return [note.description for note in self.simulator.state.written if note.request_id == event.ticket_id]


async def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.005)


@pytest.fixture
async def stage(postgres: MigratedDatabase) -> AsyncIterator[Wired]:
    superuser = await asyncpg.connect(postgres.dsn)
    settings = DeliverSettings.model_construct(
        local=True,
        public_url="https://ts.example",
        credential_keys=SecretStr(new_ring_key("c1")),
        link_keys=SecretStr(new_ring_key("l1")),
    )
    async with Simulator(seed=1) as simulator, Transport(AddressPolicy(local=True), times=Times(1, 1)) as transport:
        simulator.state.commit("desk", TENANT, settings=DeskSettings().model_dump(mode="json"))
        for number, tenant in enumerate((TENANT, BARE_TENANT), 60_900):
            await superuser.execute(
                "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, $3)"
                " ON CONFLICT (tenant_id) DO UPDATE SET servicedesk_base_url = excluded.servicedesk_base_url",
                tenant, number, f"{simulator.url}/{TENANT}",
            )  # fmt: skip
        pool = await open_pool(postgres.dsns["deliver"], service="deliver", size=4)
        operator = await open_pool(postgres.dsn, service="test", size=1)
        async with tenant_transaction(operator, TENANT) as connection:
            await DeskCredentials(operator, settings.credential_ring).add(
                connection, TENANT, "local-authtoken", who="test"
            )
        tenants = TenantDirectory(pool)
        await tenants.start()
        context = StageContext(settings, pool, tenants, cast(Any, None))
        yield Wired(wired(context, settings, transport), simulator, superuser)
        await tenants.stop()
        await operator.close()
        await pool.close()
    await superuser.close()


async def test_a_note_reaches_the_desk_once_and_its_row_says_so(stage: Wired) -> None:
    event = await stage.event()
    outcome = await process(event, ports=stage.ports)
    assert isinstance(outcome, Emit)
    assert await process(event, ports=stage.ports) == outcome
    (note,) = stage.notes(event)
    assert "<em>spooler</em>" in note
    assert "https://ts.example/f/" in note
    row = await stage.superuser.fetchrow(
        "SELECT status, note_id, writer, enhancement_id::text AS id FROM enhancements WHERE event_id = $1",
        event.event_id,
    )
    assert row is not None
    assert (row["status"], row["writer"], row["id"]) == ("success", "model", event.enhancement_id)
    assert row["note_id"] == stage.simulator.state.written[-1].note_id


async def test_a_note_that_broke_after_it_was_written_is_found_and_not_repeated(stage: Wired) -> None:
    event = await stage.event()
    stage.simulator.faults_of(TENANT).set([DeskFault(kind="hang", when="after", operation="add_note", calls=1)])
    held = await process(event, ports=stage.ports)
    assert isinstance(held, Hold)
    assert held.reason is Reason.NOTE_UNCERTAIN
    await stage.later(event, SETTLE_TIME)
    assert isinstance(await process(event, ports=stage.ports), Emit)
    assert len(stage.notes(event)) == 1


async def test_a_worker_cut_off_while_the_desk_is_slow_leaves_one_note(stage: Wired) -> None:
    """As by a rebalance or SIGTERM, whose next owner comes at once."""
    event = await stage.event()
    schedule = stage.simulator.faults_of(TENANT)
    schedule.set([DeskFault(kind="latency", operation="add_note", calls=1, seconds=0.8)])
    first = asyncio.create_task(process(event, ports=stage.ports))
    await eventually(lambda: schedule.as_json() == [])  # the desk has the call
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    busy = await process(event, ports=stage.ports)
    await stage.later(event, 0, lease=LEASE_SECONDS)
    settling = await process(event, ports=stage.ports)
    for held in (busy, settling):
        assert isinstance(held, Hold)
        assert (held.reason, held.scope) == (Reason.NOTE_PENDING, Scope.TICKET)
        assert held.retry_after <= SETTLE_TIME
    await eventually(lambda: len(stage.notes(event)) == 1)
    await stage.later(event, SETTLE_TIME)
    assert isinstance(await process(event, ports=stage.ports), Emit)
    assert len(stage.notes(event)) == 1


async def test_a_ticket_closed_meanwhile_is_dropped_with_the_same_event_each_time(stage: Wired) -> None:
    event = await stage.event()
    stage.simulator.api.update(stage.simulator.state.desks[TENANT], event.ticket_id, {"status": "Closed"})
    outcome = await process(event, ports=stage.ports)
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.TICKET_CLOSED
    assert await process(event, ports=stage.ports) == outcome


async def test_a_tenant_without_a_credential_waits_for_one(stage: Wired) -> None:
    held = await process(await stage.event(BARE_TENANT), ports=stage.ports)
    assert isinstance(held, Hold)
    assert held.reason is Reason.DESK_CREDENTIAL_REFUSED
    assert "ticketstream tenant replace-credential" in held.detail
