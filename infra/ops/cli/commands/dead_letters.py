"""`ticketstream dead-letters`: what could not be handled."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from infra.ops.cli.commands.replay import STAGES, Rate
from infra.ops.cli.failure import WrongUse
from infra.ops.cli.moment import Moment
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.sight import Sight, sight_options

if TYPE_CHECKING:
    from infra.ops.replay.letters import LetterFilter

F = TypeVar("F", bound=Callable[..., Any])
_FILTERS = (
    click.option("--tenant", help="Only this tenant; letters whose tenant isn't proven have none."),
    click.option("--reason", help="Only this reason, as `list` shows it."),
    click.option("--stage", type=click.Choice(STAGES), help="Only what this stage could not handle."),
    click.option("--ticket", metavar="ID", help="Only this ticket."),
    click.option("--since", type=Moment(), help="Last failed from then on: 2026-01-31T09:00:00Z, or 2h, 3d ago."),
    click.option("--until", type=Moment(), help="Last failed before then."),
)


def filters(command: F) -> F:
    """The options that say which letters are meant."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group(name="dead-letters")
def dead_letters() -> None:
    """What could not be handled, and why."""


@dead_letters.command("list", cls=JsonCommand)
@filters
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="The newest so many.")
@json_option
def list_(limit: int, json_to: JsonTo, **given: Any) -> int:
    """The newest dead letters, oldest of them first, and what is held now."""
    from infra.ops.cli.acting import looking
    from infra.ops.cli.held_now import held_now, show_held
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.replay.letter_room import newest

    around, output, wanted = Surroundings.find(), Output(json_to), _filter(given)
    own = looking(around, *([wanted.tenant_id] if wanted.tenant_id else []))
    wanted = replace(wanted, tenants=own.tenants)
    rows = newest(around, wanted, limit)
    if wanted.tenant_id and not rows:  # only then: letters may outlive their tenant
        from infra.ops.cli.tenancy import refuse_unknown_when_reachable

        refuse_unknown_when_reachable(around, wanted.tenant_id)

    held = held_now(around, own, wanted, limit)

    def show() -> None:
        show_letters()
        show_held(held, output)

    def show_letters() -> None:
        if not rows:
            output.say("No dead letters.")
            return
        columns = ("letter", "at", "tenant", "ticket", "stage", "reason", "error")
        names = ("letter", "at", "tenant_id", "ticket_id", "stage", "reason", "error")
        output.table(columns, [[str(row[name])[:200] for name in names] for row in rows])
        output.say("All of one: ticketstream dead-letters show LETTER")

    output.result({"dead_letters": rows, "held": held}, show)
    return 0


@dead_letters.command("show", cls=JsonCommand)
@click.argument("letter")
@click.option(
    "--raw", type=click.Path(dir_okay=False, path_type=Path), help="Write the original bytes to this new file."
)
@sight_options
@json_option
def show(letter: str, raw: Path | None, reason: str, consent: str, json_to: JsonTo) -> int:
    """All of one dead letter: what failed and how, the original event with its headers, and whether it was replayed.

    LETTER is TOPIC:PARTITION:OFFSET or PARTITION:OFFSET of the letter, as `list` shows it, or its event id or the original's. It
    may hold a ticket's text: looking is noted down in the audit log.
    """
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.replay.letter_room import look

    if raw is not None and raw.exists():
        raise WrongUse(f"{raw} exists", "give a new file")
    output = Output(json_to)
    around, sight = Surroundings.find(), Sight(reason, consent)
    sight.check(around)
    shown, original = look(around, letter, sight)
    if raw is not None:
        _write(raw, original)
        shown["raw_file"] = str(raw)
    output.result(shown, lambda: _show(output, shown))
    return 0


@dead_letters.command("replay", cls=JsonCommand)
@filters
@click.option("--letter", help="Only this one: PARTITION:OFFSET as `list` shows it, or its event id.")
@click.option("--again", is_flag=True, help="Also letters that were replayed before.")
@click.option("--why", default="", help="Why, for the audit log.")
@click.option(
    "--rate", type=Rate(), default="10/s", show_default=True, help="Events a second for each tenant and stage."
)
@click.option("--yes", is_flag=True, help="Do it. Without, it is only shown what would be done.")
@json_option
def replay(again: bool, why: str, rate: float, yes: bool, letter: str | None, json_to: JsonTo, **given: Any) -> int:
    """Let the stages handle dead letters again, once what was wrong is mended. Shows first what it would do.

    A letter that nobody proved to be ours is never replayed; one that was replayed already isn't without --again. Stopped or
    killed, it is simply started again.
    """
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.replay.letter_room import LettersAsked, replay_letters

    asked = LettersAsked(_filter(given), letter, again, why, rate)
    return replay_letters(Surroundings.find(), Output(json_to), asked, do=yes)


def _filter(given: dict[str, Any]) -> LetterFilter:
    from infra.ops.replay.letters import LetterFilter
    from schemas.reasons import Reason

    if given["since"] and given["until"] and given["since"] >= given["until"]:
        raise WrongUse("--since is not before --until", "exchange them")
    if given["reason"] is not None and given["reason"] not in {reason.value for reason in Reason}:
        raise WrongUse(f"there is no reason {given['reason']!r}", "see the reasons in: ticketstream dead-letters list")
    return LetterFilter(
        given["tenant"], given["reason"], given["stage"], given["ticket"], given["since"], given["until"]
    )


def _write(raw: Path, original: bytes | None) -> None:
    """Readable by its owner only: it holds a ticket."""
    if original is None:
        raise WrongUse("--raw: the letter doesn't hold the original, which was too large", "leave out --raw")
    with os.fdopen(os.open(raw, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(original)


def _show(output: Output, shown: dict[str, Any]) -> None:
    import json

    for name in (
        "letter",
        "event_id",
        "stage",
        "reason",
        "tenant_id",
        "ticket_id",
        "trace_id",
        "attempts",
        "first_at",
        "at",
    ):
        output.say(f"{name.replace('_', ' '):<14}{shown[name]}")
    output.say(f"{'original':<14}{shown['topic']}:{shown['partition']}:{shown['offset']}, {shown['bytes']} bytes")
    output.say(f"{'replayed':<14}{_state(shown['replayed'])}")
    output.say(f"{'error':<14}{str(shown['error']).replace(chr(10), chr(10) + ' ' * 14)}")
    output.say("headers")
    for header in shown["headers"]:
        output.say(f"    {header['name']}: {header['value']}")
    output.say("event")
    told = json.dumps(shown["event"], ensure_ascii=False, indent=2) if shown["event"] else shown["event_error"]
    output.say("    " + told.replace("\n", "\n    "))
    if "raw_file" in shown:
        output.say(f"The original bytes are in {shown['raw_file']}.")


def _state(replayed: dict[str, Any] | None) -> str:
    if replayed is None:
        return "no"
    if replayed["at"] is None:
        return f"begun by {replayed['who']} in run {replayed['run_id']}, not seen to its end: replay it again"
    return f"{replayed['at']} by {replayed['who']} in run {replayed['run_id']}"
