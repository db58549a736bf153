"""One ticket is one trace, from webhook to note, across Kafka, as a collector gets it from all processes."""

from __future__ import annotations

from collections.abc import Sequence

from infra.ops.local.servicedesk_simulator import DeskFault
from schemas.topics import Topic
from tests.integration.chain.polling import PATIENCE, until
from tests.integration.chain.running_chain import PREFIX
from tests.integration.chain.tenant import DESCRIPTION, SUBJECT, Tenant
from tests.otlp_sink import OtlpSink, SeenSpan

FAILED = 2
CONSUMER = 5
THE_WAY = [
    ("ingest", "POST /api/v1/webhooks/{tenant_id}"),
    ("ingest", "send chain.tickets.received"),
    ("enrich", "process chain.tickets.received"),
    ("enrich", "send chain.tickets.enriched"),
    ("synthesize", "process chain.tickets.enriched"),
    ("synthesize", "send chain.enhancements.synthesized"),
    ("deliver", "process chain.enhancements.synthesized"),
    ("deliver", "send chain.enhancements.delivered"),
]


async def whole_trace(
    collector: OtlpSink, tenant: Tenant, ticket_id: str, *, seconds: float = PATIENCE
) -> list[SeenSpan]:
    """What is found by tenant and ticket, once all processes have told theirs."""

    def look() -> list[SeenSpan]:
        found = collector.about(tenant.tenant_id, ticket_id)
        ended = any(span.attributes.get("outcome") == "emit" and span.service == "deliver" for span in found)
        return found if ended and set(THE_WAY) <= {(span.service, span.name) for span in found} else []

    await until(look, f"the trace of {ticket_id}", seconds=seconds)
    return collector.about(tenant.tenant_id, ticket_id)


def named(spans: Sequence[SeenSpan], service: str, name: str) -> SeenSpan:
    (found,) = [span for span in spans if (span.service, span.name) == (service, name)]
    return found


def parts(spans: Sequence[SeenSpan], whole: SeenSpan) -> dict[str, SeenSpan]:
    return {span.name: span for span in spans if span.parent_id == whole.span_id}


async def test_a_tickets_way_is_one_trace_with_each_step_where_it_belongs(tenant: Tenant, collector: OtlpSink) -> None:
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    spans = await whole_trace(collector, tenant, ticket_id)

    assert len({span.trace_id for span in spans}) == 1
    way = [named(spans, *step) for step in THE_WAY]
    assert [one.parent_id for one in way] == ["", *(one.span_id for one in way[:-1])]
    ids = {span.span_id for span in spans}
    assert all(span.parent_id in ids for span in spans if span is not way[0]), "no part is without its whole"
    assert all(span.started <= span.ended for span in spans)

    enrich, synthesize, deliver = way[2], way[4], way[6]
    assert {"ticket_history", "docs", "ip_data"} <= parts(spans, enrich).keys()
    assert "SELECT take_in_event" in parts(spans, enrich)
    assert "SELECT keep_answer" in parts(spans, synthesize)
    calls = parts(spans, deliver)
    assert {"SELECT claim_note", "SELECT note_done"} <= calls.keys()
    got, wrote = calls["GET /api/v3/requests/{id}"], calls["POST /api/v3/requests/{id}/notes"]
    assert (got.attributes["http.response.status_code"], wrote.attributes["http.request.method"]) == (200, "POST")
    assert "?" not in str(got.attributes["url.full"])


async def test_each_records_traceparent_is_that_of_the_span_that_sent_it(tenant: Tenant, collector: OtlpSink) -> None:
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    spans = await whole_trace(collector, tenant, ticket_id)

    for topic in (Topic.TICKETS_RECEIVED, Topic.TICKETS_ENRICHED, Topic.ENHANCEMENTS_SYNTHESIZED):
        (record,) = tenant.chain.tap.records(topic, tenant.partition, ticket_id)
        (sent,) = [span for span in spans if span.name == f"send {topic.named(PREFIX)}"]
        assert record.header("traceparent") == f"00-{sent.trace_id}-{sent.span_id}-01"  # and is there once
        (taken,) = [span for span in spans if span.name == f"process {topic.named(PREFIX)}"]
        assert taken.attributes["messaging.kafka.offset"] == record.offset
        assert taken.attributes["messaging.destination.partition.id"] == str(record.partition)
        assert taken.attributes["messaging.message.id"] == record.header("ce_id")


async def test_a_note_that_the_desk_put_off_shows_its_tries(tenant: Tenant, collector: OtlpSink) -> None:
    await tenant.faulty(DeskFault(kind="rate_limit", retry_after=1, calls=1))
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    spans = await whole_trace(collector, tenant, ticket_id)

    tries = [span for span in spans if span.name == "process chain.enhancements.synthesized"]
    told = [[span.attributes.get(name) for name in ("attempt", "outcome", "reason")] for span in tries]
    assert told == [[1, "hold", "desk_rate_limited"], [2, "emit", None]]
    assert tries[0].attributes["retry_after"]
    assert len({span.parent_id for span in tries}) == 1, "both are of the same record"
    refused = parts(spans, tries[0])["GET /api/v3/requests/{id}"]
    assert (refused.status, refused.attributes["http.response.status_code"]) == (FAILED, 429)


async def test_no_text_of_a_ticket_is_in_a_trace_or_a_log(tenant: Tenant, collector: OtlpSink) -> None:
    words = "Quittungsdrucker-Papierstau-7731"
    ticket_id = await tenant.told(subject=f"{SUBJECT} {words}", description=f"{DESCRIPTION}<p>{words}</p>")
    await tenant.delivered(ticket_id)
    await whole_trace(collector, tenant, ticket_id)

    assert not any(words.encode() in body for body in collector.received)
    logs = list((tenant.chain.stack.state_dir / "logs").glob("*.log"))
    assert logs
    assert [file.name for file in logs if words in file.read_text(errors="replace")] == []


async def test_while_the_collector_is_away_tickets_get_their_notes_all_the_same(
    tenant: Tenant, collector: OtlpSink
) -> None:
    await collector.stop()
    try:
        away = await tenant.told()
        await tenant.delivered(away)
    finally:
        await collector.start()
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    spans = await whole_trace(collector, tenant, ticket_id, seconds=2 * PATIENCE)  # what waited goes first
    assert [span.name for span in spans if span.kind == CONSUMER] == [
        name for _, name in THE_WAY if name.startswith("process")
    ]
