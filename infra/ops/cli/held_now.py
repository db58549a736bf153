"""What is held beside the dead letters: not lost, not done, and tried again by itself."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from infra.ops.cli.database import operator_pool
from infra.ops.cli.failure import Failure
from infra.ops.cli.output import Output
from infra.ops.cli.running import run_async
from infra.ops.cli.surroundings import Surroundings
from infra.ops.lag.holds import held_events

if TYPE_CHECKING:
    from infra.ops.cli.acting import Operator
    from infra.ops.replay.letters import LetterFilter

COLUMNS = {
    "since": "first_failed_at",
    "tenant": "tenant_id",
    "ticket": "ticket_id",
    "stage": "stage",
    "reason": "reason",
    "detail": "detail",
    "again at": "until",
    "tries": "attempts",
}


def held_now(around: Surroundings, own: Operator, wanted: LetterFilter, limit: int) -> list[dict[str, Any]] | None:
    """The held events that the person may see, by first failure. None where the database can't say: dead letters are in Kafka and
    shown all the same."""

    async def ask() -> list[dict[str, Any]]:
        async with operator_pool(around) as pool:
            if own.tenants is None:
                return await held_events(pool, tenant_id=wanted.tenant_id, reason=wanted.reason, limit=limit)
            tenants = [wanted.tenant_id] if wanted.tenant_id else sorted(own.tenants)
            found = [await held_events(pool, tenant_id=one, reason=wanted.reason, limit=limit) for one in tenants]
            return sorted(chain(*found), key=lambda one: str(one["first_failed_at"]))[:limit]

    try:
        return run_async(ask)
    except Failure:
        return None


def show_held(held: list[dict[str, Any]] | None, output: Output) -> None:
    """For people: a table, a line where the database didn't answer, nothing where nothing is held."""
    if held is None:
        output.say("What is held now is not known: the database did not answer.")
    elif held:
        rows = [[str(one[name])[:200] for name in COLUMNS.values()] for one in held]
        output.table(list(COLUMNS), rows, title="Held now, and tried again")
