"""What deliver tells Prometheus of a note: once, however often its event is delivered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from infra.runtime.stream.outcomes import Drop, Emit
from processors.deliver.ports import Ending, NoteKey
from tests.unit.processors.deliver.conftest import TICKET, Delivery, synthesized


def counted(outcome: str) -> float:
    labels = {"tenant_id": TICKET.tenant_id, "outcome": outcome}
    return REGISTRY.get_sample_value("ticketstream_enhancements_total", labels) or 0.0


def timed() -> float:
    return REGISTRY.get_sample_value("ticketstream_webhook_to_note_seconds_count", {"tenant_id": TICKET.tenant_id}) or 0


async def test_a_posted_note_is_one_success_and_has_one_time(delivery: Delivery) -> None:
    success, times = counted("success"), timed()
    first, again = await delivery.run(), await delivery.run()
    assert isinstance(first, Emit)
    assert isinstance(again, Emit)
    assert (first.repeated, again.repeated) == (False, True)
    assert (counted("success") - success, timed() - times) == (1, 1)


async def test_a_note_that_is_needed_no_more_is_dropped_once(delivery: Delivery) -> None:
    before, success = counted("dropped"), counted("success")
    delivery.desk.add(TICKET, status="Closed")
    first, again = await delivery.run(), await delivery.run()
    assert isinstance(first, Drop)
    assert isinstance(again, Drop)
    assert again.repeated
    assert (counted("dropped") - before, counted("success") - success) == (1, 0)


async def test_an_event_whose_content_another_one_answered_is_none_of_its_own(delivery: Delivery) -> None:
    await delivery.run()
    before = counted("success"), counted("dropped"), timed()
    other = await delivery.run(synthesized("two"))
    assert isinstance(other, Drop)
    assert not other.repeated
    assert (counted("success"), counted("dropped"), timed()) == before


@pytest.mark.parametrize("status", ["Open", "Closed"])
async def test_what_another_worker_settled_meanwhile_is_counted_there(delivery: Delivery, status: str) -> None:
    delivery.desk.add(TICKET, status=status)
    before, settle = (counted("success"), counted("dropped"), timed()), delivery.intents.done

    async def settled_before(key: NoteKey, ending: Ending, owner: str) -> Ending:
        await settle(key, replace(ending, at=ending.at - timedelta(seconds=1)), owner)
        return await settle(key, ending, owner)

    delivery.intents.done = settled_before  # type: ignore[method-assign]
    outcome = await delivery.run()
    assert isinstance(outcome, Emit if status == "Open" else Drop)
    assert (counted("success"), counted("dropped"), timed()) == before
