"""Who may do what on Kafka: the least that each service's principal, an administrator and each analyst needs.

Everything is an ALLOW from any host, on named topics and groups: no wildcard, and no right on the cluster. READ, WRITE, DELETE
and ALTER include DESCRIBE, WRITE includes what an idempotent producer needs (brokers from 2.8 on). Every process that counts the
topics' partitions when it starts (`check_partition_counts`) describes all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from schemas.topics import SIGNED_BY, Stage, Topic

ANALYST_TOPICS = (Topic.ENHANCEMENTS_DELIVERED, Topic.FEEDBACK_AGGREGATED)
"""What analysts read unless other topics are named for them."""
ONLOOKERS = "ticketstream-onlooker-"
"""How the groups of those begin that look without joining: their client asks for the group's coordinator all the same."""
PRINCIPAL_PREFIX = "ticketstream-"
_ANALYST = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Resource(StrEnum):
    TOPIC = "topic"
    GROUP = "group"
    CLUSTER = "cluster"


class Pattern(StrEnum):
    LITERAL = "literal"
    PREFIXED = "prefixed"


class Operation(StrEnum):
    """By Kafka's names; those that no plan has stand here because a cluster may have them."""

    READ = "READ"
    WRITE = "WRITE"
    CREATE = "CREATE"
    DELETE = "DELETE"
    ALTER = "ALTER"
    DESCRIBE = "DESCRIBE"
    DESCRIBE_CONFIGS = "DESCRIBE_CONFIGS"
    ALTER_CONFIGS = "ALTER_CONFIGS"
    CLUSTER_ACTION = "CLUSTER_ACTION"
    IDEMPOTENT_WRITE = "IDEMPOTENT_WRITE"
    ALL = "ALL"


INCLUDED: Mapping[Operation, tuple[Operation, ...]] = MappingProxyType(
    {
        Operation.DESCRIBE: (Operation.READ, Operation.WRITE, Operation.DELETE, Operation.ALTER),
        Operation.DESCRIBE_CONFIGS: (Operation.ALTER_CONFIGS,),
    }
)
"""Operations that come with any of these others. Source: Kafka's documentation, Authorization and ACLs."""


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """`principal` in Kafka's form, `User:NAME`. `allow` False is a DENY, which no plan has."""

    principal: str
    resource: Resource
    name: str
    pattern: Pattern
    operation: Operation
    host: str = "*"
    allow: bool = True

    def __str__(self) -> str:
        what = "" if self.pattern is Pattern.LITERAL else f"{self.pattern} "
        verb, host = "may" if self.allow else "may not", "" if self.host == "*" else f" from {self.host}"
        return f"{self.principal} {verb} {self.operation} {self.resource} {what}{self.name!r}{host}"


@dataclass(frozen=True, slots=True)
class Analyst:
    """Somebody who reads named topics with tools of their own, in consumer groups that begin with `group_prefix`."""

    name: str
    topics: tuple[Topic, ...] = ANALYST_TOPICS

    def __post_init__(self) -> None:
        # With a dot one analyst's group prefix could be the beginning of another's.
        if not _ANALYST.fullmatch(self.name):
            raise ValueError(f"an analyst's name is 1 to 64 of A-Z a-z 0-9 _ -, not {self.name!r}")
        if self.name in SERVICES:
            raise ValueError(f"{self.name!r} is a service")

    def group_prefix(self, prefix: str = "") -> str:
        return f"{prefix}analyst.{self.name}."


@dataclass(frozen=True, slots=True)
class Rights:
    """What a service does with topics and groups. Groups it only asks about are `watches`."""

    writes: tuple[Topic, ...] = ()
    reads: tuple[Topic, ...] = ()
    describes: tuple[Topic, ...] = tuple(Topic)
    consumes_as: Stage | None = None
    watches: tuple[Stage, ...] = ()
    onlooker: bool = False
    administers: bool = False


def _stage(stage: Stage) -> Rights:
    return Rights(writes=SIGNED_BY[stage.value], reads=(stage.consumes,), consumes_as=stage)


_CONSUMED = tuple(stage.consumes for stage in Stage)
SERVICES: Mapping[str, Rights] = MappingProxyType(
    {
        "ingest": Rights(writes=SIGNED_BY["ingest"]),
        **{stage.value: _stage(stage) for stage in Stage},
        "reconcile": Rights(writes=SIGNED_BY["reconcile"], watches=(Stage.ENRICH,)),
        "lag": Rights(reads=_CONSUMED, describes=(), watches=tuple(Stage)),
        "console": Rights(
            writes=SIGNED_BY["replay"], reads=tuple(Topic), watches=tuple(Stage), onlooker=True
        ),  # runs what the command line runs
        "operator": Rights(reads=tuple(Topic), watches=tuple(Stage), onlooker=True),
        "replay": Rights(
            writes=SIGNED_BY["replay"],
            reads=(*_CONSUMED, Topic.DEAD_LETTERS),
            watches=tuple(Stage),
            onlooker=True,
        ),
        "admin": Rights(administers=True),
    }
)
"""By service. `operator` is the command line where it only looks, `replay` where it writes (`replay`, `dead-letters replay`),
`admin` where it changes topics (`topics ensure`, `tenant erase`). Who may apply ACLs is a super user or has ALTER on the cluster:
nobody of these."""
_ADMINISTERING = (Operation.CREATE, Operation.ALTER, Operation.ALTER_CONFIGS, Operation.DELETE)


@dataclass(frozen=True, slots=True)
class Principals:
    """The principal's name of each service: `named`, else the prefix and the service. An analyst's is `named`, else their own."""

    prefix: str = PRINCIPAL_PREFIX
    named: Mapping[str, str] = field(default_factory=dict)

    def of(self, service: str) -> str:
        return f"User:{self.named.get(service) or self.prefix + service}"

    def of_analyst(self, analyst: Analyst) -> str:
        return f"User:{self.named.get(analyst.name) or analyst.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All ACLs that there must be, in order, and what they are about. Topics and groups carry the prefix."""

    acls: tuple[Acl, ...]
    topics: tuple[str, ...]
    groups: tuple[tuple[str, Pattern], ...]

    @property
    def principals(self) -> frozenset[str]:
        return frozenset(acl.principal for acl in self.acls)


def plan(prefix: str = "", principals: Principals | None = None, analysts: Sequence[Analyst] = ()) -> Plan:
    """The whole plan for topics with this prefix. Raises ValueError where two analysts have one name, an analyst's principal is a
    service's, or a name is for nobody."""
    who = principals or Principals()
    _check_names(who, analysts)
    acls = [acl for service, rights in SERVICES.items() for acl in _of_service(who.of(service), rights, prefix)]
    for analyst in analysts:
        principal = who.of_analyst(analyst)
        acls += [_topic(principal, topic, prefix, Operation.READ) for topic in analyst.topics]
        group = analyst.group_prefix(prefix)
        acls.append(Acl(principal, Resource.GROUP, group, Pattern.PREFIXED, Operation.READ))
    groups = {(acl.name, acl.pattern) for acl in acls if acl.resource is Resource.GROUP}
    return Plan(tuple(dict.fromkeys(acls)), tuple(topic.named(prefix) for topic in Topic), tuple(sorted(groups)))


def _check_names(who: Principals, analysts: Sequence[Analyst]) -> None:
    names = [analyst.name for analyst in analysts]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"analyst {min(twice)!r} is named twice: name all topics at once")
    if unknown := set(who.named) - set(SERVICES) - set(names):
        raise ValueError(f"{min(unknown)!r} is neither a service ({', '.join(SERVICES)}) nor an analyst")
    services = {who.of(service) for service in SERVICES}
    if both := services & {who.of_analyst(analyst) for analyst in analysts}:
        raise ValueError(f"{min(both)} is a service's principal and an analyst's")


def _of_service(principal: str, rights: Rights, prefix: str) -> Iterable[Acl]:
    if rights.administers:
        yield from (_topic(principal, topic, prefix, operation) for topic in Topic for operation in _ADMINISTERING)
        return
    yield from (_topic(principal, topic, prefix, Operation.WRITE) for topic in rights.writes)
    yield from (_topic(principal, topic, prefix, Operation.READ) for topic in rights.reads)
    seen = {*rights.writes, *rights.reads}
    yield from (_topic(principal, topic, prefix, Operation.DESCRIBE) for topic in rights.describes if topic not in seen)
    if rights.consumes_as:
        yield _group(principal, rights.consumes_as.group(prefix), Operation.READ)
    yield from (_group(principal, stage.group(prefix), Operation.DESCRIBE) for stage in rights.watches)
    if rights.onlooker:
        yield Acl(principal, Resource.GROUP, ONLOOKERS, Pattern.PREFIXED, Operation.DESCRIBE)


def _topic(principal: str, topic: Topic, prefix: str, operation: Operation) -> Acl:
    return Acl(principal, Resource.TOPIC, topic.named(prefix), Pattern.LITERAL, operation)


def _group(principal: str, name: str, operation: Operation) -> Acl:
    return Acl(principal, Resource.GROUP, name, Pattern.LITERAL, operation)
