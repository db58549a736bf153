"""One dead letter with the event that it keeps, read from its place: for who said why, noted down before it is shown."""

from __future__ import annotations

import asyncio
import re
from dataclasses import asdict, replace
from typing import Any

from infra.ops.cli.acting import Acting
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.sight import Sight
from infra.ops.cli.surroundings import Surroundings
from infra.ops.replay.letter_telling import as_row, plain, replayed_object, text_of
from infra.ops.replay.letters import Letter, LetterFilter, decoded, letters
from infra.ops.replay.opening import kafka_config
from infra.ops.replay.spans import KafkaSilent, KafkaSpans, Span
from infra.runtime.kafka.schema_registry import codec_with
from schemas.topics import Topic
from schemas.wire_format import Codec
from sinks.postgres.audit_log import AuditLog
from sinks.postgres.replayed_letters import ReplayedLetters

_PLACE = re.compile(r"(\d{1,9}):(\d{1,18})")
UNKNOWN = Failure("there is no such dead letter of this tenant", "see the list of dead letters")


class LetterRoom:
    """One consumer for all pages, opened when it is needed first; one reader at a time."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._spans: KafkaSpans | None = None
        self._codec: Codec | None = None
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        async with self._lock:
            await self._closed()

    async def look(self, at_work: Acting, tenant_id: str, place: str, sight: Sight) -> dict[str, Any]:
        """All of the letter at PARTITION:OFFSET, as `dead-letters show` tells it. Raises Failure where there is none of this
        tenant: whose another is isn't told."""
        letter, codec = await self._read(place)
        event = letter.event
        if event.tenant_id != tenant_id:
            raise UNKNOWN
        subject = f"letter {event.event_id}, ticket {event.ticket_id}"
        entry = at_work.operator.change(sight.reason).entry(tenant_id, "dead-letters show", subject)
        await AuditLog(at_work.pool).write(replace(entry, consent=sight.consent))
        last = (await ReplayedLetters(at_work.pool).last(tenant_id, [event.event_id])).get(event.event_id)
        inside, wrong = decoded(event, codec)
        return as_row(letter) | {
            "bytes": len(event.original_value or b""),
            "headers": [{"name": one.key, "value": text_of(one.value)} for one in event.original_headers],
            "event": plain(asdict(inside)) if inside is not None else None,
            "event_error": wrong,
            "replayed": replayed_object(last),
        }

    async def _read(self, place: str) -> tuple[Letter, Codec]:
        """Raises Failure where nothing stands there, or Kafka doesn't answer."""
        match = _PLACE.fullmatch(place)
        if match is None:
            raise WrongUse("a dead letter's place is PARTITION:OFFSET", "see the list of dead letters")
        async with self._lock:
            try:
                spans, codec = await self._opened()
                whole = await spans.all(Topic.DEAD_LETTERS, int(match[1]))
                at = int(match[2])
                if whole.first <= at < whole.end:
                    only = Span(Topic.DEAD_LETTERS, whole.partition, at, at + 1)
                    async for letter in letters(spans, only, LetterFilter(), codec):
                        return letter, codec
            except KafkaSilent as silent:
                await self._closed()
                what, _, cure = str(silent).partition(": ")
                raise Failure(what, cure or "check that Kafka runs") from None
        raise UNKNOWN

    async def _opened(self) -> tuple[KafkaSpans, Codec]:
        if self._codec is None:
            self._codec = await codec_with(self._around.variables.get("SCHEMA_REGISTRY_URL"), self._around.topic_prefix)
        if self._spans is None:
            self._spans = KafkaSpans(kafka_config(self._around), prefix=self._around.topic_prefix)
        return self._spans, self._codec

    async def _closed(self) -> None:
        spans, self._spans = self._spans, None
        if spans is not None:
            await asyncio.to_thread(spans.close)
