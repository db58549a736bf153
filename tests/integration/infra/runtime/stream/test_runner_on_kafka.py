"""The runner in real processes on a real Kafka: what comes out, what is set aside, and that no stop loses anything."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from infra.runtime.kafka.producer import Record
from infra.runtime.keys.signing import SigningKey
from infra.runtime.stream.admission import Admission
from infra.runtime.stream.record import Input, RawRecord
from schemas import ids
from schemas.envelope import parse
from schemas.events import DeadLetter
from schemas.signature import Signed, format_signature
from schemas.topics import Topic
from schemas.wire_format import Codec
from tests.integration.infra.runtime.stream.echo_stage import PARTITIONS, key_directory, limits
from tests.integration.infra.runtime.stream.outputs import all_committed, all_out, decoded
from tests.integration.infra.runtime.stream.stage_world import StageWorld, received, until
from tests.unit.infra.runtime.stream.odd_batches import OddName, builder

CAP, WINDOW = 5, 64
FLOW, POISON, HELD, OTHERS = range(PARTITIONS)
"""The shared worker's tests keep apart by partition."""


@pytest.fixture(scope="module")
async def shared(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StageWorld]:
    """One worker, left running."""
    async with StageWorld(kafka, "shared-", tmp_path_factory.mktemp("shared")) as world:
        await world.start().ready()
        yield world


@pytest.fixture
async def world(kafka: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[StageWorld]:
    """Topics for one test; it starts its workers itself."""
    prefix = sha256(request.node.name.encode()).hexdigest()[:8] + "-"
    async with StageWorld(kafka, prefix, tmp_path) as world:
        yield world


async def test_every_event_comes_out_once_on_its_partition_signed_and_with_its_headers(shared: StageWorld) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    fed = await shared.feed(FLOW, ["echo"] * 150, "flow")
    traced = received("traced", f"t{FLOW}", "echo")
    await shared.publisher.publish(traced, topic=Topic.TICKETS_RECEIVED, partition=FLOW, traceparent=trace)
    found = await all_out(shared, [*fed, "traced"])
    keys = key_directory(shared.folder)
    await keys.refresh()
    admission = Admission(Topic.TICKETS_ENRICHED, keys, limits(), Codec())
    for event_id in [*fed, "traced"]:
        (record,) = found[event_id]
        assert (record.position.partition, record.key) == (FLOW, f"t{FLOW}".encode())
        assert isinstance(await _admitted(admission, record, shared.prefix), Input)
        envelope, _ = parse(record.headers)
        assert envelope.id == ids.of_output(event_id, "enrich")
        assert envelope.type == "com.ticketstream.TicketEnriched.v1"
        assert (envelope.source, envelope.subject) == ("/ticketstream/enrich", f"ticket-{event_id}")
        assert envelope.traceparent == (trace if event_id == "traced" else None)
    await all_committed(shared, {FLOW: 151})


async def _admitted(admission: Admission, record: RawRecord, prefix: str) -> Any:
    assert record.position.topic == f"{prefix}tickets.enriched"
    return await admission.admit(record)


def signed(world: StageWorld, record: Record, **changes: Any) -> Record:
    """The record with these changes, and a signature that is right for them."""
    record = record._replace(**changes)
    envelope, _ = parse([(name, value) for name, value in record.headers if isinstance(value, bytes)])
    key = SigningKey.load(world.folder / "ingest.pem")
    message = Signed(
        record.topic, record.partition, record.key, envelope.id, envelope.type, envelope.tenant_id, envelope.subject,
        envelope.time, record.value,
    ).message()  # fmt: skip
    return record._replace(headers=envelope.headers(format_signature(key.key_id, key.sign(message))))


async def test_what_can_not_be_handled_is_set_aside_whole_and_the_rest_flows(shared: StageWorld) -> None:
    topic = Topic.TICKETS_RECEIVED

    def good(name: str, partition: int = POISON, tenant: str = f"t{POISON}", subject: str = "echo") -> Record:
        return shared.publisher.record(received(name, tenant, subject), topic=topic, partition=partition)

    name = topic.named(shared.prefix)
    poison = {
        "garbage": (Record(name, POISON, b"t1", b"garbage", []), "malformed"),
        "empty": (Record(name, POISON, b"", b"", []), "malformed"),
        "unknown schema": (signed(shared, good("p1"), value=b"\0\0\1\0\0body"), "unknown_schema"),
        "garbage inside": (signed(shared, good("p2"), value=b"\0\0\0\3\xe9\xff\xff"), "malformed"),
        "changed value": (good("p3")._replace(value=good("p3").value + b"x"), "bad_signature"),
        "another partition's": (good("p4", FLOW, "t0")._replace(partition=POISON), "bad_signature"),
        "another tenant's": (good("p5", POISON, "t0"), "wrong_partition"),
        "1 MB": (good("p6")._replace(value=b"x" * 1_000_000), "bad_signature"),
        "1 MB, signed": (signed(shared, good("p7"), value=b"\0" * 1_000_000), "too_large"),
        "a bug": (good("p8", subject="raise"), "internal_error"),
    }
    written, fed = dict[str, RawRecord](), list[str]()
    for number, (what, (record, _)) in enumerate(poison.items()):
        written[what] = await shared.write(record)
        fed += await shared.feed(POISON, ["echo"] * 3, f"among{number}")
    found = await all_out(shared, fed)
    assert all(len(found[event_id]) == 1 for event_id in fed)
    letters = await until(lambda: letters_of(shared, len(poison)), "all dead letters")
    for what, (_, reason) in poison.items():
        stood = written[what]
        outer, letter = letters[stood.position.offset]
        assert letter.reason == reason, what
        assert (letter.original_topic, letter.original_partition) == (name, POISON)
        assert outer.position.partition == POISON
        assert (letter.original_value, letter.original_key) == (stood.value, stood.key), what
        assert tuple((header.key, header.value) for header in letter.original_headers) == stood.headers
        assert letter.original_sha256 == sha256(stood.value or b"").hexdigest()
        proven = reason not in ("malformed", "bad_signature") or what == "garbage inside"
        assert (letter.tenant_id != "") is proven, what
        assert outer.key == letter.tenant_id.encode()
    outer, letter = letters[written["a bug"].position.offset]
    assert letter.attempts == 3 and "told to raise by p8" in letter.error and "Traceback" in letter.error
    await all_committed(shared, {POISON: len(poison) + len(fed)})


async def letters_of(world: StageWorld, count: int) -> dict[int, tuple[RawRecord, DeadLetter]] | None:
    records = [record for record in await world.seen(Topic.DEAD_LETTERS) if record.position.partition == POISON]
    letters = [(record, Codec().decode(record.value or b"", Topic.DEAD_LETTERS)) for record in records]
    assert len(letters) == len({letter.original_offset for _, letter in letters}), "a record was set aside twice"
    return {letter.original_offset: (record, letter) for record, letter in letters} if len(letters) >= count else None


async def test_records_without_key_and_value_are_set_aside_too(shared: StageWorld) -> None:
    """Other programs' producers may write such."""
    from confluent_kafka import Producer as RawProducer

    producer = RawProducer({"bootstrap.servers": shared.kafka})
    producer.produce(Topic.TICKETS_RECEIVED.named(shared.prefix), None, None, OTHERS)
    await asyncio.to_thread(producer.flush, 10)
    fed = await shared.feed(OTHERS, ["echo"], "behind-nothing")
    await all_out(shared, fed)

    async def letter() -> DeadLetter | None:
        found = [r for r in await shared.seen(Topic.DEAD_LETTERS) if r.position.partition == OTHERS]
        return Codec().decode(found[0].value or b"", Topic.DEAD_LETTERS) if found else None

    found = await until(letter, "its dead letter")
    assert (found.reason, found.original_key, found.original_value) == ("malformed", None, None)


async def test_a_header_name_that_is_no_text_stops_nothing(world: StageWorld) -> None:
    """Brokers take it; aiokafka's reader gives up at it."""
    producer = AIOKafkaProducer(bootstrap_servers=world.kafka)
    await producer.start()
    try:
        batch = producer.create_batch()
        batch._builder = builder()
        batch.append(key=b"t0", value=b"garbage", timestamp=None, headers=[(OddName("x"), b"v")])
        await producer.send_batch(batch, Topic.TICKETS_RECEIVED.named(world.prefix), partition=FLOW)
    finally:
        await producer.stop()
    fed = await world.feed(FLOW, ["echo"], "behind-it")
    worker = world.start()
    await all_out(world, fed)

    async def letter() -> DeadLetter | None:
        found = await world.seen(Topic.DEAD_LETTERS)
        return Codec().decode(found[0].value or b"", Topic.DEAD_LETTERS) if found else None

    found = await until(letter, "its dead letter")
    assert [(header.key, header.value) for header in found.original_headers] == [("na\ufffdve", b"v")]
    await all_committed(world, {FLOW: 2})
    assert worker.process.poll() is None


async def test_others_flow_past_a_held_head_and_the_commit_counts_them(shared: StageWorld) -> None:
    (held,) = await shared.feed(HELD, ["hold"], "held")
    others = await shared.feed(HELD, ["echo"] * 40, "past-it")
    found = await all_out(shared, others)
    assert held not in found
    await all_committed(shared, {HELD: 0}, ahead=40)
    assert await shared.committed_for_confluent(HELD) == (0, "ahead=40 running=0")
    (shared.folder / "release").touch()
    found = await all_out(shared, [held])
    assert [len(found[event_id]) for event_id in (held, *others)] == [1] * 41
    await all_committed(shared, {HELD: 41})


async def test_sigterm_in_the_middle_loses_nothing_and_runs_little_twice(world: StageWorld) -> None:
    fed = [i for p in range(PARTITIONS) for i in await world.feed(p, ["slow 0.3"] * 60, "work")]
    first = await world.start().ready()
    await world.works(first, 20)
    first.process.send_signal(signal.SIGTERM)
    assert await first.ended(12) == 0
    before = len({event_id for _, event_id, _ in world.calls()})
    assert before < len(fed), "the test stops the worker too late to prove anything"
    await world.start().ready()
    found = await all_out(world, fed)
    twice = sum(len(records) - 1 for records in found.values())
    assert twice <= CAP * PARTITIONS  # what was running; none, if the last commit was in time
    await all_committed(world, dict.fromkeys(range(PARTITIONS), 60))


async def test_workers_that_come_go_and_are_killed_lose_nothing(world: StageWorld) -> None:
    async def feed(name: str, each: int) -> list[str]:
        return [i for p in range(PARTITIONS) for i in await world.feed(p, ["slow 0.3"] * each, name)]

    fed = await feed("work", 60)
    one = await world.start().ready()
    await world.works(one, 20)
    two = await world.start().ready()
    fed += await feed("more", 40)  # however long it took to be ready, something is left for it
    await world.works(two, 10)
    one.process.send_signal(signal.SIGTERM)
    three = world.start()
    fed += await feed("last", 60)
    await world.works(two, 40)
    os.kill(two.pid, signal.SIGKILL)
    assert (await two.ended(5), await one.ended(12)) == (-signal.SIGKILL, 0)
    before = len({event_id for _, event_id, _ in world.calls()})
    assert before < len(fed), "the test kills the worker too late to prove anything"
    found = await all_out(world, fed)
    assert three.process.poll() is None
    twice = sum(len(records) - 1 for records in found.values())
    assert twice <= WINDOW * PARTITIONS  # finished behind an open one when the worker was killed
    await all_committed(world, dict.fromkeys(range(PARTITIONS), 160))


async def test_a_handler_that_outlives_the_revoke_publishes_nothing(world: StageWorld) -> None:
    old = await world.start(detach=True).ready()
    fed = [i for p in range(PARTITIONS) for i in await world.feed(p, ["slow 4"], "long")]

    async def running() -> bool:
        return {event_id for _, event_id, what in world.calls() if what == "started"} == set(fed)

    await until(running, "all calls run")
    new = world.start(detach=True)
    old.process.send_signal(signal.SIGTERM)
    found = await all_out(world, fed)
    assert await old.ended(12) == 0
    finished = {(pid, event_id) for pid, event_id, what in world.calls() if what == "finished"}
    assert {(old.pid, event_id) for event_id in fed} <= finished, "the old worker's calls were to go on to their end"
    for event_id in fed:
        (record,) = found[event_id]
        assert decoded(record).took_ms == {"pid": new.pid}
    await all_committed(world, dict.fromkeys(range(PARTITIONS), 1))


async def test_a_worker_stopped_while_the_group_is_rebalancing_leaves_it_and_finishes_its_calls(
    world: StageWorld,
) -> None:
    frozen = await world.start().ready()
    old = await world.start(detach=True).ready()
    fed = [i for p in range(PARTITIONS) for i in await world.feed(p, ["slow 4"], "long")]

    async def running() -> bool:
        return len({event_id for _, event_id, what in world.calls() if what == "started"}) == len(fed)

    await until(running, "all calls run")
    os.kill(frozen.pid, signal.SIGSTOP)
    world.start(detach=True)  # the group waits for the frozen one now

    async def rebalancing() -> bool:
        return "is rebalancing" in old.log.read_text()

    await until(rebalancing, "the old worker takes part in a rebalance")
    old.process.send_signal(signal.SIGTERM)
    assert await old.ended(20) == 0
    assert '"left":true' in old.log.read_text()
    finished = {event_id for pid, event_id, what in world.calls() if pid == old.pid and what == "finished"}
    started = {event_id for pid, event_id, what in world.calls() if pid == old.pid and what == "started"}
    assert started and finished == started
    frozen.process.kill()
    await all_out(world, fed)
