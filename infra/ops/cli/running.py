"""Runs a command's asynchronous part, and says in one line what is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from infra.ops.cli.failure import Failure, WrongUse

T = TypeVar("T")


def run_async(work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work()`. What PostgreSQL and key rings refuse becomes a Failure that says what to do."""
    import asyncpg

    from infra.runtime.keys.rings import KeyRingError
    from infra.runtime.keys.signing import SigningKeyError
    from infra.runtime.postgres.availability import UNAVAILABLE

    async def main() -> T:
        return await work()

    try:
        return asyncio.run(main())
    except (KeyRingError, SigningKeyError) as error:
        what, _, cure = str(error).partition(". ")
        raise Failure(what, cure or "see .env.example") from None
    except UNAVAILABLE as error:
        raise Failure(
            str(error) or type(error).__name__, "check that PostgreSQL runs and the address is right"
        ) from None
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise Failure(f"PostgreSQL refuses the login ({error})", "check user and password in DATABASE_URL…") from None
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError) as error:
        raise Failure(f"the tables are not there ({error})", "run: ticketstream database migrate") from None
    except asyncpg.InvalidCatalogNameError as error:
        raise Failure(str(error), "create it, or name another in DATABASE_URL…") from None
    except asyncpg.ClientConfigurationError as error:
        raise WrongUse(f"DATABASE_URL… is wrong ({error})", "see .env.example") from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise Failure(f"this database role may not do that ({error})", "use the operator's role") from None
    except OSError as error:
        raise Failure(f"a server can't be reached ({error})", "check its address and that it runs") from None
