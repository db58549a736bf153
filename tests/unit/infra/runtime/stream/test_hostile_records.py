"""Thousands of hostile records: each becomes a dead letter or waits, none is an output, none stops the stage."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.runtime.kafka.publisher import Publisher
from infra.runtime.keys.directory import KeyDirectory, ServiceKey
from infra.runtime.keys.signing import SigningKey
from infra.runtime.stream.admission import Admission
from infra.runtime.stream.fakes import FixedLimits, KeptEvents, KeptLetters, Limit, ManualClock, MemoryHolds
from infra.runtime.stream.handler import EventHandler
from infra.runtime.stream.hold_book import HoldBook
from infra.runtime.stream.lanes import Done, Later
from infra.runtime.stream.outcomes import Drop, Outcome
from infra.runtime.stream.record import Input, Position, RawRecord
from schemas.events import (
    EnhancementSynthesized,
    FeedbackSubmitted,
    FeedbackType,
    Ticket,
    TicketEnriched,
    TicketKind,
    TicketReceived,
    Writer,
)
from schemas.reasons import Reason
from schemas.signature import Signed, format_signature
from schemas.topics import SIGNED_BY, Stage, Topic
from schemas.wire_format import Codec

TENANT, PARTITION, NEIGHBOUR = "msp-acme-corp", 3, 4
AT = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
KEYS = {service: SigningKey.create(service) for service in SIGNED_BY}
COVERED = ("ce_id", "ce_type", "ce_tenantid", "ce_subject", "ce_time")
NAMES = (*COVERED, "ce_specversion", "ce_source", "content-type", "signature", "traceparent")
HOSTILE = settings(
    derandomize=True, deadline=None, database=None, max_examples=300, suppress_health_check=list(HealthCheck)
)


def event_for(stage: Stage) -> Any:
    received = TicketReceived("event-1", TENANT, TicketKind.CREATED, Ticket("10042", "VPN down", "since nine"), AT)
    match stage:
        case Stage.ENRICH:
            return received
        case Stage.SYNTHESIZE:
            return TicketEnriched.following(received, context=(), missing=(), took_ms={}, at=AT)
        case Stage.DELIVER:
            return EnhancementSynthesized(
                event_id="event-3", input_id="event-2", tenant_id=TENANT, ticket_id="10042", enhancement_id="e", text="Look.",
                citations=(), writer=Writer.BUILTIN, content_hash="h", received_at=AT, enriched_at=AT, synthesized_at=AT,
            )  # fmt: skip
        case Stage.FEEDBACK_AGGREGATE:
            return FeedbackSubmitted("event-4", TENANT, "10042", FeedbackType.THUMBS_UP, submitted_at=AT)


def writer_of(topic: Topic) -> SigningKey:
    return KEYS[next(service for service, topics in SIGNED_BY.items() if topic in topics)]


class _NoKafka:
    def send(self, *_: object) -> Any:
        raise AssertionError("these tests only build records")


def good(stage: Stage) -> RawRecord:
    publisher = Publisher(_NoKafka(), writer_of(stage.consumes), clock=ManualClock())
    made = publisher.record(event_for(stage), topic=stage.consumes, partition=PARTITION)
    headers = tuple((name, value) for name, value in made.headers if isinstance(value, bytes))
    return RawRecord(Position(made.topic, made.partition, 7), made.key, made.value, headers)


def signed_anew(stage: Stage, record: RawRecord) -> RawRecord:
    """By the key that writes the topic, as if its owner's machine were ours."""
    texts = {name: (value or b"").decode() for name, value in record.headers}
    message = Signed(
        topic=record.position.topic, partition=record.position.partition, key=record.key or b"", id=texts["ce_id"],
        type=texts["ce_type"], tenant_id=texts["ce_tenantid"], subject=texts["ce_subject"], time=texts["ce_time"],
        value=record.value or b"",
    ).message()  # fmt: skip
    key = writer_of(stage.consumes)
    return with_header(record, "signature", format_signature(key.key_id, key.sign(message)).encode())


def with_header(record: RawRecord, name: str, value: bytes | None) -> RawRecord:
    others = tuple(pair for pair in record.headers if pair[0] != name)
    return replace(record, headers=(*others, (name, value)))


@dataclass(slots=True)
class Gate:
    """A stage among fakes whose decision is to keep what it was given."""

    stage: Stage
    keys: KeyDirectory
    runner: asyncio.Runner

    def handle(self, record: RawRecord) -> tuple[Done | Later, list[Input], KeptLetters, KeptEvents]:
        """Fresh each time: what one record did must not hold up the next."""
        clock, given_to, letters, publisher = ManualClock(), list[Input](), KeptLetters(), KeptEvents()

        async def process(inputs: Input) -> Outcome:
            given_to.append(inputs)
            return Drop(Reason.UNCHANGED)

        limits = FixedLimits(Limit(TENANT, PARTITION), Limit("msp-nordwind", NEIGHBOUR))
        admission = Admission(self.stage.consumes, self.keys, limits, Codec())
        holds = HoldBook(self.stage.value, MemoryHolds(), clock, random=Random(1))
        handler = EventHandler(self.stage, process, admission, publisher, letters, holds, clock)
        return self.runner.run(handler.handle(record, lambda: True)), given_to, letters, publisher


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """A line for each of thousands would bury what failed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.runtime.stream.handler.log", Mock())
        yield


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module", params=list(Stage), ids=str)
def gate(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Gate:
    async def load() -> list[ServiceKey]:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        return [
            ServiceKey(key.key_id, service, tuple(SIGNED_BY[service]), key.public_key_bytes, long_ago)
            for service, key in KEYS.items()
        ]

    directory = KeyDirectory(load)
    runner.run(directory.refresh())
    return Gate(request.param, directory, runner)


HEADER_VALUES = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            b"",
            b"\x00",
            b"\xff",
            b"x" * 1025,
            b"x" * 200_000,
            b"ed25519;;",
            b"ed25519;k;" + b"A" * 86 + b"==",
            b"\xed\xa0\x80",
        ]
    ),
)


@st.composite
def tampered(draw: st.DrawFn, stage: Stage) -> RawRecord:
    """A good record with something that its signature covers, or the signature, changed afterwards."""
    record, how = good(stage), draw(st.integers(0, 9))
    value = record.value or b""
    match how:
        case 0:
            at = draw(st.integers(0, len(value) * 8 - 1))
            flipped = bytes(byte ^ ((1 << at % 8) if n == at // 8 else 0) for n, byte in enumerate(value))
            return replace(record, value=flipped)
        case 1:
            return with_header(record, draw(st.sampled_from((*COVERED, "signature"))), draw(HEADER_VALUES))
        case 2:
            name = draw(st.sampled_from([name for name, _ in record.headers if name != "content-type"]))
            return replace(record, headers=(*record.headers, (name, draw(HEADER_VALUES))))
        case 3:
            name = draw(
                st.sampled_from([name for name, _ in record.headers if name not in ("content-type", "traceparent")])
            )
            return replace(record, headers=tuple(pair for pair in record.headers if pair[0] != name))
        case 4:
            moved = draw(st.sampled_from([NEIGHBOUR, 0, 63, 2**31 - 1]))
            return replace(record, position=replace(record.position, partition=moved))
        case 5:
            others = [topic.value for topic in Topic if topic is not stage.consumes] + ["x." + stage.consumes.value, ""]
            return replace(record, position=replace(record.position, topic=draw(st.sampled_from(others))))
        case 6:
            keys = st.one_of(st.none(), st.binary(max_size=30), st.just(b"msp-nordwind"), st.just(b"x" * 100_000))
            return replace(record, key=draw(keys.filter(lambda key: key != record.key)))
        case 7:
            return replace(
                record, value=draw(st.one_of(st.none(), st.binary(max_size=400), st.just(b"\x00" * 1_100_000)))
            )
        case 8:
            # A key that is known, and may sign other topics only; or that nobody knows.
            writers = [key for service, key in KEYS.items() if stage.consumes not in SIGNED_BY[service]]
            key = draw(st.sampled_from([*writers, SigningKey.create("enrich")]))
            signature = format_signature(key.key_id, key.sign(draw(st.binary(max_size=20))))
            return with_header(record, "signature", signature.encode())
        case _:
            names = st.one_of(st.sampled_from(NAMES), st.text(max_size=10))
            pairs = st.lists(st.tuples(names, HEADER_VALUES), max_size=100)
            return RawRecord(
                record.position, draw(st.binary(max_size=20)), draw(st.binary(max_size=200)), tuple(draw(pairs))
            )


HUGE_LENGTHS = [b"\xff" * 10, b"\xff" * 40, b"\x80" * 200, b"\xfe" + b"\xff" * 8 + b"\x01", b"\xfe\xff\xff\xff\x0f"]
WRONG_BRANCHES = [b"\x01", b"\x0d", b"\x7e", b"\xc8\x01", b"\x02\x00" * 50, b"\x03" + b"\xff" * 8 + b"\x7f"]
BOMBS = st.sampled_from([*HUGE_LENGTHS, *WRONG_BRANCHES, b"\xed\xa0\x80", b"\x00" * 64])


@st.composite
def wrongly_written(draw: st.DrawFn, stage: Stage) -> bytes:
    """What a service of ours with a fault, or in other hands, could write under its own signature."""
    value, how = good(stage).value or b"", draw(st.integers(0, 6))
    at = draw(st.integers(5, len(value) - 1))
    match how:
        case 0:
            return value[: draw(st.integers(0, len(value) - 1))]
        case 1:
            return value[:1] + draw(st.binary(min_size=4, max_size=4)) + value[5:]
        case 2:
            return value[:at] + draw(BOMBS) + value[at:]
        case 3:
            return value[:at] + draw(BOMBS)
        case 4:
            return value + draw(st.one_of(st.binary(min_size=1, max_size=50), st.just(b"x" * 400_000)))
        case 5:
            return value[:at] + draw(st.binary(min_size=1, max_size=9)) + value[at + 1 :]
        case _:
            return value[:5] + draw(st.one_of(st.binary(max_size=300), BOMBS))


def set_aside(gate: Gate, record: RawRecord) -> bool:
    """Whether it became one dead letter, which can be written, or waits; else it is an event that the stage was given."""
    verdict, given_to, letters, publisher = gate.handle(record)
    assert not publisher.published
    if given_to:
        assert not letters.letters
        return False
    assert isinstance(verdict, Later) or len(letters.letters) == 1
    for letter, partition in letters.letters:
        assert partition == record.position.partition
        assert len(Codec().encode(letter)) < 2 * 1024 * 1024
        assert letter.reason != Reason.INTERNAL_ERROR, letter.error
    return True


def test_what_was_changed_after_signing_goes_no_further(gate: Gate) -> None:
    @HOSTILE
    @given(tampered(gate.stage))
    def held(record: RawRecord) -> None:
        assert record == good(gate.stage) or set_aside(gate, record)

    held()


def test_what_is_wrongly_written_is_set_aside_or_an_event_of_that_very_tenant_and_ticket(gate: Gate) -> None:
    @HOSTILE
    @given(wrongly_written(gate.stage))
    def held(value: bytes) -> None:
        record = signed_anew(gate.stage, replace(good(gate.stage), value=value))
        verdict, given_to, *_ = gate.handle(record)
        assert isinstance(verdict, Done)
        for inputs in given_to:
            event = event_for(gate.stage)
            assert (inputs.event.tenant_id, inputs.event.ticket_id) == (TENANT, event.ticket_id)
            assert inputs.event.event_id == event.event_id
        assert given_to or set_aside(gate, record)

    held()


def test_a_good_record_passes(gate: Gate) -> None:
    _, (inputs,), letters, _ = gate.handle(good(gate.stage))
    assert inputs.event == event_for(gate.stage) and not letters.letters
