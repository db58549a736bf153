"""A stage that starts while Kafka is away waits for it; what is wrong with the topics still stops it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infra.runtime.kafka import topics
from infra.runtime.kafka.topics import BrokersUnreachable, TopicsError, check_partition_counts_when_ready


async def checked(monkeypatch: pytest.MonkeyPatch, *answers: int | Exception) -> int:
    left = list(answers)

    async def check(_: Mapping[str, Any], __: str) -> int:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(topics, "check_partition_counts", check)
    return await check_partition_counts_when_ready({}, "", pause=0.0)


async def test_kafka_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await checked(monkeypatch, BrokersUnreachable("no answer"), BrokersUnreachable("no answer"), 64) == 64


async def test_topics_that_do_not_fit_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TopicsError, match="differ"):
        await checked(monkeypatch, TopicsError("topics differ"))
