"""`ticketstream dead-letters` from what was asked to what is told: listed, shown, replayed."""

from __future__ import annotations

import asyncio
import heapq
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from infra.ops.cli.failure import WrongUse
from infra.ops.cli.kafka_reader import kafka_variables_checked
from infra.ops.cli.output import Output
from infra.ops.cli.sight import Sight
from infra.ops.cli.surroundings import Surroundings
from infra.ops.replay.feeding import TenantFeed
from infra.ops.replay.letter_plan import LetterCounts, LetterReplaying
from infra.ops.replay.letter_telling import as_row, letters_result, plain, replayed_object, tell_letters, text_of
from infra.ops.replay.letters import Letter, LetterFilter, LetterJudge, decoded, letters, spans_of
from infra.ops.replay.opening import Opened, kafka_config, open_publishing, open_reading
from infra.ops.replay.spans import KafkaSpans, Span
from infra.ops.replay.window_replay import run_replay
from schemas.topics import Stage, Topic
from sinks.postgres.audit_log import AuditLog

_PLACE = re.compile(r"(?:(?P<topic>[A-Za-z0-9._-]+):)?(?P<partition>\d{1,9}):(?P<offset>\d{1,18})")


@dataclass(frozen=True, slots=True)
class LettersAsked:
    """`letter` names one by its place or event id. `rate` in events a second for each tenant and stage."""

    wanted: LetterFilter
    letter: str | None
    again: bool
    why: str
    rate: float


def newest(around: Surroundings, wanted: LetterFilter, limit: int) -> list[dict[str, Any]]:
    """The newest letters that are meant, oldest of them first. Kafka alone is asked. Raises Failure."""

    async def work() -> list[dict[str, Any]]:
        heap: list[tuple[Any, int, int, dict[str, Any]]] = []
        async with _onlooker(around) as spans:
            for span in await spans_of(spans, await spans.partitions(Topic.DEAD_LETTERS), wanted.since):
                async for letter in letters(spans, span, wanted):
                    at = letter.record.position
                    item = (letter.event.last_failed_at, at.partition, at.offset, as_row(letter))
                    (heapq.heappushpop if len(heap) >= limit else heapq.heappush)(heap, item)
        return [row for *_, row in sorted(heap, key=lambda item: item[:3])]

    return run_replay(work)


def look(around: Surroundings, name: str, sight: Sight) -> tuple[dict[str, Any], bytes | None]:
    """All of one letter as an object, and the original bytes. Noted down in the tenant's audit log. Raises Failure, WrongUse."""

    async def work() -> tuple[dict[str, Any], bytes | None]:
        async with open_reading(around) as opened:
            letter = await _one(opened.spans, name, around.topic_prefix)
            event, last = letter.event, None
            if not event.tenant_id:
                opened.at_work.need_all_tenants("a dead letter of no tenant")
            else:
                opened.at_work.need_tenants([event.tenant_id])
                subject = f"letter {event.event_id}, ticket {event.ticket_id}"
                entry = opened.operator.change(sight.reason).entry(event.tenant_id, "dead-letters show", subject)
                await AuditLog(opened.pool).write(replace(entry, consent=sight.consent))
                last = (await opened.letters.last(event.tenant_id, [event.event_id])).get(event.event_id)
            inside, wrong = decoded(event, opened.verifying.codec)
            headers = [{"name": one.key, "value": text_of(one.value)} for one in event.original_headers]
            shown = as_row(letter) | {
                "original_event_id": event.original_event_id,
                "sha256": event.original_sha256,
                "bytes": len(event.original_value or b""),
                "headers": headers,
                "event": plain(asdict(inside)) if inside is not None else None,
                "event_error": wrong,
                "replayed": replayed_object(last),
            }
            return shown, event.original_value

    return run_replay(work)


def replay_letters(around: Surroundings, output: Output, asked: LettersAsked, *, do: bool) -> int:
    """Show what replaying would do, and with `do` do it. Raises Failure, WrongUse."""

    async def work() -> None:
        async with open_reading(around, *([asked.wanted.tenant_id] if asked.wanted.tenant_id else [])) as opened:
            _known(opened, asked.wanted.tenant_id)
            parts = await _parts(opened, asked)
            replaying = LetterReplaying(
                opened.spans,
                parts,
                asked.wanted,
                LetterJudge(opened.verifying, around.topic_prefix),
                opened.letters,
                asked.again,
            )
            with output.status("reading dead letters …"):
                counts = await replaying.plan()
            tell_letters(output, counts)
            run_id = None
            if do and any(one.to_replay for one in counts.values()):
                run_id = await _do(opened, output, replaying, asked, counts)
            letters_result(output, counts, run_id, do=do)

    run_replay(work)
    return 0


async def _do(
    opened: Opened, output: Output, replaying: LetterReplaying, asked: LettersAsked, counts: Mapping[str, LetterCounts]
) -> str:
    run_id, change, audit = str(uuid4()), opened.operator.change(asked.why), AuditLog(opened.pool)
    subject = f"run {run_id}: {f'letter {asked.letter}' if asked.letter else asked.wanted}"
    tenants = [tenant for tenant, one in counts.items() if one.to_replay]
    async with open_publishing(opened) as (publisher, lags):
        feeds: dict[tuple[str, Stage], TenantFeed] = {}

        def feed_of(tenant_id: str, stage: Stage, partition: int) -> TenantFeed:
            if (tenant_id, stage) not in feeds:
                lag = lags.of(stage, partition)
                feeds[tenant_id, stage] = TenantFeed(tenant_id, asked.rate, publisher, lag, output.say)
            return feeds[tenant_id, stage]

        for tenant in tenants:
            planned = f"{counts[tenant].to_replay} to replay"
            await audit.write(change.entry(tenant, "dead-letters replay start", subject, None, planned))
        try:
            replayed = await replaying.run(run_id, change.who, feed_of)
        except BaseException as error:
            word = "stopped" if isinstance(error, asyncio.CancelledError) else "interrupted"
            output.say(f"The replay was {word}. To go on, run the same command again.")
            raise
    for tenant in tenants:
        counts[tenant].replayed = replayed.get(tenant, 0)
        done = f"{counts[tenant].replayed} replayed"
        await audit.write(change.entry(tenant, "dead-letters replay end", subject, None, done))
    return run_id


async def _parts(opened: Opened, asked: LettersAsked) -> list[Span]:
    """Where the letters stand that are meant: a tenant's are in its partition, in which there may be others', too."""
    if asked.letter is not None:
        found = await _one(opened.spans, asked.letter, opened.around.topic_prefix)
        at = found.record.position
        return [Span(Topic.DEAD_LETTERS, at.partition, at.offset, at.offset + 1)]
    owned = [one.partition for one in opened.tenants if one.tenant_id == asked.wanted.tenant_id]
    partitions = owned or await opened.spans.partitions(Topic.DEAD_LETTERS)
    return await spans_of(opened.spans, partitions, asked.wanted.since)


def _known(opened: Opened, tenant_id: str | None) -> None:
    if tenant_id and all(one.tenant_id != tenant_id for one in opened.tenants):
        raise WrongUse(f"there is no tenant {tenant_id}", "see: ticketstream tenant list")


async def _one(spans: KafkaSpans, name: str, prefix: str) -> Letter:
    """The letter at a place, or the first with this event id or whose original has it. Raises WrongUse."""
    everything = LetterFilter()
    if place := _PLACE.fullmatch(name):
        topic, partition, offset = place["topic"], int(place["partition"]), int(place["offset"])
        known = topic in (None, Topic.DEAD_LETTERS.named(prefix))
        if known and partition in await spans.partitions(Topic.DEAD_LETTERS):
            span = await spans.all(Topic.DEAD_LETTERS, partition)
            if span.first <= offset < span.end:
                only = Span(span.topic, partition, offset, offset + 1)
                async for letter in letters(spans, only, everything):
                    return letter
    else:
        wanted = _event_id(name)
        for span in await spans_of(spans, await spans.partitions(Topic.DEAD_LETTERS), None):
            async for letter in letters(spans, span, everything):
                if wanted in (letter.event.event_id, letter.event.original_event_id):
                    return letter
    raise WrongUse(f"there is no dead letter {name}", "see: ticketstream dead-letters list")


def _event_id(name: str) -> str:
    try:
        return str(UUID(name))
    except ValueError:
        raise WrongUse(
            f"{name!r} names no dead letter", "give PARTITION:OFFSET as list shows it, or an event id"
        ) from None


@asynccontextmanager
async def _onlooker(around: Surroundings) -> AsyncIterator[KafkaSpans]:
    config = kafka_config(around)
    with kafka_variables_checked():
        spans = KafkaSpans(config, prefix=around.topic_prefix)
    try:
        yield spans
    finally:
        spans.close()
