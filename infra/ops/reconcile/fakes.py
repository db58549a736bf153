"""A state and a backlog in memory, for tests of runs and rounds."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sinks.postgres.reconcile import Begun, Ended


@dataclass(slots=True)
class FakeRow:
    """A tenant's row. `leased_until` in seconds of the fake's clock."""

    begun: Begun
    lease_id: str = ""
    leased_until: float = 0.0


class FakeState:
    """State of the tenants in `created`, with the time that each was created at. `seconds` is its clock for leases."""

    def __init__(self, created: dict[str, datetime], seconds: Callable[[], float] = lambda: 0.0) -> None:
        self._created, self._seconds = created, seconds
        self._rows: dict[str, FakeRow] = {}
        self.known: dict[str, set[str]] = {}
        self.ended: list[tuple[str, Ended]] = []
        self.away: Exception | None = None

    async def begin(self, tenant_id: str, lease_id: str, seconds: float) -> Begun | None:
        self._answer()
        if tenant_id not in self._created:
            return None
        created = self._created[tenant_id]
        row = self._rows.setdefault(tenant_id, FakeRow(Begun(created, created)))
        if row.lease_id and row.leased_until >= self._seconds():
            return None
        row.lease_id, row.leased_until = lease_id, self._seconds() + seconds
        return row.begun

    async def renew(self, tenant_id: str, lease_id: str, seconds: float) -> bool:
        self._answer()
        row = self._rows[tenant_id]
        if row.lease_id == lease_id:
            row.leased_until = self._seconds() + seconds
        return row.lease_id == lease_id

    async def release(self, tenant_id: str, lease_id: str) -> None:
        self._answer()
        if self._rows[tenant_id].lease_id == lease_id:
            self._rows[tenant_id].lease_id = ""

    async def end(self, tenant_id: str, lease_id: str, ended: Ended) -> None:
        mine = self._rows[tenant_id].lease_id == lease_id
        await self.release(tenant_id, lease_id)
        self.ended.append((tenant_id, ended))
        if mine:
            self._rows[tenant_id].begun = Begun(ended.listed_until, ended.first, ended.not_before)

    async def arrived(self, tenant_id: str, ticket_ids: Collection[str]) -> frozenset[str]:
        self._answer()
        return frozenset(ticket_ids) & frozenset(self.known.get(tenant_id, ()))

    def _answer(self) -> None:
        if self.away:
            raise self.away


class FakeBacklog:
    """`answer` is what it says."""

    def __init__(self, *, answer: bool = True) -> None:
        self.answer, self.asked = answer, 0

    async def handled(self, partition: int) -> bool:
        self.asked += 1
        return self.answer
