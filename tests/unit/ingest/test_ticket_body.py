"""Both forms of a webhook's body, and what is refused with which path."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ingest.answers import Refused
from ingest.ticket_body import parse_ticket
from schemas.events import TicketKind
from schemas.events.ticket import MAX_DESCRIPTION_BYTES

REQUEST: dict[str, Any] = {
    "id": "100000000000123",
    "subject": "Printer stops",
    "description": "<div>It <b>stops</b>&nbsp;at 10.1.2.3<br>every day</div>",
    "requester": {"id": "5", "name": "Front Office", "email_id": "front@customer.example", "is_vip_user": False},
    "site": {"id": "1", "name": "London"},
    "account": {"id": "9", "name": "Customer Ltd"},
    "category": {"name": "Printers"},
    "priority": {"name": "High", "color": "#ff0000"},
    "status": {"name": "Open"},
    "resolution": None,
    "created_time": {"value": "1700000000123", "display_value": "Nov 14, 2023 10:13 PM"},
    "last_updated_time": None,
    "attachments": [{"deep": [{"er": {}}]}],
}
FLAT: dict[str, Any] = {
    "ticket_id": 48211,
    "operation": "created",
    "subject": "Printer stops",
    "description": "plain",
    "requester_name": "Front Office",
    "requester_email": "front@customer.example",
    "site": "London",
    "end_customer": "Customer Ltd",
    "category": "Printers",
    "priority": "High",
    "status": "Open",
    "created_time": "2026-01-31T09:00:00Z",
    "updated_time": "2026-01-31T09:00:00Z",
}


def parse(document: Any) -> Any:
    return parse_ticket(json.dumps(document).encode())


def wrapped(**changes: Any) -> dict[str, Any]:
    return {"request": {**REQUEST, **changes}}


def refusal(document: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        parse(document)
    return caught.value


def test_servicedesk_plus_v3() -> None:
    body = parse(wrapped())
    ticket = body.ticket
    assert body.kind is TicketKind.CREATED
    assert (ticket.ticket_id, ticket.subject) == ("100000000000123", "Printer stops")
    assert ticket.description == "It stops at 10.1.2.3\nevery day"
    assert (ticket.requester.id, ticket.requester.email) == ("5", "front@customer.example")
    assert (ticket.site, ticket.end_customer, ticket.category) == ("London", "Customer Ltd", "Printers")
    assert (ticket.priority, ticket.status, ticket.resolution) == ("High", "Open", None)
    assert ticket.created_at == datetime(2023, 11, 14, 22, 13, 20, 123000, UTC)
    assert ticket.updated_at is None


def test_the_flat_template() -> None:
    body = parse(FLAT)
    assert body.kind is TicketKind.CREATED
    assert (body.ticket.ticket_id, body.ticket.requester.name, body.ticket.end_customer) == (
        "48211",
        "Front Office",
        "Customer Ltd",
    )
    assert body.ticket.created_at == datetime(2026, 1, 31, 9, tzinfo=UTC)


def test_the_same_ticket_in_both_forms_has_the_same_relevant_content() -> None:
    flat = {**FLAT, "description": "It stops at 10.1.2.3 every day"}
    assert parse(flat).ticket.content_hash == parse(wrapped()).ticket.content_hash


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, TicketKind.CREATED),
        ({"status": {"name": "Resolved"}}, TicketKind.CLOSED),
        ({"status": "CLOSED"}, TicketKind.CLOSED),
        ({"last_updated_time": {"value": "1700000000124"}}, TicketKind.UPDATED),
        ({"last_updated_time": {"value": "1700000000123"}}, TicketKind.CREATED),
        ({"operation": "edited"}, TicketKind.UPDATED),
        ({"event": "Closed"}, TicketKind.CLOSED),
        ({"event": "replayed"}, TicketKind.CREATED),
    ],
)
def test_what_happened_is_said_or_worked_out(changes: dict[str, Any], kind: TicketKind) -> None:
    assert parse(wrapped(**changes)).kind is kind


def test_what_is_said_beside_the_request_wins() -> None:
    assert parse({"operation": "updated", **wrapped(status="Closed")}).kind is TicketKind.UPDATED


@pytest.mark.parametrize("odd", [["x"], True, 5, {"id": 1}, "", None])
def test_what_other_programs_mean_by_these_names_is_left_out(odd: Any) -> None:
    assert parse({**FLAT, "event": odd, "operation": odd}).kind is TicketKind.CREATED
    assert parse({"event": odd, **wrapped(event=odd, operation=odd, udf_fields=odd)}).kind is TicketKind.CREATED


def test_an_additional_field_can_name_the_end_customer() -> None:
    fields = {"udf_char1": "x", "udf_end_customer": {"name": "Quay Ltd"}}
    assert parse(wrapped(account=None, udf_fields=fields)).ticket.end_customer == "Quay Ltd"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"request": {**REQUEST, "id": "../../x"}}, "request.id"),
        ({"request": {**REQUEST, "id": "a" * 65}}, "request.id"),
        ({"request": {**REQUEST, "id": "1\n"}}, "request.id"),
        ({"request": {**REQUEST, "id": ""}}, "request.id"),
        ({"request": {**REQUEST, "id": True}}, "request.id"),
        ({"request": {**REQUEST, "id": 1.5}}, "request.id"),
        ({"request": {k: v for k, v in REQUEST.items() if k != "id"}}, "request.id"),
        ({"request": {k: v for k, v in REQUEST.items() if k != "subject"}}, "request.subject"),
        ({"request": {**REQUEST, "subject": None}}, "request.subject"),
        ({"request": {**REQUEST, "description": 5}}, "request.description"),
        ({"request": {**REQUEST, "requester": [1]}}, "request.requester"),
        ({"request": {**REQUEST, "requester": {"name": []}}}, "request.requester.name"),
        ({"request": {**REQUEST, "priority": [1]}}, "request.priority"),
        ({"request": {**REQUEST, "created_time": []}}, "request.created_time"),
        ({"request": {**REQUEST, "id": ".."}}, "request.id"),
        ({**FLAT, "ticket_id": "."}, "ticket_id"),
        ({"request": None}, "request"),
        ({"request": []}, "request"),
        ({}, "subject"),
        ({**FLAT, "ticket_id": "a b"}, "ticket_id"),
        ([], "$"),
        ("x", "$"),
        (None, "$"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(document: Any, field: str) -> None:
    refused = refusal(document)
    assert refused.status == 422
    assert refused.field == field or (document == {} and refused.field in ("ticket_id", "subject"))
    assert field.rpartition(".")[2] in refused.error or field == "$" or document == {}


@pytest.mark.parametrize("time", ["Nov 14, 2023", "", "-1", -1, {"value": "-1"}, {"value": None}, 10**30, "9" * 15, {}])
def test_an_unreadable_time_is_no_reason_to_lose_a_ticket(time: Any) -> None:
    assert parse(wrapped(created_time=time)).ticket.created_at is None


def test_a_long_description_is_cut_and_flagged() -> None:
    ticket = parse(wrapped(description="ä" * MAX_DESCRIPTION_BYTES)).ticket
    assert ticket.description_cut
    assert len(ticket.description.encode()) == MAX_DESCRIPTION_BYTES
    assert not parse(wrapped(description="x" * MAX_DESCRIPTION_BYTES)).ticket.description_cut


def test_the_largest_ticket_fits_into_an_event() -> None:
    from schemas.events import TicketReceived
    from schemas.wire_format import Codec

    huge = "\U0001f600" * 60_000
    changes = dict.fromkeys(("subject", "description", "site", "category", "priority", "status", "account"), huge)
    ticket = parse(wrapped(**changes, resolution=huge, requester={"id": huge, "name": huge, "email_id": huge})).ticket
    event = TicketReceived("e", "t", TicketKind.CREATED, ticket, datetime(2026, 1, 1, tzinfo=UTC), "d" * 256)
    assert Codec().encode(event)


def test_texts_that_nobody_can_store_are_mended_everywhere() -> None:
    bad = "a\x00\ud800b"
    ticket = parse(wrapped(subject=bad, description=bad, site=bad, resolution={"content": bad}, requester=bad)).ticket
    for text in (ticket.subject, ticket.description, ticket.site, ticket.resolution, ticket.requester.name):
        assert text == "a\ufffd\ufffdb"


def test_the_same_bytes_are_the_same_ticket() -> None:
    assert parse(wrapped()) == parse(wrapped())
