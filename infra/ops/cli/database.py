"""The operator's way into the database, and who the operator is."""

from __future__ import annotations

import getpass
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infra.ops.cli.surroundings import Surroundings
from infra.runtime.keys.rings import KeyRing
from infra.runtime.postgres.pool import Pool, open_pool

WHO = "TICKETSTREAM_OPERATOR"


@asynccontextmanager
async def operator_pool(around: Surroundings) -> AsyncIterator[Pool]:
    """A pool under the operator's role. Raises PostgresUnavailable, and Failure where no address is known."""
    pool = await open_pool(around.database_url(), service="operator", size=2)
    try:
        yield pool
    finally:
        await pool.close()


def ring(around: Surroundings, name: str) -> KeyRing:
    """The key ring of `TICKETSTREAM_<NAME>`. Raises KeyRingError, and Failure where it isn't set."""
    variable = f"TICKETSTREAM_{name.upper()}"
    return KeyRing.parse(around.need(variable), variable=variable)


def operator() -> str:
    """For the audit log: `TICKETSTREAM_OPERATOR`, else the name of the login."""
    named = os.environ.get(WHO)
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"
