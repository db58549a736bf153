"""What a collector gets, how the sampler is set, and what happens while no collector is there."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource

from infra.runtime.telemetry import otlp, tracing
from infra.runtime.telemetry.otlp import Exporter, Otlp
from infra.runtime.telemetry.tracing import Kind
from tests.otlp_sink import OtlpSink

INCOMING = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NOT_SAMPLED = INCOMING[:-1] + "0"
CLOSED = "http://127.0.0.1:9"


@pytest.fixture
async def sink() -> AsyncIterator[OtlpSink]:
    async with OtlpSink() as sink:
        yield sink


@pytest.fixture(autouse=True)
def off_again() -> Iterator[None]:
    yield
    tracing.use(None)


async def flushed() -> None:
    await asyncio.to_thread(tracing.close, 10)


async def test_a_span_arrives_as_it_was_told(sink: OtlpSink) -> None:
    tracing.configure("enrich", sink.endpoint)
    with tracing.entry("process tickets.received", Kind.CONSUMER, {"attempt": 2}, traceparent=INCOMING) as whole:
        whole.about("msp-acme-corp", "10042")
        with tracing.span("GET", Kind.CLIENT, {"ok": True, "share": 0.5}) as call:
            call.fail("503")
    with tracing.entry("replay", Kind.INTERNAL, links=[INCOMING]):
        pass
    await flushed()

    call_, whole_, replay = sink.spans
    assert (whole_.service, whole_.name, whole_.kind) == ("enrich", "process tickets.received", 5)
    assert (whole_.trace_id, whole_.parent_id) == (INCOMING[3:35], INCOMING[36:52])
    assert whole_.attributes == {"attempt": 2, "tenant_id": "msp-acme-corp", "ticket_id": "10042"}
    assert (call_.parent_id, call_.kind, call_.status) == (whole_.span_id, 3, 2)
    assert call_.attributes == {
        "ok": True, "share": 0.5, "error.type": "503", "tenant_id": "msp-acme-corp", "ticket_id": "10042",
    }  # fmt: skip
    assert whole_.status == 0
    assert whole_.started <= call_.started <= call_.ended <= whole_.ended
    assert (replay.links, replay.parent_id) == ((INCOMING[3:35],), "")


async def test_a_batch_of_any_size_arrives_whole(sink: OtlpSink) -> None:
    exporter = Exporter(Resource.create({}), sink.endpoint)
    for length in (0, 1, 30, 500):
        spans = [tracing.RecordedSpan("process", Kind.CONSUMER, "a" * 32, "b" * 16, {"n": n}) for n in range(length)]
        await asyncio.to_thread(exporter.export, [otlp._Ended(span) for span in spans])
        assert [span.attributes["n"] for span in sink.spans] == list(range(length))
        assert [span.span_id for span in sink.spans] == [span.span_id for span in spans]
        sink.spans.clear()


async def test_the_resource_says_which_process_it_was(sink: OtlpSink) -> None:
    tracing.configure("deliver", sink.endpoint + "/")
    with tracing.entry("process", Kind.CONSUMER):
        pass
    await flushed()
    (resource,) = sink.resources
    assert (resource["service.name"], resource["service.namespace"]) == ("deliver", "ticketstream")
    assert resource["service.version"]


async def test_a_value_that_can_not_be_written_costs_no_other_span(sink: OtlpSink) -> None:
    tracing.configure("enrich", sink.endpoint)
    with tracing.entry("process", Kind.CONSUMER, {"reason": "\ud800", "long": "x" * 10_000}):
        pass
    await flushed()
    assert sink.spans[0].attributes == {"reason": "?", "long": "x" * otlp.MOST_CHARACTERS}


@pytest.mark.parametrize(
    ("sampler", "argument", "begun", "continued", "not_continued"),
    [
        (None, None, True, True, False),
        ("always_on", None, True, True, True),
        ("always_off", None, False, False, False),
        ("parentbased_traceidratio", "0", False, True, False),
    ],
)
def test_the_sampler_is_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, sampler: str | None, argument: str | None, begun: bool, continued: bool,
    not_continued: bool,
) -> None:  # fmt: skip
    for name, value in {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    backend = Otlp("enrich", CLOSED)
    try:
        assert backend.sampled("POST", Kind.SERVER, NOT_SAMPLED, root=True) is begun
        assert backend.sampled("process", Kind.CONSUMER, INCOMING, root=False) is continued
        assert backend.sampled("process", Kind.CONSUMER, NOT_SAMPLED, root=False) is not_continued
    finally:
        backend.close(1)


async def test_a_collector_that_is_away_is_told_of_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sink: OtlpSink
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(otlp.log, "warning", lambda _, **fields: told.append(fields))
    sink.answer, now = 400, [0.0]
    exporter = Exporter(Resource.create({}), sink.endpoint, clock=lambda: now[0])
    span = otlp._Ended(tracing.RecordedSpan("process", Kind.CONSUMER, "a" * 32, "", {}))
    for at in (0.0, 1.0, 59.0, 61.0):
        now[0] = at
        await asyncio.to_thread(exporter.export, [span, span])
    assert told == [{"spans": 2, "error": "status 400"}, {"spans": 6, "error": "status 400"}]


def test_who_ends_does_not_wait_for_a_collector_that_is_away() -> None:
    tracing.configure("enrich", CLOSED)
    with tracing.entry("process", Kind.CONSUMER):
        pass
    began = time.monotonic()
    tracing.close(0.2)
    assert time.monotonic() - began < 5, "the SDK alone would wait for half a minute"


EVERY_PROCESS = """
import json, sys
import ingest.__main__, infra.ops.reconcile.__main__, infra.ops.audit.__main__, infra.ops.cli.main
import processors.enrich.__main__, processors.synthesize.__main__
import processors.deliver.__main__, processors.feedback_aggregate.__main__
from processors.synthesize.writer.litellm_model import _litellm
from infra.runtime.telemetry import tracing
_litellm()
tracing.configure("ingest", None)
print(json.dumps(sorted(name for name in sys.modules if name.startswith("opentelemetry"))))
"""


def test_without_an_endpoint_no_process_loads_anything_of_opentelemetry() -> None:
    told = subprocess.run([sys.executable, "-c", EVERY_PROCESS], capture_output=True, timeout=120, check=True)
    assert json.loads(told.stdout.splitlines()[-1]) == []
