"""What `tenant create` does once the tenant is there: contacts, the hand-over for the desk's administrator, the checklist."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from infra.ops.cli.acting import Acting
from infra.ops.cli.commands.tenant.verify import show_checks
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.output import Output
from infra.ops.cli.tenancy import Created, pairs
from infra.ops.onboarding import handover
from infra.ops.onboarding.check import Checks
from infra.ops.onboarding.verification import verify
from sinks.postgres.audit_log import Change
from sinks.postgres.tenant_contacts import EXAMPLE, Contact, ContactKind, TenantContacts, parse_contacts
from sinks.postgres.tenant_settings import BadSetting

ASKED = {
    ContactKind.TECHNICAL: "Technical contact",
    ContactKind.EXECUTIVE: "Executive contact",
    ContactKind.SDP_ADMINISTRATOR: "Administrator of ServiceDesk Plus",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """`folder` is where the hand-over goes, None for none; `checks` whether the checklist is walked."""

    contacts: Mapping[ContactKind, Contact | None]
    folder: Path | None = None
    with_secret: bool = False
    our_contact: str = ""

    def check(self, form: str) -> None:
        """Before anything is made. Raises WrongUse."""
        if self.with_secret and self.folder is None:
            raise WrongUse("--with-secret is for the hand-over's folder", "name it with --handover FOLDER")
        if self.folder is not None:
            try:
                handover.check_free(self.folder, form)
            except OSError as error:
                cure = "give a new folder; nothing was done"
                raise WrongUse(f"--handover {error.filename or self.folder}: {error.strerror}", cure) from None


def contacts_given(given: tuple[str, ...]) -> dict[ContactKind, Contact | None]:
    """Those of the options. Raises WrongUse."""
    try:
        found = parse_contacts(pairs(given))
    except BadSetting as error:
        raise WrongUse("--contact", str(error)) from None
    return {kind: contact for kind, contact in found.items() if contact is not None}


def contacts_asked_for(given: tuple[str, ...]) -> tuple[str, ...]:
    """On a terminal, one by one, those that the options don't give, as an option would: KIND=CONTACT; an empty answer is none.
    Raises WrongUse."""
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return ()
    contacts_given(given)
    known = pairs(given)
    click.echo(f"Contacts, like {EXAMPLE}; Enter leaves one out for now.")
    answers = {kind: _asked(kind) for kind in ContactKind if kind not in known}
    return tuple(f"{kind}={answer}" for kind, answer in answers.items() if answer)


def _asked(kind: ContactKind) -> str:
    while True:
        answer: str = click.prompt(ASKED[kind], default="", show_default=False)
        try:
            parse_contacts({kind.value: answer})
        except BadSetting as error:
            click.echo(str(error), err=True)
        else:
            return answer


async def go_on(at_work: Acting, created: Created, plan: Plan, change: Change, output: Output) -> None:
    """The tenant is there and its secret shown: whatever fails from here on is told, and can be done again."""
    tenant_id = created.settings.tenant_id
    if plan.contacts:
        await TenantContacts(at_work.pool).set(tenant_id, plan.contacts, change)
    if plan.folder is not None:
        _hand_over(created, plan, output)
    if output.json_asked:
        return
    with output.status("Checking"):
        checks = await verify(at_work, created.settings)
    output.say("\nOnboarding so far:")
    show_checks(output, checks)
    _say_next(output, tenant_id, checks, plan)


def _hand_over(created: Created, plan: Plan, output: Output) -> None:
    assert plan.folder is not None  # noqa: S101 - asked by the caller
    form = created.settings.servicedesk_form
    contacts = {kind: contact for kind, contact in plan.contacts.items() if contact is not None}
    about = handover.Handover(
        created.settings.tenant_id, created.webhook_url, created.secret.fingerprint, form, contacts, plan.our_contact
    )
    secret = (created.secret.raw if form == "cloud" else created.secret.whsec) if plan.with_secret else None
    try:
        written = handover.write(plan.folder, about, secret)
    except (OSError, ValueError) as error:
        told = f"the tenant was made, but its hand-over can't be written ({error})"
        raise Failure(told, f"ticketstream tenant handover {created.settings.tenant_id} FOLDER") from None
    output.say("\nFor the desk's administrator, readable by you only:")
    for file in written:
        output.say(f"  {file}")


def _say_next(output: Output, tenant_id: str, checks: Checks, plan: Plan) -> None:
    steps = [f"{name}: {check.cure}" for name, check in checks.items() if not check.ok and check.cure]
    if plan.folder is None:
        steps.insert(
            0, f"give the desk's administrator what is needed: ticketstream tenant handover {tenant_id} FOLDER"
        )
    if not plan.with_secret:
        steps.insert(
            0, "give the administrator the secret by another way than the rest, e.g. a password manager's link"
        )
    output.say("Next:")
    for number, step in enumerate(steps, 1):
        output.say(f"  {number}. {step}")
    output.say(f"Then check it all: ticketstream tenant verify {tenant_id}")
