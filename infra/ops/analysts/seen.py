"""Which events were seen already: exact, whatever their number, in little memory."""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Self
from uuid import UUID

CACHE_KIB = 4096


class Seen:
    """A context. Ids beyond some 100,000 go to a temporary file, which is gone when the context ends."""

    def __enter__(self) -> Self:
        self._ids = sqlite3.connect("", isolation_level=None)
        self._ids.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._ids.execute("PRAGMA journal_mode = OFF")
        self._ids.execute("CREATE TABLE ids (id BLOB PRIMARY KEY) WITHOUT ROWID")
        self._ids.execute("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ids.close()

    def is_new(self, event_id: str) -> bool:
        """Whether it is asked about for the first time."""
        return self._ids.execute("INSERT OR IGNORE INTO ids VALUES (?)", (UUID(event_id).bytes,)).rowcount == 1
