"""What is asked of Prometheus for a week, and what becomes of its answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from infra.ops.report.prometheus import Prometheus
from infra.ops.report.rows import EdgeFigures
from tests.unit.infra.ops.report.planted import MADE, WEEK


class Answers:
    """In place of Prometheus: `value` for every question, and what was asked."""

    def __init__(self) -> None:
        self.value: str | None = "0.5"
        self.status = 200
        self.asked: list[dict[str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        result: list[Any] = [] if self.value is None else [{"metric": {}, "value": [0, self.value]}]
        return web.json_response({"status": "success", "data": {"result": result}}, status=self.status)


@pytest.fixture
async def answers() -> Answers:
    return Answers()


@pytest.fixture
async def prometheus(answers: Answers) -> AsyncIterator[Prometheus]:
    app = web.Application()
    app.router.add_get("/api/v1/query", answers.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield Prometheus(session, str(server.make_url("")))


async def test_a_week_is_asked_as_a_whole_at_its_end(prometheus: Prometheus, answers: Answers) -> None:
    assert await prometheus.figures("msp-one", WEEK, MADE) == EdgeFigures(0.5, 0.5, 0.5)

    assert {float(one["time"]) for one in answers.asked} == {WEEK.until.timestamp()}
    assert all("[604800s" in one["query"] for one in answers.asked)
    assert sum('tenant_id="msp-one"' in one["query"] for one in answers.asked) == 1


async def test_a_week_that_is_not_over_is_asked_so_far(prometheus: Prometheus, answers: Answers) -> None:
    await prometheus.figures("msp-one", WEEK, WEEK.since + timedelta(hours=1))
    assert all("[3600s" in one["query"] for one in answers.asked)


async def test_the_edges_figures_are_asked_for_once_for_all_tenants(prometheus: Prometheus, answers: Answers) -> None:
    await prometheus.figures("msp-one", WEEK, MADE)
    await prometheus.figures("msp-two", WEEK, MADE)

    assert len(answers.asked) == 4


@pytest.mark.parametrize("value", [None, "NaN", "+Inf"])
async def test_what_is_no_number_is_no_data(prometheus: Prometheus, answers: Answers, value: str | None) -> None:
    answers.value = value

    assert await prometheus.figures("msp-one", WEEK, MADE) == EdgeFigures()
    assert prometheus.silent == ""


async def test_one_that_gives_no_answer_is_said_and_not_asked_again() -> None:
    async with aiohttp.ClientSession() as session:
        prometheus = Prometheus(session, "http://127.0.0.1:9")
        assert await prometheus.figures("msp-one", WEEK, MADE) == EdgeFigures()
        assert "gives no answer" in prometheus.silent
