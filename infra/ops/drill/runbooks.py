"""A responder that acts by infra/runbooks/WorkerFailures.md and HighQueueDepth.md, with our own commands and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from infra.ops.drill.client_message import first_message
from infra.ops.drill.incident import RIGHT_SEVERITY, CommandResult, Incident
from infra.ops.drill.plan import CASE
from infra.ops.health.checks.waiting import by_tenant

READ = frozenset({"HighQueueDepth", "WorkerFailures"})
"""Of which alerts it knows the runbooks; others may arrive before."""
ALERT_SECONDS = 300.0
MITIGATE_SECONDS = 1800.0
SUSPECT_SECONDS = 120.0
DRAIN_SECONDS = 1800.0
LOOK_AGAIN_SECONDS = 5.0
CRASHES = "crashes_worker"
AGAIN = 2
"""Letters of one tenant that prove it."""


async def act(incident: Incident) -> None:
    """Ends when what was held is worked off, too, or nothing helped in time."""
    page = await incident.first_page(READ, ALERT_SECONDS)
    if page is None:
        return
    incident.say(f"{page.words()}, runbook {page.runbook}")
    incident.acknowledge()
    tenant_id = await _suspect(incident)
    if tenant_id is None:
        incident.say("No tenant's tickets stand out.")
        return
    incident.rate(RIGHT_SEVERITY)
    incident.name_cause(f"tenants-tickets {tenant_id}")
    await incident.command("tenant", "disable", tenant_id, "--reason", CASE)
    incident.tell_client(first_message(incident))
    incident.escalate()
    if not await incident.mitigated(MITIGATE_SECONDS) or not await incident.mended(MITIGATE_SECONDS):
        return
    await incident.command("tenant", "enable", tenant_id, "--reason", CASE)
    await incident.drained(DRAIN_SECONDS)


async def _suspect(incident: Incident) -> str | None:
    """Which events does the stage stumble over? The tenant whose letters say so again and again, or once if it is also who waits
    most: a single letter may be of an event that was only there when workers died. Else who waits most."""
    until, most_waiting = time.monotonic() + SUSPECT_SECONDS, None
    while time.monotonic() < until:
        most_waiting = _most_waiting(await incident.command("lag", "show", "--json")) or most_waiting
        letters = await incident.command("dead-letters", "list", "--since", "1h", "--json")
        for tenant_id, count in _crashing(letters):
            if count >= AGAIN or tenant_id == most_waiting:
                return tenant_id
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return most_waiting


def _crashing(listed: CommandResult) -> list[tuple[str, int]]:
    """Tenants with how many letters, most first."""
    letters: list[dict[str, Any]] = listed.object()["dead_letters"] if listed.exit_code == 0 else []
    return Counter(str(one["tenant_id"]) for one in letters if one["reason"] == CRASHES).most_common()


def _most_waiting(shown: CommandResult) -> str | None:
    waits = by_tenant(shown.object()["stages"]) if shown.exit_code == 0 else {}
    return max(waits, key=lambda name: waits[name].tickets, default=None)
