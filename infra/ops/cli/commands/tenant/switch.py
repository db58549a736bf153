"""`tenant enable` and `tenant disable`."""

from __future__ import annotations

import click

from infra.ops.cli.commands.tenant.store import reason_option, with_store
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument


@click.command(cls=JsonCommand)
@tenant_argument("ID")
@reason_option
@json_option
def enable(tenant_id: str, reason: str, json_to: JsonTo) -> int:
    """Take the tenant's webhooks again, and go on with what is in flight."""
    return _switch(tenant_id, True, reason, Output(json_to))


@click.command(cls=JsonCommand)
@tenant_argument("ID")
@reason_option
@json_option
def disable(tenant_id: str, reason: str, json_to: JsonTo) -> int:
    """Refuse the tenant's webhooks, and hold what is in flight."""
    return _switch(tenant_id, False, reason, Output(json_to))


def _switch(tenant_id: str, enabled: bool, reason: str, output: Output) -> int:
    after = with_store(
        lambda store, acting: store.enable(tenant_id, enabled, acting.operator.change(reason)), tenant_id
    )
    output.result(
        {"tenant_id": tenant_id, "enabled": after.enabled},
        lambda: output.say(f"{tenant_id} is {'enabled' if after.enabled else 'disabled'}, everywhere within 5 s."),
    )
    return 0
