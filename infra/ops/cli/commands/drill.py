"""`ticketstream drill`: practise a P1."""

from __future__ import annotations

from pathlib import Path

import click

from infra.ops.cli.output import JsonCommand, JsonTo, json_option


@click.command(cls=JsonCommand)
@click.option(
    "--auto", is_flag=True, help="Nobody is asked: it acts by the runbooks, as a test of alerts and runbooks."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("drills"),
    show_default=True,
    help="Where the report and the postmortem's draft go, each drill in a folder of its own.",
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="An empty folder for the drill's own stack, kept afterwards. By default one that is removed at the end.",
)
@json_option
def drill(auto: bool, out: Path, state_dir: Path | None, json_to: JsonTo) -> int:
    """Practise a P1 on a local stack of its own: at the morning peak the backlog grows while workers crash.

    You see what you would see: alerts with their runbooks, our commands, dashboards. Your times are scored against the targets; a
    report and the draft of a postmortem are written. Needs Prometheus and Alertmanager. Exit code 0 only if every target was met.
    """
    from infra.ops.cli.output import Output
    from infra.ops.drill.plan import DrillOptions
    from infra.ops.drill.run import run_drill

    return run_drill(DrillOptions(out, state_dir, auto), Output(json_to))
