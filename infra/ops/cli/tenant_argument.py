"""The argument that names a tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def tenant_argument(metavar: str = "TENANT") -> Callable[[F], F]:
    """The command's `tenant_id`, never empty. Whether there is such a tenant is asked of the database."""
    return click.argument("tenant_id", metavar=metavar, callback=_not_empty)


def _not_empty(_ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not value:
        raise click.BadParameter("it is empty; see: ticketstream tenant list", param=param)
    return value
