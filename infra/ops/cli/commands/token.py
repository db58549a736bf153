"""`ticketstream token`: bearer tokens of the feedback API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.confirmation import confirm
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument
from schemas.times import rfc3339

if TYPE_CHECKING:
    from infra.runtime.postgres.pool import Pool
    from sinks.postgres.tokens import TokenRow

SCOPES = ("feedback:write", "feedback:read")


@click.group()
def token() -> None:
    """Bearer tokens of the feedback API."""


@token.command(cls=JsonCommand)
@tenant_argument()
@click.option(
    "--scope", "scopes", multiple=True, help=f"May be given several times; {' and '.join(SCOPES)} by default."
)
@click.option("--name", default="", help="What it is for.")
@click.option("--days", type=click.IntRange(1, 3650), help="Ends after so many days; never by default.")
@click.option("--reason", default="", help="For the audit log.")
@json_option
def create(tenant_id: str, scopes: tuple[str, ...], name: str, days: int | None, reason: str, json_to: JsonTo) -> int:
    """Make a token for TENANT. It is shown once."""
    import asyncpg

    from infra.ops.cli.database import operator
    from sinks.postgres.tokens import NewToken, UnknownScope

    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    new = NewToken(tenant_id, tuple(scopes) or SCOPES, name, expires)

    async def make(tokens: Any) -> tuple[str, str]:
        try:
            made: tuple[str, str] = await tokens.create(new, who=operator(), reason=reason)
        except UnknownScope as error:
            raise WrongUse("--scope", str(error)) from None
        except asyncpg.ForeignKeyViolationError:
            raise Failure(f"there is no tenant {tenant_id}", "see: ticketstream tenant list") from None
        return made

    text, token_id = _with_tokens(make)
    output = Output(json_to)
    output.result(
        {"token": text, "token_id": token_id, "scopes": list(new.scopes)},
        lambda: output.say(
            f"token     {text}\ntoken id  {token_id}\nscopes    {' '.join(new.scopes)}\nIt is shown only now."
        ),
    )
    return 0


@token.command("list", cls=JsonCommand)
@tenant_argument()
@json_option
def list_(tenant_id: str, json_to: JsonTo) -> int:
    """TENANT's tokens, without the tokens themselves."""
    rows, output = _with_pool(lambda pool: _listed(pool, tenant_id)), Output(json_to)
    names = ("token_id", "name", "scopes", "created_at", "created_by", "expires_at", "revoked_at")
    listed = [{name: _plain(getattr(row, name)) for name in names} for row in rows]
    columns = ("token_id", "name", "scopes", "expires_at", "revoked_at")

    def show() -> None:
        cells = [[" ".join(v) if isinstance(v := row[name], list) else v for name in columns] for row in listed]
        output.table([name.replace("_", " ") for name in columns], cells)

    output.result({"tokens": listed}, show)
    return 0


@token.command(cls=JsonCommand)
@tenant_argument()
@click.argument("token_id")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--reason", default="", help="For the audit log.")
@json_option
def revoke(tenant_id: str, token_id: str, yes: bool, reason: str, json_to: JsonTo) -> int:
    """End a token of TENANT, everywhere within 5 s."""
    from infra.ops.cli.database import operator

    if not yes:
        confirm(f"End the token {token_id} of {tenant_id}?")
    if not _with_tokens(lambda tokens: tokens.revoke(tenant_id, token_id, who=operator(), reason=reason)):
        raise Failure(f"{tenant_id} has no token {token_id}", f"see: ticketstream token list {tenant_id}")
    output = Output(json_to)
    output.result({"token_id": token_id, "revoked": True}, lambda: output.say(f"{token_id} is revoked."))
    return 0


async def _listed(pool: Pool, tenant_id: str) -> list[TokenRow]:
    """Raises WrongUse where there is no such tenant."""
    from infra.ops.cli.tenancy import refuse_unknown
    from sinks.postgres.tokens import ApiTokens

    await refuse_unknown(pool, tenant_id)
    return await ApiTokens(pool).list(tenant_id)


def _with_tokens(work: Any) -> Any:
    """The result of `work(ApiTokens)` under the operator's role."""
    from sinks.postgres.tokens import ApiTokens

    return _with_pool(lambda pool: work(ApiTokens(pool)))


def _with_pool(work: Any) -> Any:
    """The result of `work(Pool)` under the operator's role."""
    from infra.ops.cli.database import operator_pool
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings

    async def run() -> Any:
        async with operator_pool(Surroundings.find()) as pool:
            return await work(pool)

    return run_async(run)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value, "seconds")
    return list(value) if isinstance(value, tuple) else value
