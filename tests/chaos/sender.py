"""The desks' side of the webhooks: sends each until it is answered, as a desk would, and keeps the ledger of what it was told.

A ledger row is a webhook, by its id: all its tries with their answers. What is not answered (reset, time-out, 429, 5xx) is sent
again under the same id, mostly to the other edge.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

import aiohttp

from infra.ops.cli.webhook_request import headers, key_of, send
from infra.ops.local.http_server import ControlError
from infra.ops.local.servicedesk_simulator import SimulatorControl
from infra.ops.local.servicedesk_simulator.state import Fields
from tests.chaos.forgeries import KINDS, Forgery, Mark, body_of, forgery
from tests.chaos.ledgers import Answered, Said
from tests.chaos.plan import Plan
from tests.chaos.tickets import Content, Ticket, draw

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 4.0
AT_ONCE = 200
AGAIN = frozenset({408, 429, 500, 502, 503, 504})
CONTRADICTION, CONFLICT = "contradiction", "conflicting_duplicate"
Provoked = tuple[str, str, str]
"""Tenant, ticket and reason of a dead letter."""


@dataclass(slots=True)
class Row:
    """One webhook. `tries` are seconds of the run, edge and answer (a status, or what came instead)."""

    tenant_id: str
    ticket_id: str
    kind: str
    webhook_id: str
    expected: tuple[int, ...]
    content: int | None = None
    tries: list[tuple[float, int, str]] = field(default_factory=list)
    status: int | None = None

    @property
    def accepted(self) -> bool:
        return self.status in (200, 202)


@dataclass(frozen=True, slots=True)
class Site:
    """Where the sender sends: the edges' addresses, the desks, and each tenant's secret."""

    edges: Sequence[str]
    desks: SimulatorControl
    secrets: dict[str, str]
    session: aiohttp.ClientSession


Request = Callable[[], tuple[dict[str, str], bytes]]


class Sender:
    """Sends a plan's tickets, their edits, copies and forgeries. `started` is when the plan's clock began."""

    def __init__(self, plan: Plan, site: Site) -> None:
        self.plan, self._site, self._random = plan, site, plan.random
        self.tickets = draw(
            self._random, count=plan.tickets, tenants=plan.tenants, seconds=plan.sending_seconds, edited=plan.edited
        )
        self.rows: list[Row] = []
        self.strangers: set[str] = set()
        self.started = time.monotonic()
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._extra: set[asyncio.Task[None]] = set()
        self._told: dict[tuple[str, str, int], tuple[Row, bytes]] = {}
        self.patience = plan.sending_seconds + plan.settle_seconds

    def seconds(self) -> float:
        return time.monotonic() - self.started

    async def run(self) -> None:
        """Returns when everything that is to be sent was answered for good, or given up."""
        self.started = time.monotonic()
        await asyncio.gather(*(self._play(ticket) for ticket in self.tickets), self._forge_now_and_then())
        while self._extra:
            await asyncio.gather(*self._extra)

    # what the faults ask for

    def copy_some(self, random: Random, count: int) -> int:
        """Sends webhooks that were accepted lately once more, each to both edges at the same instant. How many."""
        known = [(row, body) for row, body in self._told.values() if row.accepted][-200:]
        chosen = random.sample(known, min(count, len(known)))
        for row, body in chosen:
            for edge in range(len(self._site.edges)):
                self._also(self._copy(row, body, edge))
        return len(chosen)

    def contradict_some(self, random: Random, count: int) -> int:
        """Sends another body under a webhook-id that was accepted: refused by the edge that knows it, a dead letter by enrich."""
        known = [(row, body) for row, body in self._told.values() if row.accepted][-200:]
        chosen = random.sample(known, min(count, len(known)))
        for row, _ in chosen:
            self._also(self._contradict(row, random))
        return len(chosen)

    def forge_each(self, random: Random) -> int:
        """One webhook of every kind that must be refused. How many."""
        for kind in KINDS:
            self._also(self._send_forgery(self._forgery(random, kind)))
        return len(KINDS)

    # the ledger, as the oracle reads it

    def said(self) -> list[Said]:
        accepted = {key for key, (row, _) in self._told.items() if row.accepted}
        return [
            Said(
                ticket.tenant_id,
                ticket.ticket_id,
                number,
                (content.token, content.hidden),
                (ticket.tenant_id, ticket.ticket_id, number) in accepted,
            )
            for ticket in self.tickets
            for number, content in enumerate(ticket.contents)
        ]

    def answered(self) -> list[Answered]:
        """Of a ticket's own webhooks those that were answered for good: that others never were is seen by `said`.

        An edge that believed a contradiction refuses what is then sent again under its id, and rightly so."""
        contradicted = {row.webhook_id for row in self.rows if row.kind == CONTRADICTION}
        return [
            Answered(
                row.tenant_id,
                row.ticket_id,
                row.kind,
                (*row.expected, 422) if row.webhook_id in contradicted else row.expected,
                row.status,
            )
            for row in self.rows
            if row.status is not None or row.content is None
        ]

    def provoked(self) -> tuple[frozenset[Provoked], frozenset[Provoked]]:
        """The dead letters that there must be, of contradictions that were accepted, and those that there may be."""
        rows = [row for row in self.rows if row.kind == CONTRADICTION]
        taken = [row for row in rows if any(answer.endswith("202") for _, _, answer in row.tries)]
        must, may = ({(row.tenant_id, row.ticket_id, CONFLICT) for row in some} for some in (taken, rows))
        return frozenset(must), frozenset(may)

    def write(self, file: Path) -> None:
        """The ledger, a JSON object a line."""
        file.write_text("".join(json.dumps(asdict(row)) + "\n" for row in self.rows))

    # one webhook

    async def _play(self, ticket: Ticket) -> None:
        await self._sleep_until(ticket.at)
        for number, content in enumerate(ticket.contents):
            if number:
                await asyncio.sleep(ticket.pause)
            at_desk = await self._at_desk(ticket, content, new=number == 0)
            body = json.dumps({"request": at_desk, "operation": "updated" if number else "created"}).encode()
            row = self._row(ticket, "updated" if number else "created", number)
            self._told[ticket.tenant_id, ticket.ticket_id, number] = (row, body)
            await self._tell(row, body)
            if not row.accepted:
                return

    def _row(self, ticket: Ticket, kind: str, content: int) -> Row:
        webhook_id = f"msg_{self._random.getrandbits(96):024x}"
        row = Row(ticket.tenant_id, ticket.ticket_id, kind, webhook_id, (200, 202), content)
        self.rows.append(row)
        return row

    async def _tell(self, row: Row, body: bytes) -> None:
        chance = self._random.random()
        edges = list(range(len(self._site.edges)))
        self._random.shuffle(edges)
        request = self._signing(row, body)
        if chance < self.plan.doubled and len(edges) > 1:
            copy = self._copy_row(row)
            await asyncio.gather(
                self._until_answered(row, request, edges[0]), self._until_answered(copy, request, edges[1])
            )
        else:
            await self._until_answered(row, request, edges[0])
        if row.accepted and self.plan.doubled <= chance < self.plan.doubled + self.plan.late:
            self._also(self._copy(row, body, edges[-1], after=self._random.uniform(1, 20)))

    def _copy_row(self, row: Row) -> Row:
        copy = Row(row.tenant_id, row.ticket_id, f"copy of {row.kind}", row.webhook_id, (200, 202))
        self.rows.append(copy)
        return copy

    async def _copy(self, row: Row, body: bytes, edge: int, *, after: float = 0.0) -> None:
        await asyncio.sleep(after)
        await self._until_answered(self._copy_row(row), self._signing(row, body), edge)

    async def _contradict(self, row: Row, random: Random) -> None:
        told = Content(f"Not what {row.webhook_id} said", "another body", "Other", "", "")
        other = Row(row.tenant_id, row.ticket_id, CONTRADICTION, row.webhook_id, (200, 202, 422))
        self.rows.append(other)
        body = body_of(row.ticket_id, told)
        await self._until_answered(other, self._signing(row, body), random.randrange(len(self._site.edges)))

    def _signing(self, row: Row, body: bytes) -> Request:
        key = key_of(self._site.secrets[row.tenant_id])
        return lambda: (headers(key, row.webhook_id, body), body)

    async def _until_answered(self, row: Row, request: Request, edge: int) -> None:
        pause = FIRST_PAUSE
        while self.seconds() < self.patience:
            wait = await self._try(row, request, edge)
            if row.status is not None:
                return
            await asyncio.sleep(max(wait, pause * self._random.uniform(0.5, 1.0)))
            pause = min(LONGEST_PAUSE, pause * 2)
            edge = self._random.randrange(len(self._site.edges))

    async def _try(self, row: Row, request: Request, edge: int) -> float:
        """One try; the seconds that the edge asks to wait."""
        signed, body = request()
        url = f"{self._site.edges[edge]}/api/v1/webhooks/{row.tenant_id}"
        try:
            async with self._limit:
                answer = await send(self._site.session, url, body, signed)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            row.tries.append((round(self.seconds(), 2), edge, type(error).__name__))
            return 0.0
        unheard = answer.status < 300 and self._random.random() < self.plan.unheard
        row.tries.append((round(self.seconds(), 2), edge, f"{'unheard ' if unheard else ''}{answer.status}"))
        if not unheard and answer.status not in AGAIN:
            row.status = answer.status
        with suppress(TypeError, ValueError):
            return min(LONGEST_PAUSE, float(answer.retry_after or ""))
        return 0.0

    # the desk, and forgeries

    async def _at_desk(self, ticket: Ticket, content: Content, *, new: bool) -> Fields:
        """The ticket at its desk, before anybody is told, with the desk's own times."""
        fields = {"subject": content.subject, "description": content.description, "category": content.category}
        desks = self._site.desks

        async def put() -> Fields:
            if not new:
                return await desks.update_request(ticket.tenant_id, ticket.ticket_id, **fields)
            try:
                return await desks.create_request(ticket.tenant_id, id=ticket.ticket_id, **fields)
            except ControlError as error:
                if "not unique" not in str(error):
                    raise
                # It is there by a try whose answer was lost.
                return await desks.update_request(ticket.tenant_id, ticket.ticket_id, **fields)

        return await _insist(put)

    async def _forge_now_and_then(self) -> None:
        times = sorted(self._random.uniform(0, self.plan.sending_seconds) for _ in range(self.plan.forged))
        for at in times:
            forged = self._forgery(self._random, self._random.choice(list(KINDS)))
            await self._sleep_until(at)
            self._also(self._send_forgery(forged))

    def _forgery(self, random: Random, kind: str) -> Forgery:
        names = sorted(self._site.secrets)
        tenant, other = random.sample(names, 2)
        ticket_id = random.choice([one.ticket_id for one in self.tickets if one.tenant_id == tenant] or ["1"])
        mark = Mark(tenant, ticket_id, self._site.secrets[tenant], self._site.secrets[other])
        return forgery(random, kind, mark)

    async def _send_forgery(self, forged: Forgery) -> None:
        self.strangers.add(forged.token)
        row = Row(forged.tenant_id, forged.ticket_id, forged.kind, "", forged.expected)
        self.rows.append(row)
        await self._until_answered(row, forged.request, self._random.randrange(len(self._site.edges)))

    def _also(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._extra.add(task)
        task.add_done_callback(self._extra.discard)

    async def _sleep_until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, self.started + at - time.monotonic()))


async def _insist(work: Callable[[], Awaitable[Fields]], seconds: float = 60.0) -> Fields:
    """What the desk answers, which may just be restarting."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await work()
        except (aiohttp.ClientError, TimeoutError, OSError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.3)
