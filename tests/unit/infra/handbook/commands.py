"""The commands on the pages: in code blocks, or inline. What follows the `--` of kubectl's exec is a command, too."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from infra.ops.cli.main import ticketstream
from tests.unit.infra.handbook.pages import page

SHELL = frozenset({"", "sh", "bash", "console"})
_EXIT_CODES = re.compile(r"exit code (\d)(?: or (\d))?")
_VARIABLES = re.compile(r"^(?:[A-Z_]+=\S* )+")
_JOINED = re.compile(r"\\\n\s*")


@dataclass(frozen=True, slots=True)
class Command:
    """`words` are what follows the program. `inline`: it stands in a sentence. `codes` are those that a comment behind it names."""

    words: tuple[str, ...]
    inline: bool = False
    codes: tuple[int, ...] = (0,)


def commands(file: Path, program: str) -> list[Command]:
    """Each command of this program on a page, in its order: those of blocks, then inline ones."""
    read = page(file)
    lines = [(line, False) for block in read.blocks if block.language in SHELL for line in _lines(block.text)]
    lines += [(text, True) for text in read.inline]
    return [one for line, inline in lines for one in _parts(line, program, inline)]


def _lines(text: str) -> list[str]:
    return _JOINED.sub(" ", text).splitlines()


def _parts(line: str, program: str, inline: bool) -> Iterator[Command]:
    for part in line.split(" -- "):
        text = _VARIABLES.sub("", part.strip())
        if text.startswith(f"{program} "):
            yield Command(tuple(shlex.split(text, comments=True)[1:]), inline, expected(text))


def expected(line: str) -> tuple[int, ...]:
    """The exit codes that a line's comment names; 0 where it names none."""
    named = _EXIT_CODES.search(line.partition("#")[2])
    return tuple(int(code) for code in named.groups() if code) if named else (0,)


def find(words: tuple[str, ...]) -> tuple[click.Command, click.Context, list[str]]:
    """The command that the words name, and those that are left. Raises AssertionError where there is none."""
    command: click.Command = ticketstream
    context, left = click.Context(ticketstream, info_name="ticketstream"), list(words)
    while isinstance(command, click.Group) and left[:1] != ["--help"]:
        assert left, f"ticketstream {' '.join(words)}: which command of the group?"
        name = left.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"ticketstream {' '.join(words)}: no command {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    return command, context, left


def names_only(command: Command) -> bool:
    """A sentence names it, to be looked up: no argument and no option stands there, or an ellipsis."""
    return command.inline and ("…" in command.words[-1] or not find(command.words)[2])


def parse(words: tuple[str, ...]) -> None:
    """Raises click.UsageError for a wrong use, AssertionError where an argument is missing or too much."""
    command, context, left = find(words)
    values, beyond, _ = command.make_parser(context).parse_args(left)
    wanted = [str(one.name) for one in command.params if isinstance(one, click.Argument) and one.required]
    missing = [name for name in wanted if not isinstance(values.get(name), str | tuple) or not values[name]]
    assert (beyond, missing) == ([], []), words
