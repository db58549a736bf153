"""`ticketstream tail`: the notes as they are delivered."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.output import JsonCommand
from infra.ops.cli.sight import Sight, note_sight, sight_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.ops.cli.acting import LookingAgain, Operator
    from infra.ops.cli.kafka_reader import Found, TopicReader


@click.command(cls=JsonCommand)
@click.option("--tenant", help="Only this tenant.")
@click.option("--from-beginning", is_flag=True, help="All that Kafka still holds, then what comes.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Stop after so many seconds.")
@sight_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the note's text.")
def tail(
    tenant: str | None,
    from_beginning: bool,
    limit: int | None,
    seconds: float | None,
    reason: str,
    consent: str,
    as_json: bool,
) -> int:
    """Follow enhancements.delivered, one line a note, until Ctrl-C.

    With --json the notes' texts are shown, which the audit log tells: say why with --reason.
    """
    from infra.ops.cli.acting import LookingAgain, looking
    from infra.ops.cli.kafka_reader import TopicReader, client_config
    from infra.ops.cli.surroundings import Surroundings
    from schemas.topics import Topic

    around = Surroundings.find()
    around.need("KAFKA_BOOTSTRAP_SERVERS")
    config, prefix = client_config(dict(around.variables)), around.topic_prefix
    own = looking(around, *([tenant] if tenant else []))
    if tenant:
        from infra.ops.cli.tenancy import refuse_unknown_when_reachable

        refuse_unknown_when_reachable(around, tenant)
    if as_json:
        sight = Sight(reason, consent)
        sight.check(around)
        note_sight(around, "tail", tenant, sight)
    deadline = time.monotonic() + seconds if seconds else float("inf")
    try:
        with TopicReader(config, Topic.ENHANCEMENTS_DELIVERED, prefix=prefix) as reader:
            _start(reader, from_beginning=from_beginning)
            all_notes = (
                "the notes of all tenants" if own.tenants is None else f"the notes of {', '.join(sorted(own.tenants))}"
            )
            whose = f"{tenant}'s notes" if tenant else all_notes
            click.echo(
                f"Waiting for {whose}, until {'Ctrl-C' if not seconds else f'{seconds:g} s have passed'}.", err=True
            )
            still_valid = LookingAgain(around)
            for shown, found in enumerate(_wanted(reader, own, tenant, deadline, still_valid), 1):
                _show(found, as_json=as_json)
                if limit and shown >= limit:
                    break
    except KeyboardInterrupt:  # how it is meant to end
        pass
    return 0


def _wanted(
    reader: TopicReader, own: Operator, tenant: str | None, deadline: float, still_valid: LookingAgain
) -> Iterator[Found]:
    """What the person may see and asked for, as it comes."""

    def ended() -> bool:
        still_valid()
        return time.monotonic() > deadline

    for found in reader.follow(ended):
        its_tenant = getattr(found.event, "tenant_id", None)
        if own.may_touch(its_tenant) and tenant in (None, "", its_tenant):
            yield found


def _start(reader: TopicReader, *, from_beginning: bool) -> None:
    partitions = reader.partitions()
    if from_beginning:
        reader.start(dict.fromkeys(partitions, -1))
    else:
        reader.start({number: end for number, (_, end) in reader.ends(partitions).items()})


def _show(found: Found, *, as_json: bool) -> None:
    if found.event is None:
        click.echo(f"{found.topic} {found.partition}/{found.offset}: {found.error}", err=True)
    elif as_json:
        click.echo(json.dumps(as_object(found), ensure_ascii=False))
    else:
        click.echo(line_of(found))
    sys.stdout.flush()


def as_object(found: Found) -> dict[str, Any]:
    """The event as JSON, with its place in Kafka."""
    from datetime import datetime

    from schemas.records import to_record

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat().replace("+00:00", "Z")
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        return [plain(one) for one in value] if isinstance(value, list) else value

    place = {"topic": found.topic, "partition": found.partition, "offset": found.offset}
    return {**plain(to_record(found.event)), **place}


def line_of(found: Found) -> str:
    """`time tenant ticket what became of it`."""
    event = found.event
    what = f"note {event.note_id}" if event.note_id else f"dropped: {event.reason}"
    writer = event.model or event.writer.value
    local = found.at.astimezone().strftime("%H:%M:%S")
    return f"{local}  {event.tenant_id:<16} {event.ticket_id:<10} {what:<24} {event.total_ms / 1000:6.2f} s  {writer}"
