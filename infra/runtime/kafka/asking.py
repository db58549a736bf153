"""Questions to brokers whose answer may be a moment away: while a partition's leader or a
group's coordinator changes, as right after a topic is made."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

ANSWER_SECONDS = 10.0
AGAIN_SECONDS = 0.2
PASSING = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
T = TypeVar("T")


def asked_until_answered(ask: Callable[[], T]) -> T:
    """The answer; asked again for up to 10 s while it is one of those that pass by themselves. Blocks; raises KafkaException."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in PASSING or time.monotonic() > deadline:
                raise
        time.sleep(AGAIN_SECONDS)
