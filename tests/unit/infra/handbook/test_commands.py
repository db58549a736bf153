"""The commands on the pages exist, with arguments and options as they take them; tests/integration/chain/handbook runs them."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from infra.ops.cli.main import COMMANDS
from tests.unit.infra.handbook.commands import Command, commands, find, names_only, parse
from tests.unit.infra.handbook.pages import PAGES, WITH_COMMANDS, shown


@pytest.mark.parametrize("file", PAGES, ids=shown)
def test_commands_are_ones_that_there_are(file: Path) -> None:
    for command in commands(file, "ticketstream"):
        if names_only(command):
            named = tuple(word for word in command.words if "…" not in word)
            assert not named or find(named)
        else:
            parse(command.words)


def test_most_commands_of_ours_are_in_the_handbook() -> None:
    """Whoever looks for a command finds it explained: but for those that run a process, and make demo."""
    named = {one.words[0] for file in WITH_COMMANDS for one in commands(file, "ticketstream")}
    missing = set(COMMANDS) - named

    assert missing <= {"demo", "ingest", "process"}


def test_a_command_that_there_is_not_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(("lag", "show", "--wach"))
    with pytest.raises(AssertionError):
        parse(("lags", "show"))
    with pytest.raises(AssertionError):
        parse(("tenant", "show"))


def test_commands_are_found_wherever_they_stand(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Run `ticketstream lag\nshow --watch`, or `ticketstream tenant set …`.\n\n"
        "1. Then:\n   ```sh\n   TOKEN=tso_… ticketstream audit --verify  # exit code 0 or 1\n"
        "   ticketstream tenant \\\n       list\n   ```\n\n"
        "        ticketstream topics ensure\n\n```\nkubectl exec x -- ticketstream key list\n```\n\n"
        "```text\nticketstream no command\n```\n"
    )

    assert commands(page, "ticketstream") == [
        Command(("audit", "--verify"), codes=(0, 1)),
        Command(("tenant", "list")),
        Command(("topics", "ensure")),
        Command(("key", "list")),
        Command(("lag", "show", "--watch"), inline=True),
        Command(("tenant", "set", "…"), inline=True),
    ]
