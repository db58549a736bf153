"""`bench fairness`: what tenants notice of another one's backlog, and of another one's broken desk, from webhook to note.

Three small tenants send a ticket a second together, with a model that answers in 1.0 s: on an idle system; while a tenant with 500
tickets has a desk that is down; and while a large tenant has 10,000 tickets waiting at the default cap. When the desk is back, its
own ledger says whether each of its tickets got one note.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from infra.ops.bench.call_spans import CallTimes, most_at_once
from infra.ops.bench.figures import Bench
from infra.ops.bench.stage_feed import Feed, fed_stack, slow_model, with_model
from infra.ops.bench.synthetic import enriched, received
from infra.ops.cli.kafka_reader import client_config
from infra.ops.cli.webhook_request import headers, new_webhook_id, send
from infra.ops.demo.setting_up import wait_until_known
from infra.ops.demo.tenants import DemoTenant
from infra.ops.demo.watch import Watch
from infra.ops.local.servicedesk_simulator import DeskFault
from schemas.events import EnhancementDelivered, TicketReceived
from schemas.topics import Stage, Topic

SMALL = ("bench-small1", "bench-small2", "bench-small3")
LARGE, BROKEN = "bench-large", "bench-broken"
WAITING = 10_000
BROKEN_WAITING = 500
MINUTES = 10.0
RATE = 1.0
TICKETS = 120
WARM_UP = 10
MODEL_SECONDS = 1.0
SETTLE_SECONDS = 120.0
BACKLOG_SECONDS = 1800.0
ON_THE_DESK = 1_500
"""Of the large tenant's tickets, those that its desk has: more than are written while the others are measured."""


@dataclass(slots=True)
class _Bench:
    """The small tenants' tickets, numbered through."""

    tell: Callable[[str], None]
    feed: Feed
    watch: Watch
    numbers: Iterator[TicketReceived]
    measured: dict[str, list[EnhancementDelivered]] = field(default_factory=dict)

    async def play(self, name: str, tickets: int) -> None:
        """Sends at the rate, whatever the answers take, and notes each time from the edge's receipt to the note."""
        started, wanted = time.monotonic(), [next(self.numbers) for _ in range(tickets)]
        for event in wanted:
            await _on_desk(self.feed, event)
        for number, event in enumerate(wanted):
            await asyncio.sleep(max(0.0, started + number / RATE - time.monotonic()))
            await _webhook(self.feed, event)
        ids = {event.ticket_id for event in wanted}

        def noted() -> list[EnhancementDelivered]:
            return [one for one in self.watch.delivered if one.note_id and one.ticket_id in ids]

        if not await self.watch.wait_for(lambda: len(noted()) == tickets, SETTLE_SECONDS):
            raise RuntimeError(
                f"{name}: {tickets - len(noted())} of {tickets} tickets of the small tenants got no note"
            )
        self.measured.setdefault(name, []).extend(noted())
        self.tell(f"{name}: p95 {_p95(_totals(self.measured[name])):.0f} ms of {len(self.measured[name])} tickets")


async def bench_fairness(
    tell: Callable[[str], None], *, minutes: float = MINUTES, events: int = WAITING, tickets: int = TICKETS
) -> Bench:
    """`events` wait for the large tenant; the broken desk is down for so many `minutes`. Raises RuntimeError when a ticket of a
    small tenant gets no note, or one of the broken desk's not exactly one."""
    async with (
        slow_model(MODEL_SECONDS) as (server, calls),
        fed_stack(tell, (*SMALL, LARGE, BROKEN), environment=with_model(os.environ, server)) as feed,
    ):
        await feed.settings(feed.partitions, {"external_model": "true"})
        await feed.settings((*SMALL, BROKEN), {"webhook_rate_per_second": 1000, "webhook_burst": 10_000})
        feed.place.changed_at = time.monotonic()
        await wait_until_known(feed.place, feed.tenants)
        config = client_config(dict(feed.place.around.variables))
        watch = await Watch(config, feed.place.around.topic_prefix).start(feed.partitions[name] for name in SMALL)
        try:
            bench = _Bench(tell, feed, watch, received(SMALL, 10**6))
            return await _measured(bench, calls, minutes, events, tickets)
        finally:
            await watch.stop()


async def _measured(bench: _Bench, calls: CallTimes, minutes: float, events: int, tickets: int) -> Bench:
    await bench.play("warm_up", WARM_UP)
    await bench.play("idle", tickets)
    down_seconds, delivered_seconds = await _with_broken_desk(bench, minutes, tickets)
    await _with_large_backlog(bench, events, tickets)
    result = Bench(
        "fairness", compared={"to_idle": "p95 from webhook to note of the small tenants, beside an idle system's"}
    )
    for name in ("idle", "desk_down", "backlog"):
        result.figures[f"{name}_p50_ms"] = round(statistics.median(_totals(bench.measured[name])))
        result.figures[f"{name}_p95_ms"] = round(_p95(_totals(bench.measured[name])))
        result.figures |= {
            f"{name}_{step}_p95_ms": round(_p95(ms)) for step, ms in _steps(bench.measured[name]).items()
        }
        result.figures[f"{name}_tickets"] = len(bench.measured[name])
    result.figures |= {
        "large_tenant_waiting": events,
        "large_tenant_most_calls_at_once": most_at_once(calls.spans)[LARGE],
        "desk_down_minutes": round(down_seconds / 60, 2),
        "desk_down_waiting": BROKEN_WAITING,
        "desk_down_delivered_after_seconds": round(delivered_seconds, 1),
        "desk_down_doubled": 0,
    }
    for name in ("desk_down", "backlog"):
        idle, then = (_p95(_totals(bench.measured[one])) for one in ("idle", name))
        result.ratios[f"{name}_p95_to_idle"] = round(then / idle, 2)
    return result


async def _with_large_backlog(bench: _Bench, events: int, tickets: int) -> None:
    feed, first = bench.feed, 2_000_000
    for event in received((LARGE,), min(events, ON_THE_DESK), first=first):
        await _on_desk(feed, event)
    await feed.publish(Stage.ENRICH, Topic.TICKETS_ENRICHED, enriched((LARGE,), events, first=first))
    bench.tell(f"{events} tickets of one tenant wait")
    await bench.play("backlog", tickets)


async def _with_broken_desk(bench: _Bench, minutes: float, tickets: int) -> tuple[float, float]:
    """Seconds for which the desk was down, and until the last of its notes from then on."""
    feed = bench.feed
    waiting = list(received((BROKEN,), BROKEN_WAITING, first=3_000_000))
    for event in waiting:
        await _on_desk(feed, event)
    await feed.place.desks.set_faults(BROKEN, DeskFault(kind="error", status=503))
    down = time.monotonic()
    await asyncio.gather(*(_webhook(feed, event) for event in waiting))
    bench.tell(f"{BROKEN_WAITING} tickets of a tenant whose desk is down for {minutes:g} min")
    while not bench.measured.get("desk_down") or time.monotonic() - down < 60 * minutes:
        await bench.play("desk_down", tickets)
    await feed.place.desks.clear_faults(BROKEN)
    up = time.monotonic()
    await _until_each_has_one_note(feed, {event.ticket_id for event in waiting})
    return up - down, time.monotonic() - up


async def _until_each_has_one_note(feed: Feed, wanted: set[str]) -> None:
    deadline = time.monotonic() + BACKLOG_SECONDS
    while True:
        notes = Counter(note.request_id for note in await feed.place.desks.notes(BROKEN))
        if doubled := [ticket_id for ticket_id, count in notes.items() if count > 1]:
            raise RuntimeError(f"{len(doubled)} tickets of the broken desk got more than one note: {doubled[:5]}")
        if wanted <= notes.keys():
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(wanted - notes.keys())} of {len(wanted)} tickets of the broken desk got no note")
        await asyncio.sleep(0.5)


async def _on_desk(feed: Feed, event: TicketReceived) -> None:
    await feed.place.desks.create_request(event.tenant_id, **_fields(event))


async def _webhook(feed: Feed, event: TicketReceived) -> None:
    body = json.dumps({"request": _fields(event), "operation": "created"}).encode()
    signed = headers(feed.place.key(_tenant(feed, event.tenant_id)), new_webhook_id(), body)
    answer = await send(feed.place.session, feed.place.around.webhook_url(event.tenant_id), body, signed)
    if answer.status != 202:
        raise RuntimeError(f"the edge answers {answer.status} to a webhook of {event.tenant_id}")


def _tenant(feed: Feed, tenant_id: str) -> DemoTenant:
    return next(tenant for tenant in feed.tenants if tenant.tenant_id == tenant_id)


def _fields(event: TicketReceived) -> dict[str, object]:
    ticket = event.ticket
    return {
        "id": ticket.ticket_id,
        "subject": ticket.subject,
        "description": ticket.description,
        "requester": {"id": "71", "name": "Cold Store", "email_id": "cold.store@customer.example"},
        "category": ticket.category,
        "priority": ticket.priority,
        "status": "Open",
    }


def _totals(delivered: Sequence[EnhancementDelivered]) -> list[float]:
    return [one.total_ms for one in delivered]


def _steps(delivered: Sequence[EnhancementDelivered]) -> dict[str, list[float]]:
    """Milliseconds by stage, which says where a ticket waited."""
    times = [one.times for one in delivered]
    return {
        Stage.ENRICH.value: [_ms(one.received_at, one.enriched_at) for one in times],
        Stage.SYNTHESIZE.value: [_ms(one.enriched_at, one.synthesized_at) for one in times],
        Stage.DELIVER.value: [_ms(one.synthesized_at, one.delivered_at) for one in times],
    }


def _ms(start: datetime, end: datetime) -> float:
    return 1000 * (end - start).total_seconds()


def _p95(milliseconds: Sequence[float]) -> float:
    return statistics.quantiles(milliseconds, n=20)[18]
