"""Stand-ins for the console's ports, for tests."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.ops.cli.operators import NotAllowed, Operator
from infra.ops.console.sessions import Session
from infra.ops.console.visits import CommandResult
from infra.runtime.postgres.availability import PostgresUnavailable
from sinks.postgres.console_sessions import WHOLE, KeptSession


class FakeSessionStore:
    """As `ConsoleSessions`; `away` is PostgreSQL's absence."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptSession] = {}
        self.away = False

    async def begin(self, token: str, token_id: str) -> str:
        self._there()
        session_id, now = secrets.token_urlsafe(32), datetime.now(UTC)
        self.kept[session_id] = KeptSession(token, now, now + WHOLE)
        return session_id

    async def find(self, session_id: str) -> KeptSession | None:
        self._there()
        found = self.kept.get(session_id)
        return found if found and found.expires_at > datetime.now(UTC) else None

    async def end(self, session_id: str) -> None:
        self._there()
        self.kept.pop(session_id, None)

    def pass_time(self, by: timedelta) -> None:
        """Every session is so much older."""
        for session_id, one in self.kept.items():
            self.kept[session_id] = KeptSession(one.token, one.made_at - by, one.expires_at - by)

    def _there(self) -> None:
        if self.away:
            raise PostgresUnavailable("away")


class FakeTokens:
    """The persons by their tokens. `refused` are the tokens that were nobody's."""

    def __init__(self, persons: Mapping[str, Operator]) -> None:
        self.persons = dict(persons)
        self.refused: list[str] = []
        self.away = False

    async def whose(self, token: str, command: str) -> Operator:
        if self.away:
            raise PostgresUnavailable("away")
        if token not in self.persons:
            self.refused.append(command)
            raise NotAllowed("no such token", "get one")
        return self.persons[token]


class FakeCommands:
    """Notes down what it is asked to run, and answers with `result`."""

    def __init__(self, result: CommandResult | None = None) -> None:
        self.result = result or CommandResult(0, {}, "")
        self.ran: list[tuple[str, dict[str, Any], str]] = []

    async def run(self, command: str, parameters: Mapping[str, Any], *, session: Session) -> CommandResult:
        self.ran.append((command, dict(parameters), session.operator.name))
        return self.result
