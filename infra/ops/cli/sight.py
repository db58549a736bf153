"""Whoever looks at a tenant's content says why, and it is noted down before it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

from infra.ops.cli.failure import WrongUse
from infra.ops.cli.surroundings import Surroundings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Sight:
    """`reason` has the support ticket's number; `consent` says who of the client agreed, and where that is written down."""

    reason: str = ""
    consent: str = ""

    def check(self, around: Surroundings) -> None:
        """Raises WrongUse where nobody says why; on the local stack it may be left out."""
        if not self.reason.strip() and around.variables.get("TICKETSTREAM_LOCAL") != "1":
            raise WrongUse(
                "looking at a tenant's content needs a reason", "add --reason with the support ticket's number"
            )


def sight_options(command: F) -> F:
    """The command's `reason` and `consent`."""
    consent = click.option("--consent", default="", help="Who of the client agreed, and where it is written down.")
    reason = click.option(
        "--reason", "--why", "reason", default="", help="The support ticket's number, for the audit log."
    )
    return reason(consent(command))


def note_sight(around: Surroundings, operation: str, tenant_id: str | None, sight: Sight) -> None:
    """An entry under the tenant, or under each that the person may touch; who may touch all has one entry for the platform. Raises
    Failure where it can't be noted down: then nothing may be shown."""
    from infra.ops.cli.acting import acting
    from infra.ops.cli.running import run_async
    from sinks.postgres.audit_log import PLATFORM, AuditLog

    async def note() -> None:
        async with acting(around, *([tenant_id] if tenant_id else [])) as at_work:
            own = at_work.operator.tenants
            names = [tenant_id] if tenant_id else [PLATFORM] if own is None else sorted(own)
            for name in names:
                entry = at_work.operator.change(sight.reason).entry(name, operation, "content")
                await AuditLog(at_work.pool).write(replace(entry, consent=sight.consent))

    run_async(note)
