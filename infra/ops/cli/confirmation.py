"""What can't be undone is asked for first."""

from __future__ import annotations

import sys

import click

from infra.ops.cli.failure import Failure, WrongUse


class Unconfirmed(WrongUse):
    """`question` was to be asked, and nobody is there. Whoever is may ask it, and run the command again with --yes."""

    def __init__(self, question: str) -> None:
        super().__init__("nobody is there to confirm this", "add --yes")
        self.question = question


def confirm(question: str) -> None:
    """Returns when the answer is yes. Raises Unconfirmed where there is no terminal to ask on, Failure when the answer is no."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise Unconfirmed(question)
    if not click.confirm(question, err=True):
        raise Failure("not confirmed", "nothing was done")
