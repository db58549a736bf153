"""`up --monitoring`: Prometheus scrapes the stack's processes wherever they listen, and its alerts end in a log."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import orjson
import pytest

from infra.ops.local.kafka import MissingTool
from infra.ops.local.stack import LocalStack, StackOptions, WantedPorts, read_endpoints
from infra.ops.local.stack.service import ServiceSpec
from infra.ops.local.stack.services import Site, service_groups
from tests.conftest import missing_tool
from tests.integration.chain.polling import until
from tests.integration.infra.ops.local.test_stack import TINY_SERVICE, clean_environment

MEASURED = TINY_SERVICE.replace("json.dumps(dict(os.environ)).encode()", 'b"answer 42\\n"')
SERVICES = ("enrich", "ingest")


class Database(Protocol):
    """The session's PostgreSQL."""

    dsn: str
    dsns: dict[str, str]


def measured(site: Site) -> list[list[ServiceSpec]]:
    """Two of the services, with a program that only has a metric."""
    specs = [spec for group in service_groups(site) for spec in group if spec.name in SERVICES]
    return [[replace(spec, command=(sys.executable, "-c", MEASURED)) for spec in specs]]


@pytest.fixture(scope="module")
async def stack(topics: str, postgres: Database) -> AsyncIterator[LocalStack]:
    folder = Path(tempfile.mkdtemp(prefix="ts-monitoring-"))
    named = {f"DATABASE_URL_{service.upper()}": dsn for service, dsn in postgres.dsns.items()}
    named |= {"KAFKA_BOOTSTRAP_SERVERS": topics, "DATABASE_URL": postgres.dsn}
    options = StackOptions(folder, WantedPorts.any_free(), monitoring=True, environment=clean_environment() | named)
    try:
        async with LocalStack(options, groups=measured) as stack:
            yield stack
    except MissingTool as error:
        missing_tool(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
async def http(stack: LocalStack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def asking(stack: LocalStack, http: aiohttp.ClientSession, query: str) -> Callable[[], Awaitable[dict[str, float]]]:
    """What an expression is now, by job."""

    async def ask() -> dict[str, float]:
        async with http.get(f"{stack.endpoints.prometheus}/api/v1/query", params={"query": query}) as answer:
            found: list[dict[str, Any]] = (await answer.json())["data"]["result"]
        return {one["metric"]["job"]: float(one["value"][1]) for one in found}

    return ask


async def test_both_addresses_are_written(stack: LocalStack) -> None:
    found = read_endpoints(stack.state_dir)

    assert found.prometheus and found.alertmanager
    assert found == stack.endpoints


async def test_every_process_is_scraped_and_prometheus_and_alertmanager_themselves(
    stack: LocalStack, http: aiohttp.ClientSession
) -> None:
    ask = asking(stack, http, "up == 1")

    async def all_up() -> bool:
        return set(await ask()) == {*SERVICES, "prometheus", "alertmanager"}

    await until(all_up, "all are scraped", seconds=20)
    assert await asking(stack, http, "answer")() == dict.fromkeys(SERVICES, 42.0)


async def test_a_process_that_comes_back_at_another_address_is_scraped_there(
    stack: LocalStack, http: aiohttp.ClientSession
) -> None:
    before, pid = stack.endpoints.internal["enrich"], stack.supervisor.status("enrich").pid
    assert pid is not None

    os.kill(pid, signal.SIGKILL)
    await until(lambda: stack.endpoints.internal["enrich"] != before, "it has another address")
    came_back = time.time()
    ask = asking(stack, http, f"timestamp(answer) > {came_back}")

    async def scraped() -> bool:
        return "enrich" in await ask()

    await until(scraped, "its new address is scraped", seconds=20)


async def test_the_alert_rules_are_in_force(stack: LocalStack, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{stack.endpoints.prometheus}/api/v1/rules", params={"type": "alert"}) as answer:
        groups = (await answer.json())["data"]["groups"]

    assert "TenantIsolationViolation" in {rule["name"] for group in groups for rule in group["rules"]}


async def test_an_alert_ends_as_a_line_of_the_log(stack: LocalStack, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{stack.endpoints.prometheus}/api/v1/alertmanagers") as answer:
        (known,) = (await answer.json())["data"]["activeAlertmanagers"]
    assert known["url"].startswith(f"{stack.endpoints.alertmanager}/")

    alert = {
        "labels": {"alertname": "OnlyATest", "severity": "info"},
        "annotations": {"summary": "Nothing is wrong"},
        "startsAt": datetime.now(UTC).isoformat(),
    }
    async with http.post(f"{stack.endpoints.alertmanager}/api/v2/alerts", json=[alert]) as answer:
        assert answer.status == 200

    def line() -> dict[str, Any] | None:
        lines = (stack.state_dir / "logs" / "alerts.log").read_text().splitlines()
        said = [orjson.loads(one) for one in lines]
        return next((one for one in said if one.get("alert") == "OnlyATest"), None)

    found = await until(line, "the alert is in the log")
    assert found is not None
    assert (found["status"], found["severity"], found["summary"]) == ("firing", "info", "Nothing is wrong")
