"""deliver as its process wires it: its own role in PostgreSQL, the real client, a simulated desk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
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

    async def says(self, event: EnhancementSynthesized, content_hash: str) -> None:
        """What the ticket's newest content is, as enrich noted it down."""
        await self.superuser.execute(
            "INSERT INTO tickets (tenant_id, ticket_id, subject, description, content_hash, record_offset)"
            " VALUES ($1, $2, 'Printer', '', $3, 1)"
            " ON CONFLICT (tenant_id, ticket_id) DO UPDATE SET content_hash = excluded.content_hash",
            event.tenant_id, event.ticket_id, content_hash,
        )  # fmt: skip

    async def row(self, event: EnhancementSynthesized) -> tuple[str, str | None]:
        row = await self.superuser.fetchrow(
            "SELECT status, reason FROM enhancements WHERE event_id = $1", event.event_id
        )
        assert row is not None
        return row["status"], row["reason"]

    def notes(self, event: EnhancementSynthesized) -> list[str]:
        return [note.description for note in self.simulator.state.written if note.request_id == event.ticket_id]


def another(event: EnhancementSynthesized, **changes: Any) -> EnhancementSynthesized:
    """Another event about the same ticket."""
    return replace(event, event_id=str(uuid4()), **changes)


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


ENDS: dict[str, tuple[dict[str, Any] | None, Reason]] = {
    "closed": ({"status": "Closed"}, Reason.TICKET_CLOSED),
    "resolved": ({"status": "Resolved"}, Reason.TICKET_CLOSED),
    "cancelled": ({"status": "Cancelled"}, Reason.TICKET_CLOSED),
    "in the bin": ({"is_trashed": True}, Reason.TICKET_DELETED),
    "deleted": (None, Reason.TICKET_DELETED),
}


@pytest.mark.parametrize("uncertain", [False, True])
@pytest.mark.parametrize("how", ENDS)
async def test_a_ticket_that_ended_meanwhile_is_dropped_with_the_same_event_each_time(
    stage: Wired, how: str, uncertain: bool
) -> None:
    event, (fields, reason) = await stage.event(), ENDS[how]
    if uncertain:
        stage.simulator.faults_of(TENANT).set([DeskFault(kind="reset", operation="add_note", calls=1)])
        assert isinstance(await process(event, ports=stage.ports), Hold)
        await stage.later(event, SETTLE_TIME)
    desk = stage.simulator.state.desks[TENANT]
    if fields is None:
        stage.simulator.api.delete(desk, event.ticket_id)
    else:
        stage.simulator.api.update(desk, event.ticket_id, fields)
    outcome = await process(event, ports=stage.ports)
    assert isinstance(outcome, Drop)
    assert outcome.reason is reason
    assert await process(event, ports=stage.ports) == outcome
    assert stage.notes(event) == []
    assert await stage.row(event) == ("dropped", reason.value)


async def test_content_that_the_ticket_no_longer_has_is_dropped(stage: Wired) -> None:
    event = await stage.event()
    await stage.says(event, "b" * 64)
    outcome = await process(event, ports=stage.ports)
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.SUPERSEDED
    assert (stage.notes(event), await stage.row(event)) == ([], ("dropped", "superseded"))
    await stage.says(event, event.content_hash)
    assert isinstance(await process(another(event), ports=stage.ports), Emit), "edited back"


async def test_content_that_another_event_answered_is_dropped(stage: Wired) -> None:
    event = await stage.event()
    await process(event, ports=stage.ports)
    outcome = await process(another(event), ports=stage.ports)
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.ALREADY_ANSWERED
    assert len(stage.notes(event)) == 1
    assert (await stage.row(event))[0] == "success"


async def test_a_fourth_note_within_a_day_is_dropped_but_an_operators(stage: Wired) -> None:
    event = await stage.event()
    for content in "abc":
        assert isinstance(await process(another(event, content_hash=content * 64), ports=stage.ports), Emit)
    fourth = await process(another(event, content_hash="d" * 64), ports=stage.ports)
    assert isinstance(fourth, Drop)
    assert fourth.reason is Reason.NOTE_LIMIT
    assert isinstance(await process(another(event, content_hash="c" * 64, again=True), ports=stage.ports), Emit)
    await stage.later(event, 25 * 3600)
    assert isinstance(await process(another(event, content_hash="d" * 64), ports=stage.ports), Emit)
    assert len(stage.notes(event)) == 5


async def test_two_edits_of_a_ticket_at_two_workers_at_once_are_written_one_after_the_other(stage: Wired) -> None:
    """As may be after a rebalance: the former owner still writes."""
    event = await stage.event()
    edit = another(event, content_hash="b" * 64)
    stage.simulator.faults_of(TENANT).set([DeskFault(kind="latency", operation="add_note", calls=1, seconds=0.5)])
    former = asyncio.create_task(process(event, ports=stage.ports))
    await eventually(lambda: stage.simulator.faults_of(TENANT).as_json() == [])  # the desk has the call
    held = await process(edit, ports=stage.ports)
    assert isinstance(held, Hold)
    assert (held.reason, held.scope) == (Reason.NOTE_PENDING, Scope.TICKET)
    assert isinstance(await former, Emit)
    assert isinstance(await process(edit, ports=stage.ports), Emit)
    first, second = stage.notes(event)
    assert "replaces our note" in second
    assert "replaces our note" not in first


async def test_a_tenant_without_a_credential_waits_for_one(stage: Wired) -> None:
    held = await process(await stage.event(BARE_TENANT), ports=stage.ports)
    assert isinstance(held, Hold)
    assert held.reason is Reason.DESK_CREDENTIAL_REFUSED
    assert "ticketstream tenant replace-credential" in held.detail
