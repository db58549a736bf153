"""`python -m tests.integration.canaries.buggy_stage STAGE`: a stage with a bug in the middle of a call to a desk.

With `unready` as a second word it doesn't ask Kafka for its topics first, so that a login that is refused meets Faust's clients.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

from infra.runtime.stream.runner import exit_with
from sinks import stage_ports
from sinks.servicedesk.answers import Success
from sinks.servicedesk.client import DeskClient, Operation
from sinks.servicedesk.types import DeskAccount, Refused, Unknown

UNLUCKY = "13131313"
"""The ticket that meets the bug."""
UNREADY = "unready"

_once = DeskClient._once


async def _buggy(
    self: DeskClient, account: DeskAccount, operation: Operation, headers: Mapping[str, str]
) -> Success | Refused | Unknown:
    if UNLUCKY in operation.path:
        raise RuntimeError(f"a bug: {self!r} {account!r} {operation!r}")
    return await _once(self, account, operation, headers)


async def _unasked(*_: object) -> int:
    return 0


if __name__ == "__main__":
    stage, *how = sys.argv[1:]
    DeskClient._once = _buggy  # type: ignore[method-assign]
    if UNREADY in how:
        vars(stage_ports)["check_partition_counts_when_ready"] = _unasked
    exit_with(importlib.import_module(f"processors.{stage}.__main__").main)
