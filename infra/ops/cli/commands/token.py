"""`ticketstream token`: of the tenants' tools, for the feedback API, and of the persons who use this command line."""

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
    from infra.ops.cli.acting import Acting
    from sinks.postgres.tokens import TokenRow

SCOPES = ("feedback:write", "feedback:read")
ROLES = ("support", "engineer")
MOST_DAYS_OF_PERSONS = 365
TOOLS_COLUMNS = ("token_id", "name", "scopes", "created_at", "created_by", "expires_at", "revoked_at", "last_used_at")
PERSONS_COLUMNS = ("token_id", "person", "role", "tenants", "created_at", "created_by", "expires_at", "revoked_at",
                   "last_used_at", "refused")  # fmt: skip


@click.group()
def token() -> None:
    """Tokens of tenants' tools, for the feedback API, and of the persons who use these commands."""


class NamesOne(JsonCommand):
    """Either a TENANT or a person: a TENANT that `--json` took for its FILE is given back. `words` is how many a TENANT has with
    what belongs to it, where they are read as one argument."""

    words = 0

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        rest = super().parse_args(ctx, args)
        lacks = len(ctx.params["words"]) < self.words if self.words else ctx.params.get("tenant_id") is None
        if "--json" in given and lacks and not ctx.params.get("person"):
            given[given.index("--json")] = "--json=-"
            ctx.params.clear()
            return super().parse_args(ctx, given)
        return rest


@token.command(cls=NamesOne)
@tenant_argument(required=False)
@click.option(
    "--scope", "scopes", multiple=True, help=f"May be given several times; {' and '.join(SCOPES)} by default."
)
@click.option("--name", default="", help="What it is for.")
@click.option("--person", help="Make a token for this person instead, to use commands with.")
@click.option("--role", type=click.Choice(ROLES), help="The person's.")
@click.option("--tenant", "tenants", multiple=True, help="One that the person may touch; may be given several times.")
@click.option("--all-tenants", is_flag=True, help="The person may touch every tenant.")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    help=f"Ends after so many days. A tool's never by default; a person's after 90, at most {MOST_DAYS_OF_PERSONS}.",
)
@click.option("--reason", default="", help="For the audit log.")
@json_option
def create(
    tenant_id: str | None, person: str | None, days: int | None, reason: str, json_to: JsonTo, **given: Any
) -> int:
    """Make a token for TENANT's tools, or with --person for somebody who uses these commands. It is shown once.

    Only engineers make persons' tokens, and only for tenants of their own; while there is no valid engineer's token, whoever has
    the operator's database login makes the first.
    """
    output = Output(json_to)
    if person is None:
        if tenant_id is None or given["role"] or given["tenants"] or given["all_tenants"]:
            raise WrongUse("whose token is not clear", "give TENANT, or --person NAME with --role and tenants")
        return _create_for_tools(tenant_id, tuple(given["scopes"]) or SCOPES, given["name"], days, reason, output)
    if tenant_id is not None or given["scopes"] or given["name"]:
        raise WrongUse("--person has no TENANT, --scope or --name", "say which tenants with --tenant or --all-tenants")
    return _create_for_person(person.strip(), given["role"], _tenants(**given), days, reason, output)


@token.command("list", cls=NamesOne)
@tenant_argument(required=False)
@click.option("--persons", "person", is_flag=True, help="The tokens of persons instead.")
@json_option
def list_(tenant_id: str | None, person: bool, json_to: JsonTo) -> int:
    """TENANT's tokens, or with --persons those of persons, without the tokens themselves."""
    if (tenant_id is None) != person:
        raise WrongUse("whose tokens is not clear", "give TENANT or --persons")
    output = Output(json_to)
    names = PERSONS_COLUMNS if person else TOOLS_COLUMNS
    rows = _at_work(
        _persons if person else lambda at_work: _tools(at_work, str(tenant_id)), *([tenant_id] if tenant_id else [])
    )
    listed = [{name: _plain(getattr(row, name)) for name in names} for row in rows]
    left_out = ("created_at", "created_by")

    def show() -> None:
        shown = [name for name in names if name not in left_out]
        cells = [[" ".join(v) if isinstance(v := row[name], list) else v for name in shown] for row in listed]
        output.table([name.replace("_", " ") for name in shown], cells)

    output.result({"tokens": listed}, show)
    return 0


class NamesOneAndItsToken(NamesOne):
    words = 2


@token.command(cls=NamesOneAndItsToken)
@click.argument("words", metavar="[TENANT] [TOKEN_ID]", nargs=-1)
@click.option("--person", help="End all tokens of this person, or the one that is named.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--reason", default="", help="For the audit log.")
@json_option
def revoke(words: tuple[str, ...], person: str | None, yes: bool, reason: str, json_to: JsonTo) -> int:
    """End the token TOKEN_ID of TENANT, or with --person NAME that person's, everywhere within 5 s."""
    output = Output(json_to)
    if person is not None:
        if len(words) > 1:
            raise WrongUse("--person has no TENANT", "give at most a TOKEN_ID with it")
        return _revoke_of_person(person, words[0] if words else None, yes, reason, output)
    if len(words) != 2:
        raise WrongUse("which token is not clear", "give TENANT TOKEN_ID, or --person NAME")
    return _revoke_of_tools(words[0], words[1], yes, reason, output)


def _create_for_tools(
    tenant_id: str, scopes: tuple[str, ...], name: str, days: int | None, reason: str, output: Output
) -> int:
    import asyncpg

    from sinks.postgres.tokens import ApiTokens, NewToken, UnknownScope

    new = NewToken(tenant_id, scopes, name, datetime.now(UTC) + timedelta(days=days) if days else None)

    async def make(at_work: Acting) -> tuple[str, str]:
        try:
            return await ApiTokens(at_work.pool).create(new, at_work.operator.change(reason))
        except UnknownScope as error:
            raise WrongUse("--scope", str(error)) from None
        except asyncpg.ForeignKeyViolationError:
            raise Failure(f"there is no tenant {tenant_id}", "see: ticketstream tenant list") from None

    text, token_id = _at_work(make, tenant_id)
    output.result(
        {"token": text, "token_id": token_id, "scopes": list(new.scopes)},
        lambda: output.say(
            f"token     {text}\ntoken id  {token_id}\nscopes    {' '.join(new.scopes)}\nIt is shown only now."
        ),
    )
    return 0


def _create_for_person(
    person: str, role: str | None, tenants: frozenset[str] | None, days: int | None, reason: str, output: Output
) -> int:
    from sinks.postgres.operator_tokens import DEFAULT_DAYS, NewOperatorToken, OperatorToken, OperatorTokens, Role

    if role is None:
        raise WrongUse("--role is missing", "give --role support or --role engineer")
    if not 0 < len(person) <= 200 or (days or 1) > MOST_DAYS_OF_PERSONS:
        raise WrongUse("--person or --days", f"a name of 1-200 characters, and at most {MOST_DAYS_OF_PERSONS} days")
    new = NewOperatorToken(person, Role(role), tenants, days or DEFAULT_DAYS)

    async def make(at_work: Acting) -> tuple[str, OperatorToken, bool]:
        from infra.ops.cli.tenancy import refuse_unknown

        tokens = OperatorTokens(at_work.pool)
        at_work.need_engineer("making a person's token")
        for_all = new.role is Role.ENGINEER and tenants is None
        first = for_all and at_work.operator.token_id is None and not await tokens.has_engineer()
        at_work.need_all_tenants("--all-tenants") if tenants is None else at_work.need_tenants(tenants)
        for tenant_id in tenants or ():
            await refuse_unknown(at_work.pool, tenant_id)
        return (*await tokens.create(new, at_work.operator.change(reason), first=first), first)

    text, kept, first = _at_work(make)
    found = (
        {"token": text} | {name: _plain(getattr(kept, name)) for name in PERSONS_COLUMNS} | {"first_engineer": first}
    )
    whose = "all tenants" if kept.tenants is None else ", ".join(sorted(kept.tenants))

    def show() -> None:
        output.say(f"token     {text}\ntoken id  {kept.token_id}\nfor       {person}, {kept.role.value}, {whose}")
        output.say(f"until     {_plain(kept.expires_at)}\nIt is shown only now. Use it as TICKETSTREAM_OPERATOR_TOKEN.")
        if first:
            output.say("There was no valid engineer's token: this first one needed none, and the audit log says so.")

    output.result(found, show)
    return 0


def _revoke_of_tools(tenant_id: str, token_id: str, yes: bool, reason: str, output: Output) -> int:
    from sinks.postgres.tokens import ApiTokens

    if not yes:
        confirm(f"End the token {token_id} of {tenant_id}?")
    if not _at_work(
        lambda at_work: ApiTokens(at_work.pool).revoke(tenant_id, token_id, at_work.operator.change(reason)), tenant_id
    ):
        raise Failure(f"{tenant_id} has no token {token_id}", f"see: ticketstream token list {tenant_id}")
    output.result({"token_id": token_id, "revoked": True}, lambda: output.say(f"{token_id} is revoked."))
    return 0


def _revoke_of_person(person: str, token_id: str | None, yes: bool, reason: str, output: Output) -> int:
    from sinks.postgres.operator_tokens import OperatorTokens

    what = f"the token {token_id}" if token_id else "all tokens"
    if not yes:
        confirm(f"End {what} of {person}?")

    async def end(at_work: Acting) -> list[str]:
        at_work.need_engineer("ending a person's token")
        at_work.need_all_tenants("ending a person's token")
        return await OperatorTokens(at_work.pool).revoke(
            at_work.operator.change(reason), person=person, token_id=token_id
        )

    ended = _at_work(end)
    if not ended:
        raise Failure(f"{person} has no such token that is not revoked", "see: ticketstream token list --persons")
    output.result(
        {"person": person, "token_ids": ended, "revoked": True},
        lambda: output.say(f"{len(ended)} of {person} revoked: {', '.join(ended)}"),
    )
    return 0


def _tenants(*, tenants: tuple[str, ...], all_tenants: bool, **_: Any) -> frozenset[str] | None:
    """None stands for all."""
    if bool(tenants) == all_tenants:
        raise WrongUse("which tenants is not clear", "give --tenant T, once or several times, or --all-tenants")
    return frozenset(tenants) if tenants else None


async def _tools(at_work: Acting, tenant_id: str) -> list[TokenRow]:
    """Raises WrongUse where there is no such tenant."""
    from infra.ops.cli.tenancy import refuse_unknown
    from sinks.postgres.tokens import ApiTokens

    await refuse_unknown(at_work.pool, tenant_id)
    return await ApiTokens(at_work.pool).list(tenant_id)


async def _persons(at_work: Acting) -> list[Any]:
    """For who may touch all tenants: who else is there is nobody else's business."""
    from sinks.postgres.operator_tokens import OperatorTokens

    return await OperatorTokens(at_work.pool).all()


def _at_work(work: Any, *tenants: str) -> Any:
    """The result of `work(Acting)` for whoever runs this command."""
    from infra.ops.cli.acting import acting
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings

    async def run() -> Any:
        async with acting(Surroundings.find(), *tenants) as at_work:
            return await work(at_work)

    return run_async(run)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value, "seconds")
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value
