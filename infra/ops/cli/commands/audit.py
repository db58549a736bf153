"""`ticketstream audit`: what was done with tenants' data, by whom and why, and whether anybody changed what was noted down."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.failure import FAILED, WrongUse
from infra.ops.cli.moment import Moment
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option

if TYPE_CHECKING:
    from infra.ops.audit.reading import Verified


@click.command(cls=JsonCommand)
@click.option("--tenant", help="Only this tenant's; also one that was erased.")
@click.option("--since", type=Moment(), help="From then on: 2026-01-31T09:00:00Z, or 2h, 3d ago.")
@click.option("--until", type=Moment(), help="Before then.")
@click.option("--who", help="Only by this person or service.")
@click.option("--operation", help="Only this operation, or those that begin with the word: `tenant set`, `tenant`.")
@click.option("--text", help="Only where this stands somewhere: a setting, a ticket's number, a reason.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="The newest so many.")
@click.option(
    "--verify", is_flag=True, help="Instead, check all entries against their seals. Exit code 1 if anything is wrong."
)
@click.option(
    "--seals",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --verify: the sealer's log (JSON lines), so that seals which vanished from the database are missed.",
)
@json_option
def audit(tenant: str | None, verify: bool, seals: Path | None, limit: int, json_to: JsonTo, **given: Any) -> int:
    """Search the audit log, oldest first: who, in which role, did what with which tenant, and why.

    With --verify, prove that it is whole: each closed hour is hashed, linked to the hour before and signed by the sealer, whose key
    the database doesn't have.
    """
    if verify and any(value is not None for value in given.values()):
        raise WrongUse("--verify checks everything of a tenant", "leave out what only a search takes")
    if seals is not None and not verify:
        raise WrongUse("--seals is for --verify", "add --verify")
    output = Output(json_to)
    return _verify(tenant, seals, output) if verify else _search(tenant, given, limit, output)


def _search(tenant: str | None, given: dict[str, Any], limit: int, output: Output) -> int:
    from infra.ops.audit.reading import search
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from sinks.postgres.audit_entries import Wanted

    entries = run_async(lambda: search(Surroundings.find(), tenant, Wanted(**given), limit))

    def show() -> None:
        if not entries:
            output.say("No entries.")
            return
        columns = ("at", "tenant", "who", "role", "operation", "subject", "old", "new", "reason")
        names = ("at", "tenant_id", "who", "role", "operation", "subject", "old_value", "new_value", "reason")
        output.table(columns, [[_cell(entry[name]) for name in names] for entry in entries])

    output.result({"entries": [{name: _plain(value) for name, value in entry.items()} for entry in entries]}, show)
    return 0


def _verify(tenant: str | None, seals: Path | None, output: Output) -> int:
    from infra.ops.audit.logged_seals import read_logged
    from infra.ops.audit.reading import verify_all
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings

    logged = read_logged(seals) if seals else {}
    done = run_async(lambda: verify_all(Surroundings.find(), tenant, logged))
    output.result(done.as_json(), lambda: _show_verified(output, done))
    return FAILED if done.problems else 0


def _show_verified(output: Output, done: Verified) -> None:
    output.say(
        f"{done.entries} entries in {done.hours} sealed hours of {done.tenants} tenants, {done.unsealed} entries not sealed yet."
    )
    if not done.problems:
        output.say("Nothing was changed, and nothing is missing.")
        return
    output.table(("tenant", "hour", "what is wrong"), [tuple(problem.as_json().values()) for problem in done.problems])
    output.say("Leave everything as it is, and tell security: infra/runbooks/AuditLogAltered.md")


def _cell(value: Any) -> Any:
    return _plain(value, "seconds") if isinstance(value, datetime) else str(value)[:200] if value is not None else ""


def _plain(value: Any, timespec: str = "milliseconds") -> Any:
    from schemas.times import rfc3339

    return rfc3339(value, timespec) if isinstance(value, datetime) else value
