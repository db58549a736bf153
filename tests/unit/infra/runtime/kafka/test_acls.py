"""The least that each principal may do on Kafka, and what a cluster's ACLs say beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.runtime.kafka.acl_findings import compare
from infra.runtime.kafka.acls import SERVICES, Acl, Analyst, Operation, Pattern, Principals, Resource, plan
from schemas.topics import SIGNED_BY, Stage, Topic

READ, WRITE = Operation.READ, Operation.WRITE


def topics(service: str, operation: Operation, prefix: str = "") -> set[str]:
    principal = Principals().of(service)
    return {
        acl.name
        for acl in plan(prefix).acls
        if acl.principal == principal and acl.operation is operation and acl.resource is Resource.TOPIC
    }


def of_user(name: str, operation: Operation, resource: Resource = Resource.TOPIC, on: str = "tickets.received") -> Acl:
    return Acl(f"User:{name}", resource, on, Pattern.LITERAL, operation)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_writes_what_it_may_sign_and_nothing_else(service: str) -> None:
    signs = "replay" if service == "console" else service  # whose commands are signed with replay's key
    assert topics(service, WRITE) == {topic.value for topic in SIGNED_BY.get(signs, ())}


def test_a_stage_reads_its_source_in_its_own_group() -> None:
    for stage in Stage:
        assert topics(stage.value, READ, "p.") == {stage.consumes.named("p.")}
        groups = {
            (acl.name, acl.pattern, acl.operation)
            for acl in plan("p.").acls
            if acl.principal == f"User:ticketstream-{stage.value}" and acl.resource is Resource.GROUP
        }
        assert groups == {(stage.group("p."), Pattern.LITERAL, READ)}


@pytest.mark.parametrize("service", ["ingest", *Stage, "reconcile", "operator"])
def test_who_counts_partitions_at_its_start_may_describe_every_topic(service: str) -> None:
    describing = (Operation.DESCRIBE, READ, WRITE)
    assert set().union(*(topics(service, operation) for operation in describing)) == {topic.value for topic in Topic}


def test_there_is_no_wildcard_no_right_on_the_cluster_and_no_right_twice() -> None:
    acls = plan("p.", analysts=[Analyst("anna")]).acls

    assert len(set(acls)) == len(acls)
    assert not [acl for acl in acls if "*" in acl.name or "*" in acl.principal or acl.resource is Resource.CLUSTER]
    prefixed = {acl.name for acl in acls if acl.pattern is Pattern.PREFIXED}
    assert prefixed == {"ticketstream-onlooker-", "p.analyst.anna."}
    for acl in acls:  # nor one that another includes
        assert acl.operation is not Operation.DESCRIBE or replace(acl, operation=READ) not in acls


def test_an_analyst_reads_named_topics_in_groups_of_their_own() -> None:
    own = [acl for acl in plan(analysts=[Analyst("anna", (Topic.DEAD_LETTERS,))]).acls if acl.principal == "User:anna"]

    assert own == [
        Acl("User:anna", Resource.TOPIC, "dead-letters", Pattern.LITERAL, READ),
        Acl("User:anna", Resource.GROUP, "analyst.anna.", Pattern.PREFIXED, READ),
    ]
    assert {acl.name for acl in plan(analysts=[Analyst("bo")]).acls if acl.principal == "User:bo"} == {
        "enhancements.delivered", "feedback.aggregated", "analyst.bo.",
    }  # fmt: skip


def test_principals_are_called_as_told() -> None:
    who = Principals("ts-", {"enrich": "CN=enrich,O=example", "anna": "anna@example"})
    named = plan(principals=who, analysts=[Analyst("anna")]).principals
    assert {"User:ts-ingest", "User:CN=enrich,O=example", "User:anna@example"} <= named
    assert not {"User:ts-enrich", "User:anna"} & named


@pytest.mark.parametrize("name", ["", "a.b", "*", "a b", "x" * 65, "enrich"])
def test_an_analysts_name_can_stand_in_the_name_of_a_group(name: str) -> None:
    with pytest.raises(ValueError, match=r"analyst|service"):
        Analyst(name)


@pytest.mark.parametrize(
    ("named", "analysts", "says"),
    [
        ({"enrch": "x"}, [], "'enrch' is neither a service"),
        ({}, ["anna", "anna"], "'anna' is named twice"),
        ({"anna": "ticketstream-enrich"}, ["anna"], "a service's principal and an analyst's"),
    ],
)
def test_a_plan_that_can_not_be_meant_is_refused(named: dict[str, str], analysts: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        plan(principals=Principals(named=named), analysts=[Analyst(name) for name in analysts])


def test_a_cluster_with_the_whole_plan_lacks_nothing() -> None:
    wanted = plan()
    findings = compare(wanted, wanted.acls)
    assert (findings.missing, findings.beyond, findings.refusing) == ((), (), ())


def test_what_is_missing_is_named_in_the_order_of_the_plan() -> None:
    wanted = plan()
    assert compare(wanted, wanted.acls[5:]).missing == wanted.acls[:5]


BEYOND = [
    of_user("mallory", READ),
    of_user("*", Operation.DESCRIBE),
    of_user("ticketstream-enrich", WRITE),
    of_user("ticketstream-enrich", Operation.ALL),
    of_user("mallory", READ, on="*"),
    replace(of_user("mallory", READ, on="tick"), pattern=Pattern.PREFIXED),
    replace(of_user("mallory", READ), host="192.0.2.7"),
    of_user("mallory", READ, Resource.GROUP, "ticketstream.enrich"),
    of_user("mallory", READ, Resource.GROUP, "*"),
    of_user("mallory", READ, Resource.GROUP, "analyst.anna.mine"),
    replace(of_user("mallory", READ, Resource.GROUP, "analyst.anna.m"), pattern=Pattern.PREFIXED),
    replace(of_user("mallory", READ, Resource.GROUP, "ana"), pattern=Pattern.PREFIXED),
    of_user("ticketstream-enrich", Operation.ALTER, Resource.CLUSTER, "kafka-cluster"),
    of_user("*", Operation.CREATE, Resource.CLUSTER, "kafka-cluster"),
]
OTHERS = [
    of_user("mallory", READ, on="payroll"),
    of_user("mallory", READ, on="staging.tickets.received"),
    replace(of_user("mallory", READ, on="staging."), pattern=Pattern.PREFIXED),
    of_user("mallory", READ, Resource.GROUP, "payroll"),
    of_user("mallory", Operation.ALTER, Resource.CLUSTER, "kafka-cluster"),
    of_user("ticketstream-enrich", Operation.DESCRIBE, Resource.CLUSTER, "kafka-cluster"),
    of_user("ticketstream-enrich", Operation.DESCRIBE),
    replace(of_user("ticketstream-enrich", READ), host="192.0.2.7"),
]


@pytest.mark.parametrize("acl", BEYOND, ids=str)
def test_what_goes_beyond_the_plan_is_found(acl: Acl) -> None:
    wanted = plan(analysts=[Analyst("anna")])
    assert compare(wanted, [*wanted.acls, acl]).beyond == (acl,)


@pytest.mark.parametrize("acl", OTHERS, ids=str)
def test_what_gives_no_more_or_is_others_business_is_left_alone(acl: Acl) -> None:
    wanted = plan()
    assert compare(wanted, [*wanted.acls, acl]).beyond == ()


@pytest.mark.parametrize("name", ["ticketstream-enrich", "*"])
def test_a_deny_against_a_principal_of_the_plan_is_found(name: str) -> None:
    wanted, deny = plan(), replace(of_user(name, READ), allow=False)
    findings = compare(wanted, [*wanted.acls, deny])
    assert (findings.refusing, findings.beyond) == ((deny,), ())


def test_a_deny_against_others_is_their_business() -> None:
    wanted = plan()
    assert compare(wanted, [*wanted.acls, replace(of_user("mallory", READ), allow=False)]).refusing == ()
