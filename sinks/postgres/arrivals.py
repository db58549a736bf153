"""What an event that arrives meets: whether it is a copy, what is known of its ticket, whether its content is to be answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_call
from infra.runtime.stream.record import Position
from schemas.events import TicketReceived
from schemas.reasons import Reason
from sinks.postgres.received_events import Admission, admission
from sinks.postgres.tickets import TicketState, state, stored

_TAKE_IN = """
SELECT * FROM take_in_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
    $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)
"""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """`state` is None where the event isn't fresh. `begun` is None where there was more to decide first, else whether the content
    is this event's to answer; `limited`, then, whether the ticket had its notes of a day."""

    admission: Admission
    state: TicketState | None = None
    begun: bool | None = None
    limited: bool = False


class Arrivals:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take_in(
        self, event: TicketReceived, position: Position, body_hash: str, *, gathering: timedelta, notes: int
    ) -> TakenIn:
        """`ReceivedEvents.admit`; then, if it is fresh, `Tickets.store`; then `Enhancements.begin` and, unless an operator asks for
        another note, `limited`: in one call and one transaction. The last two are left to the caller where the event closes its
        ticket, the ticket says something else now or is closed, or its edits are or were gathered."""
        (row,) = await tenant_call(
            self._pool, _TAKE_IN, *stored(event, position, gathering), event.kind.value, position.topic, position.partition,
            body_hash, event.received_at, not event.again, notes, Reason.NOTE_LIMIT.value,
        )  # fmt: skip
        admitted = admission(row["admission"])
        if admitted is not Admission.FRESH:
            return TakenIn(admitted)
        return TakenIn(admitted, state(row), row["begun"], bool(row["limited"]))
