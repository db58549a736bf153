"""What should be moving and is not. Held events and full windows are not among it: held is not stuck."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from infra.runtime.stream.faust_app import StreamApp
from infra.runtime.stream.feeder import Feeder

SILENCE = 5.0


def symptoms(app: StreamApp, feeder: Feeder, producer_silent: float = 0.0) -> dict[str, bool]:
    """Each symptom by name and whether it shows now; one that shows for a minute on end is worth a restart. `producer_silent`: for
    how many seconds the producer has said nothing of what it was given."""
    consumer: Any = app.consumer
    coordinator = consumer._thread._ensure_consumer()._coordinator
    states = [s for tp in consumer.assignment() if tp not in feeder.full and (s := consumer.fetch_state(tp))]
    behind = any((s.highwater or 0) > s._position for s in states if s._position is not None)
    return {
        "rebalance unfinished": app.rebalancing or not consumer.flow_active,
        "not in the group": coordinator.coordinator_id is None or coordinator.generation < 0,
        "not fetching": behind and time.monotonic() - consumer.last_read > SILENCE,
        "commit pending": consumer._commit_fut is not None,
        "producer silent": producer_silent > SILENCE,
        "a lane is stuck": feeder.lanes.stuck_since() is not None,
    }


def left_alone_by_its_group(app: StreamApp) -> BaseException | None:
    """Why nobody looks after the membership in the group any more, if so: aiokafka's task for it ends on errors that it doesn't
    foresee, as when brokers go away while it starts, and is never begun again."""
    thread: Any = getattr(app._consumer, "_thread", None)
    coordinator = getattr(
        thread and thread._consumer, "_coordinator", None
    )  # neither is there before the app has started
    task = coordinator and coordinator._coordination_task
    return task.exception() if task and task.done() and not task.cancelled() else None


async def assigned(app: StreamApp) -> bool:
    """Whether the group has given this process its share, and the brokers let it read that. Without the right to the group it
    never gets one, without the right to the topic nothing of it, and neither is said."""
    consumer: Any = app.consumer
    if consumer is None or app.rebalancing:
        return False
    with contextlib.suppress(Exception):
        member = consumer._thread._ensure_consumer()._coordinator.generation >= 0 and bool(consumer.flow_active)
        return member and await consumer.may_read()
    return False


async def broker_accepts(app: StreamApp) -> bool:
    """Whether any broker's port is open: without one a restart would not help."""
    for url in app.conf.broker_consumer:
        with contextlib.suppress(OSError, TimeoutError):
            opening = asyncio.open_connection(url.host, url.port or 9092)
            (await asyncio.wait_for(opening, 2))[1].close()
            return True
    return False
