"""`ticketstream bench`: measured, and compared with what."""

from __future__ import annotations

import asyncio
from importlib import import_module

import click

from infra.ops.cli.failure import Failure
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option

NAMES = ("ingest", "chain", "throughput")


@click.command(cls=JsonCommand)
@click.argument("name", type=click.Choice(NAMES))
@json_option
def bench(name: str, json_to: JsonTo) -> int:
    """Measure NAME on this machine, beside what it is compared with, in one run.

    ingest: the edge beside a handler that only reads the body. chain: from webhook to note at a steady rate.
    throughput: how many tickets a second one worker a stage takes, and the CPU of each.
    """
    output = Output(json_to)
    module = import_module(f"infra.ops.bench.{name}")
    measure = getattr(module, f"bench_{name}")
    try:
        measured = asyncio.run(measure(lambda line: click.echo(line, err=True)))
    except RuntimeError as error:
        raise Failure(f"bench {name}", str(error)) from None
    value = measured.as_json()

    def show() -> None:
        for group in ("figures", "ratios", "compared"):
            output.table((group, ""), [(key, str(figure)) for key, figure in value[group].items()])

    output.result(value, show)
    return 0
