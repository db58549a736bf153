"""`tenant verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infra.ops.cli.commands.tenant.store import reason_option, with_store
from infra.ops.cli.failure import FAILED
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from infra.ops.onboarding.check import Check, Checks
    from sinks.postgres.tenants import TenantStore

COLUMNS = ("", "check", "what was seen", "what to do")


@click.command(cls=JsonCommand)
@tenant_argument("ID")
@click.option(
    "--deliver-test", "ticket_id", metavar="TICKET", help="Send this ticket of the desk through; await its note."
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 600),
    default=120.0,
    show_default=True,
    help="How long the test's note may take.",
)
@reason_option
@json_option
def verify(tenant_id: str, ticket_id: str | None, seconds: float, reason: str, json_to: JsonTo) -> int:
    """Check all that the tenant ID needs: ✓ good, ✗ not, ? can't be told, - can't be asked for from here.

    Exit code 0 only where nothing is ✗ or ?. With --deliver-test a ticket that is at the desk goes the whole way, and gets a note.
    """

    async def work(store: TenantStore, at_work: Acting) -> dict[str, Check]:
        from infra.ops.onboarding.check import all_passed
        from infra.ops.onboarding.trial_delivery import Delivery, deliver_test
        from infra.ops.onboarding.verification import verify as ask
        from sinks.postgres.audit_log import AuditLog

        tenant = await store.show(tenant_id)
        tested = await deliver_test(at_work, Delivery(tenant, ticket_id, seconds)) if ticket_id else None
        found = await ask(at_work, tenant)
        if tested is not None:
            found["enhancement"] = tested
        told = "passed" if all_passed(found) else ", ".join(name for name, check in found.items() if check.ok is False)
        subject = f"test delivery of {ticket_id[:64]}" if ticket_id else ""
        entry = at_work.operator.change(reason).entry(tenant_id, "tenant verify", subject, None, told)
        await AuditLog(at_work.pool).write(entry)
        return found

    from infra.ops.onboarding.check import all_passed

    output = Output(json_to)
    with output.status(f"Checking {tenant_id}"):
        checks = with_store(work, tenant_id)
    ok = all_passed(checks)
    as_json = {name: check.as_json() for name, check in checks.items()}
    output.result({"tenant_id": tenant_id, "ok": ok, "checks": as_json}, lambda: show_checks(output, checks))
    return 0 if ok else FAILED


def show_checks(output: Output, checks: Checks) -> None:
    """The checklist for people."""
    rows = [(check.mark, name, check.detail, "" if check.ok else check.cure) for name, check in checks.items()]
    output.table(COLUMNS, rows)
