"""A local stack's database: migrated, one role a service with its own password, the services' public keys published."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg

from infra.ops.local.stack.errors import StackFailed, WrongSetting
from infra.ops.local.stack.secrets import LocalSecrets
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.postgres.dsn import as_role
from infra.runtime.postgres.pool import Pool, open_pool
from schemas.topics import SIGNED_BY
from sinks.postgres.audit_log import Change
from sinks.postgres.migrate import migrate
from sinks.postgres.operator_tokens import MOST_DAYS, NewOperatorToken, OperatorTokens, Role
from sinks.postgres.roles import LOGINS, RawConnection
from sinks.postgres.service_keys import ServiceKeys

DATABASE = "ticketstream"
ROLE_PREFIX = "ticketstream_"
OPERATOR = "operator"
"""Who uses the command line."""
DATABASE_SERVICES = tuple(login.removeprefix(ROLE_PREFIX) for login in LOGINS)
"""Those with a login role of their own; each reads `DATABASE_URL_<SERVICE>`."""
MIGRATOR_URL = "DATABASE_URL"
CONNECT_SECONDS = 10.0


async def prepare_database(dsn: str, secrets: LocalSecrets, environment: Mapping[str, str]) -> list[str]:
    """Migrates, and gives each service's role its password unless the environment names that service's DSN. Returns the names of
    the migrations that were applied.

    On a server that `DATABASE_URL` names, raises WrongSetting, with nothing changed, where such a role has another password than
    this stack's: a new one would lock out who uses it. Raises StackFailed where PostgreSQL is away or refuses.
    """
    own = {
        role(service): secrets.role_password(service)
        for service in DATABASE_SERVICES
        if not environment.get(_variable(service))
    }
    named = MIGRATOR_URL if environment.get(MIGRATOR_URL) else ""
    with _failures(named):
        taken = await _taken_roles(dsn, own) if named else []
        if taken:
            raise WrongSetting(_roles_in_use(taken))
        return await migrate(dsn, own)


@asynccontextmanager
async def operator_pool(dsn: str, environment: Mapping[str, str]) -> AsyncIterator[Pool]:
    """One connection under the operator's role, for database calls only: what PostgreSQL refuses inside is StackFailed, too."""
    variable = next(filter(environment.get, (_variable(OPERATOR), MIGRATOR_URL)), "")
    with _failures(variable):
        try:
            pool = await open_pool(dsn, service=OPERATOR, size=1)
        except ValueError as error:
            raise WrongSetting(_no_address(variable)) from error
        try:
            yield pool
        finally:
            await pool.close()


async def publish_keys(pool: Pool, key_files: Mapping[str, Path], *, clock: Clock | None = None) -> None:
    """Publishes the public half of each service's signing key, once, valid from now on: a key of a new state folder on a database
    that has older keys would otherwise wait ten minutes, and all that read it locally start after this."""
    now = (clock or SystemClock()).now()
    for service, file in key_files.items():
        await ServiceKeys(pool).publish(SigningKey.load(file, service=service), not_before=now)


async def admit_operator(pool: Pool, secrets: LocalSecrets) -> None:
    """Sees to it that the stack's own engineer's token is valid; one that ended, or soon will, is replaced by another."""
    new = NewOperatorToken("local stack", Role.ENGINEER, None, days=MOST_DAYS)
    change = Change("ticketstream up", "for commands on the local stack")
    if not await OperatorTokens(pool).keep(secrets.operator_token(), new, change):
        secrets.forget_operator_token()
        await OperatorTokens(pool).keep(secrets.operator_token(), new, change)


def has_own_roles(environment: Mapping[str, str]) -> bool:
    """Whether the database is this stack's: an own server, or a named one whose roles have this stack's passwords."""
    return not environment.get(_variable(OPERATOR))


def signing_key_files(secrets: LocalSecrets, services: Sequence[str] = tuple(SIGNED_BY)) -> dict[str, Path]:
    """The private key file of each service that signs."""
    return {service: secrets.signing_key_file(service) for service in services}


def service_dsns(dsn: str, secrets: LocalSecrets, environment: Mapping[str, str]) -> dict[str, str]:
    """By service: what the environment names, else the migrator's DSN with the service's role in place of the migrator's."""
    return {
        service: environment.get(_variable(service)) or as_role(dsn, role(service), secrets.role_password(service))
        for service in DATABASE_SERVICES
    }


def role(service: str) -> str:
    """The login role of a service."""
    return f"{ROLE_PREFIX}{service}"


def _variable(service: str) -> str:
    return f"DATABASE_URL_{service.upper()}"


async def _taken_roles(dsn: str, passwords: Mapping[str, str]) -> list[str]:
    """Of these roles, those that exist with another password."""
    connection = await _connect(dsn)
    try:
        found = await _roles_with_password(connection, passwords)
    finally:
        await connection.close()
    return [name for name in sorted(found) if not await _logs_in(as_role(dsn, name, passwords[name]))]


async def _roles_with_password(connection: RawConnection, names: Collection[str]) -> list[str]:
    """Of these roles, those that exist. Who may read passwords leaves out roles that have none: nobody logs in with those."""
    may_read = await connection.fetchval("SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')")
    query = (
        "SELECT rolname FROM pg_catalog.pg_authid WHERE rolname = ANY($1) AND rolpassword IS NOT NULL"
        if may_read
        else "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY($1)"
    )
    return [row["rolname"] for row in await connection.fetch(query, list(names))]


async def _logs_in(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    except asyncpg.InvalidAuthorizationSpecificationError:
        return False
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidCatalogNameError):
        return True  # the password was right
    await connection.close()
    return True


async def _connect(dsn: str) -> RawConnection:
    """Raises WrongSetting for what is no DSN."""
    try:
        return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    except ValueError as error:
        raise WrongSetting(_no_address(MIGRATOR_URL)) from error


def _no_address(variable: str) -> str:
    """Without the value: a password may be in it."""
    return (
        f"{variable} is no address of a PostgreSQL. Write postgresql://user:password@host:5432/database, with other signs than "
        "letters and digits in the password percent-encoded."
    )


@contextmanager
def _failures(variable: str) -> Iterator[None]:
    """What PostgreSQL and the way to it refuse, as StackFailed. `variable` is empty for an own server."""
    cure = f"and that {variable} is right" if variable else "and see postgres/postgres.log in the state folder"
    try:
        yield
    except (PostgresUnavailable, OSError) as error:
        told = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise StackFailed(f"PostgreSQL can't be reached ({told}). Check that it runs, {cure}.") from error
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise StackFailed(f"PostgreSQL refuses the login ({error}). Check user and password in {variable}.") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StackFailed(f"PostgreSQL refuses ({error}). Check that it runs, {cure}.") from error


def _roles_in_use(taken: Sequence[str]) -> str:
    own = ", ".join(_variable(name.removeprefix(ROLE_PREFIX)) for name in taken)
    return (
        f"{MIGRATOR_URL} names a PostgreSQL on which another stack works: this state folder doesn't have the passwords of "
        f"{', '.join(taken)}. Nothing was changed. Set {own}, and TICKETSTREAM_WEBHOOK_KEYS, TICKETSTREAM_CREDENTIAL_KEYS and "
        f"TICKETSTREAM_LINK_KEYS of those who use it; or use its state folder; or name another PostgreSQL server (another "
        "database won't do: roles belong to the whole server)."
    )
