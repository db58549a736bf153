"""What deliver needs, in memory, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from infra.runtime.clock import Clock
from processors.deliver.ports import LEASE_SECONDS, Busy, Ending, Intent, IntentState, NoteKey, Sent
from schemas.events import EnhancementSynthesized
from schemas.reasons import Reason


@dataclass(slots=True)
class _Row:
    key: NoteKey
    state: IntentState = IntentState.PENDING
    sent_at: datetime | None = None
    note: Ending | None = None
    drops: dict[str, Ending] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnhancementRow:
    status: str
    note_id: str | None = None
    reason: str | None = None


class FakeEnhancements:
    """Enhancements; `rows`, and which enhancement was `written`, by tenant, ticket and content hash, `newest` the hash of a
    ticket's newest content by tenant and ticket."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], EnhancementRow] = {}
        self.written: dict[tuple[str, str, str], str] = {}
        self.newest: dict[tuple[str, str], str] = {}

    async def posted(self, tenant_id: str, ticket_id: str, content_hash: str, note_id: str) -> None:
        self.rows[tenant_id, ticket_id, content_hash] = EnhancementRow("success", note_id=note_id)

    async def dropped(self, tenant_id: str, ticket_id: str, content_hash: str, reason: str) -> None:
        if reason == Reason.SUPERSEDED.value:
            await self.superseded(tenant_id, ticket_id, content_hash)
        else:
            self._drop(tenant_id, ticket_id, content_hash, reason)

    def says_something_else(self, tenant_id: str, ticket_id: str, content_hash: str) -> bool:
        return self.newest.get((tenant_id, ticket_id), content_hash) != content_hash

    async def superseded(self, tenant_id: str, ticket_id: str, content_hash: str) -> bool:
        overtaken = self.says_something_else(tenant_id, ticket_id, content_hash)
        if overtaken:
            self._drop(tenant_id, ticket_id, content_hash, Reason.SUPERSEDED.value)
        return overtaken

    def _drop(self, tenant_id: str, ticket_id: str, content_hash: str, reason: str) -> None:
        known = self.rows.get((tenant_id, ticket_id, content_hash))
        if known is None or known.status != "success":
            self.rows[tenant_id, ticket_id, content_hash] = EnhancementRow("dropped", reason=reason)


class FakeNoteIntents:
    """NoteIntents beside `enhancements`; leases run out, and calls grow old, by `clock`."""

    def __init__(self, clock: Clock, enhancements: FakeEnhancements) -> None:
        self._clock, self._enhancements = clock, enhancements
        self._rows: dict[tuple[str, str], _Row] = {}
        self._leases: dict[tuple[str, str], tuple[str, datetime]] = {}

    async def claim(
        self, key: NoteKey, owner: str, event: EnhancementSynthesized, *, to_send_below: int | None = None
    ) -> Intent | Busy:
        row = self._rows.setdefault((key.tenant_id, key.marker), _Row(key))
        if ending := row.note or row.drops.get(key.event_id):
            return Intent(IntentState.DONE, ending)
        if not self._lease(key, owner):
            return Busy()
        self._enhancements.written[_where(key)] = event.enhancement_id
        sent_ago = (self._clock.now() - row.sent_at).total_seconds() if row.sent_at else None
        claimed = Intent(row.state, None, self._earlier(key), sent_ago, self._others_lately(key))
        if to_send_below is None or row.state is not IntentState.PENDING or claimed.others_lately >= to_send_below:
            return claimed
        if self._enhancements.says_something_else(*_where(key)):
            return claimed
        row.state, row.sent_at = IntentState.SENT, self._clock.now()
        return replace(claimed, noted=True)

    async def renew(self, key: NoteKey, owner: str) -> bool:
        return self._owns(key, owner) and self._lease(key, owner)

    async def sent(self, key: NoteKey, owner: str) -> Sent:
        if await self._enhancements.superseded(*_where(key)):
            return Sent.SUPERSEDED
        if not await self.renew(key, owner):
            return Sent.LEASE_LOST
        row = self._rows[key.tenant_id, key.marker]
        if row.note is None:
            row.state, row.sent_at = IntentState.SENT, self._clock.now()
        return Sent.NOTED

    async def withdraw(self, key: NoteKey, owner: str) -> None:
        row = self._rows[key.tenant_id, key.marker]
        if self._owns(key, owner) and row.note is None:
            row.state, row.sent_at = IntentState.PENDING, None

    async def done(self, key: NoteKey, ending: Ending, owner: str) -> Ending:
        row = self._rows.setdefault((key.tenant_id, key.marker), _Row(key))
        await self.release(key, owner)
        if row.note is None and ending.note_id is not None:
            row.note, row.state = ending, IntentState.DONE
        kept = row.note or row.drops.setdefault(key.event_id, ending)
        if kept.note_id is not None:
            await self._enhancements.posted(*_where(key), kept.note_id)
        elif kept.reason is not None:
            await self._enhancements.dropped(*_where(key), kept.reason.value)
        return kept

    async def release(self, key: NoteKey, owner: str) -> None:
        if self._owns(key, owner):
            del self._leases[key.tenant_id, key.ticket_id]

    def _owns(self, key: NoteKey, owner: str) -> bool:
        return self._leases.get((key.tenant_id, key.ticket_id), ("", None))[0] == owner

    def _lease(self, key: NoteKey, owner: str) -> bool:
        now = self._clock.now()
        holder, until = self._leases.get((key.tenant_id, key.ticket_id), (owner, now))
        if holder != owner and until > now:
            return False
        self._leases[key.tenant_id, key.ticket_id] = (owner, now + timedelta(seconds=LEASE_SECONDS))
        return True

    def _others_lately(self, key: NoteKey) -> int:
        since = self._clock.now() - timedelta(hours=24)
        times = [row.sent_at or (row.note.at if row.note else since) for row in self._others(key)]
        return sum(at > since for at in times)

    def _others(self, key: NoteKey) -> list[_Row]:
        ticket = (key.tenant_id, key.ticket_id)
        rows = self._rows.values()
        return [r for r in rows if (r.key.tenant_id, r.key.ticket_id) == ticket and r.key.marker != key.marker]

    def _earlier(self, key: NoteKey) -> Ending | None:
        notes = [row.note for row in self._others(key) if row.note]
        return max(notes, key=lambda note: note.at, default=None)


def _where(key: NoteKey) -> tuple[str, str, str]:
    return key.tenant_id, key.ticket_id, key.content_hash


class FakeFeedbackLinks:
    """FeedbackLinks."""

    def url(self, event: EnhancementSynthesized) -> str:
        return f"https://ticketstream.example/f/{event.enhancement_id}"
