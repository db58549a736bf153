"""A Prometheus that scrapes the running chain, asked as Grafana asks it."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.unit.infra.monitoring.test_dashboards import filled_in

ANY_TENANT = ".*"
STEP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Series:
    """Labels, and the values that are numbers."""

    labels: dict[str, str]
    values: list[float]


class QueryRefused(AssertionError):
    """Prometheus takes an expression for wrong."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """`since` is when what is of interest began, as seconds since 1970."""

    url: str
    session: aiohttp.ClientSession
    since: float

    async def series(self, expression: str, tenant: str = ANY_TENANT) -> list[Series]:
        """What a panel with this expression shows, from the beginning until now; only series with a number."""
        query = filled_in(expression, tenant)
        asked = {"query": query, "start": self.since, "end": time.time(), "step": STEP_SECONDS}
        found = [
            Series(one["metric"], [float(value) for _, value in one["values"] if not math.isnan(float(value))])
            for one in (await self._ask("query_range", asked))["result"]
        ]
        return [one for one in found if one.values]

    async def choices(self, variable: str) -> set[str]:
        """What a variable's `label_values(SELECTOR, LABEL)` offers."""
        found = re.fullmatch(r"label_values\((?P<selector>.+), (?P<label>\w+)\)", variable)
        assert found, variable
        return set(
            await self._ask(f"label/{found['label']}/values", {"match[]": found["selector"], "start": self.since})
        )

    async def scraped(self) -> dict[str, float]:
        """By process how often it was scraped so far."""
        found = (await self._ask("query", {"query": "count_over_time(up[1h]) and up == 1"}))["result"]
        return {one["metric"]["job"]: float(one["value"][1]) for one in found}

    async def _ask(self, what: str, asked: dict[str, Any]) -> Any:
        async with self.session.get(f"{self.url}/api/v1/{what}", params=asked) as answer:
            told = await answer.json()
        if told["status"] != "success":
            raise QueryRefused(f"{told['error']}\n{asked}")
        return told["data"]
