"""A stage's processes on a real Kafka: feed them, stop and kill them, and read what came out, to the byte."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import Consumer, Message, TopicPartition

from infra.runtime.clock import SystemClock
from infra.runtime.kafka.producer import Producer, Record
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.kafka.topics import ensure_topics
from infra.runtime.keys.signing import SigningKey
from infra.runtime.stream.record import Position, RawRecord
from schemas.events import Ticket, TicketKind, TicketReceived
from schemas.topics import Stage, Topic
from tests.integration.infra.runtime.stream.echo_stage import PARTITIONS

ROOT = Path(__file__).parents[5]
PATIENCE = 90.0


async def until(true: Callable[[], Awaitable[Any]], what: str, seconds: float = PATIENCE) -> Any:
    """The first true value, asked for again and again."""
    deadline = time.monotonic() + seconds
    while not (value := await true()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(0.1)
    return value


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    ports_file: Path
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ready(self) -> Worker:
        """Its internal port says so: the group has given it its share."""
        await until(self._is_ready, f"worker {self.pid} ready; its log ends: {self.log.read_text()[-2000:]}")
        return self

    async def ended(self, seconds: float) -> int:
        return await asyncio.to_thread(self.process.wait, seconds)

    async def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the worker ended with {self.process.returncode}: {self.log.read_text()[-4000:]}")
        return self.ports_file.exists() and await asyncio.to_thread(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self._get("readyz").status == 200)
        except (urllib.error.URLError, OSError, ValueError):  # or the ports' file isn't written yet
            return False

    async def metric(self, name: str) -> float:
        """The sum over its labels."""
        text = await asyncio.to_thread(lambda: self._get("metrics").read().decode())
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"ticketstream_{name}{{")
        )

    def _get(self, path: str) -> Any:
        url = json.loads(self.ports_file.read_text())["internal"]
        return urllib.request.urlopen(f"{url}/{path}", timeout=2)  # noqa: S310 — a server of the test's own


@dataclass
class StageWorld:
    """Topics of its own, by their prefix. Use as a context manager, which ends all workers."""

    kafka: str
    prefix: str
    folder: Path
    module: str = "tests.integration.infra.runtime.stream.echo_stage"
    workers: list[Worker] = field(default_factory=list)
    _seen: dict[Topic, list[RawRecord]] = field(default_factory=dict)
    _readers: dict[Topic, Consumer] = field(default_factory=dict)

    async def __aenter__(self) -> StageWorld:
        for service in ("ingest", "enrich"):
            SigningKey.create(service).save(self.folder / f"{service}.pem")
        client = {"bootstrap.servers": self.kafka}
        await ensure_topics(client, prefix=self.prefix, partitions=PARTITIONS, single_node=True)
        self.producer = Producer(client)
        self.publisher = Publisher(self.producer, SigningKey.load(self.folder / "ingest.pem"), prefix=self.prefix)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.process.send_signal(signal.SIGCONT)
            worker.process.kill()
            await worker.ended(10)
        for reader in self._readers.values():
            reader.close()
        await self.producer.stop()

    def start(self, *, detach: bool = False, options: Mapping[str, float] = MappingProxyType({})) -> Worker:
        """`options` are the stage's: slots, session, stuck_after."""
        number = len(self.workers)
        ports_file, log = self.folder / f"ports{number}.json", self.folder / f"log{number}"
        environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "TICKETSTREAM_TOPIC_PREFIX": self.prefix,
            "TICKETSTREAM_PORTS_FILE": str(ports_file),
            "ECHO_FOLDER": str(self.folder),
            "ECHO_DETACH": "1" if detach else "0",
            **{f"ECHO_{name.upper()}": str(value) for name, value in options.items()},
        }
        command = [sys.executable, "-m", self.module]
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
        self.workers.append(Worker(process, ports_file, log))
        return self.workers[-1]

    async def feed(self, partition: int, subjects: Sequence[str], name: str) -> list[str]:
        """One event a subject, each about its own ticket, in order; their ids."""
        ids = [f"{name}-{partition}-{number}" for number in range(len(subjects))]
        topic = Topic.TICKETS_RECEIVED
        events = [received(event_id, f"t{partition}", text) for event_id, text in zip(ids, subjects, strict=True)]
        await asyncio.gather(*(self.publisher.publish(event, topic=topic, partition=partition) for event in events))
        return ids

    async def write(self, record: Record) -> RawRecord:
        """As it is, to `tickets.received`; where it stands is read back."""
        await self.producer.send(record)
        reader = self._reader(Topic.TICKETS_RECEIVED, 0)
        _, end = await asyncio.to_thread(
            reader.get_watermark_offsets, TopicPartition(record.topic, record.partition), 5
        )
        headers = tuple((name, value) for name, value in record.headers if isinstance(value, bytes))
        return RawRecord(Position(record.topic, record.partition, end - 1), record.key, record.value, headers)

    async def seen(self, topic: Topic) -> list[RawRecord]:
        """All that is in the topic by now."""
        reader, records = self._reader(topic, 0), self._seen.setdefault(topic, [])
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline and (batch := await asyncio.to_thread(reader.consume, 500, 0.2)):
            records += [_raw(message) for message in batch if not message.error()]
        return records

    def calls(self) -> list[tuple[int, str, str]]:
        """Pid, event id and `started` or `finished`, in order of time."""
        lines = (self.folder / "calls").read_text().splitlines() if (self.folder / "calls").exists() else []
        return [(int(pid), event_id, what) for pid, event_id, what in (line.split() for line in lines)]

    async def works(self, worker: Worker, calls: int) -> None:
        """Waits until this worker has finished so many calls."""

        async def finished() -> bool:
            return sum(pid == worker.pid and what == "finished" for pid, _, what in self.calls()) >= calls

        await until(finished, f"{calls} calls by worker {worker.pid}")

    async def committed(self) -> dict[int, tuple[int, str]]:
        """Offset and metadata by partition, to the byte, as the broker keeps them for the stage's group."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(Stage.ENRICH.group(self.prefix))
        finally:
            await admin.close()
        return {at.partition: (offset.offset, offset.metadata) for at, offset in found.items()}

    async def committed_for_confluent(self, partition: int) -> tuple[int, str | None]:
        """The same as the lag service's client reads it, which takes the metadata for a C string."""
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": Stage.ENRICH.group(self.prefix)})
        asked = [TopicPartition(Topic.TICKETS_RECEIVED.named(self.prefix), partition)]
        try:
            (answer,) = await asyncio.to_thread(consumer.committed, asked, 10)
        finally:
            consumer.close()
        return answer.offset, answer.metadata

    def _reader(self, topic: Topic, offset: int) -> Consumer:
        if topic not in self._readers:
            reader = Consumer({"bootstrap.servers": self.kafka, "group.id": "reader", "enable.auto.commit": False})
            name = topic.named(self.prefix)
            reader.assign([TopicPartition(name, partition, offset) for partition in range(PARTITIONS)])
            self._readers[topic] = reader
        return self._readers[topic]


def received(event_id: str, tenant_id: str, subject: str) -> TicketReceived:
    return TicketReceived(
        event_id, tenant_id, TicketKind.CREATED, Ticket(f"ticket-{event_id}", subject, "d"), SystemClock().now()
    )


def _raw(message: Message) -> RawRecord:
    topic, partition, offset, value = message.topic(), message.partition(), message.offset(), message.value()
    assert topic is not None and partition is not None and offset is not None
    headers: Any = message.headers() or []
    return RawRecord(Position(topic, partition, offset), _bytes(message.key()), _bytes(value), tuple(headers))


def _bytes(value: Any) -> bytes | None:
    return value if value is None else bytes(value)
