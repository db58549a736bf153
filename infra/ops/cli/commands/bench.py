"""`ticketstream bench`: measured, and compared with what."""

from __future__ import annotations

import asyncio
from importlib import import_module
from inspect import signature
from pathlib import Path

import click

from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option

NAMES = (
    "ingest", "chain", "throughput", "burst", "fairness", "memory", "rotation", "search", "lag", "scaling", "scrape",
    "telemetry", "investigate", "console",
)  # fmt: skip


@click.command(cls=JsonCommand)
@click.argument("name", type=click.Choice(NAMES))
@click.option(
    "--events",
    type=click.IntRange(min=1),
    help="How many wait, for burst, fairness and memory; tickets, for search; tenants, for lag; in all topics, for investigate; "
    "views of each page, for console.",
)
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="How long the desk is down, for fairness.")
@click.option("--trace", help="For scaling: morning_peak, flood_and_hold, steady, or a CSV file of your own.")
@click.option("--slots", type=click.IntRange(min=1, max=1000), help="Calls at once in a worker, for scaling.")
@click.option("--cell", type=click.Choice(["large", "small"]), help="For scaling: as it ships, or a few small workers.")
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Draw a picture, for scaling.")
@click.option("--only", type=click.Choice(("logs", "metrics", "traces")), help="One of the three, for telemetry.")
@json_option
def bench(name: str, json_to: JsonTo, **options: object) -> int:
    """Measure NAME on this machine, beside what it is compared with, in one run.

    ingest: the edge beside a handler that only reads the body. chain: from webhook to note at a steady rate.
    throughput: how many tickets a second one worker a stage takes, and the CPU of each.
    burst: how busy synthesize's slots are with 2,000 tickets waiting. fairness: what tenants notice of another one's backlog, and
    of another one's broken desk. memory: what 100,000 waiting events take in each worker. rotation: how many webhooks are refused
    while a tenant's secret is exchanged at 50 a second. lag: what the lag service costs with 1,000 tenants, and how soon it shows a
    change. scaling: worker-hours and waits of a day under our demand for workers and under KEDA's Kafka scaler, simulated. scrape:
    the series of 200 tenants and what reading them takes. telemetry: throughput with metrics, logs and traces, against none.
    investigate: the time of one investigation with ten million events in the topics. console: the server time of each page with 200
    tenants.
    """
    output = Output(json_to)
    module = import_module(f"infra.ops.bench.{name}")
    measure = getattr(module, f"bench_{name}")
    chosen = {option: value for option, value in options.items() if value is not None}
    if unknown := chosen.keys() - signature(measure).parameters.keys():
        raise WrongUse(f"bench {name} has no --{min(unknown)}", "leave it out")
    try:
        measured = asyncio.run(measure(lambda line: click.echo(line, err=True), **chosen))
    except RuntimeError as error:
        raise Failure(f"bench {name}", str(error)) from None
    value = measured.as_json()

    def show() -> None:
        for group in ("figures", "ratios", "compared"):
            output.table((group, ""), [(key, str(figure)) for key, figure in value[group].items()])

    output.result(value, show)
    return 0
