"""What can't be undone is asked for first."""

from __future__ import annotations

import sys

import click

from infra.ops.cli.failure import Failure, WrongUse


def confirm(question: str) -> None:
    """Returns when the answer is yes. Raises WrongUse where there is no terminal to ask on, Failure when the answer is no."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise WrongUse("nobody is there to confirm this", "add --yes")
    if not click.confirm(question, err=True):
        raise Failure("not confirmed", "nothing was done")
