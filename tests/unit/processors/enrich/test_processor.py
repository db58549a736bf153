"""enrich decides: every branch, on the fakes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import structlog.testing

from infra.runtime.stream.outcomes import DeadLetter, Drop, Emit, Hold
from processors.enrich import processor
from processors.enrich.fakes import (
    FakeRow,
    FakeSource,
    FakeTenantChoices,
)
from processors.enrich.gather import Limits
from processors.enrich.sources.docs import Docs
from schemas import ids
from schemas.events import MissingSource, TicketKind
from schemas.reasons import Reason
from tests.unit.processors.enrich.stage import NOW, TENANT, TICKET, Enrich, at, emitted, evidence, received


@pytest.fixture
def enrich() -> Enrich:
    return Enrich()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Whatever level another test has set for the process."""
    capture = structlog.testing.LogCapture()
    everything = structlog.make_filtering_bound_logger(0)
    monkeypatch.setattr(processor, "log", structlog.wrap_logger(None, [capture], everything))
    return capture.entries


async def test_a_new_ticket_is_emitted_with_its_context(enrich: Enrich) -> None:
    event = received()
    enriched = emitted(await enrich.handle(event, 7))
    assert enriched.input_id == event.event_id
    assert enriched.event_id == ids.of_output(event.event_id, "enrich")
    assert enriched.context == (evidence(1),)
    assert enriched.enriched_at == NOW
    assert enriched.ticket == TICKET


async def test_the_row_is_marked_published_only_once_the_runner_has_published(enrich: Enrich) -> None:
    event = received()
    outcome = await enrich.handle(event, 7)
    assert enrich.row(event) == (None, None)
    assert isinstance(outcome, Emit)
    assert outcome.then
    await outcome.then()
    await outcome.then()
    assert enrich.row(event) == ("published", None)


async def test_a_redelivery_at_the_same_offset_gives_the_same_id_even_after_publishing(enrich: Enrich) -> None:
    event = received()
    first = await enrich.done(event, 7)
    again = await enrich.handle(event, 7)
    assert emitted(first).event_id == emitted(again).event_id


async def test_an_event_that_crashed_before_publishing_is_run_again_from_its_copy(enrich: Enrich) -> None:
    await enrich.handle(received(), 7)
    emitted(await enrich.handle(received(), 9))


async def test_a_copy_of_a_published_event_is_dropped_and_leaves_the_row_alone(enrich: Enrich) -> None:
    event = received()
    await enrich.done(event, 7)
    assert await enrich.done(event, 9) == Drop(Reason.DUPLICATE)
    assert enrich.row(event) == ("published", None)


async def test_a_webhook_sent_again_is_a_copy_although_it_was_received_later(enrich: Enrich) -> None:
    await enrich.done(received(), 7)
    later = received(received_at=NOW.replace(minute=1))
    assert await enrich.handle(later, 9) == Drop(Reason.DUPLICATE)


async def test_another_body_under_the_same_id_is_set_aside_and_says_what_to_do(enrich: Enrich) -> None:
    await enrich.done(received(), 7)
    other = received(ticket=replace(TICKET, subject="something else", content_hash=""))
    outcome = await enrich.handle(other, 9)
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason is Reason.CONFLICTING_DUPLICATE
    assert "'wh-1' twice" in outcome.detail


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (TicketKind.CLOSED, None),
        (TicketKind.UPDATED, "Closed"),
        (TicketKind.CREATED, " resolved "),
        (TicketKind.RECONCILED, "CLOSED"),
    ],
)
async def test_a_closed_ticket_is_stored_as_history_only(enrich: Enrich, kind: TicketKind, status: str | None) -> None:
    event = received(kind=kind, ticket=replace(TICKET, status=status, resolution="Adapter repaired"))
    outcome = await enrich.done(event, 7)
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.NOT_FOR_ENHANCEMENT
    assert enrich.tickets.stored[TENANT, "52101"].ticket.resolution == "Adapter repaired"
    assert enrich.row(event) == ("dropped", "not_for_enhancement")
    assert not enrich.enhancements.begun


async def test_an_event_older_than_the_tickets_newest_content_is_superseded(enrich: Enrich) -> None:
    await enrich.done(received("wh-2", replace(TICKET, subject="VPN and mail", content_hash="")), 9)
    old = received("wh-1")
    outcome = await enrich.done(old, 7)
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.SUPERSEDED
    assert enrich.row(old) == ("dropped", "superseded")


async def test_an_older_event_with_the_newest_content_is_not_superseded(enrich: Enrich) -> None:
    """Else both could be dropped: this one as superseded, the newer one as unchanged."""
    await enrich.tickets.store(received("wh-2"), at(9))
    emitted(await enrich.handle(received("wh-1"), 7))


async def test_our_own_notes_webhook_is_dropped_as_unchanged(enrich: Enrich) -> None:
    await enrich.done(received("wh-1"), 7)
    echo = received("wh-2", replace(TICKET, status="Open", priority="High"), kind=TicketKind.UPDATED)
    outcome = await enrich.done(echo, 8)
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.UNCHANGED
    assert enrich.row(echo) == ("dropped", "unchanged")


async def test_a_relevant_edit_is_answered(enrich: Enrich) -> None:
    await enrich.done(received("wh-1"), 7)
    edit = received("wh-2", replace(TICKET, description="Now the mail too", content_hash=""), kind=TicketKind.UPDATED)
    enrich.clock.pass_by(10)
    emitted(await enrich.handle(edit, 8))


async def test_tenants_with_the_same_ticket_number_do_not_touch(enrich: Enrich) -> None:
    enrich.tenants.choices["msp-nordwind"] = FakeTenantChoices()
    await enrich.done(received("wh-1"), 7)
    emitted(await enrich.handle(received("wh-1", tenant_id="msp-nordwind"), 8))


async def test_an_unknown_tenants_event_waits(enrich: Enrich) -> None:
    enrich.tenants.choices.clear()
    outcome = await enrich.handle(received(), 7)
    assert isinstance(outcome, Hold)
    assert outcome.reason is Reason.TENANT_UNKNOWN
    assert not enrich.received.rows


async def test_a_failing_source_is_named_and_fails_nothing(enrich: Enrich) -> None:
    async def fail() -> None:
        raise ConnectionError("secret host 10.0.0.9")

    enrich.sources.append(FakeSource("ip_data", before=fail))
    enriched = emitted(await enrich.handle(received(), 7))
    assert enriched.missing == (MissingSource("ip_data", "failed: ConnectionError"),)
    assert enriched.context == (evidence(1),)


async def test_a_slow_source_is_cut_off_and_named(enrich: Enrich) -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    slow = FakeSource("ticket_history", before=wait)
    enrich.sources.insert(0, slow)
    enrich.limits = Limits(per_source=0.02)
    enriched = emitted(await enrich.handle(received(), 7))
    assert enriched.missing == (MissingSource("ticket_history", "no answer within 0.02 s"),)
    assert slow.cancelled
    assert enriched.context == (evidence(1),)


@pytest.mark.parametrize("caching", [True, False])
async def test_the_tenants_setting_decides_which_search_is_asked(enrich: Enrich, caching: bool) -> None:
    enrich.tenants.choices[TENANT] = FakeTenantChoices(enable_context_caching=caching)
    enrich.sources = [Docs()]
    row = FakeRow("KB-1", kind="article")
    (enrich.remembering if caching else enrich.search).knowledge[TENANT] = [row]
    enriched = emitted(await enrich.handle(received(), 7))
    assert [item.id for item in enriched.context] == ["KB-1"]


async def test_what_a_support_person_looks_for_is_logged_without_the_tickets_text(
    enrich: Enrich, logged: list[Any]
) -> None:
    await enrich.handle(received(), 7)
    assert [line["event"] for line in logged] == ["Context gathered"]
    assert all(line["tenant_id"] == TENANT and line["ticket_id"] == "52101" for line in logged)
    assert logged[0]["sources"] == {"docs": 1}
    assert "FortiClient" not in str(logged)
