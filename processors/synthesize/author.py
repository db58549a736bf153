"""Who writes a note: the model while it can, the built-in writer when it may not, cannot, or cannot in time."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from infra.runtime.clock import Clock
from infra.runtime.stream.outcomes import Hold
from infra.runtime.telemetry.logs import get_logger
from processors.synthesize import metrics
from processors.synthesize.patience import Patience
from processors.synthesize.writer.writer import Writer, WriterRefused, WriterUnavailable, WritingTask, Written
from schemas.events import Usage

LEAST_SECONDS = 5.0
"""With less than this left a model isn't asked any more."""

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

    async def write(self, task: WritingTask, *, tenant_id: str) -> Written | Hold:
        """The note, or a hold while the model is away and patience lasts."""
        result = await self._asked(task, tenant_id)
        if not isinstance(result, Hold):
            self._patience.forget(task.input_id)
            metrics.NOTES.labels(tenant_id, result.writer.value, "yes" if result.degraded else "no").inc()
        return result

    async def _asked(self, task: WritingTask, tenant_id: str) -> Written | Hold:
        if self._model is None or not task.choice.external:
            return await self._builtin.write(task)
        left = task.seconds - self._patience.worked(task.input_id)
        if left < LEAST_SECONDS:
            return await self._instead(task, "no time was left to ask the model")
        started = self._clock.now()
        result = await self._model.write(replace(task, seconds=left))
        took = (self._clock.now() - started).total_seconds()
        _record(result, task, tenant_id, took)
        if isinstance(result, Written):
            return result
        if isinstance(result, WriterRefused):
            return replace(await self._instead(task, f"model refused: {result.detail}"), usage=result.usage)
        if self._patience.ends(task.input_id, took):
            return await self._instead(task, f"model unavailable: {result.detail}")
        return Hold(result.reason, result.retry_after, detail=result.detail)

    async def _instead(self, task: WritingTask, degraded: str) -> Written:
        return replace(await self._builtin.write(task), degraded=degraded)


def _record(
    result: Written | WriterUnavailable | WriterRefused, task: WritingTask, tenant_id: str, seconds: float
) -> None:
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
