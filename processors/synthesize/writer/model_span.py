"""What traces say of a model's call, by OpenTelemetry's semantic conventions for generative AI: neither question nor answer."""

from __future__ import annotations

from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.tracing import Kind, Span
from processors.synthesize.writer.completion import Completion
from processors.synthesize.writer.writer import WriterRefused, WriterUnavailable

PROVIDER = "openrouter"


def model_span(model: str, temperature: float, max_tokens: int) -> Span:
    if not tracing.on():
        return tracing.NOTHING
    return tracing.span(
        f"chat {model}",
        Kind.CLIENT,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.request.model": model,
            "gen_ai.request.temperature": temperature,
            "gen_ai.request.max_tokens": max_tokens,
        },
    )


def answered(span: Span, answer: Completion | WriterUnavailable | WriterRefused) -> None:
    if isinstance(answer, Completion):
        span.set("gen_ai.usage.input_tokens", answer.usage.prompt_tokens)
        span.set("gen_ai.usage.output_tokens", answer.usage.completion_tokens)
    elif isinstance(answer, WriterUnavailable):
        span.fail(answer.reason.value)
    else:
        span.fail("refused")
