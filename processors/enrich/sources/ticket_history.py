"""ticket_history: the requester's earlier tickets and solved tickets about the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from processors.enrich.ports import Found, Query
from processors.enrich.sources.items import item
from schemas.events import ContextItem, Source

SIMILAR_LIMIT = 10
REQUESTER_LIMIT = 5

_SIMILAR_WEIGHT = 1.0
_REQUESTER_WEIGHT = 0.82
_DAMPING = 10


@dataclass(frozen=True, slots=True)
class TicketHistory:
    """Both lists in one by reciprocal rank, since their scores don't compare: three similar tickets lead, then the requester's
    newest and further similar ones take turns, and a ticket that is in both rises."""

    name: str = Source.TICKET_HISTORY.value

    async def find(self, query: Query) -> Sequence[ContextItem]:
        ticket = query.ticket
        requester: Sequence[Found] = ()  # asked first, since it need not wait until the text is weighed
        if ticket.requester and ticket.requester.key:
            requester = await query.search.requester_history(
                query.tenant_id, ticket.requester.key, ticket.end_customer, ticket.ticket_id, REQUESTER_LIMIT
            )
        similar = await query.search.similar_solved(
            query.tenant_id, query.text, ticket.end_customer, ticket.ticket_id, SIMILAR_LIMIT
        )
        return _merged(self.name, ((similar, _SIMILAR_WEIGHT), (requester, _REQUESTER_WEIGHT)))


def _merged(name: str, lists: Sequence[tuple[Sequence[Found], float]]) -> list[ContextItem]:
    """Each ticket once, as the list it came first in describes it; the score says its rank only."""
    items: dict[str, ContextItem] = {}
    scores: dict[str, float] = {}
    for rows, weight in lists:
        for rank, row in enumerate(rows, start=1):
            items.setdefault(row.id, item(name, row))
            scores[row.id] = scores.get(row.id, 0.0) + weight / (_DAMPING + rank)
    ranked = sorted(items, key=lambda key: -scores[key])
    return [replace(items[key], score=round(scores[key], 6)) for key in ranked]
