"""Which errors mean "PostgreSQL is away, come back later", as opposed to a bug in a statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def unavailable_as_such() -> Iterator[None]:
    """Inside are database calls only: a lost or stalled connection leaves as PostgresUnavailable."""
    try:
        yield
    except (OSError, TimeoutError, asyncpg.InternalClientError) as error:
        raise PostgresUnavailable(f"PostgreSQL didn't answer: {type(error).__name__} {error}") from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # a wrong argument: ours to mend
            raise
        raise PostgresUnavailable(f"the connection to PostgreSQL was lost: {error}") from error
