"""What the edge's traces say of a request, and what they must not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.runtime.keys.feedback_links import FeedbackLink, make_link_token
from infra.runtime.telemetry.fakes import KeptSpans, kept_spans
from infra.runtime.telemetry.tracing import Kind

Edge = Any
BODY = b'{"request":{"id":"52101","subject":"VPN falls back","description":"<b>98&nbsp;%</b>"}}'
STRANGERS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def spans() -> Iterator[KeptSpans]:
    with kept_spans() as kept:
        yield kept


async def test_a_webhooks_span_names_tenant_and_ticket_and_its_trace_goes_on(spans: KeptSpans, edge: Edge) -> None:
    assert (await edge.webhook(BODY, add=[("traceparent", STRANGERS)])).status == 202
    span = spans.named("POST /api/v1/webhooks/{tenant_id}")
    assert span.kind is Kind.SERVER
    assert span.attributes == {
        "http.request.method": "POST", "http.route": "/api/v1/webhooks/{tenant_id}",
        "url.path": "/api/v1/webhooks/{tenant_id}", "url.scheme": "http", "http.response.status_code": 202,
        "tenant_id": "msp-acme-corp", "ticket_id": "52101",
    }  # fmt: skip
    (published,) = edge.publisher.published
    assert published.traceparent == span.traceparent
    assert (span.parent_id, span.trace_id == STRANGERS[3:35]) == ("", False), "a stranger's trace is not gone on with"


async def test_each_request_of_a_connection_has_a_trace_of_its_own(spans: KeptSpans, edge: Edge, http: Any) -> None:
    requests = [http.message("POST", "/api/v1/webhooks/msp-acme-corp", BODY, [*http.signed(BODY, webhook_id=one).items()])
                for one in ("msg_1", "msg_2")]  # fmt: skip
    for request in requests:
        await edge.raw(request)
    first, second = spans.ended_spans
    assert first.trace_id != second.trace_id


async def test_what_is_refused_shows_its_status(spans: KeptSpans, edge: Edge) -> None:
    await edge.webhook(BODY, off=-3600)
    assert spans.ended_spans[0].attributes["http.response.status_code"] == 403
    assert spans.ended_spans[0].error == ""


async def test_what_goes_wrong_here_is_a_failed_span(spans: KeptSpans, edge: Edge) -> None:
    edge.tenants.loaded = False
    assert (await edge.webhook(BODY)).status == 503
    assert spans.ended_spans[0].error == "503"


async def test_a_feedback_links_token_is_in_no_span(spans: KeptSpans, edge: Edge) -> None:
    enhancement_id = "6f1c1c9e-5a7b-4a52-9d0f-3a4f2f1c7a10"
    link = FeedbackLink.to(
        tenant_id="msp-acme-corp", enhancement_id=enhancement_id, ticket_id="52101", now=datetime.now(UTC)
    )
    token = make_link_token(edge.link_ring, link)
    await edge.request("POST", f"/f/{token}", b"thumb=up", [("Content-Type", "application/x-www-form-urlencoded")])
    (span,) = spans.ended_spans
    assert span.name == "POST /f/{token}"
    assert token not in str(span.attributes)
