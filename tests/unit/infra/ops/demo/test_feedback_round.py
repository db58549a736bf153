"""Whose notes get feedback."""

from __future__ import annotations

from datetime import UTC, datetime

from infra.ops.demo.feedback_round import two_notes
from schemas.events import DeliveryOutcome, EnhancementDelivered, StepTimes, Writer

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


def posted(tenant_id: str, ticket_id: str) -> EnhancementDelivered:
    return EnhancementDelivered(
        event_id=f"{tenant_id} {ticket_id}",
        input_id="",
        tenant_id=tenant_id,
        ticket_id=ticket_id,
        enhancement_id="",
        outcome=DeliveryOutcome.POSTED,
        text="",
        citations=(),
        writer=Writer.BUILTIN,
        times=StepTimes(NOW, NOW, NOW, NOW),
        total_ms=1,
        note_id="n1",
    )


def test_it_is_the_same_tenant_whoevers_note_came_first() -> None:
    one, two = [posted("msp-one", "12"), posted("msp-one", "11")], [posted("msp-two", "21"), posted("msp-two", "22")]

    assert two_notes([*two, *one]) == two_notes([*one, *two]) == [one[1], one[0]]


def test_one_note_is_not_enough() -> None:
    assert two_notes([posted("msp-one", "11"), posted("msp-two", "21")]) == []
