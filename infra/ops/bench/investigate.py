"""`bench investigate`: how long `ticketstream investigate` takes with ten million events in the topics.

Eight tenants, one of which has half of all events on its own partition; tickets of it and of a small one. They are answered, set
aside, waiting in a backlog, or never received. Half of the events stand before the tickets, half behind them. Measured is the whole
command as a process of its own, and the investigation alone, as the console makes it.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from infra.ops.bench.figures import Bench
from infra.ops.bench.filler import Filler, Share
from infra.ops.bench.stage_feed import Feed, fed_stack
from infra.ops.cli.kafka_reader import client_config
from infra.ops.cli.webhook_request import headers, new_webhook_id, send
from infra.ops.demo.setting_up import wait_until_known
from infra.ops.demo.tenants import DemoTenant
from infra.ops.investigate import investigate
from infra.ops.investigate.sources import sources_around
from infra.ops.local.servicedesk_simulator import DeskFault
from infra.runtime.postgres.tenant import tenant_transaction
from schemas.topics import Stage, Topic

EVENTS = 10_000_000
TENANTS = tuple(f"bench-{number}" for number in range(8))
LARGE, SMALL = TENANTS[0], TENANTS[1]
LARGEST_SHARE = 0.5
TOPICS = {
    Topic.TICKETS_RECEIVED: 0.4,
    Topic.TICKETS_ENRICHED: 0.2,
    Topic.ENHANCEMENTS_SYNTHESIZED: 0.2,
    Topic.ENHANCEMENTS_DELIVERED: 0.18,
    Topic.DEAD_LETTERS: 0.02,
}
STAGES = (Stage.ENRICH, Stage.SYNTHESIZE, Stage.DELIVER)
BACKLOG = 0.002
"""Of all events, on each side of the tickets that wait."""
OF_EACH = 10
SETTLE_SECONDS = 180.0
COMMAND_SECONDS = 120.0
FIRST_TICKET, FIRST_FILLER = 5_000_000, 100_000_000
COMMAND = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"
KINDS = {
    "answered": "answered",
    "dead_lettered": "dead_letter",
    "waiting": "waiting",
    "never_received": "never_received",
}


@dataclass(slots=True)
class _Scene:
    feed: Feed
    filler: Filler
    events: int
    tickets: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    number: int = FIRST_TICKET

    def shares(self, part: float) -> list[Share]:
        """Of all events, so much."""
        found = []
        for topic, share in TOPICS.items():
            count = round(part * self.events * share)
            rest = round(count * (1 - LARGEST_SHARE) / (len(TENANTS) - 1))
            found += [
                Share(topic, name, self.feed.partitions[name], round(count * LARGEST_SHARE) if name == LARGE else rest)
                for name in TENANTS
            ]
        return found

    def tenant(self, tenant_id: str) -> DemoTenant:
        return next(one for one in self.feed.tenants if one.tenant_id == tenant_id)

    async def told(self, kind: str, tenant_id: str, *, webhook: bool = True) -> None:
        """A ticket at the desk and, if so, its webhook."""
        self.number += 1
        ticket_id, place = str(self.number), self.feed.place
        fields = {"id": ticket_id, "subject": f"Labels are cut in half, {ticket_id}", "description": "Since Monday."}
        request = await place.desks.create_request(tenant_id, **fields)
        self.tickets.setdefault(kind, []).append((tenant_id, ticket_id))
        if not webhook:
            return
        body = json.dumps({"request": dict(request), "operation": "created"}).encode()
        signed = headers(place.key(self.tenant(tenant_id)), new_webhook_id(), body)
        answer = await send(place.session, place.around.webhook_url(tenant_id), body, signed)
        if answer.status != 202:
            raise RuntimeError(f"the edge answered {answer.status}: {answer.body}")

    async def settled(self, kind: str, status: str) -> None:
        """All tickets of the kind ended so."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            left = [one for one in self.tickets[kind] if not await self._has(one, status)]
            if not left:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"tickets that are not {status} after {SETTLE_SECONDS:.0f} s: {left[:3]}")
            await asyncio.sleep(0.5)

    async def _has(self, ticket: tuple[str, str], status: str) -> bool:
        tenant_id, ticket_id = ticket
        statement = "SELECT 1 FROM enhancements WHERE ticket_id = $1 AND status = $2"
        async with tenant_transaction(self.feed.place.pool, tenant_id) as connection:
            return await connection.fetchval(statement, ticket_id, status) is not None


async def bench_investigate(tell: Callable[[str], None], *, events: int = EVENTS) -> Bench:
    """`events` is how many there are in all topics. Raises RuntimeError where an investigation names the wrong status."""
    stages = tuple(stage.value for stage in STAGES)
    async with fed_stack(tell, TENANTS, later=stages, environment={}) as feed:
        around = feed.place.around
        config = client_config(dict(around.variables))
        scene = _Scene(feed, Filler(config, around.topic_prefix, FIRST_FILLER), events)
        await wait_until_known(feed.place, feed.tenants)
        await _set_the_scene(scene, tell)
        bench = Bench("investigate", compared={"command_to_limit": "the command's p95 beside the 3 s that it may take"})
        bench.figures |= {"events": events, "on_the_largest_partition": round(events * LARGEST_SHARE)}
        await _measure(scene, bench, tell)
    return bench


async def _set_the_scene(scene: _Scene, tell: Callable[[str], None]) -> None:
    feed, filler = scene.feed, scene.filler
    numbers = list(feed.partitions.values())
    tell(f"{scene.events // 2} events before the tickets")
    await asyncio.to_thread(filler.fill, scene.shares(0.5), tell)
    await asyncio.to_thread(filler.behind_all, STAGES, numbers)
    await feed.begin(*(stage.value for stage in STAGES))
    tell("Tickets that are answered, and such that the desk refuses")
    await _in_turn(scene, "answered")
    await scene.settled("answered", "success")
    for name in (LARGE, SMALL):
        await feed.place.desks.set_faults(name, DeskFault(kind="error", status=422, operation="add_note"))
    await _in_turn(scene, "dead_lettered")
    await scene.settled("dead_lettered", "failed")
    for stage in STAGES:
        await feed.stack.supervisor.stop_one(stage.value)
    tell(f"{scene.events // 2} events behind them")
    await asyncio.to_thread(filler.fill, scene.shares(0.5), tell)
    await asyncio.to_thread(filler.behind_all, STAGES, numbers)
    backlog = [
        Share(Topic.TICKETS_RECEIVED, name, feed.partitions[name], round(scene.events * BACKLOG))
        for name in (LARGE, SMALL)
    ]
    await asyncio.to_thread(filler.fill, backlog, tell)
    await _in_turn(scene, "waiting")
    await asyncio.to_thread(filler.fill, backlog, tell)
    await _in_turn(scene, "never_received", webhook=False)


async def _in_turn(scene: _Scene, kind: str, *, webhook: bool = True) -> None:
    for number in range(OF_EACH):
        await scene.told(kind, LARGE if number % 2 == 0 else SMALL, webhook=webhook)


async def _measure(scene: _Scene, bench: Bench, tell: Callable[[str], None]) -> None:
    commands, alone = list[float](), list[float]()
    for kind, status in KINDS.items():
        tell(f"Investigating: {kind.replace('_', ' ')}")
        took = [await _command(scene, *ticket, status) for ticket in scene.tickets[kind]]
        inside = [await _alone(scene, *ticket, status) for ticket in scene.tickets[kind]]
        _note(bench, f"{kind}_command", took)
        _note(bench, f"{kind}_alone", inside)
        tell(
            f"  commands {', '.join(f'{one:.2f}' for one in took)} s; alone {', '.join(f'{one:.2f}' for one in inside)} s"
        )
        commands += took
        alone += inside
    _note(bench, "command", commands)
    _note(bench, "alone", alone)
    bench.ratios["command_to_limit"] = round(bench.figures["command_p95_seconds"] / 3.0, 2)


async def _command(scene: _Scene, tenant_id: str, ticket_id: str, status: str) -> float:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, "investigate", tenant_id, ticket_id, "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**dict(scene.feed.place.around.given), "TICKETSTREAM_STATE_DIR": str(scene.feed.stack.state_dir)},
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
    took = time.monotonic() - began
    if process.returncode != 0:
        raise RuntimeError(f"investigate ended with {process.returncode}: {err.decode()[-500:]}")
    _right(json.loads(out), status)
    return took


async def _alone(scene: _Scene, tenant_id: str, ticket_id: str, status: str) -> float:
    place = scene.feed.place
    async with sources_around(place.around, place.pool) as sources:
        began = time.monotonic()
        found = await investigate(sources, tenant_id, ticket_id)
        took = time.monotonic() - began
    _right(found.as_json(), status)
    return took


def _right(said: dict[str, object], status: str) -> None:
    if said["status"] != status:
        raise RuntimeError(f"the status of {said['ticket_id']} is {status}, and said to be {said['status']}: {said}")


def _note(bench: Bench, name: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    bench.figures[f"{name}_p50_seconds"] = round(statistics.median(ordered), 2)
    bench.figures[f"{name}_p95_seconds"] = round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 2)
    bench.figures[f"{name}_max_seconds"] = round(ordered[-1], 2)
