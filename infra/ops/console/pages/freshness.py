"""A copy of something that takes a while to find out: shown as it is while it is found out anew, and it says how old it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Copy(Generic[T]):
    """`value` is None where it was never found out; `error` says why it isn't newer, empty where all is well."""

    value: T | None
    age_seconds: float
    error: str = ""


class Fresh(Generic[T]):
    """Finds out at most every `every` seconds, and only when asked. One older than `too_old` is waited for, at most `patience`
    seconds; a younger one is shown at once. One finding out at a time, cancelled by `stop`."""

    def __init__(
        self,
        find: Callable[[], Awaitable[T]],
        *,
        every: float,
        too_old: float,
        patience: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find, self._every, self._too_old, self._patience = find, every, too_old, patience
        self._monotonic = monotonic
        self._value: T | None = None
        self._found_at: float | None = None
        self._tried_at: float | None = None
        self._error = ""
        self._finding: asyncio.Task[None] | None = None

    async def get(self) -> Copy[T]:
        now = self._monotonic()
        if self._finding is None and (self._tried_at is None or now - self._tried_at >= self._every):
            self._tried_at = now
            self._finding = asyncio.create_task(self._find_out())
        if self._finding is not None and self._age() > self._too_old:
            await asyncio.wait([self._finding], timeout=self._patience)
        age = self._age()
        if age > self._too_old and not self._error:
            return Copy(self._value, age, "it takes longer than usual")
        return Copy(self._value, age, self._error)

    async def stop(self) -> None:
        if self._finding is not None:
            self._finding.cancel()
            await asyncio.wait([self._finding])

    def _age(self) -> float:
        return float("inf") if self._found_at is None else self._monotonic() - self._found_at

    async def _find_out(self) -> None:
        began = self._monotonic()
        try:
            self._value = await self._find()
            self._found_at, self._error = began, ""
        except Exception as error:  # whatever is wrong, the last copy stays, and its age is shown
            log.warning("not found out", error=repr(error))
            self._error = str(error) or type(error).__name__
        finally:
            self._finding = None
