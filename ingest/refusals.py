"""The refused webhooks of known tenants, for `ticketstream tenant refusals`: gathered in memory, written every 2 s at once.

Never on a request's path, best effort, bounded: of each tenant, reason and source at most 10 between two writes (the last of them
says how many more there were), of each tenant at most 100, of all together at most 1,000; what is beyond is only counted. So a
flood of bad signatures is a few rows every 2 s. While PostgreSQL is away what was gathered waits, within the same bounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import orjson
from aiohttp import web

from infra.runtime.telemetry.logs import get_logger
from ingest import edge_metrics
from ingest.answers import Refused
from ingest.background_writing import write_every
from ingest.source_address import UNKNOWN, SourceAddresses
from ingest.verifier import TOLERANCE_SECONDS
from schemas.ids import is_desk_id
from sinks.postgres.webhook_refusals import MOST_OF_A_TENANT, Refusal
from sinks.servicedesk.storable_text import storable

log = get_logger(__name__)

WRITE_SECONDS = 2.0
ANSWER_SECONDS = 2.0
MOST_ALIKE = 10
MOST_OF_ALL = 1000
MOST_PARSED_BYTES = 64 * 1024
MOST_DETAIL = 200
OUR_OWN_TROUBLE = 503
NO_PROXIES = SourceAddresses()
_LONGEST_OFF = 2**31 - 1


class RefusalStore(Protocol):
    async def keep(self, refusals: Sequence[tuple[str, Refusal]]) -> None:
        """Refusals with their tenants; of each tenant the newest 100 stay. Raises when the store is away."""


@dataclass(slots=True)
class _OfTenant:
    """`rows` in order of arrival; `alike` by reason, status and source: the rows' places, and how many there were."""

    rows: list[Refusal] = field(default_factory=list)
    alike: dict[tuple[str, int, str | None], list[int]] = field(default_factory=dict)


class Refusals:
    """`address_of` says where a request came from."""

    def __init__(self, address_of: Callable[[web.Request], str] = NO_PROXIES.of) -> None:
        self._address_of = address_of
        self._tenants: dict[str, _OfTenant] = {}
        self._held = 0

    def note(self, tenant_id: str, refused: Refused, request: web.Request, body: bytes, now: datetime) -> None:
        """One refused webhook of a tenant that there is. Our own trouble (503) is none of the sender's, and not kept."""
        if refused.status == OUR_OWN_TROUBLE:
            return
        known = self._tenants.get(tenant_id) or self._tenants.setdefault(tenant_id, _OfTenant())
        source = self._address_of(request)
        address = None if source == UNKNOWN else source
        places = known.alike.setdefault((refused.reason, refused.status, address), [])
        if len(places) >= MOST_ALIKE:
            last = known.rows[places[-1]]
            known.rows[places[-1]] = replace(last, times=last.times + 1)
        elif len(known.rows) >= MOST_OF_A_TENANT or self._held >= MOST_OF_ALL:
            edge_metrics.REFUSALS_NOT_KEPT.inc()
            if not places:
                del known.alike[refused.reason, refused.status, address]
        else:
            places.append(len(known.rows))
            known.rows.append(_described(refused, request, body, now, address))
            self._held += 1

    async def write(self, store: RefusalStore) -> None:
        """What was gathered, once; it waits for the next time where the store doesn't answer."""
        taken, self._tenants, self._held = self._tenants, {}, 0
        rows = [(tenant_id, row) for tenant_id, known in taken.items() for row in known.rows]
        if not rows:
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await store.keep(rows)
        except Exception as error:  # whatever is wrong with the store, the edge goes on
            log.debug("Refusals not written", rows=len(rows), error=f"{type(error).__name__}: {error}")
            self._put_back(taken)

    async def run(self, store: RefusalStore) -> None:
        """Writes every 2 s until cancelled, then once more, 1 s at most."""
        await write_every(WRITE_SECONDS, "refusals", lambda: self.write(store))

    def _put_back(self, taken: dict[str, _OfTenant]) -> None:
        """Before those that came meanwhile; of a tenant's the newest stay."""
        for tenant_id, known in taken.items():
            newer = self._tenants.pop(tenant_id, _OfTenant())
            merged = _merged(known, newer)
            if self._held - len(newer.rows) + len(merged.rows) > MOST_OF_ALL:
                merged = newer
            edge_metrics.REFUSALS_NOT_KEPT.inc(len(known.rows) + len(newer.rows) - len(merged.rows))
            self._tenants[tenant_id] = merged
            self._held += len(merged.rows) - len(newer.rows)


def _merged(older: _OfTenant, newer: _OfTenant) -> _OfTenant:
    found = _OfTenant((older.rows + newer.rows)[-MOST_OF_A_TENANT:])
    for place, row in enumerate(found.rows):
        found.alike.setdefault((row.reason, row.status, row.address), []).append(place)
    return found


def _described(refused: Refused, request: web.Request, body: bytes, now: datetime, address: str | None) -> Refusal:
    return Refusal(
        at=now,
        status=refused.status,
        reason=refused.reason[:64],
        detail=storable(refused.error[:MOST_DETAIL]),
        ticket_id=_claimed_ticket(body),
        address=address,
        seconds_off=_seconds_off(request, now),
    )


def _seconds_off(request: web.Request, now: datetime) -> int | None:
    text = request.headers.get("webhook-timestamp", "")
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 19):
        return None
    off = int(text) - int(now.timestamp())
    return max(-_LONGEST_OFF, min(_LONGEST_OFF, off)) if abs(off) > TOLERANCE_SECONDS else None


def _claimed_ticket(body: bytes) -> str | None:
    """The ticket id where a body says it, whoever wrote that. Large bodies are not worth the time."""
    if not 0 < len(body) <= MOST_PARSED_BYTES:
        return None
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    fields, name = document, "ticket_id"
    if isinstance(document, dict) and "request" in document:
        fields, name = document["request"], "id"
    value = fields.get(name) if isinstance(fields, dict) else None
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if is_desk_id(text) else None
