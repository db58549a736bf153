"""Deaths are counted once each, for whoever owns the event next, and only the third is the end of it."""

from __future__ import annotations

import fcntl
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.stream.fakes import ManualClock, MemoryHolds
from infra.runtime.stream.hold_book import HoldBook
from infra.runtime.stream.outcomes import Hold, Scope
from infra.runtime.stream.record import Position, RawRecord
from infra.runtime.stream.running_file import RunningFile
from infra.runtime.stream.suspects import Suspects
from schemas.reasons import Reason
from tests.unit.infra.runtime.stream.records import TENANT, raw


class Fleet:
    """Workers that follow one another, on one store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.clock = folder, MemoryHolds(), ManualClock()
        self.under_way: list[AbstractContextManager[None]] = []

    async def worker(self) -> Suspects:
        file = RunningFile.open(self.folder, "g", 8)
        suspects = Suspects("enrich", HoldBook("enrich", self.store, self.clock), self.store, self.clock, file)
        await suspects.report()
        return suspects

    def dies(self, suspects: Suspects) -> None:
        """Its file stays and is unlocked."""
        assert suspects.file
        fcntl.flock(suspects.file._descriptor, fcntl.LOCK_UN)

    def begin(self, suspects: Suspects, record: RawRecord) -> None:
        """A handling that goes on until the worker dies."""
        handling = suspects.running(record)
        handling.__enter__()
        self.under_way.append(handling)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def at(offset: int) -> RawRecord:
    record = raw()
    return replace(record, position=replace(record.position, offset=offset))


async def touched(suspects: Suspects, record: RawRecord) -> int:
    await suspects.holds.waiting_for(TENANT, record.position, "10042")
    return suspects.deaths(record.position)


async def test_a_death_is_counted_for_this_worker_and_for_any_other(fleet: Fleet) -> None:
    first, record = await fleet.worker(), at(17)
    fleet.begin(first, record)
    fleet.dies(first)
    second, elsewhere = await fleet.worker(), await fleet.worker()
    assert second.deaths(record.position) == 1
    assert await touched(elsewhere, record) == 1
    fleet.begin(second, record)
    fleet.dies(second)
    third = await fleet.worker()
    assert [row.deaths for row in fleet.store.rows.values()] == [2]
    assert await touched(third, record) == 2


async def test_an_end_or_a_stop_counts_nothing(fleet: Fleet) -> None:
    worker, ended, cut_off = await fleet.worker(), at(1), at(2)
    with worker.running(ended):
        pass
    with pytest.raises(ValueError, match="handler"), worker.running(ended):
        raise ValueError("handler")
    fleet.begin(worker, cut_off)
    worker.close()
    assert (await fleet.worker()).deaths(ended.position) == 0
    assert not fleet.store.rows


async def test_a_hold_that_is_there_keeps_its_reason_and_its_count(fleet: Fleet) -> None:
    worker, record = await fleet.worker(), at(5)
    hold = Hold(Reason.DESK_UNAVAILABLE, 60.0, Scope.LANE)
    held = worker.holds.held(hold, tenant_id=TENANT, position=record.position, ticket_id="10042", event_id="e")
    await worker.holds.flush()
    fleet.begin(worker, record)
    fleet.dies(worker)
    heir = await fleet.worker()
    assert fleet.store.rows[record.position] == replace(held, deaths=1)
    await touched(heir, record)
    again = heir.holds.held(hold, tenant_id=TENANT, position=record.position, ticket_id="10042", event_id="e")
    assert (again.attempts, again.deaths) == (2, 1)


async def test_only_those_of_two_deaths_take_turns(fleet: Fleet) -> None:
    records = [at(number) for number in range(3)]
    for deaths in (1, 2):
        worker = await fleet.worker()
        for record in records[: 4 - deaths]:  # the last one is there only at the first death
            fleet.begin(worker, record)
            worker._alone = None
        fleet.dies(worker)
    worker = await fleet.worker()
    culprit, innocent, once = (record.position for record in records)
    with worker.running(records[0]):
        assert worker.must_wait(innocent)
        assert await touched(worker, records[2]) == 1 and not worker.must_wait(once)
        assert not worker.must_wait(Position("t", 1, 99))
    assert not worker.must_wait(innocent) and not worker.must_wait(culprit)


async def test_without_postgresql_the_worker_itself_knows(fleet: Fleet) -> None:
    worker, record = await fleet.worker(), at(9)
    fleet.begin(worker, record)
    fleet.dies(worker)
    fleet.store.fails = PostgresUnavailable("away")
    heir = await fleet.worker()
    assert heir.deaths(record.position) == 1
    heir.settled(record.position)
    assert heir.deaths(record.position) == 0
