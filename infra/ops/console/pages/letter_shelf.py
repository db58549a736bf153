"""The dead letters as a copy in memory that follows their topic: found without reading the topic anew for every page.

What a letter keeps of the event isn't copied: only when it failed, whose it is, why, and where it stands.
"""

from __future__ import annotations

import asyncio
import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from infra.ops.cli.failure import Failure
from infra.ops.cli.kafka_reader import Found, TopicReader
from infra.runtime.telemetry.logs import get_logger
from schemas.events import DeadLetter

log = get_logger(__name__)

MOST_OF_A_TENANT = 500
MOST_TENANTS = 2000
MOST_ERROR = 300
LOOK_AGAIN_SECONDS = 60.0
"""For partitions that the topic got, and after Kafka was away 5 s."""
AWAY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A letter. `place` is its own PARTITION:OFFSET; `tenant_id` is empty where it isn't proven."""

    at: datetime
    tenant_id: str
    ticket_id: str
    stage: str
    reason: str
    error: str
    event_id: str
    place: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant; what is empty doesn't matter. `text` is looked for in the error and the ids."""

    tenant_id: str = ""
    reason: str = ""
    stage: str = ""
    ticket_id: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, entry: Entry) -> bool:
        pairs = (
            (self.tenant_id, entry.tenant_id),
            (self.reason, entry.reason),
            (self.stage, entry.stage),
            (self.ticket_id, entry.ticket_id),
        )
        if any(wanted and wanted != there for wanted, there in pairs):
            return False
        return (self.since is None or self.since <= entry.at) and (self.until is None or entry.at < self.until)


@dataclass(slots=True)
class Shelf:
    """By tenant, in the order of their coming; each tenant's newest 500. Written by one thread, read by another."""

    by_tenant: dict[str, deque[Entry]] = field(default_factory=dict)
    complete: bool = False
    """Everything that was there at the start is here."""
    error: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, entry: Entry) -> None:
        with self.lock:
            if entry.tenant_id not in self.by_tenant and len(self.by_tenant) >= MOST_TENANTS:
                oldest = min(self.by_tenant, key=lambda name: self.by_tenant[name][-1].at)
                del self.by_tenant[oldest]
            self.by_tenant.setdefault(entry.tenant_id, deque(maxlen=MOST_OF_A_TENANT)).append(entry)

    def newest(self, wanted: Wanted, own: Collection[str] | None, limit: int, skip: int = 0) -> list[Entry]:
        """The newest first, of the tenants that the person may touch; letters of no tenant only for who may touch all."""
        with self.lock:
            lines = [
                [entry for entry in line if wanted.takes(entry)]
                for tenant_id, line in self.by_tenant.items()
                if (own is None or tenant_id in own) and wanted.tenant_id in ("", tenant_id)
            ]
        ordered = (sorted(line, key=_at, reverse=True) for line in lines if line)
        return list(islice(heapq.merge(*ordered, key=_at, reverse=True), skip, skip + limit))


def _at(entry: Entry) -> datetime:
    return entry.at


class LetterFollower:
    """Reads the topic in a thread of its own from its beginning on, and goes on after Kafka was away."""

    def __init__(
        self, open_reader: Callable[[], TopicReader], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.shelf = Shelf()
        self._open, self._monotonic = open_reader, monotonic
        self._next: dict[int, int] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="dead-letters", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        """Returns within about a second."""
        self._ending.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, 10.0)

    def _follow(self) -> None:
        while not self._ending.is_set():
            try:
                with self._open() as reader:
                    self._read(reader)
            except Failure as error:
                self.shelf.error = str(error)
                self._ending.wait(AWAY_SECONDS)
            except Exception as error:  # a bug here must not end the following for good
                log.exception("dead letters are not followed")
                self.shelf.error = repr(error)
                self._ending.wait(AWAY_SECONDS)

    def _read(self, reader: TopicReader) -> None:
        partitions = reader.partitions()
        ends = {number: end for number, (_, end) in reader.ends(partitions).items()}
        reader.start({number: self._next.get(number, -1) for number in partitions})
        self.shelf.error = ""
        looked_at = self._monotonic()
        while not self._ending.is_set():
            for found in reader.poll():
                self._next[found.partition] = found.offset + 1
                if isinstance(found.event, DeadLetter):
                    self.shelf.put(entry_of(found, found.event))
            if not self.shelf.complete:
                ends = {number: end for number, end in ends.items() if end > self._next.get(number, 0)}
                self.shelf.complete = not ends or all(self._emptied(reader, number) for number in ends)
            if self._monotonic() - looked_at > LOOK_AGAIN_SECONDS:
                looked_at = self._monotonic()
                if reader.partitions() != partitions:
                    return

    def _emptied(self, reader: TopicReader, number: int) -> bool:
        """Whether retention took what stood before the end: nothing will come from there."""
        first, end = reader.ends([number])[number]
        return first >= end


def entry_of(found: Found, letter: DeadLetter) -> Entry:
    return Entry(
        letter.last_failed_at,
        letter.tenant_id,
        letter.ticket_id,
        letter.stage,
        letter.reason,
        letter.error[:MOST_ERROR],
        letter.event_id,
        f"{found.partition}:{found.offset}",
        letter.attempts,
    )
