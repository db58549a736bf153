"""What a page gets: the person, the database under the console's own role, and the commands under the person's token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from aiohttp import web

from infra.ops.cli.acting import Acting, acting_as
from infra.ops.cli.operators import Operator
from infra.ops.cli.surroundings import Surroundings
from infra.ops.console.sessions import Session
from infra.runtime.postgres.pool import Pool


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command. `object` is its JSON object, None where it printed none; `stderr` is for people, its end where it
    is long. Where it failed, `what` says why and `cure` what to do. `refused` says that the person may not do that, `question`
    what must be agreed to first, with the parameter `yes`."""

    exit_code: int
    object: dict[str, Any] | None
    stderr: str
    refused: bool = False
    what: str = ""
    cure: str = ""
    question: str = ""

    @property
    def done(self) -> bool:
        return self.exit_code == 0


class CommandRunner(Protocol):
    """Runs a command of the command line with a person's token."""

    async def run(self, command: str, parameters: Mapping[str, Any], *, session: Session) -> CommandResult: ...


@dataclass(frozen=True, slots=True)
class Rooms:
    """What all visits share. `pool` raises PostgresUnavailable while there is none."""

    around: Surroundings
    pool: Callable[[], Pool]
    commands: CommandRunner


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is logged in."""

    session: Session
    rooms: Rooms
    page: str = ""
    """The page's path, as its route writes it: what the audit log says where no command is named."""

    @property
    def operator(self) -> Operator:
        return self.session.operator

    @property
    def csrf(self) -> str:
        """For the hidden field `csrf` of each form."""
        return self.session.csrf

    def acting(self, *tenants: str, command: str = "") -> AbstractAsyncContextManager[Acting]:
        """As `infra.ops.cli.acting.acting`, on the console's own pool, whose role changes nothing: raises NotAllowed, counted and
        audited, where the person may not touch a tenant, or with `command` (its words as in rights.py) where the person may not use
        it. What raises NotAllowed inside is audited, too."""
        return self._acting(tenants, command)

    @asynccontextmanager
    async def _acting(self, tenants: tuple[str, ...], command: str) -> AsyncIterator[Acting]:
        at_work = Acting(self.rooms.around, self.rooms.pool(), self.operator, command, f"console {self.page}")
        async with acting_as(at_work, tenants, token=self.session.token):
            yield at_work

    async def run(self, command: str, parameters: Mapping[str, Any] | None = None) -> CommandResult:
        """Run a command (`tenant enable`) with the person's token, as the command line would: rights, reasons and audit are the
        command's own. `parameters` are named as in /openapi.json; `yes` answers what it asks. Never raises for what the command
        refuses. Raises Refused: too many commands run now, no such command or parameter, or it takes too long."""
        return await self.rooms.commands.run(command, parameters or {}, session=self.session)


Handler: TypeAlias = Callable[[web.Request, Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Page:
    """A route behind the login. `method` is GET or POST; a POST is checked for coming from our own form before the handler runs."""

    method: str
    path: str
    handler: Handler
