"""The chain under faults is right, and the oracle sees it when one guard is taken out."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.oracle import Verdict
from tests.chaos.plan import MODULES, Plan
from tests.chaos.run import run

SEED = 7
PATIENCE = 480.0
BROKEN = "tests.chaos.broken"


@pytest.mark.alone
@pytest.mark.timeout(PATIENCE + 20)
async def test_a_short_run_loses_doubles_and_crosses_nothing(own_kafka: None, tmp_path: Path) -> None:
    report = tmp_path / "chaos.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos", "--short", "--seed", str(SEED), "--json", str(report),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await asyncio.wait_for(process.communicate(), PATIENCE)

    assert process.returncode == 0, told.decode()
    figures = json.loads(report.read_text())
    assert len(figures["faults"]) >= 8 and figures["notes"] >= figures["accepted"] == 180


@pytest.fixture(scope="module")
async def unguarded(own_kafka: None) -> AsyncIterator[Verdict]:
    """What the oracle says of a chain whose deliver doesn't look before it posts again, and whose edge acknowledges too early."""
    modules = {
        **MODULES,
        "deliver": f"{BROKEN}.deliver_without_looking",
        "ingest": f"{BROKEN}.ingest_before_publishing",
    }
    faults = ((0.0, "desk: 500 after the note"), (4.0, "kill ingest"))
    plan = Plan(SEED, 40, 2, 6.0, faults, settle_seconds=40.0, replicas=1, edited=0.0, modules=modules)
    folder = Path(tempfile.mkdtemp(prefix="ts-chaos-"))
    yield (await run(plan, folder)).verdict
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.alone
@pytest.mark.timeout(PATIENCE)
def test_without_the_look_before_posting_again_notes_are_doubled(unguarded: Verdict) -> None:
    assert unguarded.doubled and not unguarded.right


@pytest.mark.alone
@pytest.mark.timeout(PATIENCE)
def test_an_edge_that_acknowledges_before_it_published_loses_tickets(unguarded: Verdict) -> None:
    assert unguarded.lost and not unguarded.right
