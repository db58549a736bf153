"""`tenant set`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.ops.cli.commands.tenant.store import reason_option, with_store, word
from infra.ops.cli.failure import WrongUse
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

MAX_FILE_BYTES = 64 * 1024
CA = "servicedesk_ca"
if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from sinks.postgres.tenant_settings import TenantSettings
    from sinks.postgres.tenants import TenantStore

_PAIR = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


class SetCommand(JsonCommand):
    """Settings are many, so that one which `--json` took for its FILE would not be missed: that is refused."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        apart = "--json" in args
        rest = super().parse_args(ctx, args)
        if apart and any(_PAIR.match(ctx.params.get(name) or "") for name in ("json_to", "tenant_id")):
            raise WrongUse("--json takes the word after it for its FILE", "write --json last, or --json=FILE")
        return rest


def _with_files(values: Mapping[str, str]) -> dict[str, str]:
    """`servicedesk_ca=@FILE` with what the file holds."""
    found = dict(values)
    if found.get(CA, "").startswith("@"):
        with Path(found[CA][1:]).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise WrongUse(f"{found[CA][1:]} has more than {MAX_FILE_BYTES} bytes", "give the certificates alone")
        found[CA] = content.decode("utf-8", "replace")
    elif found.get(CA):
        raise WrongUse(f"{CA} is given as a file", f"write {CA}=@FILE, or {CA}= for the public authorities")
    return found


@click.command("set", cls=SetCommand)
@tenant_argument("ID")
@click.argument("settings", nargs=-1, required=True, metavar="NAME=VALUE …")
@click.option(
    "--agreed-by",
    "--approved-by",
    "agreed_by",
    help="Who agreed to an outside model, for external_model=true; which engineer approved, for webhook_auth=bearer.",
)
@reason_option
@json_option
def set_(tenant_id: str, settings: tuple[str, ...], agreed_by: str | None, reason: str, json_to: JsonTo) -> int:
    """Change settings of the tenant ID; effective everywhere within seconds, and audited.

    Engineering's settings need an engineer's token; `tenant show` says which those are, and what is allowed.

    servicedesk_ca=@FILE gives the desk a certificate authority of its own (PEM), servicedesk_ca= the public ones again.

    external_model=true lets ticket text, masked, leave for an outside language model: say who agreed with --agreed-by, and why
    with --reason.

    webhook_auth=bearer webhook_sources=203.0.113.0/24,… is for desks that can't sign: an engineer approves of it.
    """
    from infra.ops.cli.desk_trial import checked_url
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.cli.tenancy import pairs
    from sinks.postgres.tenant_settings import told

    values, output = _with_files(pairs(settings)), Output(json_to)
    if values.get("external_model", "").lower() == "true" and not (agreed_by and reason):
        raise WrongUse("external_model=true needs to be agreed to", "add --agreed-by NAME --reason TEXT")
    if values.get("webhook_auth") == "bearer" and not (agreed_by and reason):
        raise WrongUse("webhook_auth=bearer needs an engineer's approval", "add --approved-by NAME --reason TEXT")
    if "servicedesk_base_url" in values:
        checked_url(Surroundings.find(), values["servicedesk_base_url"])

    async def change(store: TenantStore, at_work: Acting) -> TenantSettings:
        at_work.need_for_settings(values)
        return await store.set(tenant_id, values, at_work.operator.change(reason, agreed_by))

    after = asdict(with_store(change, tenant_id))
    changed = {name: after[name] if name in after else told(name, values[name]) for name in values}
    output.result(
        {"tenant_id": tenant_id, "settings": after},
        lambda: output.say("\n".join(f"{name} = {word(value)}" for name, value in changed.items())),
    )
    return 0
