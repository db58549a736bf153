"""Who acts, in which role, for which tenants: every command that touches a tenant goes through `acting`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from infra.ops.cli.database import operator, operator_pool
from infra.ops.cli.failure import Failure
from infra.ops.cli.surroundings import Surroundings
from infra.runtime.postgres.pool import Pool
from sinks.postgres.audit_log import Change


class Role(StrEnum):
    SUPPORT = "support"
    ENGINEER = "engineer"


@dataclass(frozen=True, slots=True)
class Operator:
    """A person. `tenants` are those that the person may touch, None stands for all."""

    name: str
    role: Role
    tenants: frozenset[str] | None = None

    def change(self, reason: str = "", agreed_by: str | None = None) -> Change:
        """What the audit log says of a change by this person."""
        return Change(self.name, reason, agreed_by, self.role.value)


@dataclass(frozen=True, slots=True)
class Acting:
    """A person at work, under the operator's database role."""

    around: Surroundings
    pool: Pool
    operator: Operator

    def need_engineer(self, what: str) -> None:
        """Raises Failure where the person is no engineer: `what` is what only engineers may do."""
        if self.operator.role is not Role.ENGINEER:
            raise Failure(
                f"{what} is for engineers", "ask one, or set TICKETSTREAM_OPERATOR_TOKEN to an engineer's token"
            )


@asynccontextmanager
async def acting(around: Surroundings, *tenants: str) -> AsyncIterator[Acting]:
    """Whoever runs this command, for these tenants (for what concerns none: no tenant). Raises Failure where the person may not."""
    async with operator_pool(around) as pool:
        yield Acting(around, pool, Operator(operator(), Role.ENGINEER))
