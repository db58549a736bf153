"""Who writes: the model first, the built-in writer when it may not, cannot, or cannot in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from infra.runtime.stream.outcomes import Hold
from processors.synthesize.author import Author
from processors.synthesize.fakes import FakeWriter, Result
from processors.synthesize.patience import MAX_REMEMBERED, Patience
from processors.synthesize.writer.builtin import BuiltinWriter
from processors.synthesize.writer.writer import ModelChoice, WriterRefused, WriterUnavailable, Written
from schemas.events import Usage, Writer
from schemas.reasons import Reason
from tests.unit.processors.synthesize.examples import TENANT, ManualClock, task

MODELS = Written("text", (), Writer.MODEL, "gpt-4-turbo")
AWAY = WriterUnavailable(Reason.MODEL_UNAVAILABLE, 5.0, "APIError (502)")
OTHER = Written("text", (), Writer.MODEL, "gpt-4o")
WITH_OTHER = ModelChoice("gpt-4-turbo", 0.7, True, fallback="gpt-4o")
NO_BUILTIN = ModelChoice("gpt-4-turbo", 0.7, True, builtin=False)
BUSY = WriterUnavailable(Reason.MODEL_RATE_LIMITED, 17.0, "too many requests (429)")


class Desk:
    """An author whose model gives the results in turn, each after `seconds`."""

    def __init__(self, *results: Result, seconds: float = 1.0, seed: int = 1) -> None:
        self.clock = ManualClock()
        self.model = FakeWriter(results, during=self._passes(seconds))
        patience = Patience(random=Random(seed))
        self.author = Author(model=self.model, builtin=BuiltinWriter(), patience=patience, clock=self.clock)

    def _passes(self, seconds: float) -> Callable[[], None]:
        return lambda: self.clock.advance(seconds)

    async def write(
        self, *, external: bool = True, seconds: float = 100.0, choice: ModelChoice | None = None
    ) -> Written | Hold:
        wanted = task(external=external, seconds=seconds)
        return await self.author.write(replace(wanted, choice=choice or wanted.choice), tenant_id=TENANT)


def held(result: Written | Hold) -> Hold:
    assert isinstance(result, Hold)
    return result


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
    assert held(await desk.write()).reason is Reason.MODEL_UNAVAILABLE
    assert held(await desk.write()).reason is Reason.MODEL_RATE_LIMITED
    assert await desk.write() == MODELS


async def test_each_wait_is_longer_and_never_shorter_than_the_provider_asks() -> None:
    desk = Desk(BUSY)
    waits = [held(await desk.write(choice=NO_BUILTIN)).retry_after for _ in range(5)]
    assert all(floor <= wait <= floor * 1.25 for floor, wait in zip((17, 34, 60, 60, 60), waits, strict=True)), waits


async def test_waits_differ_so_that_not_all_come_back_at_once() -> None:
    assert len({held(await Desk(AWAY, seed=seed).write()).retry_after for seed in range(5)}) == 5


async def test_a_model_that_asks_for_more_time_than_patience_lasts_is_not_waited_for() -> None:
    desk = Desk(replace(BUSY, retry_after=90.0))
    assert builtin(await desk.write()).degraded == "model unavailable: too many requests (429)"


async def test_while_the_model_is_away_the_tenants_other_model_writes_at_once_and_the_note_says_so() -> None:
    desk = Desk(AWAY, OTHER)
    assert await desk.write(choice=WITH_OTHER) == replace(
        OTHER, degraded="written by gpt-4o, since gpt-4-turbo was away: APIError (502)"
    )
    assert [one.choice.model for one in desk.model.tasks] == ["gpt-4-turbo", "gpt-4o"]
    assert desk.model.tasks[1].seconds == 99.0


async def test_what_was_taken_out_of_the_other_models_text_is_said_too() -> None:
    desk = Desk(AWAY, replace(OTHER, degraded="the model's answer was cut off"))
    written = await desk.write(choice=WITH_OTHER)
    assert isinstance(written, Written)
    assert written.degraded
    assert written.degraded.endswith("APIError (502); the model's answer was cut off")


async def test_a_model_that_no_longer_exists_is_replaced_by_the_other_one() -> None:
    desk = Desk(WriterRefused("no endpoint (404)", every_task=True), OTHER)
    assert isinstance(await desk.write(choice=WITH_OTHER), Written)
    assert len(desk.model.tasks) == 2


async def test_what_one_model_refuses_for_what_it_says_no_other_is_asked() -> None:
    desk = Desk(WriterRefused("the provider flagged the input (403)"), OTHER)
    builtin(await desk.write(choice=WITH_OTHER))
    assert len(desk.model.tasks) == 1


async def test_with_both_models_away_patience_is_as_with_one_and_the_sooner_one_decides() -> None:
    desk = Desk(replace(BUSY, retry_after=50.0), AWAY)
    assert held(await desk.write(choice=WITH_OTHER)).retry_after < 10
    assert isinstance(await desk.write(choice=WITH_OTHER), Hold)
    builtin(await desk.write(choice=WITH_OTHER))


async def test_who_wants_no_built_in_note_waits_as_long_as_it_takes_with_all_the_time_for_each_try() -> None:
    desk = Desk(*[AWAY] * 20, MODELS, seconds=60)
    for _ in range(20):
        held(await desk.write(choice=NO_BUILTIN))
    assert await desk.write(choice=NO_BUILTIN) == MODELS
    assert {one.seconds for one in desk.model.tasks} == {100.0}


async def test_who_wants_no_built_in_note_waits_for_a_new_key_too_but_not_for_a_refused_task() -> None:
    desk = Desk(WriterRefused("out of credit (402)", every_task=True), WriterRefused("flagged (403)"))
    assert held(await desk.write(choice=NO_BUILTIN)) == Hold(
        Reason.MODEL_UNAVAILABLE, 60.0, detail="out of credit (402)"
    )
    builtin(await desk.write(choice=NO_BUILTIN))


async def test_a_wait_for_the_breaker_is_a_try_and_a_wait_for_another_call_is_none() -> None:
    probing, stopped = replace(AWAY, called=False, probing=True), replace(AWAY, called=False)
    desk = Desk(probing, probing, probing, stopped, stopped, stopped)
    for _ in range(5):
        assert held(await desk.write()).retry_after == 5.0
    builtin(await desk.write())


async def test_after_a_minute_of_outage_nobody_is_kept_waiting() -> None:
    desk = Desk(replace(AWAY, called=False, away_seconds=61.0))
    builtin(await desk.write())


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
    assert Patience(attempts=attempts, seconds=seconds).ends("a", AWAY, took) is ends


def test_patience_remembers_a_bounded_number_of_inputs() -> None:
    patience = Patience()
    for number in range(MAX_REMEMBERED + 1):
        patience.ends(str(number), AWAY, 1.0)
    assert patience.worked("0") == 0.0
    assert patience.worked(str(MAX_REMEMBERED)) == 1.0
