"""The echo stage, but for tenant t0, whose desk is away until the file `desk` is there. Holds are rows in PostgreSQL.

Run as a process of its own. Waits begin at a second instead of five, so that a test sees them grow."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from infra.runtime.kafka.client_settings import KafkaClient, load_kafka
from infra.runtime.kafka.producer import Producer
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import open_pool
from infra.runtime.stream import breaker
from infra.runtime.stream.outcomes import Emit, Hold, Outcome, Scope
from infra.runtime.stream.record import Input
from infra.runtime.stream.runner import StagePorts, StageSpec, Surroundings, exit_with, run_stage
from infra.runtime.telemetry import logs
from schemas.events import TicketEnriched
from schemas.reasons import Reason
from schemas.topics import Stage
from sinks.dead_letters import DeadLetterTopic
from sinks.postgres.lane_holds import LaneHolds
from tests.integration.infra.runtime.stream.echo_stage import key_directory, limits

AWAY = "t0"
WORK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Desk:
    folder: Path

    async def process(self, inputs: Input) -> Outcome:
        event = inputs.event
        self._note(event.event_id, "started")
        if event.tenant_id == AWAY and not (self.folder / "desk").exists():
            return Hold(Reason.DESK_UNAVAILABLE, 0.0, Scope.LANE, "503")
        await asyncio.sleep(WORK_SECONDS)
        self._note(event.event_id, "finished")
        return Emit(TicketEnriched.following(event, context=(), missing=(), took_ms={}, at=event.received_at))

    def _note(self, event_id: str, what: str) -> None:
        with (self.folder / "calls").open("a") as calls:
            calls.write(f"{os.getpid()} {event_id} {what}\n")


async def main() -> int:
    folder, prefix = Path(os.environ["ECHO_FOLDER"]), os.environ["TICKETSTREAM_TOPIC_PREFIX"]
    logs.configure("enrich")
    breaker.FIRST_SECONDS = 1.0
    keys, client = key_directory(folder), KafkaClient(load_kafka())
    await keys.refresh()
    pool = await open_pool(os.environ["DATABASE_URL_ENRICH"], service="enrich", size=4)
    producer = Producer(client.librdkafka())
    publisher = Publisher(producer, SigningKey.load(folder / "enrich.pem"), prefix=prefix)
    ports = StagePorts(client, limits(), keys, publisher, DeadLetterTopic(publisher), LaneHolds(pool))
    surroundings = Surroundings(prefix, "127.0.0.1", 0, Path(os.environ["TICKETSTREAM_PORTS_FILE"]))
    code = await run_stage(StageSpec(Stage.ENRICH, Desk(folder).process), ports, surroundings)
    await producer.stop()
    await pool.close()
    return code


if __name__ == "__main__":
    exit_with(main)
