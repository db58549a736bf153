"""What `ticketstream dead-letters` tells of letters, for people and as objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from infra.ops.cli.output import Output
from infra.ops.replay.letter_plan import LetterCounts
from infra.ops.replay.letters import Letter
from schemas.times import rfc3339
from sinks.postgres.replayed_letters import LetterReplay

MAX_HEADER_CHARACTERS = 2000


def as_row(letter: Letter) -> dict[str, Any]:
    """`topic`, `partition` and `offset` are those of the record that could not be handled, `letter` is the letter's own place."""
    event, at = letter.event, letter.record.position
    return {
        "at": rfc3339(event.last_failed_at),
        "tenant_id": event.tenant_id,
        "ticket_id": event.ticket_id,
        "stage": event.stage,
        "reason": event.reason,
        "error": event.error,
        "trace_id": event.trace_id,
        "topic": event.original_topic,
        "partition": event.original_partition,
        "offset": event.original_offset,
        "attempts": event.attempts,
        "first_at": rfc3339(event.first_failed_at),
        "letter": f"{at.partition}:{at.offset}",
        "letter_offset": at.offset,
        "event_id": event.event_id,
    }


def plain(value: Any) -> Any:
    """A value of an event as JSON has it."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def text_of(value: bytes | None) -> str | None:
    """A header's value, as far as it is shown."""
    return None if value is None else value.decode("utf-8", "backslashreplace")[:MAX_HEADER_CHARACTERS]


def replayed_object(last: LetterReplay | None) -> dict[str, Any] | None:
    """A letter's last replay; `at` is null for one that was not seen to its end."""
    if last is None:
        return None
    return {"at": rfc3339(last.replayed_at) if last.replayed_at else None, "run_id": last.run_id, "who": last.who}


def tell_letters(output: Output, counts: Mapping[str, LetterCounts]) -> None:
    """For people, before anything is done."""
    if rows := _group_rows(counts):
        output.table(("tenant", "stage", "reason", "to replay"), rows)
    for tenant, one in sorted(counts.items()):
        name = tenant or "no proven tenant"
        if one.already:
            output.say(f"{name}: {one.already} replayed already are left alone; --again replays them once more.")
        for reason, count in sorted(one.refused.items()):
            output.say(f"{name}: {count} refused, {reason}: {one.why[reason]}")


def _group_rows(counts: Mapping[str, LetterCounts]) -> Sequence[Sequence[object]]:
    return [[t, *group, n] for t, one in sorted(counts.items()) for group, n in sorted(one.groups.items())]


def letters_result(output: Output, counts: Mapping[str, LetterCounts], run_id: str | None, *, do: bool) -> None:
    """The object, and a line for people. Without a run id nothing was done."""
    refused: Counter[str] = Counter()
    for one in counts.values():
        refused.update(one.refused)
    to_replay = sum(one.to_replay for one in counts.values())
    replayed = sum(one.replayed for one in counts.values())
    value = {
        "selected": sum(one.selected for one in counts.values()),
        "to_replay": to_replay,
        "replayed": replayed,
        "already_replayed": sum(one.already for one in counts.values()),
        "refused": dict(refused),
        "by_tenant": {tenant: _counted(one) for tenant, one in sorted(counts.items())},
        "dry_run": not do,
        "run_id": run_id,
    }

    def show() -> None:
        if run_id:
            output.say(f"{replayed} replayed in run {run_id}.")
        elif to_replay:
            output.say(f"{to_replay} would be replayed. Nothing was done. To do it, add: --yes")
        else:
            output.say("There is nothing to replay.")

    output.result(value, show)


def _counted(one: LetterCounts) -> dict[str, Any]:
    return {
        "selected": one.selected,
        "to_replay": one.to_replay,
        "replayed": one.replayed,
        "already_replayed": one.already,
        "refused": dict(one.refused),
        "by_stage_and_reason": [{"stage": s, "reason": r, "count": n} for (s, r), n in sorted(one.groups.items())],
    }
