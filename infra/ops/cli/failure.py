"""How a command fails: one line `what: cure` on stderr, and an exit code."""

from __future__ import annotations

import click

FAILED = 1
WRONG_USE = 2


class Failure(click.ClickException):
    """The command could not do it. Exit code 1."""

    exit_code = FAILED

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"{what}: {cure}")
        self.what, self.cure = what, cure


class WrongUse(Failure):
    """The command was asked for something it can't be asked for. Exit code 2."""

    exit_code = WRONG_USE
