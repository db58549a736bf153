"""What the lag service asks brokers every two seconds about thousands of partitions, as bytes.

aiokafka's own classes for these requests take some calls of Python for each number: a tenth of a core for 1,000 tenants. Only its
connections are used. Versions are the oldest that brokers since 2.1 and up to 4.x all speak.
Source: https://kafka.apache.org/protocol
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from struct import Struct
from typing import NamedTuple

LATEST, EARLIEST = -1, -2
"""Instead of a time: the end offset, the first offset."""
_INT16, _INT32 = Struct(">h"), Struct(">i")
_HEADER = Struct(">hhi")
_COMMITTED, _OFFSET, _FETCHED = Struct(">iqh"), Struct(">ihqq"), Struct(">ihqq")
_ASKED_OFFSET, _ASKED_RECORD = Struct(">iq"), Struct(">iqi")
_BASE_AND_LENGTH, _LAST_AND_TIMES = Struct(">qi"), Struct(">iqq")
_LOG_APPEND_TIME = 0x08
"""Of a batch's attributes: its latest time is the broker's, and that of all its records."""


class Committed(NamedTuple):
    """`offset` is -1 where nothing was ever committed. `error` is Kafka's code, 0 for none, also below."""

    offset: int
    metadata: bytes
    error: int


class Listed(NamedTuple):
    offset: int
    error: int


class Batch(NamedTuple):
    """A batch of records up to the offset `last`. `appended` is when the broker wrote it, in Unix milliseconds; None where the
    topic keeps the producers' times."""

    last: int
    appended: int | None


class Fetched(NamedTuple):
    batches: list[Batch]
    error: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What aiokafka's connection takes for a header of a reply."""

    correlation_id: int


@dataclass(frozen=True, slots=True)
class _Header:
    written: bytes

    def encode(self) -> bytes:
        return self.written


class Body:
    """What aiokafka's connection takes for a reply's class: its bytes, unread."""

    @staticmethod
    def decode(data: BytesIO) -> bytes:
        return data.read()


@dataclass(frozen=True, slots=True)
class Question:
    """A request as aiokafka's connection wants it."""

    key: int
    version: int
    body: bytes
    RESPONSE_TYPE = Body

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Question:
        least, most = versions.get(self.key, (0, -1))
        if not least <= self.version <= most:
            raise NotImplementedError(f"the broker doesn't speak version {self.version} of request {self.key}")
        return self

    def build_request_header(self, correlation_id: int, client_id: str) -> _Header:
        return _Header(_HEADER.pack(self.key, self.version, correlation_id) + _text(client_id))

    def parse_response_header(self, data: BytesIO) -> Reply:
        return Reply(_INT32.unpack(data.read(4))[0])

    def encode(self) -> bytes:
        return self.body


def committed_question(group: str, topic: str, partitions: Sequence[int]) -> Question:
    """OffsetFetch 2."""
    numbers = Struct(f">{len(partitions)}i").pack(*partitions)
    return Question(9, 2, b"".join((_text(group), _INT32.pack(1), _text(topic), _INT32.pack(len(partitions)), numbers)))


def read_committed(body: bytes) -> tuple[dict[int, Committed], int]:
    """By partition, and the error of all of it."""
    found, at = dict[int, Committed](), 0
    topics, at = _int32(body, at)
    for _ in range(topics):
        _, at = _read_text(body, at)
        count, at = _int32(body, at)
        for _ in range(count):
            number, offset, length = _COMMITTED.unpack_from(body, at)
            begin = at + _COMMITTED.size
            at = begin + max(0, length)
            found[number] = Committed(offset, body[begin:at], _INT16.unpack_from(body, at)[0])
            at += 2
    return found, _INT16.unpack_from(body, at)[0]


def offsets_question(places: Mapping[str, Sequence[int]], which: int) -> Question:
    """ListOffsets 1: LATEST or EARLIEST of these partitions by topic."""
    parts = [_INT32.pack(-1), _INT32.pack(len(places))]
    for topic, numbers in places.items():
        parts += (_text(topic), _INT32.pack(len(numbers)))
        parts += (_ASKED_OFFSET.pack(number, which) for number in numbers)
    return Question(2, 1, b"".join(parts))


def read_offsets(body: bytes) -> Iterator[tuple[str, dict[int, Listed]]]:
    """By topic and partition."""
    topics, at = _int32(body, 0)
    for _ in range(topics):
        topic, at = _read_text(body, at)
        count, at = _int32(body, at)
        end = at + count * _OFFSET.size
        yield topic, {number: Listed(offset, error) for number, error, _, offset in _OFFSET.iter_unpack(body[at:end])}
        at = end


def records_question(places: Mapping[str, Sequence[tuple[int, int]]], *, of_each: int, of_all: int) -> Question:
    """Fetch 4, without waiting: by topic, partitions and from which offset. At most `of_each` bytes of a partition and about
    `of_all` together; of one that has a record the broker sends a whole batch, whatever its size."""
    parts = [_INT32.pack(-1), _INT32.pack(0), _INT32.pack(0), _INT32.pack(of_all), b"\0", _INT32.pack(len(places))]
    for topic, asked in places.items():
        parts += (_text(topic), _INT32.pack(len(asked)))
        parts += (_ASKED_RECORD.pack(number, offset, of_each) for number, offset in asked)
    return Question(1, 4, b"".join(parts))


def read_records(body: bytes) -> Iterator[tuple[str, dict[int, Fetched]]]:
    """By topic and partition, the batches' headers; what is in the records isn't looked at."""
    topics, at = _int32(body, 4)
    for _ in range(topics):
        topic, at = _read_text(body, at)
        count, at = _int32(body, at)
        found = dict[int, Fetched]()
        for _ in range(count):
            number, error, _, _ = _FETCHED.unpack_from(body, at)
            aborted, at = _int32(body, at + _FETCHED.size)
            length, at = _int32(body, at + 16 * max(0, aborted))
            found[number] = Fetched(_batches(body, at, at + max(0, length)), error)
            at += max(0, length)
        yield topic, found


def assigned_partitions(assignment: bytes, topic: str) -> Sequence[int]:
    """Of a member's assignment as the consumer protocol has it, the partitions of this topic."""
    if not assignment:
        return ()
    topics, at = _int32(assignment, 2)
    found: Sequence[int] = ()
    for _ in range(topics):
        name, at = _read_text(assignment, at)
        count, at = _int32(assignment, at)
        if name == topic:
            found = Struct(f">{count}i").unpack_from(assignment, at)
        at += 4 * count
    return found


def _batches(body: bytes, at: int, end: int) -> list[Batch]:
    """Those whose header is whole: the last one may be cut off."""
    found = list[Batch]()
    while at + 43 <= end:
        base, length = _BASE_AND_LENGTH.unpack_from(body, at)
        (attributes,) = _INT16.unpack_from(body, at + 21)
        delta, _, latest = _LAST_AND_TIMES.unpack_from(body, at + 23)
        found.append(Batch(base + delta, latest if attributes & _LOG_APPEND_TIME else None))
        at += 12 + length
    return found


def _text(text: str) -> bytes:
    written = text.encode()
    return _INT16.pack(len(written)) + written


def _read_text(body: bytes, at: int) -> tuple[str, int]:
    (length,) = _INT16.unpack_from(body, at)
    begin = at + 2
    return body[begin : begin + max(0, length)].decode(), begin + max(0, length)


def _int32(body: bytes, at: int) -> tuple[int, int]:
    return _INT32.unpack_from(body, at)[0], at + 4
