"""Who writes: the model first, the built-in writer when it may not, cannot, or cannot in time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.runtime.stream.outcomes import Hold
from processors.synthesize.author import Author
from processors.synthesize.fakes import FakeWriter, Result
from processors.synthesize.patience import MAX_REMEMBERED, Patience
from processors.synthesize.writer.builtin import BuiltinWriter
from processors.synthesize.writer.writer import WriterRefused, WriterUnavailable, Written
from schemas.events import Usage, Writer
from schemas.reasons import Reason
from tests.unit.processors.synthesize.examples import TENANT, ManualClock, task

MODELS = Written("text", (), Writer.MODEL, "gpt-4-turbo")
AWAY = WriterUnavailable(Reason.MODEL_UNAVAILABLE, 5.0, "APIError (502)")
BUSY = WriterUnavailable(Reason.MODEL_RATE_LIMITED, 17.0, "too many requests (429)")


class Desk:
    """An author whose model gives the results in turn, each after `seconds`."""

    def __init__(self, *results: Result, seconds: float = 1.0) -> None:
        self.clock = ManualClock()
        self.model = FakeWriter(results, during=self._passes(seconds))
        self.author = Author(model=self.model, builtin=BuiltinWriter(), patience=Patience(), clock=self.clock)

    def _passes(self, seconds: float) -> Callable[[], None]:
        return lambda: self.clock.advance(seconds)

    async def write(self, *, external: bool = True, seconds: float = 100.0) -> Written | Hold:
        return await self.author.write(task(external=external, seconds=seconds), tenant_id=TENANT)


def builtin(result: Written | Hold) -> Written:
    assert isinstance(result, Written)
    assert result.writer is Writer.BUILTIN
    return result


async def test_a_tenant_without_consent_is_written_for_without_any_call() -> None:
    desk = Desk(MODELS)
    assert builtin(await desk.write(external=False)).degraded is None
    assert not desk.model.tasks


async def test_without_a_model_no_note_counts_as_degraded() -> None:
    author = Author(model=None, builtin=BuiltinWriter(), patience=Patience(), clock=ManualClock())
    assert builtin(await author.write(task(), tenant_id=TENANT)).degraded is None


async def test_a_model_that_comes_back_within_patience_writes() -> None:
    desk = Desk(AWAY, BUSY, MODELS)
    assert await desk.write() == Hold(Reason.MODEL_UNAVAILABLE, 5.0, detail=AWAY.detail)
    assert await desk.write() == Hold(Reason.MODEL_RATE_LIMITED, 17.0, detail=BUSY.detail)
    assert await desk.write() == MODELS


async def test_after_three_tries_the_builtin_writer_answers_and_says_why() -> None:
    desk = Desk(AWAY)
    assert isinstance(await desk.write(), Hold)
    assert isinstance(await desk.write(), Hold)
    assert builtin(await desk.write()).degraded == "model unavailable: APIError (502)"


async def test_after_a_minute_of_working_time_the_builtin_writer_answers() -> None:
    desk = Desk(AWAY, seconds=61)
    assert builtin(await desk.write()).degraded == "model unavailable: APIError (502)"


async def test_a_refusal_is_answered_by_the_builtin_writer_at_once_and_keeps_what_it_cost() -> None:
    desk = Desk(WriterRefused("the provider flagged the input (403)", Usage(900, 5, 0.01)))
    written = builtin(await desk.write())
    assert written.degraded == "model refused: the provider flagged the input (403)"
    assert written.usage == Usage(900, 5, 0.01)


async def test_a_try_gets_only_the_working_time_that_earlier_tries_left() -> None:
    desk = Desk(AWAY, seconds=20)
    await desk.write()
    await desk.write()
    assert [one.seconds for one in desk.model.tasks] == [100.0, 80.0]


async def test_without_time_the_model_is_not_asked() -> None:
    desk = Desk(MODELS)
    assert builtin(await desk.write(seconds=4.9)).degraded == "no time was left to ask the model"
    assert not desk.model.tasks


async def test_patience_starts_afresh_after_an_answer() -> None:
    desk = Desk(AWAY, AWAY, MODELS, AWAY)
    for _ in range(3):
        await desk.write()
    assert isinstance(await desk.write(), Hold)


@pytest.mark.parametrize(
    ("attempts", "seconds", "took", "ends"), [(1, 60, 0, True), (9, 10, 10, True), (2, 60, 59, False)]
)
def test_patience_ends_by_tries_or_by_time(attempts: int, seconds: float, took: float, ends: bool) -> None:
    assert Patience(attempts=attempts, seconds=seconds).ends("a", took) is ends


def test_patience_remembers_a_bounded_number_of_inputs() -> None:
    patience = Patience()
    for number in range(MAX_REMEMBERED + 1):
        patience.ends(str(number), 1.0)
    assert patience.worked("0") == 0.0
    assert patience.worked(str(MAX_REMEMBERED)) == 1.0
