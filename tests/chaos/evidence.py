"""Reads the ledgers of those who are not under test, and waits until the chain has nothing left to do."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.ops.cli.kafka_reader import TopicReader
from infra.ops.local.http_server import ControlError
from schemas.topics import Stage, Topic
from tests.chaos.ledgers import Evidence, Letter, NoteAtDesk, PaidAnswer
from tests.chaos.processes import Death
from tests.chaos.tickets import TOKEN
from tests.chaos.world import PARTITIONS, World

LOOK_SECONDS = 0.7
QUIET_LOOKS = 3
"""So many looks in a row without lag: a desk's webhook about our note may still be on its way at the first."""
ANSWER_SECONDS = 5.0
UNPAID = frozenset({"garbage", "empty_choices", "error_in_200"})
"""What a model's server answers with status 200 and no answer in it."""


class Lag:
    """How many records each stage has yet to commit, by Kafka itself. Blocking; close it at the end."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._consumers = {
            stage: Consumer({**config, "group.id": stage.group(), "enable.auto.commit": False, "log_level": 0}) for stage in Stage
        }  # fmt: skip

    def close(self) -> None:
        for consumer in self._consumers.values():
            consumer.close()

    def now(self) -> dict[str, int]:
        """Raises KafkaException while Kafka is away."""
        return {stage.value: self._of(stage, consumer) for stage, consumer in self._consumers.items()}

    def _of(self, stage: Stage, consumer: Consumer) -> int:
        asked = [TopicPartition(stage.consumes.named(), partition) for partition in range(PARTITIONS)]
        lag = 0
        for at in consumer.committed(asked, timeout=ANSWER_SECONDS):
            _, end = consumer.get_watermark_offsets(at, timeout=ANSWER_SECONDS, cached=False)
            lag += end - max(0, at.offset)
        return lag


async def wait_until_idle(world: World, seconds: float) -> dict[str, int]:
    """The lag of each stage when none was left for a while, or the time was over."""
    watch, deadline, quiet = Lag(world.kafka_client()), time.monotonic() + seconds, 0
    lag: dict[str, int] = {"unknown": 1}
    try:
        while quiet < QUIET_LOOKS and time.monotonic() < deadline:
            try:
                lag = await asyncio.to_thread(watch.now)
            except KafkaException:
                lag = {"unknown": 1}
            quiet = 0 if any(lag.values()) else quiet + 1
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        watch.close()
    return lag


async def gather(world: World, lag: dict[str, int], excuses: list[float]) -> Evidence:
    """All ledgers, also written to the run's folder."""
    notes = await _notes(world)
    letters = await asyncio.to_thread(_letters, world.kafka_client())
    expected, permitted = world.sender.provoked()
    evidence = Evidence(
        said=tuple(world.sender.said()),
        answered=tuple(world.sender.answered()),
        notes=notes,
        letters=letters,
        expected_letters=expected,
        permitted_letters=permitted,
        strangers=frozenset(world.sender.strangers),
        paid=paid_answers(world.folder / "model.jsonl"),
        excuses=tuple(excuses + _deaths_of_synthesize(world.fleet.deaths)),
        lag=lag,
    )
    world.sender.write(world.folder / "sender.jsonl")
    for name, rows in {"notes": notes, "dead-letters": letters}.items():
        (world.folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(asdict(row)) + b"\n" for row in rows))  # type: ignore[call-overload]
    return evidence


async def _notes(world: World) -> tuple[NoteAtDesk, ...]:
    for _ in range(20):
        try:
            written = await world.desks.notes()
        except (aiohttp.ClientError, ControlError, TimeoutError):
            await asyncio.sleep(0.5)
        else:
            return tuple(NoteAtDesk(one.desk, one.request_id, one.note_id, one.description) for one in written)
    raise RuntimeError("the desks' server does not answer")


def _letters(config: dict[str, Any]) -> tuple[Letter, ...]:
    found: list[Letter] = []
    with TopicReader(config, Topic.DEAD_LETTERS) as reader:
        ends = {number: end for number, (_, end) in reader.ends(reader.partitions()).items() if end}
        reader.start(dict.fromkeys(ends, -1))
        deadline = time.monotonic() + ANSWER_SECONDS
        while len(found) < sum(ends.values()) and time.monotonic() < deadline:
            for one in reader.poll():
                letter = one.event
                found.append(Letter(letter.tenant_id, letter.ticket_id, letter.reason, letter.error))
    return tuple(found)


def paid_answers(journal: Path) -> tuple[PaidAnswer, ...]:
    """Whole answers that the model gave, or would have given had its caller not hung up: a provider counts both."""
    if not journal.exists():
        return ()
    calls = [orjson.loads(line) for line in journal.read_bytes().splitlines()]
    return tuple(
        PaidAnswer(match[0], call["started"], call["ended"])
        for call in calls
        if _is_paid(call["status"], {kind for kind in call["fault"].split("+") if kind})
        if (match := TOKEN.search(call["subject"]))
    )


def _is_paid(status: int, faults: set[str]) -> bool:
    return not faults & UNPAID if status == 200 else status == 0 and faults <= {"latency"}


def _deaths_of_synthesize(deaths: list[Death]) -> list[float]:
    return [death.at for death in deaths if death.name.startswith("synthesize") and "SIGKILL" in death.text]
