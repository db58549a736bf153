"""Who writes a note: the model while it can, the built-in writer when it may not, cannot, or cannot in time."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from infra.runtime.clock import Clock
from infra.runtime.stream.outcomes import Hold
from infra.runtime.telemetry.logs import get_logger
from processors.synthesize import metrics
from processors.synthesize.patience import Patience
from processors.synthesize.turns import waited
from processors.synthesize.writer.writer import Writer, WriterRefused, WriterUnavailable, WritingTask, Written
from schemas.events import Usage
from schemas.reasons import Reason

LEAST_SECONDS = 5.0
"""With less than this left a model isn't asked any more."""
REFUSED_SECONDS = 60.0
"""Until a person has renewed the key or the credit, a tenant that takes no built-in notes is tried again so often."""
Failure = WriterUnavailable | WriterRefused
Result = Written | Failure

log = get_logger(__name__)


class SureWriter(Protocol):
    """A writer that needs nothing from outside and therefore always writes."""

    async def write(self, task: WritingTask) -> Written: ...


class Author:
    """`model` is None when no model is configured: then the built-in writer writes all notes, and none is degraded by that."""

    def __init__(self, *, model: Writer | None, builtin: SureWriter, patience: Patience, clock: Clock) -> None:
        self._model = model
        self._builtin = builtin
        self._patience = patience
        self._clock = clock

    def asks_model(self, task: WritingTask) -> bool:
        """Whether `write` asks a model, which costs money and time. Else it is `write_builtin`."""
        return self._model is not None and task.choice.external

    async def write(self, task: WritingTask, *, tenant_id: str) -> Written | Hold:
        """The note, or a hold while the model is away and patience lasts."""
        result = await self._asked(task, tenant_id)
        if not isinstance(result, Hold):
            self._patience.forget(task.input_id)
        return result

    async def write_builtin(self, task: WritingTask) -> Written:
        """The note without any model: quick, free, and the same again for the same task."""
        self._patience.forget(task.input_id)
        return await self._builtin.write(task)

    async def _asked(self, task: WritingTask, tenant_id: str) -> Written | Hold:
        if self._model is None or not task.choice.external:
            return await self.write_builtin(task)
        # Whoever waits for the model whatever it takes has all the time for each try.
        left = task.seconds - (self._patience.worked(task.input_id) if task.choice.builtin else 0.0)
        if left < LEAST_SECONDS:
            return await self._instead(task, "no time was left to ask the model")
        working = _WorkingTime(self._clock)
        result = await self._ask(self._model, replace(task, seconds=left), tenant_id)
        task_left = replace(task, seconds=left - working.seconds)
        if not isinstance(result, Written) and _away(result) and task_left.seconds >= LEAST_SECONDS:
            result = await self._ask_fallback(self._model, result, task_left, tenant_id)
        if isinstance(result, Written):
            return result
        if isinstance(result, WriterRefused):
            return await self._after_refusal(task, result)
        return await self._after_failure(task, result, working.seconds)

    async def _ask(self, model: Writer, task: WritingTask, tenant_id: str) -> Result:
        working = _WorkingTime(self._clock)
        result = await model.write(task)
        if not isinstance(result, WriterUnavailable) or result.called:
            _record(result, task, tenant_id, working.seconds)
        return result

    async def _ask_fallback(self, model: Writer, first: Failure, task: WritingTask, tenant_id: str) -> Result:
        """The tenant's other model, if it named one. If that is away as well, whichever may be back sooner decides when to try
        again."""
        if task.choice.fallback is None:
            return first
        choice = replace(task.choice, model=task.choice.fallback)
        result = await self._ask(model, replace(task, choice=choice), tenant_id)
        if isinstance(result, Written):
            instead = f"written by {choice.model}, since {task.choice.model} was away: {first.detail}"
            return replace(result, degraded="; ".join(filter(None, (instead, result.degraded))))
        if isinstance(first, WriterRefused) or isinstance(result, WriterRefused):
            return result
        return min(first, result, key=lambda failure: failure.retry_after)

    async def _after_refusal(self, task: WritingTask, refused: WriterRefused) -> Written | Hold:
        """Of one task: the built-in writer is better than nothing, whoever's. Of every task: the model is away."""
        if refused.every_task and not task.choice.builtin:
            return Hold(Reason.MODEL_UNAVAILABLE, REFUSED_SECONDS, detail=refused.detail)
        return replace(await self._instead(task, f"model refused: {refused.detail}"), usage=refused.usage)

    async def _after_failure(self, task: WritingTask, failure: WriterUnavailable, took: float) -> Written | Hold:
        if self._patience.ends(task.input_id, failure, took) and task.choice.builtin:
            return await self._instead(task, f"model unavailable: {failure.detail}")
        wait = self._patience.wait(task.input_id, failure)
        return Hold(failure.reason, wait, detail=failure.detail)

    async def _instead(self, task: WritingTask, degraded: str) -> Written:
        return replace(await self._builtin.write(task), degraded=degraded)


class _WorkingTime:
    """Since it was made, without what was spent on waiting until the model could be asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._began, self._waited = clock, clock.now(), waited()

    @property
    def seconds(self) -> float:
        passed = (self._clock.now() - self._began).total_seconds()
        return max(0.0, passed - (waited() - self._waited))


def _away(failure: Failure) -> bool:
    return isinstance(failure, WriterUnavailable) or failure.every_task


def _record(result: Result, task: WritingTask, tenant_id: str, seconds: float) -> None:
    fields: dict[str, object] = {"tenant_id": tenant_id, "ticket_id": task.ticket.ticket_id}
    fields |= {"event_id": task.input_id, "seconds": seconds}
    metrics.MODEL_SECONDS.observe(seconds)
    usage = Usage() if isinstance(result, WriterUnavailable) else result.usage
    metrics.MODEL_TOKENS.labels(tenant_id, "prompt").inc(usage.prompt_tokens)
    metrics.MODEL_TOKENS.labels(tenant_id, "completion").inc(usage.completion_tokens)
    metrics.MODEL_COST.labels(tenant_id).inc(usage.cost_usd or 0.0)
    fields |= {"tokens": usage.prompt_tokens + usage.completion_tokens, "cost_usd": usage.cost_usd}
    if isinstance(result, Written):
        metrics.MODEL_CALLS.labels(tenant_id, "ok").inc()
        log.info("Model called", status="ok", model=result.model, degraded=result.degraded, **fields)
        return
    status = "refused" if isinstance(result, WriterRefused) else result.reason.value
    metrics.MODEL_CALLS.labels(tenant_id, status).inc()
    log.warning("Model called", status=status, detail=result.detail, model=task.choice.model, **fields)
