"""A group that shares out its partitions, member by member, over Faust's own protocol."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from faust.assignor.partition_assignor import PartitionAssignor

from infra.runtime.stream.assignor import TenantAssignor
from infra.runtime.stream.faust_app import stream_app

TOPIC, PARTITIONS, TENANTS = "tickets.received", 64, 24
CLUSTER: Any = SimpleNamespace(partitions_for_topic=lambda _: set(range(PARTITIONS)))


class Group:
    """Members in the order in which they came; the first leads."""

    def __init__(self) -> None:
        self.members: dict[str, PartitionAssignor] = {}

    def join(self, name: str, kind: type[PartitionAssignor] = TenantAssignor) -> None:
        self.members[name] = kind(stream_app("group", {"broker": "kafka://127.0.0.1:1"}))

    def rebalance(self) -> dict[str, set[int]]:
        leader = next(iter(self.members.values()))
        asked = {name: member.metadata({TOPIC}) for name, member in self.members.items()}
        shared = leader.assign(CLUSTER, asked)
        for name, member in self.members.items():
            member.on_assignment(shared[name])
        return {name: {tp.partition for tp in member.assigned_actives()} for name, member in self.members.items()}


def tenants(owned: dict[str, set[int]]) -> list[int]:
    return [sum(number < TENANTS for number in share) for share in owned.values()]


def test_the_tenants_are_shared_out_as_workers_come_and_go() -> None:
    group, found = Group(), []
    for name in ("a", "b", "c", "d"):
        group.join(name)
        found.append(tenants(group.rebalance()))
    del group.members["b"]
    found.append(tenants(group.rebalance()))

    assert found == [[24], [12, 12], [8, 8, 8], [6, 6, 6, 6], [8, 8, 8]]


def test_every_partition_has_one_owner_and_keeps_it_while_nobody_comes() -> None:
    group = Group()
    for name in ("a", "b", "c"):
        group.join(name)
    owned = group.rebalance()

    assert sorted(number for share in owned.values() for number in share) == list(range(PARTITIONS))
    assert group.rebalance() == owned


def test_more_workers_than_partitions_is_no_error() -> None:
    group = Group()
    for number in range(PARTITIONS + 2):
        group.join(f"worker-{number:02}")
    owned = group.rebalance()

    assert sorted(len(share) for share in owned.values()) == [0, 0, *[1] * PARTITIONS]


def test_a_member_of_the_version_before_takes_part() -> None:
    group = Group()
    group.join("new")
    group.join("old", PartitionAssignor)
    assert tenants(group.rebalance()) == [12, 12]

    group.members = dict(reversed(group.members.items()))  # now the old one leads
    group.join("newer")
    assert sum(tenants(group.rebalance())) == TENANTS


def test_the_stages_use_it() -> None:
    assert isinstance(stream_app("group", {"broker": "kafka://127.0.0.1:1"}).assignor, TenantAssignor)
