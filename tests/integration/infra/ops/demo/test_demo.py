"""The whole demo, as a new user runs it: real Kafka, real PostgreSQL, every service a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from infra.ops.demo.tally import EXPECTED
from infra.ops.local.kafka import MissingTool
from infra.ops.local.kafka.jars import find_jars, find_java

DEMO_SECONDS = 240
TENANTS = {"msp-acme-corp": 25, "msp-harbor-it": 16, "msp-nordwind": 16}

pytestmark = [pytest.mark.alone, pytest.mark.timeout(2 * DEMO_SECONDS + 60)]


@pytest.fixture(scope="module", name="state_dir")
async def short_state_dir() -> AsyncIterator[Path]:
    """A short path, for PostgreSQL's socket."""
    try:
        find_java()
        find_jars()
    except MissingTool as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(f"{error.tool} is missing: {error}")
    folder = Path(tempfile.mkdtemp(prefix="ts-demo-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


async def demo(state_dir: Path) -> tuple[int, dict[str, Any], str]:
    """Exit code, the object on stdout, and what was said on stderr."""
    program = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"
    words = ("demo", "--free-ports", "--json", "--state-dir", str(state_dir))
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KAFKA_", "DATABASE_URL", "TICKETSTREAM_", "OPENROUTER_"))
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), DEMO_SECONDS)
    except TimeoutError:
        process.terminate()
        out, err = await process.communicate()
        pytest.fail(f"the demo took more than {DEMO_SECONDS} s:\n{err.decode()[-4000:]}")
    said = err.decode()
    assert out, said[-4000:]
    assert process.returncode is not None
    return process.returncode, json.loads(out), said


def require_counts(value: dict[str, Any], said: str) -> None:
    assert {name: value[name] for name in EXPECTED} == dict(EXPECTED), said[-4000:]
    assert {tenant_id: one["accepted"] for tenant_id, one in value["tenants"].items()} == TENANTS
    assert sum(one["notes"] for one in value["tenants"].values()) == 56
    assert value["writer"] == "builtin"
    assert 0 < value["seconds"]["p50"] <= value["seconds"]["p95"] <= value["seconds"]["max"]


async def test_every_count_is_right_the_first_time_and_again(state_dir: Path) -> None:
    code, first, said = await demo(state_dir)
    require_counts(first, said)
    assert code == 0, said[-4000:]
    assert first["feedback"]["aggregated"]["total"] == 2

    code, second, said = await demo(state_dir)
    require_counts(second, said)
    assert code == 0, said[-4000:]
    assert second["feedback"]["aggregated"]["total"] == 4, "feedback of the first run is still there"
