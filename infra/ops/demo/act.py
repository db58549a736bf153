"""The demo's main act: tickets at the desks, webhooks to the edge, notes on the tickets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from infra.ops.cli.output import Output
from infra.ops.demo.deliveries import Kind, Planned, Sent, deliver, plan
from infra.ops.demo.progress import Progress
from infra.ops.demo.setting_up import Stage
from infra.ops.demo.tally import Seen
from infra.ops.demo.tenants import DemoTenant, LiveTicket
from infra.ops.demo.watch import Watch

PER_SECOND = 5.0
SETTLE_SECONDS = 60.0
"""After the last webhook; a cold start of the stages is in it."""


@dataclass(slots=True)
class Act:
    """What was sent, and where to look for what came of it. `ledger_start` is the desks' position before the first webhook."""

    watch: Watch
    ledger_start: int
    sent: list[Sent] = field(default_factory=list)

    async def seen_now(self, stage: Stage, watch: Watch) -> Seen:
        """Everything observed so far."""
        read = await stage.desks.read_notes(start=self.ledger_start)
        mine = {(one.planned.ticket.tenant_id, one.planned.ticket.ticket_id) for one in self.sent}
        desks = {tenant_id for tenant_id, _ in mine}
        return Seen(
            sent=self.sent,
            delivered=[event for event in watch.delivered if (event.tenant_id, event.ticket_id) in mine],
            dead_letters=[
                letter
                for letter in watch.dead_letters
                if not letter.tenant_id or (letter.tenant_id, letter.ticket_id) in mine
            ],
            notes=[note for note in read.notes if note.desk in desks],
        )


async def play(stage: Stage, tenants: Sequence[DemoTenant], watch: Watch, output: Output) -> Act:
    """Create the tickets, send the webhooks at an even pace, wait until every accepted ticket is settled or time is up."""
    planned = plan(await _create_requests(stage, tenants), stage.memory.runs)
    act = Act(watch, (await stage.desks.read_notes(start=10**9)).next_start)
    keys = {tenant.tenant_id: stage.key(tenant) for tenant in tenants}
    with Progress(output, webhooks=len(planned), notes=_expected_notes(planned)) as progress:
        showing = asyncio.create_task(_show_notes(act, stage, watch, progress))
        try:
            await _send_all(stage, planned, keys, act, progress)
            await _settle(act, watch)
        finally:
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing
        progress.notes(len((await act.seen_now(stage, watch)).notes))
    return act


async def _create_requests(
    stage: Stage, tenants: Sequence[DemoTenant]
) -> list[tuple[LiveTicket, Mapping[str, object]]]:
    created: list[tuple[LiveTicket, Mapping[str, object]]] = []
    for tenant in tenants:
        known = {request["id"] for request in await stage.desks.requests(tenant.desk)}
        tickets = tenant.tickets(_unused_run(tenant, known, stage.memory.runs))
        created += [(ticket, await stage.desks.create_request(tenant.desk, **ticket.fields)) for ticket in tickets]
    return created


def _unused_run(tenant: DemoTenant, known: set[Any], run: int) -> int:
    """The run's number, or a higher one if the demo's memory was lost and its desks' was not."""
    while any(ticket.ticket_id in known for ticket in tenant.tickets(run)):
        run += 1
    return run


async def _send_all(
    stage: Stage, planned: Sequence[Planned], keys: Mapping[str, bytes], act: Act, progress: Progress
) -> None:
    started = time.monotonic()
    async with asyncio.TaskGroup() as sending:
        for number, one in enumerate(planned):
            await asyncio.sleep(max(0.0, started + number / PER_SECOND - time.monotonic()))
            if one.kind is Kind.DELETED:
                await stage.desks.delete_request(one.ticket.tenant_id, one.ticket.ticket_id)
            sending.create_task(_send(stage, one, keys[one.ticket.tenant_id], act, progress))


async def _send(stage: Stage, one: Planned, key: bytes, act: Act, progress: Progress) -> None:
    url = stage.around.webhook_url(one.ticket.tenant_id)
    act.sent.append(await deliver(one, stage.session, url, key, pause=lambda attempt: 0.3 * 2**attempt))
    progress.webhooks(len(act.sent))


async def _settle(act: Act, watch: Watch) -> None:
    def settled() -> bool:
        seen = Seen(act.sent, watch.delivered, watch.dead_letters, ())
        return seen.settled() == seen.accepted()

    await watch.wait_for(settled, SETTLE_SECONDS)


async def _show_notes(act: Act, stage: Stage, watch: Watch, progress: Progress) -> None:
    while True:
        progress.notes(len((await act.seen_now(stage, watch)).notes))
        await asyncio.sleep(0.3)


def _expected_notes(planned: Sequence[Planned]) -> int:
    return sum(one.kind is Kind.NEW for one in planned)
