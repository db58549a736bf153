"""`ticketstream health`: is everything well now?"""

from __future__ import annotations

import click

from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option


@click.command(cls=JsonCommand)
@json_option
def health(json_to: JsonTo) -> int:
    """Is everything well now? Processes, backlog, held tenants, database, edge, recent errors, alerts: within 5 s.

    ✓ is well; ✗ is not, and the next command stands below; – can't be known from here. Exit code 0 only if all is well.
    TICKETSTREAM_PROMETHEUS_URL lets it see alerts, and processes that can't be reached from here.
    """
    from infra.ops.cli.failure import FAILED
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.health import Status, check_health
    from infra.ops.lag.brokers import quiet

    around, output = Surroundings.find(), Output(json_to)
    quiet()
    found = run_async(lambda: check_health(around))
    output.result(found.as_json(), lambda: output.say(found.as_text()))
    return 0 if found.status is Status.HEALTHY else FAILED
