"""The outside model, reached by litellm: one call under one deadline, and every way it can fail as a value.

litellm is imported when it is first needed, in a thread, since that takes seconds. Its own retries are off: they ignore
Retry-After and know no deadline. So is its logging, which nobody reads. Prices come from the provider (`usage.cost`), as litellm's
table doesn't have OpenRouter's.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from processors.synthesize.prompts import VERSION, Prompt, prompt_for
from processors.synthesize.turns import aside
from processors.synthesize.writer.completion import Completion, failure, read
from processors.synthesize.writer.guard import checked, cited
from processors.synthesize.writer.masking import Masker
from processors.synthesize.writer.model_span import answered, model_span
from processors.synthesize.writer.models import litellm_name
from processors.synthesize.writer.writer import WriterRefused, WriterUnavailable, WritingTask, Written
from schemas.events import Writer
from schemas.reasons import Reason

MAX_TOKENS = 1_500
RETRY_AFTER_TIMEOUT = 5.0
REHEARSAL_SECONDS = 5.0
REHEARSED_MODEL = "openrouter/rehearsal"
NOBODY = "http://127.0.0.1:9"
"""The discard service's port, which nobody serves any more."""

_importing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Account:
    """`api_base` None is OpenRouter itself; else a server that speaks its API, such as a local one."""

    api_key: str = field(repr=False)
    api_base: str | None = None


class LitellmModel:
    """A `Writer` that sends masked text to the tenant's model and lets through only what the input bears out."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._litellm: Any = None
        self._importing: asyncio.Task[Any] | None = None

    async def warm_up(self) -> None:
        """Import litellm ahead of the first ticket, and let it load what it loads for its first call."""
        await self._imported()

    async def write(self, task: WritingTask) -> Written | WriterUnavailable | WriterRefused:
        model = litellm_name(task.choice.model)
        if model is None:
            return WriterRefused(f"{task.choice.model!r} is not on the list of models: set another", every_task=True)
        masker = Masker()
        prompt = prompt_for(task, masker.mask)
        answer = await self._ask(model, prompt, task)
        if not isinstance(answer, Completion):
            return answer
        return _written(answer, prompt, masker, task)

    async def _ask(
        self, model: str, prompt: Prompt, task: WritingTask
    ) -> Completion | WriterUnavailable | WriterRefused:
        try:
            async with asyncio.timeout(task.seconds) as limit:
                litellm = self._litellm or await self._imported()
                left = (limit.when() or 0.0) - asyncio.get_running_loop().time()
            async with aside():
                return await self._called(litellm, model, prompt, task, left)
        except TimeoutError:
            return _too_late(task)
        except Exception as error:
            return failure(error)

    async def _called(
        self, litellm: Any, model: str, prompt: Prompt, task: WritingTask, left: float
    ) -> Completion | WriterUnavailable | WriterRefused:
        with model_span(task.choice.model, task.choice.temperature, MAX_TOKENS) as span:
            answer = await self._completion(litellm, model, prompt, task, left)
            answered(span, answer)
            return answer

    async def _completion(
        self, litellm: Any, model: str, prompt: Prompt, task: WritingTask, left: float
    ) -> Completion | WriterUnavailable | WriterRefused:
        try:
            async with asyncio.timeout(left):
                response = await litellm.acompletion(
                    model=model,
                    messages=[{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
                    temperature=task.choice.temperature,
                    max_tokens=MAX_TOKENS,
                    timeout=task.seconds,
                    num_retries=0,
                    max_retries=0,
                    api_key=self._account.api_key,
                    api_base=self._account.api_base,
                    **{"no-log": True},
                    extra_body={"provider": {"data_collection": "deny"}, "usage": {"include": True}},
                )
        except TimeoutError:
            return _too_late(task)
        except Exception as error:
            return failure(error)  # litellm's tree has a root of its own, the transports' errors have not
        return read(response)

    async def _imported(self) -> Any:
        """Once for all that ask meanwhile; again by the next one if it failed."""
        if self._importing is None:
            self._importing = asyncio.create_task(_imported_and_rehearsed())
        importing = self._importing
        try:
            self._litellm = await asyncio.shield(importing)
        except Exception:
            self._importing = None
            raise
        return self._litellm


def _too_late(task: WritingTask) -> WriterUnavailable:
    return WriterUnavailable(Reason.MODEL_UNAVAILABLE, RETRY_AFTER_TIMEOUT, f"no answer within {task.seconds:.0f} s")


def _written(answer: Completion, prompt: Prompt, masker: Masker, task: WritingTask) -> Written | WriterRefused:
    result = checked(answer.text, prompt.facts)
    if result is None:
        return WriterRefused("what it wrote lacks a section or isn't borne out by the sources", answer.usage)
    numbers = cited(result.text)
    remarks = ["the model's answer was cut off"] if answer.cut_off else []
    remarks += [f"removed from the model's text: {', '.join(result.removed)}"] if result.removed else []
    return Written(
        text=masker.restore(result.text),
        citations=tuple(one.citation() for one in task.evidence if one.number in numbers),
        writer=Writer.MODEL,
        model=task.choice.model,
        prompt_version=VERSION,
        usage=answer.usage,
        degraded="; ".join(remarks) or None,
    )


async def _imported_and_rehearsed() -> Any:
    """litellm loads encodings and types in its first call, which takes 0.7 s: that one goes to a closed port of this machine, with
    nothing in it, and fails as it should."""
    litellm = await asyncio.to_thread(_litellm)
    with suppress(Exception):
        async with asyncio.timeout(REHEARSAL_SECONDS):
            await litellm.acompletion(
                model=REHEARSED_MODEL,
                messages=[{"role": "user", "content": "ready"}],
                num_retries=0,
                max_retries=0,
                api_key="none",
                api_base=NOBODY,
                **{"no-log": True},
            )
    return litellm


def _litellm() -> Any:
    with _importing:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it downloads a table while it is imported
        litellm: Any = importlib.import_module("litellm")
        litellm.suppress_debug_info = True
        litellm.telemetry = False
        logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)  # it logs what it was sent
        return litellm
