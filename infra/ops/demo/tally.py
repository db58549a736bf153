"""The demo's counts, taken at the desks rather than from our own counters, and whether they are right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.ops.demo.deliveries import DUPLICATE, REFUSED_KINDS, Sent
from infra.ops.local.servicedesk_simulator.state import WrittenNote
from schemas.events import DeadLetter, DeliveryOutcome, EnhancementDelivered

Ticket = tuple[str, str]

EXPECTED: Mapping[str, Any] = {
    "sent": 60,
    "accepted": 57,
    "notes": 56,
    "dropped": {"ticket_deleted": 1},
    "dead_letters": {},
    "refused": {"forged": 1, "stale": 1},
    "repeated": 1,
    "lost": 0,
    "duplicated": 0,
    "misplaced": 0,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was observed: the webhooks' answers, what came out of Kafka, the notes in the desks' own ledgers of this run."""

    sent: Sequence[Sent]
    delivered: Sequence[EnhancementDelivered]
    dead_letters: Sequence[DeadLetter]
    notes: Sequence[WrittenNote]

    def accepted(self) -> set[Ticket]:
        return {(one.planned.ticket.tenant_id, one.planned.ticket.ticket_id) for one in self.sent if one.accepted}

    def settled(self) -> set[Ticket]:
        """Accepted tickets of which it is known what became of them."""
        known = {_of(event) for event in self.delivered} | {(one.tenant_id, one.ticket_id) for one in self.dead_letters}
        return known & self.accepted()


@dataclass(frozen=True, slots=True)
class TenantTally:
    """Seconds from webhook to note; None without a note."""

    accepted: int
    notes: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Tally:
    """`lost` = accepted − notes − dropped − dead letters; `duplicated` are notes beyond one on a ticket, `misplaced` notes on a
    ticket that isn't the demo's or on another tenant's desk, or that the chain reports and the desk doesn't have."""

    counts: dict[str, Any]
    seconds: dict[str, float | None]
    tenants: dict[str, TenantTally]
    writer: str
    unexpected: tuple[str, ...] = field(default=())

    @property
    def right(self) -> bool:
        return not self.unexpected


def tally(seen: Seen, tenant_ids: Sequence[str]) -> Tally:
    """All counts of a run."""
    accepted = seen.accepted()
    per_ticket = Counter((note.desk, note.request_id) for note in seen.notes)
    noted = {ticket for ticket in per_ticket if ticket in accepted}
    posted = [event for event in seen.delivered if event.outcome is DeliveryOutcome.POSTED]
    dropped = Counter(
        str(event.reason)
        for event in seen.delivered
        if event.outcome is DeliveryOutcome.DROPPED and _of(event) in accepted
    )
    dead = Counter(letter.reason for letter in seen.dead_letters)
    counts: dict[str, Any] = {
        "sent": len(seen.sent),
        "accepted": sum(one.accepted for one in seen.sent),
        "notes": len(noted),
        "dropped": dict(dropped),
        "dead_letters": dict(dead),
        "refused": refusals(seen.sent),
        "repeated": sum(one.answer is not None and one.answer.status == DUPLICATE for one in seen.sent),
        "duplicated": sum(per_ticket[ticket] - 1 for ticket in noted),
        "misplaced": _misplaced(seen, posted, accepted),
    }
    counts["lost"] = counts["accepted"] - len(noted) - dropped.total() - dead.total()
    milliseconds = [event.total_ms for event in posted if _of(event) in accepted]
    return Tally(
        counts=counts,
        seconds={
            "p50": quantile(milliseconds, 0.5),
            "p95": quantile(milliseconds, 0.95),
            "max": quantile(milliseconds, 1.0),
        },
        tenants={tenant_id: _tenant(tenant_id, accepted, noted, posted) for tenant_id in tenant_ids},
        writer=", ".join(sorted({event.writer.value for event in posted})),
        unexpected=tuple(
            f"{name}: {counts[name]}, expected {wanted}" for name, wanted in EXPECTED.items() if counts[name] != wanted
        ),
    )


def refusals(sent: Sequence[Sent]) -> dict[str, int]:
    """By what was wrong with the webhook; one that should have been accepted counts under the answer it got."""
    found: Counter[str] = Counter()
    for one in sent:
        if one.accepted or (one.answer is not None and one.answer.status == DUPLICATE):
            continue
        status = one.answer.status if one.answer else None
        rightly = one.planned.kind in REFUSED_KINDS and status == 403
        found[one.planned.kind.value if rightly else f"HTTP {status or 'no answer'}"] += 1
    return dict(found)


def quantile(milliseconds: Sequence[int], part: float) -> float | None:
    """In seconds, by nearest rank; None of nothing."""
    if not milliseconds:
        return None
    ordered = sorted(milliseconds)
    return round(ordered[max(0, math.ceil(part * len(ordered)) - 1)] / 1000, 3)


def _of(event: EnhancementDelivered) -> Ticket:
    return event.tenant_id, event.ticket_id


def _misplaced(seen: Seen, posted: Sequence[EnhancementDelivered], accepted: set[Ticket]) -> int:
    elsewhere = sum((note.desk, note.request_id) not in accepted for note in seen.notes)
    at_desks = {(note.desk, note.request_id, note.note_id) for note in seen.notes}
    claimed = sum(_of(event) in accepted and (*_of(event), event.note_id) not in at_desks for event in posted)
    return elsewhere + claimed


def _tenant(
    tenant_id: str, accepted: set[Ticket], noted: set[Ticket], posted: Sequence[EnhancementDelivered]
) -> TenantTally:
    milliseconds = [event.total_ms for event in posted if event.tenant_id == tenant_id and _of(event) in accepted]
    return TenantTally(
        accepted=sum(owner == tenant_id for owner, _ in accepted),
        notes=sum(owner == tenant_id for owner, _ in noted),
        p50=quantile(milliseconds, 0.5),
        p95=quantile(milliseconds, 0.95),
    )
