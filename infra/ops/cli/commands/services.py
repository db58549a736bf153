"""`ticketstream ingest` and `ticketstream process STAGE`: one service in the foreground, with the environment as it is."""

from __future__ import annotations

import os
import sys

import click

from infra.ops.cli.output import JsonCommand

STAGES = ("enrich", "synthesize", "deliver", "feedback_aggregate")


@click.command(cls=JsonCommand)
def ingest() -> None:
    """Run the edge in the foreground: webhooks in, signed events out.

    Reads its settings from the environment; .env.example lists them.
    """
    become("ingest")


@click.command(cls=JsonCommand)
@click.argument("stage", type=click.Choice(STAGES))
def process(stage: str) -> None:
    """Run one stage in the foreground: enrich, synthesize, deliver or feedback_aggregate.

    Reads its settings from the environment; .env.example lists them.
    """
    become(f"processors.{stage}")


def become(module: str) -> None:
    """This process becomes the service, so that signals and exit code are the service's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606 - no shell is wanted
