"""What came out of a stage and how far it committed, waited for with a deadline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infra.runtime.stream.record import RawRecord
from schemas.events import TicketEnriched
from schemas.topics import Topic
from schemas.wire_format import Codec
from tests.integration.infra.runtime.stream.stage_world import StageWorld, until


async def outputs(world: StageWorld) -> dict[str, list[RawRecord]]:
    """What came out, by the id of the event that it answers."""
    found: dict[str, list[RawRecord]] = {}
    for record in await world.seen(Topic.TICKETS_ENRICHED):
        found.setdefault(decoded(record).input_id, []).append(record)
    return found


def decoded(record: RawRecord) -> TicketEnriched:
    event = Codec().decode(record.value or b"", Topic.TICKETS_ENRICHED)
    assert isinstance(event, TicketEnriched)
    return event


async def all_out(world: StageWorld, expected: Sequence[str], seconds: float = 40) -> dict[str, list[RawRecord]]:
    """Waits for an output of each."""

    async def complete() -> Any:
        found = await outputs(world)
        return found if found.keys() >= set(expected) else None

    try:
        found: dict[str, list[RawRecord]] = await until(complete, "all events out", seconds)
    except AssertionError as error:
        lost = set(expected) - (await outputs(world)).keys()
        raise AssertionError(f"{len(lost)} of {len(expected)} never came out: {sorted(lost)[:5]}") from error
    return found


async def all_committed(world: StageWorld, ends: dict[int, int], ahead: int = 0) -> None:
    async def done() -> bool:
        found = await world.committed()
        return all(found.get(partition) == (end, f"ahead={ahead} running=0\0") for partition, end in ends.items())

    try:
        await until(done, "commits")
    except AssertionError as error:
        raise AssertionError(f"committed {await world.committed()}, expected {ends} with {ahead} ahead") from error
