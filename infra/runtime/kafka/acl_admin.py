"""Reads, adds and removes a cluster's ACLs, and puts the plan into force: blocking, bounded, with errors that say what to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its documented names, not marked as exported
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from infra.runtime.kafka.acl_findings import Findings, compare
from infra.runtime.kafka.acls import Acl, Operation, Pattern, Plan, Resource
from infra.runtime.kafka.login import LoginWatch
from infra.runtime.kafka.topic_report import BrokersUnreachable, TopicsError

ANSWER_SECONDS = 10.0
VISIBLE_SECONDS = 10.0
_TYPES = {Resource.TOPIC: ResourceType.TOPIC, Resource.GROUP: ResourceType.GROUP, Resource.CLUSTER: ResourceType.BROKER}
_PATTERNS = {Pattern.LITERAL: ResourcePatternType.LITERAL, Pattern.PREFIXED: ResourcePatternType.PREFIXED}
_CURES = {
    KafkaError.SECURITY_DISABLED: "The brokers have no authorizer, so everybody may do everything, and ACLs can't be kept. Set "
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer on brokers and controllers",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "Log in (KAFKA_SASL_USERNAME) as a super user, or as one who has ALTER and "
    "DESCRIBE on the cluster",
}


_NOBODYS = Acl("User:ticketstream-nobody", Resource.TOPIC, "ticketstream-nothing", Pattern.LITERAL, Operation.READ)


class AclsRefused(TopicsError):
    """The cluster keeps no ACLs, or this login may not read or change them."""


@dataclass(frozen=True, slots=True)
class Enforced:
    """What was found, and what was done about it; `removed` are those beyond the plan that were taken away."""

    findings: Findings
    added: tuple[Acl, ...] = ()
    removed: tuple[Acl, ...] = ()

    @property
    def beyond(self) -> tuple[Acl, ...]:
        """Those that are still there."""
        return tuple(acl for acl in self.findings.beyond if acl not in self.removed)

    @property
    def ok(self) -> bool:
        return not self.beyond and not self.findings.refusing


class AclAdmin:
    """Blocking: call it in a thread. Raises AclsRefused, or BrokersUnreachable when Kafka doesn't answer."""

    def __init__(self, client_config: Mapping[str, Any]) -> None:
        self._login = LoginWatch(client_config)
        config = {"log_level": 0, "socket.connection.setup.timeout.ms": 5000, **client_config}
        self._client = AdminClient(self._login.watched(config))

    def read(self) -> frozenset[Acl]:
        """All on topics, groups and the cluster."""
        found = frozenset(acl for kind in _TYPES for acl in self._of(kind))
        if not found:
            self._refuse_silence()
        return found

    def add(self, acls: Iterable[Acl]) -> None:
        """One that is already there is fine."""
        bindings = [_binding(acl) for acl in acls]
        if bindings:
            answers = self._client.create_acls(bindings, request_timeout=ANSWER_SECONDS)
            for answer in answers.values():
                self._await("add ACLs", answer)

    def remove(self, acls: Iterable[Acl]) -> None:
        """Each of exactly these."""
        filters = [_filter(acl) for acl in acls]
        if filters:
            answers = self._client.delete_acls(filters, request_timeout=ANSWER_SECONDS)
            for answer in answers.values():
                self._await("remove ACLs", answer)

    def _refuse_silence(self) -> None:
        """confluent_kafka 2.16 takes the brokers' refusal to list ACLs for an empty list: who may list them, and whether any can be
        kept, is asked otherwise. Removing what isn't there is refused in the same cases."""
        cluster = self._client.describe_cluster(include_authorized_operations=True, request_timeout=ANSWER_SECONDS)
        operations = self._await("describe the cluster", cluster).authorized_operations or []
        if AclOperation.DESCRIBE not in operations:
            code = KafkaError.CLUSTER_AUTHORIZATION_FAILED
            raise AclsRefused(
                f"Kafka refused to read ACLs: not authorized (CLUSTER_AUTHORIZATION_FAILED). {_CURES[code]}."
            )
        if AclOperation.ALTER in operations:
            self.remove([_NOBODYS])

    def _of(self, kind: Resource) -> list[Acl]:
        everything = AclBindingFilter(
            _TYPES[kind],
            None,  # type: ignore[arg-type]  # any name, any principal, any host, as its documentation says
            ResourcePatternType.ANY,
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        answer = self._client.describe_acls(everything, request_timeout=ANSWER_SECONDS)
        return [_acl(kind, binding) for binding in self._await("read ACLs", answer)]

    def _await(self, what: str, answer: Future[Any]) -> Any:
        try:
            return answer.result(timeout=ANSWER_SECONDS + 5)
        except KafkaException as error:
            raise self._refusal(what, error.args[0]) from error
        except TimeoutError as error:
            raise BrokersUnreachable(f"Kafka did not {what} within {ANSWER_SECONDS:.0f} s. Try again.") from error

    def _refusal(self, what: str, error: KafkaError) -> TopicsError:
        if cure := _CURES.get(error.code()):
            return AclsRefused(f"Kafka refused to {what}: {error.str()} ({error.name()}). {cure}.")
        if refused := self._login.refused(self._client):
            return refused
        return BrokersUnreachable(
            f"Kafka did not {what} ({error.str()}). Check KAFKA_BOOTSTRAP_SERVERS and that the brokers run."
        )


async def read_acls(client_config: Mapping[str, Any], plan: Plan) -> Findings:
    """What there is beside the plan. Raises AclsRefused or BrokersUnreachable."""
    return await asyncio.to_thread(lambda: compare(plan, AclAdmin(client_config).read()))


async def enforce_acls(client_config: Mapping[str, Any], plan: Plan, remove: Iterable[Acl] = ()) -> Enforced:
    """Adds what is missing first, then removes, of what was found, those given. Raises AclsRefused or BrokersUnreachable."""
    return await asyncio.to_thread(_enforce, AclAdmin(client_config), plan, tuple(remove))


def _enforce(admin: AclAdmin, plan: Plan, remove: tuple[Acl, ...]) -> Enforced:
    findings = compare(plan, admin.read())
    admin.add(findings.missing)
    removed = tuple(acl for acl in findings.beyond if acl in remove)
    admin.remove(removed)
    _await_visible(admin, plan, removed)
    return Enforced(findings, findings.missing, removed)


def _await_visible(admin: AclAdmin, plan: Plan, removed: tuple[Acl, ...]) -> None:
    """Brokers learn of a change a moment after the controller said yes."""
    deadline = time.monotonic() + VISIBLE_SECONDS
    while (found := compare(plan, admin.read())).missing or set(found.beyond) & set(removed):
        if time.monotonic() > deadline:
            raise BrokersUnreachable("The broker doesn't show all changes of ACLs yet. Run it again.")
        time.sleep(0.05)


def _acl(kind: Resource, binding: AclBinding) -> Acl:
    pattern = Pattern.PREFIXED if binding.resource_pattern_type is ResourcePatternType.PREFIXED else Pattern.LITERAL
    return Acl(
        principal=binding.principal,
        resource=kind,
        name=binding.name,
        pattern=pattern,
        operation=Operation(AclOperation(binding.operation).name),
        host=binding.host,
        allow=binding.permission_type is AclPermissionType.ALLOW,
    )


def _words(acl: Acl) -> tuple[Any, ...]:
    permission = AclPermissionType.ALLOW if acl.allow else AclPermissionType.DENY
    place = (_TYPES[acl.resource], acl.name, _PATTERNS[acl.pattern])
    return (*place, acl.principal, acl.host, AclOperation[acl.operation.value], permission)


def _binding(acl: Acl) -> AclBinding:
    return AclBinding(*_words(acl))


def _filter(acl: Acl) -> AclBindingFilter:
    return AclBindingFilter(*_words(acl))
