"""`ticketstream investigate`: what became of one ticket, why, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infra.ops.cli.failure import WrongUse
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.sight import Sight, sight_options
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.investigate import Investigation


@click.command(cls=JsonCommand)
@tenant_argument()
@click.argument("ticket_id", metavar="TICKET")
@click.option("--markdown", is_flag=True, help="The summary to paste: findings, root cause, resolution, follow-up.")
@sight_options
@json_option
def investigate(tenant_id: str, ticket_id: str, markdown: bool, reason: str, consent: str, json_to: JsonTo) -> int:
    """What became of the ticket TICKET of TENANT: when it was received, each stage, its note; the most likely root cause, and the
    next command to run.

    Asks Kafka, PostgreSQL and the desk; what is away is named. It shows the ticket's subject and no other text, and looking is
    noted down in the audit log: say why with --reason.
    """
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings

    if markdown and json_to is not None:
        raise WrongUse("--markdown and --json are two forms", "leave out one")
    around, output, sight = Surroundings.find(), Output(json_to), Sight(reason, consent)
    sight.check(around)
    found = run_async(lambda: _investigated(around, tenant_id, ticket_id, sight))
    output.result(found.as_json(), lambda: output.say(found.as_markdown() if markdown else found.as_text()))
    return 0


async def _investigated(around: Surroundings, tenant_id: str, ticket_id: str, sight: Sight) -> Investigation:
    """Under the operator's rights. With PostgreSQL away nobody's token can be looked up and nothing be noted down: then only
    whoever needs none goes on, and nothing of the ticket's content is shown."""
    from dataclasses import replace

    from infra.ops.cli.acting import acting, needs_no_token
    from infra.ops.cli.tenancy import refuse_unknown
    from infra.ops.investigate import investigate as look
    from infra.ops.investigate.sources import sources_around
    from infra.runtime.postgres.availability import PostgresUnavailable
    from sinks.postgres.audit_log import AuditLog

    try:
        async with acting(around, tenant_id) as at_work:
            await refuse_unknown(at_work.pool, tenant_id)
            entry = at_work.operator.change(sight.reason).entry(tenant_id, "investigate", f"ticket {ticket_id}"[:200])
            await AuditLog(at_work.pool).write(replace(entry, consent=sight.consent))
            async with sources_around(around, at_work.pool) as sources:
                return await look(sources, tenant_id, ticket_id)
    except PostgresUnavailable as error:
        if not needs_no_token(around):
            raise
        async with sources_around(around, None, why_no_pool=str(error)) as sources:
            found = await look(sources, tenant_id, ticket_id)
        return replace(found, facts=replace(found.facts, subject=""))
