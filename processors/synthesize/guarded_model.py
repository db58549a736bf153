"""The models of the provider, each behind its breaker, whoever's tenant asks."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from infra.runtime.clock import Clock
from infra.runtime.telemetry.logs import get_logger
from processors.synthesize import metrics
from processors.synthesize.breaker import Breaker, Pass, State, Stop
from processors.synthesize.writer.writer import Writer, WriterRefused, WriterUnavailable, WritingTask, Written
from schemas.reasons import Reason

MAX_MODELS = 100

log = get_logger(__name__)


class GuardedModel:
    """A `Writer` that asks `model` only while the breaker of the task's model lets it. A refusal is an answer, so it says that the
    model is there, unless it would meet every task."""

    def __init__(self, model: Writer, *, clock: Clock, random: Random) -> None:
        self._model = model
        self._clock = clock
        self._random = random
        self._breakers: dict[str, Breaker] = {}

    async def write(self, task: WritingTask) -> Written | WriterUnavailable | WriterRefused:
        name = task.choice.model
        breaker = self._breaker(name)
        passed = breaker.admit()
        if isinstance(passed, Stop):
            return _stopped(passed, breaker)
        self._show(name, breaker)
        try:
            result = await self._model.write(task)
        except BaseException:
            breaker.abandoned(passed)
            raise
        before = breaker.state
        result = _taken(result, breaker, passed)
        self._tell(name, breaker, before)
        return result

    def _breaker(self, model: str) -> Breaker:
        if model not in self._breakers and len(self._breakers) >= MAX_MODELS:
            self._breakers.clear()
        return self._breakers.setdefault(model, Breaker(self._clock, self._random))

    def _tell(self, model: str, breaker: Breaker, before: State) -> None:
        self._show(model, breaker)
        if breaker.state is State.OPEN and before is not State.OPEN:
            if before is State.CLOSED:
                metrics.MODEL_BREAKER_OPENED.labels(model).inc()
            log.warning(
                "Model is not asked for a while", model=model, seconds=round(breaker.due_seconds, 1),
                detail=breaker.last.detail if breaker.last else "",
            )  # fmt: skip
        elif breaker.state is State.CLOSED and before is not State.CLOSED:
            log.info("Model is asked again", model=model)

    def _show(self, model: str, breaker: Breaker) -> None:
        metrics.MODEL_BREAKER.labels(model).set(breaker.state.value)


def _taken(
    result: Written | WriterUnavailable | WriterRefused, breaker: Breaker, passed: Pass
) -> Written | WriterUnavailable | WriterRefused:
    if isinstance(result, WriterUnavailable):
        breaker.failed(passed, result)
        wait = max(result.retry_after, breaker.due_seconds)
        return replace(result, retry_after=wait, away_seconds=breaker.away_seconds)
    if isinstance(result, WriterRefused) and result.every_task:
        breaker.abandoned(passed)
    else:
        breaker.succeeded(passed)
    return result


def _stopped(stop: Stop, breaker: Breaker) -> WriterUnavailable:
    last = breaker.last
    return WriterUnavailable(
        last.reason if last else Reason.MODEL_UNAVAILABLE,
        stop.seconds,
        f"not asked, since it failed again and again, last: {last.detail if last else 'unknown'}",
        called=False,
        probing=stop.probing,
        away_seconds=breaker.away_seconds,
    )
