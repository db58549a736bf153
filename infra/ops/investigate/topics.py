"""What Kafka tells of one ticket, read in threads: the records that PostgreSQL's rows lead to, and what no row tells yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from infra.ops.investigate import records
from infra.ops.investigate.facts import Arrival, Emitted, Gathered, Lane, Letter
from infra.ops.investigate.partition_reader import (
    Headers,
    PartitionReader,
    Search,
    Stretch,
    about_ticket,
)
from infra.ops.investigate.rows import Rows
from infra.ops.investigate.sources import Sources
from infra.ops.investigate.threads import Threads
from infra.runtime.keys.directory import KeyDirectory
from infra.runtime.stream.record import RawRecord
from schemas.topics import Stage, Topic

MOST_ARRIVALS = 10
NEAR = 2000
"""Records behind an arrival in which copies of it are looked for."""
BEFORE, AFTER = timedelta(seconds=5), timedelta(seconds=5)
"""By which the clocks of brokers, workers and PostgreSQL may differ."""
LETTER_BEFORE = timedelta(seconds=30)
"""By which a letter may be older than the row that tells of it."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """As in `Facts`. `subject` is of the newest record that has one."""

    arrivals: tuple[Arrival, ...] = ()
    gathered: tuple[Gathered, ...] = ()
    synthesized: tuple[Emitted, ...] = ()
    delivered: tuple[Emitted, ...] = ()
    letters: tuple[Letter, ...] = ()
    looked: tuple[str, ...] = ()
    not_looked_at: int = 0
    subject: str = ""


@dataclass(slots=True)
class TicketTopics:
    """The ticket's records in one partition. `rows` are PostgreSQL's, empty where it is away; `lanes` where the stages stand."""

    sources: Sources
    tenant_id: str
    ticket_id: str
    partition: int
    rows: Rows
    lanes: Mapping[Stage, Lane]
    keys: KeyDirectory | None = None
    _looked: list[str] = field(default_factory=list)
    _not_looked_at: int = 0

    async def read(self, threads: Threads) -> Told:
        """Every topic at once, each with a consumer and a thread of its own. Raises KafkaAway."""
        received, enriched, synthesized, delivered, letters = await asyncio.gather(
            threads.run(lambda: self._reading(self._received)),
            threads.run(lambda: self._reading(self._enriched)),
            threads.run(lambda: self._reading(self._synthesized)),
            threads.run(lambda: self._reading(self._delivered)),
            threads.run(lambda: self._reading(self._letters)),
        )
        arrivals, subject = received
        looked = tuple(sorted(set(self._looked)))
        return Told(arrivals, enriched, synthesized, delivered, letters, looked, self._not_looked_at, subject)

    def _reading(self, work: Callable[[PartitionReader, float], T]) -> T:
        with PartitionReader(self.sources.kafka or {}, self.sources.prefix, self.partition) as reader:
            return work(reader, time.monotonic() + self.sources.look_seconds)

    def _received(self, reader: PartitionReader, deadline: float) -> tuple[tuple[Arrival, ...], str]:
        topic, about = Topic.TICKETS_RECEIVED, about_ticket(self.ticket_id)
        kept = reader.extent(topic)
        known = self.rows.arrivals[-MOST_ARRIVALS:]
        places = [row.position.offset for row in known if kept.first <= row.position.offset < kept.end]
        found = [record for place in places if (record := reader.at(topic, place, deadline))]
        if known:
            near = Stretch(known[-1].position.offset + 1, min(known[-1].position.offset + 1 + NEAR, kept.end))
            found += reader.forward(topic, _within(near, kept), about, deadline).found
        found += self._not_yet_in_rows(reader, kept, deadline)
        return self._arrivals(found)

    def _not_yet_in_rows(self, reader: PartitionReader, kept: Stretch, deadline: float) -> tuple[RawRecord, ...]:
        """What enrich hasn't begun stands behind what its group committed; without rows it may stand anywhere. Newest first."""
        topic, about = Topic.TICKETS_RECEIVED, about_ticket(self.ticket_id)
        lane = self.lanes.get(Stage.ENRICH)
        known = self.rows.tenant is not None and lane is not None
        waiting = _within(Stretch(lane.next, lane.end), kept) if known and lane else kept
        search = reader.backward(topic, waiting, about, deadline)
        if not search.found:
            self._not_looked_at = search.asked.length - search.looked_at.length
        return self._noted(topic, search)

    def _arrivals(self, found: Sequence[RawRecord]) -> tuple[tuple[Arrival, ...], str]:
        codec = self.sources.codec
        read: dict[str, Arrival] = {}
        subject = ""
        for record, copies in records.once(found):
            if arrival := records.arrival(record, copies, codec, self.keys):
                read[arrival.event_id] = arrival
                subject = records.subject(record, codec) or subject
        rows = {row.event_id: row for row in self.rows.arrivals}
        merged = [records.merged(row, read.get(event_id)) for event_id, row in rows.items()]
        merged += [one for event_id, one in read.items() if event_id not in rows]
        return tuple(sorted(merged, key=lambda one: (one.received_at, one.position.offset))), subject

    def _enriched(self, reader: PartitionReader, deadline: float) -> tuple[Gathered, ...]:
        """Between the moment when enrich took the event and the one when it was done with it."""
        topic = Topic.TICKETS_ENRICHED
        windows = [
            (row.admitted_at, row.done_at)
            for row in self.rows.arrivals[-MOST_ARRIVALS:]
            if row.admitted_at and row.done_at and row.outcome == "published"
        ]
        found = self._between(reader, topic, windows, deadline)
        return tuple(
            one
            for record, copies in records.once(found)
            if (one := records.gathered(record, copies, self.sources.codec))
        )

    def _synthesized(self, reader: PartitionReader, deadline: float) -> tuple[Emitted, ...]:
        """From the moment when the text was stored to the one when deliver took it."""
        begun = {intent.content_hash: intent.created_at for intent in self.rows.intents}
        windows = [
            (one.synthesized_at, begun.get(one.content_hash)) for one in self.rows.contents if one.synthesized_at
        ]
        return self._emitted(reader, Topic.ENHANCEMENTS_SYNTHESIZED, windows, deadline)

    def _delivered(self, reader: PartitionReader, deadline: float) -> tuple[Emitted, ...]:
        """Right after deliver was done with it."""
        windows = [
            (ended, ended)
            for one in self.rows.contents
            if one.synthesized_at
            and (ended := one.posted_at or (one.updated_at if one.status == "dropped" else None)) is not None
        ]
        return self._emitted(reader, Topic.ENHANCEMENTS_DELIVERED, windows, deadline)

    def _emitted(
        self,
        reader: PartitionReader,
        topic: Topic,
        windows: Sequence[tuple[datetime, datetime | None]],
        deadline: float,
    ) -> tuple[Emitted, ...]:
        found = self._between(reader, topic, windows, deadline)
        return tuple(
            one
            for record, copies in records.once(found)
            if (one := records.emitted(record, copies, topic, self.sources.codec))
        )

    def _between(
        self,
        reader: PartitionReader,
        topic: Topic,
        windows: Sequence[tuple[datetime, datetime | None]],
        deadline: float,
    ) -> list[RawRecord]:
        """The ticket's records that the broker wrote in these times, the newest time first; in the newest part of the topic where
        PostgreSQL couldn't say when."""
        kept, about = reader.extent(topic), about_ticket(self.ticket_id)
        if self.rows.tenant is None:
            return list(self._noted(topic, reader.backward(topic, kept, about, deadline)))
        found: list[RawRecord] = []
        for since, until in reversed(windows):
            first = reader.since(topic, since - BEFORE, kept)
            end = kept.end if until is None else reader.since(topic, until + AFTER, kept)
            found += self._noted(topic, reader.forward(topic, Stretch(first, max(first, end)), about, deadline))
        return found

    def _letters(self, reader: PartitionReader, deadline: float) -> tuple[Letter, ...]:
        """Newest first, back to the ticket's first arrival. An unproven letter names no ticket: what it keeps may."""
        topic = Topic.DEAD_LETTERS
        kept = reader.extent(topic)
        first = min((one.received_at for one in self.rows.arrivals), default=None)
        if first is not None:
            kept = Stretch(reader.since(topic, first - BEFORE, kept), kept.end)
        about, codec = _letter_about(self.ticket_id), self.sources.codec
        found = self._letters_of_failures(reader, kept, deadline)
        search = reader.backward(topic, kept, about, deadline, enough=MOST_ARRIVALS)
        found += search.found if found else self._noted(topic, search)
        read = {
            one.place: one for record in found if (one := records.letter(record, self.tenant_id, self.ticket_id, codec))
        }
        return tuple(sorted(read.values(), key=lambda one: one.last_failed_at))

    def _letters_of_failures(self, reader: PartitionReader, kept: Stretch, deadline: float) -> list[RawRecord]:
        """A row says that it failed right after the letter is away."""
        topic, about = Topic.DEAD_LETTERS, _letter_about(self.ticket_id)
        found: list[RawRecord] = []
        for content in self.rows.contents:
            if content.status == "failed":
                first = reader.since(topic, content.updated_at - LETTER_BEFORE, kept)
                end = reader.since(topic, content.updated_at + AFTER, kept)
                found += reader.forward(topic, Stretch(first, max(first, end)), about, deadline).found
        return found

    def _noted(self, topic: Topic, search: Search) -> tuple[RawRecord, ...]:
        if not search.complete and not search.found:
            at, asked = search.looked_at, search.asked
            self._looked.append(
                f"{topic}: looked at offsets {at.first} to {at.end} of {asked.first} to {asked.end}, {at.length} of "
                f"{asked.length} records, within {self.sources.look_seconds:g} s"
            )
        return search.found


def _within(stretch: Stretch, kept: Stretch) -> Stretch:
    first = min(max(stretch.first, kept.first), kept.end)
    return Stretch(first, max(first, min(stretch.end, kept.end)))


def _letter_about(ticket_id: str) -> Callable[[Headers], bool]:
    own, unknown = ("ce_subject", ticket_id.encode()), ("ce_subject", b"")
    return lambda headers: own in headers or unknown in headers
