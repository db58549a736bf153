"""`ticketstream replay`: tickets of a time window once more, after an incident."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.failure import WrongUse
from infra.ops.cli.moment import Moment
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option

if TYPE_CHECKING:
    from infra.ops.replay.window_replay import Asked

STAGES = ("enrich", "synthesize", "deliver", "feedback_aggregate")
_RATE = re.compile(r"(\d{1,4}(?:\.\d{1,3})?)(?:/s)?")


class Rate(click.ParamType):
    """`20` or `20/s`: events a second."""

    name = "N/s"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = _RATE.fullmatch(str(value).strip())
        rate = float(match[1]) if match else 0.0
        if not 0.1 <= rate <= 1000:
            self.fail(f"{value!r} is not from 0.1/s to 1000/s", param, ctx)
        return rate


@click.command(cls=JsonCommand)
@click.option("--stage", type=click.Choice(STAGES), help="The stage whose input is searched.")
@click.option("--tenant", "tenants", metavar="T[,T…]", help="Only these tenants.")
@click.option("--all-tenants", is_flag=True, help="Every tenant.")
@click.option("--ticket", metavar="ID", help="Only this ticket.")
@click.option(
    "--since", type=Moment(), help="From when on the stage's input came: 2026-01-31T09:00:00Z, or 2h, 3d ago."
)
@click.option("--until", type=Moment(), help="To when; now by default.")
@click.option(
    "--to",
    type=click.Choice(STAGES),
    help="The stage that gets the tickets again: --stage (by default) or an earlier one.",
)
@click.option(
    "--again", is_flag=True, help="Answer tickets once more that have their note: a new note replaces the earlier."
)
@click.option("--reason", help="Why, for the audit log. Needed with --yes.")
@click.option("--rate", type=Rate(), default="10/s", show_default=True, help="Events a second for each tenant.")
@click.option("--yes", is_flag=True, help="Do it. Without, it is only shown what would be done.")
@click.option("--resume", metavar="RUN", help="Go on with a run that was stopped or killed.")
@json_option
def replay(resume: str | None, yes: bool, reason: str | None, rate: float, json_to: JsonTo, **asked: Any) -> int:
    """Feed the tickets that reached STAGE in a time window to it once more, or to an earlier stage.

    Shows first what it would do. An earlier stage gets the newest event of each ticket, as it came to that stage. A ticket that has
    its note is left alone unless --again says that a new note shall replace it.
    """
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.replay import window_replay

    around, output = Surroundings.find(), Output(json_to)
    if resume is not None:
        if yes or reason or any(asked.values()):
            raise WrongUse("--resume goes on with what was asked for before", "give nothing with it but --json")
        return window_replay.resume(around, output, resume)
    if yes and not (reason or "").strip():
        raise WrongUse("--yes needs --reason", "say why, for the audit log: --reason 'desk was down, case 4711'")
    return window_replay.replay(around, output, _asked(asked, reason or "", rate), do=yes)


def _asked(given: dict[str, Any], reason: str, rate: float) -> Asked:
    """Raises WrongUse for what is missing or doesn't fit together."""
    from infra.ops.replay.request import ReplayRequest, WrongRequest
    from infra.ops.replay.window_replay import Asked
    from schemas.ids import is_desk_id
    from schemas.topics import Stage

    for name, example in (("stage", "--stage deliver"), ("since", "--since 2h")):
        if given[name] is None:
            raise WrongUse(f"--{name} is missing", f"for example {example}")
    tenants = tuple(dict.fromkeys(one.strip() for one in (given["tenants"] or "").split(",") if one.strip()))
    if bool(tenants) == given["all_tenants"]:
        raise WrongUse("whose tickets is not clear", "give --tenant T[,T…] or --all-tenants")
    if given["ticket"] is not None and not is_desk_id(given["ticket"]):
        raise WrongUse(f"--ticket {given['ticket']!r} is no ticket id", "give one as it stands in the desk's address")
    stage = Stage(given["stage"])
    try:
        request = ReplayRequest(
            stage=stage,
            to=Stage(given["to"]) if given["to"] else stage,
            since=given["since"],
            until=given["until"] or datetime.now(UTC),
            ticket_id=given["ticket"],
            again=given["again"],
        )
    except WrongRequest as error:
        raise WrongUse(error.what, error.cure) from None
    return Asked(request, tenants, reason, rate)
