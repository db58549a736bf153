"""`ticketstream demo`: all of it, on the local stack."""

from __future__ import annotations

from pathlib import Path

import click

from infra.ops.cli.output import JsonCommand, JsonTo, json_option


@click.command(cls=JsonCommand)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything is kept. TICKETSTREAM_STATE_DIR or .state by default.",
)
@click.option("--keep", is_flag=True, help="Leave everything running afterwards, until Ctrl-C.")
@click.option("--free-ports", is_flag=True, help="Take any free ports instead of 8080, 9092 and 8090.")
@json_option
def demo(state_dir: Path | None, keep: bool, free_ports: bool, json_to: JsonTo) -> int:
    """Three tenants, 60 signed webhooks, 56 notes: from nothing to a note on the ticket, and feedback back in.

    Exit code 0 only if every count is right.
    """
    from infra.ops.cli.output import Output
    from infra.ops.cli.surroundings import state_dir as folder
    from infra.ops.demo.run import DemoOptions, run_demo

    return run_demo(DemoOptions(folder(state_dir), keep=keep, free_ports=free_ports), Output(json_to))
