"""A console over planted rows, real Kafka and real PostgreSQL, and a real browser for it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest

from infra.ops.local.kafka import MissingTool
from tests.conftest import missing_tool
from tests.integration.infra.ops.console.console_world import ConsoleWorld

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
CHROMIUM += ["--disable-component-update", "--disable-sync", "--force-prefers-reduced-motion"]


@pytest.fixture(scope="session")
async def world(kafka: str, postgres_server: Any) -> AsyncIterator[ConsoleWorld]:
    made = ConsoleWorld(kafka, await postgres_server.migrated("console"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    path = shutil.which("chromium")
    if path is None:
        missing_tool(MissingTool("chromium", "install it with: apt-get install chromium"))
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, headless=True, args=CHROMIUM)
        yield running
        await running.close()
