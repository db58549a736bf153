"""One check of `tenant verify`: whether it passed, what was seen, and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

CHECK_SECONDS = 10.0
"""For what one server is asked; a question to a desk or an edge has 4.5 s of it."""


@dataclass(frozen=True, slots=True)
class Check:
    """`ok` is None where it can't be told; `skipped`: it can't be asked for here at all, which fails nothing."""

    ok: bool | None
    detail: str
    cure: str = ""
    skipped: bool = False

    @property
    def mark(self) -> str:
        if self.skipped:
            return "-"
        return {True: "✓", False: "✗", None: "?"}[self.ok]

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "detail": self.detail, "cure": self.cure} | ({"skipped": True} if self.skipped else {})


def passed(detail: str) -> Check:
    return Check(True, detail)


def failed(detail: str, cure: str) -> Check:
    return Check(False, detail, cure)


def unknown(detail: str, cure: str) -> Check:
    return Check(None, detail, cure)


def skipped(detail: str) -> Check:
    return Check(None, detail, skipped=True)


Checks = Mapping[str, Check]
Asking = Callable[[], Awaitable[Checks]]


def all_passed(checks: Checks) -> bool:
    return all(check.ok or check.skipped for check in checks.values())


async def bounded(names: tuple[str, ...], ask: Asking, seconds: float = CHECK_SECONDS) -> Checks:
    """What `ask` says of these names; unknown where it takes longer than `seconds` or fails in a way of its own."""
    try:
        async with asyncio.timeout(seconds):
            return await ask()
    except TimeoutError:
        cure = "try again; then see what is slow: ticketstream lag show, and the logs"
        return dict.fromkeys(names, unknown(f"no answer within {seconds:.0f} s", cure))
    except Exception as error:  # what one check can't do must not hide what the others found
        told = str(error).partition("\n")[0][:200] or type(error).__name__
        return dict.fromkeys(names, unknown(told, "see that this computer may ask for it"))
