"""`ticketstream up`: the whole local stack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from infra.ops.cli.output import JsonCommand


@click.command(cls=JsonCommand)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything is kept. TICKETSTREAM_STATE_DIR or .state by default.",
)
@click.option("--free-ports", is_flag=True, help="Take any free ports instead of 8080, 9092 and 8090.")
@click.option(
    "--monitoring", is_flag=True, help="Prometheus and Alertmanager too, where they are installed (9090, 9093)."
)
def up(state_dir: Path | None, free_ports: bool, monitoring: bool) -> int:
    """Start Kafka, PostgreSQL, a desk simulator and all services; Ctrl-C stops them, the next `up` finds their data.

    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL point it at real ones instead, TICKETSTREAM_INGEST_PORT names the edge's port. Ports
    are those of the last time where they are free.
    """
    from infra.ops.cli.surroundings import state_dir as folder
    from infra.ops.local.stack import StackOptions, WantedPorts, run_up

    options = StackOptions(state_dir=folder(state_dir), monitoring=monitoring)
    return run_up(replace(options, ports=WantedPorts.any_free()) if free_ports else options)
