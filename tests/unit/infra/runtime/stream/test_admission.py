"""Each way in which a record is not ours, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from infra.runtime.stream.admission import Admission, Rejected
from infra.runtime.stream.fakes import FixedLimits, Limit, ManualClock
from infra.runtime.stream.outcomes import DeadLetter, Hold, Scope
from infra.runtime.stream.record import Input, RawRecord
from infra.runtime.telemetry.isolation import Kind, Violation, subscribed
from schemas.events import Requester, Ticket, TicketEnriched, TicketKind, TicketReceived
from schemas.reasons import Reason
from schemas.topics import MAX_EVENT_BYTES, Topic
from schemas.wire_format import Codec
from tests.unit.infra.runtime.stream.records import (
    KEYS,
    LONG_AGO,
    PARTITION,
    TENANT,
    TRACE,
    KeyTable,
    raw,
    service_key,
    ticket_received,
    with_header,
)

NORDWIND = "msp-nordwind"


class Gate:
    """An admission to `tickets.received` with real keys, a table of them, and one tenant."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.table = KeyTable(service_key("ingest"), service_key("enrich"))
        self.keys = self.table.directory(self.clock)
        self.limits = FixedLimits(Limit(TENANT, PARTITION))
        self.admission = Admission(Topic.TICKETS_RECEIVED, self.keys, self.limits, Codec())

    async def refused(self, record: RawRecord) -> Rejected:
        admitted = await self.admission.admit(record)
        assert isinstance(admitted, Rejected)
        return admitted


@pytest.fixture
async def gate() -> Gate:
    gate = Gate()
    await gate.keys.refresh()
    gate.clock.advance(60)
    return gate


async def test_an_event_of_ours_is_admitted_with_what_a_stage_needs(gate: Gate) -> None:
    record = raw(offset=41)
    assert await gate.admission.admit(record) == Input(ticket_received(), record.position, record.value_hash, TRACE)


@pytest.mark.parametrize(
    "trace", ["not a trace", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", TRACE + "\n", TRACE.upper()]
)
async def test_a_traceparent_that_is_none_goes_no_further(gate: Gate, trace: str) -> None:
    """No signature covers it."""
    admitted = await gate.admission.admit(with_header(raw(), "traceparent", trace.encode()))
    assert isinstance(admitted, Input) and admitted.traceparent is None


def moved(record: RawRecord, **where: int | str) -> RawRecord:
    return replace(record, position=replace(record.position, **where))  # type: ignore[arg-type]


def other_signature(record: RawRecord) -> RawRecord:
    return with_header(record, "signature", dict(raw(ticket_received(2)).headers)["signature"])


UNPROVEN: dict[str, tuple[Callable[[RawRecord], RawRecord], Reason]] = {
    "no headers": (lambda r: replace(r, headers=()), Reason.MALFORMED),
    "no signature": (lambda r: with_header(r, "signature", None), Reason.MALFORMED),
    "a header twice": (lambda r: replace(r, headers=(*r.headers, ("ce_id", b"x"))), Reason.MALFORMED),
    "a header that is not text": (lambda r: with_header(r, "ce_subject", b"\xff"), Reason.MALFORMED),
    "an oversized header": (lambda r: with_header(r, "ce_subject", b"x" * 5000), Reason.MALFORMED),
    "another CloudEvents version": (lambda r: with_header(r, "ce_specversion", b"2.0"), Reason.MALFORMED),
    "a signature header of another form": (lambda r: with_header(r, "signature", b"ed25519;k;!"), Reason.BAD_SIGNATURE),
    "another event's signature": (other_signature, Reason.BAD_SIGNATURE),
    "another value": (lambda r: replace(r, value=(r.value or b"") + b"x"), Reason.BAD_SIGNATURE),
    "no value": (lambda r: replace(r, value=None), Reason.BAD_SIGNATURE),
    "another key": (lambda r: replace(r, key=b"msp-nordwind"), Reason.BAD_SIGNATURE),
    "no key": (lambda r: replace(r, key=None), Reason.BAD_SIGNATURE),
    "another ticket": (lambda r: with_header(r, "ce_subject", b"10043"), Reason.BAD_SIGNATURE),
    "another tenant": (lambda r: with_header(r, "ce_tenantid", b"msp-nordwind"), Reason.BAD_SIGNATURE),
    "another id": (lambda r: with_header(r, "ce_id", b"event-2"), Reason.BAD_SIGNATURE),
    "another time": (lambda r: with_header(r, "ce_time", b"2026-01-31T09:00:01.000Z"), Reason.BAD_SIGNATURE),
    "another type": (lambda r: with_header(r, "ce_type", b"com.ticketstream.TicketEnriched.v1"), Reason.BAD_SIGNATURE),
    "copied to another partition": (lambda r: moved(r, partition=4), Reason.BAD_SIGNATURE),
    "copied from another topic": (lambda r: moved(r, topic="blue-tickets.received"), Reason.BAD_SIGNATURE),
}


@pytest.mark.parametrize("name", UNPROVEN)
async def test_what_no_signature_proves_is_a_dead_letter_of_no_tenant(gate: Gate, name: str) -> None:
    change, reason = UNPROVEN[name]
    rejected = await gate.refused(change(raw()))
    assert isinstance(rejected.outcome, DeadLetter)
    assert (rejected.outcome.reason, rejected.envelope) == (reason, None)
    assert rejected.outcome.detail


async def test_the_key_of_a_service_that_may_not_write_this_topic_proves_nothing(gate: Gate) -> None:
    rejected = await gate.refused(raw(service="enrich"))
    assert isinstance(rejected.outcome, DeadLetter) and rejected.outcome.reason is Reason.BAD_SIGNATURE
    assert rejected.envelope is None


async def test_a_revoked_key_proves_nothing(gate: Gate) -> None:
    gate.table.keys[0] = service_key("ingest", revoked_at=gate.clock.now())
    await gate.keys.refresh()
    rejected = await gate.refused(raw())
    assert isinstance(rejected.outcome, DeadLetter) and rejected.outcome.reason is Reason.BAD_SIGNATURE


async def test_a_backlog_outlives_the_key_that_signed_it(gate: Gate) -> None:
    """What counts is when the broker wrote the record, not when it is read."""
    ended = gate.clock.now() - timedelta(hours=6)
    gate.table.keys[0] = service_key("ingest", not_after=ended)
    await gate.keys.refresh()
    before, after = (replace(raw(), appended_at=ended + timedelta(minutes=minutes)) for minutes in (-10, 10))
    assert isinstance(await gate.admission.admit(before), Input)
    assert (await gate.refused(after)).outcome.reason is Reason.BAD_SIGNATURE
    assert (
        await gate.refused(raw())
    ).outcome.reason is Reason.BAD_SIGNATURE  # the topic keeps producers' times: now counts


async def test_an_unknown_key_is_looked_for_once_and_then_holds_the_ticket(gate: Gate) -> None:
    gate.table.keys.clear()
    await gate.keys.refresh()
    gate.clock.advance(60)
    loads = gate.table.loads
    rejected = await gate.refused(raw())
    assert isinstance(rejected.outcome, Hold)
    assert (rejected.outcome.reason, rejected.outcome.scope) == (Reason.KEY_UNKNOWN, Scope.TICKET)
    assert KEYS["ingest"].key_id in rejected.outcome.detail
    assert rejected.envelope is None
    assert gate.table.loads == loads + 1


async def test_a_key_that_was_just_published_is_found_at_once(gate: Gate) -> None:
    gate.table.keys.clear()
    await gate.keys.refresh()
    gate.clock.advance(60)
    gate.table.keys.append(service_key("ingest"))
    assert isinstance(await gate.admission.admit(raw()), Input)


async def test_a_partition_of_another_tenant_is_a_dead_letter(gate: Gate) -> None:
    gate.limits.limits = [Limit("msp-nordwind", PARTITION)]
    rejected = await gate.refused(raw())
    assert isinstance(rejected.outcome, DeadLetter) and rejected.outcome.reason is Reason.WRONG_PARTITION
    assert rejected.envelope is not None and rejected.envelope.tenant_id == TENANT
    assert "msp-nordwind" in rejected.outcome.detail


async def test_a_partition_of_nobody_is_held_since_the_tenant_may_be_new(gate: Gate) -> None:
    gate.limits.limits = []
    rejected = await gate.refused(raw())
    assert isinstance(rejected.outcome, Hold)
    assert (rejected.outcome.reason, rejected.outcome.scope) == (Reason.TENANT_UNKNOWN, Scope.LANE)


async def test_tenants_that_were_never_read_hold_the_lane(gate: Gate) -> None:
    gate.limits.loaded = False
    rejected = await gate.refused(raw())
    assert isinstance(rejected.outcome, Hold) and rejected.outcome.reason is Reason.DATABASE_UNAVAILABLE


async def test_a_disabled_tenant_is_held(gate: Gate) -> None:
    gate.limits.limits = [Limit(TENANT, PARTITION, enabled=False)]
    rejected = await gate.refused(raw())
    assert isinstance(rejected.outcome, Hold)
    assert (rejected.outcome.reason, rejected.outcome.scope) == (Reason.TENANT_DISABLED, Scope.LANE)


def signed_as_if(event: TicketReceived, **changes: bytes) -> RawRecord:
    """Signed by the right key, and yet not of one piece: what a bug in a producer, or a stolen key, could write."""
    from schemas.envelope import parse
    from schemas.signature import Signed, format_signature

    record = raw(event)
    record = replace(record, key=changes.pop("key", record.key), value=changes.pop("value", record.value))
    for name, value in changes.items():
        record = with_header(record, name, value)
    envelope, _ = parse(record.headers)
    message = Signed(
        record.position.topic, record.position.partition, record.key or b"", envelope.id, envelope.type, envelope.tenant_id,
        envelope.subject, envelope.time, record.value or b"",
    ).message()  # fmt: skip
    return with_header(
        record, "signature", format_signature(KEYS["ingest"].key_id, KEYS["ingest"].sign(message)).encode()
    )


def enriched() -> bytes:
    ticket = Ticket("10042", "s", "d", requester=Requester(id="7"))
    return Codec().encode(TicketEnriched("event-1", "i", TENANT, TicketKind.CREATED, ticket, LONG_AGO, LONG_AGO))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"key": b"msp-nordwind"}, Reason.TENANT_MISMATCH, id="key of another tenant"),
        pytest.param({"key": b""}, Reason.TENANT_MISMATCH, id="empty key"),
        pytest.param({"ce_id": b"event-2"}, Reason.TENANT_MISMATCH, id="header names another event"),
        pytest.param({"ce_subject": b"10043"}, Reason.TENANT_MISMATCH, id="header names another ticket"),
        pytest.param(
            {"key": b"msp-nordwind", "ce_tenantid": b"msp-nordwind"},
            Reason.WRONG_PARTITION,
            id="tenant of another partition",
        ),
        pytest.param({"ce_type": b"com.ticketstream.TicketEnriched.v1"}, Reason.MALFORMED, id="type of another topic"),
        pytest.param({"value": b"garbage"}, Reason.MALFORMED, id="garbage"),
        pytest.param({"value": b""}, Reason.MALFORMED, id="no value"),
        pytest.param({"value": b"\0\0\0\x07\xd0abc"}, Reason.UNKNOWN_SCHEMA, id="unknown schema"),
        pytest.param({"value": enriched()}, Reason.UNKNOWN_SCHEMA, id="another topic's schema"),
        pytest.param({"value": b"\0" * (MAX_EVENT_BYTES + 1)}, Reason.TOO_LARGE, id="too large"),
    ],
)
async def test_what_is_signed_and_yet_wrong_is_a_dead_letter_of_the_tenant_that_signed(
    gate: Gate, changes: dict[str, bytes], reason: Reason
) -> None:
    rejected = await gate.refused(signed_as_if(ticket_received(), **changes))
    assert isinstance(rejected.outcome, DeadLetter), rejected
    assert rejected.outcome.reason is reason
    assert rejected.envelope is not None


async def test_a_value_of_another_tenant_is_a_mismatch(gate: Gate) -> None:
    record = signed_as_if(ticket_received(tenant_id="msp-nordwind"), key=TENANT.encode(), ce_tenantid=TENANT.encode())
    rejected = await gate.refused(record)
    assert isinstance(rejected.outcome, DeadLetter) and rejected.outcome.reason is Reason.TENANT_MISMATCH


@pytest.fixture
def violations() -> Iterator[list[Violation]]:
    seen: list[Violation] = []
    with subscribed(seen.append):
        yield seen


@pytest.mark.parametrize(
    ("record", "tenants"),
    [
        pytest.param(signed_as_if(ticket_received(), key=NORDWIND.encode()), (TENANT, NORDWIND), id="key"),
        pytest.param(signed_as_if(ticket_received(), key=b"made up"), (TENANT, ""), id="key of nobody"),
        pytest.param(signed_as_if(ticket_received(), ce_tenantid=NORDWIND.encode()), (NORDWIND, TENANT), id="header"),
        pytest.param(
            signed_as_if(ticket_received(tenant_id=NORDWIND), key=TENANT.encode(), ce_tenantid=TENANT.encode()),
            (TENANT, NORDWIND), id="value",
        ),
        pytest.param(
            signed_as_if(ticket_received(), key=NORDWIND.encode(), ce_tenantid=NORDWIND.encode()),
            (NORDWIND, TENANT), id="partition",
        ),
        pytest.param(moved(raw(), partition=4), (TENANT, NORDWIND), id="moved"),
    ],
)  # fmt: skip
async def test_what_one_of_our_keys_signed_for_two_tenants_is_a_violation(
    gate: Gate, violations: list[Violation], record: RawRecord, tenants: tuple[str, str]
) -> None:
    gate.limits.limits.append(Limit(NORDWIND, 4))
    assert isinstance((await gate.refused(record)).outcome, DeadLetter)

    assert [(seen.kind, seen.tenant_id, seen.other) for seen in violations] == [(Kind.EVENT_FIELDS, *tenants)]
    assert violations[0].detail["record"] == f"tickets.received/{record.position.partition}/{record.position.offset}"


@pytest.mark.parametrize("name", [*UNPROVEN, "into nobody's partition"])
async def test_what_anybody_could_have_written_is_none(gate: Gate, violations: list[Violation], name: str) -> None:
    change, _ = UNPROVEN.get(name, (lambda r: moved(r, partition=9), Reason.BAD_SIGNATURE))
    if name != "copied to another partition":
        gate.limits.limits.append(Limit(NORDWIND, 4))
    await gate.refused(change(raw()))
    assert violations == []


@pytest.mark.parametrize("changes", [{"ce_id": b"event-2"}, {"value": b"garbage"}])
async def test_what_is_wrong_within_one_tenant_is_none(
    gate: Gate, violations: list[Violation], changes: dict[str, bytes]
) -> None:
    await gate.refused(signed_as_if(ticket_received(), **changes))
    assert violations == []
