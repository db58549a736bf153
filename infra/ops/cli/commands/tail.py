"""`ticketstream tail`: the notes as they are delivered."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.failure import WrongUse
from infra.ops.cli.moment import Moment
from infra.ops.cli.output import JsonCommand
from infra.ops.cli.sight import Sight, note_sight, sight_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from infra.ops.cli.acting import LookingAgain, Operator
    from infra.ops.cli.kafka_reader import Found, TopicReader
    from sinks.postgres.note_feedback import NoteFeedback


@click.command(cls=JsonCommand)
@click.option("--tenant", help="Only this tenant.")
@click.option("--from-beginning", is_flag=True, help="All that Kafka still holds, then what comes.")
@click.option("--since", type=Moment(), help="From then on: 2026-01-31T09:00:00Z, or 2h, 3d ago; then what comes.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Stop after so many seconds.")
@sight_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the note's text.")
def tail(
    tenant: str | None,
    from_beginning: bool,
    since: datetime | None,
    limit: int | None,
    seconds: float | None,
    reason: str,
    consent: str,
    as_json: bool,
) -> int:
    """Follow enhancements.delivered, one line a note, until Ctrl-C.

    What technicians said of a note by now stands at the line's end: the average of so many ratings, thumbs up and down. With --json
    the notes' texts and comments are shown, which the audit log tells: say why with --reason. All of a time as a file: export.
    """
    if from_beginning and since:
        raise WrongUse("--from-beginning and --since are two beginnings", "leave out one")
    from infra.ops.cli.acting import LookingAgain, looking
    from infra.ops.cli.kafka_reader import TopicReader, client_config
    from infra.ops.cli.known_feedback import KnownFeedback
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
            _start(reader, from_beginning=from_beginning, since=since)
            all_notes = (
                "the notes of all tenants" if own.tenants is None else f"the notes of {', '.join(sorted(own.tenants))}"
            )
            whose = f"{tenant}'s notes" if tenant else all_notes
            click.echo(
                f"Waiting for {whose}, until {'Ctrl-C' if not seconds else f'{seconds:g} s have passed'}.", err=True
            )
            still_valid, known = LookingAgain(around), KnownFeedback(around, comments=as_json)
            shown = 0
            for batch in _wanted(reader, own, tenant, deadline, still_valid):
                batch = batch[: limit - shown] if limit else batch
                feedback = known.of(found.event for found in batch if found.event is not None)
                for found in batch:
                    _show(found, feedback, as_json=as_json)
                shown += len(batch)
                if limit and shown >= limit:
                    break
    except KeyboardInterrupt:  # how it is meant to end
        pass
    return 0


def _wanted(
    reader: TopicReader, own: Operator, tenant: str | None, deadline: float, still_valid: LookingAgain
) -> Iterator[list[Found]]:
    """What the person may see and asked for, as it comes."""
    while time.monotonic() <= deadline:
        still_valid()
        yield [found for found in reader.poll() if _is_wanted(found, own, tenant)]


def _is_wanted(found: Found, own: Operator, tenant: str | None) -> bool:
    its_tenant = getattr(found.event, "tenant_id", None)
    return own.may_touch(its_tenant) and tenant in (None, "", its_tenant)


def _start(reader: TopicReader, *, from_beginning: bool, since: datetime | None) -> None:
    partitions = reader.partitions()
    if from_beginning:
        reader.start(dict.fromkeys(partitions, -1))
    elif since:
        reader.start(reader.since(partitions, since))
    else:
        reader.start({number: end for number, (_, end) in reader.ends(partitions).items()})


def _show(found: Found, feedback: Mapping[str, NoteFeedback], *, as_json: bool) -> None:
    if found.event is None:
        click.echo(f"{found.topic} {found.partition}/{found.offset}: {found.error}", err=True)
    elif as_json:
        said = feedback.get(found.event.enhancement_id)
        click.echo(json.dumps({**as_object(found), "feedback": said_of(said)}, ensure_ascii=False))
    else:
        said = feedback.get(getattr(found.event, "enhancement_id", ""))
        click.echo(line_of(found) + (f"  {opinion(said)}" if said else ""))
    sys.stdout.flush()


def said_of(feedback: NoteFeedback | None) -> dict[str, Any] | None:
    """A note's feedback as JSON; None where nothing was said, or the database didn't answer."""
    from dataclasses import asdict

    from schemas.times import rfc3339

    return asdict(feedback) | {"last_at": rfc3339(feedback.last_at)} if feedback else None


def opinion(feedback: NoteFeedback) -> str:
    """`4.5 of 5 (2), 1 up, 0 down`."""
    average = feedback.average_rating
    rated = [f"{average:.1f} of 5 ({feedback.ratings})"] if average is not None else []
    thumbs = (
        [f"{feedback.thumbs_up} up, {feedback.thumbs_down} down"] if feedback.thumbs_up + feedback.thumbs_down else []
    )
    return ", ".join(rated + thumbs)


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
