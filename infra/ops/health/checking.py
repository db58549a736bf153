"""All checks at once. Whatever hangs is cut off, so that a person has the answer within 5 s."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp

from infra.ops.cli.acting import Acting, NotAllowed
from infra.ops.cli.failure import Failure
from infra.ops.cli.surroundings import Surroundings
from infra.ops.health.checks import alerts, backlog, database, edge, errors, held, processes
from infra.ops.health.finding import Finding, Health, not_known, wrong
from infra.ops.health.looking import Looking, looking

DEADLINE_SECONDS = 2.5
"""With the start of the command and a moment for what has to be closed, a person waits for 5 s at most."""


@dataclass(frozen=True, slots=True)
class Check:
    """`cure` is what to do where it gets no answer."""

    ask: Callable[[Looking], Awaitable[Finding]]
    cure: str


CHECKS: Mapping[str, Check] = {
    "processes": Check(processes.check, "read the runbook infra/runbooks/ProcessDown.md"),
    "backlog": Check(backlog.check, "ticketstream lag show"),
    "held tenants": Check(held.check, "ticketstream dead-letters list --limit 1"),
    "database": Check(database.check, "read the runbook infra/runbooks/DatabaseConnectionIssues.md"),
    "edge": Check(edge.check, "read the runbook infra/runbooks/EdgeErrors.md"),
    "recent errors": Check(
        errors.check, "read the runbook infra/runbooks/KafkaPublishErrors.md"
    ),  # it reads dead letters
    "alerts": Check(alerts.check, "read the runbook infra/runbooks/AlertDeliveryFailing.md"),
}


async def check_health(
    around: Surroundings, at_work: Acting | None = None, *, seconds: float = DEADLINE_SECONDS
) -> Health:
    """Every check's finding, within `seconds` and a moment. Tenants that the person may not touch aren't named.

    `at_work` is whoever looks, where that is known already. Raises NotAllowed where the token of the surroundings is none or has
    ended; nothing for what is away: that is a finding.
    """
    async with looking(around, at_work) as sight:
        found = await asyncio.gather(*(_bounded(check, sight, seconds) for check in CHECKS.values()))
        refused = sight.entering.exception() if sight.entering.done() else None
        if isinstance(refused, NotAllowed):
            raise refused
    return Health(dict(zip(CHECKS, found, strict=True)))


async def _bounded(check: Check, sight: Looking, seconds: float) -> Finding:
    try:
        async with asyncio.timeout(seconds):
            return await check.ask(sight)
    except TimeoutError:
        return wrong(f"no answer within {seconds:g} s", check.cure)
    except Failure as error:  # an address that nobody gave
        return not_known(error.what, error.cure)
    except aiohttp.ClientConnectorError as error:
        return wrong(f"{error.host}:{error.port} can't be reached ({error.os_error.strerror})", check.cure)
    except Exception as error:  # what one check can't do must not hide what the others found
        return wrong(_said(error), check.cure)


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__
