"""What the commands about tenants share: the store under the operator's role, and how values are written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from sinks.postgres.tenant_settings import TenantSettings
    from sinks.postgres.tenants import TenantStore

T = TypeVar("T")

reason_option = click.option("--reason", default="", help="For the audit log.")


def with_store(work: Callable[[TenantStore, Acting], Awaitable[T]], *tenants: str) -> T:
    """The result of `work(TenantStore, Acting)` for whoever runs this command."""
    from infra.ops.cli.acting import acting
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.cli.tenancy import refusals
    from sinks.postgres.tenants import TenantStore

    async def run() -> T:
        async with acting(Surroundings.find(), *tenants) as at_work:
            with refusals():
                return await work(TenantStore(at_work.pool), at_work)

    return run_async(run)


def yes(value: bool) -> str:
    return "yes" if value else "no"


def webhooks(settings: TenantSettings) -> str:
    """How its webhooks are known."""
    return f"bearer from {settings.webhook_sources}" if settings.webhook_auth == "bearer" else "signed"


def word(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def shown(value: object) -> object:
    """A value as a table's cell: of several, each on a line of its own."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {word(one)}" for name, one in value.items() if one not in (None, ""))
    if isinstance(value, list | tuple):
        return "\n".join(str(shown(one)) for one in value)
    return word(value)
