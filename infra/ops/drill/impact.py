"""What it did to tickets: counted at the edge, in the topics and by the lag service."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from infra.ops.demo.watch import Watch
from infra.ops.drill.observing import Sample
from infra.ops.drill.traffic import Traffic
from schemas.events import DeliveryOutcome

PROMISED_MS = 60_000


@dataclass(frozen=True, slots=True)
class Impact:
    """Tickets that the edge took: with a note, with a note later than 60 s, dropped, given up by reason, still on their way.
    Seconds are from webhook to note."""

    accepted: int
    notes: int
    late: int
    dropped: int
    dead_letters: dict[str, int]
    on_their_way: int
    longest_seconds: float
    clients: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def short(self) -> str:
        given_up = sum(self.dead_letters.values())
        return f"{self.late} late, {given_up} given up, {self.on_their_way} on their way"

    def words(self) -> str:
        gone = ", ".join(f"{count} {reason}" for reason, count in self.dead_letters.items()) or "none"
        return (
            f"{self.accepted} taken, {self.notes} notes, {self.late} of them later than 60 s "
            f"(longest {self.longest_seconds:.0f} s), given up: {gone}; {self.on_their_way} on their way at the end"
        )


def impact(traffic: Traffic, watch: Watch, last: Sample | None) -> Impact:
    """As of now: what has neither a note nor a dead letter is on its way."""
    delivered = watch.delivered
    posted = [event for event in delivered if event.outcome is DeliveryOutcome.POSTED]
    late = [event for event in posted if event.total_ms > PROMISED_MS]
    letters, waiting = watch.dead_letters, last.waiting if last else {}
    settled = {(event.tenant_id, event.ticket_id) for event in delivered}
    settled |= {(letter.tenant_id, letter.ticket_id) for letter in letters}
    return Impact(
        accepted=len(traffic.taken | settled),  # what reconcile fed in was taken, too
        notes=len(posted),
        late=len(late),
        dropped=len(delivered) - len(posted),
        dead_letters=dict(Counter(str(letter.reason) for letter in letters).most_common()),
        on_their_way=len(traffic.taken - settled),
        longest_seconds=max((event.total_ms for event in posted), default=0) / 1000,
        clients=tuple(sorted({event.tenant_id for event in late} | {name for name, count in waiting.items() if count})),
    )
