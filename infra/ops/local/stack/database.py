"""A local stack's database: migrated, one role a service with its own password, the services' public keys published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from infra.ops.local.stack.secrets import LocalSecrets
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import open_pool
from schemas.topics import SIGNED_BY
from sinks.postgres.migrate import migrate
from sinks.postgres.roles import LOGINS
from sinks.postgres.service_keys import ServiceKeys

DATABASE = "ticketstream"
ROLE_PREFIX = "ticketstream_"
OPERATOR = "operator"
"""Who uses the command line."""
DATABASE_SERVICES = tuple(login.removeprefix(ROLE_PREFIX) for login in LOGINS)
"""Those with a login role of their own; each reads `DATABASE_URL_<SERVICE>`."""


async def prepare_database(dsn: str, secrets: LocalSecrets, environment: Mapping[str, str]) -> list[str]:
    """Migrates, and gives each service's role its password unless the environment names that service's DSN. Returns the names of
    the migrations that were applied."""
    own = [service for service in DATABASE_SERVICES if not environment.get(_variable(service))]
    return await migrate(dsn, {role(service): secrets.role_password(service) for service in own})


async def publish_keys(dsn: str, key_files: Mapping[str, Path], *, clock: Clock | None = None) -> None:
    """Publishes the public half of each service's signing key, once, valid from now on: a key of a new state folder on a database
    that has older keys would otherwise wait ten minutes, and all that read it locally start after this."""
    pool = await open_pool(dsn, service=OPERATOR, size=1)
    now = (clock or SystemClock()).now()
    try:
        for service, file in key_files.items():
            await ServiceKeys(pool).publish(SigningKey.load(file, service=service), not_before=now)
    finally:
        await pool.close()


def signing_key_files(secrets: LocalSecrets, services: Sequence[str] = tuple(SIGNED_BY)) -> dict[str, Path]:
    """The private key file of each service that signs."""
    return {service: secrets.signing_key_file(service) for service in services}


def service_dsns(dsn: str, secrets: LocalSecrets, environment: Mapping[str, str]) -> dict[str, str]:
    """By service: what the environment names, else the migrator's DSN with the service's role in place of the migrator's."""
    return {
        service: environment.get(_variable(service)) or as_role(dsn, role(service), secrets.role_password(service))
        for service in DATABASE_SERVICES
    }


def as_role(dsn: str, role: str, password: str) -> str:
    """The same server and database for another role."""
    parts = urlsplit(dsn)
    where = parts.netloc.rpartition("@")[2]
    login = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{where}"))


def role(service: str) -> str:
    """The login role of a service."""
    return f"{ROLE_PREFIX}{service}"


def _variable(service: str) -> str:
    return f"DATABASE_URL_{service.upper()}"
