"""`tenant create`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.ops.cli.commands.tenant.credential_file import CLOUD_FIELDS, read_credential
from infra.ops.cli.commands.tenant.store import reason_option
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.tenancy import Created


class _Create(JsonCommand):
    def asked_for(self, ctx: click.Context) -> Mapping[str, Sequence[str]]:
        from infra.ops.cli.commands.tenant.onboarding import contacts_asked_for

        return {} if ctx.params["json_to"] is not None else {"contact": contacts_asked_for(ctx.params["contacts"])}


@click.command(cls=_Create)
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
@click.option(
    "--contact", "contacts", metavar="KIND='NAME <E-MAIL> PHONE'", multiple=True, help="As for tenant contacts."
)
@click.option(
    "--handover",
    "handover_to",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for what the desk's administrator is given: a text and the signing script, without the secret.",
)
@click.option(
    "--with-secret", is_flag=True, help="Put the secret into the hand-over's folder too, in a file of its own."
)
@click.option("--our-contact", default="", help="Whom the administrator asks, for the hand-over.")
@reason_option
@json_option
def create(
    tenant_id: str,
    servicedesk_url: str,
    servicedesk_key_file: Path,
    servicedesk_form: str,
    settings: tuple[str, ...],
    agreed_by: str | None,
    contacts: tuple[str, ...],
    handover_to: Path | None,
    with_secret: bool,
    our_contact: str,
    reason: str,
    json_to: JsonTo,
) -> int:
    """Make the tenant ID with its desk. Shows the webhook secret, once, and where webhooks go; then how far the onboarding is.

    On a terminal it asks for the contacts that are not given. With --json it asks nothing and checks nothing: see tenant verify.
    """
    from infra.ops.cli.acting import acting
    from infra.ops.cli.commands.tenant.onboarding import Plan, contacts_asked_for, contacts_given, go_on
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.cli.tenancy import create_tenant, pairs
    from sinks.postgres.tenants import NewTenant

    around, output = Surroundings.find(), Output(json_to)
    local = around.variables.get("TICKETSTREAM_LOCAL") == "1"
    credential = read_credential(servicedesk_key_file, servicedesk_form, local=local)
    new = NewTenant(tenant_id, servicedesk_url, credential, servicedesk_form, pairs(settings))
    contacts += contacts_asked_for(contacts) if json_to is None else ()
    plan = Plan(contacts_given(contacts), handover_to, with_secret, our_contact)
    plan.check(servicedesk_form)

    async def make() -> None:
        async with acting(around, tenant_id) as at_work:
            at_work.need_for_settings(new.settings)
            change = at_work.operator.change(reason, agreed_by)
            created = await create_tenant(around, at_work.pool, new, change)
            _show(output, created)
            await go_on(at_work, created, plan, change, output)

    run_async(make)
    return 0


def _show(output: Output, created: Created) -> None:
    output.result(
        {
            "tenant_id": created.settings.tenant_id,
            "partition": created.settings.partition,
            "webhook_url": created.webhook_url,
            "webhook_secret": created.secret.whsec,
            "webhook_key": created.secret.raw,
        },
        lambda: _show_created(output, created),
    )


def _show_created(output: Output, created: Created) -> None:
    settings = created.settings
    output.say(f"tenant          {settings.tenant_id}, partition {settings.partition} in every topic")
    output.say(f"webhook url     {created.webhook_url}")
    output.say(f"webhook secret  {created.secret.whsec}")
    output.say(f"the same raw    {created.secret.raw}   (for Deluge, whose keys are text)")
    output.say(f"fingerprint     {created.secret.fingerprint}   (the signing script's --test must tell the same)")
    output.say("The secret is shown only now; the edge knows it within 5 s.")
    output.say(f"Then try it: ticketstream webhook send {settings.tenant_id} --sample")
