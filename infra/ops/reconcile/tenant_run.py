"""One tenant's comparison: the desk's tickets, oldest first, against what arrived; those that never did are fed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

import orjson

from infra.ops.reconcile.ports import Limits, Ports, Problem, Report, Result, Tenant
from infra.runtime.kafka.producer import PublishError
from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.logs import get_logger
from ingest.answers import Refused as BadTicket
from ingest.ticket_body import parse_ticket
from schemas import ids
from schemas.events import Ticket, TicketKind, TicketReceived
from schemas.reasons import Reason
from schemas.topics import Topic
from schemas.wire_format import TooLarge
from sinks.postgres.reconcile import Counts
from sinks.servicedesk.listing import Cursor, ListedTicket, Page
from sinks.servicedesk.tickets import view_of
from sinks.servicedesk.types import Gone, Refused, TicketRef

log = get_logger(__name__)

LEASE_SECONDS = 240.0
"""Longer than what lies between two renewals: a minute's wait for the desk's pace, its call, and waiting for enrich."""
MAX_PROBLEMS = 50
_CURES = {
    Reason.DESK_CREDENTIAL_REFUSED: "Check the key: ticketstream tenant replace-credential {tenant}",
    Reason.DESK_RATE_LIMITED: "The next run waits as long as the desk asked.",
    Reason.DESK_UNAVAILABLE: "Check the desk, and its URL: ticketstream tenant show {tenant}",
}


@dataclass(frozen=True, slots=True)
class Window:
    """Where a run begins, by the desk's clock: at `since`, less the overlap, but with no ticket from before `first`."""

    since: datetime
    first: datetime
    lease_id: str
    dry_run: bool = False


class _Stop(Exception):
    """The run can't, or mustn't, go on now. Everything from this ticket on is left to the next one."""

    def __init__(self, result: Result, problem: Problem | None = None, retry_after: float | None = None) -> None:
        super().__init__(result.value)
        self.result, self.problem, self.retry_after = result, problem, retry_after


@dataclass(slots=True)
class TenantRun:
    """For one use. `retry_after` is set where the desk wants to be left alone for so many seconds."""

    tenant: Tenant
    window: Window
    ports: Ports
    limits: Limits
    retry_after: float | None = None
    _counts: Counter[str] = field(default_factory=Counter)
    _fed: list[str] = field(default_factory=list)
    _problems: list[Problem] = field(default_factory=list)
    _calls: int = 0
    _beyond: int = 0
    """Tickets that no run before this one listed: counting those of the overlap, a run might never get beyond it."""
    _enrich_is_up_to_date: bool = False
    _newest: datetime | None = None
    _left: datetime | None = None
    """Created time of the oldest ticket that is left to a later run; `_newest` of the last one that was looked at."""

    async def go(self) -> Report:
        """Raises PostgresUnavailable; what was fed in until then is in `report`."""
        result = Result.COMPLETE
        try:
            await self._compare()
        except _Stop as stop:
            result, self.retry_after = stop.result, stop.retry_after
            if stop.problem:
                self._problems.append(stop.problem)
        return self.report(result)

    def report(self, result: Result) -> Report:
        """What was done so far. `listed_until` never goes beyond a ticket that is left."""
        until = self._left or max(self.window.since, self._newest or self.window.since)
        return Report(
            self.tenant.tenant_id,
            result,
            Counts(**{name: self._counts[name] for name in Counts.__slots__}),
            tuple(self._problems[:MAX_PROBLEMS]),
            self.window.since,
            until,
            tuple(self._fed),
        )

    async def _compare(self) -> None:
        cursor: Cursor | None = Cursor(max(self.window.first, self.window.since - self.limits.overlap))
        seen: set[str] = set()
        while cursor is not None:
            page = await self._page(cursor)
            fresh = [ticket for ticket in page.tickets if ticket.ticket_id not in seen]
            seen |= {ticket.ticket_id for ticket in fresh}
            if page.unreadable:
                what = f"{page.unreadable} rows of the desk's list have no id or created_time that makes sense"
                self._fail(Problem(what, reason="unreadable"), page.unreadable)
            await self._deal_with(fresh)
            cursor = page.next
            if cursor is not None and self._beyond >= self.limits.tickets:
                raise _Stop(Result.MORE)

    async def _page(self, cursor: Cursor) -> Page:
        await self._may_call()
        page = await self.ports.listing.page(self.tenant.tenant_id, cursor)
        if isinstance(page, Refused):
            self._give_up(page)
        return page

    async def _deal_with(self, tickets: Sequence[ListedTicket]) -> None:
        """In the order of their creation; the first that must wait is where the next run begins."""
        arrived = await self._arrived([ticket.ticket_id for ticket in tickets])
        for ticket in tickets:
            await self._judge(ticket, arrived)
            self._counts["listed"] += 1
            self._beyond += ticket.created_at > self.window.since
            self._newest = ticket.created_at

    async def _judge(self, ticket: ListedTicket, arrived: frozenset[str]) -> None:
        if ticket.ticket_id in arrived:
            self._counts["known"] += 1
        elif ticket.closed:
            self._counts["closed"] += 1
        elif self.ports.clock.now() - ticket.created_at < self.limits.grace:
            self._counts["too_young"] += 1
            self._left = self._left or ticket.created_at
        elif self.window.dry_run:
            self._count_fed(ticket.ticket_id)
        else:
            await self._feed_in(ticket)

    async def _feed_in(self, ticket: ListedTicket) -> None:
        await self._wait_for_enrich()
        await self._may_call()
        request = await self.ports.listing.request(TicketRef(self.tenant.tenant_id, ticket.ticket_id))
        if isinstance(request, Refused):
            self._cannot_read(ticket, request)
        elif isinstance(request, Gone):
            self._counts["closed"] += 1
        elif isinstance(read := _ticket(ticket.ticket_id, request), Problem):
            self._fail(read)
        elif read.closed or _closed(ticket.ticket_id, request):
            self._counts["closed"] += 1
        elif await self._arrived([ticket.ticket_id]):
            self._counts["known"] += 1  # its webhook came while the desk was asked
        else:
            await self._publish(read)

    async def _publish(self, ticket: Ticket) -> None:
        with tracing.entry("reconcile", tracing.Kind.INTERNAL) as span:
            span.about(self.tenant.tenant_id, ticket.ticket_id)
            await self._publish_as(ticket, tracing.traceparent())

    async def _publish_as(self, ticket: Ticket, traceparent: str) -> None:
        tenant = self.tenant
        event = TicketReceived(
            event_id=ids.of_reconciled(tenant.tenant_id, ticket.ticket_id, ticket.content_hash),
            tenant_id=tenant.tenant_id,
            kind=TicketKind.RECONCILED,
            ticket=ticket,
            received_at=self.ports.clock.now(),
        )
        try:
            await self.ports.publisher.publish(
                event, topic=Topic.TICKETS_RECEIVED, partition=tenant.partition, traceparent=traceparent
            )
        except PublishError as error:
            what = f"Kafka didn't take ticket {ticket.ticket_id}: {error}. Check that Kafka runs; the next run tries again."
            raise _Stop(Result.FAILED, Problem(what, ticket.ticket_id, "publish_failed")) from None
        except TooLarge as error:
            self._fail(Problem(f"{error}. Shorten it at the desk.", ticket.ticket_id, "event_too_large"))
            return
        self._count_fed(ticket.ticket_id)
        log.info(
            "Ticket fed in",
            tenant_id=tenant.tenant_id,
            ticket_id=ticket.ticket_id,
            event_id=event.event_id,
            trace_id=traceparent[3:35],
        )

    async def _wait_for_enrich(self) -> None:
        """Once a run: a webhook that came after this is younger than the grace."""
        if self._enrich_is_up_to_date:
            return
        await self._keep_lease()
        if not await self.ports.backlog.handled(self.tenant.partition):
            what = (
                "enrich has not handled all that arrived, so nobody can tell which tickets never did. "
                "See `ticketstream lag show`; the next run tries again."
            )
            raise _Stop(Result.BEHIND, Problem(what, reason="behind"))
        self._enrich_is_up_to_date = True

    async def _may_call(self) -> None:
        if self._calls >= self.limits.calls:
            raise _Stop(Result.MORE)
        self._calls += 1
        await self.ports.pace.turn(self.tenant.servicedesk_base_url)
        await self._keep_lease()

    async def _keep_lease(self) -> None:
        if not await self.ports.state.renew(self.tenant.tenant_id, self.window.lease_id, LEASE_SECONDS):
            what = "another run took this tenant over. Leave it to that one."
            raise _Stop(Result.FAILED, Problem(what, reason="lease_lost"))

    async def _arrived(self, ticket_ids: Sequence[str]) -> frozenset[str]:
        return await self.ports.state.arrived(self.tenant.tenant_id, ticket_ids)

    def _cannot_read(self, ticket: ListedTicket, refused: Refused) -> None:
        """What concerns this one ticket only must not keep the others waiting for ever."""
        if not (refused.ticket_only or refused.reason is Reason.DESK_REFUSED):
            self._give_up(refused)
        what = f"the desk doesn't show it: {refused.detail}. Let the desk's key see this ticket."
        self._fail(Problem(what, ticket.ticket_id, refused.reason.value))

    def _give_up(self, refused: Refused) -> NoReturn:
        cure = _CURES.get(refused.reason, "").format(tenant=self.tenant.tenant_id)
        problem = Problem(f"{refused.detail}. {cure}".strip(), reason=refused.reason.value)
        raise _Stop(Result.FAILED, problem, refused.retry_after)

    def _count_fed(self, ticket_id: str) -> None:
        self._counts["fed_in"] += 1
        self._fed.append(ticket_id)

    def _fail(self, problem: Problem, tickets: int = 1) -> None:
        self._counts["failed"] += tickets
        self._problems.append(problem)


def _ticket(ticket_id: str, request: Mapping[str, Any]) -> Ticket | Problem:
    """By the code that reads webhooks, from the same bytes: a content hash that differed would make a second note."""
    try:
        ticket = parse_ticket(orjson.dumps({"request": request})).ticket
    except BadTicket as error:
        where = f" ({error.field})" if error.field else ""
        return Problem(
            f"{error}{where}: no ticket in the form that webhooks have. Correct it at the desk.",
            ticket_id,
            error.reason,
        )
    if ticket.ticket_id != ticket_id:
        return Problem(f"the desk gave ticket {ticket.ticket_id} instead. Check the desk.", ticket_id, "other_ticket")
    return ticket


def _closed(ticket_id: str, request: Mapping[str, Any]) -> bool:
    view = view_of(ticket_id, request)
    return isinstance(view, Gone) or view.closed
