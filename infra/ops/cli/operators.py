"""Persons and their tokens: whose a token is, what a person may, what becomes of a refusal. Command line and console share it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg

from infra.ops.cli.failure import Failure
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.postgres.pool import Pool
from sinks.postgres.audit_log import PLATFORM, Audited, Change
from sinks.postgres.operator_tokens import FoundToken, OperatorTokens, Role
from sinks.postgres.tenant_directory import load_tenants

TOKEN = "TICKETSTREAM_OPERATOR_TOKEN"  # noqa: S105 - a variable's name
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


async def operator_of(pool: Pool, token: str, *, command: str = "", stranger: str = "unknown") -> Operator:
    """Whose token it is. Raises NotAllowed, counted and audited, for one that has ended or is unknown (then `stranger` is who
    tried), and PostgresUnavailable."""
    found = await OperatorTokens(pool).find(token)
    if found is not None and found.valid:
        return Operator(found.person, found.role, found.tenants, found.token_id)
    refusal = (
        _ended(found)
        if found
        else NotAllowed(
            f"{TOKEN} is no token that is known here",
            f"set the one that `ticketstream token create --person` showed, or unset it; the first: {FIRST_ENGINEER}",
        )
    )
    somebody = Operator(
        found.person if found else stranger, Role.SUPPORT, frozenset(), found.token_id if found else None
    )
    await note_down(pool, somebody, command, refusal)
    raise refusal


async def note_down(pool: Pool, person: Operator, command: str, refusal: NotAllowed) -> None:
    """Under the tenant that it was about, so that its auditors see it; under PLATFORM where there is none. Refused all the same
    where it can't be noted down."""
    try:
        known = {one.tenant_id for one in await load_tenants(pool)} if refusal.tenant_id else set[str]()
        entry = Audited(
            refusal.tenant_id if refusal.tenant_id in known else PLATFORM,
            person.name,
            "refused",
            command,
            None,
            refusal.what,
            role=person.role.value,
        )
        await OperatorTokens(pool).refused(entry, person.token_id)
    except (PostgresUnavailable, asyncpg.PostgresError) as error:
        print(f"not noted down in the audit log ({error})", file=sys.stderr)


@asynccontextmanager
async def while_valid(pool: Pool, token: str | None) -> AsyncIterator[None]:
    """Looks again every 4 s whether the token is valid. Cancels what is inside and raises NotAllowed once it isn't."""
    task = asyncio.current_task()
    if token is None or task is None:
        yield
        return
    ended: list[FoundToken] = []

    async def look() -> None:
        while not ended:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            with suppress(PostgresUnavailable, asyncpg.PostgresError):  # what is inside notices, too
                found = await OperatorTokens(pool).find(token)
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


def _ended(found: FoundToken) -> NotAllowed:
    when = (
        f"was revoked at {found.revoked_at:%Y-%m-%d %H:%M} UTC"
        if found.revoked_at
        else f"ended on {found.expires_at:%Y-%m-%d}"
    )
    return NotAllowed(f"the token of {found.person} {when}", f"ask an engineer for a new one, and set {TOKEN} to it")
