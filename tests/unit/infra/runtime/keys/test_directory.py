"""The directory of public keys: who may sign what and when, and what it does while its source is away."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from infra.runtime.keys.directory import KeyDirectory, KeyVerdict, ServiceKey
from infra.runtime.keys.signing import SigningKey
from schemas.topics import Topic

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SIGNER = SigningKey.create("ingest")
KEY = ServiceKey(SIGNER.key_id, "ingest", ("tickets.received",), SIGNER.public_key_bytes, NOW - DAY)
MESSAGE = b"message"


@dataclass
class Source:
    """Where the keys come from, and the clocks that the directory goes by."""

    keys: list[ServiceKey] = field(default_factory=lambda: [KEY])
    away: bool = False
    asked: int = 0
    seconds: float = 0.0

    async def load(self) -> list[ServiceKey]:
        self.asked += 1
        if self.away:
            raise ConnectionError("away")
        return self.keys

    def now(self) -> datetime:
        return NOW


def directory_of(source: Source) -> KeyDirectory:
    return KeyDirectory(source.load, clock=source, monotonic=lambda: source.seconds)


async def verdict(key: ServiceKey, *, topic: Topic = Topic.TICKETS_RECEIVED, at: datetime | None = None) -> KeyVerdict:
    directory = directory_of(Source([key]))
    await directory.refresh()
    return directory.verify(key.key_id, topic, MESSAGE, SIGNER.sign(MESSAGE), at=at)


async def test_a_services_signature_on_its_own_topic_is_valid() -> None:
    assert await verdict(KEY) is KeyVerdict.VALID


async def test_a_key_signs_only_its_services_topics() -> None:
    assert await verdict(KEY, topic=Topic.ENHANCEMENTS_DELIVERED) is KeyVerdict.WRONG


async def test_a_revoked_key_signs_nothing_whenever_it_was() -> None:
    assert await verdict(replace(KEY, revoked_at=NOW), at=NOW - DAY / 2) is KeyVerdict.WRONG


async def test_what_a_retired_key_signed_in_its_time_stays_valid() -> None:
    retired = replace(KEY, not_after=NOW - DAY / 4)

    assert await verdict(retired, at=NOW - DAY / 2) is KeyVerdict.VALID
    assert await verdict(retired) is KeyVerdict.WRONG


async def test_a_key_does_not_sign_before_its_time_but_clocks_may_differ_by_a_minute() -> None:
    assert await verdict(replace(KEY, not_before=NOW + timedelta(seconds=61))) is KeyVerdict.WRONG
    assert await verdict(replace(KEY, not_before=NOW + timedelta(seconds=59))) is KeyVerdict.VALID


async def test_another_message_or_a_torn_signature_is_wrong() -> None:
    directory = directory_of(Source())
    await directory.refresh()

    for message, signature in (
        (b"massage", SIGNER.sign(MESSAGE)),
        (MESSAGE, b""),
        (MESSAGE, SIGNER.sign(MESSAGE)[:-1]),
    ):
        assert directory.verify(KEY.key_id, Topic.TICKETS_RECEIVED, message, signature) is KeyVerdict.WRONG


async def test_a_key_not_seen_yet_is_unknown_and_is_known_after_the_next_look() -> None:
    source = Source([])
    directory = directory_of(source)
    await directory.refresh()
    assert directory.verify(KEY.key_id, Topic.TICKETS_RECEIVED, MESSAGE, SIGNER.sign(MESSAGE)) is KeyVerdict.UNKNOWN_KEY

    source.keys, source.seconds = [KEY], 1.5
    await directory.refresh()

    assert directory.verify(KEY.key_id, Topic.TICKETS_RECEIVED, MESSAGE, SIGNER.sign(MESSAGE)) is KeyVerdict.VALID


async def test_the_last_view_goes_on_while_the_source_is_away() -> None:
    source = Source()
    directory = directory_of(source)
    await directory.refresh()

    source.away, source.seconds = True, 10.0
    await directory.refresh()

    assert source.asked == 2
    assert directory.find(KEY.key_id) == KEY


async def test_it_is_not_loaded_until_the_source_answered() -> None:
    source = Source(away=True)
    directory = directory_of(source)

    await directory.refresh()
    assert not directory.loaded

    source.away, source.seconds = False, 2.0
    await directory.refresh()
    assert directory.loaded


async def test_however_often_it_is_asked_the_source_is_asked_once_a_second() -> None:
    source = Source()
    directory = directory_of(source)

    for _ in range(20):
        await directory.refresh()
    assert source.asked == 1

    source.seconds = 1.0
    await directory.refresh()
    assert source.asked == 2
