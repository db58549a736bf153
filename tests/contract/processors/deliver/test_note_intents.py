"""What every NoteIntents keeps: the fake, and the store in PostgreSQL reached by deliver's own role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from infra.runtime.postgres.pool import open_pool
from processors.deliver.fakes import FakeNoteIntents
from processors.deliver.ports import LEASE_SECONDS, Busy, Ending, Intent, IntentState, NoteKey
from processors.deliver.ports import NoteIntents as NoteIntentsPort
from schemas.reasons import Reason
from sinks.postgres.note_intents import NoteIntents

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
_numbers = count(60_001)  # partitions that no topic has
PENDING = Intent(IntentState.PENDING)
AT_MOST = 10.0  # seconds that a step of a test may take


@dataclass
class Intents:
    """One implementation with a tenant of its own; `later` lets so many seconds pass for it."""

    store: NoteIntentsPort
    tenant_id: str
    later: Callable[[float], Awaitable[None]]

    async def lapse(self) -> None:
        await self.later(LEASE_SECONDS + 1)

    async def sent_ago(self, key: NoteKey, owner: str) -> float:
        """Of an intent that is sent."""
        claimed = await self.store.claim(key, owner)
        assert isinstance(claimed, Intent)
        assert claimed.state is IntentState.SENT
        assert claimed.sent_ago is not None
        return claimed.sent_ago

    def key(self, ticket_id: str = "1", content: str = "a", event_id: str | None = None) -> NoteKey:
        return NoteKey(self.tenant_id, ticket_id, content * 64, f"{ticket_id}-{content * 20}", event_id or str(uuid4()))


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

        yield Intents(FakeNoteIntents(clock), "deliver-fake", pass_by)
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
    yield Intents(NoteIntents(pool), tenant_id, later)
    await pool.close()
    await superuser.close()


async def test_a_new_intent_is_pending_and_stays_so_until_something_is_sent(intents: Intents) -> None:
    key = intents.key()
    assert await intents.store.claim(key, "one") == PENDING
    assert await intents.store.claim(key, "one") == PENDING
    assert await intents.store.sent(key, "one")
    await intents.sent_ago(key, "one")
    await intents.store.withdraw(key, "one")
    assert await intents.store.claim(key, "one") == PENDING


async def test_a_ticket_has_one_owner_at_a_time(intents: Intents) -> None:
    key, other_content, other_ticket = intents.key(), intents.key(content="b"), intents.key("2")
    assert await intents.store.claim(key, "one") == PENDING
    assert await intents.store.claim(key, "two") == Busy()
    assert await intents.store.claim(other_content, "two") == Busy()
    assert await intents.store.claim(other_ticket, "two") == PENDING
    await intents.store.release(key, "two")
    assert await intents.store.claim(key, "two") == Busy()
    await intents.store.release(key, "one")
    assert await intents.store.claim(key, "two") == PENDING


async def test_of_many_who_claim_at_once_one_gets_it(intents: Intents) -> None:
    key = intents.key()
    claims = await asyncio.gather(*(intents.store.claim(key, f"{number}") for number in range(8)))
    assert [claim for claim in claims if claim != Busy()] == [PENDING]


async def test_an_owner_that_lost_its_lease_can_note_down_nothing(intents: Intents) -> None:
    key = intents.key()
    await intents.store.claim(key, "one")
    await intents.lapse()
    assert await intents.store.claim(key, "two") == PENDING
    assert not await intents.store.sent(key, "one")
    assert not await intents.store.renew(key, "one")
    assert await intents.store.sent(key, "two")
    await intents.store.withdraw(key, "one")
    await intents.sent_ago(key, "two")


async def test_what_was_sent_stays_so_for_the_next_owner(intents: Intents) -> None:
    key = intents.key()
    await intents.store.claim(key, "one")
    await intents.store.sent(key, "one")
    await intents.lapse()
    await intents.sent_ago(key, "two")


async def test_every_owner_is_told_how_long_ago_the_desk_was_called_last(intents: Intents) -> None:
    key = intents.key()
    await intents.store.claim(key, "one")
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
    await intents.store.claim(key, "one")
    assert await intents.store.done(key, ending, "one") == ending
    assert await intents.store.claim(key, "two") == Intent(IntentState.DONE, ending)
    another = replace(key, event_id=str(uuid4()))
    assert await intents.store.claim(another, "two") == Intent(IntentState.DONE, ending)
    next_one = await intents.store.claim(intents.key(content="b"), "three")
    assert isinstance(next_one, Intent)
    assert (next_one.state, next_one.earlier) == (IntentState.PENDING, ending)


async def test_a_former_owner_ends_nobody_elses_lease(intents: Intents) -> None:
    key = intents.key()
    await intents.store.claim(key, "one")
    await intents.lapse()
    other = intents.key(content="b")
    await intents.store.claim(other, "two")
    await intents.store.done(key, Ending(key.event_id, AT, note_id="77"), "one")
    assert await intents.store.claim(intents.key(content="c"), "three") == Busy()


async def test_the_first_note_wins(intents: Intents) -> None:
    key = intents.key()
    await intents.store.claim(key, "one")
    first = await intents.store.done(key, Ending(key.event_id, AT, note_id="77"), "one")
    later = Ending(str(uuid4()), AT + timedelta(hours=1), note_id="78")
    assert await intents.store.done(key, later, "one") == first
    dropped = Ending(key.event_id, AT + timedelta(hours=1), reason=Reason.TICKET_CLOSED)
    assert await intents.store.done(key, dropped, "one") == first


async def test_a_drop_binds_its_own_input_only(intents: Intents) -> None:
    key = intents.key()
    ending = Ending(key.event_id, AT, reason=Reason.TICKET_CLOSED)
    await intents.store.claim(key, "one")
    assert await intents.store.done(key, ending, "one") == ending
    assert await intents.store.done(key, replace(ending, at=AT + timedelta(hours=1)), "one") == ending
    assert await intents.store.claim(key, "two") == Intent(IntentState.DONE, ending)
    assert await intents.store.claim(replace(key, event_id=str(uuid4())), "two") == PENDING


async def test_the_earlier_note_is_the_latest_of_the_same_ticket(intents: Intents) -> None:
    for hours, content in enumerate("abc"):
        key = intents.key(content=content)
        await intents.store.done(
            await _claimed(intents, key), Ending(key.event_id, AT + timedelta(hours=hours), content), "one"
        )
    await intents.store.done(
        await _claimed(intents, intents.key("2")), Ending(str(uuid4()), AT + timedelta(days=1), note_id="other"), "one"
    )
    found = await intents.store.claim(intents.key(content="d"), "one")
    assert isinstance(found, Intent)
    assert found.earlier
    assert found.earlier.note_id == "c"


async def test_the_other_notes_of_a_day_are_counted_by_the_time_they_were_written(intents: Intents) -> None:
    async def lately(content: str = "z") -> int:
        found = await intents.store.claim(intents.key(content=content), "one")
        assert isinstance(found, Intent)
        return found.others_lately

    assert await lately() == 0  # and what was only claimed doesn't count
    for content in "ab":
        key = await _claimed(intents, intents.key(content=content))
        assert await intents.store.sent(key, "one")
        await intents.store.done(key, Ending(key.event_id, AT, note_id=content), "one")
    maybe = await _claimed(intents, intents.key(content="c"))
    assert await intents.store.sent(maybe, "one")
    other_ticket = await _claimed(intents, intents.key("2"))
    assert await intents.store.sent(other_ticket, "one")
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
    assert await intents.store.claim(key, "one") != Busy()
    return key
