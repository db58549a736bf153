"""One ticket with its evidence, for the tests of synthesize."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from processors.synthesize.writer.writer import ModelChoice, WritingTask
from schemas import ids
from schemas.events import ContextItem, MissingSource, Requester, Ticket, TicketEnriched, TicketKind

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
TENANT = "msp-test"

ARTICLE = ContextItem(
    "docs",
    "article",
    "KB-1017",
    "SQL Server: program freezes for everybody, blocking and deadlocks (1205)",
    "**Symptom.** All users of a program wait, some get error 1205.\n\n"
    "**Causes.** A long open transaction: an Excel with a live query, or an index rebuild in office hours.\n\n"
    "**Steps**\n\n"
    "1. Find the head blocker: `SELECT blocking_session_id FROM sys.dm_exec_requests`.\n"
    "2. Ask that person to finish. Only then `KILL <n>`.\n"
    "3. Move index jobs into the night.\n\n"
    "**Check.** No waits of type LCK over an hour.\n\n"
    "**Escalate** if the blocker is the application's own account.",
    9.0,
)
EARLIER = ContextItem(
    "ticket_history",
    "similar",
    "43761",
    "practice management frozen for everyone in accounts",
    "Resolution: Head blocker was an Excel workbook with a live query. User closed it, blocking gone.\n"
    "Problem: Billing frozen for everyone in accounts, deadlock victim shown on qml-sql01.",
    7.0,
)
UNFITTING = ContextItem(
    "docs", "article", "KB-1014", "Label queue on CUPS stopped", "**Steps**\n\n1. `cupsenable <queue>`.", 1.0
)
DEVICE = ContextItem(
    "ip_data",
    "device",
    "AC-0008",
    "qml-sql01 (10.20.20.20)",
    "server, London: practice database. SQL Server 2019.",
    1.0,
)
TICKET = Ticket(
    "52103",
    "Billing stands still, everyone in accounts waiting",
    "Hi,\n\nBilling frozen since 11:35 for the whole team. Our screen: was deadlocked on lock resources, chosen as the deadlock "
    "victim, error 1205. Server is 10.20.20.20. My password is Sunflower-19.\n\nAccounts Payable",
    requester=Requester("70104", "Accounts Payable", "accounts@quillmark-law.example"),
    site="London Holborn",
    end_customer="Quillmark Law",
    category="Databases",
    priority="High",
)


def enriched(*context: ContextItem, ticket: Ticket = TICKET, missing: tuple[MissingSource, ...] = ()) -> TicketEnriched:
    """The example ticket with all of its evidence, or with what is given."""
    return TicketEnriched(
        event_id=ids.derive(TENANT, "enriched", ticket.ticket_id),
        input_id=ids.derive(TENANT, "received", ticket.ticket_id),
        tenant_id=TENANT,
        kind=TicketKind.CREATED,
        ticket=ticket,
        received_at=NOW - timedelta(seconds=30),
        enriched_at=NOW - timedelta(seconds=20),
        context=context or (ARTICLE, EARLIER, UNFITTING, DEVICE),
        missing=missing,
        took_ms={"total": 2_000},
    )


def task(event: TicketEnriched | None = None, *, external: bool = True, seconds: float = 100.0) -> WritingTask:
    return WritingTask.of(event or enriched(), ModelChoice("gpt-4-turbo", 0.7, external), seconds)


class ManualClock:
    """Time that moves only when told to."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def described(text: str, **changes: str | None) -> Ticket:
    """The example ticket with another description."""
    return replace(TICKET, description=text, content_hash="", **changes)  # type: ignore[arg-type]
