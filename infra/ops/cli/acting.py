"""Who acts, in which role, for which tenants: every command that touches a tenant goes through `acting`.

A person shows TICKETSTREAM_OPERATOR_TOKEN, or a file with it: TICKETSTREAM_OPERATOR_TOKEN_FILE. Without one the name is that of
the login and the role support for all tenants: whoever holds the operator's database password could read the tables anyway, and
the roles keep honest people honest. While no valid engineer's token exists, a cell is being set up: the role is engineer then, who
may make the first one. Whoever is refused is counted and audited. PostgreSQL away: nobody is let through.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from infra.ops.cli.database import operator, operator_pool
from infra.ops.cli.failure import Failure
from infra.ops.cli.rights import Reach, right_to, running_command
from infra.ops.cli.running import run_async
from infra.ops.cli.surroundings import Surroundings
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.postgres.pool import Pool
from sinks.postgres.audit_log import PLATFORM, Audited, Change
from sinks.postgres.operator_tokens import FoundToken, OperatorTokens, Role
from sinks.postgres.tenant_directory import load_tenants
from sinks.postgres.tenant_settings import engineering

__all__ = ["Acting", "NotAllowed", "Operator", "Role", "acting", "looking"]

TOKEN = "TICKETSTREAM_OPERATOR_TOKEN"  # noqa: S105 - a variable's name
TOKEN_FILE = "TICKETSTREAM_OPERATOR_TOKEN_FILE"  # noqa: S105 - a variable's name
LOOK_AGAIN_SECONDS = 4.0
FIRST_ENGINEER = "ticketstream token create --person NAME --role engineer --all-tenants"


class NotAllowed(Failure):
    """The person may not do that. `tenant_id` is the tenant that it was about, None where it was about none."""

    def __init__(self, what: str, cure: str, *, tenant_id: str | None = None) -> None:
        super().__init__(what, cure)
        self.tenant_id = tenant_id


@dataclass(frozen=True, slots=True)
class Operator:
    """A person. `tenants` are those that the person may touch, None stands for all; `token_id` is None without a token."""

    name: str
    role: Role
    tenants: frozenset[str] | None = None
    token_id: str | None = None

    def may_touch(self, tenant_id: str | None) -> bool:
        """What belongs to no tenant (None or empty) is only for who may touch all."""
        return self.tenants is None or tenant_id in self.tenants

    def change(self, reason: str = "", agreed_by: str | None = None) -> Change:
        """What the audit log says of a change by this person."""
        return Change(self.name, reason, agreed_by, self.role.value)


@dataclass(frozen=True, slots=True)
class Acting:
    """A person at work, under the operator's database role. What raises NotAllowed inside `acting` is audited by it."""

    around: Surroundings
    pool: Pool
    operator: Operator
    command: str = ""
    """No valid engineer's token exists yet, and this command is one that sets a cell up: it is for everybody then."""

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
        try:
            _may(at_work, tenants)
            async with _while_valid(at_work):
                yield at_work
        except NotAllowed as refusal:
            await _note_down(at_work, refusal)
            raise


@asynccontextmanager
async def _while_valid(at_work: Acting) -> AsyncIterator[None]:
    """Looks again every 4 s whether the token is valid. Cancels what is inside and raises NotAllowed once it isn't."""
    token, task = _token(at_work.around), asyncio.current_task()
    if token is None or task is None:
        yield
        return
    ended: list[FoundToken] = []

    async def look() -> None:
        while not ended:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            with suppress(PostgresUnavailable, asyncpg.PostgresError):  # what is inside notices, too
                found = await OperatorTokens(at_work.pool).find(token)
                if found is not None and not found.valid:
                    ended.append(found)
                    task.cancel()

    looking_again = asyncio.create_task(look())
    try:
        yield
    except asyncio.CancelledError:
        if not ended:
            raise
        task.uncancel()
        raise _ended(ended[0]) from None
    finally:
        looking_again.cancel()
        await asyncio.wait([looking_again])


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
    found = await OperatorTokens(pool).find(token)
    if found is not None and found.valid:
        name = operator() if token == _of_the_stack(around) else found.person
        return Operator(name, found.role, found.tenants, found.token_id)
    refusal = (
        _ended(found)
        if found
        else NotAllowed(
            f"{TOKEN} is no token that is known here",
            f"set the one that `ticketstream token create --person` showed, or unset it; the first: {FIRST_ENGINEER}",
        )
    )
    somebody = Operator(
        found.person if found else operator(), Role.SUPPORT, frozenset(), found.token_id if found else None
    )
    await _note_down(Acting(around, pool, somebody, running_command()), refusal)
    raise refusal


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
            raise Failure(f"{TOKEN_FILE}: {file}: {error.strerror}", "name a file that holds your token") from None
    return _of_the_stack(around)


def _of_the_stack(around: Surroundings) -> str | None:
    """The local stack's own, which is no named person's: whoever uses the stack keeps the name of the login."""
    return None if around.given.get(TOKEN) else around.variables.get(TOKEN)


def _ended(found: FoundToken) -> NotAllowed:
    when = (
        f"was revoked at {found.revoked_at:%Y-%m-%d %H:%M} UTC"
        if found.revoked_at
        else f"ended on {found.expires_at:%Y-%m-%d}"
    )
    return NotAllowed(f"the token of {found.person} {when}", f"ask an engineer for a new one, and set {TOKEN} to it")


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


async def _note_down(at_work: Acting, refusal: NotAllowed) -> None:
    """Under the tenant that it was about, so that its auditors see it; under PLATFORM where there is none. Refused all the same
    where it can't be noted down."""
    person = at_work.operator
    try:
        known = {one.tenant_id for one in await load_tenants(at_work.pool)} if refusal.tenant_id else set[str]()
        entry = Audited(
            refusal.tenant_id if refusal.tenant_id in known else PLATFORM,
            person.name,
            "refused",
            at_work.command,
            None,
            refusal.what,
            role=person.role.value,
        )
        await OperatorTokens(at_work.pool).refused(entry, person.token_id)
    except (PostgresUnavailable, asyncpg.PostgresError) as error:
        print(f"not noted down in the audit log ({error})", file=sys.stderr)
