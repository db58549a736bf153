"""`ticketstream dead-letters`: what could not be handled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.failure import Failure
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option

if TYPE_CHECKING:
    from infra.ops.cli.kafka_reader import Found, TopicReader

READ_SECONDS = 60.0


@click.group(name="dead-letters")
def dead_letters() -> None:
    """What could not be handled, and why."""


@dead_letters.command("list", cls=JsonCommand)
@click.option("--tenant", help="Only this tenant; letters whose tenant isn't proven have none.")
@click.option("--reason", help="Only this reason.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="The newest so many.")
@json_option
def list_(tenant: str | None, reason: str | None, limit: int, json_to: JsonTo) -> int:
    """The newest dead letters, oldest of them first."""
    from infra.ops.cli.kafka_reader import TopicReader, client_config
    from infra.ops.cli.surroundings import Surroundings
    from schemas.topics import Topic

    around, output = Surroundings.find(), Output(json_to)
    around.need("KAFKA_BOOTSTRAP_SERVERS")
    with TopicReader(client_config(dict(around.variables)), Topic.DEAD_LETTERS, prefix=around.topic_prefix) as reader:
        found = [
            one
            for one in read_all(reader)
            if (not tenant or one.event.tenant_id == tenant) and (not reason or one.event.reason == reason)
        ]
    if tenant and not found:  # only then: letters may outlive their tenant
        from infra.ops.cli.tenancy import refuse_unknown_when_reachable

        refuse_unknown_when_reachable(around, tenant)
    letters = [as_row(one) for one in sorted(found, key=lambda one: one.at)[-limit:]]

    def show() -> None:
        if not letters:
            output.say("No dead letters.")
            return
        columns = ("at", "tenant", "ticket", "stage", "reason", "error", "topic", "offset")
        names = ("at", "tenant_id", "ticket_id", "stage", "reason", "error", "topic", "offset")
        output.table(columns, [[str(letter[name])[:200] for name in names] for letter in letters])

    output.result({"dead_letters": letters}, show)
    return 0


def read_all(reader: TopicReader) -> list[Found]:
    """Every dead letter that Kafka holds now. Raises Failure if reading them takes more than a minute."""
    ends = {number: end for number, (first, end) in reader.ends(reader.partitions()).items() if end > first}
    if not ends:
        return []
    reader.start(dict.fromkeys(ends, -1))
    deadline, found = time.monotonic() + READ_SECONDS, list[Any]()
    for one in reader.follow(lambda: not ends or time.monotonic() > deadline):
        if one.event is not None:
            found.append(one)
        if one.offset + 1 >= ends.get(one.partition, 0):
            ends.pop(one.partition, None)
    if ends:
        raise Failure(f"reading dead letters took more than {READ_SECONDS:.0f} s", "try again when Kafka is less busy")
    return found


def as_row(found: Found) -> dict[str, Any]:
    """`topic`, `partition` and `offset` are those of the record that could not be handled."""
    letter = found.event
    return {
        "at": letter.last_failed_at.isoformat().replace("+00:00", "Z"),
        "tenant_id": letter.tenant_id,
        "ticket_id": letter.ticket_id,
        "stage": letter.stage,
        "reason": letter.reason,
        "error": letter.error,
        "trace_id": letter.trace_id,
        "topic": letter.original_topic,
        "partition": letter.original_partition,
        "offset": letter.original_offset,
        "attempts": letter.attempts,
        "letter_offset": found.offset,
    }
