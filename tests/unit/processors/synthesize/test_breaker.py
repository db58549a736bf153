"""When a model is called, left alone and tried again, by the clock."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest

from processors.synthesize.breaker import FAILURES, FORGET, Breaker, Pass, State, Stop
from processors.synthesize.fakes import FakeWriter, Result
from processors.synthesize.guarded_model import GuardedModel
from processors.synthesize.writer.writer import WriterRefused, WriterUnavailable, WritingTask, Written
from schemas.events import Writer
from schemas.reasons import Reason
from tests.unit.processors.synthesize.examples import ManualClock, task

MODELS = Written("text", (), Writer.MODEL, "gpt-4-turbo")
AWAY = WriterUnavailable(Reason.MODEL_UNAVAILABLE, 5.0, "APIError (502)")
BUSY = WriterUnavailable(Reason.MODEL_RATE_LIMITED, 120.0, "too many requests (429)")


class Line:
    """A breaker with its clock; `fail` is a call that fails."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.breaker = Breaker(self.clock, Random(1))

    def admitted(self) -> Pass:
        passed = self.breaker.admit()
        assert isinstance(passed, Pass)
        return passed

    def state(self) -> State:
        return self.breaker.state

    def stopped(self) -> Stop:
        stop = self.breaker.admit()
        assert isinstance(stop, Stop)
        return stop

    def fail(self, failure: WriterUnavailable = AWAY, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.failed(self.admitted(), failure)

    def opened(self) -> float:
        """Fail until it opens, or once where it is half open; for how long it is."""
        self.fail(times=FAILURES if self.state() is State.CLOSED else 1)
        assert self.state() is State.OPEN
        return self.breaker.due_seconds


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    line = Line()
    line.fail(times=FAILURES - 1)
    line.breaker.succeeded(line.admitted())
    line.fail(times=FAILURES - 1)
    assert line.state() is State.CLOSED
    line.fail()
    assert line.state() is State.OPEN


def test_while_it_is_open_nobody_calls_and_all_come_back_at_times_of_their_own() -> None:
    line = Line()
    due = line.opened()
    waits = [line.stopped().seconds for _ in range(20)]
    assert all(due <= wait <= due + 1 for wait in waits)
    assert len(set(waits)) == 20


def test_half_open_one_call_at_a_time_finds_out_and_its_success_closes_it() -> None:
    line = Line()
    line.clock.advance(line.opened())
    probe = line.admitted()
    assert probe.probe
    assert line.stopped().probing
    line.breaker.succeeded(probe)
    assert line.state() is State.CLOSED
    assert not line.admitted().probe


def test_each_failing_probe_doubles_the_pause_up_to_a_minute() -> None:
    line, pauses = Line(), []
    for _ in range(6):
        pauses.append(line.opened())
        line.clock.advance(pauses[-1])
    for pause, floor in zip(pauses, (5, 10, 20, 40, 60, 60), strict=True):
        assert floor <= pause <= floor * 1.25


def test_a_retry_after_is_a_floor_also_when_it_is_learnt_late() -> None:
    line = Line()
    early = line.admitted()
    line.fail(BUSY, FAILURES)
    assert line.breaker.due_seconds >= 120
    line.clock.advance(100)
    line.breaker.failed(early, BUSY)
    assert line.breaker.due_seconds == 120


def test_late_failures_do_not_make_the_pauses_longer() -> None:
    line = Line()
    early = [line.admitted() for _ in range(64)]
    for passed in early:
        line.breaker.failed(passed, AWAY)
    assert line.breaker.due_seconds <= 6.25


def test_a_late_success_closes_it() -> None:
    line = Line()
    early = line.admitted()
    line.opened()
    line.breaker.succeeded(early)
    assert line.state() is State.CLOSED


def test_a_probe_that_is_cut_off_makes_way_for_the_next() -> None:
    line = Line()
    line.clock.advance(line.opened())
    line.breaker.abandoned(line.admitted())
    assert line.admitted().probe


def test_an_old_outage_is_forgotten() -> None:
    line = Line()
    line.clock.advance(line.opened() + FORGET.total_seconds() + 1)
    assert not line.admitted().probe
    assert line.breaker.away_seconds == 0


class Provider:
    """A guarded model whose answers are given in turn."""

    def __init__(self, *results: Result) -> None:
        self.clock = ManualClock()
        self.model = FakeWriter(results)
        self.guarded = GuardedModel(self.model, clock=self.clock, random=Random(1))

    async def ask(self, model: str = "gpt-4-turbo") -> Result:
        wanted = task()
        return await self.guarded.write(replace(wanted, choice=replace(wanted.choice, model=model)))


def unavailable(result: Result) -> WriterUnavailable:
    assert isinstance(result, WriterUnavailable)
    return result


async def test_an_open_breaker_lets_no_call_through_and_says_why_and_until_when() -> None:
    provider = Provider(BUSY)
    for _ in range(FAILURES):
        assert unavailable(await provider.ask()).called
    stopped = unavailable(await provider.ask())
    assert (stopped.reason, stopped.called) == (Reason.MODEL_RATE_LIMITED, False)
    assert "too many requests (429)" in stopped.detail
    assert stopped.retry_after >= 120
    assert len(provider.model.tasks) == FAILURES


async def test_one_models_failures_leave_another_alone() -> None:
    provider = Provider(AWAY)
    for _ in range(FAILURES + 1):
        await provider.ask()
    assert unavailable(await provider.ask("gpt-4o")).called


async def test_refusals_of_a_task_never_open_it_and_show_that_the_model_is_there() -> None:
    provider = Provider(*[AWAY] * (FAILURES - 1), WriterRefused("flagged (403)"), *[AWAY] * FAILURES)
    for _ in range(2 * FAILURES - 1):
        await provider.ask()
    assert len(provider.model.tasks) == 2 * FAILURES - 1
    for _ in range(2):
        await provider.ask()
    assert len(provider.model.tasks) == 2 * FAILURES


async def test_a_key_that_is_refused_says_nothing_about_the_model() -> None:
    provider = Provider(*[AWAY] * (FAILURES - 1), WriterRefused("refused (401)", every_task=True), AWAY)
    for _ in range(FAILURES + 1):
        await provider.ask()
    assert not unavailable(await provider.ask()).called


async def test_how_long_it_has_been_away_is_told() -> None:
    provider = Provider(AWAY)
    for _ in range(FAILURES):
        await provider.ask()
    provider.clock.advance(33)
    assert unavailable(await provider.ask()).away_seconds == 33


async def test_a_call_that_is_cancelled_says_nothing_and_blocks_nobody() -> None:
    provider = Provider(AWAY)
    for _ in range(FAILURES):
        await provider.ask()
    provider.clock.advance(60)

    class Hangs:
        async def write(self, _: WritingTask) -> Result:
            await asyncio.Event().wait()
            return MODELS

    provider.guarded._model = Hangs()
    call = asyncio.create_task(provider.ask())
    await asyncio.sleep(0)
    assert unavailable(await provider.ask()).probing
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    provider.guarded._model = FakeWriter([MODELS])
    assert await provider.ask() == MODELS
