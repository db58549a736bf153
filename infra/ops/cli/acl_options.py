"""What `topics ensure --acls` was asked for, and how its outcome is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from infra.ops.cli.failure import WrongUse
from infra.ops.cli.output import Output
from infra.runtime.kafka.acls import PRINCIPAL_PREFIX, Acl, Analyst, Plan, Principals, plan
from schemas.topics import Topic

if TYPE_CHECKING:
    from infra.runtime.kafka.acl_admin import Enforced

F = TypeVar("F", bound=Callable[..., Any])
HANDBOOK = "infra/handbook/kafka-principals.md says who may what"


@dataclass(frozen=True, slots=True)
class AclOptions:
    """As given on the command line. Without `acls` none of the others may be given."""

    acls: bool
    dry_run: bool
    prune: bool
    yes: bool
    principal_prefix: str | None
    principals: tuple[str, ...]
    analysts: tuple[str, ...]

    def plan(self, prefix: str) -> Plan:
        """Raises WrongUse for what can't be."""
        who = Principals(
            PRINCIPAL_PREFIX if self.principal_prefix is None else self.principal_prefix,
            dict(_mapping(text) for text in self.principals),
        )
        try:
            return plan(prefix, who, [_analyst(text) for text in self.analysts])
        except ValueError as error:
            raise WrongUse(str(error), HANDBOOK) from None

    def check(self) -> None:
        """Raises WrongUse for options that mean nothing without others."""
        others = (self.dry_run, self.prune, self.principal_prefix is not None, self.principals, self.analysts)
        if not self.acls and any(others):
            options = "--dry-run, --prune, --principal, --principal-prefix and --analyst"
            raise WrongUse(f"{options} are about access control lists", "add --acls")
        if self.dry_run and self.prune:
            raise WrongUse("--dry-run changes nothing, --prune does", "leave one of them out")


def acl_options(command: F) -> F:
    """The options, in one object: the command's `acl`."""
    options = (
        click.option("--acls", is_flag=True, help="Print the least access control lists, and add what is missing."),
        click.option("--dry-run", is_flag=True, help="With --acls: change nothing, the topics neither."),
        click.option("--prune", is_flag=True, help="With --acls: take away what goes beyond, after asking."),
        click.option("--yes", is_flag=True, help="Don't ask before taking anything away."),
        click.option("--principal-prefix", metavar="TEXT", help=f"Before each service's name; {PRINCIPAL_PREFIX!r}."),
        click.option(
            "--principal", "principals", metavar="SERVICE=NAME", multiple=True, help="A principal's own name."
        ),
        click.option(
            "--analyst",
            "analysts",
            metavar="NAME[:TOPIC,…]",
            multiple=True,
            help="Somebody who reads these topics only: delivered notes and feedback, unless others are named.",
        ),
    )
    wrapped = _gathered(command)
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def _gathered(command: F) -> F:
    names = AclOptions.__slots__

    @wraps(command)
    def with_options(*args: Any, **given: Any) -> Any:
        acl = AclOptions(**{name: given.pop(name) for name in names})
        return command(*args, acl=acl, **given)

    return with_options  # type: ignore[return-value]  # the same for who calls it by the command line


def show(output: Output, wanted: Plan, outcome: Enforced, *, dry_run: bool) -> None:
    """The whole plan as a table, then what needs somebody."""
    missing = frozenset(outcome.findings.missing)
    new = "missing" if dry_run else "added"
    rows = [[*_cells(acl), new if acl in missing else "there"] for acl in wanted.acls]
    output.table(["principal", "operation", "resource", "name", "pattern", ""], rows)
    for acl in outcome.removed:
        output.say(f"removed    {acl}")
    for acl in outcome.beyond:
        click.echo(f"Beyond the plan: {acl}. Take it away with --prune, or name an analyst with --analyst.", err=True)
    for acl in outcome.findings.refusing:
        click.echo(f"Refused by a DENY: {acl}. Take it away with kafka-acls.sh --remove.", err=True)


def as_json(wanted: Plan, outcome: Enforced) -> dict[str, Any]:
    """`acls` is the plan; of the others each is a part of what was found."""
    return {
        "acls": _objects(wanted.acls),
        "missing": _objects(acl for acl in outcome.findings.missing if acl not in outcome.added),
        "added": _objects(outcome.added),
        "removed": _objects(outcome.removed),
        "beyond": _objects(outcome.beyond),
        "refusing": _objects(outcome.findings.refusing),
    }


def _objects(acls: Iterable[Acl]) -> list[dict[str, str]]:
    names = ("principal", "operation", "resource", "name", "pattern")
    return [dict(zip(names, _cells(acl), strict=True)) for acl in acls]


def _cells(acl: Acl) -> Sequence[str]:
    return (acl.principal, acl.operation.value, acl.resource.value, acl.name, acl.pattern.value)


def _mapping(text: str) -> tuple[str, str]:
    service, equals, name = text.partition("=")
    if not (service and equals and name):
        raise WrongUse(f"--principal {text!r} names no principal", "write SERVICE=NAME")
    return service, name.removeprefix("User:")


def _analyst(text: str) -> Analyst:
    name, colon, listed = text.partition(":")
    if not colon:
        return Analyst(name)
    topics = []
    for part in listed.split(","):
        try:
            topics.append(Topic(part.strip()))
        except ValueError:
            raise WrongUse(f"there is no topic {part.strip()!r}", f"one of {', '.join(Topic)}") from None
    return Analyst(name, tuple(dict.fromkeys(topics)))
