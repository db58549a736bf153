"""What a cluster's ACLs say beside the plan: what is missing, what goes beyond it, and what refuses it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from infra.runtime.kafka.acls import INCLUDED, Acl, Operation, Pattern, Plan, Resource

EVERYBODY = "User:*"
EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Findings:
    """`missing` is to be added. `beyond` gives somebody more than the plan on our topics and groups, or a principal of the plan
    rights on the cluster. `refusing` are DENYs, which go before every ALLOW, against principals of the plan."""

    missing: tuple[Acl, ...]
    beyond: tuple[Acl, ...]
    refusing: tuple[Acl, ...]


def compare(plan: Plan, found: Iterable[Acl]) -> Findings:
    """`found` are all ACLs of the cluster. Those on others' topics and groups are nobody's business here. One that allows less than
    the plan does (a single host, a right that is included in another) is neither missing nor beyond."""
    there = frozenset(found)
    ours = sorted(acl for acl in there if _is_ours(plan, acl))
    planned = frozenset(plan.acls)
    return Findings(
        missing=tuple(acl for acl in plan.acls if acl not in there),
        beyond=tuple(acl for acl in ours if acl.allow and not _within(planned, acl)),
        refusing=tuple(acl for acl in ours if not acl.allow and acl.principal in {EVERYBODY, *plan.principals}),
    )


def _within(planned: frozenset[Acl], acl: Acl) -> bool:
    wide = replace(acl, host="*")
    including = INCLUDED.get(acl.operation, ())
    return any(replace(wide, operation=operation) in planned for operation in (acl.operation, *including))


def _is_ours(plan: Plan, acl: Acl) -> bool:
    match acl.resource:
        case Resource.TOPIC:
            return any(_meets(acl, topic, Pattern.LITERAL) for topic in plan.topics)
        case Resource.GROUP:
            return any(_meets(acl, name, pattern) for name, pattern in plan.groups)
        case Resource.CLUSTER:
            # DESCRIBE shows brokers and ACLs, no event.
            return acl.principal in {EVERYBODY, *plan.principals} and acl.operation is not Operation.DESCRIBE


def _meets(acl: Acl, name: str, pattern: Pattern) -> bool:
    """Whether anything that is called so falls under the ACL."""
    if acl.pattern is Pattern.LITERAL:
        return acl.name == EVERYTHING or (acl.name == name if pattern is Pattern.LITERAL else acl.name.startswith(name))
    return name.startswith(acl.name) or (pattern is Pattern.PREFIXED and acl.name.startswith(name))
