"""What to do where a check gets no answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra.ops.cli.surroundings import Surroundings
from infra.ops.health import checking
from infra.ops.health.finding import Finding
from infra.ops.health.looking import Looking

ROOT = Path(__file__).resolve().parents[5]


def test_the_runbooks_that_are_named_are_there() -> None:
    named = [check.cure.rpartition(" ")[2] for check in checking.CHECKS.values() if "runbook" in check.cure]

    assert named and all((ROOT / file).is_file() for file in named), named


async def test_kafka_that_is_away_is_looked_into_by_its_runbook(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def away(_: Looking) -> Finding:
        raise RuntimeError("Kafka gives no answer")

    only = {"recent errors": replace(checking.CHECKS["recent errors"], ask=away)}
    monkeypatch.setattr(checking, "CHECKS", only)
    found = (await checking.check_health(Surroundings(tmp_path, {}))).checks["recent errors"]

    assert (found.ok, found.detail) == (False, "Kafka gives no answer")
    assert found.next_command.endswith("infra/runbooks/KafkaPublishErrors.md")
