"""`tenant rotate-secret`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import click

from infra.ops.cli.commands.tenant.store import reason_option, with_store
from infra.ops.cli.confirmation import confirm
from infra.ops.cli.duration import Duration
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from sinks.postgres.audit_log import Change
    from sinks.postgres.tenants import TenantStore
    from sinks.postgres.webhook_secrets import KnownSecret, Rotated, WebhookSecrets

T = TypeVar("T")
LONGEST_WINDOW = timedelta(days=30)
EDGES_FOLLOW_SECONDS = 5.0
LATELY = timedelta(hours=1)


@click.command("rotate-secret", cls=JsonCommand)
@tenant_argument("ID")
@click.option(
    "--window", type=Duration(LONGEST_WINDOW), help="How long the old one stays valid: 24h if not given, 0 to 30d."
)
@click.option("--end-old", is_flag=True, help="Make no new one: end the old one now.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@reason_option
@json_option
def rotate_secret(
    tenant_id: str, window: timedelta | None, end_old: bool, yes: bool, reason: str, json_to: JsonTo
) -> int:
    """Make a new webhook secret for the tenant ID, valid beside the old one for a while. It is shown once.

    Every edge takes it before it is shown, so the desk may use it at once. The old one ends by itself, or with --end-old.
    """
    output = Output(json_to)
    if end_old:
        if window is not None:
            raise WrongUse("--end-old ends the old secret now", "leave out --window")
        return _end_old(tenant_id, yes, reason, output)
    return _rotate(tenant_id, window, yes, reason, output)


def _rotate(tenant_id: str, window: timedelta | None, yes: bool, reason: str, output: Output) -> int:
    from sinks.postgres.webhook_secrets import BOTH_VALID

    both_valid = BOTH_VALID if window is None else window
    if not both_valid and not yes:
        confirm(f"End {tenant_id}'s secret now? Its desk is refused until it has the new one.")

    async def rotate(secrets: WebhookSecrets, change: Change) -> Rotated:
        from sinks.postgres.webhook_secrets import TwoSecretsValid

        try:
            return await secrets.rotate(tenant_id, change, both_valid=both_valid)
        except TwoSecretsValid as error:
            raise _two_valid(tenant_id, error.old) from None

    rotated = _with_secrets(tenant_id, reason, rotate)
    everywhere = _wait_for_edges(output)
    _show_rotated(tenant_id, rotated, everywhere, output)
    return 0


def _wait_for_edges(output: Output) -> bool:
    """Whether every edge has the new secret now. When interrupted, no: it must be shown all the same, now or never."""
    try:
        with output.status("Until every edge has it"):
            time.sleep(EDGES_FOLLOW_SECONDS)
    except KeyboardInterrupt:
        return False
    return True


def _show_rotated(tenant_id: str, rotated: Rotated, everywhere: bool, output: Output) -> None:
    from infra.ops.cli.secret_words import day, secret_json

    secret, old = rotated.secret, rotated.old

    def show() -> None:
        output.say(f"webhook secret  {secret.whsec}")
        output.say(f"the same raw    {secret.raw}   (for Deluge, whose keys are text)")
        output.say(f"fingerprint     {secret.fingerprint}   (the signing scripts' --test prints the same)")
        if old:
            output.say(
                f"the old one     fingerprint {old.fingerprint or 'unknown'}, valid until {day(old.valid_until)}"
            )
        wait = "" if everywhere else f" {EDGES_FOLLOW_SECONDS:.0f} s from now"
        output.say(f"The secret is shown only now; every edge takes it{wait}.")
        output.say(f"Put it into the desk, then see which one the desk uses: ticketstream tenant show {tenant_id}")

    value = {
        "tenant_id": tenant_id,
        "webhook_secret": secret.whsec,
        "webhook_key": secret.raw,
        "fingerprint": secret.fingerprint,
        "old": secret_json(old) if old else None,
    }
    output.result(value, show)


def _end_old(tenant_id: str, yes: bool, reason: str, output: Output) -> int:
    from infra.ops.cli.secret_words import secret_json

    async def look(secrets: WebhookSecrets, _: Change) -> list[KnownSecret]:
        return await secrets.valid(tenant_id)

    async def end(secrets: WebhookSecrets, change: Change) -> KnownSecret | None:
        return await secrets.end_old(tenant_id, change)

    valid = _with_secrets(tenant_id, reason, look)
    if len(valid) < 2:
        raise Failure(f"{tenant_id} has no old secret", "there is nothing to end; see: ticketstream tenant show")
    for warning in _warnings(valid[0], valid[1], datetime.now(UTC)):
        click.echo(warning, err=True)
    if not yes:
        confirm(f"End {tenant_id}'s old secret (fingerprint {valid[1].fingerprint or 'unknown'}) now?")
    ended = _with_secrets(tenant_id, reason, end)
    if ended is None:
        raise Failure(f"{tenant_id}'s old secret ended meanwhile", "nothing was done")
    output.result(
        {"tenant_id": tenant_id, "fingerprint": valid[0].fingerprint, "old": secret_json(ended)},
        lambda: output.say("The old secret has ended, at every edge within 5 s."),
    )
    return 0


def _warnings(new: KnownSecret, old: KnownSecret, now: datetime) -> list[str]:
    """What speaks against ending the old one."""
    from infra.ops.cli.secret_words import day

    found = []
    if old.last_used_at is not None and now - old.last_used_at < LATELY:
        found.append(
            f"The desk used the old secret within the last hour, at {day(old.last_used_at)}: it would be refused."
        )
    if new.last_used_at is None:
        found.append("The new secret was never used: the desk may not have it yet.")
    return found


def _two_valid(tenant_id: str, old: KnownSecret) -> Failure:
    from infra.ops.cli.secret_words import day

    return Failure(
        f"{tenant_id} has two valid secrets, the old one until {day(old.valid_until)}",
        f"wait, or end the old one: ticketstream tenant rotate-secret {tenant_id} --end-old",
    )


def _with_secrets(tenant_id: str, reason: str, work: Callable[[WebhookSecrets, Change], Awaitable[T]]) -> T:
    """The result of `work` for a tenant that there is."""

    async def run(store: TenantStore, at_work: Acting) -> T:
        from infra.ops.cli.database import ring
        from sinks.postgres.webhook_secrets import WebhookSecrets

        await store.show(tenant_id)
        secrets = WebhookSecrets(at_work.pool, ring(at_work.around, "webhook_keys"))
        return await work(secrets, at_work.operator.change(reason))

    return with_store(run, tenant_id)
