"""The drill as it is played: real alert rules with their real patience, real workers that die, and the runbooks' commands."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.ops.local.kafka import MissingTool
from infra.ops.local.kafka.jars import find_jars, find_java
from infra.ops.local.monitoring import find_tools
from tests.conftest import missing_tool

SECONDS = 900.0
PROGRAM = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"
OURS = ("TICKETSTREAM_", "KAFKA_", "DATABASE_URL")

pytestmark = [pytest.mark.alone, pytest.mark.timeout(SECONDS + 60)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, for PostgreSQL's socket."""
    try:
        find_java(), find_jars(), find_tools()
    except MissingTool as error:
        missing_tool(error)
    made = Path(tempfile.mkdtemp(prefix="ts-drill-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def begun(folder: Path, *words: str) -> asyncio.subprocess.Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "drill", *words, "--state-dir", str(folder / "s"), "--out", str(folder / "out"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip


def left_behind(folder: Path) -> list[str]:
    """Command lines of what still runs of a drill in that folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        inside = [*(process.info["cmdline"] or ()), *(process.info["environ"] or {}).values()]
        if process.pid != os.getpid() and any(str(folder) in one for one in inside):
            found.append(" ".join(process.info["cmdline"] or ()))
    return found


async def test_a_real_alert_fires_in_time_and_acting_by_the_runbooks_helps(folder: Path) -> None:
    drill = await begun(folder, "--auto", "--json")
    out, err = await asyncio.wait_for(drill.communicate(), SECONDS)
    assert drill.returncode == 0, err.decode()
    report = json.loads(out)

    took = {one["name"]: one["seconds"] for one in report["targets"]}
    assert took["alert"] <= 300 and took["mitigate"] <= 1800
    assert took["mitigate"] < took["backlog"] <= 1800 and report["impact"]["on_their_way"] < 3 * 20
    assert report["cause"]["chosen"] == report["cause"]["right"] and report["workers_killed"] >= 3
    assert report["backlog_peak"] > 100 and "crashes_worker" in report["impact"]["dead_letters"]
    told = [(one["kind"], one["text"]) for one in report["timeline"]]
    alerts = {text.partition(" ")[0] for kind, text in told if kind == "alert"}
    assert alerts & {"HighQueueDepth", "WorkerFailures"}
    assert [text.split()[2:4] for kind, text in told if kind == "audit"] == [
        ["disable", "msp-harbor-it"], ["enable", "msp-harbor-it"],
    ]  # fmt: skip
    draft = Path(report["files"]["postmortem"]).read_text("utf-8")
    assert all(text.replace("|", "\\|") in draft for _, text in told) and "$" not in draft
    assert Path(report["files"]["report"]).read_text("utf-8").startswith("# Drill of ")
    assert left_behind(folder / "s") == []


async def test_everything_ends_with_ctrl_c(folder: Path) -> None:
    drill = await begun(folder)
    assert drill.stdout
    async with asyncio.timeout(300.0):
        async for line in drill.stdout:
            if b"migrations applied" in line:  # its servers run, its services begin
                break

    drill.send_signal(signal.SIGINT)
    await asyncio.wait_for(drill.communicate(), 60.0)
    assert drill.returncode == 130 and left_behind(folder / "s") == []
