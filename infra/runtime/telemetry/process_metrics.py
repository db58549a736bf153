"""What every process tells of itself: its release, how late its event loop is, and how far its clock is from others'."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import Gauge, Histogram

SAMPLE_SECONDS = 0.5

BUILD_INFO = Gauge("ticketstream_build_info", "Always 1; the release that the process runs is a label.", ["version"])
EVENT_LOOP_LAG = Histogram(
    "ticketstream_event_loop_lag_seconds",
    "How much later than asked a timer of the event loop went off, sampled twice a second: everything waits that long.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
CLOCK_SKEW = Gauge(
    "ticketstream_clock_skew_seconds",
    "This process's clock minus that of the reference: database (PostgreSQL), or broker (the time at which Kafka wrote a record).",
    ["reference"],
)


def release() -> str:
    """The version that is installed."""
    try:
        return version("ticketstream")
    except PackageNotFoundError:  # run from a bare tree
        return "unknown"


def show_build() -> None:
    BUILD_INFO.labels(release()).set(1)


async def watch_loop(every_seconds: float = SAMPLE_SECONDS) -> None:
    """For ever. By the machine's clock: uvloop's own stands still while a turn of the loop lasts."""
    while True:
        due = time.monotonic() + every_seconds
        await asyncio.sleep(every_seconds)
        EVENT_LOOP_LAG.observe(max(0.0, time.monotonic() - due))
