"""confluent_kafka's idempotent producer behind asyncio: a future per record, resolved in batches from one poll thread.

Neither Faust's own producer (not idempotent, a time-out of 20 minutes) nor aiokafka's idempotent one (breaks for good after a
batch expires without a leader) nor `confluent_kafka.aio` (no headers) serves; measured, see the handbook's decisions.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as _Producer

Delivered = tuple["asyncio.Future[None]", KafkaError | None]


class PublishError(Exception):
    """Kafka didn't acknowledge the record in time, or refused it. It may have been written all the same."""


@dataclass(frozen=True, slots=True)
class Record:
    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


class Producer:
    """Must be made on the event loop that it serves. `send` resolves when every in-sync replica has the record."""

    def __init__(self, client_config: dict[str, Any], *, delivery_timeout: float = 30.0, linger_ms: int = 1) -> None:
        self._loop = asyncio.get_running_loop()
        self._producer = _Producer(
            {
                **client_config,
                "enable.idempotence": True,
                "linger.ms": linger_ms,
                "delivery.timeout.ms": int(delivery_timeout * 1000),
                "request.timeout.ms": int(min(10.0, delivery_timeout) * 1000),
                "message.max.bytes": 2 * 1024 * 1024,
                "queue.buffering.max.messages": 20_000,
                "reconnect.backoff.max.ms": 1000,
                "partitioner": "murmur2_random",
                "log_level": 3,
            }
        )
        self._delivered: list[Delivered] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._poll, name="kafka-producer", daemon=True)
        self._thread.start()

    def send(self, record: Record) -> asyncio.Future[None]:
        """Raises PublishError at once if the local queue is full, or through the future when delivery fails."""
        future: asyncio.Future[None] = self._loop.create_future()

        def delivered(error: KafkaError | None, _: Any) -> None:
            self._delivered.append((future, error))

        try:
            self._producer.produce(
                record.topic, record.value, record.key, record.partition, on_delivery=delivered, headers=record.headers
            )
        except BufferError as error:
            raise PublishError("the producer's queue is full: Kafka is not keeping up") from error
        except KafkaException as error:
            raise PublishError(str(error)) from error
        return future

    async def stop(self, patience: float = 5.0) -> int:
        """Sends what is queued; how many records are left unacknowledged after `patience` seconds."""
        left: int = await asyncio.to_thread(self._producer.flush, patience)
        self._stopped = True
        await asyncio.to_thread(self._thread.join, 1.0)
        batch, self._delivered = self._delivered, []
        _resolve(batch)
        return left

    def _poll(self) -> None:
        while not self._stopped:
            self._producer.poll(0.1)
            if self._delivered:
                batch, self._delivered = self._delivered, []  # filled by poll() in this thread only
                try:
                    self._loop.call_soon_threadsafe(_resolve, batch)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    return


def _resolve(batch: list[Delivered]) -> None:
    for future, error in batch:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(PublishError(error.str()))
