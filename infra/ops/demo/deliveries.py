"""The 60 webhooks: what each is, and what the edge said to it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

import aiohttp

from infra.ops.cli.webhook_request import Answer, headers, send
from infra.ops.demo.tenants import LiveTicket

STALE_BY = 15 * 60
TRIES = 4
ACCEPTED, DUPLICATE = 202, 200


class Kind(StrEnum):
    NEW = "new"
    DELETED = "deleted"  # its ticket is deleted at the desk before the webhook is handled
    REPEATED = "repeated"  # the same webhook once more
    FORGED = "forged"  # signed with another key
    STALE = "stale"  # signed rightly, a quarter of an hour ago


REFUSED_KINDS = (Kind.FORGED, Kind.STALE)


@dataclass(frozen=True, slots=True)
class Planned:
    """One webhook to be sent."""

    kind: Kind
    ticket: LiveTicket
    webhook_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """`answer` is None where none came."""

    planned: Planned
    answer: Answer | None

    @property
    def accepted(self) -> bool:
        return self.answer is not None and self.answer.status == ACCEPTED


def plan(requests: Sequence[tuple[LiveTicket, Mapping[str, object]]], run: int) -> list[Planned]:
    """All webhooks in the order of sending, from the tickets and their requests as the desk has them.

    The tenants' tickets are mixed; the last one's ticket will be deleted; one in the middle is repeated, forged and sent stale.
    """
    new = [_planned(Kind.NEW, ticket, request, run) for ticket, request in requests]
    Random(20260101).shuffle(new)
    deleted = new[len(new) * 2 // 3]
    new[new.index(deleted)] = _as(deleted, Kind.DELETED, deleted.webhook_id)
    first = new[4]
    extra = {
        12: _as(first, Kind.REPEATED, first.webhook_id),
        25: _as(new[25], Kind.FORGED, f"{new[25].webhook_id}-forged"),
        40: _as(new[8], Kind.STALE, f"{new[8].webhook_id}-stale"),
    }
    for position in sorted(extra):
        new.insert(position, extra[position])
    return new


async def deliver(
    planned: Planned, session: aiohttp.ClientSession, url: str, key: bytes, *, pause: Callable[[float], float]
) -> Sent:
    """Send one webhook; 429 and 503 are tried again after `pause(attempt)` seconds, as a desk does."""
    answer: Answer | None = None
    for attempt in range(TRIES):
        try:
            answer = await send(session, url, planned.body, _headers(planned, key))
        except (aiohttp.ClientError, TimeoutError):
            answer = None
        if answer is not None and answer.status not in (429, 503):
            break
        await asyncio.sleep(pause(attempt))
    return Sent(planned, answer)


def _headers(planned: Planned, key: bytes) -> dict[str, str]:
    now = int(time.time())
    if planned.kind is Kind.STALE:
        return headers(key, planned.webhook_id, planned.body, timestamp=now - STALE_BY)
    if planned.kind is Kind.FORGED:
        return headers(b"not the key that this tenant has", planned.webhook_id, planned.body, timestamp=now)
    return headers(key, planned.webhook_id, planned.body, timestamp=now)


def _planned(kind: Kind, ticket: LiveTicket, request: Mapping[str, object], run: int) -> Planned:
    body = json.dumps({"request": request}, ensure_ascii=False).encode()
    return Planned(kind, ticket, f"demo-{run}-{ticket.tenant_id}-{ticket.ticket_id}", body)


def _as(planned: Planned, kind: Kind, webhook_id: str) -> Planned:
    return Planned(kind, planned.ticket, webhook_id, planned.body)
