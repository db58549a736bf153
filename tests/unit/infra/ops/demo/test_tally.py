"""The demo's plan and its counts: each kind of mishap must show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.ops.cli.webhook_request import Answer
from infra.ops.demo.deliveries import Kind, Planned, Sent, plan
from infra.ops.demo.memory import Memory, TenantMemory
from infra.ops.demo.tally import Seen, quantile, tally
from infra.ops.demo.tenants import LiveTicket, demo_tenants
from infra.ops.local.servicedesk_simulator.state import WrittenNote
from schemas.events import DeliveryOutcome, EnhancementDelivered, StepTimes, Writer

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
TENANTS = [tenant.tenant_id for tenant in demo_tenants()]


def planned_webhooks() -> list[Planned]:
    requests: list[tuple[LiveTicket, dict[str, object]]] = [
        (ticket, dict(ticket.fields)) for tenant in demo_tenants() for ticket in tenant.tickets(1)
    ]
    return plan(requests, 1)


def answered(planned: Planned) -> Sent:
    status = {Kind.REPEATED: 200, Kind.FORGED: 403, Kind.STALE: 403}.get(planned.kind, 202)
    return Sent(planned, Answer(status, {}, None, None))


def delivered(planned: Planned, number: int) -> EnhancementDelivered:
    deleted = planned.kind is Kind.DELETED
    return EnhancementDelivered(
        event_id=f"e{number}",
        input_id="",
        tenant_id=planned.ticket.tenant_id,
        ticket_id=planned.ticket.ticket_id,
        enhancement_id="",
        outcome=DeliveryOutcome.DROPPED if deleted else DeliveryOutcome.POSTED,
        text="",
        citations=(),
        writer=Writer.BUILTIN,
        times=StepTimes(NOW, NOW, NOW, NOW + timedelta(milliseconds=number)),
        total_ms=number,
        reason="ticket_deleted" if deleted else None,
        note_id=None if deleted else f"n{number}",
    )


def note(event: EnhancementDelivered, **changed: Any) -> WrittenNote:
    written = WrittenNote(event.tenant_id, event.ticket_id, str(event.note_id), "text", False, 0.0)
    return replace(written, **changed)


@pytest.fixture(name="perfect")
def perfect_run() -> Seen:
    planned = planned_webhooks()
    new = [one for one in planned if one.kind in (Kind.NEW, Kind.DELETED)]
    events = [delivered(one, number) for number, one in enumerate(new, 1)]
    notes = [note(event) for event in events if event.note_id]
    return Seen([answered(one) for one in planned], events, [], notes)


def test_the_plan_has_sixty_webhooks_of_which_three_are_not_new_tickets() -> None:
    planned = planned_webhooks()
    kinds = [one.kind for one in planned]
    assert {kind: kinds.count(kind) for kind in Kind} == {
        Kind.NEW: 56, Kind.DELETED: 1, Kind.REPEATED: 1, Kind.FORGED: 1, Kind.STALE: 1,
    }  # fmt: skip
    repeated = next(one for one in planned if one.kind is Kind.REPEATED)
    earlier = planned[: planned.index(repeated)]
    assert [(one.webhook_id, one.body) for one in earlier].count((repeated.webhook_id, repeated.body)) == 1


def test_the_plan_of_another_run_repeats_no_webhook_id() -> None:
    tickets = [(t, dict(t.fields)) for tenant in demo_tenants() for t in tenant.tickets(2)]
    assert not {one.webhook_id for one in planned_webhooks()} & {one.webhook_id for one in plan(tickets, 2)}


def test_a_perfect_run_is_right(perfect: Seen) -> None:
    counted = tally(perfect, TENANTS)
    assert counted.right, counted.unexpected
    assert counted.counts["notes"] == 56 and counted.counts["lost"] == 0
    assert [one.accepted for one in counted.tenants.values()] == [25, 16, 16]


def test_a_missing_note_is_a_loss(perfect: Seen) -> None:
    lost = replace(perfect, notes=perfect.notes[1:], delivered=perfect.delivered[1:])
    counts = tally(lost, TENANTS).counts
    assert (counts["notes"], counts["lost"], counts["misplaced"]) == (55, 1, 0)


def test_a_note_that_is_only_claimed_counts_as_none(perfect: Seen) -> None:
    counted = tally(replace(perfect, notes=perfect.notes[1:]), TENANTS)
    assert not counted.right and counted.counts["misplaced"] == 1 and counted.counts["lost"] == 1


def test_a_second_note_on_a_ticket_is_a_duplicate(perfect: Seen) -> None:
    twice: Sequence[WrittenNote] = [*perfect.notes, replace(perfect.notes[0], note_id="n99")]
    counted = tally(replace(perfect, notes=twice), TENANTS)
    assert not counted.right and counted.counts["duplicated"] == 1 and counted.counts["lost"] == 0


def test_a_note_on_another_tenants_desk_is_misplaced(perfect: Seen) -> None:
    other = next(note for note in perfect.notes if note.desk != TENANTS[0])
    wrong = [replace(note, desk=TENANTS[0]) if note is other else note for note in perfect.notes]
    counted = tally(replace(perfect, notes=wrong), TENANTS)
    assert not counted.right and counted.counts["misplaced"] == 2  # there too many, and here it is missing


def test_a_forged_webhook_that_is_accepted_is_seen(perfect: Seen) -> None:
    sent = [
        Sent(one.planned, Answer(202, {}, None, None)) if one.planned.kind is Kind.FORGED else one
        for one in perfect.sent
    ]
    counted = tally(replace(perfect, sent=sent), TENANTS)
    assert not counted.right and counted.counts["accepted"] == 58 and counted.counts["lost"] == 1


def test_quantiles_are_by_nearest_rank() -> None:
    assert quantile([], 0.5) is None
    assert [quantile([100, 200, 300, 400], part) for part in (0.5, 0.95, 1.0)] == [0.2, 0.4, 0.4]


def test_the_memory_survives_and_is_private(tmp_path: Any) -> None:
    memory = Memory.load(tmp_path)
    memory.runs, memory.tenants = 3, {"msp-one": TenantMemory("whsec_x", "tst_y", "mark")}
    memory.save()
    again = Memory.load(tmp_path)
    assert (again.runs, again.tenants) == (3, memory.tenants)
    assert again.file.stat().st_mode & 0o077 == 0
    again.file.write_text("{broken")
    assert Memory.load(tmp_path).runs == 0
