"""Who works while many wait for a model: a few tickets at a time, each as far as it gets.

Sixty-four answers that come together would otherwise be taken one step at a time for all of them, the next tickets would all start
when the last of them is done, and again end together: between two such waves the model has nothing to do. In turns the first ticket
makes room for the next after some milliseconds, and the calls drift apart. Who begins has turns of its own, so that the next ticket
doesn't wait behind all answers that have come.

Only so many may be with the model at once. A few more are let in: they stand ready with their question when an answer comes, so
that a call comes free for the next ticket at once and not after all that is to be done with the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

AT_A_TIME = 4
"""Both together as many as there are database connections: more would only wait for one."""

READY = 2 * AT_A_TIME
"""Tickets to let in beyond those that are with the model."""


class Turns:
    """First come, first served. `aside`: how many may be aside at once. `at_a_time`: of those that begin, and of those that go on
    after they were aside."""

    def __init__(self, aside: int, at_a_time: int = AT_A_TIME) -> None:
        self._aside = asyncio.Semaphore(aside)
        self._begin, self._go_on = asyncio.Semaphore(at_a_time), asyncio.Semaphore(at_a_time)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        turn = _Turn(self._aside, self._go_on)
        await turn.enter(self._begin)
        before = _current.set(turn)
        try:
            yield
        finally:
            _current.reset(before)
            turn.leave()


class _Turn:
    """One ticket's. It may have it, or be aside."""

    def __init__(self, room_aside: asyncio.Semaphore, to_go_on: asyncio.Semaphore) -> None:
        self.room_aside, self.to_go_on = room_aside, to_go_on
        self.waited = 0.0
        self._inside: asyncio.Semaphore | None = None

    async def enter(self, room: asyncio.Semaphore) -> None:
        await room.acquire()
        self._inside = room

    async def go_aside(self) -> None:
        self.leave()
        loop = asyncio.get_running_loop()
        since = loop.time()
        await self.enter(self.room_aside)
        self.waited += loop.time() - since

    async def come_back(self) -> None:
        self.leave()
        await self.enter(self.to_go_on)

    def leave(self) -> None:
        if self._inside is not None:
            self._inside.release()
            self._inside = None


_current: ContextVar[_Turn | None] = ContextVar("turn", default=None)


def waited() -> float:
    """Seconds that this ticket has waited until it could go aside: time in which nothing was done for it."""
    turn = _current.get()
    return turn.waited if turn else 0.0


@asynccontextmanager
async def aside() -> AsyncIterator[None]:
    """For what takes long and needs no CPU: others have their turn meanwhile, and this one goes on when it is its turn again. It
    begins when there is room aside. Without a turn it does nothing. Who is cancelled inside doesn't get it back."""
    turn = _current.get()
    if turn is None:
        yield
        return
    await turn.go_aside()
    try:
        yield
    except asyncio.CancelledError:
        raise
    except BaseException:
        await turn.come_back()
        raise
    await turn.come_back()
