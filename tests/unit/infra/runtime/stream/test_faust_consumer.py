"""What the stages' consumer makes of a cluster that names no broker for a moment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import MetadataEmptyBrokerList
from aiokafka.structs import BrokerMetadata

from infra.runtime.stream.faust_app import stream_app
from infra.runtime.stream.faust_consumer import LedgerThread


async def test_whom_to_join_is_asked_again_as_long_as_the_cluster_names_no_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = stream_app("a-group", {"broker": "kafka://127.0.0.1:9"})
    app.finalize()
    consumer: Any = app.consumer
    thread: LedgerThread = consumer._new_consumer_thread()
    client = thread._create_worker_consumer(app.transport)._client

    with pytest.raises(MetadataEmptyBrokerList) as none:
        await client.coordinator_lookup(0, "a-group")
    assert none.value.retriable  # aiokafka waits a moment and asks again

    async def answers(node: int, _: object) -> object:
        return SimpleNamespace(error_code=0, coordinator_id=node)

    client.cluster._brokers[3] = BrokerMetadata(3, "127.0.0.1", 9, None)
    monkeypatch.setattr(client, "send", answers)
    assert await client.coordinator_lookup(0, "a-group") == 3
