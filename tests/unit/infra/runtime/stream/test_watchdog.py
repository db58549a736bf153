"""What the watchdog reads off aiokafka's coordinator."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.runtime.stream.faust_app import StreamApp
from infra.runtime.stream.watchdog import left_alone_by_its_group


def app_with(task: asyncio.Task[Any]) -> StreamApp:
    client = SimpleNamespace(_coordinator=SimpleNamespace(_coordination_task=task))
    return app_of(SimpleNamespace(_thread=SimpleNamespace(_consumer=client)))


def app_of(consumer: object) -> StreamApp:
    return cast(StreamApp, SimpleNamespace(_consumer=consumer))


async def test_a_coordination_that_ended_by_an_error_is_told_one_that_goes_on_or_was_stopped_is_not() -> None:
    async def dies() -> None:
        raise AssertionError("Did we not perform bootstrap?")

    dead, alive = asyncio.create_task(dies()), asyncio.create_task(asyncio.sleep(60))
    await asyncio.wait({dead})
    assert "bootstrap" in repr(left_alone_by_its_group(app_with(dead)))
    assert left_alone_by_its_group(app_with(alive)) is None
    alive.cancel()
    await asyncio.wait({alive})
    assert left_alone_by_its_group(app_with(alive)) is None


@pytest.mark.parametrize(
    "consumer", [None, SimpleNamespace(_thread=None), SimpleNamespace(_thread=SimpleNamespace(_consumer=None))]
)
def test_what_has_not_started_is_not_left_alone(consumer: object) -> None:
    assert left_alone_by_its_group(app_of(consumer)) is None
