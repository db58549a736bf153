"""The bytes of questions and answers, held against aiokafka's own reading and writing of the same."""

from __future__ import annotations

from io import BytesIO
from struct import pack

from aiokafka.protocol.commit import OffsetFetchRequest_v2, OffsetFetchResponse_v2
from aiokafka.protocol.fetch import FetchRequest_v4, FetchResponse_v4
from aiokafka.protocol.offset import OffsetRequest_v1, OffsetResponse_v1
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from infra.ops.lag.wire import (
    EARLIEST,
    Batch,
    Committed,
    Fetched,
    Listed,
    assigned_partitions,
    committed_question,
    offsets_question,
    read_committed,
    read_offsets,
    read_records,
    records_question,
)

TOPICS = ("tickets.received", "täst")


def batch(base: int, records: int, appended: int | None = None) -> bytes:
    """As a producer sends it, and a broker that sets its own times keeps it."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 10_000)
    for number in range(records):
        builder.append(number, timestamp=1000 + number, key=None, value=b"v", headers=[])
    built = bytearray(builder.build())
    built[0:8] = pack(">q", base)
    if appended is not None:
        built[22] |= 8
        built[35:43] = pack(">q", appended)
    return bytes(built)


def test_questions_are_written_as_aiokafka_writes_them() -> None:
    committed = committed_question("group", TOPICS[0], [0, 7, 300])
    assert committed.encode() == OffsetFetchRequest_v2("group", [(TOPICS[0], [0, 7, 300])]).encode()
    offsets = offsets_question({TOPICS[0]: [1, 2], TOPICS[1]: [3]}, EARLIEST)
    asked = [(TOPICS[0], [(1, -2), (2, -2)]), (TOPICS[1], [(3, -2)])]
    assert offsets.encode() == OffsetRequest_v1(-1, asked).encode()
    records = records_question({TOPICS[0]: [(1, 50), (2, 60)]}, of_each=100, of_all=1000)
    assert records.encode() == FetchRequest_v4(-1, 0, 0, 1000, 0, [(TOPICS[0], [(1, 50, 100), (2, 60, 100)])]).encode()
    for question, own in ((committed, OffsetFetchRequest_v2), (offsets, OffsetRequest_v1), (records, FetchRequest_v4)):
        assert (question.key, question.version) == (own.API_KEY, own.API_VERSION)


def test_a_broker_that_speaks_another_version_is_told_apart() -> None:
    question = offsets_question({}, EARLIEST)
    assert question.prepare({2: (1, 9)}) is question
    for versions in ({2: (2, 9)}, {2: (0, 0)}, {}):
        try:
            question.prepare(versions)
        except NotImplementedError:
            continue
        raise AssertionError(versions)


def test_a_header_carries_the_number_by_which_the_answer_is_known() -> None:
    question = offsets_question({}, EARLIEST)
    assert question.build_request_header(77, "me").encode() == pack(">hhih", 2, 1, 77, 2) + b"me"
    assert question.parse_response_header(BytesIO(pack(">i", 77))).correlation_id == 77


def test_commits_are_read_with_their_metadata() -> None:
    said = [(0, 5, "ahead=1 running=2\0", 0), (1, -1, "", 0), (2, -1, None, 29)]
    body = OffsetFetchResponse_v2([(TOPICS[1], said)], 16).encode()
    found, error = read_committed(body)
    assert found == {0: Committed(5, b"ahead=1 running=2\0", 0), 1: Committed(-1, b"", 0), 2: Committed(-1, b"", 29)}
    assert error == 16


def test_offsets_are_read_by_topic() -> None:
    body = OffsetResponse_v1([(TOPICS[0], [(0, 0, -1, 5), (1, 6, -1, -1)]), (TOPICS[1], [])]).encode()
    assert list(read_offsets(body)) == [(TOPICS[0], {0: Listed(5, 0), 1: Listed(-1, 6)}), (TOPICS[1], {})]


def test_of_records_the_time_is_read_at_which_the_broker_wrote_them() -> None:
    two = batch(10, 3, appended=50_000) + batch(13, 2, appended=60_000)
    cut = two + batch(15, 1, appended=70_000)[:60]
    parts = [
        (0, 0, 99, 99, [], two),
        (1, 0, 99, 99, None, cut),
        (2, 0, 99, 99, [(1, 2)], batch(0, 1)),
        (3, 1, 0, 0, [], b""),
    ]
    (found,) = read_records(FetchResponse_v4(0, [(TOPICS[0], parts)]).encode())
    whole = [Batch(12, 50_000), Batch(14, 60_000)]
    assert found == (
        TOPICS[0],
        {
            0: Fetched(whole, 0),
            1: Fetched([*whole, Batch(15, 70_000)], 0),
            2: Fetched([Batch(0, None)], 0),
            3: Fetched([], 1),
        },
    )


def test_a_members_share_is_read_by_topic() -> None:
    share = pack(">hi", 0, 2) + pack(">h1sii", 1, b"a", 1, 9) + pack(">h1siii", 1, b"b", 2, 4, 6) + pack(">i", -1)
    assert tuple(assigned_partitions(share, "b")) == (4, 6)
    assert tuple(assigned_partitions(share, "a")) == (9,)
    assert tuple(assigned_partitions(share, "c")) == () == tuple(assigned_partitions(b"", "a"))
