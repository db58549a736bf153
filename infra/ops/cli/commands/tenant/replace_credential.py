"""`tenant replace-credential`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.ops.cli.commands.tenant.credential_file import CLOUD_FIELDS, read_credential
from infra.ops.cli.commands.tenant.store import reason_option, with_store
from infra.ops.cli.failure import WrongUse
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from infra.ops.cli.credential_change import Replaced
    from sinks.postgres.tenants import TenantStore


@click.command("replace-credential", cls=JsonCommand)
@tenant_argument("ID")
@click.option(
    "--servicedesk-key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"Holds the desk's new key; for the cloud JSON with {', '.join(CLOUD_FIELDS)}.",
)
@click.option("--roll-back", is_flag=True, help="Put back the credential before this one, within 7 days.")
@click.option("--untested", is_flag=True, help="Take it although the desk can't be asked now (engineers).")
@reason_option
@json_option
def replace_credential(
    tenant_id: str,
    servicedesk_key_file: Path | None,
    roll_back: bool,
    untested: bool,
    reason: str,
    json_to: JsonTo,
) -> int:
    """Give the tenant ID another credential for its desk. It is tried on the desk first; the old one is kept for 7 days.

    What waits because the old one was refused goes on within seconds.
    """
    if roll_back == bool(servicedesk_key_file):
        raise WrongUse("which credential?", "give --servicedesk-key-file FILE, or --roll-back")

    async def work(store: TenantStore, at_work: Acting) -> Replaced:
        from infra.ops.cli.credential_change import Wish, replace_credential
        from infra.ops.cli.desk_trial import address_policy

        credential = None
        if servicedesk_key_file:
            form = (await store.show(tenant_id)).servicedesk_form
            credential = read_credential(servicedesk_key_file, form, local=address_policy(at_work.around).local)
        return await replace_credential(at_work, tenant_id, Wish(credential, reason, untested))

    output, replaced = Output(json_to), with_store(work, tenant_id)
    output.result(
        {
            "tenant_id": tenant_id,
            "tried": str(replaced.trial.verdict),
            "detail": replaced.trial.detail,
            "since": replaced.now.since.isoformat(),
            "roll_back_until": replaced.now.previous_until and replaced.now.previous_until.isoformat(),
        },
        lambda: _show(output, tenant_id, replaced, roll_back),
    )
    return 0


def _show(output: Output, tenant_id: str, replaced: Replaced, rolled_back: bool) -> None:
    tried = "the desk takes it" if not replaced.trial.detail else f"not tried: {replaced.trial.detail}"
    which = "The previous credential is back" if rolled_back else "The new credential is in use"
    output.say(f"{which}, everywhere within 5 s: {tried}.")
    if replaced.now.previous_until:
        output.say(f"The one before is kept until {replaced.now.previous_until:%Y-%m-%d %H:%M} UTC. To put it back:")
        output.say(f"  ticketstream tenant replace-credential {tenant_id} --roll-back")
