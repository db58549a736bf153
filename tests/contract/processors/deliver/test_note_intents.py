"""What every NoteIntents keeps: the fake, and the store in PostgreSQL reached by deliver's own role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4, uuid5

import asyncpg
import pytest

from infra.runtime.postgres.pool import open_pool
from processors.deliver.fakes import FakeEnhancements, FakeNoteIntents
from processors.deliver.ports import LEASE_SECONDS, Busy, Ending, Intent, IntentState, NoteKey, Sent
from processors.deliver.ports import NoteIntents as NoteIntentsPort
from schemas.events import EnhancementSynthesized, Usage, Writer
from schemas.ids import NAMESPACE
from schemas.reasons import Reason
from sinks.postgres.note_intents import NoteIntents

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
_numbers = count(60_001)  # partitions that no topic has
PENDING = Intent(IntentState.PENDING)
AT_MOST = 10.0  # seconds that a step of a test may take


class Rows(Protocol):
    """What others know of a key's ticket and content."""

    async def begun(self, key: NoteKey) -> None:
        """enrich begins to have the content answered."""

    async def says(self, key: NoteKey, content: str) -> None:
        """The ticket's newest content is this."""

    async def status(self, key: NoteKey) -> tuple[str, str | None]:
        """Of the enhancement: its status, and its note or why there is none."""

    async def written(self, key: NoteKey) -> str | None:
        """The enhancement that was written for the content, if that was noted down."""


@dataclass
class FakeRows:
    enhancements: FakeEnhancements

    async def begun(self, key: NoteKey) -> None: ...
    async def says(self, key: NoteKey, content: str) -> None:
        self.enhancements.newest[key.tenant_id, key.ticket_id] = content

    async def status(self, key: NoteKey) -> tuple[str, str | None]:
        row = self.enhancements.rows.get((key.tenant_id, key.ticket_id, key.content_hash))
        return (row.status, row.note_id or row.reason) if row else ("pending", None)

    async def written(self, key: NoteKey) -> str | None:
        return self.enhancements.written.get((key.tenant_id, key.ticket_id, key.content_hash))


@dataclass
class StoredRows:
    superuser: asyncpg.Connection[asyncpg.Record]

    async def begun(self, key: NoteKey) -> None:
        await self.superuser.execute(
            "INSERT INTO enhancements (tenant_id, ticket_id, content_hash, event_id) VALUES ($1, $2, $3, $4)",
            *self._where(key), key.event_id,
        )  # fmt: skip

    async def says(self, key: NoteKey, content: str) -> None:
        await self.superuser.execute(
            "INSERT INTO tickets (tenant_id, ticket_id, subject, description, content_hash, record_offset)"
            " VALUES ($1, $2, 'Printer', '', $3, 1)"
            " ON CONFLICT (tenant_id, ticket_id) DO UPDATE SET content_hash = excluded.content_hash",
            key.tenant_id, key.ticket_id, content,
        )  # fmt: skip

    async def status(self, key: NoteKey) -> tuple[str, str | None]:
        row = await self._row(key)
        return row["status"], row["note_id"] or row["reason"]

    async def written(self, key: NoteKey) -> str | None:
        row = await self._row(key)
        return None if row["enhancement_id"] is None else str(row["enhancement_id"])

    async def _row(self, key: NoteKey) -> asyncpg.Record:
        row = await self.superuser.fetchrow(
            "SELECT * FROM enhancements WHERE tenant_id = $1 AND ticket_id = $2 AND content_hash = $3",
            *self._where(key),
        )
        assert row is not None
        return row

    def _where(self, key: NoteKey) -> tuple[str, str, str]:
        return key.tenant_id, key.ticket_id, key.content_hash


@dataclass
class Intents:
    """One implementation with a tenant of its own; `later` lets so many seconds pass for it."""

    store: NoteIntentsPort
    tenant_id: str
    later: Callable[[float], Awaitable[None]]
    rows: Rows

    async def claim(self, key: NoteKey, owner: str) -> Intent | Busy:
        return await self.store.claim(key, owner, synthesized(key))

    async def claim_to_send(self, key: NoteKey, owner: str, below: int = 3) -> Intent:
        claimed = await self.store.claim(key, owner, synthesized(key), to_send_below=below)
        assert isinstance(claimed, Intent)
        return claimed

    async def may_send(self, key: NoteKey, owner: str) -> bool:
        return await self.store.sent(key, owner) is Sent.NOTED

    async def lapse(self) -> None:
        await self.later(LEASE_SECONDS + 1)

    async def sent_ago(self, key: NoteKey, owner: str) -> float:
        """Of an intent that is sent."""
        claimed = await self.claim(key, owner)
        assert isinstance(claimed, Intent)
        assert claimed.state is IntentState.SENT
        assert claimed.sent_ago is not None
        return claimed.sent_ago

    def key(self, ticket_id: str = "1", content: str = "a", event_id: str | None = None) -> NoteKey:
        return NoteKey(self.tenant_id, ticket_id, content * 64, f"{ticket_id}-{content * 20}", event_id or str(uuid4()))


def synthesized(key: NoteKey) -> EnhancementSynthesized:
    """The event that asks for the note."""
    return EnhancementSynthesized(
        event_id=key.event_id,
        input_id=str(uuid5(NAMESPACE, key.event_id)),
        tenant_id=key.tenant_id,
        ticket_id=key.ticket_id,
        enhancement_id=str(uuid5(NAMESPACE, key.marker)),
        text="Restart it.",
        citations=(),
        writer=Writer.MODEL,
        content_hash=key.content_hash,
        received_at=AT,
        enriched_at=AT,
        synthesized_at=AT,
        model="gpt-4-turbo",
        prompt_version="3",
        usage=Usage(900, 150, 0.0135),
    )


class MovedClock:
    def __init__(self) -> None:
        self.at = AT

    def now(self) -> datetime:
        return self.at


@pytest.fixture(params=["fake", "postgres"])
def database(request: pytest.FixtureRequest) -> MigratedDatabase | None:
    """None for the fake, which needs no database to be started."""
    if request.param == "fake":
        return None
    found: MigratedDatabase = request.getfixturevalue("postgres")
    return found


@pytest.fixture
async def intents(database: MigratedDatabase | None) -> AsyncIterator[Intents]:
    if database is None:
        clock = MovedClock()

        async def pass_by(seconds: float) -> None:
            clock.at += timedelta(seconds=seconds)

        enhancements = FakeEnhancements()
        yield Intents(FakeNoteIntents(clock, enhancements), "deliver-fake", pass_by, FakeRows(enhancements))
        return
    number = next(_numbers)
    tenant_id = f"deliver-{number}"
    superuser = await asyncpg.connect(database.dsn)
    await superuser.execute(
        "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, 'https://desk.example')",
        tenant_id,
        number,
    )

    async def later(seconds: float) -> None:
        for what in ("note_leases SET until = until", "note_intents SET sent_at = sent_at"):
            await superuser.execute(
                f"UPDATE {what} - make_interval(secs => $2) WHERE tenant_id = $1", tenant_id, seconds
            )

    pool = await open_pool(database.dsns["deliver"], service="deliver", size=4)
    yield Intents(NoteIntents(pool), tenant_id, later, StoredRows(superuser))
    await pool.close()
    await superuser.close()


async def test_a_new_intent_is_pending_and_stays_so_until_something_is_sent(intents: Intents) -> None:
    key = intents.key()
    assert await intents.claim(key, "one") == PENDING
    assert await intents.claim(key, "one") == PENDING
    assert await intents.may_send(key, "one")
    await intents.sent_ago(key, "one")
    await intents.store.withdraw(key, "one")
    assert await intents.claim(key, "one") == PENDING


async def test_a_ticket_has_one_owner_at_a_time(intents: Intents) -> None:
    key, other_content, other_ticket = intents.key(), intents.key(content="b"), intents.key("2")
    assert await intents.claim(key, "one") == PENDING
    assert await intents.claim(key, "two") == Busy()
    assert await intents.claim(other_content, "two") == Busy()
    assert await intents.claim(other_ticket, "two") == PENDING
    await intents.store.release(key, "two")
    assert await intents.claim(key, "two") == Busy()
    await intents.store.release(key, "one")
    assert await intents.claim(key, "two") == PENDING


async def test_of_many_who_claim_at_once_one_gets_it(intents: Intents) -> None:
    key = intents.key()
    claims = await asyncio.gather(*(intents.claim(key, f"{number}") for number in range(8)))
    assert [claim for claim in claims if claim != Busy()] == [PENDING]


async def test_an_owner_that_lost_its_lease_can_note_down_nothing(intents: Intents) -> None:
    key = intents.key()
    await intents.claim(key, "one")
    await intents.lapse()
    assert await intents.claim(key, "two") == PENDING
    assert await intents.store.sent(key, "one") is Sent.LEASE_LOST
    assert not await intents.store.renew(key, "one")
    assert await intents.may_send(key, "two")
    await intents.store.withdraw(key, "one")
    await intents.sent_ago(key, "two")


async def test_what_was_sent_stays_so_for_the_next_owner(intents: Intents) -> None:
    key = intents.key()
    await intents.claim(key, "one")
    await intents.store.sent(key, "one")
    await intents.lapse()
    await intents.sent_ago(key, "two")


async def test_every_owner_is_told_how_long_ago_the_desk_was_called_last(intents: Intents) -> None:
    key = intents.key()
    await intents.claim(key, "one")
    await intents.store.sent(key, "one")
    await intents.store.release(key, "one")
    assert 0 <= await intents.sent_ago(key, "two") < AT_MOST
    await intents.later(20)
    assert 20 <= await intents.sent_ago(key, "two") < 20 + AT_MOST
    await intents.lapse()
    assert await intents.sent_ago(key, "three") >= 20 + LEASE_SECONDS
    await intents.store.sent(key, "three")
    assert await intents.sent_ago(key, "three") < AT_MOST


async def test_a_posted_note_is_the_ending_for_every_input_and_frees_the_ticket(intents: Intents) -> None:
    key = intents.key()
    ending = Ending(key.event_id, AT, note_id="77")
    await intents.claim(key, "one")
    assert await intents.store.done(key, ending, "one") == ending
    assert await intents.claim(key, "two") == Intent(IntentState.DONE, ending)
    another = replace(key, event_id=str(uuid4()))
    assert await intents.claim(another, "two") == Intent(IntentState.DONE, ending)
    next_one = await intents.claim(intents.key(content="b"), "three")
    assert isinstance(next_one, Intent)
    assert (next_one.state, next_one.earlier) == (IntentState.PENDING, ending)


async def test_a_former_owner_ends_nobody_elses_lease(intents: Intents) -> None:
    key = intents.key()
    await intents.claim(key, "one")
    await intents.lapse()
    other = intents.key(content="b")
    await intents.claim(other, "two")
    await intents.store.done(key, Ending(key.event_id, AT, note_id="77"), "one")
    assert await intents.claim(intents.key(content="c"), "three") == Busy()


async def test_the_first_note_wins(intents: Intents) -> None:
    key = intents.key()
    await intents.claim(key, "one")
    first = await intents.store.done(key, Ending(key.event_id, AT, note_id="77"), "one")
    later = Ending(str(uuid4()), AT + timedelta(hours=1), note_id="78")
    assert await intents.store.done(key, later, "one") == first
    dropped = Ending(key.event_id, AT + timedelta(hours=1), reason=Reason.TICKET_CLOSED)
    assert await intents.store.done(key, dropped, "one") == first


async def test_a_drop_binds_its_own_input_only(intents: Intents) -> None:
    key = intents.key()
    ending = Ending(key.event_id, AT, reason=Reason.TICKET_CLOSED)
    await intents.claim(key, "one")
    assert await intents.store.done(key, ending, "one") == ending
    assert await intents.store.done(key, replace(ending, at=AT + timedelta(hours=1)), "one") == ending
    assert await intents.claim(key, "two") == Intent(IntentState.DONE, ending)
    assert await intents.claim(replace(key, event_id=str(uuid4())), "two") == PENDING


async def test_the_earlier_note_is_the_latest_of_the_same_ticket(intents: Intents) -> None:
    for hours, content in enumerate("abc"):
        key = intents.key(content=content)
        await intents.store.done(
            await _claimed(intents, key), Ending(key.event_id, AT + timedelta(hours=hours), content), "one"
        )
    await intents.store.done(
        await _claimed(intents, intents.key("2")), Ending(str(uuid4()), AT + timedelta(days=1), note_id="other"), "one"
    )
    found = await intents.claim(intents.key(content="d"), "one")
    assert isinstance(found, Intent)
    assert found.earlier
    assert found.earlier.note_id == "c"


async def test_the_other_notes_of_a_day_are_counted_by_the_time_they_were_written(intents: Intents) -> None:
    async def lately(content: str = "z") -> int:
        found = await intents.claim(intents.key(content=content), "one")
        assert isinstance(found, Intent)
        return found.others_lately

    assert await lately() == 0  # and what was only claimed doesn't count
    for content in "ab":
        key = await _claimed(intents, intents.key(content=content))
        assert await intents.may_send(key, "one")
        await intents.store.done(key, Ending(key.event_id, AT, note_id=content), "one")
    maybe = await _claimed(intents, intents.key(content="c"))
    assert await intents.may_send(maybe, "one")
    other_ticket = await _claimed(intents, intents.key("2"))
    assert await intents.may_send(other_ticket, "one")
    await intents.store.done(
        await _claimed(intents, intents.key(content="d")), Ending(str(uuid4()), AT, reason=Reason.SUPERSEDED), "one"
    )
    assert await lately() == 3
    assert await lately("c") == 2  # itself not
    await intents.later(23 * 3600)
    assert await lately() == 3
    await intents.later(2 * 3600)
    assert await lately() == 0


async def _claimed(intents: Intents, key: NoteKey) -> NoteKey:
    assert await intents.claim(key, "one") != Busy()
    return key


async def test_who_claims_notes_down_what_wrote_the_enhancement(intents: Intents) -> None:
    """synthesize may have died before it did."""
    key, other = intents.key(), intents.key(content="b")
    for each in (key, other):
        await intents.rows.begun(each)
    await _claimed(intents, key)
    assert await intents.rows.written(key) == synthesized(key).enhancement_id
    assert await intents.claim(other, "two") == Busy()
    assert await intents.rows.written(other) is None


async def test_what_the_ticket_no_longer_says_is_not_sent(intents: Intents) -> None:
    key = await _begun(intents)
    await intents.rows.says(key, "b" * 64)
    assert await intents.store.sent(key, "one") is Sent.SUPERSEDED
    assert await intents.claim(key, "one") == PENDING
    assert await intents.rows.status(key) == ("dropped", "superseded")
    await intents.rows.says(key, key.content_hash)
    assert await intents.may_send(key, "one")


async def test_a_claim_may_say_that_the_note_is_sent_now(intents: Intents) -> None:
    key = intents.key()
    assert await intents.claim_to_send(key, "one") == replace(PENDING, noted=True)
    assert await intents.claim(intents.key(content="b"), "two") == Busy()
    assert await intents.sent_ago(key, "one") < AT_MOST
    await intents.later(20)
    again = await intents.claim_to_send(key, "one")
    assert (again.state, again.noted) == (IntentState.SENT, False), "what may be on the desk is looked for"
    assert await intents.sent_ago(key, "one") >= 20
    await intents.store.withdraw(key, "one")
    assert await intents.claim_to_send(key, "one") == replace(PENDING, noted=True)
    ending = await intents.store.done(key, Ending(key.event_id, AT, note_id="77"), "one")
    assert await intents.claim_to_send(key, "two") == Intent(IntentState.DONE, ending)


async def test_who_is_busy_notes_nothing_as_sent(intents: Intents) -> None:
    key = intents.key()
    await intents.claim(key, "one")
    busy = await intents.store.claim(key, "two", synthesized(key), to_send_below=3)
    assert busy == Busy()
    assert await intents.claim(key, "one") == PENDING


async def test_a_claim_notes_as_sent_only_below_the_number_of_other_notes(intents: Intents) -> None:
    for content in "ab":
        assert (await intents.claim_to_send(intents.key(content=content), "one")).noted
    key = intents.key(content="c")
    assert not (await intents.claim_to_send(key, "one", below=2)).noted
    assert await intents.claim(key, "one") == replace(PENDING, others_lately=2)
    assert (await intents.claim_to_send(key, "one", below=3)).noted


async def test_a_claim_notes_nothing_as_sent_that_the_ticket_no_longer_says(intents: Intents) -> None:
    key = await _begun(intents)
    await intents.rows.says(key, "b" * 64)
    assert await intents.claim_to_send(key, "one") == PENDING
    assert await intents.rows.status(key) == ("pending", None), "who sends is told, and notes it down"
    await intents.rows.says(key, key.content_hash)
    assert (await intents.claim_to_send(key, "one")).noted


async def test_of_many_who_claim_at_once_to_send_one_may(intents: Intents) -> None:
    key = intents.key()
    claims = await asyncio.gather(
        *(intents.store.claim(key, f"{number}", synthesized(key), to_send_below=3) for number in range(8))
    )
    assert [claim for claim in claims if claim != Busy()] == [replace(PENDING, noted=True)]


async def test_the_enhancement_says_which_note_was_posted_first(intents: Intents) -> None:
    key = await _begun(intents)
    for note_id in ("77", "78"):
        await intents.store.done(key, Ending(key.event_id, AT, note_id=note_id), "one")
        assert await intents.rows.status(key) == ("success", "77")
    await intents.store.done(key, Ending(key.event_id, AT, reason=Reason.TICKET_CLOSED), "one")
    assert await intents.rows.status(key) == ("success", "77")


async def test_the_enhancement_says_why_there_is_no_note_while_that_is_so(intents: Intents) -> None:
    key = await _begun(intents)
    await intents.store.done(key, Ending(key.event_id, AT, reason=Reason.SUPERSEDED), "one")
    assert await intents.rows.status(key) == ("pending", None), "edited back meanwhile"
    other = replace(key, event_id=str(uuid4()))
    await intents.store.done(other, Ending(other.event_id, AT, reason=Reason.TICKET_CLOSED), "one")
    assert await intents.rows.status(key) == ("dropped", "ticket_closed")


async def _begun(intents: Intents) -> NoteKey:
    key = intents.key()
    await intents.rows.begun(key)
    return await _claimed(intents, key)
