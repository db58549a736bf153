"""`ticketstream reconcile`: feed in the tickets whose webhook never arrived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.failure import FAILED, Failure, WrongUse
from infra.ops.cli.moment import Moment
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option

if TYPE_CHECKING:
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.reconcile.ports import Choices, Report
    from infra.ops.reconcile.settings import ReconcileSettings

LONGEST_AGO = timedelta(days=30)
POOL_SIZE = 2
KEY_FILE, PROCESS_KEY_FILE = "TICKETSTREAM_RECONCILE_SIGNING_KEY_FILE", "TICKETSTREAM_SIGNING_KEY_FILE"
"""Where the command has its signing key, and where the process has it, whose surroundings do as well."""
DATABASE = "DATABASE_URL_RECONCILE"
PASSWORD = "PGPASSWORD_RECONCILE"  # noqa: S105 - a variable's name
"""The role's, where DATABASE_URL_RECONCILE has none: PGPASSWORD is somebody else's."""


@click.command(cls=JsonCommand)
@click.option("--tenant", help="Only this tenant; all enabled ones otherwise.")
@click.option(
    "--since",
    type=Moment(),
    help="Begin here instead of where the last run ended, at most 30 days back: 2026-01-31T09:00:00Z, or 2h, 3d ago.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be fed in.")
@json_option
def reconcile(tenant: str | None, since: datetime | None, dry_run: bool, json_to: JsonTo) -> int:
    """Compare each desk's new tickets with what arrived, and feed in those that never did.

    The process `reconcile` does the same every 5 minutes. A tenant's first run begins when the tenant was created; a later one
    where the last ended, less 10 minutes. Closed tickets, and those younger than 2 minutes, are left alone. A run looks at 1,000
    tickets and makes 100 calls a desk, at most 20 a minute; what is left goes on at the next.
    """
    from infra.ops.cli.acting import looking
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.reconcile.ports import Choices
    from infra.runtime.telemetry import logs

    logs.configure("reconcile", "ERROR")
    around, output = Surroundings.find(), Output(json_to)
    if since is not None and not datetime.now(UTC) - LONGEST_AGO <= since <= datetime.now(UTC):
        raise WrongUse(f"--since is not within the last {LONGEST_AGO.days} days", "give a later moment that is past")
    own = looking(around, *([tenant] if tenant else []))
    chosen = Choices(since=since, dry_run=dry_run, who=own.name, role=own.role.value)
    with output.status("asking the desks"):
        reports: list[Report] = run_async(lambda: _round(around, tenant, chosen))
    rows = [as_row(report) for report in reports]
    output.result({"dry_run": dry_run, "tenants": rows}, lambda: _show(output, reports, dry_run=dry_run))
    return FAILED if any(report.failed for report in reports) else 0


def as_row(report: Report) -> dict[str, Any]:
    from schemas.times import rfc3339

    return {
        "tenant_id": report.tenant_id,
        "result": report.result.value,
        **{name: getattr(report.counts, name) for name in report.counts.__slots__},
        "tickets": list(report.fed_in),
        "since": rfc3339(report.since) if report.since else None,
        "listed_until": rfc3339(report.listed_until) if report.listed_until else None,
        "problems": [{"ticket_id": one.ticket_id, "reason": one.reason, "what": one.what} for one in report.problems],
    }


async def _round(around: Surroundings, tenant_id: str | None, chosen: Choices) -> list[Report]:
    from infra.ops.cli.kafka_reader import client_config, kafka_variables_checked
    from infra.ops.reconcile.site import SERVICE, open_site
    from infra.runtime.kafka.schema_registry import SchemaRegistryError
    from infra.runtime.kafka.topics import TopicsError
    from infra.runtime.postgres.pool import open_pool

    settings = _settings(around)
    config = client_config(dict(around.variables))
    pool = await open_pool(settings.database_url.get_secret_value(), service=SERVICE, size=POOL_SIZE)
    try:
        with kafka_variables_checked():
            async with open_site(settings, config, pool) as site:
                tenants = [
                    one for one in site.all() if one.tenant_id == tenant_id or (tenant_id is None and one.enabled)
                ]
                if tenant_id is not None and not tenants:
                    raise WrongUse(f"there is no tenant {tenant_id}", "see: ticketstream tenant list")
                return await site.reconciler.round(tenants, chosen)
    except TopicsError as error:
        raise Failure("topics", str(error)) from None
    except SchemaRegistryError as error:
        raise Failure("schema registry", str(error)) from None
    finally:
        await pool.close()


def _settings(around: Surroundings) -> ReconcileSettings:
    """Of the environment, completed by the local stack's own reconcile. Raises Failure where neither says enough, WrongUse where a
    value can't be."""
    from pydantic import ValidationError

    from infra.ops.reconcile.settings import ReconcileSettings
    from infra.runtime.postgres.dsn import with_password
    from infra.runtime.settings import explain

    found: Mapping[str, str] = around.variables
    if around.endpoints is not None:
        from infra.ops.local.stack.endpoints import reconcile_environment

        found = {**reconcile_environment(around.folder, around.given), **found}
    named = around.given.get(KEY_FILE) or around.given.get(PROCESS_KEY_FILE)  # before the local stack's
    found = {**found, PROCESS_KEY_FILE: named or found.get(KEY_FILE) or around.need(KEY_FILE)}
    for variable in ("KAFKA_BOOTSTRAP_SERVERS", DATABASE, "TICKETSTREAM_CREDENTIAL_KEYS"):
        if not found.get(variable):
            around.need(variable)
    if password := found.get(PASSWORD):
        found = {**found, DATABASE: with_password(found[DATABASE], password)}
    fields = ReconcileSettings.model_fields
    names = {name: field.alias or f"TICKETSTREAM_{name.upper()}" for name, field in fields.items()}
    given: dict[str, Any] = {name: found[variable] for name, variable in names.items() if found.get(variable)}
    try:
        return ReconcileSettings(**given)
    except ValidationError as error:
        raise WrongUse("\n".join(explain(ReconcileSettings, error)), ".env.example says what it is for") from None


def _show(output: Output, reports: Sequence[Report], *, dry_run: bool) -> None:
    if not reports:
        output.say("There is no enabled tenant.")
        return
    fed = "would be fed in" if dry_run else "fed in"
    columns = ("tenant", "result", "listed", "known", fed, "too young", "closed", "failed")
    rows = [[report.tenant_id, report.result.value, *_numbers(report)] for report in reports]
    output.table(columns, rows)
    for report in reports:
        for problem in report.problems:
            about = f"{report.tenant_id}, ticket {problem.ticket_id}" if problem.ticket_id else report.tenant_id
            output.say(f"{about}: {problem.what}")
    if any(report.result.value == "more" for report in reports):
        output.say(
            "Where the result is `more` a run's bound was reached: run it again, or leave the rest to the process."
        )


def _numbers(report: Report) -> list[int]:
    counts = report.counts
    return [counts.listed, counts.known, counts.fed_in, counts.too_young, counts.closed, counts.failed]
