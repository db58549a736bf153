"""Selecting, counting and publishing, with everything outside in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from infra.ops.replay import feeding
from infra.ops.replay.fakes import FakeAnswered, FakeGroup, FakePublisher, FakeRuns, FakeSpans
from infra.ops.replay.feeding import TenantFeed
from infra.ops.replay.plan import plan, scopes
from infra.ops.replay.ports import Reached
from infra.ops.replay.renewed import renewed
from infra.ops.replay.request import ReplayRequest, WrongRequest
from infra.ops.replay.run import Part, Running, run_parts
from infra.ops.replay.selection import Selection, Verifying
from infra.ops.replay.standing_back import Lags, LiveLag
from infra.runtime.kafka.producer import PublishError
from infra.runtime.stream.fakes import FixedLimits, Limit, ManualClock
from schemas import ids
from schemas.events import FeedbackSubmitted, FeedbackType, TicketKind
from schemas.topics import Stage, Topic
from schemas.wire_format import Codec
from sinks.postgres.replay_runs import Progress, ReplayRun
from tests.unit.infra.runtime.stream.records import (
    LONG_AGO,
    PARTITION,
    TENANT,
    TRACE,
    KeyTable,
    raw,
    service_key,
    ticket_received,
)

NINE = datetime.fromisoformat("2026-01-31T09:00:00+00:00")
RUN = "1c1b1a19-0000-4000-8000-000000000001"


@dataclass
class World:
    """One tenant whose record number n was written n seconds after nine."""

    spans: FakeSpans = field(default_factory=lambda: FakeSpans(batch=3))
    answered: FakeAnswered = field(default_factory=FakeAnswered)
    runs: FakeRuns = field(default_factory=FakeRuns)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    group: FakeGroup = field(default_factory=FakeGroup)
    said: list[str] = field(default_factory=list)

    def receive(self, count: int, **ticket: Any) -> list[Any]:
        before = len(self.spans.records.get((Topic.TICKETS_RECEIVED, PARTITION), []))
        events = [ticket_received(n, ticket_id=f"T-{n}", **ticket) for n in range(before, before + count)]
        for number, event in enumerate(events, before):
            record = replace(raw(event, offset=number), appended_at=NINE + timedelta(seconds=number))
            self.spans.put(Topic.TICKETS_RECEIVED, PARTITION, record)
        return events

    async def verifying(self) -> Verifying:
        keys = KeyTable(service_key("ingest"), service_key("enrich")).directory(ManualClock())
        await keys.refresh()
        return Verifying(keys, FixedLimits(Limit(TENANT, PARTITION)), Codec())

    async def selection(self, request: ReplayRequest) -> Selection:
        (scope,) = await scopes(request, [Limit(TENANT, PARTITION)], self.spans)  # type: ignore[list-item]
        return Selection(scope, self.spans, await self.verifying(), self.answered)

    async def part(self, *, until: int = 1000, progress: Progress | None = None, rate: float = 1000) -> Part:
        request = asked(until=until)
        selection = await self.selection(request)
        source = selection.scope.source
        run = ReplayRun(
            TENANT, RUN, Stage.ENRICH, Stage.ENRICH, request.since, request.until, None, False, rate, "somebody", "a test",
            (source.first, source.end), (source.first, source.end), progress or Progress(source.first),
        )  # fmt: skip
        if (TENANT, RUN) not in self.runs.kept:
            await self.runs.start(run)
        lag = Lags(self.group).of(Stage.ENRICH, PARTITION)
        return Part(run, selection, TenantFeed(TENANT, rate, self.publisher, lag, self.said.append))

    async def run(self, part: Part) -> Progress:
        return (await run_parts([part], Running(self.runs, "somebody")))[TENANT]

    @property
    def published(self) -> list[str]:
        return [event.replay_of for event, *_ in self.publisher.published]


def asked(*, since: int = 0, until: int = 1000, **more: Any) -> ReplayRequest:
    start = NINE + timedelta(seconds=since)
    return ReplayRequest(Stage.ENRICH, Stage.ENRICH, start, NINE + timedelta(seconds=until), **more)


@pytest.fixture(name="world")
def make_world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(feeding, "LOOK_SECONDS", 0.0)
    return World()


@pytest.mark.parametrize(("since", "until", "found"), [(0, 1000, 10), (2, 5, 3), (9, 10, 1), (10, 20, 0), (2, 3, 1)])
async def test_the_window_ends_before_until(world: World, since: int, until: int, found: int) -> None:
    world.receive(10)
    request = asked(since=since, until=until)
    parts = await scopes(request, [Limit(TENANT, PARTITION)], world.spans)  # type: ignore[list-item]
    selections = [Selection(scope, world.spans, await world.verifying(), world.answered) for scope in parts]
    assert (await plan(selections, request)).total.to_replay == found


async def test_what_is_replayed_keeps_its_trace_its_partition_and_its_order(world: World) -> None:
    events = world.receive(7)
    ended = await world.run(await world.part())
    assert world.published == [event.event_id for event in events]
    assert {(topic, partition, trace) for _, topic, partition, trace in world.publisher.published} == {
        (Topic.TICKETS_RECEIVED, PARTITION, TRACE)
    }
    assert (ended.next_offset, ended.selected, ended.replayed) == (7, 7, 7)
    assert [one.operation for one in world.runs.audit] == ["replay start", "replay end"]


async def test_a_run_goes_on_behind_its_progress(world: World) -> None:
    events = world.receive(7)
    ended = await world.run(await world.part(progress=Progress(5, 5, 4, 1)))
    assert world.published == [event.event_id for event in events[5:]]
    assert (ended.selected, ended.replayed, ended.answered) == (7, 6, 1)


async def test_what_it_wrote_itself_is_not_in_its_window(world: World) -> None:
    world.receive(4)
    part = await world.part()
    world.receive(3)
    assert (await world.run(part)).replayed == 4


async def test_a_note_that_arrived_since_the_plan_is_seen(world: World) -> None:
    events = world.receive(3)
    part = await world.part()
    world.answered.notes.add((TENANT, "T-1", events[1].ticket.content_hash))
    ended = await world.run(part)
    assert world.published == [events[0].event_id, events[2].event_id]
    assert (ended.replayed, ended.answered) == (2, 1)


async def test_progress_is_kept_when_it_is_cancelled_while_paused(world: World) -> None:
    world.receive(30)
    part = await world.part()

    def live_tickets_come(count: int) -> None:
        if count == 10:
            world.group.at[Stage.ENRICH, PARTITION] = Reached(end=57, committed=0)

    world.publisher.publish = watched(world.publisher, live_tickets_come)  # type: ignore[method-assign]
    running = asyncio.create_task(world.run(part))
    while not world.said:
        await asyncio.sleep(0)
    assert world.said == [f"paused: {TENANT} has 57 waiting"]
    assert len(world.published) == 10

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert world.runs.kept[TENANT, RUN].progress.next_offset == 10
    assert not world.runs.kept[TENANT, RUN].done


def watched(publisher: FakePublisher, then: Callable[[int], None]) -> Any:
    stock = publisher.publish

    async def publish(event: Any, **place: Any) -> None:
        await stock(event, **place)
        then(len(publisher.published))

    return publish


async def test_kafka_that_does_not_acknowledge_is_asked_again_with_the_same_id(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (event,) = world.receive(1)
    tries: list[str] = []
    stock = world.publisher.publish
    monkeypatch.setattr(feeding, "jittered", lambda _: 0.0)

    async def refusing_twice(again: Any, **place: Any) -> None:
        tries.append(again.event_id)
        if len(tries) < 3:
            raise PublishError("no")
        await stock(again, **place)

    monkeypatch.setattr(world.publisher, "publish", refusing_twice)
    await world.run(await world.part())
    assert tries == [ids.of_replayed(event.event_id, RUN)] * 3


async def test_a_part_that_fails_ends_the_run_with_its_error_and_keeps_the_progress(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.receive(3)
    monkeypatch.setattr(feeding, "PUBLISH_PATIENCE", -1.0)
    world.publisher.fails = PublishError("Kafka is away")
    with pytest.raises(PublishError, match="away"):
        await world.run(await world.part())
    assert not world.runs.kept[TENANT, RUN].done


async def test_the_rate_is_kept(world: World) -> None:
    world.receive(5)
    loop = asyncio.get_running_loop()
    started = loop.time()
    await world.run(await world.part(rate=50))
    assert loop.time() - started >= 4 / 50


async def test_own_events_are_no_live_ones_until_they_are_too_many(world: World) -> None:
    lag = LiveLag(Stage.ENRICH, PARTITION, world.group)
    world.group.at[Stage.ENRICH, PARTITION] = Reached(end=60, committed=10, ahead=4)
    for offset in range(20, 60):
        lag.wrote(offset)
    found = await lag.waiting()
    assert (found.live, found.own, found.too_much) == (6, 40, "")

    world.group.at[Stage.ENRICH, PARTITION] = Reached(end=80, committed=50)
    assert ((await lag.waiting()).live, (await lag.waiting()).too_much) == (20, "20 waiting")

    for offset in range(80, 180):
        lag.wrote(offset)
    world.group.at[Stage.ENRICH, PARTITION] = Reached(end=180, committed=80)
    assert (await lag.waiting()).too_much == "100 of this replay waiting"


async def test_too_many_tickets_for_an_earlier_stage_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.ops.replay.selection.MAX_TICKETS", 2)
    world.receive(4)
    whole = await world.spans.all(Topic.TICKETS_RECEIVED, PARTITION)
    request = ReplayRequest(Stage.DELIVER, Stage.ENRICH, NINE, NINE + timedelta(hours=1))
    scope = (await world.selection(asked())).scope
    selection = Selection(
        replace(scope, request=request, window=whole), world.spans, await world.verifying(), world.answered
    )
    with pytest.raises(WrongRequest, match="more than 2 tickets"):
        await plan([selection], request)


def test_a_ticket_that_came_closed_stays_history_when_it_is_replayed() -> None:
    closed = replace(ticket_received(), kind=TicketKind.CLOSED, again=True)
    again: Any = renewed(closed, RUN)
    assert (again.kind, again.replay_of, again.again) == (TicketKind.CLOSED, closed.event_id, True)
    assert renewed(closed, RUN, again=False).again is False  # type: ignore[attr-defined]


def test_an_answer_of_a_technician_keeps_its_id() -> None:
    answer = FeedbackSubmitted("f-1", TENANT, "T-1", FeedbackType.THUMBS_UP, LONG_AGO)
    assert renewed(answer, RUN, again=True) is answer
