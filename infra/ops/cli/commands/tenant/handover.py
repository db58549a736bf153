"""`tenant handover`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.ops.cli.commands.tenant.store import with_store
from infra.ops.cli.failure import WrongUse
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from sinks.postgres.tenants import TenantStore


@click.command(cls=JsonCommand)
@tenant_argument("ID")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--our-contact", default="", help="Whom the administrator asks.")
@json_option
def handover(tenant_id: str, folder: Path, our_contact: str, json_to: JsonTo) -> int:
    """Write into FOLDER what the administrator of the tenant ID's desk is given: a text and the signing script, filled in.

    Never the secret, which is shown once: a new one is made with tenant rotate-secret.
    """
    from infra.ops.onboarding import handover as onboarding
    from sinks.postgres.tenant_contacts import TenantContacts
    from sinks.postgres.webhook_secrets import known_secrets

    async def about(store: TenantStore, at_work: Acting) -> onboarding.Handover:
        tenant = await store.show(tenant_id)
        secrets = await known_secrets(at_work.pool, tenant_id, None)
        return onboarding.Handover(
            tenant_id,
            at_work.around.webhook_url(tenant_id),
            (secrets[0].fingerprint if secrets else None) or "ask us",
            tenant.servicedesk_form,
            await TenantContacts(at_work.pool).of(tenant_id),
            our_contact,
        )

    found = with_store(about, tenant_id)
    try:
        written = [str(file) for file in onboarding.write(folder, found, None)]
    except (OSError, ValueError) as error:
        raise WrongUse(f"the hand-over can't be written ({error})", "give a new folder; nothing was done") from None
    output = Output(json_to)
    output.result({"tenant_id": tenant_id, "files": written}, lambda: output.say("\n".join(written)))
    return 0
