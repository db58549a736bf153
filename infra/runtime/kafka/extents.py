"""Where partitions begin and end, as many of them as are asked for in two questions to each broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its documented names, not marked as exported
    AdminClient,
    OffsetSpec,
)

EARLIEST: Any = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]

Place = tuple[str, int]
"""A topic's whole name and a partition's number."""


def extents(client: AdminClient, places: Sequence[Place], seconds: float) -> dict[Place, tuple[int, int]]:
    """Of each: the first offset that can be read, and the end (the next to be written). Blocking; raises KafkaException for the
    first place that can't be told, TimeoutError where the client itself says nothing."""
    asked = [TopicPartition(*place) for place in places]
    first, end = (
        client.list_offsets(dict.fromkeys(asked, spec), request_timeout=seconds) for spec in (EARLIEST, LATEST)
    )
    return {
        (one.topic, one.partition): (
            first[one].result(timeout=seconds + 1).offset,
            end[one].result(timeout=seconds + 1).offset,
        )
        for one in asked
    }
