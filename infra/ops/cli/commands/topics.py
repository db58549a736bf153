"""`ticketstream topics`: the topics on the cluster, and who may do what with them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.acl_options import AclOptions, acl_options, as_json, show
from infra.ops.cli.confirmation import confirm
from infra.ops.cli.failure import FAILED, Failure
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option

if TYPE_CHECKING:
    from infra.ops.cli.surroundings import Surroundings
    from infra.runtime.kafka.acl_admin import Enforced
    from infra.runtime.kafka.acls import Plan
    from infra.runtime.kafka.topic_report import EnsureReport

MOST_TOLD = 10_000


@click.group()
def topics() -> None:
    """Create and check the topics, and who may do what with them."""


@topics.command(cls=JsonCommand)
@click.option("--partitions", type=click.IntRange(1, 10_000), help="Grow every topic to this many (64 when new).")
@click.option("--single-node", is_flag=True, help="One copy of everything, for trials on one broker.")
@acl_options
@json_option
def ensure(partitions: int | None, single_node: bool, acl: AclOptions, json_to: JsonTo) -> int:
    """Create what is missing, grow what is small, correct settings, name what only you can put right.

    With --acls also what each service's principal, an administrator and each analyst may do on Kafka, and nothing else: prints the
    access control lists, adds what is missing, and names what goes beyond them.
    """
    from infra.ops.cli.kafka_reader import client_config, kafka_variables_checked
    from infra.ops.cli.surroundings import Surroundings
    from infra.runtime.kafka.topics import TopicsError, ensure_topics

    acl.check()
    around, output = Surroundings.find(), Output(json_to)
    around.need("KAFKA_BOOTSTRAP_SERVERS")
    config, prefix = client_config(dict(around.variables)), around.topic_prefix
    wanted, report, outcome = acl.plan(prefix) if acl.acls else None, None, None
    try:
        with kafka_variables_checked():
            if not acl.dry_run:
                ensuring = ensure_topics(config, prefix=prefix, partitions=partitions, single_node=single_node)
                report = asyncio.run(ensuring)
            if wanted:
                outcome = asyncio.run(_enforced(config, wanted, acl))
    except TopicsError as error:
        raise Failure("topics", str(error)) from None

    _note_down(around, _done(report, outcome))

    def told() -> None:
        if report:
            _show_topics(output, report)
        if wanted and outcome:
            show(output, wanted, outcome, dry_run=acl.dry_run)

    ok = (not report or report.ok) and (not outcome or outcome.ok)
    found: dict[str, Any] = asdict(report) if report else {}
    found |= as_json(wanted, outcome) if wanted and outcome else {}
    output.result(found | {"ok": ok}, told)
    return 0 if ok else FAILED


async def _enforced(config: Mapping[str, Any], wanted: Plan, acl: AclOptions) -> Enforced:
    from infra.runtime.kafka.acl_admin import Enforced, enforce_acls, read_acls

    if acl.dry_run:
        return Enforced(await read_acls(config, wanted))
    beyond = (await read_acls(config, wanted)).beyond if acl.prune else ()
    if beyond and not acl.yes:
        click.echo("\n".join(f"Beyond the plan: {one}" for one in beyond), err=True)
        confirm(f"Take {'it' if len(beyond) == 1 else f'these {len(beyond)}'} away?")
    return await enforce_acls(config, wanted, remove=beyond)


def _show_topics(output: Output, report: EnsureReport) -> None:
    for name in report.created:
        output.say(f"created    {name}")
    for name in report.grown:
        output.say(f"grown      {name} to {report.partitions} partitions")
    for change in report.corrected:
        output.say(f"corrected  {change.topic}: {change.setting} was {change.was}, is {change.now}")
    for problem in report.problems:
        click.echo(str(problem), err=True)
    output.say(f"Every topic has {report.partitions} partitions.")


def _done(report: EnsureReport | None, outcome: Enforced | None) -> list[str]:
    """What was changed on Kafka."""
    done = (
        [*(f"created {name}" for name in report.created), *(f"grown {name}" for name in report.grown)] if report else []
    )
    done += [f"corrected {change.topic}: {change.setting}" for change in report.corrected] if report else []
    if outcome:
        done += [
            f"{word} {one}" for word, acls in (("added", outcome.added), ("removed", outcome.removed)) for one in acls
        ]
    return done


def _note_down(around: Surroundings, done: list[str]) -> None:
    """In the audit log, where there is one yet: a cell's topics are made before its tables."""
    from infra.ops.cli.acting import acting
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import OPERATOR_URL
    from sinks.postgres.audit_log import PLATFORM, AuditLog

    if not done or not around.variables.get(OPERATOR_URL):
        return

    async def write() -> None:
        async with acting(around) as at_work:
            told = "; ".join(done)[:MOST_TOLD]
            entry = at_work.operator.change().entry(PLATFORM, "topics ensure", f"{len(done)} changes", None, told)
            await AuditLog(at_work.pool).write(entry)

    try:
        run_async(write)
    except Failure as error:
        click.echo(f"Not noted down in the audit log: {error.what}", err=True)
