"""`ticketstream tenant`: create tenants, show and change their settings."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.failure import WrongUse
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.tenancy import Created
    from sinks.postgres.tenant_settings import TenantSettings

CLOUD_FIELDS = ("client_id", "client_secret", "refresh_token", "accounts_url")
MAX_CREDENTIAL_BYTES = 16 * 1024
_PAIR = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_REASON = click.option("--reason", default="", help="For the audit log.")


class SetCommand(JsonCommand):
    """Settings are many, so that one which `--json` took for its FILE would not be missed: that is refused."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        apart = "--json" in args
        rest = super().parse_args(ctx, args)
        if apart and any(_PAIR.match(ctx.params.get(name) or "") for name in ("json_to", "tenant_id")):
            raise WrongUse("--json takes the word after it for its FILE", "write --json last, or --json=FILE")
        return rest


@click.group()
def tenant() -> None:
    """Create tenants and change their settings."""


@tenant.command(cls=JsonCommand)
@tenant_argument("ID")
@click.option("--servicedesk-url", required=True, help="The desk's address, without /api/v3.")
@click.option(
    "--servicedesk-key-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"Holds the desk's key; for the cloud JSON with {', '.join(CLOUD_FIELDS)}.",
)
@click.option("--servicedesk-form", type=click.Choice(["onprem", "cloud"]), default="onprem", show_default=True)
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="A setting; may be given several times.")
@click.option("--agreed-by", help="Who agreed to an outside model, for --set external_model=true.")
@_REASON
@json_option
def create(
    tenant_id: str,
    servicedesk_url: str,
    servicedesk_key_file: Path,
    servicedesk_form: str,
    settings: tuple[str, ...],
    agreed_by: str | None,
    reason: str,
    json_to: JsonTo,
) -> int:
    """Make the tenant ID with its desk. Shows the webhook secret, once, and where webhooks go."""
    from infra.ops.cli.database import operator, operator_pool
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.cli.tenancy import create_tenant, pairs
    from sinks.postgres.tenants import Change, NewTenant

    around, output = Surroundings.find(), Output(json_to)
    local = around.variables.get("TICKETSTREAM_LOCAL") == "1"
    credential = read_credential(servicedesk_key_file, servicedesk_form, local=local)
    new = NewTenant(tenant_id, servicedesk_url, credential, servicedesk_form, pairs(settings))

    async def make() -> Created:
        async with operator_pool(around) as pool:
            return await create_tenant(around, pool, new, Change(operator(), reason, agreed_by))

    created = run_async(make)
    output.result(
        {
            "tenant_id": tenant_id,
            "partition": created.settings.partition,
            "webhook_url": created.webhook_url,
            "webhook_secret": created.secret.whsec,
            "webhook_key": created.secret.raw,
        },
        lambda: _show_created(output, created),
    )
    return 0


@tenant.command("list", cls=JsonCommand)
@json_option
def list_(json_to: JsonTo) -> int:
    """All tenants."""
    output = Output(json_to)
    tenants: list[TenantSettings] = _with_store(lambda store: store.list())

    def show() -> None:
        columns = ("tenant", "partition", "enabled", "desk", "form", "jobs", "outside model")
        rows = [
            (t.tenant_id, t.partition, _yes(t.enabled), t.servicedesk_base_url, t.servicedesk_form, t.max_concurrent_jobs,
             _yes(t.external_model))
            for t in tenants
        ]  # fmt: skip
        output.table(columns, rows)

    output.result({"tenants": [asdict(one) for one in tenants]}, show)
    return 0


@tenant.command(cls=JsonCommand)
@tenant_argument("ID")
@json_option
def show(tenant_id: str, json_to: JsonTo) -> int:
    """The settings of the tenant ID, and where its webhooks go. Never its secrets."""
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.cli.tenancy import secret_due

    around, output = Surroundings.find(), Output(json_to)
    found = asdict(_with_store(lambda store: store.show(tenant_id)))
    found |= {
        "webhook_url": around.webhook_url(tenant_id),
        "webhook_secret_due": run_async(lambda: secret_due(around, tenant_id)),
    }
    output.result(
        found, lambda: output.table(("setting", "value"), [(name, _word(value)) for name, value in found.items()])
    )
    return 0


@tenant.command("set", cls=SetCommand)
@tenant_argument("ID")
@click.argument("settings", nargs=-1, required=True, metavar="NAME=VALUE …")
@click.option("--agreed-by", help="Who agreed to an outside model, for external_model=true.")
@_REASON
@json_option
def set_(tenant_id: str, settings: tuple[str, ...], agreed_by: str | None, reason: str, json_to: JsonTo) -> int:
    """Change settings of the tenant ID; effective everywhere within seconds, and audited.

    external_model=true lets ticket text, masked, leave for an outside language model: say who agreed with --agreed-by, and why
    with --reason.
    """
    from infra.ops.cli.database import operator
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.cli.tenancy import pairs, require_reachable
    from sinks.postgres.tenants import Change

    values, output = pairs(settings), Output(json_to)
    if values.get("external_model", "").lower() == "true" and not (agreed_by and reason):
        raise WrongUse("external_model=true needs to be agreed to", "add --agreed-by NAME --reason TEXT")
    if "servicedesk_base_url" in values:
        require_reachable(Surroundings.find(), values["servicedesk_base_url"])
    after = asdict(_with_store(lambda store: store.set(tenant_id, values, Change(operator(), reason, agreed_by))))
    changed = {name: after[name] for name in values}
    output.result(
        {"tenant_id": tenant_id, "settings": after},
        lambda: output.say("\n".join(f"{name} = {_word(value)}" for name, value in changed.items())),
    )
    return 0


@tenant.command(cls=JsonCommand)
@tenant_argument("ID")
@_REASON
@json_option
def enable(tenant_id: str, reason: str, json_to: JsonTo) -> int:
    """Take the tenant's webhooks again, and go on with what is in flight."""
    return _enable(tenant_id, True, reason, Output(json_to))


@tenant.command(cls=JsonCommand)
@tenant_argument("ID")
@_REASON
@json_option
def disable(tenant_id: str, reason: str, json_to: JsonTo) -> int:
    """Refuse the tenant's webhooks, and hold what is in flight."""
    return _enable(tenant_id, False, reason, Output(json_to))


def read_credential(file: Path, form: str, *, local: bool = False) -> str:
    """The desk's key, checked as the deliver stage reads it. `local` allows an accounts_url without TLS. Raises WrongUse, which
    tells nothing of what the file holds."""
    from sinks.servicedesk.addresses import AddressPolicy
    from sinks.servicedesk.authentication import MAX_CREDENTIAL_CHARS, BadCredential, check_credential
    from sinks.servicedesk.types import DeskForm

    text, cloud = _text_of(file).strip(), form == DeskForm.CLOUD
    if not cloud and text.startswith("{"):
        raise WrongUse(f"{file} holds JSON", "that is for --servicedesk-form cloud; on premises it is the key alone")
    try:
        check_credential(DeskForm(form), text, AddressPolicy(local=local))
    except BadCredential as error:
        if cloud:
            what, _, cure = str(error).partition("; ")
            raise WrongUse(f"{file}: {what}", cure or "give the address of Zoho's accounts server") from None
        needed = f"one line of printable ASCII without blanks, at most {MAX_CREDENTIAL_CHARS} characters"
        raise WrongUse(f"{file} does not hold {needed}", "put the desk's key into it, and nothing else") from None
    return text


def _text_of(file: Path) -> str:
    with file.open("rb") as opened:
        content = opened.read(MAX_CREDENTIAL_BYTES + 1)
    if not content.strip():
        raise WrongUse(f"{file} is empty", "put the desk's key into it")
    if len(content) > MAX_CREDENTIAL_BYTES:
        raise WrongUse(
            f"{file} has more than {MAX_CREDENTIAL_BYTES} bytes", "put the desk's key into it, and nothing else"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUse(f"{file} is no text", "put the desk's key into it, as text in UTF-8") from None


def _show_created(output: Output, created: Created) -> None:
    settings = created.settings
    output.say(f"tenant          {settings.tenant_id}, partition {settings.partition} in every topic")
    output.say(f"webhook url     {created.webhook_url}")
    output.say(f"webhook secret  {created.secret.whsec}")
    output.say(f"the same raw    {created.secret.raw}   (for Deluge, whose keys are text)")
    output.say("The secret is shown only now; the edge knows it within 5 s.")
    output.say(f"Then try it: ticketstream webhook send {settings.tenant_id} --sample")


def _enable(tenant_id: str, enabled: bool, reason: str, output: Output) -> int:
    from infra.ops.cli.database import operator
    from sinks.postgres.tenants import Change

    after = _with_store(lambda store: store.enable(tenant_id, enabled, Change(operator(), reason)))
    output.result(
        {"tenant_id": tenant_id, "enabled": after.enabled},
        lambda: output.say(f"{tenant_id} is {'enabled' if after.enabled else 'disabled'}, everywhere within 5 s."),
    )
    return 0


def _with_store(work: Any) -> Any:
    """The result of `work(TenantStore)` under the operator's role."""
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.cli.tenancy import tenant_store

    async def run() -> Any:
        async with tenant_store(Surroundings.find()) as store:
            return await work(store)

    return run_async(run)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _word(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
