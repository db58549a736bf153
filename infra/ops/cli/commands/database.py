"""`ticketstream database`: roles and tables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from infra.ops.cli.failure import Failure
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSWORD_VARIABLE = "TICKETSTREAM_ROLE_PASSWORD_{service}"  # noqa: S105 - a variable's name


@click.group()
def database() -> None:
    """Create and change the tables."""


@database.command(cls=JsonCommand)
@json_option
def migrate(json_to: JsonTo) -> int:
    """Make the roles and apply the migrations that are missing. Safe to run again, and at the same time.

    DATABASE_URL names the migrator: a superuser, or the owner of the database with CREATEROLE. Passwords of the services' roles are
    set from TICKETSTREAM_ROLE_PASSWORD_INGEST and so on, else from DATABASE_URL_INGEST and so on, where those are set.
    """
    from infra.ops.cli.database import operator
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from sinks.postgres import migrate as migrator

    around, output = Surroundings.find(), Output(json_to)
    dsn = around.dsn("DATABASE_URL")

    async def apply() -> list[str]:
        try:
            return await migrator.migrate(dsn, role_passwords(os.environ), who=operator())
        except migrator.MigrationError as error:
            raise Failure("database", str(error)) from None

    applied = run_async(apply)
    output.result(
        {"applied": applied},
        lambda: output.say(
            "\n".join(f"applied {name}" for name in applied) or "Nothing to do: the tables are current."
        ),
    )
    return 0


def role_passwords(environment: Mapping[str, str]) -> dict[str, str]:
    """Role → password, of those that the environment gives."""
    from sinks.postgres.roles import LOGINS

    given = {
        role: environment.get(PASSWORD_VARIABLE.format(service=_service(role))) or _in_dsn(role, environment)
        for role in LOGINS
    }
    return {role: password for role, password in given.items() if password}


def _in_dsn(role: str, environment: Mapping[str, str]) -> str | None:
    """The password in the service's own DSN, if that is one of this role."""
    parts = urlsplit(environment.get(f"DATABASE_URL_{_service(role)}", ""))
    return unquote(parts.password) if parts.username == role and parts.password else None


def _service(role: str) -> str:
    return role.removeprefix("ticketstream_").upper()
