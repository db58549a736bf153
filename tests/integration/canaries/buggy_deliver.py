"""`python -m tests.integration.canaries.buggy_deliver`: deliver with a bug in the middle of a call to a desk."""

from __future__ import annotations

from collections.abc import Mapping

from infra.runtime.stream.runner import exit_with
from processors.deliver.__main__ import main
from sinks.servicedesk.answers import Success
from sinks.servicedesk.client import DeskClient, Operation
from sinks.servicedesk.types import DeskAccount, Refused, Unknown

UNLUCKY = "13131313"
"""The ticket that meets the bug."""

_once = DeskClient._once


async def _buggy(
    self: DeskClient, account: DeskAccount, operation: Operation, headers: Mapping[str, str]
) -> Success | Refused | Unknown:
    if UNLUCKY in operation.path:
        raise RuntimeError(f"a bug: {self!r} {account!r} {operation!r}")
    return await _once(self, account, operation, headers)


if __name__ == "__main__":
    DeskClient._once = _buggy  # type: ignore[method-assign]
    exit_with(main)
