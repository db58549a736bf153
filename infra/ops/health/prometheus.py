"""Questions to Prometheus by its HTTP API (prometheus.io/docs/prometheus/latest/querying/api)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

import aiohttp


class PrometheusFailed(Exception):
    """It answers, but with something else than a result."""


@dataclass(frozen=True, slots=True)
class Sample:
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Prometheus:
    """`url` without a slash at the end. What aiohttp raises it raises, too."""

    url: str
    http: aiohttp.ClientSession

    async def query(self, expression: str) -> list[Sample]:
        """An instant vector, as of now. Raises PrometheusFailed."""
        found = await self._get("query", {"query": expression})
        try:
            return [Sample(one["metric"], float(one["value"][1])) for one in found["result"]]
        except (LookupError, TypeError, ValueError) as error:
            raise PrometheusFailed(f"{self.url} gives no vector for {expression}") from error

    async def number(self, expression: str) -> float | None:
        """The only value; None where there is none, or it is no number. Raises PrometheusFailed."""
        found = await self.query(expression)
        return found[0].value if len(found) == 1 and not isnan(found[0].value) else None

    async def alerts(self) -> list[Mapping[str, Any]]:
        """Those that are pending or firing, with `labels`, `annotations`, `state` and `activeAt`. Raises PrometheusFailed."""
        found = await self._get("alerts", {})
        alerts = found.get("alerts")
        if not isinstance(alerts, list):
            raise PrometheusFailed(f"{self.url} gives no list of alerts")
        return alerts

    async def _get(self, what: str, query: Mapping[str, str]) -> dict[str, Any]:
        async with self.http.get(f"{self.url}/api/v1/{what}", params=dict(query)) as answer:
            told = await answer.json(content_type=None)
        if not isinstance(told, dict) or told.get("status") != "success" or not isinstance(told.get("data"), dict):
            raise PrometheusFailed(f"{self.url} answers {answer.status}, which is no result of Prometheus")
        data: dict[str, Any] = told["data"]
        return data
