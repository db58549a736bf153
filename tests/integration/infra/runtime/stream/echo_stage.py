"""A stage for tests, run as a process of its own: echoes tickets from `tickets.received` to `tickets.enriched`.

What a ticket's subject says is done: `echo`, `raise`, `slow SECONDS`, `die`, `block` (the whole process), or, until the file
`release` is there, `hold` (the ticket) or `hold lane`. Partition n is tenant tn's; the file `cap`, if any, has its cap.
Every call is noted in the file `calls` as `pid event-id started|finished`.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infra.runtime.kafka.client_settings import KafkaClient, load_kafka
from infra.runtime.kafka.producer import Producer
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.keys.directory import KeyDirectory, ServiceKey
from infra.runtime.keys.signing import SigningKey
from infra.runtime.stream import faust_app
from infra.runtime.stream.fakes import FixedLimits, Limit, MemoryHolds
from infra.runtime.stream.outcomes import Emit, Hold, Outcome, Scope
from infra.runtime.stream.ports import HeldEvent
from infra.runtime.stream.record import Input
from infra.runtime.stream.runner import StagePorts, StageSpec, Surroundings, exit_with, run_stage
from infra.runtime.telemetry import logs
from schemas.events import TicketEnriched
from schemas.reasons import Reason
from schemas.topics import SIGNED_BY, Stage
from sinks.dead_letters import DeadLetterTopic

PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Echo:
    folder: Path

    async def process(self, inputs: Input) -> Outcome:
        event = inputs.event
        what, _, seconds = event.ticket.subject.partition(" ")
        self._note(event.event_id, "started")
        if what == "raise":
            raise ValueError(f"told to raise by {event.event_id}")
        if what == "hold" and not (self.folder / "release").exists():
            scope = Scope.LANE if seconds == "lane" else Scope.TICKET
            return Hold(Reason.DESK_CREDENTIAL_REFUSED, 1.0, scope)
        if what == "die":
            ctypes.string_at(0)  # a segmentation fault
        if what == "block":
            time.sleep(3600)
        if what == "slow":
            await asyncio.sleep(float(seconds))
        self._note(event.event_id, "finished")
        took = {"pid": os.getpid()}
        return Emit(TicketEnriched.following(event, context=(), missing=(), took_ms=took, at=event.received_at))

    def _note(self, event_id: str, what: str) -> None:
        with (self.folder / "calls").open("a") as calls:
            calls.write(f"{os.getpid()} {event_id} {what}\n")


def key_directory(folder: Path) -> KeyDirectory:
    """The public keys of `ingest` and `enrich`, whose private ones are in the folder."""

    async def load() -> Sequence[ServiceKey]:
        keys = (SigningKey.load(folder / f"{service}.pem") for service in ("ingest", "enrich"))
        return [
            ServiceKey(
                key.key_id,
                key.service,
                tuple(SIGNED_BY[key.service]),
                key.public_key_bytes,
                datetime(2020, 1, 1, tzinfo=UTC),
            )
            for key in keys
        ]

    return KeyDirectory(load)


def limits() -> FixedLimits:
    return FixedLimits(*(Limit(f"t{partition}", partition) for partition in range(PARTITIONS)))


class FolderHolds(MemoryHolds):
    """Implements `HoldStore` for processes that follow one another: a file per row."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        folder.mkdir(exist_ok=True)

    async def load(self, tenant_id: str, stage: str) -> Sequence[HeldEvent]:
        rows: list[HeldEvent] = [pickle.loads(path.read_bytes()) for path in self._folder.glob("*.row")]  # noqa: S301 - our own
        return [row for row in rows if row.tenant_id == tenant_id]

    async def save(self, held: HeldEvent) -> None:
        written = self._path(held).with_suffix(f".{os.getpid()}")
        written.write_bytes(pickle.dumps(held))
        written.replace(self._path(held))

    async def clear(self, held: HeldEvent) -> None:
        self._path(held).unlink(missing_ok=True)

    def _path(self, held: HeldEvent) -> Path:
        return self._folder / f"{held.partition}-{held.offset}.row"


async def follow_cap(fixed: FixedLimits, file: Path) -> None:
    while True:
        if file.exists():
            for limit in fixed.limits:
                limit.max_concurrent_jobs = int(file.read_text())
        await asyncio.sleep(0.1)


async def main() -> int:
    folder, prefix = Path(os.environ["ECHO_FOLDER"]), os.environ["TICKETSTREAM_TOPIC_PREFIX"]
    logs.configure("enrich")
    keys, client = key_directory(folder), KafkaClient(load_kafka())
    await keys.refresh()
    producer = Producer(client.librdkafka())
    publisher = Publisher(producer, SigningKey.load(folder / "enrich.pem"), prefix=prefix)
    fixed = limits()
    following = asyncio.create_task(follow_cap(fixed, folder / "cap"))
    ports = StagePorts(client, fixed, keys, publisher, DeadLetterTopic(publisher), FolderHolds(folder / "holds"))
    detach = os.environ.get("ECHO_DETACH") == "1"
    spec = StageSpec(
        Stage.ENRICH,
        Echo(folder).process,
        slots=int(os.environ.get("ECHO_SLOTS", "64")),
        detach=detach,
        grace=20 if detach else 5,
        stuck_after=float(os.environ.get("ECHO_STUCK_AFTER", "60")),
    )
    surroundings = Surroundings(
        prefix, "127.0.0.1", 0, Path(os.environ["TICKETSTREAM_PORTS_FILE"]), run_dir=folder / "run"
    )
    faust_app.SESSION_TIMEOUT = float(os.environ.get("ECHO_SESSION", "10"))
    code = await run_stage(spec, ports, surroundings)
    following.cancel()
    await producer.stop()
    return code


if __name__ == "__main__":
    exit_with(main)
