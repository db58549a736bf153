"""Questions about one tenant that are asked in the same moment travel in one statement: a trip costs more than most of them.

Each calls a function of the database; the statement is all of them (UNION ALL), so they have the same columns. Whoever asks gets
its own rows, may be cut off alone, and fails alone; but it waits for those that it travels with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import asyncpg

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import UNAVAILABLE, tenant_call
from sinks.postgres.texts import without_nul

Rows = list[asyncpg.Record]


COLUMNS = {
    "id": "text",
    "title": "text",
    "body": "text",
    "resolution": "text",
    "score": "double precision",
    "kind": "text",
    "link": "text",
    "number": "integer",
}


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What can be asked. `select` has $1 for the tenant and {} for each of the `arguments` behind it."""

    select: str
    arguments: int

    @classmethod
    def of(cls, source: str, **columns: str) -> Kind:
        """The rows of `source`, what stands behind FROM, where `columns` says what each of COLUMNS is; those left out are NULL."""
        shown = (f"{columns.get(name, 'NULL')}::{kind} AS {name}" for name, kind in COLUMNS.items())
        return cls(f"{', '.join(shown)} FROM {source}", source.count("{}"))


@dataclass(frozen=True, slots=True)
class _Asked:
    arguments: Sequence[object]
    rows: asyncio.Future[Rows]


_Statement = dict[Kind, _Asked]


class JointQuestions:
    """At most one question of a kind is in a statement, so that there are few statements to prepare. As many are under way as the
    pool has connections; those that nobody waits for any more are ended."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._gathering: dict[str, _Statement] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def ask(self, kind: Kind, tenant_id: str, *arguments: object) -> asyncio.Future[Rows]:
        """The rows with COLUMNS, in the order of the kind's source. Asked at once, together with all that is asked before the loop
        comes round again. Raises what `tenant_call` does."""
        loop = asyncio.get_running_loop()
        statement = self._gathering.get(tenant_id)
        if statement is None or kind in statement:
            statement = self._gathering[tenant_id] = {}
            loop.call_soon(self._send, tenant_id, statement)
        statement[kind] = _Asked(tuple(map(without_nul, arguments)), loop.create_future())
        return statement[kind].rows

    def _send(self, tenant_id: str, statement: _Statement) -> None:
        if self._gathering.get(tenant_id) is statement:
            del self._gathering[tenant_id]
        sent = asyncio.create_task(self._answer(tenant_id, statement))
        self._under_way.add(sent)
        sent.add_done_callback(self._under_way.discard)

        def cut_off(_: asyncio.Future[Rows]) -> None:
            if all(asked.rows.cancelled() for asked in statement.values()):
                sent.cancel()

        for asked in statement.values():
            asked.rows.add_done_callback(cut_off)

    async def _answer(self, tenant_id: str, statement: _Statement) -> None:
        try:
            rows = await self._fetch(tenant_id, statement)
        except UNAVAILABLE as error:
            _fail(statement, error)
        except Exception as error:
            if len(statement) == 1:
                _fail(statement, error)
                return
            for kind, asked in statement.items():  # whichever question it is, the others have an answer
                await self._answer(tenant_id, {kind: asked})
        else:
            for place, asked in enumerate(statement.values()):
                if not asked.rows.done():
                    asked.rows.set_result([row for row in rows if row[0] == place])

    async def _fetch(self, tenant_id: str, statement: _Statement) -> Rows:
        arguments = [argument for asked in statement.values() for argument in asked.arguments]
        return await tenant_call(self._pool, _together(tuple(statement)), tenant_id, *arguments)


def _fail(statement: Mapping[Kind, _Asked], error: BaseException) -> None:
    for asked in statement.values():
        if not asked.rows.done():
            asked.rows.set_exception(error)


@lru_cache(64)
def _together(kinds: tuple[Kind, ...]) -> str:
    selects, number = [], 2
    for place, kind in enumerate(kinds):
        places = [f"${number + each}" for each in range(kind.arguments)]
        selects.append(f"(SELECT {place}, {kind.select.format(*places)})")
        number += kind.arguments
    return " UNION ALL ".join(selects)
