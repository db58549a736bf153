"""Who acts, in which role, for which tenants: every command that touches a tenant goes through `acting`.

A person shows TICKETSTREAM_OPERATOR_TOKEN, or a file with it: TICKETSTREAM_OPERATOR_TOKEN_FILE. Without one the name is that of
the login and the role support for all tenants: whoever holds the operator's database password could read the tables anyway, and
the roles keep honest people honest. While no valid engineer's token exists, a cell is being set up: the role is engineer then, who
may make the first one. Whoever is refused is counted and audited. PostgreSQL away: nobody is let through. Through the console
nobody comes without a token.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from infra.ops.cli.database import operator, operator_pool
from infra.ops.cli.failure import Failure
from infra.ops.cli.operators import (
    FIRST_ENGINEER,
    LOOK_AGAIN_SECONDS,
    TOKEN,
    NotAllowed,
    Operator,
    note_down,
    operator_of,
    while_valid,
)
from infra.ops.cli.rights import Reach, right_to, running_command
from infra.ops.cli.running import run_async
from infra.ops.cli.surroundings import Surroundings
from infra.runtime.postgres.pool import Pool
from sinks.postgres.operator_tokens import OperatorTokens, Role
from sinks.postgres.tenant_settings import engineering

__all__ = [
    "FIRST_ENGINEER",
    "TOKEN",
    "Acting",
    "NotAllowed",
    "Operator",
    "Role",
    "acting",
    "acting_as",
    "looking",
    "needs_no_token",
]

TOKEN_FILE = "TICKETSTREAM_OPERATOR_TOKEN_FILE"  # noqa: S105 - a variable's name


@dataclass(frozen=True, slots=True)
class Acting:
    """A person at work, under a database role of people's. What raises NotAllowed inside `acting` is audited by it."""

    around: Surroundings
    pool: Pool
    operator: Operator
    command: str = ""
    """As in RIGHTS; empty outside of one."""
    place: str = ""
    """What the audit log says of a refusal outside of a command."""

    def need_engineer(self, what: str) -> None:
        """Raises NotAllowed where the person is no engineer: `what` is what only engineers may do."""
        if self.operator.role is not Role.ENGINEER:
            raise NotAllowed(
                f"{what} is for engineers",
                f"ask one, or set {TOKEN} to an engineer's token; the first: {FIRST_ENGINEER}",
            )

    def need_tenants(self, tenants: Iterable[str]) -> None:
        """Raises NotAllowed for the first that the person may not touch, whether there is such a tenant or not."""
        for tenant_id in tenants:
            if not self.operator.may_touch(tenant_id):
                raise NotAllowed(
                    f"{tenant_id} is not among the tenants of {self.operator.name}",
                    "ask an engineer for a token that has it",
                    tenant_id=tenant_id,
                )

    def need_all_tenants(self, what: str) -> None:
        """Raises NotAllowed where the person may touch some tenants only."""
        if self.operator.tenants is not None:
            raise NotAllowed(
                f"{what} needs all tenants", f"name one of yours: {', '.join(sorted(self.operator.tenants))}"
            )

    def need_for_settings(self, names: Iterable[str]) -> None:
        """Raises NotAllowed where engineering must approve one of these settings and the person is no engineer."""
        if approved := engineering(names):
            self.need_engineer(f"changing {', '.join(approved)}")


@asynccontextmanager
async def acting(around: Surroundings, *tenants: str) -> AsyncIterator[Acting]:
    """Whoever runs this command, for these tenants (for what concerns none: no tenant). Raises Failure where the person may not,
    and within 5 s when the token is revoked while the command is at work."""
    async with operator_pool(around) as pool:
        at_work = Acting(around, pool, await _who(around, pool), running_command())
        async with acting_as(at_work, tenants, token=_token(around)):
            yield at_work


@asynccontextmanager
async def acting_as(at_work: Acting, tenants: tuple[str, ...], *, token: str | None) -> AsyncIterator[Acting]:
    """A known person for these tenants, as `acting`. What is refused, here or inside, is counted and audited."""
    try:
        _may(at_work, tenants)
        async with while_valid(at_work.pool, token):
            yield at_work
    except NotAllowed as refusal:
        await note_down(at_work.pool, at_work.operator, at_work.command or at_work.place, refusal)
        raise


def looking(around: Surroundings, *tenants: str) -> Operator:
    """Whoever runs a command that Kafka alone is enough for: the database is asked only whose token it is. Raises Failure."""
    if _token(around) is None:
        return _without_token()

    async def ask() -> Operator:
        async with acting(around, *tenants) as at_work:
            return at_work.operator

    return run_async(ask)


class LookingAgain:
    """Called often, looks every 4 s whether a token that was given is still valid. Raises Failure."""

    def __init__(self, around: Surroundings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._around, self._monotonic = around, monotonic
        self._looked_at = monotonic()

    def __call__(self) -> None:
        """The local stack's own is never revoked under somebody."""
        if _token(self._around) == _of_the_stack(self._around):
            return
        if self._monotonic() - self._looked_at >= LOOK_AGAIN_SECONDS:
            self._looked_at = self._monotonic()
            looking(self._around)


async def _who(around: Surroundings, pool: Pool) -> Operator:
    token = _token(around)
    if token is None:
        return _without_token(Role.SUPPORT if await OperatorTokens(pool).has_engineer() else Role.ENGINEER)
    found = await operator_of(pool, token, command=running_command(), stranger=operator())
    return replace(found, name=operator()) if token == _of_the_stack(around) else found


def _without_token(role: Role = Role.SUPPORT) -> Operator:
    return Operator(operator(), role)


def _token(around: Surroundings) -> str | None:
    """What the environment gives goes before what the local stack gives."""
    given = around.given.get(TOKEN)
    if given:
        return given.strip()
    if file := around.given.get(TOKEN_FILE):
        try:
            return Path(file).read_text("utf-8", "replace")[:1000].strip()
        except OSError as error:
            # It may be the token itself, given in the wrong variable.
            raise Failure(f"{TOKEN_FILE}: {error.strerror}", "name a file that holds your token") from None
    return _of_the_stack(around)


def _of_the_stack(around: Surroundings) -> str | None:
    """The local stack's own, which is no named person's: whoever uses the stack keeps the name of the login."""
    return None if around.given.get(TOKEN) else around.variables.get(TOKEN)


def needs_no_token(around: Surroundings) -> bool:
    """Whether nobody's token must be looked up to know who this is: none was given, or the local stack's own."""
    return _token(around) in (None, _of_the_stack(around))


def _may(at_work: Acting, tenants: tuple[str, ...]) -> None:
    """Raises NotAllowed by the table of rights. Outside of a command only the tenants count."""
    at_work.need_tenants(tenants)
    if not at_work.command:
        return
    right = right_to(at_work.command)
    if right.reach is Reach.ALL or (right.reach is Reach.NAMED and not tenants):
        at_work.need_all_tenants(at_work.command)
    if right.role is Role.ENGINEER:
        at_work.need_engineer(f"`{at_work.command}`")
