"""`ticketstream topics`: the topics on the cluster."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from infra.ops.cli.failure import FAILED, Failure
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option


@click.group()
def topics() -> None:
    """Create and check the topics."""


@topics.command(cls=JsonCommand)
@click.option("--partitions", type=click.IntRange(1, 10_000), help="Grow every topic to this many (64 when new).")
@click.option("--single-node", is_flag=True, help="One copy of everything, for trials on one broker.")
@json_option
def ensure(partitions: int | None, single_node: bool, json_to: JsonTo) -> int:
    """Create what is missing, grow what is small, correct settings, name what only you can put right."""
    from infra.ops.cli.kafka_reader import client_config, kafka_variables_checked
    from infra.ops.cli.surroundings import Surroundings
    from infra.runtime.kafka.topics import TopicsError, ensure_topics

    around, output = Surroundings.find(), Output(json_to)
    around.need("KAFKA_BOOTSTRAP_SERVERS")
    config, prefix = client_config(dict(around.variables)), around.topic_prefix
    try:
        with kafka_variables_checked():
            report = asyncio.run(ensure_topics(config, prefix=prefix, partitions=partitions, single_node=single_node))
    except TopicsError as error:
        raise Failure("topics", str(error)) from None

    def show() -> None:
        for name in report.created:
            output.say(f"created    {name}")
        for name in report.grown:
            output.say(f"grown      {name} to {report.partitions} partitions")
        for change in report.corrected:
            output.say(f"corrected  {change.topic}: {change.setting} was {change.was}, is {change.now}")
        for problem in report.problems:
            click.echo(str(problem), err=True)
        output.say(f"Every topic has {report.partitions} partitions.")

    output.result(asdict(report) | {"ok": report.ok}, show)
    return 0 if report.ok else FAILED
