"""Which of a desk's tickets are fed in, in which form, and where the next run begins."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from infra.ops.reconcile.ports import Limits, Result
from infra.ops.reconcile.rounds import Reconciler
from ingest.ticket_body import parse_ticket
from schemas import ids
from schemas.events import TicketKind
from schemas.reasons import Reason
from schemas.topics import Topic
from schemas.wire_format import TooLarge
from sinks.servicedesk.types import Refused, TicketRef
from tests.unit.infra.ops.reconcile.world import CREATED, NOW, TENANT, World

MINUTE = timedelta(minutes=1)
AWAY = Refused(Reason.DESK_UNAVAILABLE, "connection refused")


async def test_a_ticket_that_never_arrived_is_fed_in_as_its_webhook_would_have_been() -> None:
    world = World()
    world.ticket("7", description="<p>98&nbsp;%</p>", requester={"email_id": "A@b.example"}, category={"name": "VPN"})

    report = await world.round()

    (published,), (event,) = world.publisher.published, world.fed
    body = json.dumps({"request": world.desk.requests[TicketRef(TENANT, "7")]}).encode()
    assert event.ticket == parse_ticket(body).ticket
    assert event.kind is TicketKind.RECONCILED
    assert event.event_id == ids.of_reconciled(TENANT, "7", event.ticket.content_hash)
    assert (published.topic, published.partition) == (Topic.TICKETS_RECEIVED, 5)
    assert event.received_at == NOW
    assert (report.result, report.counts.fed_in, report.fed_in) == (Result.COMPLETE, 1, ("7",))


async def test_what_arrived_what_is_closed_and_what_is_on_its_way_is_left_alone() -> None:
    world = World()
    world.ticket("known")
    world.arrives("known")
    world.ticket("closed", status="Closed")
    world.ticket("young", ago=timedelta(seconds=119))
    world.ticket("due", ago=timedelta(seconds=120))

    report = await world.round()

    assert world.fed_ids == ["due"]
    counts = report.counts
    assert (counts.listed, counts.known, counts.closed, counts.too_young, counts.fed_in) == (4, 1, 1, 1, 1)


async def test_a_ticket_that_was_too_young_is_fed_in_by_a_later_run_however_many_came_after_it() -> None:
    world = World(limits=Limits(overlap=timedelta(0)))
    world.ticket("young", ago=MINUTE)
    world.ticket("younger", ago=MINUTE / 2)
    await world.round()
    assert world.fed_ids == []

    world.ticket("other", ago=timedelta(seconds=-90))
    world.clock.at = NOW + 5 * MINUTE
    await world.round()

    assert world.fed_ids == ["young", "younger", "other"]


async def test_a_first_run_begins_at_the_tenants_creation() -> None:
    world = World()
    world.ticket("before", ago=NOW - CREATED + timedelta(seconds=1))
    world.ticket("after", ago=NOW - CREATED)
    await world.round()
    await world.round()  # nor does the overlap of a later run bring in what was before
    assert world.fed_ids[:1] == ["after"]
    assert "before" not in world.fed_ids


async def test_a_run_begins_a_little_before_the_newest_known_ticket() -> None:
    """The desk committed `late` after `newest` was listed, though it was created before."""
    world = World()
    world.ticket("newest", ago=30 * MINUTE)
    await world.round()
    world.arrives("newest")
    world.ticket("late", ago=39 * MINUTE)
    world.ticket("too late", ago=41 * MINUTE)

    await world.round()

    assert world.fed_ids == ["newest", "late"]


async def test_another_beginning_can_be_chosen_and_the_next_run_goes_on_from_there() -> None:
    world = World()
    world.ticket("old", ago=NOW - CREATED + 60 * MINUTE)
    await world.round(since=NOW - timedelta(days=1))
    assert world.fed_ids == ["old"]
    assert world.state.ended[-1][1].listed_until == NOW - (NOW - CREATED + 60 * MINUTE)
    (entry,) = world.state.ended[-1][1].audited
    assert (entry.operation, entry.subject, entry.reason) == (
        "reconcile",
        "1 tickets fed in",
        "since 2026-11-19T12:00:00Z",
    )


async def test_a_dry_run_changes_nothing_and_reads_no_ticket() -> None:
    world = World()
    world.ticket("7")
    report = await world.round(dry_run=True)
    assert (report.counts.fed_in, report.fed_in) == (1, ("7",))
    assert (world.fed, world.state.ended, world.desk.calls) == ([], [], 1)
    assert (await world.round()).counts.fed_in == 1


async def test_a_ticket_whose_webhook_comes_while_the_desk_is_asked_is_not_fed_in() -> None:
    world = World()
    world.ticket("7")
    request = world.desk.request

    async def slowly(ticket: TicketRef) -> Any:
        world.arrives("7")
        return await request(ticket)

    world.desk.request = slowly  # type: ignore[method-assign]
    report = await world.round()
    assert (report.counts.known, world.fed) == (1, [])


async def test_a_ticket_that_was_closed_or_deleted_since_it_was_listed_is_not_fed_in() -> None:
    world = World()
    for name in ("closed", "gone"):
        world.ticket(name)
    request = world.desk.request

    async def later(ticket: TicketRef) -> Any:
        world.desk.delete(TicketRef(TENANT, "gone"))
        world.desk.requests[TicketRef(TENANT, "closed")]["status"] = {"name": "Fermé", "internal_name": "Closed"}
        return await request(ticket)

    world.desk.request = later  # type: ignore[method-assign]
    assert (await world.round()).counts.closed == 2
    assert world.fed == []


async def test_while_enrich_is_behind_nothing_is_taken_for_missing() -> None:
    world = World()
    world.ticket("7")
    world.backlog.answer = False
    report = await world.round()
    assert (report.result, world.fed, report.failed) == (Result.BEHIND, [], True)

    world.backlog.answer = True
    await world.round()
    assert world.fed_ids == ["7"]


async def test_enrich_is_not_asked_about_where_nothing_is_missing() -> None:
    world = World()
    world.ticket("7")
    world.arrives("7")
    world.backlog.answer = False
    assert (await world.round()).result is Result.COMPLETE
    assert world.backlog.asked == 0


@pytest.mark.parametrize("when", ["listing", "reading"])
async def test_a_desk_that_fails_is_named_with_the_cure_and_the_next_run_loses_nothing(when: str) -> None:
    world = World(limits=Limits(overlap=timedelta(0)))
    for number in range(3):
        world.ticket(str(number), ago=(10 - number) * MINUTE)
    world.desk.troubles.extend([AWAY] if when == "listing" else [None, None, AWAY])

    report = await world.round()

    assert report.result is Result.FAILED
    assert "connection refused" in report.problems[0].what
    assert f"ticketstream tenant show {TENANT}" in report.problems[0].what
    assert world.fed_ids == ([] if when == "listing" else ["0"])
    world.arrives(*world.fed_ids)
    assert (await world.round()).result is Result.COMPLETE
    assert world.fed_ids == ["0", "1", "2"]


async def test_a_desk_that_asks_to_wait_is_left_alone_so_long() -> None:
    world = World()
    world.ticket("7")
    world.desk.troubles.append(Refused(Reason.DESK_RATE_LIMITED, "4015", 900.0))
    assert (await world.round()).result is Result.FAILED

    world.clock.at = NOW + timedelta(seconds=899)
    report, calls = await world.round(), world.desk.calls
    assert report.result is Result.SKIPPED
    assert "until 2026-11-20T12:15:00Z" in report.problems[0].what
    assert calls == 1

    world.clock.at = NOW + timedelta(seconds=901)
    assert (await world.round()).counts.fed_in == 1


@pytest.mark.parametrize(
    "trouble", [Refused(Reason.DESK_CREDENTIAL_REFUSED, "4002", ticket_only=True), Refused(Reason.DESK_REFUSED, "4001")]
)
async def test_one_ticket_that_cannot_be_read_keeps_no_other_waiting(trouble: Refused) -> None:
    world = World()
    world.ticket("bad", ago=10 * MINUTE)
    world.ticket("good", ago=9 * MINUTE)
    world.desk.troubles.extend([None, trouble])
    report = await world.round()
    assert (report.result, report.counts.failed, report.problems[0].ticket_id) == (Result.COMPLETE, 1, "bad")
    assert world.fed_ids == ["good"]


async def test_a_ticket_in_no_form_of_a_webhooks_is_named_with_the_field() -> None:
    world = World()
    world.ticket("7", subject=None)
    report = await world.round()
    assert report.counts.failed == 1
    assert "request.subject" in report.problems[0].what
    assert world.fed == []


async def test_a_desk_that_gives_another_ticket_is_not_believed() -> None:
    world = World()
    world.ticket("7")
    world.desk.requests[TicketRef(TENANT, "7")]["id"] = "8"
    assert (await world.round()).problems[0].reason == "other_ticket"
    assert world.fed == []


async def test_what_kafka_did_not_take_is_fed_in_by_the_next_run() -> None:
    world = World(limits=Limits(overlap=timedelta(0)))
    world.ticket("7")
    world.ticket("8", ago=MINUTE)
    world.publisher.go_away()
    report = await world.round()
    assert (report.result, report.counts.fed_in) == (Result.FAILED, 0)
    assert report.problems[0].reason == "publish_failed"
    world.publisher.refuse = None
    assert (await world.round()).fed_in == ("7",)


async def test_a_ticket_that_fits_into_no_event_is_named() -> None:
    world = World()
    world.ticket("7")
    world.publisher.refuse = TooLarge("300000 bytes are more than 262144")
    assert (await world.round()).problems[0].reason == "event_too_large"


@pytest.mark.parametrize("limits", [Limits(tickets=100), Limits(calls=60)], ids=["tickets", "calls"])
async def test_a_run_is_bounded_and_the_next_goes_on_where_it_ended(limits: Limits) -> None:
    world = World(limits=limits)
    for number in range(150):
        world.ticket(f"{number:03}", ago=timedelta(seconds=9000 - number))

    first = await world.round()
    assert first.result is Result.MORE
    assert 0 < first.counts.fed_in <= 100
    for _ in range(3):
        world.arrives(*world.fed_ids)
        last = await world.round()

    assert last.result is Result.COMPLETE
    assert world.fed_ids == [f"{number:03}" for number in range(150)]


async def test_more_tickets_of_one_moment_than_a_run_lists_are_all_fed_in() -> None:
    world = World(limits=Limits(tickets=100, calls=1000))
    for number in range(250):
        world.ticket(f"{number:03}")
    for _ in range(3):
        await world.round()
        world.arrives(*world.fed_ids)
    assert len(world.fed_ids) == len(set(world.fed_ids)) == 250


async def test_a_run_whose_tenant_another_took_over_stops() -> None:
    world = World()
    world.ticket("7")
    page = world.desk.page

    async def slowly(*arguments: Any) -> Any:
        world.seconds.now += 100_000  # the lease ends
        await world.state.begin(TENANT, "another", 60.0)
        return await page(*arguments)

    world.desk.page = slowly  # type: ignore[assignment]
    report = await world.round()
    assert (report.problems[0].reason, world.fed) == ("lease_lost", [])
    assert await world.state.renew(TENANT, "another", 60.0)


async def test_an_overlapping_round_leaves_the_tenant_to_the_first() -> None:
    world = World()
    world.ticket("7")
    assert await world.state.begin(TENANT, "another", 60.0)
    report = await Reconciler(world.reconciler.ports).round(world.tenants)
    assert (report[0].result, world.desk.calls) == (Result.SKIPPED, 0)
