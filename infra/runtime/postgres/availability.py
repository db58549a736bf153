"""Which errors mean "PostgreSQL is away, come back later", as opposed to a bug in a statement."""

from __future__ import annotations

from types import TracebackType

import asyncpg


class PostgresUnavailable(Exception):
    """PostgreSQL can't be reached, is shutting down or starting, or is overloaded. The same call may work later."""


UNAVAILABLE: tuple[type[BaseException], ...] = (
    PostgresUnavailable,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting up, statement timeout
    asyncpg.InsufficientResourcesError,  # too many connections, disk or memory full
    asyncpg.ReadOnlySQLTransactionError,  # a fail-over is under way
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""For `except UNAVAILABLE`. Only errors that nothing but PostgreSQL raises, so a processor's other errors aren't mistaken."""

AWAY_WHEN_CONNECTING: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,  # whatever the server says to a new connection, the statement isn't to blame
    asyncpg.InterfaceError,
)


class unavailable_as_such:  # noqa: N801 — used as `with unavailable_as_such():`
    """Inside are database calls only: a lost or stalled connection leaves as PostgresUnavailable."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError):
            raise PostgresUnavailable(f"PostgreSQL didn't answer: {type(error).__name__} {error}") from error
        if isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError):  # that: ours to mend
            raise PostgresUnavailable(f"the connection to PostgreSQL was lost: {error}") from error
