"""Values that could take more of the database's connections than are there are refused."""

from __future__ import annotations

import re

import pytest

from tests.contract.helm.chart import Helm, HelmRefused, facts, settings, values
from tests.contract.helm.options import LARGE

COMMANDS = 4


def most_connections(**most: int) -> int:
    """Of a release at its most replicas, with one more of each process while it is replaced."""
    total = COMMANDS
    for name, one in facts().items():
        replicas = most.get(name) or values()["processes"][name].get("replicas", {"max": 1})["max"]
        total += (replicas + (one["rollout"] == "rolling")) * one["connections"]
    return total


@pytest.mark.parametrize("most", [{}, {"synthesize": 20}, {"ingest": 3, "deliver": 40}])
def test_seventy_percent_of_the_limit_are_the_most(helm: Helm, most: dict[str, int]) -> None:
    replicas = settings({f"processes.{name}.replicas.max": number for name, number in most.items()})
    enough = -(-most_connections(**most) * 10 // 7)  # in whole numbers: 0.7 is none that a float has

    helm.template(*replicas, "--set", f"postgresql.maxConnections={enough}")
    with pytest.raises(HelmRefused, match=r"postgresql\.maxConnections"):
        helm.template(*replicas, "--set", f"postgresql.maxConnections={enough - 1}")


def test_the_refusal_says_what_would_do(helm: Helm) -> None:
    with pytest.raises(HelmRefused) as refused:
        helm.template("--set", "postgresql.maxConnections=100")
    said = str(refused.value)
    found = re.search(r"to (\d+), or lower", said)

    assert "synthesize 11 × 8" in said
    assert found
    helm.template("--set", f"postgresql.maxConnections={found[1]}")


def test_without_scaling_the_fewest_replicas_count(helm: Helm) -> None:
    helm.template("--set", "autoscaling.mode=none", "--set", "postgresql.maxConnections=250")


def test_values_for_large_tenants_count_their_connections(helm: Helm) -> None:
    with pytest.raises(HelmRefused, match="synthesize 21 × 8"):
        helm.template(*LARGE, "--set", "postgresql.maxConnections=650")
