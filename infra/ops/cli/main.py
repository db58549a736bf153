"""The console script. Commands are imported when they are used, so that `--help` answers at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import click

from infra.ops.cli.failure import FAILED, WRONG_USE

INTERRUPTED = 130
_ROOM = "infra.ops.cli.commands"

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "start the whole local stack, until Ctrl-C"),
    "demo": ("demo", "three tenants, 60 webhooks, 56 notes"),
    "ingest": ("services", "run the edge in the foreground"),
    "process": ("services", "run one stage in the foreground"),
    "topics": ("topics", "create and check the topics"),
    "database": ("database", "create and change the tables"),
    "key": ("key", "signing keys and key rings"),
    "tenant": ("tenant", "create tenants and change their settings"),
    "token": ("token", "tokens of tenants' tools and of persons"),
    "webhook": ("webhook", "sign and send a webhook, and read the answer"),
    "knowledge": ("knowledge", "import knowledge articles"),
    "inventory": ("inventory", "import network inventory"),
    "history": ("history", "import solved tickets"),
    "investigate": ("investigate", "what became of a ticket, why, and what to do next"),
    "reconcile": ("reconcile", "feed in the tickets whose webhook never arrived"),
    "replay": ("replay", "run tickets of a time window again"),
    "lag": ("lag", "how far each stage is behind, for whom, and what is held"),
    "dead-letters": ("dead_letters", "what could not be handled, and why"),
    "health": ("health", "is everything well now?"),
    "drill": ("drill", "practise a P1: backlog and crashing workers at the morning peak"),
    "audit": ("audit", "who did what with which tenant and why, and proof that nobody changed it"),
    "tail": ("tail", "follow the notes as they are delivered"),
    "export": ("export", "finished enhancements with their feedback, for analysts"),
    "report": ("report", "a tenant's week against what was agreed, as Markdown or HTML"),
    "bench": ("bench", "measure, and say compared with what"),
}
"""Command → module under `commands/` (the click command there has the command's name, `-` as `_`), and its line in the help."""


class ReaderGone(Exception):
    """Who read our output has had enough, as in `ticketstream tail | head`. As an OSError click would take it for a failure."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and one-line helps without importing them. Raises ReaderGone."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGone from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{_ROOM}.{COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101 - a slip in the table above
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def ticketstream() -> None:
    """Reads the tickets of managed service providers as they arrive and adds a note to each.

    Every command takes --help. With --json a command prints one JSON object (--json FILE writes it there), and tail one a line;
    up, ingest and process have no --json. Exit code 0: done, 1: failed, 2: wrong use.
    """


def run(
    arguments: Sequence[str] | None = None, *, told: Callable[[click.ClickException], bool] = lambda _: False
) -> int:
    """The command's exit code. Never raises: an error is one line on stderr, unless `told`, who hears of it, sees to that."""
    try:
        result = ticketstream.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except click.UsageError as error:
        told(error)
        error.show()
        return WRONG_USE
    except click.ClickException as error:
        if not told(error):
            click.echo(error.format_message(), err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return INTERRUPTED
    except ReaderGone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes there at exit
        return 0
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        click.echo(f"{error.strerror or error}{where}: see that it exists, is reachable, and may be used", err=True)
        return FAILED
    except Exception as error:
        return _bug(error)
    return result if isinstance(result, int) else 0


def _bug(error: Exception) -> int:
    """An error nobody foresaw: a line for the user, the traceback only for who asks for it."""
    import traceback

    if os.environ.get("TICKETSTREAM_LOG_LEVEL") == "DEBUG":
        traceback.print_exc()
    told = str(error).partition("\n")[0] or "no details"
    cure = "run it again with TICKETSTREAM_LOG_LEVEL=DEBUG, and report what it prints"
    click.echo(f"{type(error).__name__} ({told}): {cure}", err=True)
    return FAILED


def main() -> None:
    sys.exit(run())
