"""What a command shows: tables for people, or one JSON object for scripts. Logs never come this way, they go to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Literal, TypeAlias, TypeVar

import click

from infra.ops.cli.failure import Failure
from infra.ops.cli.json_file import JsonFile
from infra.ops.cli.served import CONSOLE_URL, SERVED, command_path

F = TypeVar("F", bound=Callable[..., Any])

STDOUT: Final = "-"
ARGS: Final = "ticketstream.args"
"""Where the context has the words that it was made from."""
NARROWEST = 5
"""A table's column with the space beside it, in characters."""
JsonTo: TypeAlias = Literal["-"] | JsonFile | None
"""Where the object goes: to stdout, to a file, or nowhere."""


class JsonCommand(click.Command):
    """A command whose `--json` may be followed by a file, which is opened before the command begins. Where that takes the
    command's own argument away, it is given back: `tenant show --json msp-one` shows the tenant msp-one.

    With TICKETSTREAM_CONSOLE_URL set a command that the console serves is run there, by whoever has the operator token."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[ARGS] = given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter:
            if "--json" not in given:
                raise
            given[given.index("--json")] = f"--json={STDOUT}"
            ctx.params.clear()
            return super().parse_args(ctx, list(given))

    def invoke(self, ctx: click.Context) -> Any:
        path = ctx.params.get("json_to")
        if path is None or path == STDOUT:
            return self._do(ctx)
        with JsonFile(path) as file:
            ctx.params["json_to"] = file
            return self._do(ctx)

    def asked_for(self, ctx: click.Context) -> Mapping[str, Sequence[str]]:
        """What a person at the terminal is asked for before the console, which has no terminal, runs the command: further values
        of options, by name."""
        return {}

    def _do(self, ctx: click.Context) -> Any:
        path = command_path(ctx)
        if not os.environ.get(CONSOLE_URL) or path not in SERVED:
            return super().invoke(ctx)
        from infra.ops.cli.through_console.client import run_there

        return run_there(path, self, ctx, ctx.meta[ARGS])


def json_option(command: F) -> F:
    """`--json` prints the result as one object on stdout, `--json FILE` writes it to a file: the command's `json_to`."""
    return click.option(
        "--json",
        "json_to",
        metavar="[FILE]",
        is_flag=False,
        flag_value=STDOUT,
        default=None,
        help="Print one JSON object on stdout, or write it to FILE.",
    )(command)


class Output:
    """Where a command's words go. With the object on stdout, people's lines go to stderr instead."""

    def __init__(self, json_to: JsonTo = None) -> None:
        self._json_to = json_to
        self.json_on_stdout, self.json_asked = json_to == STDOUT, json_to is not None

    def say(self, line: str = "") -> None:
        """A line for people."""
        click.echo(line, err=self.json_on_stdout)

    def result(self, value: Mapping[str, Any], show: Callable[[], None] | None = None) -> None:
        """The command's result: the object where it was asked for, and `show` for people unless stdout is the object's."""
        if self._json_to is not None:
            self._object(json.dumps(value, ensure_ascii=False, default=str))
        if show is not None and not self.json_on_stdout:
            show()

    def _object(self, text: str) -> None:
        if not isinstance(self._json_to, JsonFile):
            click.echo(text)
            return
        try:
            self._json_to.write(text + "\n")
        except Failure:
            click.echo(text)  # it may be the only time that a secret is shown
            raise

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None, naming: int = 1
    ) -> None:
        """A table for people; a column whose every value is a number stands to the right. The first columns, which name the row,
        `naming` of them, are never broken: where they leave no room for the others, the table is wider than the terminal."""
        self.console().print(self.made_table(columns, rows, title=title, naming=naming), crop=False)

    def made_table(
        self, columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None, naming: int = 1
    ) -> Any:
        """The table that `table` prints, for a display that changes."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
        for index, column in enumerate(columns):
            numbers = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
            side: Literal["left", "right"] = "right" if numbers else "left"
            table.add_column(column, justify=side, overflow="fold", no_wrap=index < naming)
        for row in rows:
            table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
        width = self.console().width
        names = sum(max((len(str(row[index])) for row in rows), default=0) for index in range(naming))
        needed = names + NARROWEST * (len(columns) - naming)
        if needed > width:
            table.width = needed
        return table

    def status(self, text: str) -> AbstractContextManager[object]:
        """A spinner on a terminal while something lasts; nothing elsewhere."""
        console = self.console()
        found: AbstractContextManager[object] = console.status(text) if console.is_terminal else nullcontext()
        return found

    def console(self) -> Any:
        """A rich console on the stream that people read."""
        from rich.console import Console

        stream = sys.stderr if self.json_on_stdout else sys.stdout
        width = None if stream.isatty() else 120
        return Console(file=stream, width=width, highlight=False)
