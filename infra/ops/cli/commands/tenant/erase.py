"""`tenant erase`."""

from __future__ import annotations

import click

from infra.ops.cli.confirmation import confirm
from infra.ops.cli.failure import Failure
from infra.ops.cli.json_file import JsonFile
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument


@click.command(cls=JsonCommand)
@tenant_argument("ID")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--reason", required=True, help="For the audit log and the receipt: who asked for it, and where.")
@click.option("--receipt", metavar="FILE", help="Write the receipt here, too, as JSON.")
@json_option
def erase(tenant_id: str, yes: bool, reason: str, receipt: str | None, json_to: JsonTo) -> int:
    """Delete everything of the tenant ID, for good: rows, secrets, and its records in every topic. Gives a receipt.

    The tenant must be disabled. Cut off? Run it again: it goes on, and the receipt tells the whole.
    """
    from contextlib import nullcontext

    from infra.ops.cli.running import run_async
    from infra.ops.cli.tenant_erasure import erase_tenant

    output = Output(json_to)
    if not yes:
        confirm(f"Delete everything of {tenant_id}? Nobody can bring it back")
    with JsonFile(receipt) if receipt else nullcontext() as file:
        given = run_async(lambda: erase_tenant(tenant_id, reason, output))
        output.result(given.as_json(), lambda: output.say("\n".join(given.lines())))
        if file:
            _write(file, given.as_json())
    return 0


def _write(file: JsonFile, receipt: dict[str, object]) -> None:
    import json

    try:
        file.write(json.dumps(receipt, ensure_ascii=False, indent=2) + "\n")
    except Failure as error:
        raise Failure(error.what, "run the command again within a day: the receipt is given once more") from None
