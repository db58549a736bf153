"""Monitoring of the local stack: its files are what Prometheus takes, alerts become lines, what is missing is named."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import aiohttp
import orjson
import pytest

from infra.ops.local.free_ports import free_ports
from infra.ops.local.kafka import MissingTool
from infra.ops.local.monitoring import MonitoringPorts, Pace, find_tools, write_configuration, write_targets
from infra.ops.local.stack import LocalStack, StackOptions
from infra.ops.local.stack.up import run_up
from tests.unit.infra.monitoring.alert_rules import promtool

PORTS = MonitoringPorts(prometheus=1001, alertmanager=1002, alert_log=1003)
URLS = {"lag": "http://127.0.0.1:4002", "ingest": "http://127.0.0.1:4001"}


def installed(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize("alertmanager", ["alertmanager", "prometheus-alertmanager"])
def test_alertmanager_is_found_under_its_makers_name_and_debians(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alertmanager: str
) -> None:
    installed(tmp_path, "prometheus", alertmanager)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_tools().alertmanager == str(tmp_path / alertmanager)


def test_all_that_is_missing_is_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingTool, match=r"needs prometheus and alertmanager, .*apt-get install .*--monitoring"):
        find_tools()
    installed(tmp_path, "prometheus")
    with pytest.raises(MissingTool, match=r"^Monitoring needs alertmanager, "):
        find_tools()


def test_up_exits_2_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert run_up(StackOptions(tmp_path / "state", monitoring=True, environment={})) == 2

    assert "apt-get install" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


async def test_without_the_option_nothing_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "logs").touch()  # ends the start

    with pytest.raises(Exception, match="File exists"):
        await LocalStack(StackOptions(tmp_path, environment={})).start()


def test_targets_have_the_process_as_job_and_instance(tmp_path: Path) -> None:
    write_targets(tmp_path, URLS)

    assert orjson.loads((tmp_path / "targets.json").read_bytes()) == [
        {"targets": ["127.0.0.1:4001"], "labels": {"job": "ingest", "instance": "ingest"}},
        {"targets": ["127.0.0.1:4002"], "labels": {"job": "lag", "instance": "lag"}},
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["targets.json"]


def test_prometheus_takes_the_local_stacks_configuration_with_its_rules(tmp_path: Path) -> None:
    write_configuration(tmp_path, PORTS, Pace())
    write_targets(tmp_path, URLS)

    told = promtool("check", "config", str(tmp_path / "prometheus.yml"))

    assert "SUCCESS" in told
    assert "rules found" in told


async def test_an_alert_becomes_a_line_of_the_log() -> None:
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.ops.local.monitoring.alert_log", "--port", str(port),
        stdout=asyncio.subprocess.PIPE, env=os.environ,
    )  # fmt: skip
    assert process.stdout
    url = json.loads(await process.stdout.readline())["url"]
    alert = {
        "status": "firing",
        "labels": {"alertname": "HighQueueDepth", "severity": "critical", "tenant_id": "msp-one"},
        "annotations": {"summary": "60 events wait", "runbook": "infra/runbooks/HighQueueDepth.md"},
        "startsAt": "2026-01-01T00:00:00Z",
        "fingerprint": "00",
    }
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/alerts", json={"version": "4", "alerts": [alert]}) as answer:
            assert answer.status == 204
        async with session.post(f"{url}/alerts", json={"version": "4"}) as answer:
            assert answer.status == 422
    line = json.loads(await process.stdout.readline())
    process.terminate()
    await process.wait()

    assert line == {
        "alert": "HighQueueDepth",
        "status": "firing",
        "severity": "critical",
        "since": "2026-01-01T00:00:00Z",
        "summary": "60 events wait",
        "runbook": "infra/runbooks/HighQueueDepth.md",
        "labels": {"tenant_id": "msp-one"},
    }
