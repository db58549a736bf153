"""Skips what needs a Kafka where there is none."""

from __future__ import annotations

import pytest

from infra.ops.local.kafka import MissingTool
from infra.ops.local.kafka.jars import find_jars, find_java
from tests.conftest import missing_tool


@pytest.fixture(scope="session")
def own_kafka() -> None:
    """A run starts a Kafka of its own: it needs only Java and the jars."""
    try:
        find_java()
        find_jars()
    except MissingTool as error:
        missing_tool(error)
