"""Feedback on two of the notes, and the aggregate that follows from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from infra.ops.demo.act import Act
from infra.ops.demo.opinions import give_by_link, give_by_token, link_in
from infra.ops.demo.setting_up import Stage
from infra.ops.demo.watch import Watch
from schemas.events import DeliveryOutcome, EnhancementDelivered, FeedbackAggregated

AGGREGATE_SECONDS = 20.0
GIVEN = 2


@dataclass(frozen=True, slots=True)
class FeedbackRound:
    """`aggregate` is the tenant's after both answers; None if it didn't come in time, or there was no note to answer on."""

    given: int
    aggregate: FeedbackAggregated | None

    def as_object(self) -> dict[str, Any]:
        if self.aggregate is None:
            return {"given": self.given, "aggregated": None}
        shown = asdict(self.aggregate)
        shown["aggregated_at"] = self.aggregate.aggregated_at.isoformat().replace("+00:00", "Z")
        return {"given": self.given, "aggregated": shown}


async def feedback_round(stage: Stage, act: Act, watch: Watch) -> FeedbackRound:
    """One answer with a bearer token, one through the link in another note of the same tenant. Raises Failure when refused."""
    notes = two_notes(watch.delivered)
    if len(notes) < GIVEN:
        return FeedbackRound(0, None)
    first, second = notes
    tenant_id = first.tenant_id
    token = stage.memory.tenants[tenant_id].token
    await give_by_token(stage.session, stage.around.public_url(), token, first)
    (note,) = [
        written
        for written in (await stage.desks.read_notes(tenant_id, second.ticket_id, start=act.ledger_start)).notes
        if written.note_id == second.note_id
    ]
    await give_by_link(stage.session, link_in(note.description))

    def came() -> bool:
        return len(_of(tenant_id, watch)) >= GIVEN

    await watch.wait_for(came, AGGREGATE_SECONDS)
    found = _of(tenant_id, watch)
    return FeedbackRound(GIVEN, max(found, key=lambda one: one.total) if len(found) >= GIVEN else None)


def two_notes(delivered: list[EnhancementDelivered]) -> list[EnhancementDelivered]:
    """Of one tenant, the first by name that has two: the same in every run, whoever's note comes first."""
    by_tenant: dict[str, list[EnhancementDelivered]] = {}
    for event in delivered:
        if event.outcome is DeliveryOutcome.POSTED:
            by_tenant.setdefault(event.tenant_id, []).append(event)
    return next(
        (
            sorted(notes, key=lambda n: n.ticket_id)[:GIVEN]
            for _, notes in sorted(by_tenant.items())
            if len(notes) >= GIVEN
        ),
        [],
    )


def _of(tenant_id: str, watch: Watch) -> list[FeedbackAggregated]:
    return [one for one in watch.aggregates if one.tenant_id == tenant_id]
