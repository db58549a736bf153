"""The argument that names a tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def tenant_argument(metavar: str = "TENANT", *, required: bool = True) -> Callable[[F], F]:
    """The command's `tenant_id`, never empty; None where it isn't required and isn't given. Whether there is such a tenant is asked
    of the database."""
    shown = metavar if required else f"[{metavar}]"
    return click.argument("tenant_id", metavar=shown, required=required, callback=_not_empty)


def _not_empty(_ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value == "":
        raise click.BadParameter("it is empty; see: ticketstream tenant list", param=param)
    return value
