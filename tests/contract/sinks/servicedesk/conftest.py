"""The same desk three ways: in memory, and the real client against the simulator on premises and in the cloud."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

import pytest

from infra.ops.local.servicedesk_simulator import DeskFault, DeskSettings, Quirks, Simulator
from infra.ops.local.servicedesk_simulator.settings import DeskKind, Operation
from schemas.reasons import Reason
from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.authentication import Authentication
from sinks.servicedesk.client import DeskClient
from sinks.servicedesk.fakes import FakeDesk
from sinks.servicedesk.notes import ServiceDeskNotes
from sinks.servicedesk.tickets import ServiceDeskTickets
from sinks.servicedesk.transport import Times, Transport
from sinks.servicedesk.types import DeskAccount, DeskForm, NoteSink, Refused, TicketReader, TicketRef, Unknown
from tests.contract.sinks.servicedesk.one_handler import OneHandler

DESK = "acme"
KEY = "local-authtoken"
Trouble = Literal["rate_limited", "breaks before writing", "breaks after writing"]


class Accounts:
    """DeskAccounts of one tenant, changeable."""

    def __init__(self, account: DeskAccount | None) -> None:
        self.account = account

    async def of(self, tenant_id: str) -> DeskAccount | None:
        return self.account if self.account and tenant_id == self.account.tenant_id else None


class Ticking:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def account_of(url: str, kind: DeskKind, **changes: str) -> DeskAccount:
    """The account of the simulator's desk; `changes` to the credential's fields make it a wrong one."""
    if kind == "onprem":
        return DeskAccount(DESK, f"{url}/{DESK}", DeskForm.ONPREM, changes.get("key", KEY))
    credential = {
        "client_id": "local-client",
        "client_secret": "local-client-secret",
        "refresh_token": f"refresh-{DESK}",
        "accounts_url": url,
    } | changes
    return DeskAccount(DESK, f"{url}/app/{DESK}", DeskForm.CLOUD, json.dumps(credential))


@dataclass
class Real:
    """The real client on a simulated desk."""

    simulator: Simulator
    kind: DeskKind
    times: Times
    quirks: Quirks = field(default_factory=Quirks)

    def __post_init__(self) -> None:
        self.put_desk()
        self.accounts = Accounts(account_of(self.simulator.url, self.kind))
        self.transport = Transport(AddressPolicy(local=True), times=self.times)
        self.seconds = Ticking()
        authentication = Authentication(self.transport, seconds=self.seconds)
        self.client = DeskClient(self.transport, self.accounts, authentication=authentication)
        self.notes: NoteSink = ServiceDeskNotes(self.client)
        self.tickets: TicketReader = ServiceDeskTickets(self.client)

    def put_desk(self, settings: DeskSettings | None = None) -> None:
        settings = settings or DeskSettings(kind=self.kind, quirks=self.quirks)
        self.simulator.state.commit("desk", DESK, settings=settings.model_dump(mode="json"))

    def ticket(self, **fields: object) -> TicketRef:
        desk = self.simulator.state.desks[DESK]
        return TicketRef(DESK, str(self.simulator.api.create(desk, {"subject": "Printer", **fields})["id"]))

    def update(self, ticket: TicketRef, **fields: object) -> None:
        self.simulator.api.update(self.simulator.state.desks[DESK], ticket.ticket_id, dict(fields))

    def set_status(self, ticket: TicketRef, status: str) -> None:
        self.update(ticket, status=status)

    def delete(self, ticket: TicketRef) -> None:
        self.simulator.api.delete(self.simulator.state.desks[DESK], ticket.ticket_id)

    def written(self, ticket: TicketRef) -> list[str]:
        return [note.description for note in self.simulator.state.written if note.request_id == ticket.ticket_id]

    def fault(self, fault: DeskFault) -> None:
        self.simulator.faults_of(DESK).set([fault])

    def next_post(self, trouble: Trouble) -> None:
        if trouble == "rate_limited":
            self.fault(DeskFault(kind="rate_limit", operation="add_note", calls=1, retry_after=7))
        else:
            when: Literal["before", "after"] = "after" if trouble == "breaks after writing" else "before"
            self.fault(DeskFault(kind="reset", operation="add_note", calls=1, when=when))

    def next_read(self, trouble: Trouble) -> None:
        for operation in ("get_request", "list_notes"):
            kind: Literal["rate_limit", "error"] = "rate_limit" if trouble == "rate_limited" else "error"
            retry_after = 7 if kind == "rate_limit" else None
            self.fault(DeskFault(kind=kind, operation=operation, calls=1, retry_after=retry_after))

    def calls(self, operation: Operation) -> int:
        return int(self.simulator.ledger.as_json(DESK)["counts"].get(operation, 0))


class InMemory:
    """The fake, driven the same way."""

    def __init__(self) -> None:
        self.desk = FakeDesk()
        self.notes: NoteSink = self.desk
        self.tickets: TicketReader = self.desk
        self._last = 0

    def ticket(self, **fields: object) -> TicketRef:
        self._last += 1
        ticket = TicketRef(DESK, str(self._last))
        self.desk.add(ticket)
        return ticket

    def set_status(self, ticket: TicketRef, status: str) -> None:
        self.desk.tickets[ticket].status = status

    def delete(self, ticket: TicketRef) -> None:
        self.desk.delete(ticket)

    def written(self, ticket: TicketRef) -> list[str]:
        return [note.html for of, note in self.desk.written if of == ticket]

    def next_post(self, trouble: Trouble) -> None:
        self.desk.writes_before_trouble = trouble == "breaks after writing"
        self.desk.note_troubles.append(
            Refused(Reason.DESK_RATE_LIMITED, "", 7.0) if trouble == "rate_limited" else Unknown("reset")
        )

    def next_read(self, trouble: Trouble) -> None:
        self.desk.troubles.append(
            Refused(Reason.DESK_RATE_LIMITED, "", 7.0) if trouble == "rate_limited" else Unknown("reset")
        )


class Driven(Protocol):
    notes: NoteSink
    tickets: TicketReader

    def ticket(self, **fields: object) -> TicketRef: ...
    def set_status(self, ticket: TicketRef, status: str) -> None: ...
    def delete(self, ticket: TicketRef) -> None: ...
    def written(self, ticket: TicketRef) -> list[str]: ...
    def next_post(self, trouble: Trouble) -> None: ...
    def next_read(self, trouble: Trouble) -> None: ...


QUIRKS: dict[str, tuple[DeskKind, Quirks]] = {
    "onprem": ("onprem", Quirks()),
    "cloud": ("cloud", Quirks()),
    "status as array": ("onprem", Quirks(response_status="array")),
    "status as object": ("cloud", Quirks(response_status="object")),
    "failures inside 200": ("onprem", Quirks(failures_inside_200=True)),
    "failures inside 200 in the cloud": ("cloud", Quirks(failures_inside_200=True, response_status="array")),
    "notes read one by one": ("onprem", Quirks(fields_required_ignored=True)),
    "notes read one by one in the cloud": ("cloud", Quirks(fields_required_ignored=True)),
    "notes listed whole": ("onprem", Quirks(fields_required_ignored=True, note_list_omits_description=False)),
}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as simulator:
        yield simulator


@pytest.fixture(params=["fake", *QUIRKS])
async def desk(request: pytest.FixtureRequest, simulator: Simulator) -> AsyncIterator[Driven]:
    if request.param == "fake":
        yield InMemory()
        return
    kind, quirks = QUIRKS[request.param]
    real = Real(simulator, kind, Times(connect=2.0, total=5.0), quirks)
    yield real
    await real.transport.close()


@pytest.fixture(params=["onprem", "cloud"])
async def real(request: pytest.FixtureRequest, simulator: Simulator) -> AsyncIterator[Real]:
    real = Real(simulator, request.param, Times(connect=2.0, total=2.0))
    yield real
    await real.transport.close()


@pytest.fixture
async def server() -> AsyncIterator[OneHandler]:
    async with OneHandler() as server:
        yield server


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with Transport(AddressPolicy(local=True), times=Times(connect=1, total=1)) as transport:
        yield transport
