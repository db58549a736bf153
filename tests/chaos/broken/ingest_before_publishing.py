"""An edge that says 202 before Kafka has the event: it publishes two seconds later, if it still lives."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from infra.runtime.kafka.publisher import Publisher
from ingest import __main__ as ingest

LATER_SECONDS = 2.0
_publish = Publisher.publish


def _publish_later(self: Publisher, *arguments: Any, **named: Any) -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    loop.call_later(LATER_SECONDS, lambda: _publish(self, *arguments, **named))
    done: asyncio.Future[None] = loop.create_future()
    done.set_result(None)
    return done


if __name__ == "__main__":
    Publisher.publish = _publish_later  # type: ignore[method-assign]
    sys.exit(ingest.main())
